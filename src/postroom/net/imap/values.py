"""What stands in a response or command: atoms, strings, NIL and lists as Python values. RFC 3501 4; pure.

| on the wire | here |
|---|---|
| an atom, a number, a flag, `BODY[HEADER.FIELDS (TO)]<0>` | `str`: one character for each octet (Latin-1) |
| `"quoted"`, a literal | `bytes`, without quotes and escapes |
| a literal that went to a sink | `wire.Literal` |
| NIL | None (in commands the atom `NIL`: a mailbox may be called so) |
| `( … )` | `tuple` |

Tolerant: atoms may hold any octet but controls, space, `(`, `)` and `"`; blanks may be many, or missing
where it is plain what is meant. Nothing recurses, and time grows with the length only.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Final

from postroom.net.imap.wire import Frame, Literal

Value = str | bytes | Literal | None | tuple["Value", ...]

MAX_NUMBER: Final = (1 << 63) - 1
"""MODSEQ and number64 (RFC 7162 7, 9051 9)."""


class Malformed(ValueError):
    """The text is no sequence of values. Raised inside this package only: readers make it a value."""


_TOKEN = re.compile(
    rb"[ \t]*+(?:"
    rb"(\()"
    rb"|(\))"
    rb'|"((?:[^"\\]++|\\.)*+)"'
    # A section may hold blanks, lists and quoted names. It ends before another bracket opens, so that no text is
    # looked through twice.
    rb'|((?:BODY|BINARY)(?:\.PEEK|\.SIZE)?\[(?:[^\[\]"]++|"(?:[^"\\]++|\\.)*+")*+\](?:<[0-9]+(?:\.[0-9]+)?>)?)'
    rb'|([^ \t()"\x00-\x1f\x7f]++)'
    rb"|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_DATE = re.compile(
    rb" ?([0-9]{1,2})-([A-Z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})", re.IGNORECASE
)
_MONTHS = (b"JAN", b"FEB", b"MAR", b"APR", b"MAY", b"JUN", b"JUL", b"AUG", b"SEP", b"OCT", b"NOV", b"DEC")


def read_values(frame: Frame, *, start: int = 0, depth: int = 100, nil: bool = True) -> tuple[Value, ...]:
    """Return the values of a frame from octet `start` of its first text. Raises Malformed."""
    done: list[list[Value]] = [[]]
    for number, text in enumerate(frame.texts):
        _read_text(text, start, done, depth, nil)
        start = 0
        if number < len(frame.literals):
            done[-1].append(frame.literals[number])
    if len(done) != 1:
        raise Malformed("a list has no end")
    return tuple(done[0])


def _read_text(text: bytes, position: int, done: list[list[Value]], depth: int, nil: bool) -> None:
    """Append what stands in one text to the list that is open; `done` holds all that are."""
    match_at = _TOKEN.match
    while True:
        match = match_at(text, position)
        if match is None:
            raise Malformed("neither a word nor a list")
        position = match.end()
        match match.lastindex:
            case 5:
                atom = match[5].decode("latin-1")
                done[-1].append(None if nil and len(atom) == 3 and atom.upper() == "NIL" else atom)
            case 1:
                if len(done) > depth:
                    raise Malformed("lists in lists are too deep")
                done.append([])
            case 2:
                if len(done) == 1:
                    raise Malformed("a list ends that has not begun")
                closed = tuple(done.pop())
                done[-1].append(closed)
            case 3:
                string = match[3]
                done[-1].append(_ESCAPED.sub(rb"\1", string) if b"\\" in string else string)
            case 4:
                done[-1].append(match[4].decode("latin-1"))
            case _:
                return


# What a value means


def number_of(value: Value) -> int | None:
    """Return the number of up to 63 bits, or None where it is something else."""
    if not isinstance(value, str) or not value.isascii() or not value.isdigit() or len(value) > 19:
        return None
    number = int(value)
    return number if number <= MAX_NUMBER else None


def octets_of(value: Value) -> bytes | None:
    """Return the octets of an atom or string (astring, nstring), else None."""
    if isinstance(value, str):
        return value.encode("latin-1")
    return value if isinstance(value, bytes) else None


def name_of(value: Value) -> str | None:
    """Return an atom or string as text with one character for each octet, else None."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else None


def names_of(value: Value) -> tuple[str, ...] | None:
    """Return a list of words, such as flags, or None where it is something else; NIL is an empty one."""
    if value is None:
        return ()
    if not isinstance(value, tuple):
        return None
    return words_of(value)


def words_of(values: Sequence[Value]) -> tuple[str, ...] | None:
    """Return values that are all atoms or strings as text, else None."""
    names = [name_of(value) for value in values]
    return None if None in names else tuple(name for name in names if name is not None)


def date_of(value: Value) -> datetime | None:
    """Return an INTERNALDATE (RFC 3501 9, date-time) with its zone, or None. A day may have one digit."""
    match = _DATE.fullmatch(value) if isinstance(value, bytes) else None
    if match is None or match[2].upper() not in _MONTHS:
        return None
    minutes = int(match[8]) * 60 + int(match[9])
    month = _MONTHS.index(match[2].upper()) + 1
    try:
        zone = timezone(timedelta(minutes=-minutes if match[7] == b"-" else minutes))
        day = datetime(int(match[3]), month, int(match[1]), int(match[4]), int(match[5]), 0, tzinfo=zone)
        # A leap second, 23:59:60, is the next minute.
        return day + timedelta(seconds=min(int(match[6]), 60))
    except (ValueError, OverflowError):
        return None
