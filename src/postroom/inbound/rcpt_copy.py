"""Keeps the copy by which `postroom receive` decides while this host's server on PostgreSQL does not run.

The file's time says when the copy was last found to be true: who reads it believes it for so long after that.
"""

import os
from contextlib import suppress
from pathlib import Path

import structlog

from postroom.base.clock import Clock
from postroom.base.errors import TryLater
from postroom.base.threads import Threads
from postroom.store.database import Database
from postroom.store.rcpt_facts import RcptFacts, read_facts, write_facts

_log = structlog.get_logger(__name__)

_LOOK_SECONDS = 10.0


class RcptCopy:
    """The copy in one data folder. One process keeps it."""

    def __init__(self, path: Path, database: Database, clock: Clock, slow: Threads) -> None:
        self._path = path
        self._clock = clock
        self._database = database
        self._slow = slow
        self._written: int | None = None
        """Hash of what the file has."""
        self._has_failed = False

    async def run(self) -> None:
        """Keep it true, until cancelled."""
        while True:
            await self.refresh()
            await self._clock.sleep(_LOOK_SECONDS)

    def is_there(self) -> bool:
        """Tell whether a server left one."""
        return self._path.exists()

    async def refresh(self) -> None:
        """Make it true again, or leave it to grow old where that cannot be done now."""
        with suppress(TryLater):
            facts = await self._database.read(read_facts)
            await self._slow.run(lambda: self._keep(facts))

    def _keep(self, facts: RcptFacts) -> None:
        try:
            if hash(facts) == self._written:
                os.utime(self._path)
            else:
                write_facts(self._path, facts)
        except OSError as error:
            if not self._has_failed:
                _log.warning("what receive needs without a server cannot be kept", reason=str(error))
            self._has_failed, self._written = True, None
        else:
            self._has_failed, self._written = False, hash(facts)
