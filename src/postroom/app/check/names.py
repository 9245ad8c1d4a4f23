"""Names: does the resolver answer, does our own name fit our address, what do the domains lack?"""

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_address

from postroom.app.check.findings import Finding, Verdict, fail, ok, warn
from postroom.app.services import Services
from postroom.base.errors import TryLater
from postroom.domains.checks import CheckedRecord
from postroom.domains.registry import may_send
from postroom.ledger.rows import DomainRow
from postroom.net.dns import Status
from postroom.outbound.transport import TransportKind
from postroom.store.domains import all_domains

_MOST_DOMAINS = 100
_AT_A_TIME = 5
_SHOWN = 10
_DOMAINS_SECONDS = 45.0


async def check_names(services: Services) -> list[Finding]:
    """Look our own name up, both ways."""
    return [finding async for finding in _own_name(services)]


async def _own_name(services: Services) -> AsyncIterator[Finding]:
    hostname, kind = services.settings.hostname, services.default_transport.kind
    # Where nothing leaves the machine, or a smarthost speaks for us, our name matters less.
    blame = fail if kind is TransportKind.DIRECT else warn
    # Whoever asks may just have changed the records.
    services.resolver.forget(hostname)
    answer = await services.resolver.addresses(hostname)
    resolver = services.settings.resolver or "the system's resolver"
    if answer.status is Status.TEMPORARY_FAILURE:
        broken = warn if kind is TransportKind.SANDBOX else fail
        yield broken("dns", f"{resolver} gives no answer: {answer.reason}", "set POSTROOM_RESOLVER to one that works")
        return
    yield ok("dns", f"{resolver} answers")
    if kind is TransportKind.SANDBOX and hostname.endswith(".localdomain"):
        return
    if answer.status is not Status.FOUND:
        yield blame("dns", f"{hostname} has no address in DNS", "publish an A record, or correct POSTROOM_HOSTNAME")
        return
    yield ok("dns", f"{hostname} is at {', '.join(answer.records)}")
    for address in answer.records:
        if not ip_address(address).is_loopback:
            yield await _reverse(services, hostname, address, blame is fail)


async def _reverse(services: Services, hostname: str, address: str, matters: bool) -> Finding:
    services.resolver.forget(ip_address(address).reverse_pointer)
    answer = await services.resolver.ptr(address)
    if hostname.lower() in answer.records:
        return ok("dns", f"{address} is called {hostname} (PTR)")
    called = ", ".join(answer.records) or "nothing"
    remedy = f"have your provider set the PTR record of {address} to {hostname}: many receivers refuse mail without"
    return (fail if matters else warn)("dns", f"{address} is called {called} (PTR)", remedy)


async def check_domains(services: Services) -> list[Finding]:
    """Look all domains' records up, and say which lack some."""
    rows = await services.database.read(all_domains)
    if not rows:
        return [ok("domains", "there is no sending domain yet", "`postroom domain create NAME` makes one")]
    gate = asyncio.Semaphore(_AT_A_TIME)

    async def look(row: DomainRow) -> Finding | None:
        async with gate:
            view = await services.domains.check(row)
        return _domain_finding(view.row, view.records)

    try:
        async with asyncio.timeout(_DOMAINS_SECONDS):
            found = [one for one in await asyncio.gather(*map(look, rows[:_MOST_DOMAINS])) if one is not None]
    except (TimeoutError, TryLater) as error:
        reason = str(error) or f"no answers within {_DOMAINS_SECONDS:.0f} s"
        return [warn("domains", f"the records could not be looked up: {reason}", "look at the resolver")]
    found.sort(key=lambda one: one.verdict is not Verdict.FAIL)
    looked = f"{min(len(rows), _MOST_DOMAINS)} of {len(rows)} domains looked up, {len(found)} lack records"
    return [ok("domains", looked), *found[:_SHOWN]]


def _domain_finding(row: DomainRow, records: tuple[CheckedRecord, ...]) -> Finding | None:
    missing = [one.record.purpose.replace("_", " ") for one in records if not one.seen]
    remedy = f"`postroom domain check {row.name}` shows what to publish"
    if not may_send(row):
        return warn("domains", f"{row.name} is not proved: its mail stays", remedy)
    needed = [one for one in missing if not (one == "proof" and row.vouched)]
    if not needed:
        return None
    return warn("domains", f"{row.name} lacks {', '.join(needed)}", remedy)
