"""Content as it arrives: the end of DATA, dot-unstuffing, line ends, blocks.

RFC 5321 4.1.1.4 and 4.5.2. Only CRLF.CRLF ends DATA. The octets that may still
become it are kept back, so the end is found whatever the pieces in which it
comes, and a bare CR or LF beside a dot never ends anything. Dots are taken away
first and once, behind true CRLFs only; then bare CR and bare LF become CRLF, so
that none ever leaves us.
"""

import re

from postroom.mail.line_ends import has_bare_line_end

_END = b"\r\n.\r\n"
_UNDECIDED = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")
_DOT_LINE = b"\r\n."
_ANY_LINE_END = re.compile(rb"\r\n|\r|\n")


class DotContent:
    """Takes the octets after 354 and gives the content they carry."""

    def __init__(self) -> None:
        # The CRLF of the DATA command counts as the one before a first dot.
        self._kept = b"\r\n"
        self._skip = 2

    def feed(self, data: bytes) -> tuple[bytes, int]:
        """Return the content in `data` without stuffed dots, and how much of `data` was content.

        The second value is the offset in `data` of what follows the end, or -1 while
        the end has not come.
        """
        kept = self._kept
        joined = kept + data if kept else data
        dot_line = joined.find(_DOT_LINE)
        end = joined.find(_END, dot_line) if dot_line >= 0 else -1
        if end >= 0:
            stop = end + 2
            self._kept = b""
        else:
            self._kept = next((tail for tail in _UNDECIDED if joined.endswith(tail)), b"")
            stop = len(joined) - len(self._kept)
        skip = min(self._skip, stop)
        self._skip -= skip
        content = joined[skip:stop]
        if dot_line >= 0 and dot_line != end:
            # `joined` before `skip` is the assumed CRLF, which a dot may follow.
            content = joined[:stop].replace(_DOT_LINE, b"\r\n")[skip:]
        return content, -1 if end < 0 else end + len(_END) - len(kept)


def may_end(piece: bytes) -> bool:
    """Tell whether the end of DATA may come to pass in this piece, whatever came before it."""
    # The end is in it whole, or the piece begins with what completes it.
    return piece[:1] in (b"\r", b"\n", b".") or _END in piece


class LineEnds:
    """Makes every line end CRLF. Pieces may be cut anywhere."""

    def __init__(self) -> None:
        self._cr = False

    def feed(self, data: bytes) -> bytes:
        """Return `data` with CRLF line ends; a last CR waits for what follows it."""
        if self._cr:
            data = b"\r" + data
        self._cr = data.endswith(b"\r")
        if self._cr:
            data = data[:-1]
        if not has_bare_line_end(data):
            return data
        return _ANY_LINE_END.sub(b"\r\n", data)

    def end(self) -> bytes:
        """Return what was kept back."""
        if not self._cr:
            return b""
        self._cr = False
        return b"\r\n"


class Blocks:
    """Collects pieces and cuts them into blocks of one size."""

    def __init__(self, block_bytes: int) -> None:
        self._block_bytes = block_bytes
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> None:
        """Take one more piece."""
        self._pieces.append(piece)
        self._size += len(piece)

    @property
    def overflows(self) -> bool:
        """More than one block is here, so `take` can give one."""
        return self._size > self._block_bytes

    def take(self) -> bytes:
        """Return the first block, exactly `block_bytes` long; only while `overflows`."""
        whole = b"".join(self._pieces)
        self._pieces = [whole[self._block_bytes :]]
        self._size = len(self._pieces[0])
        return whole[: self._block_bytes]

    def rest(self) -> bytes:
        """Return what is left, at most one block."""
        whole = b"".join(self._pieces) if len(self._pieces) != 1 else self._pieces[0]
        self._pieces = []
        self._size = 0
        return whole
