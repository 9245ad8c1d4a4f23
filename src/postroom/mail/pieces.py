"""Bytes that need not be in memory as a whole: a large file on its way into a mail.

A content is either bytes, where it is small, or `Pieces`, which can be gone
through again and again; nothing here asks which one it is to decide what comes
out, so that a mail does not depend on how it came in.
"""

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeGuard, overload

MAX_LINE = 998
"""Octets without CRLF, RFC 5322 2.1.1."""
PIECE_BYTES = 128 * 1024
"""About what one piece holds: little enough that no call on it holds other threads up."""

_BARE_LINE_END = re.compile(rb"\r\n?|\n")
_LINE_LETTERS = 76
_LINE_BYTES = 57
"""RFC 2045 6.8: 76 letters say 57 octets."""


class Pieces(Protocol):
    """Bytes that are read piece by piece; each iteration begins anew and gives the same bytes."""

    def __len__(self) -> int:
        """Return how many bytes they are together."""
        ...

    def __iter__(self) -> Iterator[bytes]:
        """Go through them in order."""
        ...


Content = bytes | Pieces


def pieces_of(content: Content) -> Iterable[bytes]:
    """Return the pieces of a content; bytes are one."""
    return (content,) if isinstance(content, bytes) else content


def blocks_of(content: Content, size_bytes: int) -> Iterator[bytes]:
    """Yield the content in blocks of `size_bytes`; only the last one may be smaller."""
    held = bytearray()
    for piece in pieces_of(content):
        held += piece
        whole = len(held) - len(held) % size_bytes
        for start in range(0, whole, size_bytes):
            yield bytes(held[start : start + size_bytes])
        del held[:whole]
    if held:
        yield bytes(held)


def joined(contents: Sequence[Content]) -> Content:
    """Return contents one after the other: bytes where all of them are."""
    return b"".join(contents) if _are_bytes(contents) else Joined(tuple(contents))


@overload
def crlf(content: bytes) -> bytes: ...
@overload
def crlf(content: Content) -> Content: ...
def crlf(content: Content) -> Content:
    """Return `content` with every line end, CR, LF or CRLF, as CRLF."""
    if not isinstance(content, bytes):
        return CrlfPieces(content)
    if b"\r" not in content:
        return content.replace(b"\n", b"\r\n")
    return _BARE_LINE_END.sub(b"\r\n", content)


@overload
def base64_lines(content: bytes) -> bytes: ...
@overload
def base64_lines(content: Content) -> Content: ...
def base64_lines(content: Content) -> Content:
    """Return base64 in lines of 76 letters (RFC 2045 6.8)."""
    return _base64_lines(content) if isinstance(content, bytes) else Base64Lines(content)


@dataclass(frozen=True, slots=True)
class Survey:
    """What a transfer encoding is chosen by (RFC 2045 2.7, 2.8)."""

    is_ascii: bool
    has_nul: bool
    has_long_line: bool


def survey(content: Content) -> Survey:
    """Go through content with CRLF line ends once."""
    is_ascii, has_nul, has_long_line, begun = True, False, False, 0
    for piece in pieces_of(content):
        is_ascii = is_ascii and piece.isascii()
        has_nul = has_nul or b"\0" in piece
        lines = piece.split(b"\n")
        lines[0] = bytes(begun) + lines[0]
        # A line that has ended holds its CR, and one that has not may do so.
        has_long_line = has_long_line or len(max(lines, key=len)) > MAX_LINE + 1
        begun = min(len(lines[-1]), MAX_LINE + 2)
    return Survey(is_ascii, has_nul, has_long_line or begun > MAX_LINE)


def holds(content: Content, wanted: bytes) -> bool:
    """Tell whether `wanted`, which holds a letter that base64 has not, stands anywhere in a content."""
    tail = b""
    for piece in _but_base64(content):
        if wanted in piece or wanted in tail + piece[: len(wanted)]:
            return True
        tail = (tail + piece)[-len(wanted) :] if len(piece) < len(wanted) else piece[-len(wanted) :]
    return False


class Joined:
    """Contents one after the other."""

    def __init__(self, contents: tuple[Content, ...]) -> None:
        self.contents = contents

    def __len__(self) -> int:
        return sum(len(content) for content in self.contents)

    def __iter__(self) -> Iterator[bytes]:
        for content in self.contents:
            yield from pieces_of(content)


class Base64Lines:
    """Base64 in lines of 76 letters."""

    def __init__(self, content: Pieces) -> None:
        self._content = content

    def __len__(self) -> int:
        size = len(self._content)
        return -(-size // 3) * 4 + -(-size // _LINE_BYTES) * 2

    def __iter__(self) -> Iterator[bytes]:
        rest = b""
        for piece in self._content:
            rest += piece
            whole = len(rest) - len(rest) % _LINE_BYTES
            if whole:
                yield _base64_lines(rest[:whole])
                rest = rest[whole:]
        if rest:
            yield _base64_lines(rest)


class CrlfPieces:
    """Content whose line ends are CRLF; the length is counted at the beginning."""

    def __init__(self, content: Pieces) -> None:
        self._content = content
        self._size = sum(map(len, self))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        held = b""
        for piece in self._content:
            text = held + piece
            # A CR at the end of a piece may be the first half of CRLF.
            held = b"\r" if text.endswith(b"\r") else b""
            yield _BARE_LINE_END.sub(b"\r\n", text[:-1] if held else text)
        if held:
            yield b"\r\n"


def _are_bytes(contents: Sequence[Content]) -> TypeGuard[Sequence[bytes]]:
    return all(isinstance(content, bytes) for content in contents)


def _but_base64(content: Content) -> Iterator[bytes]:
    """Go through a content; an encoded file is a line end here, since encoding it again takes long."""
    if isinstance(content, Joined):
        for inner in content.contents:
            yield from _but_base64(inner)
    elif isinstance(content, Base64Lines):
        yield b"\r\n"
    else:
        yield from pieces_of(content)


def _base64_lines(content: bytes) -> bytes:
    encoded = base64.b64encode(content)
    lines = [encoded[at : at + _LINE_LETTERS] for at in range(0, len(encoded), _LINE_LETTERS)]
    return b"\r\n".join([*lines, b""])
