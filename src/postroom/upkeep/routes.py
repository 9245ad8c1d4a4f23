"""What routes leave behind: old tries in the log, and what deleted routes were to hand on."""

from functools import partial

from postroom.base.clock import DAY_MS, Clock
from postroom.base.ids import first_id_at
from postroom.store import route_outbox, routes
from postroom.store.database import Database
from postroom.upkeep.pages import PAGE, in_pages

LOG_MS = 30 * DAY_MS
_ROUTES = 100


class RouteSweeps:
    """Deletes what is over. Each method is a chore: safe to repeat, and to do on several nodes at once."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def log(self) -> int:
        """Delete tries that are older than 30 days; return how many. Raises TryLater."""
        before_id = first_id_at(self._clock.now_ms() - LOG_MS)
        return await in_pages(self._database, lambda tx: routes.purge_attempts(tx, before_id, PAGE))

    async def outbox(self) -> int:
        """Delete what deleted routes were to hand on; return how many. Raises TryLater."""
        found = await self._database.read(lambda conn: route_outbox.without_route(conn, _ROUTES))
        drops = [partial(route_outbox.drop, route_id=route_id, limit=PAGE) for route_id in found]
        return sum([await in_pages(self._database, drop) for drop in drops])
