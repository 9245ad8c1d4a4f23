"""Group commit: who shares a transaction, and what one function's failure means for the others."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from peers.require import ROOT
from store.gate import Gate, add, event, facts, together

from postroom.base.clock import ManualClock
from postroom.ledger.rows import WorkspaceRow
from postroom.store.database import Database, StoreBusy, StoreConflict, Tx, open_database, statement

COUNT_EVENTS = statement("SELECT count(*) FROM event")


async def test_functions_that_wait_share_a_commit(database: Database) -> None:
    values = await together(database, *(add(number) for number in range(100)))

    assert values == list(range(100))
    assert await facts(database) == (100, 100)
    # The gate's own group took all of them: they came while it ran.
    assert database.groups == 1


async def test_a_group_ends_at_200_functions(database: Database) -> None:
    await together(database, *(add(number) for number in range(450)))

    assert database.groups == 3


async def test_a_group_ends_after_20_ms_of_work(database: Database, clock: ManualClock) -> None:
    def slow(number: int) -> Callable[[Tx], object]:
        def function(tx: Tx) -> None:
            clock.advance(ms=15)
            tx.add(event(number))

        return function

    await together(database, *(slow(number) for number in range(6)))

    # The gate and two, then two and two.
    assert database.groups == 3
    assert (await facts(database))[0] == 6


async def test_a_function_that_raises_fails_alone(database: Database) -> None:
    def fail(tx: Tx) -> None:
        tx.add(event(99))
        raise LookupError("mine")

    values = await together(database, add(1), fail, add(2))

    assert values[0] == 1
    assert isinstance(values[1], LookupError)
    assert values[2] == 2
    assert await facts(database) == (2, 2)


async def test_a_row_that_breaks_a_rule_fails_alone(database: Database) -> None:
    await database.write(add(2))

    values = await together(database, add(1), add(2), add(3))

    assert values[0] == 1
    assert isinstance(values[1], StoreConflict)
    assert values[1].table == "event"
    assert values[2] == 3
    assert await facts(database) == (3, 3)


async def test_a_wrong_statement_fails_alone(database: Database) -> None:
    wrong = statement("SELECT nothing FROM event")

    values = await together(database, add(1), lambda tx: tx.run(wrong), add(2))

    assert [values[0], values[2]] == [1, 2]
    assert isinstance(values[1], Exception)
    assert await facts(database) == (2, 2)


async def test_a_function_that_hides_a_failed_statement_stores_nothing(database: Database) -> None:
    """PostgreSQL turns the COMMIT of a failed transaction into a ROLLBACK and tells nobody."""
    wrong = statement("SELECT nothing FROM event")

    def hide(tx: Tx) -> str:
        tx.add(event(9))
        try:
            tx.run(wrong)
        except Exception:
            return "stored"
        return "never"

    values = await together(database, add(1), hide, add(2))

    assert [values[0], values[2]] == [1, 2]
    assert isinstance(values[1], Exception)
    assert await facts(database) == (2, 2)


async def test_all_functions_may_fail(database: Database) -> None:
    def fail(tx: Tx) -> None:
        raise LookupError("mine")

    values = await together(database, *[fail] * 5)

    assert all(isinstance(value, LookupError) for value in values)
    assert await database.write(add(1)) == 1


async def test_a_cancelled_waiter_does_not_undo_its_function(database: Database) -> None:
    gate = Gate(database)
    await gate.closed()
    cancelled = asyncio.ensure_future(database.write(add(1)))
    other = asyncio.ensure_future(database.write(add(2)))
    await asyncio.sleep(0)

    cancelled.cancel()
    await gate.open()

    assert await other == 2
    assert cancelled.cancelled()
    assert await facts(database) == (2, 2)


async def test_too_many_waiting_functions_are_refused_at_once(database: Database) -> None:
    gate = Gate(database)
    await gate.closed()
    writes = [asyncio.ensure_future(database.write(add(number))) for number in range(1999)]
    await asyncio.sleep(0)

    with pytest.raises(StoreBusy):
        await database.write(add(5000))

    await gate.open()
    assert await asyncio.gather(*writes) == list(range(1999))
    assert await database.write(add(5000)) == 5000


async def test_too_many_waiting_bytes_are_refused_at_once(database: Database) -> None:
    gate = Gate(database)
    await gate.closed()
    write = asyncio.ensure_future(database.write(add(1), size_bytes=60 << 20))
    await asyncio.sleep(0)

    with pytest.raises(StoreBusy):
        await database.write(add(2), size_bytes=5 << 20)
    small = asyncio.ensure_future(database.write(add(3), size_bytes=1 << 20))
    await asyncio.sleep(0)

    await gate.open()
    assert await asyncio.gather(write, small) == [1, 3]
    assert await database.write(add(2), size_bytes=5 << 20) == 2


async def test_small_functions_go_before_large_ones(database: Database) -> None:
    """Twenty mails of 50 MB that come in together must not delay a small one."""
    order: list[str] = []
    gate = Gate(database)
    await gate.closed()
    large = [
        asyncio.ensure_future(database.write(lambda tx: order.append("large"), size_bytes=256 << 10)) for _ in "abcdef"
    ]
    small = [asyncio.ensure_future(database.write(lambda tx: order.append("small"))) for _ in "abc"]
    await asyncio.sleep(0)

    await gate.open()
    await asyncio.gather(*large, *small)

    assert order == ["small"] * 3 + ["large"] * 6
    # Beside the small ones went a single large one, then two at a time, which is 512 kB.
    assert database.groups == 4


async def test_a_single_large_function_is_taken(database: Database) -> None:
    assert await database.write(add(1), size_bytes=80 << 20) == 1


async def test_new_functions_are_refused_while_the_oldest_waits_too_long(
    database: Database, clock: ManualClock
) -> None:
    gate = Gate(database)
    await gate.closed()

    clock.advance(seconds=5.1)
    with pytest.raises(StoreBusy):
        await database.write(add(1))

    await gate.open()
    assert await database.write(add(1)) == 1


async def test_a_conflict_in_a_later_flush_leaves_no_trace_of_the_function(database: Database) -> None:
    """A statement in the middle flushes what was collected; the group is rolled back all the same."""

    def both(tx: Tx) -> None:
        tx.add(event(7))
        tx.run(COUNT_EVENTS)
        tx.add(WorkspaceRow(1, "taken", 5))

    await database.write(lambda tx: tx.add(WorkspaceRow(1, "taken", 5)))
    values = await together(database, add(1), both)

    assert isinstance(values[1], StoreConflict)
    assert await facts(database) == (1, 1)


_COUNT_SYNCS = """
import asyncio, sys
from postroom.base.clock import SystemClock
from postroom.ledger.rows import EventRow
from postroom.store.database import open_database

async def main():
    database = await open_database(sys.argv[1], clock=SystemClock())
    waves = 20
    for wave in range(waves):
        rows = [EventRow(wave * 100 + n, 1, None, None, "accepted", 5, "{}") for n in range(100)]
        await asyncio.gather(*(database.write(lambda tx, row=row: tx.add(row)) for row in rows))
    print(database.groups)
    sys.stdout.flush()
    import os
    os._exit(0)  # no checkpoint at the end

asyncio.run(main())
"""


def test_a_commit_costs_one_fdatasync_and_serves_a_whole_group(sqlite_url: str, tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    trace = tmp_path / "trace"
    path = sqlite_url.removeprefix("sqlite:///")
    command = ["strace", "-f", "-qq", "-y", "-e", "trace=fsync,fdatasync", "-o", str(trace)]

    done = subprocess.run(
        [*command, sys.executable, "-c", _COUNT_SYNCS, sqlite_url],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"},
        timeout=120,
    )

    groups = int(done.stdout)
    syncs = [line for line in trace.read_text().splitlines() if f"{path}-wal" in line and "resumed" not in line]
    assert 20 <= groups < 400, "2,000 functions in waves of 100"
    # Each group syncs the WAL once; opening and a checkpoint add a few.
    assert groups <= len(syncs) <= groups + 10


async def test_a_commit_is_fully_synchronous(sqlite_url: str, clock: ManualClock) -> None:
    database = await open_database(sqlite_url, clock=clock)
    names = ("synchronous", "journal_mode", "foreign_keys", "auto_vacuum", "mmap_size")

    found = [await database.write(lambda tx, name=name: tx.run(statement(f"PRAGMA {name}"))[0][0]) for name in names]

    assert found == [2, "wal", 1, 2, 0]
    await database.close()
