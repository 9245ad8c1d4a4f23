"""Counting all counters again, in many small reads, while mail flows.

Hours that are over change seldom: their messages are counted page by page, and
the stored counters are read before and after. A counter that was the same both
times is compared; one that changed meanwhile is left out, and the walk is made
again for it. The present hour changes all the time: it is compared in one
transaction, which reads only messages that have an event since it began.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from postroom.base.clock import HOUR_MS, Clock
from postroom.store import counters, keeping
from postroom.store.counters import Amounts, Difference, Dimensions
from postroom.store.database import Conn, Database, Tx

CountPage = Callable[[Conn, int, int, int, int, Dimensions, Amounts], int | None]
"""`store.counters.count_page` or its like: workspace, id to begin behind, hours, dimensions, and where to add."""

_WALKS = 3
_WINDOW_HOURS = 240
_PAGE = 200


@dataclass(frozen=True, slots=True)
class Recounted:
    """What came of it."""

    compared: int
    differences: list[Difference]
    unsettled: int
    """Counters that changed during each walk: count again later."""


class Recount:
    """Counts again for one workspace."""

    def __init__(self, database: Database, clock: Clock, dimensions: Dimensions) -> None:
        self._database = database
        self._clock = clock
        self._dimensions = dimensions

    async def run(self, workspace_id: int, first_hour: int, *, repair: bool) -> Recounted:
        """Compare the counters from `first_hour` until now, but for sealed hours; correct them where asked.

        Raises TryLater.
        """
        sealed = await self._database.read(partial(keeping.sealed_hour, workspace_id=workspace_id))
        first, present = max(first_hour, sealed), self._clock.now_ms() // HOUR_MS
        compared, found, unsettled = await self._over(workspace_id, first, present)
        if repair:
            for start in range(0, len(found), _PAGE):
                part = found[start : start + _PAGE]
                unsettled += len(part) - await self._database.write(
                    partial(counters.correct_unchanged, workspace_id=workspace_id, found=part)
                )
        now_compared, now_found = await self._database.write(
            partial(self._present, workspace_id=workspace_id, first_hour=max(first, present), repair=repair)
        )
        return Recounted(compared + now_compared, found + now_found, unsettled)

    async def _over(self, at: int, first: int, end: int) -> tuple[int, list[Difference], int]:
        """Compare the hours before `end`; return also how many counters did not stand still."""
        compared, differing, moved = 0, list[Difference](), set[tuple[int, str, str, str]]()
        for walk in range(_WALKS):
            before = await self._stored(at, first, end)
            counted = await self._counted(at, first, end)
            after = await self._stored(at, first, end)
            changed = {key for key in before.keys() | after.keys() if before.get(key, 0) != after.get(key, 0)}
            count, found = counters.compare(after, counted)
            wanted = moved if walk else None
            differing += [one for one in found if one[:4] not in changed and (wanted is None or one[:4] in wanted)]
            compared = max(compared, count)
            moved = changed if wanted is None else changed & wanted
            if not moved:
                break
        return compared, differing, len(moved)

    async def _stored(self, at: int, first: int, end: int) -> Amounts:
        found: Amounts = {}
        for hour in range(first, end, _WINDOW_HOURS):
            found |= await self._database.read(
                partial(
                    counters.stored_amounts,
                    workspace_id=at,
                    first_hour=hour,
                    end_hour=min(hour + _WINDOW_HOURS, end),
                )
            )
        return found

    async def _counted(self, at: int, first: int, end: int) -> Amounts:
        counted: Amounts = {}
        for count_page in (counters.count_page, counters.count_inbound_page):
            await self._count(count_page, at, first, end, counted)
        return counted

    async def _count(self, count_page: CountPage, at: int, first: int, end: int, counted: Amounts) -> None:
        after: int | None = 0
        while after is not None:
            # Into amounts of its own: a read that the connection's loss repeats must not count twice.
            page: Amounts = {}
            read = partial(self._page, count_page=count_page, at=at, after=after, first=first, end=end, page=page)
            after = await self._database.read(read)
            for key, amount in page.items():
                counted[key] = counted.get(key, 0) + amount

    def _page(
        self, conn: Conn, count_page: CountPage, at: int, after: int, first: int, end: int, page: Amounts
    ) -> int | None:
        page.clear()
        return count_page(conn, at, after, first, end, self._dimensions, page)

    def _present(self, tx: Tx, workspace_id: int, first_hour: int, repair: bool) -> tuple[int, list[Difference]]:
        compared, found = counters.differences_since(tx, workspace_id, first_hour, self._dimensions)
        if repair:
            counters.correct(tx, workspace_id, found)
        return compared, found
