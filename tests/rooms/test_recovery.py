"""What a crash left and what lost nodes left, over a real store of each engine; and the chores of upkeep."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from queue_rows import LATER, NO, NOW, OK, Queue, ids_of

from postroom.base.clock import DAY_MS, HOUR_MS, ManualClock
from postroom.base.errors import TryLater
from postroom.ledger.rows import DestinationRow, NodeRow, RecipientRow
from postroom.outbound.flights import LEASE_MS
from postroom.outbound.journal import Flights
from postroom.outbound.notifications import Notices
from postroom.outbound.recover import Recovery
from postroom.outbound.retry import RetrySchedule
from postroom.outbound.settle import retries_in_doubt
from postroom.outbound.settler import Settler
from postroom.store import content, idempotency, nodes, queue, sites
from postroom.store.database import open_database
from postroom.upkeep.chores import LONGEST_UPLOAD_MS, Chore, Sweeps, Upkeep
from postroom.upkeep.gone_nodes import GONE_AFTER_MS, GoneNodes

LOST = 7


class NoReports:
    async def prepare(self, decisions: Any) -> Notices:
        return Notices(decisions)

    def written(self, notices: Notices, ours: set[int]) -> None:
        return


def recovery_of(spool: Queue) -> Recovery:
    settler = Settler(spool.database, NoReports(), RetrySchedule(), lambda: 0.0)

    def policy(workspace: int, stream: str) -> bool:
        return retries_in_doubt(stream, transactional="retry", bulk="hold")

    return Recovery(spool.database, settler, policy, spool.ids, spool.clock)


@pytest.fixture(params=["sqlite", "postgresql"])
async def spool(request: pytest.FixtureRequest, tmp_path: Any) -> AsyncIterator[Queue]:
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/postroom.db" if sqlite else request.getfixturevalue("postgres_url")
    clock = ManualClock()
    database = await open_database(url, node=3, clock=clock)
    yield Queue(database, clock)
    await database.close()


async def claimed_by(spool: Queue, node: int, count: int, stream: str = "bulk") -> list[RecipientRow]:
    _, rows = await spool.message(count, stream=stream)
    now = spool.clock.now_ms()
    await spool.database.write(
        lambda tx: queue.claim(tx, rows[0].lane_id, limit=count, node=node, now_ms=now, lease_ms=now + LEASE_MS)
    )
    return rows


async def test_a_start_settles_by_the_journal_what_the_last_run_left(spool: Queue) -> None:
    begun, dotted, taken, refused, later = await claimed_by(spool, LOST, 5)
    flights = Flights(False, {(dotted.id, 1)}, {(taken.id, 1): OK, (refused.id, 1): NO, (later.id, 1): LATER})
    assert await recovery_of(spool).recover(LOST, flights) == 5
    found = dict(await spool.ask("SELECT id, state FROM recipient"))
    expected = ["queued", "in_doubt", "delivered", "failed", "deferred"]
    assert found == dict(zip(ids_of([begun, dotted, taken, refused, later]), expected, strict=True))
    ((sent, failed),) = await spool.ask("SELECT sum(sent), sum(failed) FROM counter WHERE dimension = 'total'")
    assert (int(sent), int(failed)) == (1, 1)


async def test_settling_what_a_crash_left_twice_changes_nothing_the_second_time(spool: Queue) -> None:
    (row,) = await claimed_by(spool, LOST, 1)
    flights = Flights(replied={(row.id, 1): OK})
    assert [await recovery_of(spool).recover(LOST, flights) for _ in range(2)] == [1, 0]
    assert await spool.ask("SELECT count(*) FROM event WHERE kind = 'delivered'") == [(1,)]


async def test_more_than_a_page_is_settled_and_what_other_nodes_send_is_left_alone(spool: Queue) -> None:
    await claimed_by(spool, LOST, 450)
    await claimed_by(spool, 3, 2)
    assert await recovery_of(spool).recover(LOST, Flights()) == 450
    assert await spool.states() == {"queued": 450, "sending": 2}


async def test_an_outcome_that_cannot_be_settled_does_not_keep_the_program_from_starting(
    spool: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = await claimed_by(spool, LOST, 3)
    settle = queue.settle

    def faulty(tx: Any, settlements: Any) -> set[int]:
        if any(one.id == rows[1].id for one in settlements):
            raise ZeroDivisionError("in our own code")
        return settle(tx, settlements)

    monkeypatch.setattr(queue, "settle", faulty)
    assert await recovery_of(spool).recover(LOST, Flights()) == 2
    assert await spool.states() == {"queued": 2, "sending": 1}


async def gone(spool: Queue, *, own: int | None = 3) -> int:
    return await GoneNodes(spool.database, recovery_of(spool), spool.clock, own).settle()


async def node(spool: Queue, number: int, seen_ago_ms: int) -> None:
    now = await spool.database.read(lambda conn: nodes.database_now_ms(conn, spool.clock.now_ms()))
    row = NodeRow(number, f"data {number}", "boot", now - seen_ago_ms, "deliver")
    await spool.database.write(lambda tx: tx.add(row))
    # Leases are told by the nodes' own clocks, which are the database's here.
    await spool.act("UPDATE recipient SET lease_ms = ? WHERE node = ?", now - seen_ago_ms + LEASE_MS, number)


async def test_what_a_node_was_sending_that_is_gone_for_15_minutes_is_in_doubt_by_its_stream_s_policy(
    spool: Queue,
) -> None:
    await claimed_by(spool, LOST, 2)
    await claimed_by(spool, LOST, 1, "transactional")
    await node(spool, LOST, GONE_AFTER_MS + 1000)
    assert await gone(spool) == 3
    assert await spool.ask("SELECT state, doubt_retried, count(*) FROM recipient GROUP BY 1, 2 ORDER BY 1") == [
        ("in_doubt", 0, 2),
        ("queued", 1, 1),
    ]
    assert await gone(spool) == 0


async def test_a_node_that_was_seen_within_15_minutes_may_come_back_to_its_journal(spool: Queue) -> None:
    await claimed_by(spool, LOST, 2)
    await node(spool, LOST, GONE_AFTER_MS - 60_000)
    assert await gone(spool) == 0


async def test_a_node_that_stopped_in_order_has_as_long_to_come_back(spool: Queue) -> None:
    """It says that it is out by being seen in 1970, and its next start reads its journals."""
    await claimed_by(spool, LOST, 2)
    await node(spool, LOST, 60_000)
    await spool.act("UPDATE node SET seen_ms = 0")
    assert await gone(spool) == 0


async def test_a_node_sees_to_its_own_by_its_journal_unless_it_does_not_deliver_any_more(spool: Queue) -> None:
    await claimed_by(spool, 3, 2)
    await node(spool, 3, GONE_AFTER_MS + 1000)
    assert await gone(spool) == 0
    assert await gone(spool, own=None) == 2


async def test_a_node_whose_number_nobody_knows_any_more_is_gone(spool: Queue) -> None:
    await claimed_by(spool, LOST, 1)
    await node(spool, LOST, GONE_AFTER_MS + 1000)
    await spool.act("DELETE FROM node")
    assert await gone(spool) == 1


async def test_a_node_that_comes_back_settles_nothing_that_was_put_in_doubt_meanwhile(spool: Queue) -> None:
    (row,) = await claimed_by(spool, LOST, 1)
    (old,) = await spool.database.read(lambda conn: queue.sending_of(conn, LOST))
    await node(spool, LOST, GONE_AFTER_MS + 1000)
    await gone(spool)
    assert await recovery_of(spool).recover(LOST, Flights(replied={(row.id, 1): OK})) == 0
    late = queue.Settlement(old.id, old.epoch, "delivered", NOW, 1, NOW, "", 250, "", "", NOW, 1, 0, 0)
    assert await spool.database.write(lambda tx: queue.settle(tx, [late])) == set()
    assert await spool.states() == {"in_doubt": 1}


async def test_sweeps_delete_what_is_left_over_and_nothing_else(spool: Queue) -> None:
    uploads = content.Uploads(spool.database, spool.ids, spool.clock)
    old = await uploads.begin()
    await uploads.add(old, 0, b"x")
    keys = [idempotency.new_claim(1, f"key {number}", b"h", NOW - number * DAY_MS) for number in (0, 2)]
    domains = [DestinationRow("old.test", "s", "p", NOW - 1), DestinationRow("new.test", "s", "p", NOW + DAY_MS)]
    for row in (*keys, *domains):
        await spool.database.write(lambda tx, row=row: tx.add(row))  # type: ignore[misc]
    spool.clock.advance(ms=LONGEST_UPLOAD_MS + HOUR_MS)
    young = await uploads.begin()
    await uploads.add(young, 0, b"x")
    sweeps = Sweeps(spool.database, spool.clock)
    done = [await sweeps.uploads(), await sweeps.idempotency_keys(), await sweeps.destinations()]
    assert done == [1, 1, 1]
    assert await spool.ask("SELECT upload_id FROM content_chunk") == [(young,)]
    assert await spool.ask("SELECT key FROM idempotency") == [("key 0",)]
    assert set(await spool.database.read(lambda conn: sites.destinations(conn, ["old.test", "new.test"]))) == {
        "new.test"
    }


async def test_a_chore_that_fails_is_done_again_and_holds_no_other_up() -> None:
    clock, done = ManualClock(), list[str]()
    faults = [ZeroDivisionError("ours"), TryLater("theirs")]

    async def faulty() -> int:
        done.append("faulty")
        if faults:
            raise faults.pop()
        return 1

    async def well() -> int:
        done.append("well")
        return 0

    upkeep = Upkeep([Chore("faulty", 10, faulty), Chore("well", 10, well)], clock, lambda: 0.0)
    running = asyncio.ensure_future(upkeep.run())
    for _ in range(4):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        clock.advance(seconds=10)
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert done.count("faulty") == done.count("well") >= 4
