"""DNS answers from a dict: a double of `net.dns.Resolver` for what verdicts ask, without sockets."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address

from postroom.net.dns import Answer, MxRecord, Status

TIMEOUT = "TIMEOUT"
"""As a record: no answer for its type; as a name's entry: none for types without records."""
_MAX_CHAIN = 8

Records = Sequence[str | Mapping[str, object]]


class MemoryDns:
    """Answers from `zone`: names with lists of `{"TXT": "…"}`, `{"MX": [10, "host"]}`, `{"A": "…"}`, or TIMEOUT."""

    def __init__(self, zone: Mapping[str, Records]) -> None:
        self._zone = {name.lower(): records for name, records in zone.items()}
        self.questions: list[tuple[str, str]] = []

    async def txt(self, name: str) -> Answer[str]:
        answer = self._ask(name, "TXT")
        texts = ("".join(record) if isinstance(record, list) else str(record) for record in answer.records)
        return Answer(answer.status, tuple(texts), reason=answer.reason)

    async def a(self, name: str) -> Answer[str]:
        return self._texts(name, "A")

    async def aaaa(self, name: str) -> Answer[str]:
        return self._texts(name, "AAAA")

    async def ptr(self, address: str) -> Answer[str]:
        return self._texts(ip_address(address).reverse_pointer, "PTR")

    async def mx(self, domain: str) -> Answer[MxRecord]:
        answer = self._ask(domain, "MX")
        records = []
        for record in answer.records:
            assert isinstance(record, list)
            records.append(MxRecord(record[0], record[1].lower()))
        return Answer(answer.status, tuple(records), reason=answer.reason)

    def _texts(self, name: str, kind: str) -> Answer[str]:
        answer = self._ask(name, kind)
        return Answer(answer.status, tuple(str(record).lower() for record in answer.records), reason=answer.reason)

    def _ask(self, name: str, kind: str) -> Answer[object]:
        self.questions.append((name.lower(), kind))
        for _ in range(_MAX_CHAIN):
            records = self._zone.get(name.lower().rstrip("."))
            if records is None or any(len(label) > 63 for label in name.split(".")):
                return Answer(Status.NO_SUCH_DOMAIN)
            found = [record[kind] for record in records if not isinstance(record, str) and kind in record]
            alias = next(
                (record["CNAME"] for record in records if not isinstance(record, str) and "CNAME" in record), ""
            )
            if TIMEOUT in found or (not found and TIMEOUT in records):
                return Answer(Status.TEMPORARY_FAILURE, reason="no answer from DNS")
            if found or not alias:
                return Answer(Status.FOUND if found else Status.NO_DATA, tuple(found))
            name = str(alias)
        return Answer(Status.TEMPORARY_FAILURE, reason="the CNAMEs do not end")
