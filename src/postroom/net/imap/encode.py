"""Values in, what a client sends out. RFC 3501 4, 9, 7888, 3516; pure.

A command is a sequence of parts with blanks between them. A part is `bytes` as they are sent, or an
`Upload` (a literal) which only `encode_command` can place: it waits for the server's `+` unless the
server has LITERAL+ or LITERAL-.

    encode_command("A1", b"LOGIN", astring(user), astring(password), literals=LiteralSupport.PLUS)

Nothing can be smuggled in: what holds a line end becomes a literal, and where none may stand it is refused.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from re import compile as pattern

from postroom.base.errors import PostroomError

MINUS_BYTES = 4096
"""The largest literal that LITERAL- lets go without waiting (RFC 7888 5)."""
_LONGEST_QUOTED = 1_000
"""No limit of the standard; servers have one for lines."""

# No `{` at the end of a line that would look like a literal; NIL as a word is no astring.
_ATOM = pattern(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")
_QUOTED = pattern(rb"[\x20-\x7e\t]*")
_FLAG = pattern(rb"\\?[^\x00-\x20\x7f-\xff(){%*\"\\]+")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class CannotEncode(PostroomError):
    """A value that IMAP cannot carry where it should stand, such as NUL in a password."""


class LiteralSupport(Enum):
    """What the server says about literals (RFC 7888)."""

    WAIT = "wait"
    MINUS = "minus"
    """LITERAL-, also IMAP4rev2: up to 4,096 octets go at once."""
    PLUS = "plus"
    """LITERAL+: all go at once."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A literal to send. `is_binary`: as literal8, which may hold NUL (RFC 3516, 6855)."""

    data: bytes
    is_binary: bool = False


Part = bytes | Upload
Piece = tuple[bytes, ...]
"""Octets to send one after the other, not joined: a mail of 10 MB is not copied."""


def encode_command(tag: str, *parts: Part, literals: LiteralSupport = LiteralSupport.WAIT) -> tuple[Piece, ...]:
    """Return what to send: the first piece at once, each further one when the server has said `+`."""
    pieces: list[Piece] = []
    open_piece: list[bytes] = [tag.encode("ascii")]
    for part in parts:
        if isinstance(part, bytes):
            open_piece.append(b" " + part)
            continue
        waits = literals is LiteralSupport.WAIT
        if literals is LiteralSupport.MINUS:
            waits = len(part.data) > MINUS_BYTES
        open_piece.append(b" " + _announced(part, b"" if waits else b"+"))
        if waits:
            pieces.append(tuple(open_piece))
            open_piece = []
        open_piece.append(part.data)
    open_piece.append(b"\r\n")
    return (*pieces, tuple(open_piece))


def astring(value: bytes | str) -> Part:
    """Return an argument that may be any octets: an atom, else quoted, else a literal. A `str` goes as UTF-8."""
    octets = value.encode() if isinstance(value, str) else value
    if _ATOM.fullmatch(octets) and octets.upper() != b"NIL" and len(octets) <= _LONGEST_QUOTED:
        return octets
    return string(octets)


def string(value: bytes | str) -> Part:
    """Return a value in quotes, else as a literal. A `str` goes as UTF-8."""
    octets = value.encode() if isinstance(value, str) else value
    if len(octets) <= _LONGEST_QUOTED and _QUOTED.fullmatch(octets):
        return b'"' + octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return upload(octets)


def nstring(value: bytes | str | None) -> Part:
    """Return a value in quotes or as a literal, None as NIL."""
    return b"NIL" if value is None else string(value)


def upload(octets: bytes) -> Upload:
    """Return a literal. Raises CannotEncode where it holds NUL (RFC 3501 9, CHAR8)."""
    if b"\x00" in octets:
        raise CannotEncode("NUL cannot be sent to an IMAP server")
    return Upload(octets)


def mailbox(name: str) -> Part:
    """Return the name of a mailbox as `responses.Listed.name` has it: one character for each octet."""
    return astring(name.encode("latin-1"))


def atom(word: str) -> bytes:
    """Return a word that stands as it is: a name of a command or item. Raises CannotEncode where it is none."""
    octets = word.encode("utf-8", "surrogatepass")
    if not _ATOM.fullmatch(octets):
        raise CannotEncode("not a word of IMAP")
    return octets


def listed(parts: Iterable[bytes]) -> bytes:
    """Return parts in brackets."""
    return b"(" + b" ".join(parts) + b")"


def flag_list(flags: Iterable[str]) -> bytes:
    r"""Return flags in brackets. Raises CannotEncode for what is no flag; `\*` is none that can be set."""
    octets = [flag.encode("latin-1", "replace") for flag in flags]
    if not all(_FLAG.fullmatch(flag) for flag in octets):
        raise CannotEncode("not a flag of IMAP")
    return listed(octets)


def internal_date(when: datetime) -> bytes:
    """Return a date-time in quotes, in the zone that it has. `when` is aware."""
    offset = when.utcoffset()
    if offset is None:
        raise CannotEncode("a time without a zone")
    minutes = int(offset.total_seconds()) // 60
    zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"
    return f'"{when.day:2}-{_MONTHS[when.month - 1]}-{when.year:04} {when:%H:%M:%S} {zone}"'.encode()


def _announced(part: Upload, mark: bytes) -> bytes:
    return (b"~{" if part.is_binary else b"{") + str(len(part.data)).encode() + mark + b"}\r\n"
