"""Secrets at rest: sealed with the installation's master key, bound to their row.

AES-256-GCM with a random 96-bit nonce. The additional data names table, row
and column, so a sealed value that is moved to another row does not open. A
sealed value names its key, so that a ring of keys can be changed while values
of both are there; values of before had no name and are tried with each key.
"""

import hashlib
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from postroom.base.errors import PostroomError

KEY_BYTES = 32
_NONCE_BYTES = 12
_NAME_BYTES = 4
_UNNAMED = b"\x01"
_NAMED = b"\x02"


class CannotOpen(PostroomError):
    """A sealed value was made with another master key or for another row."""


class Sealer:
    """Seals with the newest of a ring of master keys and opens with all of them. One per process, shared by all."""

    def __init__(self, newest: bytes, *older: bytes) -> None:
        """Keys have 32 bytes."""
        self._ring: dict[bytes, AESGCM] = {}
        self._newest = b""
        self.take(newest, *older)

    def take(self, newest: bytes, *older: bytes) -> None:
        """Use another ring from now on, for everybody who has this sealer."""
        keys = (newest, *older)
        if any(len(key) != KEY_BYTES for key in keys):
            raise ValueError("a master key has 32 bytes")
        self._ring = {_name_of(key): AESGCM(key) for key in keys}
        self._newest = _name_of(newest)

    @property
    def keys(self) -> int:
        """How many keys the ring has."""
        return len(self._ring)

    def seal(self, value: bytes, row: str) -> bytes:
        """Return `value` sealed for `row`, such as `domain/17/rsa_key`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _NAMED + self._newest + nonce + self._ring[self._newest].encrypt(nonce, value, row.encode())

    def open(self, sealed: bytes, row: str) -> bytes:
        """Return what was sealed for `row`. Raises CannotOpen."""
        form, rest = sealed[:1], sealed[1:]
        if form == _NAMED:
            name, rest = rest[:_NAME_BYTES], rest[_NAME_BYTES:]
            fitting = [self._ring[name]] if name in self._ring else []
        elif form == _UNNAMED:
            fitting = list(self._ring.values())
        else:
            raise CannotOpen(f"the secret of {row} has an unknown form")
        nonce, text = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
        for aead in fitting:
            try:
                return aead.decrypt(nonce, text, row.encode())
            except (InvalidTag, ValueError):
                continue
        raise CannotOpen(f"the secret of {row} does not open: wrong POSTROOM_SECRET or moved row")

    def is_of_newest(self, sealed: bytes) -> bool:
        """Tell whether a value was sealed with the newest key: the others are not needed for it."""
        return sealed[: 1 + _NAME_BYTES] == _NAMED + self._newest


def _name_of(key: bytes) -> bytes:
    """Return what a key is called in sealed values; it tells nothing about the key."""
    return hashlib.sha256(b"postroom master key " + key).digest()[:_NAME_BYTES]


def new_secret(prefix: str = "") -> str:
    """Return a new API key or SMTP password: `prefix` and 160 random bits as base32."""
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    return prefix + "".join(secrets.choice(alphabet) for _ in range(32))


def secret_hash(secret: str) -> bytes:
    """Return what is stored of a secret that `new_secret` made.

    SHA-256 is enough: the secrets are random, so there is nothing to guess.
    """
    return hashlib.sha256(secret.encode()).digest()
