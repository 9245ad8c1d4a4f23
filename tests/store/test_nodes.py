"""Nodes: numbers, heartbeats, owners."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.base.clock import ManualClock
from postroom.cluster.nodes import LostNumber, Nodes, data_id_of, read_boot_id
from postroom.cluster.owners import owner_of
from postroom.ledger.rows import NodeRow
from postroom.store import nodes as store
from postroom.store.data_folder import FolderInUse, lock_data_folder
from postroom.store.database import Database, Tx, open_database, statement


def node(database: Database, clock: ManualClock, data_id: str, boot_id: str = "boot") -> Nodes:
    return Nodes(database, clock, data_id, boot_id, "all")


def age(seconds: int) -> object:
    """Return a function that makes all heartbeats older, for both engines' clocks."""
    return lambda tx: tx.run(statement("UPDATE node SET seen_ms = seen_ms - ?"), (seconds * 1000,))


async def test_nodes_get_different_numbers_and_keep_them(database: Database, clock: ManualClock) -> None:
    one, two = node(database, clock, "a"), node(database, clock, "b")

    assert (await one.join(), await two.join()) == (0, 1)
    assert await node(database, clock, "b").join() == 1
    assert two.numbers == (0, 1)
    assert [row.roles for row in two.live] == ["all", "all"]


async def test_new_nodes_that_join_at_once_get_different_numbers(postgresql_url: str, clock: ManualClock) -> None:
    databases = [await open_database(postgresql_url, clock=clock) for _ in range(4)]

    numbers = await asyncio.gather(*(node(one, clock, f"n{at}").join() for at, one in enumerate(databases)))

    assert sorted(numbers) == [0, 1, 2, 3]
    for one in databases:
        await one.close()


async def test_a_node_that_does_not_beat_is_out_after_30_seconds(database: Database, clock: ManualClock) -> None:
    one, two = node(database, clock, "a"), node(database, clock, "b")
    await one.join()
    await two.join()

    await database.write(age(31))  # type: ignore[arg-type]
    await one.beat()
    assert one.numbers == (0,)

    await two.beat()
    await one.beat()
    assert one.numbers == (0, 1)


async def test_a_node_that_leaves_is_out_at_once(database: Database, clock: ManualClock) -> None:
    one, two = node(database, clock, "a"), node(database, clock, "b")
    await one.join()
    await two.join()

    await two.leave()
    await one.beat()

    assert one.numbers == (0,)


async def test_a_copied_data_folder_is_refused_while_the_original_lives(database: Database, clock: ManualClock) -> None:
    await node(database, clock, "a", "this machine").join()

    with pytest.raises(store.NodeTaken, match=r"node\.id"):
        await node(database, clock, "a", "another machine").join()

    await database.write(age(31))  # type: ignore[arg-type]
    assert await node(database, clock, "a", "another machine").join() == 0


async def test_a_node_whose_number_has_gone_to_another_must_end(database: Database, clock: ManualClock) -> None:
    one = node(database, clock, "a", "this machine")
    await one.join()
    await database.write(age(31))  # type: ignore[arg-type]
    await node(database, clock, "a", "another machine").join()

    with pytest.raises(LostNumber):
        await one.beat()


async def test_the_1025th_node_takes_the_oldest_number_or_none(database: Database, clock: ManualClock) -> None:
    now = clock.now_ms()

    def fill(tx: Tx) -> None:
        for number in range(1024):
            tx.add(NodeRow(number, f"n{number}", "boot", now, ""))

    await database.write(fill)
    young = statement("UPDATE node SET seen_ms = ?")
    far = 2**50
    await database.write(lambda tx: tx.run(young, (far,)))
    with pytest.raises(store.NodeTaken, match="1,024"):
        await node(database, clock, "new").join()

    await database.write(lambda tx: tx.run(statement("UPDATE node SET seen_ms = 1 WHERE number = 500")))
    assert await node(database, clock, "new").join() == 500


async def test_a_heartbeat_comes_every_10_seconds(sqlite_url: str, clock: ManualClock) -> None:
    database = await open_database(sqlite_url, clock=clock)
    one = node(database, clock, "a")
    await one.join()
    task = asyncio.ensure_future(one.run())
    await asyncio.sleep(0)

    clock.advance(seconds=10)
    seen = statement("SELECT seen_ms FROM node")
    async with asyncio.timeout(30):
        while (await database.read(lambda conn: conn.one(seen))) != (clock.now_ms(),):
            pass

    task.cancel()
    await database.close()


def test_a_data_folder_keeps_its_name(tmp_path: Path) -> None:
    first = data_id_of(tmp_path)

    assert data_id_of(tmp_path) == first
    assert len(first) == 32
    assert (tmp_path / "node.id").stat().st_mode & 0o777 == 0o600


def test_the_boot_id_is_that_of_the_kernel() -> None:
    assert read_boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@given(st.text(), st.sets(st.integers(0, 1023), min_size=1, max_size=12))
def test_only_what_a_leaving_node_owned_moves(key: str, numbers: set[int]) -> None:
    owner = owner_of(key, numbers)
    assert owner in numbers
    assert owner_of(key, sorted(numbers, reverse=True)) == owner

    for leaving in numbers - {owner}:
        assert owner_of(key, numbers - {leaving}) == owner


def test_owners_share_the_work_about_evenly() -> None:
    counts = [0, 0, 0, 0]
    for number in range(4000):
        owner = owner_of(f"account/{number}", range(4))
        assert owner is not None
        counts[owner] += 1

    assert min(counts) > 800


def test_nobody_owns_anything_without_nodes() -> None:
    assert owner_of("x", []) is None


def test_a_second_owner_of_a_data_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    first = lock_data_folder(folder)

    with pytest.raises(FolderInUse, match="process"):
        lock_data_folder(folder)

    first.release()
    first.release()
    lock_data_folder(folder).release()


async def test_a_node_lets_go_of_what_it_owns_before_the_others_take_it_for_dead(
    database: Database, clock: ManualClock
) -> None:
    one = node(database, clock, "a")
    await one.join()

    clock.advance(seconds=24)
    assert not one.must_let_go
    clock.advance(seconds=1)
    assert one.must_let_go
    await one.beat()
    assert not one.must_let_go


async def test_a_node_gives_up_a_role_and_lives_on(database: Database, clock: ManualClock) -> None:
    one, two = node(database, clock, "a"), Nodes(database, clock, "b", "boot", "api,watch")
    await one.join()
    await two.join()
    assert two.numbers_with("watch") == (0, 1)

    await two.withdraw("watch")
    await two.beat()

    assert two.numbers_with("watch") == (0,)
    assert two.numbers_with("api") == (0, 1)
    assert two.numbers == (0, 1)
