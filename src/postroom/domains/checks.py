"""Looking whether a domain's records are published."""

from dataclasses import dataclass
from typing import Protocol

from postroom.base.errors import TryLater
from postroom.domains.records import DnsRecord


class DomainDns(Protocol):
    """The look-ups that a check needs. A name without such records gives an empty tuple.

    Each raises TryLater where DNS gave no answer.
    """

    async def texts(self, name: str) -> tuple[str, ...]:
        """Return the TXT records, the strings of each joined."""
        ...

    async def mail_hosts(self, name: str) -> tuple[str, ...]:
        """Return the MX hosts in lower case without a final dot."""
        ...

    async def alias_of(self, name: str) -> str | None:
        """Return the CNAME's target in lower case without a final dot, or None."""
        ...

    async def addresses(self, name: str) -> frozenset[str]:
        """Return the A and AAAA addresses as text."""
        ...


@dataclass(frozen=True, slots=True)
class CheckedRecord:
    """A record and whether DNS holds it."""

    record: DnsRecord
    seen: bool
    problem: str
    """What DNS holds instead, in words; empty where it is seen."""


async def check_record(dns: DomainDns, record: DnsRecord) -> CheckedRecord:
    """Look one record up."""
    try:
        problem = await _problem(dns, record)
    except TryLater as error:
        problem = f"DNS gave no answer: {error}"
    return CheckedRecord(record, not problem, problem)


async def _problem(dns: DomainDns, record: DnsRecord) -> str:
    if record.type == "MX":
        host = record.value.split()[1]
        found = await dns.mail_hosts(record.name)
        return "" if host in found else _instead("MX", record.name, ", ".join(found))
    if record.type == "CNAME":
        return await _alias_problem(dns, record)
    if record.type in ("A", "AAAA"):
        addresses = await dns.addresses(record.name)
        return "" if record.value in addresses else _instead(record.type, record.name, ", ".join(sorted(addresses)))
    texts = await dns.texts(record.name)
    if record.purpose == "dmarc":
        # Any policy will do: it is the owner's.
        seen = any(text.strip().lower().startswith("v=dmarc1") for text in texts)
    elif record.purpose == "return_path_spf":
        seen = any(text.strip().lower().startswith("v=spf1") for text in texts)
    else:
        seen = any(_squeezed(text) == _squeezed(record.value) for text in texts)
    return "" if seen else _instead("TXT", record.name, " | ".join(texts))


async def _alias_problem(dns: DomainDns, record: DnsRecord) -> str:
    alias = await dns.alias_of(record.name)
    if alias == record.value.lower():
        return ""
    # A domain's apex or a CDN may have addresses instead of an alias: the same ones will do.
    ours = await dns.addresses(record.value)
    theirs = await dns.addresses(record.name)
    if theirs and theirs <= ours:
        return ""
    return _instead("CNAME", record.name, alias or ", ".join(sorted(theirs)))


def _instead(kind: str, name: str, found: str) -> str:
    return f"{name} has the {kind} {found[:200]}" if found else f"{name} has no {kind} record"


def _squeezed(text: str) -> str:
    return "".join(text.split())
