"""Writing and reading: what a function is promised, on both engines."""

import asyncio

import pytest

from postroom.ledger.rows import CounterKey, EventRow, LaneRow, MessageRow, RecipientRow, WorkspaceRow
from postroom.store.database import Conn, Database, StoreConflict, Tx, statement

ALL_EVENTS = statement("SELECT id, kind FROM event ORDER BY id")


def event(number: int, kind: str = "accepted") -> EventRow:
    return EventRow(number, 1, None, None, kind, 5, "{}")


async def test_a_row_is_there_after_write_has_returned(database: Database) -> None:
    await database.write(lambda tx: tx.add(event(7)))

    assert await database.read(lambda conn: conn.all(ALL_EVENTS)) == [(7, "accepted")]


async def test_a_written_value_is_returned(database: Database) -> None:
    assert await database.write(lambda tx: tx.run(statement("SELECT ?, ?"), (1, "x")) and "done") == "done"
