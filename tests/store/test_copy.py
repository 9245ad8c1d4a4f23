"""A copy of the database is made while others write: whole, of one moment, and the WAL does not wait for it."""

import asyncio
import os
import sqlite3
from pathlib import Path

import pytest

from postroom.app.find_in_file import count_in
from postroom.base.clock import ManualClock
from postroom.base.errors import TryLater
from postroom.ledger.rows import ContentChunkRow
from postroom.store.database import Database, Tx, open_database, statement
from postroom.store.faults import CopyFailed, WrongEngine

_CHUNK = 200_000


async def fill(database: Database, uploads: range) -> None:
    for upload in uploads:
        await database.write(lambda tx, upload=upload: tx.add(ContentChunkRow(upload, 0, os.urandom(_CHUNK), 0)))  # type: ignore[misc]


def new_file(path: Path) -> Path:
    path.touch(mode=0o600)
    return path


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


async def test_what_was_committed_before_the_copy_ends_is_in_it(sqlite_url: str, tmp_path: Path) -> None:
    database = await open_database(sqlite_url, clock=ManualClock())
    await fill(database, range(1, 101))
    target, written, steps = new_file(tmp_path / "copy.db"), 1_000, list[tuple[int, int]]()
    copying = asyncio.create_task(database.copy(target, lambda done, whole: steps.append((done, whole))))
    wal_sizes = []
    drop = statement("DELETE FROM content_chunk WHERE upload_id = ?")
    while not copying.done():
        await fill(database, range(written, written + 1))
        await database.write(lambda tx, gone=written - 950: tx.run(drop, (gone,)))  # type: ignore[misc]
        written += 1
        wal_sizes.append((tmp_path / "postroom.db-wal").stat().st_size)
    await copying
    stored = await database.read(lambda conn: conn.all(statement("SELECT upload_id FROM content_chunk ORDER BY 1")))
    await database.close()

    copied = rows(target, "SELECT upload_id FROM content_chunk ORDER BY 1")
    assert rows(target, "PRAGMA integrity_check") == [("ok",)]
    # The last write may have come after the copy's last step.
    assert set(stored) - set(copied) <= {(written - 1,)}
    assert len(steps) > 10
    assert written > 1_005
    assert max(wal_sizes) < 30 << 20, "a checkpoint was kept from its work"


async def test_writes_go_on_between_the_steps(sqlite_url: str, tmp_path: Path) -> None:
    database = await open_database(sqlite_url, clock=ManualClock())
    await fill(database, range(1, 60))
    loop, done = asyncio.get_running_loop(), list[int]()

    def told(copied: int, whole: int) -> None:
        # From the writer's thread: each step finds a function that waits.
        asyncio.run_coroutine_threadsafe(database.write(lambda tx: done.append(copied)), loop)

    await database.copy(new_file(tmp_path / "copy.db"), told)
    await database.write(lambda tx: None)
    await database.close()

    assert len(set(done)) > 5


async def test_a_copy_ends_with_the_database_or_with_what_keeps_it_from_being_written(
    sqlite_url: str, tmp_path: Path
) -> None:
    database = await open_database(sqlite_url, clock=ManualClock())
    await fill(database, range(1, 60))
    copying = asyncio.create_task(database.copy(new_file(tmp_path / "copy.db"), lambda done, whole: None))
    await asyncio.sleep(0)
    closing = asyncio.create_task(database.close())
    with pytest.raises(TryLater):
        await copying
    await closing
    with pytest.raises(TryLater):
        await database.copy(new_file(tmp_path / "later.db"), lambda done, whole: None)


async def test_a_failed_copy_leaves_the_writer_at_work(sqlite_url: str, tmp_path: Path) -> None:
    database = await open_database(sqlite_url, clock=ManualClock())

    def told(done: int, whole: int) -> None:
        raise ZeroDivisionError("ours")

    await fill(database, range(1, 20))
    with pytest.raises(CopyFailed):
        await database.copy(tmp_path / "not there" / "copy.db", lambda done, whole: None)
    with pytest.raises(ZeroDivisionError):
        await database.copy(new_file(tmp_path / "copy.db"), told)
    await fill(database, range(20, 21))
    await database.close()


async def test_the_wal_is_emptied_and_postgresql_has_tools_of_its_own(database: Database, tmp_path: Path) -> None:
    def write(tx: Tx) -> None:
        tx.add(ContentChunkRow(1, 0, b"x", 0))

    await database.write(write)
    assert await database.empty_wal()
    wal = tmp_path / "postroom.db-wal"
    if database.engine == "sqlite":
        assert wal.stat().st_size == 0
    else:
        with pytest.raises(WrongEngine, match="pg_dump"):
            await database.copy(tmp_path / "copy", lambda done, whole: None)


async def test_the_file_is_written_anew_without_its_unused_parts(sqlite_url: str, tmp_path: Path) -> None:
    database = await open_database(sqlite_url, clock=ManualClock())
    await fill(database, range(1, 30))
    await database.write(lambda tx: tx.run(statement("DELETE FROM content_chunk WHERE upload_id > ?"), (5,)))
    await database.empty_wal()
    before = (tmp_path / "postroom.db").stat().st_size
    await database.compact()
    await database.empty_wal()
    after = (tmp_path / "postroom.db").stat().st_size
    left = await database.read(lambda conn: conn.all(statement("SELECT count(*) FROM content_chunk")))
    await database.close()
    assert after < before / 3
    assert left == [(5,)]


@pytest.mark.parametrize("size", [0, 1, 30, (4 << 20) - 10, (4 << 20) - 3, 4 << 20, (8 << 20) - 2])
def test_a_text_is_counted_wherever_it_stands_in_a_file(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\0" * size + b"Ada@Example.net" + b"x" * 100 + b"ada@example.net")
    assert count_in(path, [b"ada@example.net", b"ada%40example.net"]) == 2
    assert count_in(path, [b"bob@example.net"]) == 0
