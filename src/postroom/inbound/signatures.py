"""DKIM and ARC of one mail: which keys are needed, and what the signatures say (RFC 6376 6, RFC 8617 5.2).

Two steps on a thread, and DNS between them. Nothing here raises for what a mail
says, and nothing costs more than reading the mail once for each kind of body hash.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from postroom.mail.arc import ArcSet, highest_instance, read_chain, seal_input
from postroom.mail.authentication import ArcVerdict, DkimVerdict, Result
from postroom.mail.dkim.body import body_hash
from postroom.mail.dkim.record import record_name
from postroom.mail.dkim.verify import (
    HeaderFields,
    Signature,
    choose_key,
    expiry,
    is_right,
    read_dkim_signature,
    signed_input,
)
from postroom.mail.header import field_name
from postroom.net.dns import Answer, Status

_MOST_SIGNATURES = 5
"""Authors, their provider and a list or two sign; each may cost a question to DNS and a reading of the mail."""
_MOST_READ = 20
"""Of further ones the lowest, which were there first: the author's may be among them."""
_LONGEST_HEADER = 262_144
"""Octets; mail with a longer header is not checked."""

Keys = Mapping[str, Answer[str]]
"""The TXT records by name, as far as DNS has answered."""


@dataclass(frozen=True, slots=True)
class _Judged:
    result: Result
    reason: str = ""
    is_weak: bool = False


class Signatures:
    """The signatures of one mail. `names` are the TXT records to ask for before `judge`."""

    def __init__(self, raw: bytes, header: Sequence[bytes], body_start: int, is_authors: Callable[[str], bool]) -> None:
        """`raw` is a mail in CRLF lines; `header` and `body_start` are as `split_header` gives them.

        `is_authors` tells whether a domain could prove the author's (DMARC): of many signatures, its are verified.
        """
        self._raw = raw
        self._body_start = body_start
        self._is_long = body_start > _LONGEST_HEADER
        header = () if self._is_long else header
        self._header = HeaderFields(header)
        self._hashes: dict[tuple[bool, int | None], tuple[bytes, int]] = {}
        self._dkim = _chosen([field for field in header if field_name(field) == b"dkim-signature"], is_authors)
        self._highest = highest_instance(header)
        self._chain: tuple[ArcSet, ...] | str
        try:
            self._chain = read_chain(header)
        except ValueError as error:
            self._chain = str(error)

    @property
    def names(self) -> frozenset[str]:
        """The names of all key records."""
        wanted = [signature for signature in self._dkim if isinstance(signature, Signature)]
        if isinstance(self._chain, tuple):
            wanted += [one.seal for one in self._chain] + [one.message for one in self._chain[-1:]]
        return frozenset(_key_name(signature) for signature in wanted)

    def judge(self, keys: Keys, now: int) -> tuple[tuple[DkimVerdict, ...], ArcVerdict]:
        """Return what the signatures say. `now` is in seconds since the epoch."""
        if self._is_long:
            reason = "the header is too long"
            return (DkimVerdict(Result.PERMERROR, reason=reason),), ArcVerdict(Result.NONE, reason=reason)
        return tuple(self._judge_dkim(signature, keys, now) for signature in self._dkim), self._judge_chain(keys)

    def _judge_dkim(self, signature: Signature | str, keys: Keys, now: int) -> DkimVerdict:
        if isinstance(signature, str):
            return DkimVerdict(Result.PERMERROR, reason=signature)
        judged = self._judge_message(signature, keys)
        if judged.result is Result.PASS:
            judged = self._judge_age(signature, judged, now)
        return DkimVerdict(
            judged.result,
            signature.domain,
            signature.selector,
            signature.algorithm,
            "".join(signature.tags["b"].split())[:8],
            judged.is_weak,
            judged.reason,
        )

    def _judge_age(self, signature: Signature, judged: _Judged, now: int) -> _Judged:
        try:
            expires = expiry(signature)
        except ValueError as error:
            return _Judged(Result.PERMERROR, str(error))
        return _Judged(Result.FAIL, "the signature has expired") if expires is not None and expires < now else judged

    def _judge_message(self, signature: Signature, keys: Keys) -> _Judged:
        """Verify a signature over header and body."""
        hashed, size = self._body_hash(signature)
        if signature.length is not None and signature.length > size:
            return _Judged(Result.PERMERROR, "l= is longer than the body")
        if hashed != signature.body_hash:
            return _Judged(Result.FAIL, "the body was changed")
        covered = self._header.chosen(signature.names, is_relaxed=signature.is_relaxed_header)
        judged = _verify(signature, keys, signed_input(signature, covered), "the header was changed")
        if judged.result is Result.PASS and signature.length is not None and signature.length < size:
            return _Judged(Result.PASS, "only the beginning of the body is signed", is_weak=True)
        if judged.result is Result.PASS and self._header.count(b"from") > signature.names.count(b"from"):
            # RFC 6376 8.15: a reader may show the From field that nobody signed.
            return _Judged(Result.PASS, "not every From field is signed", is_weak=True)
        return judged

    def _body_hash(self, signature: Signature) -> tuple[bytes, int]:
        key = (signature.is_relaxed_body, signature.length)
        if key not in self._hashes:
            self._hashes[key] = body_hash(self._raw, self._body_start, is_relaxed=key[0], length=key[1])
        return self._hashes[key]

    def _judge_chain(self, keys: Keys) -> ArcVerdict:
        chain = self._chain
        if isinstance(chain, str):
            return ArcVerdict(Result.FAIL, self._highest, reason=chain)
        if not chain:
            return ArcVerdict(Result.NONE)
        last = chain[-1]
        failed = next((index for index, one in enumerate(chain, 1) if one.status is Result.FAIL), None)
        if failed is not None:
            return ArcVerdict(Result.FAIL, len(chain), last.seal.domain, f"set {failed} says that the chain is broken")
        judged = self._judge_message(last.message, keys)
        fields = [field for one in chain for field in one.fields]
        for index in reversed(range(len(chain))):
            if judged.result is not Result.PASS:
                break
            sealed = seal_input(fields[: 3 * index + 3])
            judged = _verify(chain[index].seal, keys, sealed, f"seal {index + 1} was changed")
        # RFC 8617 4.4: a chain has no permanent error.
        result = Result.FAIL if judged.result is Result.PERMERROR else judged.result
        return ArcVerdict(result, len(chain), last.seal.domain, judged.reason)


def _chosen(fields: Sequence[bytes], is_authors: Callable[[str], bool]) -> list[Signature | str]:
    """Return the signatures to verify, in their order: the author's before others, the topmost first."""
    read = [_read(field) for field in (*fields[:_MOST_SIGNATURES], *fields[_MOST_SIGNATURES:][-_MOST_READ:])]
    if len(read) > _MOST_SIGNATURES:
        authors = [isinstance(one, Signature) and is_authors(one.domain) for one in read]
        first = sorted(range(len(read)), key=lambda number: not authors[number])[:_MOST_SIGNATURES]
        read = [read[number] for number in sorted(first)]
    return read


def _read(field: bytes) -> Signature | str:
    """Return a DKIM signature, or why it is none."""
    try:
        return read_dkim_signature(field)
    except ValueError as error:
        return str(error)


def _verify(signature: Signature, keys: Keys, data: bytes, changed: str) -> _Judged:
    answer = keys.get(_key_name(signature))
    if answer is None or answer.status is Status.TEMPORARY_FAILURE:
        return _Judged(Result.TEMPERROR, "DNS did not answer for the key")
    try:
        right = is_right(signature, choose_key(signature, answer.records), data)
    except ValueError as error:
        return _Judged(Result.PERMERROR, str(error))
    return _Judged(Result.PASS) if right else _Judged(Result.FAIL, changed)


def _key_name(signature: Signature) -> str:
    return record_name(signature.selector, signature.domain)
