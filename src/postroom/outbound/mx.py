"""Delivers directly to the MX hosts of the recipient's domain. RFC 5321 5.1."""

import random
from collections.abc import Iterator

from postroom.base.clock import Clock
from postroom.net.smtp.client import Endpoint
from postroom.net.smtp.dialogue import Phase, Refused
from postroom.net.smtp.pool import SmtpPool
from postroom.outbound.exchange import no_session, offer
from postroom.outbound.transport import Delivery, TransportResult, deferred

MAX_SESSIONS = 2
"""Hosts that let us connect and then refuse the session, per try: a provider says the same on all of its hosts."""
MAX_DIALLED = 5
"""Addresses that are dialled per try; the next try shuffles anew."""


class MxTransport:
    """Tries hosts in the order of their preference; among equals first one to which a connection is kept."""

    def __init__(self, pool: SmtpPool, clock: Clock, chance: random.Random) -> None:
        self._pool = pool
        self._clock = clock
        self._chance = chance

    async def deliver(self, delivery: Delivery) -> TransportResult:
        """Try the next host while there is no session. Once a host took MAIL, its word counts."""
        best: tuple[Refused, Endpoint] | None = None
        sessions = 0
        begun = self._clock.monotonic()
        for dialled, endpoint in enumerate(self._in_order(delivery), start=1):
            result = await offer(self._pool, endpoint, delivery, self._clock)
            if isinstance(result, TransportResult):
                return result
            # A refusal in words tells more than a host that is down.
            if best is None or (result.reply is not None and best[0].reply is None):
                best = (result, endpoint)
            sessions += result.phase is not Phase.CONNECT
            if sessions >= MAX_SESSIONS or dialled >= MAX_DIALLED:
                break
        if best is None:
            return TransportResult(deferred("4.4.4", "the next hop has no address"))
        return TransportResult(no_session(*best, duration_ms=round((self._clock.monotonic() - begun) * 1000)))

    def _in_order(self, delivery: Delivery) -> Iterator[Endpoint]:
        for group in delivery.next_hop.groups:
            endpoints = list(group)
            self._chance.shuffle(endpoints)
            yield from sorted(endpoints, key=lambda endpoint: not self._pool.has_idle(endpoint))
