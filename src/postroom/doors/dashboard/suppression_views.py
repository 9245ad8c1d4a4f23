"""What the pages of suppressions say: scopes, sources and consequences in words. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from postroom.base.ids import parse_id, show_id
from postroom.doors.dashboard.event_words import UNSUBSCRIBED_BY
from postroom.events.evidence import fields_of
from postroom.ledger.rows import SuppressionRow
from postroom.ledger.states import Stream, SuppressionScope

SCOPE_CHOICES = (
    (SuppressionScope.ALL.value, "All mail"),
    (SuppressionScope.BULK.value, "Bulk mail only"),
    (SuppressionScope.TRANSACTIONAL.value, "Transactional mail only"),
)
_SCOPES = {
    SuppressionScope.ALL.value: "all mail",
    SuppressionScope.BULK.value: "bulk mail",
    SuppressionScope.TRANSACTIONAL.value: "transactional mail",
}
_SOURCES = {
    "api": "by the API",
    "operator": "by an operator",
    "unsubscribe": "by the recipient's own unsubscribe",
    "import": "by an imported list",
    "delivery": "by the answer to a try",
    "bounce": "by a bounce that came back",
    "complaint": "by a complaint",
}
Stopped = Mapping[tuple[str, str], tuple[str, str]]
"""Scope and reason of what stops mail, by key of the address and stream (`store.suppressions.suppressed`)."""
CAUSES = {
    "dead": ("Dead addresses", ("delivery", "bounce")),
    "complaints": ("Complaints", ("complaint",)),
    "unsubscribes": ("Unsubscribes", ("unsubscribe",)),
    "given": ("By hand, list or API", ("operator", "import", "api")),
}
"""What the list is asked for: word of its address, words, and the sources of a suppression."""
_STREAMS = {Stream.TRANSACTIONAL: "Transactional mail", Stream.BULK: "Bulk mail"}


@dataclass(frozen=True, slots=True)
class Line:
    """A suppression in the list."""

    id: str
    address: str
    scope: str
    """As the API says it."""
    scope_words: str
    reason: str
    source: str
    evidence: str
    """What it rests on, for reading; empty where nothing is kept."""
    cause: str
    """Public id of the recipient whose mail caused it, or empty."""
    inbound: str
    """Public id of the mail that came in and asked for it, or empty."""
    created_ms: int
    expires_ms: int | None
    is_active: bool
    meaning: str
    """What taking it off means."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether an address would be mailed by a stream."""

    stream: str
    is_mailed: bool
    sentence: str


def line(row: SuppressionRow, now_ms: int) -> Line:
    """Return a suppression as the list shows it."""
    evidence, cause, inbound = _evidence(row.evidence)
    return Line(
        show_id("sup", row.id),
        row.address_key,
        row.scope,
        scope_words(row.scope),
        row.reason,
        _SOURCES.get(row.source, f"by {row.source}" if row.source else ""),
        evidence,
        cause,
        inbound,
        row.created_ms,
        row.expires_ms,
        row.expires_ms is None or row.expires_ms > now_ms,
        _meaning(row),
    )


def scope_words(scope: str) -> str:
    """Return which mail a scope stops."""
    return _SCOPES.get(scope, f"mail of {scope.replace(':', ' ')}")


def stopped_words(key: str, stopped: Stopped) -> list[str]:
    """Return in words which mail an address gets no more, to stand behind "no"."""
    asked = [(key, stream.value) for stream in Stream]
    scopes = dict.fromkeys(stopped[one][0] for one in asked if one in stopped)
    return ["mail" if scope == SuppressionScope.ALL.value else scope_words(scope) for scope in scopes]


def answers(address: str, rows: Iterable[SuppressionRow], now_ms: int) -> tuple[Answer, ...]:
    """Return for each stream whether the address would be mailed; `rows` are all that it has."""
    standing = {row.scope: row for row in rows if row.expires_ms is None or row.expires_ms > now_ms}
    return tuple(_answer(stream, address, standing.get("all") or standing.get(stream.value)) for stream in Stream)


def addresses_of(pasted: str) -> list[tuple[int, str]]:
    """Return the lines of a field that are not empty, with their numbers from 1."""
    lines = [(number, text.strip(" \t,;")) for number, text in enumerate(pasted.splitlines(), 1)]
    return [(number, text) for number, text in lines if text]


def wrong_lines(wrong: Sequence[tuple[int, str]], most: int = 5) -> str:
    """Return what is wrong with lines of a field, as one text."""
    told = " ".join(f"Line {number}: {why}." for number, why in wrong[:most])
    return told + (f" And {len(wrong) - most} more." if len(wrong) > most else "")


def _answer(stream: Stream, address: str, row: SuppressionRow | None) -> Answer:
    name = _STREAMS[stream]
    if row is None:
        return Answer(stream.value, True, f"{name} to {address} would be sent.")
    why = f": {row.reason}" if row.reason else ""
    return Answer(
        stream.value,
        False,
        f"{name} to {address} would not be sent. It is suppressed for {scope_words(row.scope)}{why}.",
    )


def _meaning(row: SuppressionRow) -> str:
    sentence = f"{scope_words(row.scope).capitalize()} to {row.address_key} will be sent again."
    if row.source == "unsubscribe":
        return f"{sentence} This person asked not to get it: take it off only where they have asked you to."
    if row.scope == SuppressionScope.ALL.value:
        return f"{sentence} If the mailbox does not exist, sending to it again harms the reputation of your domain."
    return sentence


def _evidence(stored: str) -> tuple[str, str, str]:
    """Return evidence as words, the recipient that it names, and the mail that came in."""
    value = fields_of(stored)
    if not value:
        return stored, "", ""
    recipient = value.pop("recipient", None)
    cause = ""
    if isinstance(recipient, int) and 0 < recipient < 1 << 63:
        cause = show_id("rcp", recipient)
    elif isinstance(recipient, str) and recipient.startswith("rcp_"):
        cause = recipient
    mail = value.pop("inbound_id", None)
    inbound = mail if isinstance(mail, str) and parse_id("inb", mail) is not None else ""
    if isinstance(line := value.get("evidence"), str):
        # The line that somebody wrote says it.
        return line, cause, inbound
    by = value.pop("by", None)
    pieces = [] if by is None else [UNSUBSCRIBED_BY.get(str(by), f"by {by}")]
    pieces += [f"{name.replace('_', ' ')}: {told}" for name, told in value.items()]
    return "; ".join(pieces), cause, inbound
