"""Signing a copy: private keys in memory, and the DKIM-Signature fields that go in front (RFC 6376, RFC 8463).

The last step that touches bytes. RSA takes nearly all of the time and lets the
interpreter go, so `sign` scales over the threads of a pool; key objects may be
shared by threads.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from postroom.base.errors import SettingsError
from postroom.mail.dkim.record import record_text
from postroom.mail.dkim.signature import Algorithm, cover, signed_field, signing_input, unsigned_field

RSA_BITS = 2048
"""What every verifier takes (RFC 8301 3.2) and what still fits the budget of a copy."""

_PKCS1 = padding.PKCS1v15()
_SHA256 = hashes.SHA256()


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and the name under which its public half is published."""

    domain: str
    """The signing domain `d=`, lower-case A-labels."""
    selector: str
    algorithm: Algorithm
    private_key: rsa.RSAPrivateKey | Ed25519PrivateKey

    def record_text(self) -> str:
        """Return the text of the TXT record that publishes the key."""
        public = self.private_key.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            raw = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return record_text(self.algorithm, raw)


def load_key(domain: str, selector: str, der: bytes) -> SigningKey:
    """Return the key of PKCS#8 `der`; once a key, not once a copy. Raises SettingsError for anything else."""
    try:
        # Only keys that we made and sealed come here: the primality checks (60 ms) are spared.
        private_key = load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError) as error:
        raise SettingsError(f"the DKIM key {selector}._domainkey.{domain} cannot be read") from error
    if isinstance(private_key, rsa.RSAPrivateKey):
        return SigningKey(domain, selector, Algorithm.RSA, private_key)
    if isinstance(private_key, Ed25519PrivateKey):
        return SigningKey(domain, selector, Algorithm.ED25519, private_key)
    raise SettingsError(f"the DKIM key {selector}._domainkey.{domain} is neither RSA nor Ed25519")


def sign(header: Sequence[bytes], body_sha256: bytes, keys: Sequence[SigningKey], signed_at: int) -> list[bytes]:
    """Return a DKIM-Signature field for each key, in their order, to be put in front of `header`.

    `header` are the raw fields of the copy, `body_sha256` is the hash over its relaxed canonical body,
    `signed_at` is in seconds since the epoch. The same arguments give the same bytes.
    """
    covered = cover(header)
    fields = []
    for key in keys:
        unsigned = unsigned_field(
            key.algorithm, key.domain.encode("ascii"), key.selector.encode("ascii"), covered, body_sha256, signed_at
        )
        data = signing_input(covered, unsigned)
        if isinstance(key.private_key, Ed25519PrivateKey):
            # RFC 8463 3: what is signed is the hash, not the data.
            signature = key.private_key.sign(hashlib.sha256(data).digest())
        else:
            signature = key.private_key.sign(data, _PKCS1, _SHA256)
        fields.append(signed_field(unsigned, signature))
    return fields


def new_rsa_key() -> bytes:
    """Return a new RSA key as PKCS#8 DER, unsealed. Takes up to a second."""
    return _pkcs8(rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS))


def new_ed25519_key() -> bytes:
    """Return a new Ed25519 key as PKCS#8 DER, unsealed."""
    return _pkcs8(Ed25519PrivateKey.generate())


def _pkcs8(key: rsa.RSAPrivateKey | Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
