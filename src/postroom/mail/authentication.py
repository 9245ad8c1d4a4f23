"""What is known about where a mail comes from: the results of SPF, DKIM, DMARC and ARC (RFC 8601 2.7).

Values only. `inbound.authenticate` finds them out, `mail.authentication_results`
writes them into a header field, and they are kept as JSON beside the mail.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import msgspec


class Result(StrEnum):
    """The words of RFC 8601 2.7. Not every method has all of them."""

    NONE = "none"
    """There is nothing to judge by."""
    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    POLICY = "policy"
    """Right by itself, but its server does not believe it. Not ours: only read of others."""
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class DmarcPolicy(StrEnum):
    """What a domain asks for when its mail fails DMARC (RFC 7489 6.3)."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class SpfVerdict:
    """Whether the client may use the domain of the envelope (RFC 7208)."""

    result: Result
    domain: str = ""
    """The domain that was asked."""
    is_helo: bool = False
    """The reverse-path is null, so the name of HELO was asked (RFC 7208 2.4)."""
    reason: str = ""
    """The mechanism that decided, or what went wrong."""
    explanation: str = ""
    """What the domain's owner says to a client that fails; the words of a stranger."""


@dataclass(frozen=True, slots=True)
class DkimVerdict:
    """One signature (RFC 6376)."""

    result: Result
    domain: str = ""
    """`d=`, lower case."""
    selector: str = ""
    algorithm: str = ""
    signature: str = ""
    """The first letters of `b=`, which tell signatures of one domain apart (RFC 6008)."""
    is_weak: bool = False
    """It passes, but covers too little to say who wrote the mail: not used for DMARC."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ArcVerdict:
    """The chain of those who passed the mail on (RFC 8617)."""

    result: Result
    """`none`, `pass` or `fail`; `temperror` where DNS could not tell."""
    instance: int = 0
    """The highest `i=`; 0 without a chain."""
    domain: str = ""
    """Who sealed last."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DmarcVerdict:
    """Whether the author's domain stands behind the mail (RFC 7489)."""

    result: Result
    domain: str = ""
    """The domain of From."""
    policy: DmarcPolicy = DmarcPolicy.NONE
    """What the domain asks for such mail when it fails: `p=`, or `sp=` for a subdomain."""
    disposition: DmarcPolicy = DmarcPolicy.NONE
    """What the policy means for this mail: `none` unless it fails; `pct=` softens it."""
    spf_aligned: bool = False
    dkim_aligned: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """All that was found out about one mail."""

    spf: SpfVerdict = SpfVerdict(Result.NONE)
    dkim: tuple[DkimVerdict, ...] = ()
    """In the order of the fields, the topmost first; empty: the mail is not signed."""
    dmarc: DmarcVerdict = DmarcVerdict(Result.NONE)
    arc: ArcVerdict = ArcVerdict(Result.NONE)

    @property
    def disowns_author(self) -> bool:
        """Whether nobody may go by From: its domain asks for that by its policy (DMARC), or it names nobody surely."""
        failed = self.dmarc.result is Result.FAIL and self.dmarc.policy is not DmarcPolicy.NONE
        return failed or self.dmarc.result is Result.PERMERROR

    def to_json(self) -> str:
        """Return the text that is stored beside the mail."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what `to_json` gave; an empty text: nothing was asked. Raises ValueError for other text."""
        return msgspec.json.decode(text, type=cls) if text else cls()
