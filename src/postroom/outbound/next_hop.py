"""Where mail for a domain goes next. RFC 5321 5.1, null MX RFC 7505, address literals RFC 5321 4.1.3.

Finds the MX hosts, their order and their addresses, leaves out what must not be
dialled, and names the site. A domain that can take no mail is an `Outcome`:
failed where DNS says so, deferred where DNS could not tell.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from postroom.ledger.outcomes import Outcome
from postroom.net import address_guard
from postroom.net.dns import Answer, Resolver, Status, by_preference, is_null_mx
from postroom.net.smtp.client import Endpoint
from postroom.net.smtp.dialogue import TlsPolicy
from postroom.outbound.providers import OTHER, Providers
from postroom.outbound.transport import NextHop, TransportKind, TransportSetting, deferred, failed, site_of

MAX_HOSTS = 10
"""MX hosts that are looked up; more are a way to make us ask and dial for a stranger."""
MAX_ADDRESSES = 20
_LITERAL_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class DirectSettings:
    """What direct delivery has to know of this installation."""

    own_names: frozenset[str] = frozenset()
    """Our host names in lower case: an MX host of this name is ourselves."""
    own_addresses: frozenset[str] = frozenset()
    """Addresses on which our doors are reached from outside, in their canonical text."""
    allow_private: tuple[IPv4Network | IPv6Network, ...] = ()
    port: int = 25
    tls: TlsPolicy = TlsPolicy.OPPORTUNISTIC


class NextHops:
    """Looks up next hops. The resolver caches, so asking again is cheap."""

    def __init__(
        self, resolver: Resolver, settings: DirectSettings, chance: random.Random, providers: Providers | None = None
    ) -> None:
        self._resolver = resolver
        self._settings = settings
        self._chance = chance
        self._providers = providers or Providers()

    async def of(self, setting: TransportSetting, domain: str) -> NextHop | Outcome:
        """Return the next hop for a recipients' domain (A-labels or address literal) by this transport."""
        if setting.kind is TransportKind.SANDBOX:
            return NextHop(setting.kind, site_of(setting), self._providers.of_domain(domain), seconds=_LITERAL_SECONDS)
        if setting.kind is TransportKind.SMARTHOST:
            return await self._smarthost(setting, domain)
        return await self.direct(domain)

    async def direct(self, domain: str) -> NextHop | Outcome:
        """Return the MX hosts of a domain with their addresses, or why it can get no mail."""
        if domain.startswith("["):
            return self._literal(domain)
        answer = await self._resolver.mx(domain)
        if answer.status is Status.TEMPORARY_FAILURE:
            return deferred("4.4.3", answer.reason)
        if answer.status is Status.NO_SUCH_DOMAIN:
            return failed("5.1.2", f"the domain {domain} does not exist")
        if answer.status is Status.NO_DATA:
            # RFC 5321 5.1: without MX records the domain itself is the host.
            return await self._hop(domain, [(domain,)], answer.seconds, implicit=True)
        if is_null_mx(answer.records):
            return failed("5.1.10", f"the domain {domain} accepts no mail (null MX)", code=556)
        groups = by_preference(answer.records, self._chance)
        if not groups:
            return failed("5.1.10", f"the MX records of {domain} name no host", code=556)
        return await self._hop(domain, groups, answer.seconds, implicit=False)

    async def _smarthost(self, setting: TransportSetting, domain: str) -> NextHop | Outcome:
        answer = await self._resolver.host_addresses(setting.host)
        if not answer.records:
            # Whatever DNS says: a smarthost is the operator's to mend while the mail waits.
            return deferred("4.4.3", answer.reason or f"the smarthost {setting.host} has no address")
        group = tuple(
            Endpoint(setting.host, address, setting.port, setting.tls, setting.implicit_tls, setting.credentials)
            for address in answer.records[:MAX_ADDRESSES]
        )
        provider = self._providers.of_domain(domain)
        # Each address is a group of its own: they are tried in the order of the answer.
        return NextHop(setting.kind, site_of(setting), provider, tuple((one,) for one in group), answer.seconds)

    def _literal(self, domain: str) -> NextHop | Outcome:
        text = domain.removeprefix("[").removesuffix("]")
        if text.lower().startswith("ipv6:"):
            text = text[5:]
        try:
            address = str(ip_address(text))
        except ValueError:
            return failed("5.1.2", f"{domain} is no address literal that we know")
        if not self._may_dial(address):
            return failed("5.4.4", f"{domain} is an address that this installation does not dial")
        if address in self._settings.own_addresses:
            return failed("5.4.6", f"{domain} is this host itself")
        return NextHop(TransportKind.DIRECT, domain, OTHER, ((self._endpoint(address, address),),), _LITERAL_SECONDS)

    async def _hop(
        self, domain: str, groups: Sequence[tuple[str, ...]], seconds: float, *, implicit: bool
    ) -> NextHop | Outcome:
        cut = self._before_ourselves(groups)
        if not cut:
            return failed("5.4.6", f"the best MX host of {domain} is this host itself")
        hosts = [host for group in cut for host in group][:MAX_HOSTS]
        found = dict(zip(hosts, await asyncio.gather(*map(self._resolver.addresses, hosts)), strict=True))
        site, provider = self._providers.site_of_hosts([host for group in groups for host in group])
        endpoints: list[tuple[Endpoint, ...]] = []
        ours = refused = False
        left = MAX_ADDRESSES
        for group in cut:
            if any(address in self._settings.own_addresses for host in group for address in _of(found, host)):
                ours = True
                break
            dialled = [(host, one) for host in group for one in _of(found, host) if self._may_dial(one)]
            refused = refused or sum(len(_of(found, host)) for host in group) > len(dialled)
            if dialled[:left]:
                endpoints.append(tuple(self._endpoint(host, address) for host, address in dialled[:left]))
                left -= len(dialled)
            if left <= 0:
                break
        if not endpoints:
            return _nowhere(domain, list(found.values()), ours=ours, refused=refused, implicit=implicit)
        seconds = min([seconds, *(answer.seconds for answer in found.values())])
        if provider == OTHER:
            provider = self._providers.of_domain(domain)
        return NextHop(TransportKind.DIRECT, site, provider, tuple(endpoints), seconds)

    def _before_ourselves(self, groups: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
        # RFC 5321 5.1: an MX must not send to hosts of its own preference or worse, or mail runs in circles.
        kept: list[tuple[str, ...]] = []
        for group in groups:
            if any(host in self._settings.own_names for host in group):
                break
            kept.append(group)
        return kept

    def _may_dial(self, address: str) -> bool:
        return address_guard.allowed(address, self._settings.allow_private)

    def _endpoint(self, host: str, address: str) -> Endpoint:
        return Endpoint(host, address, self._settings.port, self._settings.tls)


def _of(found: dict[str, Answer[str]], host: str) -> tuple[str, ...]:
    answer = found.get(host)
    return answer.records if answer is not None else ()


def _nowhere(domain: str, answers: Sequence[Answer[str]], *, ours: bool, refused: bool, implicit: bool) -> Outcome:
    """Return why no host of a domain can be dialled; a temporary failure of DNS leaves hope."""
    for answer in answers:
        if answer.status is Status.TEMPORARY_FAILURE:
            return deferred("4.4.3", answer.reason)
    if ours:
        return failed("5.4.6", f"the best MX host of {domain} has our own address")
    if refused:
        return failed("5.4.4", f"the hosts of {domain} have only addresses that this installation does not dial")
    if implicit:
        return failed("5.1.2", f"the domain {domain} has neither MX hosts nor an address")
    return failed("5.4.4", f"the MX hosts of {domain} have no address")
