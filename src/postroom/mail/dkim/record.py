"""The TXT record that publishes a DKIM key (RFC 6376 3.6, RFC 8463 4)."""

import base64

from postroom.mail.dkim.signature import Algorithm


def record_name(selector: str, domain: str) -> str:
    """Return where the record stands: `SELECTOR._domainkey.DOMAIN`."""
    return f"{selector}._domainkey.{domain}"


def record_text(algorithm: Algorithm, public_key: bytes) -> str:
    """Return the record's text.

    `public_key` is the SubjectPublicKeyInfo as DER for RSA, and the 32 raw bytes for Ed25519.
    """
    key_type = "rsa" if algorithm is Algorithm.RSA else "ed25519"
    return f"v=DKIM1; k={key_type}; p={base64.b64encode(public_key).decode('ascii')}"


def record_strings(text: str) -> tuple[str, ...]:
    """Split a record's text into the strings of at most 255 octets that a TXT record is made of (RFC 1035 3.3.14)."""
    return tuple(text[at : at + 255] for at in range(0, len(text), 255)) or ("",)


def zone_text(text: str) -> str:
    """Return the record's text as a zone file holds it: quoted strings beside one another."""
    quoted = (string.replace("\\", "\\\\").replace('"', '\\"') for string in record_strings(text))
    return " ".join(f'"{string}"' for string in quoted)
