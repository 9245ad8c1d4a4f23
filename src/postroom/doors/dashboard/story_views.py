"""The story of one recipient as a timeline, and the line that would send such a message again. Pure."""

import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from postroom.doors.dashboard.event_words import EventWords, fetched_words, rule_in_words, size_in_words, words_of
from postroom.doors.dashboard.reasons import reason_of
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.rows import EventRow, HitRow, MessageRow, RecipientRow
from postroom.ledger.states import RecipientState
from postroom.mail.reading import Reading

_decode_tags = msgspec.json.Decoder(list[str]).decode
_decode_pairs = msgspec.json.Decoder(dict[str, str]).decode
_decode_evidence = msgspec.json.Decoder(dict[str, Any]).decode

CURL_LETTERS = 4_000
"""Of a text that stands in the curl line; of longer ones the beginning does, and it says so."""
_SOURCES = {"smtp": "SMTP submission", "http": "HTTP API", "notify": "Postroom itself, as a report", "route": "a route"}
_SPEAKERS = {">": "us", "<": "peer", "!": "trouble"}
_TRIED = (EventKind.DELIVERED, EventKind.DEFERRED, EventKind.FAILED)


@dataclass(frozen=True, slots=True)
class Spoken:
    """One line of SMTP."""

    who: str
    """`us`, `peer`, or `trouble` for what broke the conversation off."""
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened, or is going to."""

    at_ms: int
    title: str
    tone: str
    sentence: str = ""
    remedy: str = ""
    next_try_ms: int | None = None
    """When the next try comes; None once it has come."""
    pause: str = ""
    """How long the recipient had to wait for the next try, in words."""
    said: str = ""
    """What the peer said, word for word."""
    facts: tuple[tuple[str, str], ...] = ()
    spoken: tuple[Spoken, ...] = ()
    inbound_id: str = ""
    """The mail that came in and told it, or empty."""
    is_ahead: bool = False
    """It has not happened yet."""


def timeline(
    message: MessageRow,
    recipient: RecipientRow,
    events: Sequence[EventRow],
    hits: Sequence[HitRow],
    now_ms: int,
    *,
    is_first: bool = True,
    is_last: bool = True,
    waits_for: str = "",
) -> tuple[Entry, ...]:
    """Return the story of a recipient. Of a part of it, `is_first` and `is_last` tell which ends it has.

    `waits_for`: why one that is due is not being tried yet.
    """
    entries = list(_beginning(message)) if is_first else []
    seen = {(row.kind, row.at_ms): row for row in hits}
    entries += [_entry(event, recipient, seen, now_ms) for event in events]
    if is_last:
        entries += _ahead(recipient, now_ms, waits_for)
    return tuple(entries)


def message_facts(message: MessageRow) -> list[tuple[str, str]]:
    """Return what the message says about itself."""
    pairs = [
        ("From", message.author_address),
        ("Reverse-path", message.reverse_path or "<> (null)"),
        ("Message-ID", message.message_id),
        ("Stream", message.stream),
        ("Came by", _SOURCES.get(message.source, message.source)),
        ("Size", size_in_words(message.size_bytes)),
    ]
    if message.envid:
        pairs.append(("ENVID", message.envid))
    return pairs


def tags_of(message: MessageRow) -> list[str]:
    """Return the tags."""
    return _decode_tags(message.tags)


def metadata_of(message: MessageRow) -> dict[str, str]:
    """Return the metadata."""
    return _decode_pairs(message.metadata)


def short_address(address: str) -> str:
    """Return a network address without the part that tells one person from another."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if found.version == 4:
        return ".".join([*address.split(".")[:3], "x"])
    return f"{ipaddress.ip_network((address, 48), strict=False).network_address}/48"


def curl_of(message: MessageRow, address: str, reading: Reading | None, base_url: str) -> str:
    """Return the line that would send such a message to `address`; the key is a shell variable.

    `reading` is the mail as it was handed in; None where it is gone or too large.
    """
    value: dict[str, object] = {"from": message.author_address, "to": [address], "subject": message.subject}
    html = reading.html.text if reading is not None and reading.html is not None else None
    plain = reading.plain.text if reading is not None and reading.plain is not None else None
    if html is not None:
        value["html"] = _cut(html)
    if plain is not None or html is None:
        value["text"] = _cut(plain) if plain is not None else "…"
    if message.stream != "transactional":
        value["stream"] = message.stream
    if tags := tags_of(message):
        value["tags"] = tags
    if metadata := metadata_of(message):
        value["metadata"] = metadata
    fields = [f"{json.dumps(name)}: {json.dumps(one, ensure_ascii=False)}" for name, one in value.items()]
    lines = ",\n       ".join(fields)
    body = f"{{{lines}}}".replace("'", "'\\''")
    return (
        f"curl {base_url}/api/v1/messages \\\n"
        "  -H \"Authorization: Bearer $POSTROOM_KEY\" -H 'Content-Type: application/json' \\\n"
        f"  -d '{body}'"
    )


def header_text(head: bytes) -> str:
    """Return the header of a content as text, or as much of it as there is."""
    header = head.partition(b"\r\n\r\n")[0]
    return header.decode("utf-8", "replace").replace("\r\n", "\n")


def _cut(text: str) -> str:
    return text if len(text) <= CURL_LETTERS else f"{text[:CURL_LETTERS]}… (cut)"


def _beginning(message: MessageRow) -> Sequence[Entry]:
    came = _SOURCES.get(message.source, message.source)
    accepted = Entry(
        message.created_ms,
        "Accepted",
        "busy",
        f"by {came}, {size_in_words(message.size_bytes)}, {message.stream} stream",
    )
    if message.send_at_ms is None or message.send_at_ms <= message.created_ms:
        return (accepted,)
    return (accepted, Entry(message.send_at_ms, "Scheduled", "idle", "not to be sent before then"))


def _entry(event: EventRow, recipient: RecipientRow, hits: Mapping[tuple[str, int], HitRow], now_ms: int) -> Entry:
    words = words_of(event, recipient.provider, recipient.domain)
    if event.kind in _TRIED:
        return _tried(event, words, now_ms)
    if event.kind in (EventKind.OPENED, EventKind.CLICKED):
        kind = "open" if event.kind == EventKind.OPENED else "click"
        return _fetched(event, words, hits.get((kind, event.at_ms)))
    facts = []
    if program := words.detail.get("user_agent"):
        facts.append(("Program", str(program)))
    if codes := " ".join(str(code) for name in ("reply_code", "status") if (code := words.detail.get(name))):
        facts.append(("Status", codes))
    return Entry(
        event.at_ms,
        words.title,
        words.tone,
        words.sentence,
        said=words.said,
        facts=tuple(facts),
        inbound_id=words.inbound_id,
    )


def _tried(event: EventRow, words: EventWords, now_ms: int) -> Entry:
    detail = words.detail
    tries, duration = detail.get("try"), detail.get("duration_ms")
    facts = []
    if hop := _text(detail, "next_hop"):
        facts.append(("Next hop", hop))
    if hop and hop != "sandbox":
        facts.append(("Connection", _text(detail, "tls") or "not encrypted"))
    if isinstance(duration, int) and duration:
        facts.append(("Took", f"{duration / 1000:.1f} s" if duration >= 1000 else f"{duration} ms"))
    title = words.title
    if isinstance(tries, int) and tries > 1:
        title = f"{title}, try {tries}"
    next_ms = words.next_try_ms
    return Entry(
        event.at_ms,
        title,
        words.tone,
        words.sentence,
        words.remedy,
        next_ms if next_ms is not None and next_ms > now_ms else None,
        _span(next_ms - event.at_ms) if next_ms is not None and next_ms <= now_ms else "",
        _text(detail, "reply"),
        tuple(facts),
        _spoken(_text(detail, "transcript")),
    )


def _spoken(transcript: str) -> tuple[Spoken, ...]:
    lines = []
    for line in transcript.split("\n"):
        mark, _, text = line.partition(" ")
        if mark in _SPEAKERS:
            lines.append(Spoken(_SPEAKERS[mark], text))
        elif line:
            lines.append(Spoken("peer", line))
    return tuple(lines)


def _fetched(event: EventRow, words: EventWords, hit: HitRow | None) -> Entry:
    if hit is not None:
        # Rules may have judged it anew since the event was told.
        words = fetched_words(event.kind, {**words.detail, "label": hit.label})
    facts = [("Taken for", _text(words.detail, "label") or "unknown")]
    program = hit.user_agent if hit is not None else _text(words.detail, "user_agent")
    if hit is not None:
        try:
            evidence = _decode_evidence(hit.evidence) if hit.evidence else {}
        except msgspec.DecodeError:
            evidence = {}
        if rule := evidence.get("rule"):
            facts.append(("Because", rule_in_words(str(rule))))
        since = evidence.get("since_delivery_ms")
        if isinstance(since, int):
            facts.append(("After delivery", _span(since)))
    facts.append(("Program", program or "did not say"))
    if hit is not None and (address := short_address(hit.address)):
        facts.append(("From", address))
    return Entry(event.at_ms, words.title, words.tone, words.sentence, facts=tuple(facts))


def _span(ms: int) -> str:
    seconds = abs(ms) / 1000
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            told = f"{seconds / size:.0f} {unit}"
            break
    else:
        told = f"{seconds:.1f} s"
    return told if ms >= 0 else f"{told} before it"


def _ahead(recipient: RecipientRow, now_ms: int, waits_for: str) -> list[Entry]:
    reason = reason_of(recipient)
    match recipient.state:
        case RecipientState.QUEUED | RecipientState.DEFERRED:
            if recipient.due_ms <= now_ms:
                return [Entry(now_ms, "Waits", "busy", waits_for or "tried as soon as its turn comes", is_ahead=True)]
            title = "Next try" if recipient.tries else "First try"
            return [Entry(recipient.due_ms, title, "busy", reason.remedy, is_ahead=True)]
        case RecipientState.SENDING:
            return [Entry(now_ms, "Is being tried now", "busy", is_ahead=True)]
        case RecipientState.HELD:
            return [Entry(now_ms, "Held", "warn", "no try until it is released", is_ahead=True)]
        case RecipientState.IN_DOUBT:
            return [Entry(now_ms, "In doubt", "warn", reason.remedy, is_ahead=True)]
        case _:
            return []


def _text(detail: Mapping[str, Any], name: str) -> str:
    value = detail.get(name, "")
    return value if isinstance(value, str) else str(value)
