"""The pieces of which the copies of one content are joined: constants, and slots for what is a recipient's own.

Made once for a content and a variant from its plan. Constants are also kept in
DKIM's relaxed form, so that a copy's body hash is one SHA-256 over a join
(DESIGN section 1). No slot begins or ends with white space, so constants are
made canonical one by one.
"""

from dataclasses import dataclass
from enum import Enum

from postroom.base.tokens import TokenKind, url_text_length
from postroom.mail.dkim.relaxed import end_body, relax_piece
from postroom.mail.parse import LINE_LIMIT, long_line, slices

BIG = 256 * 1024
"""Constants above this stay views of the content instead of copies, cut into pieces of this size."""

Piece = bytes | memoryview


class Variant(Enum):
    """For which abilities of the next hop a copy is written."""

    EIGHT_BIT = "8bit"
    """As the author wrote it."""
    SEVEN_BIT = "7bit"
    """For hops without 8BITMIME (RFC 6152 3)."""


@dataclass(frozen=True, slots=True)
class TokenSlot:
    """A token as text."""

    kind: TokenKind
    position: int
    codec: str = "ascii"

    def length(self) -> int:
        """Return its octets, the same in every copy."""
        return len("x".encode(self.codec)) * url_text_length(self.position)


@dataclass(frozen=True, slots=True)
class Base64Slot:
    """Whole base64 lines that tokens touch."""

    parts: tuple[bytes | TokenSlot, ...]
    """Their content before encoding."""
    line_length: int


@dataclass(frozen=True, slots=True)
class Segments:
    """What `render` joins."""

    header: tuple[bytes, ...]
    """Raw header fields of the author, in their order."""
    to_index: int
    message_id_index: int
    """Where personal messages have a field of the recipient's own (an empty field stands there); -1: nowhere."""
    pieces: tuple[Piece, ...]
    """The body; slots are empty."""
    canonical: tuple[Piece, ...]
    """The relaxed body, slot by slot as in `pieces`; the same object where the body is canonical as it is."""
    slots: tuple[tuple[int, TokenSlot | Base64Slot], ...]
    size: int
    """Octets of the constants of the body."""


def is_seven_bit(segments: Segments) -> bool:
    """Tell whether a variant really holds ASCII only."""
    return all(bytes(piece).isascii() for piece in segments.pieces) and all(f.isascii() for f in segments.header)


def fits_lines(segments: Segments) -> bool:
    """Tell whether no line of a copy is above 998 octets."""
    slots = dict(segments.slots)
    column = 0
    for index, piece in enumerate(segments.pieces):
        slot = slots.get(index)
        if isinstance(slot, TokenSlot):
            column += slot.length()
            continue
        data = bytes(piece)
        first = data.find(b"\n")
        if first < 0:
            column += len(data)
            continue
        if column + first > LINE_LIMIT + 1 or long_line(data, first + 1, len(data)) >= 0:
            return False
        column = len(data) - data.rfind(b"\n") - 1
    return column <= LINE_LIMIT and all(long_line(field, 0, len(field)) < 0 for field in segments.header)


class SegmentsBuilder:
    """Collects constants and slots; constants that touch are joined before they are made canonical."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._run: list[bytes] = []
        self._pieces: list[Piece] = []
        self._canonical: list[Piece] = []
        self._slots: list[tuple[int, TokenSlot | Base64Slot]] = []

    def raw_span(self, start: int, end: int) -> None:
        """Add a span of the content."""
        if end - start <= 2 * BIG:
            self._run.append(self.raw[start:end])
            return
        # Big constants are cut behind line ends, where nothing of the canonical form reaches over.
        first = self.raw.find(b"\n", start, end) + 1
        if not first:
            self._run.append(self.raw[start:end])
            return
        last = self.raw.rfind(b"\n", start, end) + 1
        self._run.append(self.raw[start:first])
        self._end_run()
        for piece_start, piece_end in slices(self.raw, first, last, BIG):
            self._add_big(piece_start, piece_end)
        self._run.append(self.raw[last:end])

    def text(self, data: bytes) -> None:
        """Add a constant of ours."""
        self._run.append(data)

    def slot(self, slot: TokenSlot | Base64Slot) -> None:
        """Add what differs from copy to copy."""
        self._end_run()
        self._slots.append((len(self._pieces), slot))
        self._pieces.append(b"")
        self._canonical.append(b"")

    def finish(self, header: tuple[bytes, ...], to_index: int, message_id_index: int) -> Segments:
        """Return the segments."""
        self._end_run()
        size = sum(map(len, self._pieces))
        pieces = tuple(self._pieces)
        self._end_canonical()
        is_same = len(pieces) == len(self._canonical) and all(
            one is other for one, other in zip(pieces, self._canonical, strict=True)
        )
        canonical = pieces if is_same else tuple(self._canonical)
        return Segments(header, to_index, message_id_index, pieces, canonical, tuple(self._slots), size)

    def _end_run(self) -> None:
        piece = b"".join(self._run)
        self._run.clear()
        if not piece:
            return
        relaxed = relax_piece(piece)
        self._pieces.append(piece)
        self._canonical.append(piece if relaxed == piece else relaxed)

    def _add_big(self, start: int, end: int) -> None:
        piece: Piece = memoryview(self.raw)[start:end]
        self._pieces.append(piece)
        if self.raw.find(b" ", start, end) >= 0 or self.raw.find(b"\t", start, end) >= 0:
            relaxed = relax_piece(self.raw[start:end])
            if len(relaxed) != end - start or relaxed != piece:
                piece = relaxed
        self._canonical.append(piece)

    def _end_canonical(self) -> None:
        """Take the empty lines away from the end of the relaxed body (RFC 6376 3.4.4)."""
        taken = {index for index, _ in self._slots}
        while self._canonical:
            last = len(self._canonical) - 1
            if last in taken:
                self._canonical.append(b"\r\n")
                return
            piece = self._canonical[last]
            ended = end_body(bytes(piece))
            if ended:
                if ended != piece:
                    self._canonical[last] = ended
                return
            del self._canonical[last]
