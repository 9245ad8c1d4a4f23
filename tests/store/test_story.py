"""What the story of a message reads beside its rows."""

import pytest
from queue_rows import Queue

from postroom.base.clock import ManualClock
from postroom.base.packing import pack
from postroom.ledger.rows import ContentChunkRow, ContentRow, HitRow, SandboxCopyRow
from postroom.store import story
from postroom.store.database import Conn, Database, Tx


@pytest.fixture
def house(database: Database, clock: ManualClock) -> Queue:
    return Queue(database, clock)


async def test_the_head_of_a_content_is_read_from_its_row_or_from_its_first_piece(house: Queue) -> None:
    small, large, gone = b"A: b\r\n\r\n" + b"x" * 5_000, b"C: d\r\n\r\n" + b"y" * 9_000, b"gone"

    def write(tx: Tx) -> None:
        tx.add(ContentRow(1, b"small", len(small), None, pack(small), b"", b"", 1))
        tx.add(ContentRow(1, b"large", 2 * len(large), 77, None, b"", b"", 1))
        tx.add(ContentChunkRow(77, 0, large, 1))
        tx.add(ContentChunkRow(77, 1, large, 1))
        tx.add(ContentRow(1, gone, 5, None, None, b"", b"", 1))

    await house.database.write(write)

    async def head(workspace_id: int, key: bytes, most: int) -> story.Head | None:
        return await house.database.read(lambda conn: story.content_head(conn, workspace_id, key, most))

    assert await head(1, b"small", 10_000) == story.Head(small, True)
    assert await head(1, b"small", 100) == story.Head(small[:100], False)
    assert await head(1, b"large", 100_000) == story.Head(large, False)
    assert await head(1, gone, 100) is None
    assert await head(2, b"small", 100) is None


async def test_sums_hits_and_copies_are_those_of_one_workspace(house: Queue) -> None:
    await house.workspace()
    message, (row, *_) = await house.message(3, recipient={"state": "held"})
    hits = [HitRow(house.ids.next(), 1, row.id, "open", 0, at, "GET", "", "", "", "human", 1) for at in (5, 6, 7)]

    def write(tx: Tx) -> None:
        for hit in hits:
            tx.add(hit)
        tx.add(SandboxCopyRow(row.id, 1, "", b"", 1))

    await house.database.write(write)

    def read(conn: Conn, workspace_id: int) -> tuple[object, ...]:
        return (
            story.states_of(conn, workspace_id, message.id),
            [hit.at_ms for hit in story.hits_of(conn, workspace_id, row.id, 2)],
            story.has_copy(conn, workspace_id, row.id),
        )

    assert await house.database.read(lambda conn: read(conn, 1)) == ({"held": 3}, [7, 6], True)
    assert await house.database.read(lambda conn: read(conn, 2)) == ({}, [], False)
