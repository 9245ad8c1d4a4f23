"""Functions to write, and a gate that holds the writer so that a group gathers."""

import asyncio
import threading
from collections.abc import Callable

from postroom.ledger.rows import CounterKey, EventRow
from postroom.store.database import Database, Tx, statement


def event(number: int) -> EventRow:
    return EventRow(number, 1, None, None, "accepted", 5, "{}")


def add(number: int) -> Callable[[Tx], int]:
    """Return a function that writes one event and counts it."""

    def function(tx: Tx) -> int:
        tx.add(event(number))
        tx.count(CounterKey(1, 5, "total", ""), "outbound")
        return number

    return function


class Gate:
    """Holds the writer inside a function, so that a group gathers behind it."""

    def __init__(self, database: Database) -> None:
        self._loop = asyncio.get_running_loop()
        self._entered, self._open = asyncio.Event(), threading.Event()
        self._held = asyncio.ensure_future(database.write(self._wait))

    def _wait(self, tx: Tx) -> None:
        self._loop.call_soon_threadsafe(self._entered.set)
        assert self._open.wait(30)

    async def closed(self) -> None:
        """Return when the writer stands in the gate."""
        await self._entered.wait()

    async def open(self) -> None:
        """Let the writer go on."""
        self._open.set()
        await self._held


async def together(database: Database, *functions: Callable[[Tx], object]) -> list[object]:
    """Write these functions as one group and return their values or errors."""
    gate = Gate(database)
    await gate.closed()
    writes = [asyncio.ensure_future(database.write(function)) for function in functions]
    await asyncio.sleep(0)
    await gate.open()
    return await asyncio.gather(*writes, return_exceptions=True)


async def facts(database: Database) -> tuple[int, int]:
    """Return the number of events and what the counter says."""
    both = statement("SELECT (SELECT count(*) FROM event), (SELECT coalesce(max(outbound), 0) FROM counter)")
    row = await database.read(lambda conn: conn.one(both))
    assert row is not None
    return row[0], row[1]
