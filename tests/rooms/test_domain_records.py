"""The records that a domain's owner is told to publish."""

from postroom.domains.checks import check_record
from postroom.domains.records import Installation, records_for


class Zone:
    """DNS that knows one address of go.example.com."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = frozenset(addresses)

    async def texts(self, name: str) -> tuple[str, ...]:
        return ()

    async def mail_hosts(self, name: str) -> tuple[str, ...]:
        return ()

    async def alias_of(self, name: str) -> str | None:
        return None

    async def addresses(self, name: str) -> frozenset[str]:
        return self._addresses if name == "go.example.com" else frozenset()


async def test_an_installation_without_a_name_is_pointed_to_by_its_address() -> None:
    """An alias that leads to an address is no valid record (RFC 1035 3.3.1)."""
    for host, kind in (("192.0.2.7", "A"), ("2001:db8::7", "AAAA"), ("mail.example.net", "CNAME")):
        tracking = records_for("example.com", "p", [], Installation("mail.example.net", host))[-1]

        assert (tracking.name, tracking.type, tracking.value) == ("go.example.com", kind, host)
        if kind != "CNAME":
            assert (await check_record(Zone(host), tracking)).seen
            missing = await check_record(Zone("192.0.2.99"), tracking)
            assert missing.problem == f"go.example.com has the {kind} 192.0.2.99"
