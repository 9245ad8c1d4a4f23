"""Importing a list of suppressions: a slice a transaction, so that a million lines hold nobody up.

A list may be imported again: what stands already is renewed.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import IO

from postroom.base.clock import Clock
from postroom.base.errors import TryLater
from postroom.base.ids import IdSource
from postroom.base.threads import Threads
from postroom.doors.dashboard.suppression_csv import Entry, ListReader, WrongLine
from postroom.events import suppression
from postroom.ledger.rows import SuppressionRow
from postroom.store.database import Database

SLICE = 250
"""Rows of a transaction: a suppression and an event each, which keeps it within 500 rows."""
MOST_WRONG = 200
"""Wrong lines that are shown."""
SOURCE = "import"
_KEPT = 50
_PATIENCE = 30


@dataclass(slots=True)
class Imported:
    """What came of a list."""

    workspace_id: int
    name: str
    """Of the file."""
    added: int = 0
    renewed: int = 0
    wrong_count: int = 0
    wrong: list[WrongLine] = field(default_factory=list)
    """The first of them."""
    stopped: str = ""
    """Why it ended before the file did; empty where it did not."""
    is_running: bool = True
    """Who was cut off by a proxy that waits no longer finds it on the page of imports."""


class Results:
    """The results of this process' last imports, by a random key. Others are forgotten."""

    def __init__(self) -> None:
        self._results: OrderedDict[str, Imported] = OrderedDict()

    def put(self, key: str, result: Imported) -> None:
        """Keep a result."""
        self._results[key] = result
        if len(self._results) > _KEPT:
            self._results.popitem(last=False)

    def of(self, workspace_id: int) -> list[tuple[str, Imported]]:
        """Return the results of a workspace with their keys, the last first."""
        return [(key, one) for key, one in reversed(self._results.items()) if one.workspace_id == workspace_id]

    def get(self, workspace_id: int, key: str) -> Imported | None:
        """Return a result of this workspace."""
        found = self._results.get(key)
        return found if found is not None and found.workspace_id == workspace_id else None


class Importer:
    """Writes lists of one process."""

    def __init__(self, database: Database, ids: IdSource, clock: Clock, slow: Threads) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock
        self._slow = slow

    async def run(self, result: Imported, file: IO[bytes], scope: str, reason: str) -> None:
        """Suppress the addresses of a list, and say in `result` what came of it so far.

        `scope` and `reason` are for rows that name none.
        """
        try:
            reader = await self._slow.run(lambda: ListReader(file, scope, reason, self._clock.now_ms()))
            while (found := await self._slow.run(lambda: reader.next_slice(SLICE))) is not None:
                result.wrong_count += len(found.wrong)
                result.wrong += found.wrong[: MOST_WRONG - len(result.wrong)]
                await self._write(found.entries, result)
        except TryLater as error:
            result.stopped = str(error)
        finally:
            result.is_running = False

    async def _write(self, entries: list[Entry], result: Imported) -> None:
        now = self._clock.now_ms()
        # Of an address that stands twice in a slice the last row counts, as it would in two.
        unique = {(entry.address_key, entry.scope): entry for entry in entries}
        rows = [
            SuppressionRow(
                self._ids.next(), result.workspace_id, entry.address_key, entry.scope, entry.reason, SOURCE, "",
                entry.expires_ms, now,
            )
            for entry in unique.values()
        ]  # fmt: skip
        if not rows:
            return
        event_ids = [self._ids.next() for _ in rows]
        for waited in range(_PATIENCE):
            try:
                new = await self._database.write(lambda tx: suppression.add_all(tx, rows, event_ids))
                break
            except TryLater:
                if waited == _PATIENCE - 1:
                    raise
                await self._clock.sleep(1)
        result.added += new
        result.renewed += len(entries) - new
