"""Body hashes of a whole mail, in slices: nothing as large as the mail is made (RFC 6376 3.4.3, 3.4.4, 3.7)."""

import hashlib
from collections.abc import Iterator

from postroom.mail.dkim.relaxed import relax_piece

_SLICE = 1 << 18
"""Octets, some milliseconds of work: other threads run between two slices."""
_CRLF = b"\r\n"


def body_hash(mail: bytes, start: int, *, is_relaxed: bool, length: int | None = None) -> tuple[bytes, int]:
    """Return SHA-256 over the canonical body of `mail` from `start`, and how many octets the canonical body has.

    With `length` (the tag `l=`), only as many octets are hashed.
    """
    digest = hashlib.sha256()
    size = 0
    for piece in _canonical(mail, start, is_relaxed=is_relaxed):
        digest.update(piece if length is None else piece[: max(length - size, 0)])
        size += len(piece)
    return digest.digest(), size


def _canonical(mail: bytes, start: int, *, is_relaxed: bool) -> Iterator[bytes]:
    line_ends = 0  # held back, for those at the end of the body do not count
    is_empty = True
    for piece in _slices(mail, start):
        canonical = relax_piece(piece) if is_relaxed else piece
        if is_relaxed and not canonical.endswith(_CRLF):
            canonical = canonical.removesuffix(b" ")
        end = len(canonical) - _octets_of_line_ends(canonical)
        if end:
            yield _CRLF * line_ends
            yield canonical[:end]
            line_ends = 0
            is_empty = False
        line_ends += (len(canonical) - end) // 2
    if not is_empty or not is_relaxed:
        yield _CRLF


def _slices(mail: bytes, start: int) -> Iterator[bytes]:
    """Yield the body in pieces that end with a line, but for the last where the mail does not."""
    while start < len(mail):
        end = mail.find(_CRLF, start + _SLICE)
        end = len(mail) if end < 0 else end + 2
        yield mail[start:end]
        start = end


def _octets_of_line_ends(piece: bytes) -> int:
    """Return how many octets at the end of a piece are CRLFs, in one step also for a million of them."""
    tail = piece[len(piece.rstrip(_CRLF)) :]
    if not tail.endswith(b"\n"):
        return 0
    # Behind the last two alike, CR and LF take turns.
    start = max(tail.rfind(b"\r\r"), tail.rfind(b"\n\n")) + 1
    return len(tail) - start - tail.startswith(b"\n", start)
