"""Sealing a mail that is handed on: what we found when it came in, signed by us (ARC, RFC 8617 5.1).

The last step that touches the bytes, also after our DKIM signature: the next
server sees that the mail was right when it came to us, though forwarding broke
SPF, and perhaps the author's signature.
"""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from postroom.mail.arc import highest_instance, read_chain, seal_input
from postroom.mail.authentication import Result, Verdicts
from postroom.mail.authentication_results import field_text
from postroom.mail.dkim.body import body_hash
from postroom.mail.dkim.signature import SIGNED, Algorithm, cover, signed_field, signing_input, unsigned_field
from postroom.mail.header import split_header

_MOST_INSTANCES = 50
"""RFC 8617 4.2.1."""
_SIGNED = SIGNED | {b"dkim-signature"}
"""RFC 8617 4.1.2: a verifier may want to know which signatures were there."""
_OVERSIGNED = (b"from",)
"""Not more: the way out, and servers behind us, give a mail the Date or Message-ID that it lacks."""


def seal(
    raw: bytes,
    verdicts: Verdicts,
    authserv_id: str,
    selector: str,
    domain: str,
    key: rsa.RSAPrivateKey,
    *,
    signed_at: int,
) -> bytes:
    """Return a mail with a set of ARC fields in front, or as it is where nothing true can be said of its chain.

    `verdicts` are those of the mail when it came in; `raw` is the mail as it leaves, in CRLF lines, with all its ARC
    fields. `selector` and `domain` (A-labels) name the RSA key. `signed_at` is in seconds since the epoch. Pure; takes
    milliseconds for RSA and reads the body once.
    """
    header, body_start = split_header(raw)
    highest = highest_instance(header)
    status = verdicts.arc.result if highest else Result.NONE
    if highest >= _MOST_INSTANCES or (highest and status not in (Result.PASS, Result.FAIL)):
        return raw
    before: list[bytes] = []
    try:
        chain = read_chain(header)
        if chain and chain[-1].status is Result.FAIL:
            return raw  # RFC 8617 5.1: who found the chain broken has said so.
        before = [field for one in chain for field in one.fields]
    except ValueError:
        status = Result.FAIL
    instance = highest + 1
    results = b"ARC-Authentication-Results: i=%d; %b\r\n" % (instance, field_text(verdicts, authserv_id))

    covered = cover(header, _SIGNED, _OVERSIGNED)
    hashed, _ = body_hash(raw, body_start, is_relaxed=True)
    names = (domain.encode("ascii"), selector.encode("ascii"))
    opening = b"ARC-Message-Signature: i=%d" % instance
    unsigned = unsigned_field(Algorithm.RSA, *names, covered, hashed, signed_at, opening=opening)
    message = signed_field(unsigned, _sign(key, signing_input(covered, unsigned)))

    unsigned = b"ARC-Seal: i=%d; a=rsa-sha256; t=%d; cv=%b;\r\n d=%b;\r\n s=%b;\r\n b=" % (
        instance, signed_at, status.encode(), *names,
    )  # fmt: skip
    # RFC 8617 5.1.2: a broken chain is left out.
    sealed = [results, message, unsigned] if status is Result.FAIL else [*before, results, message, unsigned]
    return signed_field(unsigned, _sign(key, seal_input(sealed))) + message + results + raw


def _sign(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
    return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
