"""Copies that the sandbox kept."""

import zlib

from postroom.ledger.rows import SandboxCopyRow
from postroom.store import sandbox
from postroom.store.database import Database


async def keep(database: Database, recipient_id: int, workspace_id: int, content: bytes = b"x\r\n") -> None:
    row = SandboxCopyRow(recipient_id, workspace_id, "b-1@rp.test", zlib.compress(content), 1000)
    await database.write(lambda tx: tx.add(row))


async def test_a_kept_copy_is_found_by_its_workspace_only(database: Database) -> None:
    await keep(database, 10, 1, b"Subject: x\r\n\r\n\xff\r\n")
    row = await database.read(lambda conn: sandbox.sandbox_copy(conn, 1, 10))
    assert row is not None
    assert sandbox.wire_copy(row) == b"Subject: x\r\n\r\n\xff\r\n"
    assert (row.recipient_id, row.workspace_id, row.reverse_path, row.created_ms) == (10, 1, "b-1@rp.test", 1000)
    assert await database.read(lambda conn: sandbox.sandbox_copy(conn, 2, 10)) is None


async def test_copies_are_listed_from_the_newest_page_by_page(database: Database) -> None:
    for recipient_id in range(1, 6):
        await keep(database, recipient_id, 1)
    await keep(database, 99, 2)
    first = await database.read(lambda conn: sandbox.sandbox_recipients(conn, 1, limit=3))
    rest = await database.read(lambda conn: sandbox.sandbox_recipients(conn, 1, before_id=first[-1], limit=3))
    assert (first, rest) == ([5, 4, 3], [2, 1])


async def test_the_same_copy_is_kept_once(database: Database) -> None:
    """A settlement that is repeated after a crash finds its copy there."""
    await keep(database, 1, 1, b"first\r\n")
    await keep(database, 1, 1, b"first\r\n")
    assert await database.read(lambda conn: sandbox.sandbox_recipients(conn, 1)) == [1]


async def test_retention_takes_the_oldest_copies_in_small_batches(database: Database) -> None:
    for recipient_id in range(1, 6):
        await keep(database, recipient_id, 1)
    assert await database.write(lambda tx: sandbox.purge_sandbox(tx, 4, limit=2)) == 2
    assert await database.write(lambda tx: sandbox.purge_sandbox(tx, 4, limit=2)) == 1
    assert await database.read(lambda conn: sandbox.sandbox_recipients(conn, 1)) == [5, 4]
