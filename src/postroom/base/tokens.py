"""Tokens in tracking addresses and machine addresses.

A token names one recipient and, for a click, a link position. Its bytes are
key id (1), recipient id (8, big endian), position (varint, 7 bits a byte, low
bits first) and 10 bytes of HMAC-SHA-256, which also covers the kind. So it
says nothing about the address, cannot be made by others, is checked without
the database, and has the same length for the same position in every copy.
A recipient id carries its time: that is the day by which a token expires.
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from enum import Enum

from postroom.base.ids import base32, made_at_ms

_MAC_BYTES = 10
_BLOCK_BYTES = 64
HIDDEN = "erased:"
"""How the keyed hash of an erased address begins; no address does."""


class TokenKind(Enum):
    """What a token may be used for; the value is mixed into its HMAC."""

    OPEN = b"o"
    CLICK = b"c"
    UNSUBSCRIBE = b"u"  # the page and the one-click POST
    BOUNCE = b"b"  # reverse-path b-TOKEN@rp.DOMAIN
    REPLY = b"r"  # Reply-To r-TOKEN@rp.DOMAIN
    UNSUBSCRIBE_MAIL = b"m"  # List-Unsubscribe mailto u-TOKEN@rp.DOMAIN
    FEEDBACK = b"f"  # CFBL-Address f-TOKEN@rp.DOMAIN and X-Postroom-Id
    PART = b"p"  # a part of a copy in the sandbox: an image that the copy shows; the position is the part's number
    CONNECT = b"a"  # connects an account: its id for the recipient's, the second it ends for the position
    DISCONNECT = b"d"  # disconnects one, in the same form


@dataclass(frozen=True, slots=True)
class Token:
    """What a valid token says."""

    key_id: int
    recipient_id: int
    position: int

    @property
    def made_at_ms(self) -> int:
        """When the recipient was accepted."""
        return made_at_ms(self.recipient_id)


class TokenKeys:
    """The ring of signing keys, by key id (0..255). Keys are added, never taken away."""

    def __init__(self, keys: dict[int, bytes], signs_with: int | None = None) -> None:
        """`signs_with` is the key id that new messages are given; None: the newest."""
        if any(not 0 <= key_id <= 255 or len(key) < 16 for key_id, key in keys.items()):
            raise ValueError("token keys need an id of 0..255 and at least 16 bytes")
        self._keys = dict(keys)
        self.signs_with = max(keys) if signs_with is None else signs_with
        self._pads = {(key_id, kind): _pads(key, kind.value) for key_id, key in keys.items() for kind in TokenKind}
        self._hiding = _pads(keys[min(keys)], b"hidden ")

    def items(self) -> list[tuple[int, bytes]]:
        """Return the ring, to hand it to a helper process."""
        return sorted(self._keys.items())

    def hide(self, text: str) -> str:
        """Return a keyed hash of a text, which tells nobody without the key what it was; always the same.

        `erased:` and 26 letters of base32. The oldest key makes it, which is never taken away.
        """
        digest = _finished(self._hiding, text.encode())
        return f"{HIDDEN}{base32(int.from_bytes(digest[:17], 'big') >> 6, 26)}"

    def sign(self, kind: TokenKind, key_id: int, recipient_id: int, position: int = 0) -> bytes:
        """Return the raw token. Raises KeyError for an unknown key id."""
        head = bytes((key_id,)) + recipient_id.to_bytes(8, "big") + _varint(position)
        return head + self._mac(kind, head)

    def check(self, kind: TokenKind, raw: bytes) -> Token | None:
        """Return what `raw` says, or None unless we made it for this kind."""
        head, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if len(head) < 10 or head[0] not in self._keys:
            return None
        if not hmac.compare_digest(mac, self._mac(kind, head)):
            return None
        return Token(head[0], int.from_bytes(head[1:9], "big"), _from_varint(head[9:]))

    def url_text(self, kind: TokenKind, key_id: int, recipient_id: int, position: int = 0) -> str:
        """Return the token for a URL: base64url without padding."""
        raw = self.sign(kind, key_id, recipient_id, position)
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")

    def local_part_text(self, kind: TokenKind, key_id: int, recipient_id: int) -> str:
        """Return the token for a local-part: lower-case base32, 32 letters."""
        # 20 bytes are 32 letters to the bit.
        return base32(int.from_bytes(self.sign(kind, key_id, recipient_id), "big"), 32)

    def check_url_text(self, kind: TokenKind, text: str) -> Token | None:
        """Like `check`, for the text in a URL. Any text is allowed."""
        if len(text) > 64:
            return None
        try:
            raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (ValueError, UnicodeEncodeError, binascii.Error):
            return None
        return self.check(kind, raw)

    def check_local_part_text(self, kind: TokenKind, text: str) -> Token | None:
        """Like `check`, for the text behind `b-`, `r-`, `u-`, `f-`; letter case does not matter."""
        if len(text) > 64:
            return None
        try:
            raw = base64.b32decode(text.upper().encode("ascii") + b"=" * (-len(text) % 8))
        except (ValueError, UnicodeEncodeError, binascii.Error):
            return None
        return self.check(kind, raw)

    def _mac(self, kind: TokenKind, head: bytes) -> bytes:
        return _finished(self._pads[head[0], kind], head)[:_MAC_BYTES]


def url_text_length(position: int = 0) -> int:
    """Return how long `url_text` is for this position, in every copy."""
    return -(-(9 + len(_varint(position)) + _MAC_BYTES) * 4 // 3)


_Pads = tuple["hashlib._Hash", "hashlib._Hash"]


def _pads(key: bytes, purpose: bytes) -> _Pads:
    """Return SHA-256 fed with the inner pad and the purpose, and with the outer pad (RFC 2104 2)."""
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK_BYTES else key).ljust(_BLOCK_BYTES, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
    inner.update(purpose)
    return inner, hashlib.sha256(bytes(byte ^ 0x5C for byte in block))


def _finished(pads: _Pads, data: bytes) -> bytes:
    """Return the HMAC-SHA-256 of purpose and data."""
    # The padded key is hashed once: `hmac.digest` lets the interpreter go for each token, and the
    # loop's thread then waits for the store's to get it back.
    first = pads[0].copy()
    first.update(data)
    second = pads[1].copy()
    second.update(first.digest())
    return second.digest()


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _from_varint(raw: bytes) -> int:
    return sum((byte & 0x7F) << (7 * index) for index, byte in enumerate(raw))
