"""Verifying signatures of others: DKIM-Signature, and the two of ARC that are made alike (RFC 6376 6.1, RFC 8617 4.1).

Pure: the mail's bytes and the texts of key records in, the answer out. All of it
is linear in what a stranger sent, and the cryptography lets other threads run.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from postroom.mail.address import domain_key
from postroom.mail.dkim.record import PublishedKey, read_base64, read_record
from postroom.mail.dkim.relaxed import relax_field
from postroom.mail.dkim.signature import Algorithm
from postroom.mail.header import field_body, field_name
from postroom.mail.tag_list import read_tags

_LONGEST_FIELD = 16_384
"""Octets of a signature field; real ones have 400 to 2,000."""
_MOST_RECORDS = 3
"""TXT records of one key name that are looked at; there should be one (RFC 6376 3.6.2.2)."""
_RSA_BITS = range(1024, 8193)
"""RFC 8301 3.2: shorter keys prove nothing; longer ones are there to keep us busy."""
_NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_NUMBER = re.compile(r"[0-9]{1,76}")
_CRLF = b"\r\n"


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature field that can be verified."""

    field: bytes
    """Raw, as it stands in the header."""
    tags: dict[str, str]
    algorithm: Algorithm
    domain: str
    selector: str
    value: bytes
    """`b=`, decoded."""
    names: tuple[bytes, ...] = ()
    """`h=`: the header fields it covers, lower case."""
    body_hash: bytes = b""
    is_relaxed_header: bool = True
    is_relaxed_body: bool = True
    length: int | None = None
    """`l=`: the octets of the canonical body that it covers; None: all."""
    identity_domain: str = ""
    """Domain of `i=`."""


class HeaderFields:
    """A header from which signatures choose; each field is made canonical at most once."""

    def __init__(self, header: Sequence[bytes]) -> None:
        self._fields = [field if field.endswith(_CRLF) else field.rstrip(b"\r\n") + _CRLF for field in header]
        self._relaxed: dict[int, bytes] = {}
        self._by_name: dict[bytes, list[int]] = {}
        for index, field in enumerate(self._fields):
            self._by_name.setdefault(field_name(field), []).append(index)

    def count(self, name: bytes) -> int:
        """Return how many fields of a name (lower case) there are."""
        return len(self._by_name.get(name, ()))

    def chosen(self, names: Sequence[bytes], *, is_relaxed: bool) -> bytes:
        """Return the canonical fields that `names` mean: each name the next one from the bottom (RFC 6376 5.4.2)."""
        used: dict[bytes, int] = {}
        parts = []
        for name in names:
            used[name] = used.get(name, 0) + 1
            indexes = self._by_name.get(name, ())
            if used[name] <= len(indexes):
                index = indexes[-used[name]]
                parts.append(self._canonical(index) if is_relaxed else self._fields[index])
        return b"".join(parts)

    def _canonical(self, index: int) -> bytes:
        if index not in self._relaxed:
            self._relaxed[index] = relax_field(self._fields[index])
        return self._relaxed[index]


def read_dkim_signature(field: bytes) -> Signature:
    """Return what a raw DKIM-Signature field says. Raises ValueError where it is none that counts (RFC 6376 6.1.1)."""
    signature = read_message_signature(field)
    if signature.tags.get("v") != "1":
        raise ValueError("the version is not 1")
    if b"from" not in signature.names:
        raise ValueError("From is not signed")
    return signature


def read_message_signature(field: bytes) -> Signature:
    """Return what a raw DKIM-Signature or ARC-Message-Signature says. Raises ValueError for what neither can be."""
    bare = read_seal_signature(field)
    tags = bare.tags
    for name in ("h", "bh"):
        if not tags.get(name):
            raise ValueError(f"the tag {name}= is missing")
    if "l" in tags and not _NUMBER.fullmatch(tags["l"]):
        raise ValueError("l= is no number")
    if "dns/txt" not in tags.get("q", "dns/txt"):
        raise ValueError("the key is not in DNS")
    ways = tags.get("c", "simple/simple").split("/")
    if len(ways) > 2 or not {"simple", "relaxed"}.issuperset(ways):
        raise ValueError("the canonicalization is unknown")
    # In ARC i= is the instance.
    identity = tags["i"].rpartition("@")[2] if "@" in tags.get("i", "") else bare.domain
    identity_domain = domain_key(identity)
    if identity_domain != bare.domain and not identity_domain.endswith(f".{bare.domain}"):
        raise ValueError("i= is outside of d=")
    return Signature(
        field,
        tags,
        bare.algorithm,
        bare.domain,
        bare.selector,
        bare.value,
        tuple(name.strip().lower().encode("utf-8", "replace") for name in tags["h"].split(":")),
        read_base64(tags["bh"]),
        ways[0] == "relaxed",
        ways[-1] == "relaxed" and len(ways) == 2,
        int(tags["l"]) if "l" in tags else None,
        identity_domain,
    )


def read_seal_signature(field: bytes) -> Signature:
    """Return what a raw signature field says without what it covers: an ARC-Seal. Raises ValueError."""
    if len(field) > _LONGEST_FIELD:
        raise ValueError("the field is too long")
    tags = read_tags(field_body(field).decode("utf-8", "replace"))
    for name in ("a", "b", "d", "s"):
        if not tags.get(name):
            raise ValueError(f"the tag {name}= is missing")
    try:
        algorithm = Algorithm(tags["a"].lower())
    except ValueError:
        raise ValueError("the algorithm is unknown or no longer safe (RFC 8301)") from None
    domain, selector = domain_key(tags["d"]), domain_key(tags["s"])
    if not all(len(name) <= 253 and _NAME.fullmatch(name) for name in (domain, selector)):
        raise ValueError("d= or s= is no domain")
    return Signature(field, tags, algorithm, domain, selector, read_base64(tags["b"]))


def expiry(signature: Signature) -> int | None:
    """Return when a signature expires, in seconds since the epoch, or None. Raises ValueError (RFC 6376 3.5, x=)."""
    text = signature.tags.get("x")
    if text is None:
        return None
    made = signature.tags.get("t", "0")
    if not _NUMBER.fullmatch(text) or not _NUMBER.fullmatch(made) or int(text) < int(made):
        raise ValueError("x= or t= is no time")
    return int(text)


def choose_key(signature: Signature, records: Sequence[str]) -> PublishedKey:
    """Return the key to verify a signature with. Raises ValueError that says why there is none (RFC 6376 6.1.2)."""
    trouble = "there is no key"
    for text in records[:_MOST_RECORDS]:
        try:
            key = read_record(text)
        except ValueError as error:
            trouble = str(error)
            continue
        if key.algorithm is not signature.algorithm:
            trouble = "the key is of another algorithm"
        elif key.is_strict and signature.identity_domain not in ("", signature.domain):
            trouble = "the key is not for subdomains"
        else:
            return key
    raise ValueError(trouble)


def signed_input(signature: Signature, covered: bytes) -> bytes:
    """Return the bytes that were signed: the covered fields, then the signature's own without its value."""
    own = without_value(signature.field)
    return covered + (relax_field(own) if signature.is_relaxed_header else own).removesuffix(_CRLF)


def without_value(field: bytes) -> bytes:
    """Return a raw signature field with an empty `b=` (RFC 6376 3.5: white space around the value goes too)."""
    name, _, body = field.partition(b":")
    specs = body.split(b";")
    for index, spec in enumerate(specs):
        tag, equals, _ = spec.partition(b"=")
        if tag.strip(b" \t\r\n") == b"b":
            specs[index] = tag + equals
    return name + b":" + b";".join(specs)


def is_right(signature: Signature, key: PublishedKey, data: bytes) -> bool:
    """Tell whether the owner of `key` signed `data`. Raises ValueError where the key is no key that we take."""
    public = _public_key(key)
    try:
        if isinstance(public, Ed25519PublicKey):
            # RFC 8463 3: what is signed is the hash, not the data.
            public.verify(signature.value, hashlib.sha256(data).digest())
        else:
            public.verify(signature.value, data, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _public_key(key: PublishedKey) -> rsa.RSAPublicKey | Ed25519PublicKey:
    try:
        if key.algorithm is Algorithm.ED25519:
            return Ed25519PublicKey.from_public_bytes(key.public_key)
        public = load_der_public_key(key.public_key)
    except (UnsupportedAlgorithm, TypeError, ValueError) as error:
        raise ValueError("the key cannot be read") from error
    if not isinstance(public, rsa.RSAPublicKey) or public.key_size not in _RSA_BITS:
        raise ValueError("the key is no RSA key of 1024 to 8192 bits")
    return public
