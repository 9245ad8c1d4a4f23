"""Retention: what is older than its workspace keeps it goes, a small transaction at a time.

Each public method is a chore: safe to repeat, to cut off at any point, and to
do on several nodes at once. What is still waited for never goes (`store.purge`).
"""

from collections.abc import Callable
from functools import partial

from postroom.base.clock import DAY_MS, Clock
from postroom.base.ids import first_id_at
from postroom.store import keeping, purge, purge_accounts, purge_inbound, sandbox
from postroom.store.database import Conn, Database, Tx
from postroom.upkeep.periods import Periods, periods_of

_MESSAGES = 50
"""Messages looked at in one transaction."""
_PAGES = 256
"""A mebibyte moved in one transaction."""
_SPARE_PERCENT = 5
"""Of the file: a page that the next mails need would only be asked for again."""
_ROWS = 400
"""Rows deleted in one transaction (DESIGN section 5: at most 500)."""


class Retention:
    """Deletes what is too old, for all workspaces."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def bodies(self) -> int:
        """Delete contents whose last recipient settled long enough ago; return how many. Raises TryLater."""
        total = 0
        for at, periods in (await self._workspaces()).items():
            now, keep_ms = self._clock.now_ms(), periods.bodies_ms
            await self._examine(at, "bodies", now, keep_ms)
            total += await self._repeat(
                partial(purge.drop_next_bodies, workspace_id=at, now_ms=now, keep_ms=keep_ms, limit=_MESSAGES)
            )
            total += await self._repeat(
                partial(purge.drop_later_bodies, workspace_id=at, now_ms=now, keep_ms=keep_ms, limit=_MESSAGES)
            )
        return total

    async def hits(self) -> int:
        """Delete hits with their evidence; return how many. Raises TryLater."""
        return await self._by_age(purge.drop_hits, lambda periods: periods.hits_ms)

    async def sandbox_copies(self) -> int:
        """Delete copies that the sandbox kept; return how many. Raises TryLater."""
        return await self._by_age(_drop_copies, lambda periods: periods.sandbox_ms)

    async def ledger(self) -> int:
        """Delete messages with recipients and events; return how many messages. Raises TryLater."""
        total = 0
        for at, periods in (await self._workspaces()).items():
            now, keep_ms = self._clock.now_ms(), periods.ledger_ms
            await self._examine(at, "ledger", now, keep_ms)
            for drop in (purge.drop_next_messages, purge.drop_later_messages):
                total += await self._repeat(
                    partial(drop, workspace_id=at, now_ms=now, keep_ms=keep_ms, limit=_MESSAGES, rows=_ROWS)
                )
        await self._by_age(purge.drop_loose_events, lambda periods: periods.ledger_ms)
        return total

    async def inbound_contents(self) -> int:
        """Delete contents of mail that came in; return how many. Raises TryLater."""
        return await self._by_age(purge_inbound.drop_inbound_contents, lambda periods: periods.bodies_ms)

    async def inbound(self) -> int:
        """Delete mail that came in, and soft failures as old; return how many mails. Raises TryLater."""
        for at, periods in (await self._workspaces()).items():
            day = (self._clock.now_ms() - periods.ledger_ms) // DAY_MS
            await self._database.write(partial(purge_inbound.drop_soft_failures, workspace_id=at, before_day=day))
        return await self._by_age(purge_inbound.drop_inbound, lambda periods: periods.ledger_ms)

    async def account_contents(self) -> int:
        """Delete contents of watched mails that are told; return how many. Raises TryLater."""
        return await self._by_age(purge_accounts.drop_account_contents, lambda periods: periods.bodies_ms)

    async def account_ledger(self) -> int:
        """Delete numbers and outcomes of watched accounts; return how many. Raises TryLater."""
        numbers = await self._by_age(purge_accounts.drop_account_events, lambda periods: periods.ledger_ms)
        return numbers + await self._by_age(purge_accounts.drop_account_mails, lambda periods: periods.ledger_ms)

    async def unused_pages(self) -> int:
        """Give unused pages of the file back to the system; return how many. Raises TryLater."""
        total = 0
        while given := await self._database.write(_give_back):
            total += given
        return total

    async def _workspaces(self) -> dict[int, Periods]:
        def read(conn: Conn) -> dict[int, Periods]:
            return {at: periods_of(keeping.keeping_of(conn, at)) for at in purge.all_workspaces(conn)}

        return await self._database.read(read)

    async def _examine(self, workspace_id: int, what: keeping.What, now_ms: int, keep_ms: int) -> None:
        examine = partial(
            keeping.examine, workspace_id=workspace_id, what=what, now_ms=now_ms, keep_ms=keep_ms, limit=_MESSAGES
        )
        while await self._database.write(examine):
            pass

    async def _repeat(self, drop: Callable[[Tx], tuple[int, bool]]) -> int:
        total, more = 0, True
        while more:
            # A transaction each, so that nobody waits long behind it.
            count, more = await self._database.write(drop)
            total += count
        return total

    async def _by_age(self, drop: Callable[[Tx, int, int, int], int], period_of: Callable[[Periods], int]) -> int:
        total = 0
        for at, periods in (await self._workspaces()).items():
            before_ms = self._clock.now_ms() - period_of(periods)
            while True:
                total += (count := await self._database.write(partial(_call, drop, at, before_ms)))
                if count < _ROWS:
                    break
        return total


def _call(drop: Callable[[Tx, int, int, int], int], workspace_id: int, before_ms: int, tx: Tx) -> int:
    return drop(tx, workspace_id, before_ms, _ROWS)


def _drop_copies(tx: Tx, workspace_id: int, before_ms: int, limit: int) -> int:
    return sandbox.purge_sandbox(tx, workspace_id, first_id_at(before_ms), limit)


def _give_back(tx: Tx) -> int:
    return tx.give_back(_PAGES, _SPARE_PERCENT)
