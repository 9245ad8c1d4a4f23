"""ARC: the chain of sets with which forwarders say what they saw (RFC 8617).

Pure. A set has three fields with one instance number: what the forwarder found
(ARC-Authentication-Results), its signature over the mail (ARC-Message-Signature)
and its seal over all sets so far (ARC-Seal).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from postroom.mail.authentication import Result
from postroom.mail.dkim.relaxed import relax_field
from postroom.mail.dkim.signature import Algorithm
from postroom.mail.dkim.verify import Signature, read_message_signature, read_seal_signature, without_value
from postroom.mail.header import field_body, field_name

RESULTS, MESSAGE, SEAL = b"arc-authentication-results", b"arc-message-signature", b"arc-seal"
_MOST_SETS = 20
"""RFC 8617 4.2.1 allows 50; real chains have up to five, and each set costs a question to DNS."""
_INSTANCE = re.compile(rb"(?:^|[;\s])i[ \t]*=[ \t]*([0-9]{1,3})[ \t]*(?:;|$)")


@dataclass(frozen=True, slots=True)
class ArcSet:
    """What one forwarder added."""

    results: bytes
    """The raw field."""
    message: Signature
    seal: Signature
    status: Result
    """What the seal says of the chain before (`cv=`): `none`, `pass` or `fail`."""

    @property
    def fields(self) -> tuple[bytes, bytes, bytes]:
        """The raw fields, in the order in which seals sign them."""
        return self.results, self.message.field, self.seal.field


def highest_instance(header: Sequence[bytes]) -> int:
    """Return the highest instance number in a header; 0 where there is no ARC field."""
    return max((_instance(field) for field in header if field_name(field) in (RESULTS, MESSAGE, SEAL)), default=0)


def read_chain(header: Sequence[bytes]) -> tuple[ArcSet, ...]:
    """Return the sets of a header, the first one first; none where there is no ARC field.

    Raises ValueError where they are no chain (RFC 8617 5.2, steps 1 to 3).
    """
    fields: dict[tuple[int, bytes], bytes] = {}
    for field in header:
        name = field_name(field)
        if name in (RESULTS, MESSAGE, SEAL):
            key = (_instance(field), name)
            if key in fields:
                raise ValueError(f"set {key[0]} is there twice")
            fields[key] = field
    count = len(fields) // 3
    if count > _MOST_SETS:
        raise ValueError("there are too many sets")
    if fields.keys() != {(instance, name) for instance in range(1, count + 1) for name in (RESULTS, MESSAGE, SEAL)}:
        # Nobody says who added the fields that are left over, so the sets before them prove nothing either.
        raise ValueError("a set is not complete")
    return tuple(
        _read_set(instance, *(fields[instance, name] for name in (RESULTS, MESSAGE, SEAL)))
        for instance in range(1, count + 1)
    )


def seal_input(fields: Sequence[bytes]) -> bytes:
    """Return the bytes that the last of the raw `fields` signs, a seal; with or without its value (RFC 8617 5.1.1)."""
    *covered, seal = fields
    return b"".join(map(relax_field, covered)) + relax_field(without_value(seal)).removesuffix(b"\r\n")


def _read_set(instance: int, results: bytes, message_field: bytes, seal_field: bytes) -> ArcSet:
    message, seal = read_message_signature(message_field), read_seal_signature(seal_field)
    status = seal.tags.get("cv", "").lower()
    if status not in (Result.NONE, Result.PASS, Result.FAIL) or (status == Result.NONE) != (instance == 1):
        raise ValueError(f"set {instance} says nothing of the chain before it")
    if "h" in seal.tags or SEAL in message.names:
        raise ValueError(f"set {instance} covers what it must not")
    if Algorithm.RSA is not seal.algorithm or Algorithm.RSA is not message.algorithm:
        raise ValueError(f"set {instance} has another algorithm")
    return ArcSet(results, message, seal, Result(status))


def _instance(field: bytes) -> int:
    match = _INSTANCE.search(field_body(field))
    return int(match[1]) if match else 0
