"""Content-Transfer-Encodings: reading with a way back from decoded to raw offsets, and writing (RFC 2045 6)."""

import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass

from postroom.mail.line_ends import has_bare_line_end
from postroom.mail.parse import slices

MAX_LINE = 76
"""Of encoded lines (RFC 2045 6.7 rule 5, 6.8)."""

_SOFT_BREAK = re.compile(rb"=[ \t]*\r\n")
_UNIT = re.compile(rb"(=(?![0-9A-Fa-f]{2}|[ \t]*\r\n)|[^=]+)|=(?:([0-9A-Fa-f]{2})|[ \t]*\r\n)")
_ESCAPE = re.compile(rb"=(?:([0-9A-Fa-f]{2})|[ \t]*\r\n)")
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/=\r\n \t]")
_ATOM = re.compile(rb"=[0-9A-Fa-f]{2}\Z")
_WHITE = b" \t\r\n"
_EQUALS = ord("=")


@dataclass(frozen=True, slots=True)
class QuotedPrintable:
    """A quoted-printable text (RFC 2045 6.7) and what it says.

    An `=` that begins no escape stands for itself; white space in front of a
    line end stays.
    """

    raw: bytes
    content: bytes
    """Decoded."""
    _is_regular: bool
    """Each `=` begins an escape or a soft line break, all three octets long."""

    def raw_spans(self, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return the raw spans of decoded spans, which stand in their order and do not overlap.

        Soft line breaks at both ends of a span belong to it.
        """
        advance = self._advance if self._is_regular else self._advance_slowly
        raw_spans = []
        position = done = 0
        for start, end in spans:
            raw_start = advance(position, start - done)
            position = advance(raw_start, end - start)
            while self.raw.startswith(b"=", position) and (soft := _SOFT_BREAK.match(self.raw, position)):
                position = soft.end()
            raw_spans.append((raw_start, position))
            done = end
        return raw_spans

    def _advance(self, position: int, missing: int) -> int:
        """Return where the next `missing` decoded octets end, by steps that never overshoot."""
        raw = self.raw
        while missing > 0:
            end = position + missing
            if missing < 3:
                if raw[position] == _EQUALS:
                    missing -= not raw.startswith(b"=\r\n", position)
                    position += 3
                else:
                    missing -= 1
                    position += 1
                continue
            if raw[end - 1] == _EQUALS:
                end -= 1
            elif raw[end - 2] == _EQUALS:
                end -= 2
            escapes = _equals_signs(raw[position:end])
            missing -= end - position - 2 * escapes
            if escapes:
                missing += raw.count(b"=\r\n", position, end)
            position = end
        return position

    def _advance_slowly(self, position: int, missing: int) -> int:
        while missing > 0 and (match := _UNIT.match(self.raw, position)) is not None:
            start, end = match.span()
            if match[1] is not None:
                end = min(end, start + missing)
                missing -= end - start
            elif match[2] is not None:
                missing -= 1
            position = end
        return position


def read_quoted_printable(raw: bytes) -> QuotedPrintable:
    """Decode a quoted-printable text with CRLF lines. Any bytes are allowed."""
    content = binascii.a2b_qp(raw)
    # a2b_qp keeps more octets of whatever is no escape and no soft break, and reads them in ways of its own.
    is_regular = len(content) == len(raw) - 2 * _equals_signs(raw) - raw.count(b"=\r\n")
    if not is_regular:
        content = _ESCAPE.sub(_unescaped, raw)
    return QuotedPrintable(raw, content, is_regular)


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
    if has_bare_line_end(content):
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


def _equals_signs(raw: bytes) -> int:
    # Half the time of a count of one octet, which looks at each by itself.
    return len(raw) - len(raw.translate(None, b"="))


def _soft(encoded: bytes) -> bytes:
    # b2a_qp writes soft breaks as bare LF where it has seen no CRLF before.
    return encoded.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _unescaped(match: re.Match[bytes]) -> bytes:
    return binascii.unhexlify(match[1]) if match[1] else b""
