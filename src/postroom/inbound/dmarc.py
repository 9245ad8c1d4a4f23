"""DMARC: does the author's domain stand behind a mail, and what does it ask for if not? (RFC 7489)"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from publicsuffixlist import PublicSuffixList

from postroom.inbound.spf import Dns
from postroom.mail.address import domain_of
from postroom.mail.address_list import parse_address_list
from postroom.mail.authentication import DkimVerdict, DmarcPolicy, DmarcVerdict, Result, SpfVerdict
from postroom.mail.dmarc_record import DmarcRecord, choose_record, parse_record
from postroom.mail.header import find_all
from postroom.net.dns import Status

_LONGEST_AUTHOR = 16_384
"""Octets of a From field that is read; real ones have 20 to 200."""
_SOFTER = {DmarcPolicy.REJECT: DmarcPolicy.QUARANTINE, DmarcPolicy.QUARANTINE: DmarcPolicy.NONE}
"""RFC 7489 6.6.4: what holds for the mails that `pct=` spares."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote a mail, as far as DMARC is concerned."""

    domain: str
    """Of the From field, lower-case A-labels; empty where there is none to ask."""
    organisation: str = ""
    """Its organisational domain."""
    result: Result = Result.NONE
    """Why there is none: `none` or `permerror`."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """What DNS says about the author's domain."""

    record: DmarcRecord | None = None
    policy: DmarcPolicy = DmarcPolicy.NONE
    """That of the record for this domain."""
    result: Result = Result.NONE
    """Why there is no record: `none` or `temperror`."""
    reason: str = ""


def read_author(header: Sequence[bytes]) -> Author:
    """Return the domain of the one author of a mail (RFC 7489 6.6.1)."""
    fields = find_all(header, b"from")
    if any(len(body) > _LONGEST_AUTHOR for body in fields):
        # Whom a reader shows may stand behind what we would read.
        return Author("", result=Result.PERMERROR, reason="the From field is too long")
    domains = {domain_of(mailbox.address) for body in fields for mailbox in parse_address_list(body)}
    if len(fields) > 1 or len(domains) > 1:
        # A reader may show another one than the one that is proved.
        return Author("", result=Result.PERMERROR, reason="the mail has several authors")
    domain = next(iter(domains), "")
    if "." not in domain or len(domain) > 253:
        return Author("", reason="the author has no domain")
    return Author(domain, organisational_domain(domain))


async def find_policy(dns: Dns, author: Author) -> Published:
    """Return what the author's domain publishes, or its organisational domain for it (RFC 7489 6.6.3)."""
    if not author.domain:
        return Published(result=author.result, reason=author.reason)
    for domain in dict.fromkeys((author.domain, author.organisation)):
        answer = await dns.txt(f"_dmarc.{domain}")
        if answer.status is Status.TEMPORARY_FAILURE:
            return Published(result=Result.TEMPERROR, reason=answer.reason)
        records = choose_record(answer.records)
        if len(records) > 1:
            return Published(reason="the domain has several DMARC records")
        if records:
            record = parse_record(records[0])
            if record is None:
                return Published(reason="the DMARC record has no policy that can be read")
            return Published(record, record.policy if domain == author.domain else record.subdomain_policy)
    return Published(reason="the domain has no DMARC record")


def judge_dmarc(
    author: Author, published: Published, spf: SpfVerdict, dkim: Sequence[DkimVerdict], raw: bytes
) -> DmarcVerdict:
    """Return whether SPF or a signature proves the author's domain, and what the domain asks for if not.

    `raw` decides whether the mail is among those that `pct=` spares: the same mail always is, or never.
    """
    record = published.record
    if record is None:
        return DmarcVerdict(published.result, author.domain, reason=published.reason)
    by_spf = [spf.result] if _is_aligned(spf.domain, author, is_strict=record.is_spf_strict) else []
    by_dkim = [
        one.result
        for one in dkim
        if not one.is_weak and _is_aligned(one.domain, author, is_strict=record.is_dkim_strict)
    ]
    spf_aligned, dkim_aligned = Result.PASS in by_spf, Result.PASS in by_dkim
    result, disposition = Result.FAIL, published.policy
    if spf_aligned or dkim_aligned:
        result, disposition = Result.PASS, DmarcPolicy.NONE
    elif Result.TEMPERROR in (*by_spf, *by_dkim):
        result, disposition = Result.TEMPERROR, DmarcPolicy.NONE
    elif zlib.crc32(raw[:65536]) % 100 >= record.percent:
        disposition = _SOFTER.get(disposition, disposition)
    return DmarcVerdict(result, author.domain, published.policy, disposition, spf_aligned, dkim_aligned)


def organisational_domain(domain: str) -> str:
    """Return the domain that somebody registered: one label more than the public suffix (RFC 7489 3.2)."""
    return _suffixes().privatesuffix(domain) or domain


def is_in_organisation(domain: str, author: Author) -> bool:
    """Tell whether a domain may prove the author's, unless that is strict (RFC 7489 3.1)."""
    return organisational_domain(domain) == author.organisation


def _is_aligned(domain: str, author: Author, *, is_strict: bool) -> bool:
    """Tell whether a proved domain is the author's (RFC 7489 3.1)."""
    return domain == author.domain or (not is_strict and is_in_organisation(domain, author))


@cache
def _suffixes() -> PublicSuffixList:
    """Return the list that the library ships; reading it takes some milliseconds, once."""
    return PublicSuffixList()
