"""Faults of the database: callers are told at once, nothing accepted is lost, and it recovers by itself."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from peers.postgres import PostgresServer
from peers.require import ROOT
from store.gate import Gate, add, event, facts

from postroom.base.clock import ManualClock, SystemClock
from postroom.base.errors import TryLater
from postroom.ledger.rows import ContentChunkRow, EventRow
from postroom.store import sqlite, sqlite_source, upgrade
from postroom.store.database import Database, StoreBusy, StoreLost, Tx, open_database, statement
from postroom.store.postgresql import PostgresqlWriter
from postroom.store.sqlite import SqliteWriter

COUNT_EVENTS = statement("SELECT count(*) FROM event")
PATIENCE = 30.0
"""Seconds for something that takes far less."""


async def until_written(database: Database, number: int) -> None:
    """Repeat a write until it is taken, as a client does."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(TryLater):
                await database.write(add(number))
                return
            await asyncio.sleep(0.02)


async def test_a_full_disk_is_told_and_recovers(sqlite_url: str, clock: ManualClock) -> None:
    database = await open_database(sqlite_url, clock=clock)
    await database.write(add(1))
    pages = (await database.write(lambda tx: tx.run(statement("PRAGMA page_count"))))[0][0]
    chunk = ContentChunkRow(1, 0, bytes(1 << 20), 5)

    # The limit belongs to the connection: the new one that the store makes to recover has none.
    await database.write(lambda tx: tx.run(statement(f"PRAGMA max_page_count = {pages + 5}")))
    with pytest.raises(StoreLost, match="full"):
        await database.write(lambda tx: tx.add(chunk))

    await until_written(database, 2)
    await database.write(lambda tx: tx.add(chunk))
    assert database.trouble is None
    assert await facts(database) == (2, 2)
    await database.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    mount = tmp_path / "small"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mount)], check=False).returncode:
        pytest.skip("a tmpfs cannot be mounted here (needs root)")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


async def test_on_a_full_file_system_nothing_is_accepted_and_nothing_is_lost(small_disk: Path) -> None:
    """Somebody else fills the disk and empties it again."""
    database = await open_database(f"sqlite:///{small_disk}/postroom.db", clock=SystemClock())
    await database.write(add(0))
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    refused, accepted = 0, {0}
    for number in range(1, 200):
        row = EventRow(number, 1, None, None, "x" * 3000, 5, "{}")
        try:
            await database.write(lambda tx, row=row: tx.add(row))  # type: ignore[misc]
            accepted.add(number)
        except TryLater:
            refused += 1
    assert refused

    ballast.unlink()
    await until_written(database, 1000)

    stored = {row[0] for row in await database.read(lambda conn: conn.all(statement("SELECT id FROM event")))}
    assert stored == accepted | {1000}
    await database.close()


async def test_a_database_locked_by_another_process_is_told_and_recovers(sqlite_url: str, clock: ManualClock) -> None:
    database = await open_database(sqlite_url, clock=clock)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreBusy):
        await database.write(add(1))
    assert database.trouble is not None
    with pytest.raises(StoreBusy):
        await database.write(add(2))

    other.execute("ROLLBACK")
    await until_written(database, 3)
    assert await facts(database) == (1, 1)
    other.close()
    await database.close()


async def test_close_ends_while_the_database_is_in_trouble(sqlite_url: str, clock: ManualClock) -> None:
    database = await open_database(sqlite_url, clock=clock)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy):
        await database.write(add(1))

    async with asyncio.timeout(PATIENCE):
        await database.close()

    other.close()


async def test_the_wal_stays_small_although_reads_never_pause(
    sqlite_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_JOURNAL_BYTES", 1 << 20)
    monkeypatch.setattr(sqlite, "_CHECKPOINT_PAGES", 100)
    monkeypatch.setattr(sqlite, "_COMMITS_BETWEEN_LOOKS", 4)
    database = await open_database(sqlite_url, clock=clock)
    long = statement(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
        "SELECT count(*) FROM n, (SELECT count(*) FROM event)"
    )

    async def read_on() -> None:
        while True:
            await database.read(lambda conn: conn.all(long))

    reading = [asyncio.ensure_future(read_on()) for _ in range(4)]
    for number in range(60):
        chunk = ContentChunkRow(1, number, bytes(200_000), 5)
        await database.write(lambda tx, chunk=chunk: tx.add(chunk))  # type: ignore[misc]

    # 12 MB were written.
    assert os.stat(sqlite_url.removeprefix("sqlite:///") + "-wal").st_size < 4 << 20
    for task in reading:
        task.cancel()
    await asyncio.gather(*reading, return_exceptions=True)
    await database.close()


async def test_the_wal_is_moved_each_few_megabytes_of_contents(sqlite_url: str, clock: ManualClock) -> None:
    database = await open_database(sqlite_url, clock=clock)
    for number in range(40):
        chunk = ContentChunkRow(1, number, bytes(200_000), 5)
        await database.write(lambda tx, chunk=chunk: tx.add(chunk), size_bytes=200_000)  # type: ignore[misc]

    # 8 MB were written, which is what SQLite itself would wait for.
    assert os.stat(sqlite_url.removeprefix("sqlite:///") + "-wal").st_size < 4 << 20
    await database.close()


async def test_who_writes_does_not_wait_for_what_is_tidied_up_after_the_commit(
    sqlite_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = threading.Event()
    may_end.set()
    monkeypatch.setattr(SqliteWriter, "tidy", lambda self: may_end.wait(PATIENCE))
    database = await open_database(sqlite_url, clock=clock)
    may_end.clear()

    async with asyncio.timeout(PATIENCE / 2):
        await database.write(add(1))

    may_end.set()
    await database.close()


_WRITE_UNTIL_KILLED = """
import asyncio, sys
from postroom.base.clock import SystemClock
from postroom.ledger.rows import CounterKey, EventRow
from postroom.store.database import open_database

async def main():
    database = await open_database(sys.argv[1], clock=SystemClock())
    numbers = iter(range(10**9))
    async def produce():
        for number in numbers:
            def function(tx):
                tx.add(EventRow(number, 1, None, None, "accepted", 5, "{}"))
                tx.count(CounterKey(1, 5, "total", ""), "outbound")
            await database.write(function)
            print(number, flush=True)
    await asyncio.gather(*(produce() for _ in range(32)))

asyncio.run(main())
"""


def write_until_killed(url: str, after: int) -> set[int]:
    """Run a process that writes, kill it after so many accepted writes, and return what it was told."""
    with subprocess.Popen(
        [sys.executable, "-c", _WRITE_UNTIL_KILLED, url],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": os.environ["PATH"]},
    ) as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(after)]
        process.send_signal(signal.SIGKILL)
        told += [int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    return set(told)


@pytest.mark.parametrize("after", [50, 777])
async def test_after_kill_9_every_accepted_write_is_there(database_url: str, clock: ManualClock, after: int) -> None:
    told = write_until_killed(database_url, after)

    database = await open_database(database_url, clock=clock)
    stored = {row[0] for row in await database.read(lambda conn: conn.all(statement("SELECT id FROM event")))}

    assert told <= stored
    events, counted = await facts(database)
    assert events == counted
    await database.close()


async def test_postgresql_stopped_and_started_again(own_postgres: PostgresServer, clock: ManualClock) -> None:
    url = own_postgres.databases().fresh_database()
    database = await open_database(url, clock=clock)
    await database.write(add(1))
    await database.read(lambda conn: conn.one(COUNT_EVENTS))

    own_postgres.stop("fast")
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(StoreLost):
            await database.write(add(2))
        with pytest.raises(StoreLost):
            await database.read(lambda conn: conn.one(COUNT_EVENTS))
        with pytest.raises(StoreLost):
            await database.write(add(3))

    own_postgres.start()
    await until_written(database, 4)
    assert await facts(database) == (2, 2)
    await database.close()


async def test_postgresql_crashing_under_load_loses_and_doubles_nothing(
    own_postgres: PostgresServer, clock: ManualClock
) -> None:
    url = own_postgres.databases().fresh_database()
    database = await open_database(url, clock=clock)
    numbers = iter(range(10**9))
    accepted: set[int] = set()
    stop = False

    async def produce() -> None:
        while not stop:
            number = next(numbers)
            try:
                await database.write(add(number))
                accepted.add(number)
            except TryLater:
                await asyncio.sleep(0.01)

    producers = [asyncio.ensure_future(produce()) for _ in range(16)]
    for mode in ("immediate", "fast"):
        for more in range(20):
            await until_written(database, 10**9 + more + (mode == "fast") * 100)
        await _in_thread(lambda mode=mode: own_postgres.restart(mode))  # type: ignore[misc]
    await until_written(database, 2 * 10**9)
    stop = True
    await asyncio.gather(*producers)

    stored = {row[0] for row in await database.read(lambda conn: conn.all(statement("SELECT id FROM event")))}
    events, counted = await facts(database)
    assert accepted <= stored
    # One counted twice would be a group that ran again although it was stored.
    assert events == counted == len(stored)
    await database.close()


async def _in_thread(function: object) -> None:
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    def run() -> None:
        function()  # type: ignore[operator]
        loop.call_soon_threadsafe(done.set)

    threading.Thread(target=run).start()
    await done.wait()


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_connection_lost_around_commit_writes_once(
    postgresql_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """The reply to COMMIT is lost: the group's number in table `writer` tells whether it was stored."""
    database = await open_database(postgresql_url, clock=clock)
    commit = PostgresqlWriter.commit
    lost: list[str] = []

    def losing_commit(self: PostgresqlWriter, batches: object, number: int, size_bytes: int) -> None:
        if when == "after":
            commit(self, batches, number, size_bytes)  # type: ignore[arg-type]
        if not lost:
            lost.append(when)
            self._connection.close()
            raise psycopg.OperationalError("the connection was lost")
        if when == "before":
            commit(self, batches, number, size_bytes)  # type: ignore[arg-type]

    monkeypatch.setattr(PostgresqlWriter, "commit", losing_commit)
    gate = Gate(database)
    await gate.closed()
    writes = [asyncio.ensure_future(database.write(add(number))) for number in range(10)]
    await asyncio.sleep(0)
    await gate.open()

    assert await asyncio.gather(*writes) == list(range(10))
    assert lost == [when]
    assert await facts(database) == (10, 10)
    await database.close()


async def test_the_number_of_a_group_waits_for_a_transaction_that_still_runs(
    postgresql_url: str, clock: ManualClock
) -> None:
    """The old server process may still work on the COMMIT of a connection that broke."""
    database = await open_database(postgresql_url, clock=clock)
    await database.write(add(1))
    writer_id = (await database.read(lambda conn: conn.one(statement("SELECT id FROM writer WHERE id > 0"))))[0]  # type: ignore[index]
    old = psycopg.connect(postgresql_url)
    old.execute("UPDATE writer SET group_number = 77 WHERE id = %s", (writer_id,))
    session = PostgresqlWriter(postgresql_url, writer_id)
    answers: list[bool] = []
    asking = threading.Thread(target=lambda: answers.append(session.has_committed(77)))
    asking.start()

    async with asyncio.timeout(PATIENCE):
        waiting = statement("SELECT count(*) FROM pg_locks WHERE NOT granted")
        while (await database.read(lambda conn: conn.one(waiting))) == (0,):
            pass
    assert answers == []
    old.commit()
    asking.join(PATIENCE)

    assert answers == [True]
    old.close()
    session.close(clean=False)
    await database.close()


async def test_groups_that_deadlock_run_again(postgresql_url: str, clock: ManualClock) -> None:
    one = await open_database(postgresql_url, clock=clock)
    two = await open_database(postgresql_url, clock=clock)
    await one.write(lambda tx: (tx.add(event(1)), tx.add(event(2))))
    touch = statement("UPDATE event SET at_ms = at_ms + 1 WHERE id = ?")
    barrier = threading.Barrier(2)

    def crossing(first: int, second: int) -> object:
        def function(tx: Tx) -> None:
            tx.run(touch, (first,))
            with contextlib.suppress(threading.BrokenBarrierError):
                # Only the first time: who runs again comes alone.
                barrier.wait(2)
            tx.run(touch, (second,))

        return function

    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(one.write(crossing(1, 2)), two.write(crossing(2, 1)))  # type: ignore[arg-type]

    found = await one.read(lambda conn: conn.all(statement("SELECT at_ms FROM event")))
    assert found == [(7,), (7,)]
    await one.close()
    await two.close()


async def test_an_unreachable_server_is_told_at_open(clock: ManualClock) -> None:
    with pytest.raises(StoreLost):
        await open_database("postgresql://postgres@127.0.0.1:1/none", clock=clock)


async def test_an_unwritable_place_is_told_at_open(tmp_path: Path, clock: ManualClock) -> None:
    with pytest.raises(StoreLost):
        await open_database(f"sqlite:///{tmp_path}/missing/postroom.db", clock=clock)


def test_sqlite_files_are_migrated_only_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sqlite_source.migrate_sqlite(tmp_path / "postroom.db")
    monkeypatch.setattr(upgrade, "upgrade", lambda connection: pytest.fail("migrated again"))

    sqlite_source.migrate_sqlite(tmp_path / "postroom.db")
