"""Hands copies to one named host, which delivers them further. RFC 5321 3.6.2, RFC 6409."""

from postroom.base.clock import Clock
from postroom.net.smtp.client import Endpoint
from postroom.net.smtp.dialogue import Refused
from postroom.net.smtp.pool import SmtpPool
from postroom.outbound.exchange import no_session, offer
from postroom.outbound.transport import Delivery, TransportResult, deferred


class SmarthostTransport:
    """Sends over kept connections to the addresses of the smarthost, one after the other."""

    def __init__(self, pool: SmtpPool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def deliver(self, delivery: Delivery) -> TransportResult:
        """Try the smarthost's addresses in order until one lets us in."""
        last: tuple[Refused, Endpoint] | None = None
        begun = self._clock.monotonic()
        for endpoint in (one for group in delivery.next_hop.groups for one in group):
            result = await offer(self._pool, endpoint, delivery, self._clock)
            if isinstance(result, TransportResult):
                return result
            last = (result, endpoint)
        if last is None:
            return TransportResult(deferred("4.4.4", "the smarthost has no address"))
        return TransportResult(no_session(*last, duration_ms=round((self._clock.monotonic() - begun) * 1000)))
