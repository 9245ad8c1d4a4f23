"""Joining one recipient's copy from the segments of a compiled content.

The same arguments give the same bytes, at every attempt and on every node. DKIM
comes after this and in front of the header (`outbound.sign`).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from postroom.base.tokens import TokenKeys, TokenKind
from postroom.mail.transfer_encoding import write_base64
from postroom.outbound.compile import Compiled
from postroom.outbound.segments import BIG, Base64Slot, Piece, TokenSlot, Variant
from postroom.outbound.submission import Track
from postroom.outbound.unsubscribe import bulk_fields


@dataclass(frozen=True, slots=True)
class MessageValues:
    """What is the same in all copies of one message, but not in its content."""

    token_key_id: int
    return_path_host: str
    """Host of the r-, u- and f- addresses, A-labels."""
    added_fields: tuple[bytes, ...] = ()
    """Raw header fields with CRLF for the top of each copy: Received, and Date and Message-ID where absent."""
    feedback_id: str = ""
    """Value of Feedback-ID on the bulk stream (`unsubscribe.feedback_id`), or empty."""


@dataclass(frozen=True, slots=True)
class RecipientValues:
    """What one recipient's copy shows of its own."""

    recipient_id: int
    to: bytes = b""
    """Personal messages: the whole raw To field with CRLF, its 8-bit names encoded or UTF-8."""
    message_id: bytes = b""
    """Personal messages: the whole raw Message-ID field with CRLF."""


@dataclass(frozen=True, slots=True)
class Copy:
    """The bytes that one recipient gets, before signing."""

    header: list[bytes]
    """Raw header fields, each with its CRLF."""
    body: tuple[Piece, ...]
    """What stands behind the empty line, in pieces; ends in CRLF unless it is empty."""
    body_sha256: bytes
    """SHA-256 of the body in relaxed canonical form (RFC 6376 3.4.4)."""

    @property
    def size_bytes(self) -> int:
        """Octets of the copy as it is."""
        return sum(map(len, self.header)) + 2 + sum(map(len, self.body))

    def pieces(self, signatures: list[bytes]) -> Iterator[Piece]:
        """Yield the copy with the signature fields in front, in pieces for the wire, without dot-stuffing."""
        yield b"".join([*signatures, *self.header, b"\r\n"])
        yield from self.body

    def to_bytes(self, signatures: list[bytes] | None = None) -> bytes:
        """Return the copy in one piece."""
        return b"".join(self.pieces(signatures or []))


def render(
    compiled: Compiled, message: MessageValues, recipient: RecipientValues, keys: TokenKeys, variant: Variant
) -> Copy:
    """Return the copy of one recipient. Raises KeyError when the message's token key is unknown."""
    segments = compiled.segments(variant)
    tokens = _Tokens(keys, message.token_key_id, recipient.recipient_id)
    pieces = list(segments.pieces)
    filled = [(index, _filled(slot, tokens)) for index, slot in segments.slots]
    for index, text in filled:
        pieces[index] = text
    canonical = pieces
    if segments.canonical is not segments.pieces:
        canonical = list(segments.canonical)
        for index, text in filled:
            canonical[index] = text
    header = [*_our_fields(compiled, message, tokens), *segments.header]
    shift = len(header) - len(segments.header)
    if compiled.plan.is_personal:
        header[shift + segments.to_index] = recipient.to
        header[shift + segments.message_id_index] = recipient.message_id
    if segments.size <= BIG:
        body = b"".join(pieces)
        whole = body if canonical is pieces else b"".join(canonical)
        return Copy(header, (body,), hashlib.sha256(whole).digest())
    digest = hashlib.sha256()
    for piece in canonical:
        digest.update(piece)
    return Copy(header, tuple(pieces), digest.digest())


class _Tokens:
    """The tokens of one recipient."""

    def __init__(self, keys: TokenKeys, key_id: int, recipient_id: int) -> None:
        self._keys = keys
        self._key_id = key_id
        self._recipient_id = recipient_id

    def url_text(self, kind: TokenKind, position: int = 0) -> str:
        return self._keys.url_text(kind, self._key_id, self._recipient_id, position)

    def local_part_text(self, kind: TokenKind) -> str:
        return self._keys.local_part_text(kind, self._key_id, self._recipient_id)


def _filled(slot: TokenSlot | Base64Slot, tokens: _Tokens) -> bytes:
    if isinstance(slot, TokenSlot):
        return tokens.url_text(slot.kind, slot.position).encode(slot.codec)
    content = b"".join([part if isinstance(part, bytes) else _filled(part, tokens) for part in slot.parts])
    return write_base64(content, slot.line_length)


def _our_fields(compiled: Compiled, message: MessageValues, tokens: _Tokens) -> list[bytes]:
    plan = compiled.plan
    feedback = tokens.local_part_text(TokenKind.FEEDBACK)
    fields = [*message.added_fields, f"X-Postroom-Id: {feedback}\r\n".encode("ascii")]
    if plan.track & Track.REPLIES.value:
        reply = tokens.local_part_text(TokenKind.REPLY)
        fields.append(f"Reply-To: r-{reply}@{message.return_path_host}\r\n".encode("ascii"))
    if plan.is_bulk:
        fields += bulk_fields(
            plan.tracking_url,
            message.return_path_host,
            tokens.url_text(TokenKind.UNSUBSCRIBE),
            tokens.local_part_text(TokenKind.UNSUBSCRIBE_MAIL),
            feedback,
            message.feedback_id,
        )
    return fields
