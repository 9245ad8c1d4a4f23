"""Secrets at rest: sealed with the installation's master key, bound to their row.

AES-256-GCM with a random 96-bit nonce. The additional data names table, row
and column, so a sealed value that is moved to another row does not open.
"""

import hashlib
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from postroom.base.errors import PostroomError

_NONCE_BYTES = 12
_VERSION = b"\x01"


class CannotOpen(PostroomError):
    """A sealed value was made with another master key or for another row."""


class Sealer:
    """Seals and opens values with one master key of 32 bytes."""

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) != 32:
            raise ValueError("the master key has 32 bytes")
        self._aead = AESGCM(master_key)

    def seal(self, value: bytes, row: str) -> bytes:
        """Return `value` sealed for `row`, such as `domain/17/rsa_key`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + nonce + self._aead.encrypt(nonce, value, row.encode())

    def open(self, sealed: bytes, row: str) -> bytes:
        """Return what was sealed for `row`. Raises CannotOpen."""
        if sealed[:1] != _VERSION:
            raise CannotOpen(f"the secret of {row} has an unknown form")
        nonce, rest = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._aead.decrypt(nonce, rest, row.encode())
        except InvalidTag as error:
            raise CannotOpen(f"the secret of {row} does not open: wrong POSTROOM_SECRET or moved row") from error


def new_secret(prefix: str = "") -> str:
    """Return a new API key or SMTP password: `prefix` and 160 random bits as base32."""
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    return prefix + "".join(secrets.choice(alphabet) for _ in range(32))


def secret_hash(secret: str) -> bytes:
    """Return what is stored of a secret that `new_secret` made.

    SHA-256 is enough: the secrets are random, so there is nothing to guess.
    """
    return hashlib.sha256(secret.encode()).digest()
