"""Content-Transfer-Encodings: reading with a way back from decoded to raw offsets, and writing (RFC 2045 6)."""

import binascii
import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from postroom.mail.parse import slices

MAX_LINE = 76
"""Of encoded lines (RFC 2045 6.7 rule 5, 6.8)."""

_ESCAPE = re.compile(rb"=(?:([0-9A-Fa-f]{2})|[ \t]*\r\n)")
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/=\r\n \t]")
_ATOM = re.compile(rb"=[0-9A-Fa-f]{2}\Z")
_WHITE = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class QuotedPrintable:
    """A quoted-printable text (RFC 2045 6.7) decoded, with the raw offset of each decoded one.

    An `=` that begins no escape stands for itself; white space in front of a
    line end stays.
    """

    content: bytes
    """Decoded."""
    _raw_ends: list[int]
    """Raw offsets behind each escape and soft line break."""
    _decoded_ends: list[int]
    """The decoded offsets there."""
    _is_soft: list[bool]

    def raw_span(self, start: int, end: int) -> tuple[int, int]:
        """Return the raw span of the decoded [start, end); soft line breaks at both its ends belong to it."""
        return self._behind(start), self._before(end)

    def _behind(self, offset: int) -> int:
        """Where the byte before `offset` ends in the raw text."""
        index = bisect_left(self._decoded_ends, offset)
        # Soft breaks share their decoded offset with what stands before them: step over none of them.
        if index < len(self._decoded_ends) and self._decoded_ends[index] == offset and not self._is_soft[index]:
            return self._raw_ends[index]
        return self._from(index - 1, offset)

    def _before(self, offset: int) -> int:
        """Where the byte at `offset` begins in the raw text."""
        return self._from(bisect_right(self._decoded_ends, offset) - 1, offset)

    def _from(self, index: int, offset: int) -> int:
        if index < 0:
            return offset
        return self._raw_ends[index] + offset - self._decoded_ends[index]


def read_quoted_printable(raw: bytes) -> QuotedPrintable:
    """Decode a quoted-printable text with CRLF lines. Any bytes are allowed."""
    raw_ends: list[int] = []
    decoded_ends: list[int] = []
    is_soft: list[bool] = []
    removed = 0
    is_plain = True
    for match in _ESCAPE.finditer(raw):
        start, end = match.span()
        if match.lastindex:
            removed += 2
            is_soft.append(False)
        else:
            removed += end - start
            is_plain = is_plain and end - start == 3
            is_soft.append(True)
        raw_ends.append(end)
        decoded_ends.append(end - removed)
    # a2b_qp reads stray `=` and padded soft breaks in ways of its own.
    is_plain = is_plain and len(raw_ends) == raw.count(b"=")
    content = binascii.a2b_qp(raw) if is_plain else _ESCAPE.sub(_unescaped, raw)
    return QuotedPrintable(content, raw_ends, decoded_ends, is_soft)


def read_base64(raw: bytes) -> bytes | None:
    """Decode a base64 body (RFC 2045 6.8); None where something else stands in it."""
    text = raw.translate(None, _WHITE)
    data = text.rstrip(b"=")
    if len(text) - len(data) > 2 or b"=" in data or len(data) % 4 == 1:
        return None
    if _NO_BASE64.search(data):
        return None
    return binascii.a2b_base64(data + b"=" * (-len(data) % 4))


def base64_line_length(raw: bytes) -> int:
    """Return the length of the author's base64 lines, or 76 where they cannot stay as they are."""
    length = raw.find(b"\r\n")
    return length if 4 <= length <= MAX_LINE and length % 4 == 0 else MAX_LINE


def write_base64(content: bytes, line_length: int = MAX_LINE) -> bytes:
    """Encode into lines of `line_length` (a multiple of 4) joined by CRLF, without one at the end."""
    text = binascii.b2a_base64(content, newline=False)
    return break_lines(text, line_length)


def break_lines(text: bytes, line_length: int = MAX_LINE) -> bytes:
    """Join pieces of `line_length` by CRLF."""
    if len(text) <= line_length:
        return text
    return b"\r\n".join([text[start : start + line_length] for start in range(0, len(text), line_length)])


def write_quoted_printable(content: bytes) -> bytes:
    """Encode a text: its CRLF stay lines, bare CR and LF are escaped; lines of at most 76."""
    lines = content.count(b"\r\n")
    if content.count(b"\n") != lines or content.count(b"\r") != lines:
        return b"\r\n".join([_soft(binascii.b2a_qp(line, istext=False)) for line in content.split(b"\r\n")])
    return b"".join([_soft(binascii.b2a_qp(content[a:b])) for a, b in slices(content, 0, len(content))])


def end_softly(line_end: bytes) -> bytes:
    """Return quoted-printable text with a soft break behind it, so that what follows begins a line of its own.

    A line that would grow above 76 loses its last letter or escape to a line of its own.
    """
    column = len(line_end) - (line_end.rfind(b"\n") + 1)
    if column == 0:
        return line_end
    if column < MAX_LINE:
        return line_end + b"=\r\n"
    atom = 3 if _ATOM.search(line_end, max(len(line_end) - 3, 0)) else 1
    return line_end[:-atom] + b"=\r\n" + line_end[-atom:] + b"=\r\n"


def _soft(encoded: bytes) -> bytes:
    # b2a_qp writes soft breaks as bare LF where it has seen no CRLF before.
    return encoded.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _unescaped(match: re.Match[bytes]) -> bytes:
    return binascii.unhexlify(match[1]) if match[1] else b""
