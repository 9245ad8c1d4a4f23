"""What the domain pages say about a domain and its records."""

from postroom.domains.checks import CheckedRecord, check_record
from postroom.domains.records import DnsRecord, Installation, records_for
from postroom.doors.dashboard.domain_views import Doctor, doctor, domain_line
from postroom.ledger.rows import DomainRow

ROW = DomainRow(5, 1, "example.com", "p" * 32, 0, None, "postroom1", b"", "postroom1e", b"x", None, None, None, 1000)
RECORDS = records_for(
    "example.com", ROW.proof, [("postroom1", "v=DKIM1; p=A"), ("postroom1e", "v=DKIM1; k=ed25519; p=B")],
    Installation("mail.example.net", "track.example.net"),
)  # fmt: skip


class Zone:
    """DNS with the TXT records that a test gives."""

    def __init__(self, **texts: tuple[str, ...]) -> None:
        self._texts = {name.replace("__", "."): value for name, value in texts.items()}

    async def texts(self, name: str) -> tuple[str, ...]:
        return self._texts.get(name, ())

    async def mail_hosts(self, name: str) -> tuple[str, ...]:
        return ("mx.other.example",)

    async def alias_of(self, name: str) -> str | None:
        return "other.example"

    async def addresses(self, name: str) -> frozenset[str]:
        return frozenset()


def shown(row: DomainRow = ROW, *looked: CheckedRecord) -> Doctor:
    return doctor(domain_line(row, "rp.mail.example.net", "track.example.net"), row, RECORDS, looked)


def test_a_new_domain_says_that_nobody_has_looked_and_that_its_mail_may_not_leave() -> None:
    page = shown()

    assert page.domain.state_words == "Not proved"
    assert "Only the sandbox" in page.domain.meaning
    assert {line.state for line in page.records} == {"unchecked"}
    assert page.told == "Nobody has looked yet: publish the 7 records, then check."


def test_the_own_names_of_the_installation_serve_until_the_domains_are_seen() -> None:
    seen = ROW._replace(return_path_seen_ms=1, tracking_seen_ms=1)

    unproved, proved, before = (shown(row).domain for row in (seen, seen._replace(proved_ms=1), ROW))

    assert (before.return_path, before.tracking) == ("rp.mail.example.net", "track.example.net")
    # Until the proof is there, an unproved claim uses no name of the domain.
    assert (unproved.return_path, unproved.tracking) == ("rp.mail.example.net", "track.example.net")
    assert (proved.return_path, proved.tracking) == ("rp.example.com", "go.example.com")


def test_proved_by_dns_counts_before_vouched() -> None:
    assert shown(ROW._replace(vouched=1)).domain.state == "vouched"
    assert shown(ROW._replace(vouched=1, proved_ms=5)).domain.state == "proved"


async def test_each_missing_record_says_what_was_seen_and_what_to_do() -> None:
    zone = Zone(_postroom__example__com=("postroom-proof=wrong",))
    looked = [await check_record(zone, record) for record in RECORDS]

    lines = {line.purpose: line for line in shown(ROW._replace(checked_ms=5), *looked).records}

    assert lines["proof"].problem == "_postroom.example.com has the TXT postroom-proof=wrong"
    assert lines["proof"].remedy.startswith("Replace what stands there")
    assert lines["dkim"].remedy.startswith("Add the record")
    assert "domain's own MX records stay" in lines["return_path"].remedy
    assert "no other records" in lines["tracking"].remedy


def test_no_answer_of_dns_is_no_verdict() -> None:
    no_answer = CheckedRecord(RECORDS[0], False, "DNS gave no answer: it took too long")

    assert "Nothing is decided" in shown(ROW._replace(checked_ms=5), no_answer).records[0].remedy


def test_a_zone_editor_gets_the_name_without_the_domain() -> None:
    names = [line.short_name for line in shown().records]

    assert names == ["_postroom", "postroom1._domainkey", "postroom1e._domainkey", "_dmarc", "rp", "rp", "go"]


def test_every_purpose_has_words() -> None:
    everything = [CheckedRecord(record, True, "") for record in RECORDS]

    page = shown(ROW._replace(checked_ms=5, proved_ms=5), *everything)

    assert page.told == "All 7 records are seen."
    assert all(line.title and line.why and not line.remedy for line in page.records)
    assert [(key.selector, key.seen) for key in page.keys] == [("postroom1", True), ("postroom1e", True)]
    assert isinstance(RECORDS[0], DnsRecord)
