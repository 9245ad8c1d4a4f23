"""The chores of upkeep and when they are done. Each is safe to repeat and to do on several nodes at once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from postroom.base.clock import DAY_MS, HOUR_MS, Clock
from postroom.base.errors import TryLater
from postroom.base.ids import first_id_at
from postroom.store import idempotency, operators, sites
from postroom.store.content import sweep_orphans
from postroom.store.database import Database
from postroom.upkeep.pages import PAGE, in_pages

_log = structlog.get_logger(__name__)

LONGEST_UPLOAD_MS = 6 * HOUR_MS
"""No mail takes this long to come in: an older upload that no content links never will be linked."""
AUDIT_MS = 400 * DAY_MS
"""A year and a month, so that the same week of last year can be looked at: as long as the ledger."""
_JITTER = 0.2


@dataclass(frozen=True, slots=True)
class Chore:
    """One thing to do again and again."""

    name: str
    every_seconds: float
    do: Callable[[], Awaitable[int]]
    """Returns how much was done."""


class Sweeps:
    """What is left over in the store."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def uploads(self) -> int:
        """Delete uploads that were never accepted. Raises TryLater."""
        return await sweep_orphans(self._database, self._clock.now_ms() - LONGEST_UPLOAD_MS)

    async def idempotency_keys(self) -> int:
        """Delete keys that have expired. Raises TryLater."""
        now = self._clock.now_ms()
        return await in_pages(self._database, lambda tx: idempotency.delete_expired(tx, now, PAGE))

    async def destinations(self) -> int:
        """Delete what was known of domains that nobody has written to for long. Raises TryLater."""
        now = self._clock.now_ms()
        return await in_pages(self._database, lambda tx: sites.purge_destinations(tx, now, PAGE))

    async def audit(self) -> int:
        """Delete lines of the audit log that are older than 400 days. Raises TryLater."""
        before_id = first_id_at(self._clock.now_ms() - AUDIT_MS)
        return await in_pages(self._database, lambda tx: operators.purge_audit(tx, before_id, PAGE))


class Upkeep:
    """Does the chores of one node. `run` until cancelled."""

    def __init__(self, chores: Sequence[Chore], clock: Clock, jitter: Callable[[], float]) -> None:
        """`jitter` gives 0.0 to 1.0: nodes that were started together do not sweep together."""
        self._chores = chores
        self._clock = clock
        self._jitter = jitter

    async def run(self) -> None:
        """Do each chore at once and then at its pace."""
        async with asyncio.TaskGroup() as tasks:
            for chore in self._chores:
                tasks.create_task(self._repeat(chore), name=chore.name)

    async def _repeat(self, chore: Chore) -> None:
        while True:
            try:
                done = await chore.do()
            except TryLater as error:
                _log.warning("a chore is put off", chore=chore.name, reason=str(error))
            except Exception:
                # A fault in one must not end the others.
                _log.exception("a chore failed", chore=chore.name)
            else:
                if done:
                    _log.info("chore done", chore=chore.name, count=done)
            await self._clock.sleep(chore.every_seconds * (1 + _JITTER * self._jitter()))
