"""JSON (RFC 8259) whose long strings stay in a file while everything around them is decoded.

A mail of 35 MB in JSON is one string of 47 MB and a few hundred bytes more.
`decode_but_long` copies all but the long strings, puts a mark in the place of
each, decodes that, and puts a LongText where a mark came out. A mark holds a
random word, so no client can write one.
"""

import binascii
import os
import re
import secrets
from collections import deque
from collections.abc import Callable, Iterator

import msgspec

from postroom.mail.pieces import PIECE_BYTES

LONG_BYTES = 1024
"""A string above this stays in the file."""
MAX_REST_BYTES = 8 << 20
"""Of all the rest: a list of empty lists takes 25 times its size once it is decoded."""

_ESCAPE = re.compile(rb"\\(?:u[0-9a-fA-F]{4}|[^u])", re.DOTALL)
_TO_THE_END = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_HIGH_SURROGATE = re.compile(rb"\\u[dD][89abAB]")
_BEGINNING = 300
"""Letters."""


class TooMuchElse(Exception):
    """There is more than MAX_REST_BYTES beside the long strings."""


class Spool:
    """A file that is read at any place by any thread."""

    def __init__(self, descriptor: int, size_bytes: int) -> None:
        self._descriptor = descriptor
        self.size_bytes = size_bytes

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes [start, end)."""
        return os.pread(self._descriptor, end - start, start)


class LongText:
    """A string of the JSON that is read when it is needed."""

    def __init__(self, spool: Spool, start: int, end: int) -> None:
        self._spool = spool
        self._start = start
        self._end = end

    @property
    def size_bytes(self) -> int:
        """How long it is in the file; escapes (RFC 8259 7) are longer than what they say."""
        return self._end - self._start

    def pieces(self) -> Iterator[str]:
        """Go through the text. Raises msgspec.DecodeError or UnicodeDecodeError where it is no string."""
        position = self._start
        while position < self._end:
            raw = self._spool.read(position, min(position + PIECE_BYTES, self._end))
            if position + len(raw) < self._end:
                raw = raw[: _whole_letters(raw)]
            position += len(raw)
            yield msgspec.json.decode(b'"' + raw + b'"', type=str)

    def text(self) -> str:
        """Return the text as a whole. Raises as `pieces` does."""
        return "".join(self.pieces())

    def beginning(self) -> str:
        """Return the first letters, to name it by. Raises as `pieces` does."""
        begun = ""
        for piece in self.pieces():
            begun += piece
            if len(begun) >= _BEGINNING:
                break
        return begun[:_BEGINNING]


class Base64Text:
    """The bytes that a long base64 string says, decoded anew at each iteration."""

    def __init__(self, text: LongText) -> None:
        """Raises binascii.Error where it is no base64 (RFC 4648 4) with padding and without line breaks."""
        self._text = text
        self._size = sum(map(len, self))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        rest = ""
        has_ended = False
        for piece in self._text.pieces():
            if has_ended:
                raise binascii.Error("padding before the end")
            letters = rest + piece
            whole = len(letters) - len(letters) % 4
            rest = letters[whole:]
            if whole:
                has_ended = letters[whole - 1] == "="
                yield binascii.a2b_base64(letters[:whole], strict_mode=True)
        if rest:
            raise binascii.Error("the padding is missing")


def decode_but_long(spool: Spool) -> object:
    """Return the JSON value in the file, a LongText in the place of each long string.

    Raises what `msgspec.json.decode` raises, and TooMuchElse.
    """
    mark = secrets.token_hex(16)
    rest, found = _without_long(spool, mark.encode("ascii"))
    value = msgspec.json.decode(rest)
    del rest
    marked = "\0" + mark
    return _put_back(value, lambda text: found[int(text[len(marked) :])] if text.startswith(marked) else None)


def _without_long(spool: Spool, mark: bytes) -> tuple[bytearray, list[LongText]]:
    """Return the JSON with marks in the place of long strings, and these."""
    rest, found = bytearray(), list[LongText]()
    position, begun = 0, -1
    """`begun`: where the string that has not ended begins, after its quotation mark; -1 outside."""
    while position < spool.size_bytes:
        piece = spool.read(position, min(position + PIECE_BYTES, spool.size_bytes))
        at = 0
        while at < len(piece):
            if begun < 0:
                quote = piece.find(b'"', at)
                rest += piece[at : quote + 1 if quote >= 0 else len(piece)]
                at = quote + 1 if quote >= 0 else len(piece)
                begun = position + at if quote >= 0 else -1
                continue
            at, has_ended = _string_end(piece, at)
            if not has_ended:
                break
            end = position + at
            if end - begun > LONG_BYTES:
                rest += b"\\u0000%s%d" % (mark, len(found))
                found.append(LongText(spool, begun, end))
            else:
                rest += piece[begun - position : at] if begun >= position else spool.read(begun, end)
            rest += b'"'
            at, begun = at + 1, -1
        if len(rest) > MAX_REST_BYTES:
            raise TooMuchElse
        # A backslash at the end of a piece is read again with what it escapes.
        position += at or len(piece)
    return rest, found


def _string_end(piece: bytes, at: int) -> tuple[int, bool]:
    """Return where the string's closing quotation mark stands and True, or how far it was read and False."""
    quote = piece.find(b'"', at)
    until = quote if quote >= 0 else len(piece)
    escape = piece.find(b"\\", at, until)
    if escape < 0:
        return until, quote >= 0
    end = next(_TO_THE_END.finditer(piece, escape)).end()
    return end, piece[end : end + 1] == b'"'


def _whole_letters(raw: bytes) -> int:
    """Return up to where `raw`, the beginning of a longer text, holds whole escapes and whole UTF-8 letters."""
    end = len(raw)
    if b"\\" in raw:
        last = next(iter(deque(_ESCAPE.finditer(raw), 1)), None)
        begun = raw.find(b"\\", last.end() if last else 0)
        if begun >= 0:
            end = begun
        if last is not None and _HIGH_SURROGATE.match(last[0]) and last.end() == end:
            # The other half of the pair (RFC 8259 7) follows.
            end = last.start()
    letter = end
    while letter and end - letter < 3 and raw[letter - 1] & 0xC0 == 0x80:
        letter -= 1
    if letter and raw[letter - 1] >= 0xC0:
        # Whole or not: it is read with the next piece.
        end = letter - 1
    return end or len(raw)


def _put_back(value: object, long_of: Callable[[str], LongText | None]) -> object:
    """Return a JSON value with long texts in the place of marks. Names that are marks become their beginnings."""
    if isinstance(value, str):
        return long_of(value) or value
    if isinstance(value, list):
        for number, item in enumerate(value):
            if isinstance(item, str | list | dict):
                value[number] = _put_back(item, long_of)
    elif isinstance(value, dict):
        for name in list(value):
            item = value.pop(name)
            long_name = long_of(name)
            value[long_name.beginning() if long_name else name] = _put_back(item, long_of)
    return value
