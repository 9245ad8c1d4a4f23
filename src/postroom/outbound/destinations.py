"""What is known of recipients' domains: which site and provider their mail goes to.

The next hops that were found are remembered in the store, so that the queue can
name a domain's site and a new recipient's provider is known at accept.
"""

from collections import OrderedDict

import structlog

from postroom.base.clock import DAY_MS, Clock
from postroom.base.errors import TryLater
from postroom.base.nursery import Nursery
from postroom.ledger.rows import DestinationRow
from postroom.outbound.providers import OTHER, Providers
from postroom.outbound.transport import NextHop
from postroom.store.database import Database
from postroom.store.sites import newest_destinations, remember_destination

_log = structlog.get_logger(__name__)

_KEPT = 50_000
_REMEMBERED_MS = 30 * DAY_MS
"""A provider outlives the MX answer that told it: domains seldom move."""


class Destinations:
    """The domains that this node knows."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._providers = Providers()
        self._rows: OrderedDict[str, DestinationRow] = OrderedDict()
        self._nursery = Nursery("destinations")

    async def open(self) -> None:
        """Read what is known. Raises TryLater."""
        now = self._clock.now_ms()
        for row in await self._database.read(lambda conn: newest_destinations(conn, now, _KEPT)):
            self._rows[row.domain] = row

    async def close(self) -> None:
        """End the writes that are running."""
        await self._nursery.drain(1)

    def provider_of(self, domain: str) -> str:
        """Return the provider of a recipients' domain: by its name, else by its MX hosts where these are known."""
        provider = self._providers.of_domain(domain)
        if provider == OTHER and domain in self._rows:
            return self._rows[domain].provider
        return provider

    def learn(self, domain: str, hop: NextHop) -> None:
        """Remember the site of a domain; written only where it is new, changed, or half forgotten."""
        now = self._clock.now_ms()
        row = DestinationRow(domain, hop.site, hop.provider, now + _REMEMBERED_MS)
        known = self._rows.get(domain)
        if known is not None and known[:3] == row[:3] and known.expires_ms > now + _REMEMBERED_MS // 2:
            return
        self._rows[domain] = row
        if len(self._rows) > _KEPT:
            self._rows.popitem(last=False)
        self._nursery.start(self._write(row), domain)

    async def _write(self, row: DestinationRow) -> None:
        try:
            await self._database.write(lambda tx: remember_destination(tx, row))
        except TryLater as error:
            _log.info("a destination is not remembered", domain=row.domain, reason=str(error))
