"""What the pages of domains show: state in words, each DNS record with its purpose, what was seen and what to do."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from postroom.ledger.rows import DomainRow


class DnsRecord(Protocol):
    """One record to publish (`domains.records.DnsRecord`)."""

    @property
    def purpose(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def value(self) -> str: ...


class CheckedRecord(Protocol):
    """A record and what the last check found (`domains.checks.CheckedRecord`)."""

    @property
    def record(self) -> DnsRecord: ...
    @property
    def seen(self) -> bool: ...
    @property
    def problem(self) -> str: ...


@dataclass(frozen=True, slots=True)
class DomainLine:
    """A domain in the list and at the head of its page."""

    name: str
    state: str
    """`proved`, `vouched` or `unproved`."""
    state_words: str
    meaning: str
    """What the state means for mail, one sentence."""
    return_path: str
    """The host that mail carries for returns now."""
    own_return_path: bool
    tracking: str
    """The host that links and pixels carry now."""
    own_tracking: bool
    checked_ms: int | None


@dataclass(frozen=True, slots=True)
class RecordLine:
    """A record to publish, as a row of the doctor's page."""

    purpose: str
    title: str
    why: str
    needed: bool
    """Mail may not leave, or is likely to be taken for spam, without it."""
    type: str
    name: str
    short_name: str
    """The name without the domain, for zone editors that add it themselves."""
    value: str
    state: str
    """`seen`, `missing` or `unchecked`."""
    problem: str
    remedy: str


@dataclass(frozen=True, slots=True)
class KeyLine:
    """A DKIM key by which mail of the domain is signed."""

    selector: str
    algorithm: str
    meaning: str
    seen: bool


@dataclass(frozen=True, slots=True)
class Doctor:
    """The page of one domain."""

    domain: DomainLine
    records: tuple[RecordLine, ...]
    keys: tuple[KeyLine, ...]
    told: str
    """The result in one sentence, for everybody and for screen readers."""


_STATES = {
    "proved": ("Proved", "Mail from this domain may leave by smarthost and direct delivery."),
    "vouched": ("Vouched", "The operator vouches for this domain, so its mail may leave without a proof in DNS."),
    "unproved": (
        "Not proved",
        "Only the sandbox takes mail from this domain: to leave this machine, it is refused until the proof is seen.",
    ),
}

_PURPOSES = {
    "proof": ("Proof", "shows that the domain is yours. Mail may leave once it is seen.", True),
    "dkim": ("DKIM, RSA", "the public key by which receivers check our signature.", True),
    "dkim_ed25519": (
        "DKIM, Ed25519",
        "the second, shorter key. Receivers that do not know it use the RSA one.",
        False,
    ),
    "dmarc": (
        "DMARC",
        "tells receivers what to do with mail that only pretends to be yours. Any policy will do.",
        True,
    ),
    "return_path": ("Returns", "brings reports about undelivered mail back to us.", False),
    "return_path_spf": ("SPF of the returns", "says that this server may send with that return address.", False),
    "tracking": ("Links", "lets links, pixels and unsubscribe pages stand on a host of your domain.", False),
}


def domain_line(row: DomainRow, own_return_path: str, own_tracking: str) -> DomainLine:
    """Show a domain. The other two are the installation's own hosts, which serve until the domain's are seen."""
    state = "proved" if row.proved_ms is not None else "vouched" if row.vouched else "unproved"
    words, meaning = _STATES[state]
    may_send = state != "unproved"
    returns = may_send and row.return_path_seen_ms is not None
    tracks = may_send and row.tracking_seen_ms is not None
    return DomainLine(
        name=row.name,
        state=state,
        state_words=words,
        meaning=meaning,
        return_path=f"rp.{row.name}" if returns else own_return_path,
        own_return_path=returns,
        tracking=f"go.{row.name}" if tracks else own_tracking,
        own_tracking=tracks,
        checked_ms=row.checked_ms,
    )


def doctor(
    line: DomainLine, row: DomainRow, records: Sequence[DnsRecord], last_look: Iterable[CheckedRecord]
) -> Doctor:
    """Show a domain's records with what the last look found; without a look they are unchecked."""
    found = {one.record.purpose: one for one in last_look}
    lines = tuple(_record_line(row.name, record, found.get(record.purpose)) for record in records)
    seen = sum(one.state == "seen" for one in lines)
    return Doctor(line, lines, _keys(row, lines), _told(row, lines, seen))


def _record_line(domain: str, record: DnsRecord, checked: CheckedRecord | None) -> RecordLine:
    title, why, needed = _PURPOSES[record.purpose]
    state = "unchecked" if checked is None else "seen" if checked.seen else "missing"
    problem = checked.problem if checked is not None else ""
    return RecordLine(
        purpose=record.purpose,
        title=title,
        why=why,
        needed=needed,
        type=record.type,
        name=record.name,
        short_name=record.name.removesuffix(f".{domain}"),
        value=record.value,
        state=state,
        problem=problem,
        remedy=_remedy(record, problem) if state == "missing" else "",
    )


def _remedy(record: DnsRecord, problem: str) -> str:
    if problem.startswith("DNS gave no answer"):
        return "Nothing is decided: check again in a minute."
    if " has no " in problem:
        return "Add the record where the domain's DNS is kept. It may take some minutes until it is seen."
    if record.type == "CNAME":
        return "Replace what stands there: a name with a CNAME has no other records."
    if record.type == "MX":
        return "Replace the MX records of this name; the domain's own MX records stay as they are."
    if record.purpose in ("dmarc", "return_path_spf"):
        return "Add it beside what stands there."
    return "Replace what stands there by the value shown here."


def _keys(row: DomainRow, lines: Iterable[RecordLine]) -> tuple[KeyLine, ...]:
    seen = {line.purpose for line in lines if line.state == "seen"}
    keys = [KeyLine(row.selector, "RSA, 2048 bits", "Every receiver knows it.", "dkim" in seen)]
    if row.ed25519_key is not None:
        meaning = "Short and new; mail carries it beside the other."
        keys.append(KeyLine(row.ed25519_selector, "Ed25519", meaning, "dkim_ed25519" in seen))
    return tuple(keys)


def _told(row: DomainRow, lines: Sequence[RecordLine], seen: int) -> str:
    if row.checked_ms is None:
        return f"Nobody has looked yet: publish the {len(lines)} records, then check."
    if seen == len(lines):
        return f"All {seen} records are seen."
    missing = ", ".join(line.title for line in lines if line.state != "seen")
    return f"{seen} of {len(lines)} records are seen. Missing: {missing}."
