"""Copies that the sandbox kept."""

import zlib

from bench.tracked_mail import add_mail
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


async def test_the_same_copy_is_kept_once(database: Database) -> None:
    """A settlement that is repeated after a crash finds its copy there."""
    await keep(database, 1, 1, b"first\r\n")
    await keep(database, 1, 1, b"first\r\n")
    row = await database.read(lambda conn: sandbox.sandbox_copy(conn, 1, 1))
    assert row is not None
    assert sandbox.wire_copy(row) == b"first\r\n"


async def test_retention_takes_the_oldest_copies_in_small_batches(database: Database) -> None:
    for recipient_id in range(1, 6):
        await keep(database, recipient_id, 1)
    assert await database.write(lambda tx: sandbox.purge_sandbox(tx, 1, 4, limit=2)) == 2
    assert await database.write(lambda tx: sandbox.purge_sandbox(tx, 1, 4, limit=2)) == 1
    assert await database.read(lambda conn: sandbox.sandbox_copy(conn, 1, 3)) is None
    assert await database.read(lambda conn: sandbox.sandbox_copy(conn, 1, 4)) is not None


async def mail_to(database: Database, *recipient_ids: int, workspace_id: int = 1, address: str = "u{}@a.test") -> None:
    await add_mail(
        database,
        recipient_ids,
        message_id=recipient_ids[0] * 1000,
        workspace_id=workspace_id,
        delivered_ms=5_000,
        address=address,
    )
    for recipient_id in recipient_ids:
        await keep(database, recipient_id, workspace_id)


async def test_the_inbox_lists_copies_with_who_and_what_from_the_newest(database: Database) -> None:
    await mail_to(database, 1, 2, 3)
    first = await database.read(lambda conn: sandbox.inbox(conn, 1, limit=2))
    rest = await database.read(lambda conn: sandbox.inbox(conn, 1, before_id=2, limit=2))
    assert [row.recipient_id for row in first] == [3, 2]
    assert rest[0][:7] == (1, 1000, "u1@a.test", "news@sender.test", "News", 5_000, None)


async def test_the_inbox_finds_the_copies_of_one_address(database: Database) -> None:
    await mail_to(database, 1, 2, 3, address="same@a.test")
    await mail_to(database, 4)
    await add_mail(database, [5], message_id=9, workspace_id=1, address="same@a.test")
    found = await database.read(lambda conn: sandbox.inbox(conn, 1, address_key="same@a.test"))
    older = await database.read(lambda conn: sandbox.inbox(conn, 1, address_key="same@a.test", before_id=2))
    assert [row.recipient_id for row in found] == [3, 2, 1]
    assert [row.recipient_id for row in older] == [1]


async def test_another_workspace_sees_nothing_in_the_inbox(database: Database) -> None:
    await mail_to(database, 1)
    await database.write(lambda tx: sandbox.note_showing(tx, 1, 1, 7_000))
    assert await database.read(lambda conn: sandbox.inbox(conn, 2)) == []
    assert await database.read(lambda conn: sandbox.inbox(conn, 2, address_key="u1@a.test")) == []
    assert await database.read(lambda conn: sandbox.first_shown_ms(conn, 2, 1)) is None


async def test_the_first_showing_stays(database: Database) -> None:
    await mail_to(database, 1)
    assert await database.read(lambda conn: sandbox.first_shown_ms(conn, 1, 1)) is None
    for shown_ms in (7_000, 9_000):
        await database.write(lambda tx, at=shown_ms: sandbox.note_showing(tx, 1, 1, at))
    assert await database.read(lambda conn: sandbox.first_shown_ms(conn, 1, 1)) == 7_000
    assert [row.shown_ms for row in await database.read(lambda conn: sandbox.inbox(conn, 1))] == [7_000]


async def test_a_showing_goes_with_its_copy(database: Database) -> None:
    await keep(database, 1, 1)
    await database.write(lambda tx: sandbox.note_showing(tx, 1, 1, 7_000))
    await database.write(lambda tx: sandbox.purge_sandbox(tx, 1, 2))
    assert await database.read(lambda conn: sandbox.first_shown_ms(conn, 1, 1)) is None


async def test_copies_that_came_next_are_found_from_one_of_them(database: Database) -> None:
    await mail_to(database, 1, 2, 3, 4)
    await mail_to(database, 5, 6, workspace_id=2)
    await mail_to(database, 7, 8, address="same@a.test")
    assert [row.recipient_id for row in await database.read(lambda conn: sandbox.newer(conn, 1, 1, limit=2))] == [3, 2]
    found = await database.read(lambda conn: sandbox.newer(conn, 1, 1, address_key="same@a.test"))
    assert [row.recipient_id for row in found] == [8, 7]
    assert await database.read(lambda conn: sandbox.newer(conn, 2, 1, address_key="same@a.test")) == []
