"""What webhooks leave behind: old requests in the log, and what nobody will be told any more."""

from functools import partial

from postroom.base.clock import DAY_MS, Clock
from postroom.base.ids import first_id_at
from postroom.ledger.webhook_rows import EndpointState
from postroom.store import webhook_outbox, webhooks
from postroom.store.database import Database
from postroom.upkeep.pages import PAGE, in_pages

LOG_MS = 7 * DAY_MS
LONGEST_PAUSE_MS = 30 * DAY_MS
"""Events that wait for an endpoint nobody resumes would fill the disk."""
_ENDPOINTS = 100


class WebhookSweeps:
    """Deletes what is over. Each method is a chore: safe to repeat, and to do on several nodes at once."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def log(self) -> int:
        """Delete requests that are older than 7 days; return how many. Raises TryLater."""
        before_id = first_id_at(self._clock.now_ms() - LOG_MS)
        return await in_pages(self._database, lambda tx: webhooks.purge_attempts(tx, before_id, PAGE))

    async def outbox(self) -> int:
        """Delete what deleted and disabled endpoints were to be told; return how many. Raises TryLater."""
        await self._disable_forgotten()
        found = await self._database.read(lambda conn: webhook_outbox.without_listener(conn, _ENDPOINTS))
        total = 0
        for endpoint_id in found:
            drop = partial(webhook_outbox.drop, endpoint_id=endpoint_id, limit=PAGE)
            total += await in_pages(self._database, drop)
        return total

    async def _disable_forgotten(self) -> None:
        now_ms = self._clock.now_ms()
        days = LONGEST_PAUSE_MS // DAY_MS
        why = f"It was paused for {days} days; what happened meanwhile can be told again by a replay."
        found = await self._database.read(
            lambda conn: webhooks.paused_before(conn, now_ms - LONGEST_PAUSE_MS, _ENDPOINTS)
        )
        for endpoint_id in found:
            await self._database.write(
                lambda tx, endpoint_id=endpoint_id: webhooks.set_state(  # type: ignore[misc]
                    tx, endpoint_id, EndpointState.PAUSED.value, EndpointState.DISABLED.value, why, now_ms
                )
            )
