"""What watched accounts leave behind: deleted ones, old tracers, pages that nobody came back to."""

from functools import partial

from postroom.base.clock import DAY_MS, Clock
from postroom.base.ids import first_id_at
from postroom.store import connecting, purge_accounts, tracers
from postroom.store.database import Database
from postroom.upkeep.pages import PAGE, in_pages

TRACERS_MS = 30 * DAY_MS
_GONE = 100


class AccountSweeps:
    """Deletes what is over. Each method is a chore: safe to repeat, and to do on several nodes at once."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def gone(self) -> int:
        """Delete what was found in accounts that are deleted; return how many rows. Raises TryLater."""
        total = 0
        while any(found := await self._database.read(lambda conn: purge_accounts.gone(conn, _GONE))):
            for account_id in found.accounts:
                drop = partial(purge_accounts.drop_events_of, account_id=account_id, limit=PAGE)
                total += await in_pages(self._database, drop)
            for mailbox_id in found.mailboxes:
                drop = partial(purge_accounts.drop_mails_of, mailbox_id=mailbox_id, limit=PAGE)
                while count := await self._database.write(drop):
                    total += count
        return total

    async def tracers(self) -> int:
        """Delete tracers that are older than 30 days; return how many. Raises TryLater."""
        before_id = first_id_at(self._clock.now_ms() - TRACERS_MS)
        return await in_pages(self._database, lambda tx: tracers.purge_tracers(tx, before_id, PAGE))

    async def dances(self) -> int:
        """Forget people who began to connect an account and did not come back; return how many. Raises TryLater."""
        now_ms = self._clock.now_ms()
        return await self._database.write(lambda tx: connecting.forget_old_dances(tx, now_ms))
