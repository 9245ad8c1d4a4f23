"""SPF: may this client use the domain of the envelope? (RFC 7208 4, 5)

The record is read by `mail.spf_record`; here it is looked up and evaluated, with
the limits that keep a hostile record from costing more than some questions: ten
terms that ask DNS, ten hosts in one of them, two that find nothing. How long it
may take is up to the caller.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Protocol, TypeVar

from postroom.mail.address import domain_key
from postroom.mail.authentication import Result, SpfVerdict
from postroom.mail.spf_record import (
    Directive,
    MacroString,
    Mechanism,
    SpfRecord,
    SpfSyntaxError,
    choose_record,
    expand,
    expand_domain,
    letters_of,
    parse_macros,
    parse_record,
)
from postroom.net.dns import Answer, MxRecord, Status

T = TypeVar("T")
Client = IPv4Address | IPv6Address

_MOST_TERMS = 10
"""RFC 7208 4.6.4: terms of all records together that ask DNS."""
_MOST_VOID = 2
"""RFC 7208 4.6.4: of these terms, those that find nothing."""
_MOST_HOSTS = 10
"""RFC 7208 4.6.4: hosts of one MX or PTR answer."""
_LONGEST_EXPLANATION = 500
"""Characters of a stranger's words that we keep."""


class Dns(Protocol):
    """What SPF asks. `net.dns.Resolver` is one."""

    async def txt(self, name: str) -> Answer[str]:
        """Return the TXT records of a name."""
        ...

    async def a(self, name: str) -> Answer[str]:
        """Return the IPv4 addresses of a name."""
        ...

    async def aaaa(self, name: str) -> Answer[str]:
        """Return the IPv6 addresses of a name."""
        ...

    async def mx(self, domain: str) -> Answer[MxRecord]:
        """Return the MX records of a domain."""
        ...

    async def ptr(self, address: str) -> Answer[str]:
        """Return the names of an address."""
        ...


async def check_spf(
    dns: Dns, peer_address: str, helo: str, reverse_path: str, *, receiver: str = "unknown", now: int = 0
) -> SpfVerdict:
    """Return whether the client at `peer_address` may use the domain of the reverse-path, or of HELO where it is null.

    `reverse_path` has no angle brackets. `receiver` is our host name and `now` seconds since the epoch; explanations
    may quote them. Never raises for what a peer or DNS says; ends when DNS does.
    """
    local_part, _, domain = reverse_path.rpartition("@")
    is_helo = not reverse_path
    if is_helo:
        local_part, domain = "postmaster", helo
    domain = domain_key(domain)
    if not _is_domain(domain):
        return SpfVerdict(Result.NONE, "", is_helo, "there is no domain to ask")
    try:
        client = ip_address(peer_address.partition("%")[0])
    except ValueError:
        return SpfVerdict(Result.NONE, domain, is_helo, "the client has no address")
    if isinstance(client, IPv6Address) and client.ipv4_mapped:
        client = client.ipv4_mapped
    check = _Check(dns, client, local_part or "postmaster", domain, helo, receiver, now)
    try:
        found = await check.host(domain)
        explanation = await check.explain(found)
    except _Permanent as error:
        return SpfVerdict(Result.PERMERROR, domain, is_helo, str(error))
    except _Temporary as error:
        return SpfVerdict(Result.TEMPERROR, domain, is_helo, str(error))
    return SpfVerdict(found.result, domain, is_helo, found.reason, explanation)


class _Permanent(Exception):
    """The records cannot be evaluated (RFC 7208 2.6.7)."""


class _Temporary(Exception):
    """DNS gave no answer (RFC 7208 2.6.6)."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What `check_host` of RFC 7208 4 says about one domain."""

    result: Result
    reason: str
    domain: str
    """Whose record decided."""
    explanation: MacroString | None = None


class _Check:
    """One evaluation; counts what it asks."""

    def __init__(
        self, dns: Dns, client: Client, local_part: str, sender_domain: str, helo: str, receiver: str, now: int
    ) -> None:
        self._dns = dns
        self._client = client
        self._values = {
            "s": f"{local_part}@{sender_domain}",
            "l": local_part,
            "o": sender_domain,
            "i": _dotted(client),
            "v": "in-addr" if client.version == 4 else "ip6",
            "h": helo,
            "c": str(client),
            "r": receiver,
            "t": str(now),
        }
        self._terms = 0
        self._voids = 0
        self._names: list[str] | None = None

    async def host(self, domain: str) -> _Found:
        """Evaluate the record of a domain (RFC 7208 4.1). Raises _Permanent and _Temporary."""
        record = await self._record(domain)
        if record is None:
            return _Found(Result.NONE, "the domain has no SPF record", domain)
        for directive in record.directives:
            if await self._matches(directive, domain):
                return _Found(directive.qualifier, str(directive), domain, record.explanation)
        if record.redirect is None:
            return _Found(Result.NEUTRAL, "nothing matches", domain)
        self._count_term()
        found = await self.host(await self._domain(record.redirect, domain))
        if found.result is Result.NONE:
            raise _Permanent(f"redirect= of {domain} leads to a domain without a record")  # RFC 7208 6.1
        return found

    async def explain(self, found: _Found) -> str:
        """Return the owner's explanation of a failure; empty where there is none (RFC 7208 6.2)."""
        if found.result is not Result.FAIL or found.explanation is None:
            return ""
        answer = await self._dns.txt(await self._domain(found.explanation, found.domain))
        if len(answer.records) != 1:
            return ""
        try:
            macros = parse_macros(answer.records[0], is_explanation=True)
        except SpfSyntaxError:
            return ""
        text = expand(macros, await self._values_for(macros, found.domain))
        return text[:_LONGEST_EXPLANATION] if text.isascii() and text.isprintable() else ""

    async def _record(self, domain: str) -> SpfRecord | None:
        answer = await self._dns.txt(domain)
        if answer.status is Status.TEMPORARY_FAILURE:
            raise _Temporary(answer.reason)
        try:
            text = choose_record(answer.records)
            return None if text is None else parse_record(text)
        except SpfSyntaxError as error:
            raise _Permanent(f"{domain}: {error}") from error

    async def _matches(self, directive: Directive, domain: str) -> bool:
        mechanism = directive.mechanism
        if mechanism is Mechanism.ALL:
            return True
        if directive.network is not None:
            # Of another version than the client's: an address is in no such network.
            return self._client in directive.network
        self._count_term()
        name = domain if directive.domain is None else await self._domain(directive.domain, domain)
        if mechanism is Mechanism.INCLUDE:
            return await self._includes(name)
        if mechanism is Mechanism.EXISTS:
            return bool(await self._term(self._dns.a(name)))
        if mechanism is Mechanism.A:
            return self._is_among(await self._term(self._addresses(name)), directive)
        if mechanism is Mechanism.MX:
            return await self._is_mail_host(name, directive)
        return any(_is_within(host, name) for host in await self._client_names())

    async def _includes(self, name: str) -> bool:
        found = await self.host(name)
        if found.result is Result.NONE:
            raise _Permanent(f"include:{name} has no record")  # RFC 7208 5.2
        return found.result is Result.PASS

    async def _is_mail_host(self, name: str, directive: Directive) -> bool:
        records = await self._term(self._dns.mx(name))
        if len(records) > _MOST_HOSTS:
            raise _Permanent(f"mx:{name} has more than {_MOST_HOSTS} hosts")
        for record in records:
            if self._is_among(_records(await self._addresses(record.host)), directive):
                return True
        return False

    async def _client_names(self) -> list[str]:
        """Return the client's names that lead back to its address (RFC 7208 5.5); trouble means no name."""
        if self._names is None:
            self._names = []
            for host in (await self._dns.ptr(str(self._client))).records[:_MOST_HOSTS]:
                addresses = (await self._addresses(host)).records
                if any(ip_address(address) == self._client for address in addresses):
                    self._names.append(host)
        return self._names

    async def _addresses(self, host: str) -> Answer[str]:
        return await (self._dns.a(host) if self._client.version == 4 else self._dns.aaaa(host))

    def _is_among(self, addresses: tuple[str, ...], directive: Directive) -> bool:
        prefix = directive.prefix4 if self._client.version == 4 else directive.prefix6
        shift = self._client.max_prefixlen - prefix
        return any(int(ip_address(address)) >> shift == int(self._client) >> shift for address in addresses)

    async def _term(self, question: Awaitable[Answer[T]]) -> tuple[T, ...]:
        """Return the records that a term asks for, and count when there are none."""
        records = _records(await question)
        if not records:
            self._voids += 1
            if self._voids > _MOST_VOID:
                raise _Permanent(f"more than {_MOST_VOID} terms find nothing in DNS")
        return records

    def _count_term(self) -> None:
        self._terms += 1
        if self._terms > _MOST_TERMS:
            raise _Permanent(f"more than {_MOST_TERMS} terms ask DNS")

    async def _domain(self, macros: MacroString, domain: str) -> str:
        return expand_domain(macros, await self._values_for(macros, domain))

    async def _values_for(self, macros: MacroString, domain: str) -> dict[str, str]:
        values = {**self._values, "d": domain}
        if "p" in letters_of(macros):
            # RFC 7208 7.3: the domain itself, then a name below it, then any name.
            names = sorted(await self._client_names(), key=lambda name: (name != domain, not _is_within(name, domain)))
            values["p"] = names[0] if names else "unknown"
        return values


def _records(answer: Answer[T]) -> tuple[T, ...]:
    if answer.status is Status.TEMPORARY_FAILURE:
        raise _Temporary(answer.reason)
    return answer.records


def _is_domain(domain: str) -> bool:
    """Tell whether a name can have a record: several labels, none empty or too long, no literal (RFC 7208 4.3)."""
    labels = domain.split(".")
    return (
        len(labels) > 1 and len(domain) <= 253 and all(0 < len(label) <= 63 for label in labels) and "[" not in domain
    )


def _is_within(name: str, domain: str) -> bool:
    domain = domain.lower()
    return name == domain or name.endswith(f".{domain}")


def _dotted(client: Client) -> str:
    """Return an address as the macro `i` writes it: IPv6 as nibbles (RFC 7208 7.3)."""
    if isinstance(client, IPv4Address):
        return str(client)
    return ".".join(client.exploded.replace(":", "").upper())
