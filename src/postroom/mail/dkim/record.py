"""The TXT record that publishes a DKIM key: written for our domains, read of others (RFC 6376 3.6, RFC 8463 4)."""

import base64
import binascii
from dataclasses import dataclass

from postroom.mail.dkim.signature import Algorithm
from postroom.mail.tag_list import read_tags

_LONGEST_RECORD = 4096
"""Characters; the record of an RSA key of 8192 bits has 1,500."""


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A key as its record publishes it; the bytes may still be no key."""

    algorithm: Algorithm
    public_key: bytes
    """As `record_text` takes it. Some publish RSA keys as bare RSAPublicKey."""
    is_strict: bool
    """The identity `i=` may be at no subdomain (`t=s`)."""


def record_name(selector: str, domain: str) -> str:
    """Return where the record stands: `SELECTOR._domainkey.DOMAIN`."""
    return f"{selector}._domainkey.{domain}"


def record_text(algorithm: Algorithm, public_key: bytes) -> str:
    """Return the record's text.

    `public_key` is the SubjectPublicKeyInfo as DER for RSA, and the 32 raw bytes for Ed25519.
    """
    key_type = "rsa" if algorithm is Algorithm.RSA else "ed25519"
    return f"v=DKIM1; k={key_type}; p={base64.b64encode(public_key).decode('ascii')}"


def read_record(text: str) -> PublishedKey:
    """Return the key that a record publishes. Raises ValueError where it is none, or revoked, or not for mail."""
    if len(text) > _LONGEST_RECORD:
        raise ValueError("the key record is too long")
    tags = read_tags(text)
    if tags.get("v", "DKIM1") != "DKIM1" or "p" not in tags:
        raise ValueError("the record publishes no key")
    algorithm = {"rsa": Algorithm.RSA, "ed25519": Algorithm.ED25519}.get(tags.get("k", "rsa"))
    if algorithm is None:
        raise ValueError("the key is of an unknown type")
    if not _is_among(tags.get("h"), "sha256") or not _is_among(tags.get("s"), "email", "*"):
        raise ValueError("the key is not for mail or not for SHA-256")
    if not tags["p"]:
        raise ValueError("the key is revoked")
    return PublishedKey(algorithm, read_base64(tags["p"]), "s" in _words(tags.get("t", "")))


def read_base64(text: str) -> bytes:
    """Return what Base64 with white space in it says. Raises ValueError."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("this is no Base64") from error


def _is_among(tag: str | None, *wanted: str) -> bool:
    return tag is None or not _words(tag).isdisjoint(wanted)


def _words(tag: str) -> set[str]:
    return {word.strip() for word in tag.split(":")}
