"""FETCH responses: what a server tells about one mail. RFC 3501 7.4.2, 7162 7, 8474 5.4; pure.

An item whose value is not what it should be is kept in `others`, and the rest is read: a broken
ENVELOPE does not cost the body beside it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from postroom.net.imap.values import MAX_NUMBER, Value, date_of, name_of, names_of, number_of, octets_of
from postroom.net.imap.wire import Literal


@dataclass(frozen=True, slots=True)
class Address:
    """One address of an ENVELOPE. Parts are None where the server says NIL; a group begins and ends with no host."""

    name: bytes | None
    route: bytes | None
    mailbox: bytes | None
    host: bytes | None


@dataclass(frozen=True, slots=True)
class Envelope:
    """An ENVELOPE as the server read it, nothing decoded. What a short one lacks is None or empty."""

    date: bytes | None = None
    subject: bytes | None = None
    author: tuple[Address, ...] = ()
    """From."""
    sender: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    in_reply_to: bytes | None = None
    message_id: bytes | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """BODY[section]<origin> or BINARY[section]<origin>; RFC822, RFC822.HEADER, RFC822.TEXT as what they mean."""

    section: str
    """Such as `HEADER`, `1.2.MIME`, `HEADER.FIELDS (TO CC)`, in capitals; empty: the whole mail."""
    data: bytes | Literal | None
    """None where the server says NIL."""
    origin: int | None = None
    """Of a part of the octets, the number of the first."""
    is_binary: bool = False
    """The server undid the transfer encoding (RFC 3516)."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """What one response tells about a mail; None and empty: it does not tell. It may come unasked."""

    sequence: int
    uid: int | None = None
    flags: tuple[str, ...] | None = None
    size: int | None = None
    """RFC822.SIZE."""
    internal_date: datetime | None = None
    """With the zone in which the server wrote it."""
    modseq: int | None = None
    envelope: Envelope | None = None
    sections: tuple[Section, ...] = ()
    structure: Value = None
    """BODYSTRUCTURE or BODY, as it came."""
    gmail_id: int | None = None
    """X-GM-MSGID."""
    gmail_thread: int | None = None
    """X-GM-THRID."""
    gmail_labels: tuple[str, ...] | None = None
    """X-GM-LABELS: names as they are on the wire."""
    email_id: str | None = None
    thread_id: str | None = None
    """None also where the server says NIL (RFC 8474 5.2)."""
    others: tuple[tuple[str, Value], ...] = ()
    """Items that are not known, or whose value is not what it should be."""

    @property
    def internal_ms(self) -> int | None:
        """INTERNALDATE in milliseconds since 1970."""
        return None if self.internal_date is None else int(self.internal_date.timestamp()) * 1000

    @property
    def body(self) -> bytes | Literal | None:
        """The whole mail, or from its beginning what was asked for, where it was sent."""
        for section in self.sections:
            if not section.section and not section.origin and section.data is not None:
                return section.data
        return None


_SECTION = re.compile(r"(BODY|BINARY)\[(.*)\](?:<([0-9]{1,19})(?:\.[0-9]+)?>)?", re.IGNORECASE | re.DOTALL)
_OLD_SECTIONS = {"RFC822": "", "RFC822.HEADER": "HEADER", "RFC822.TEXT": "TEXT"}

_ITEM = rb'(?:UID [0-9]{1,19}|FLAGS \([^()"]*\)|MODSEQ \([0-9]{1,19}\)|RFC822\.SIZE [0-9]{1,19}|INTERNALDATE "[^"\\]*")'
_PLAIN = re.compile(rb"\* ([0-9]{1,10}) FETCH \((" + _ITEM + rb"(?: " + _ITEM + rb")*)\)")
_LONGEST_FLAGS = 500
"""Longer lists are not kept for the next mail."""
_PLAIN_ITEM = re.compile(rb'([A-Z0-9.]+) (?:([0-9]+)|\(([^()"]*)\)|("[^"]*"))')


def read_plain_fetch(line: bytes) -> Fetch | None:
    """Return the common FETCH (UID, FLAGS, MODSEQ, SIZE, INTERNALDATE) of one line at ten times the speed.

    None: it is something else, or something is wrong with it.
    """
    match = _PLAIN.fullmatch(line)
    if match is None:
        return None
    uid = size = modseq = flags = date = None
    for name, number, listed, quoted in _PLAIN_ITEM.findall(match[2]):
        if name == b"FLAGS":
            flags = _flags(listed) if len(listed) <= _LONGEST_FLAGS else None
            understood = flags is not None
        elif name == b"INTERNALDATE":
            date = date_of(quoted[1:-1])
            understood = date is not None
        else:
            value = int(number or listed)
            understood = value <= MAX_NUMBER
            if name == b"UID":
                uid = value
            elif name == b"MODSEQ":
                modseq = value
            else:
                size = value
        if not understood:
            return None
    return Fetch(int(match[1]), uid, flags, size, date, modseq)


@lru_cache(maxsize=512)
def _flags(text: bytes) -> tuple[str, ...] | None:
    """Most mails have one of a few sets of flags."""
    words = tuple(text.decode("latin-1").split(" ")) if text else ()
    return None if any(not word.isprintable() or word in ("", "NIL") for word in words) else words


@dataclass(slots=True)
class _Draft:
    """The items of a FETCH while they are read."""

    plain: dict[str, object] = field(default_factory=dict)
    sections: list[Section] = field(default_factory=list)
    others: list[tuple[str, Value]] = field(default_factory=list)


def read_fetch(sequence: int, items: tuple[Value, ...]) -> Fetch | None:
    """Return the FETCH with these names and values in turn, or None where they are no such pairs."""
    if len(items) % 2:
        return None
    draft = _Draft()
    for name, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(name, str):
            return None
        _read_item(draft, name, value)
    sections, others = tuple(draft.sections), tuple(draft.others)
    return Fetch(sequence, sections=sections, others=others, **draft.plain)  # type: ignore[arg-type]


def _read_item(draft: _Draft, name: str, value: Value) -> None:
    upper = name.upper()
    reader = _READERS.get(upper)
    if reader is not None:
        attribute, read = reader
        found = read(value)
        if found is not None:
            draft.plain[attribute] = found
            return
        if value is None:
            return
    elif upper in _OLD_SECTIONS or (match := _SECTION.fullmatch(name)):
        data: bytes | Literal | None = value if isinstance(value, bytes | Literal) else None
        if isinstance(value, str):
            # Nobody may write a mail as an atom, but where it is one word it is plain what is meant.
            data = value.encode("latin-1")
        if not isinstance(value, tuple):
            if upper in _OLD_SECTIONS:
                draft.sections.append(Section(_OLD_SECTIONS[upper], data))
            elif match is not None:
                origin = int(match[3]) if match[3] else None
                draft.sections.append(Section(match[2].upper(), data, origin, match[1].upper() == "BINARY"))
            return
    draft.others.append((upper, value))


def _modseq(value: Value) -> int | None:
    return number_of(value[0]) if isinstance(value, tuple) and len(value) == 1 else None


def _object_id(value: Value) -> str | None:
    return name_of(value[0]) if isinstance(value, tuple) and len(value) == 1 else None


def _structure(value: Value) -> Value:
    return value if isinstance(value, tuple) else None


def _envelope(value: Value) -> Envelope | None:
    if not isinstance(value, tuple):
        return None
    fields = (*value[:10], *(None for _ in range(10 - len(value))))
    date, subject, author, sender, reply_to, to, cc, bcc, in_reply_to, message_id = fields
    return Envelope(
        octets_of(date),
        octets_of(subject),
        _addresses(author),
        _addresses(sender),
        _addresses(reply_to),
        _addresses(to),
        _addresses(cc),
        _addresses(bcc),
        octets_of(in_reply_to),
        octets_of(message_id),
    )


def _addresses(value: Value) -> tuple[Address, ...]:
    if not isinstance(value, tuple):
        return ()
    found = []
    for address in value:
        if isinstance(address, tuple):
            name, route, mailbox, host = (*(octets_of(part) for part in address[:4]), None, None, None, None)[:4]
            found.append(Address(name, route, mailbox, host))
    return tuple(found)


_READERS: dict[str, tuple[str, Callable[[Value], object]]] = {
    "UID": ("uid", number_of),
    "FLAGS": ("flags", names_of),
    "RFC822.SIZE": ("size", number_of),
    "INTERNALDATE": ("internal_date", date_of),
    "MODSEQ": ("modseq", _modseq),
    "ENVELOPE": ("envelope", _envelope),
    "BODYSTRUCTURE": ("structure", _structure),
    "BODY": ("structure", _structure),
    "X-GM-MSGID": ("gmail_id", number_of),
    "X-GM-THRID": ("gmail_thread", number_of),
    "X-GM-LABELS": ("gmail_labels", names_of),
    "EMAILID": ("email_id", _object_id),
    "THREADID": ("thread_id", _object_id),
}
