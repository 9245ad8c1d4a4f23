"""Content on its way into DATA: dot-stuffing and the final dot. RFC 5321 4.5.2 and 4.1.1.4; no I/O."""

from collections.abc import Iterable, Iterator

from postroom.mail.line_ends import has_bare_line_end

FINAL_DOT = b".\r\n"
BLOCK_BYTES = 64 * 1024
"""Large contents are stuffed and written in blocks of about this size."""


class BareLineEnd(Exception):
    """The content has a CR or LF that is not part of a CRLF; it must not leave (RFC 5321 2.3.8)."""


def whole(pieces: Iterable[bytes]) -> bytes:
    """Return the content stuffed and with the final dot, in one piece. Raises BareLineEnd."""
    data = b"".join(pieces)
    _check_line_ends(data)
    if b"\r\n." in data:
        data = data.replace(b"\r\n.", b"\r\n..")
    if data.startswith(b"."):
        data = b"." + data
    # An empty content ends with the dot alone: the CRLF before it is that of the DATA line.
    return data + FINAL_DOT if not data or data.endswith(b"\r\n") else data + b"\r\n" + FINAL_DOT


def blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the content stuffed, without the final dot, in blocks that end with whole lines.

    The content always ends with CRLF. A line longer than a block comes whole.
    Raises BareLineEnd before the block that would carry it.
    """
    held: list[bytes] = []
    held_bytes, enough = 0, BLOCK_BYTES
    for piece in pieces:
        held.append(piece)
        held_bytes += len(piece)
        if held_bytes < enough:
            continue
        data = b"".join(held)
        end = data.rfind(b"\r\n") + 2
        if end >= 2:
            yield whole((data[:end],))[: -len(FINAL_DOT)]
            data = data[end:]
        held, held_bytes = [data], len(data)
        # Doubled where no line ends: an endless line is not joined again for each piece.
        enough = max(BLOCK_BYTES, 2 * held_bytes)
    rest = b"".join(held)
    if rest:
        yield whole((rest,))[: -len(FINAL_DOT)]


def _check_line_ends(data: bytes) -> None:
    # It keeps a mail that slipped through a door from smuggling another.
    if has_bare_line_end(data):
        raise BareLineEnd("the content has a bare CR or LF")
