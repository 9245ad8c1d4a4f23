"""The queue: lanes, claims, leases and settlements, on both engines."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from queue_rows import NOW, Queue, ids_of

from postroom.base.clock import ManualClock
from postroom.ledger.claimed import Claimed
from postroom.ledger.rows import RecipientRow
from postroom.store import queue
from postroom.store.database import Database, open_database
from postroom.store.queue import DueLane, Settlement, lane_id

LEASE = NOW + 300_000


@pytest.fixture
def spool(database: Database, clock: ManualClock) -> Queue:
    return Queue(database, clock)


async def claim(spool: Queue, lane: int, limit: int = 10, *, node: int = 3, now_ms: int = NOW) -> list[Claimed]:
    return await spool.database.write(
        lambda tx: queue.claim(tx, lane, limit=limit, node=node, now_ms=now_ms, lease_ms=LEASE)
    )


def settlement(one: Claimed | RecipientRow, state: str = "delivered", **fields: object) -> Settlement:
    given = Settlement(one.id, one.epoch, state, NOW + 5, 1, NOW, "250 ok", 250, "2.0.0", "mx", NOW, 7, 0, 0)
    return given._replace(**fields)


async def test_lanes_with_waiting_mail_are_listed_with_their_first_due_time(spool: Queue) -> None:
    _, now = await spool.message(2, domain="a.test")
    await spool.message(1, domain="b.test", recipient={"due_ms": NOW + 90, "state": "deferred"})
    await spool.message(1, domain="b.test", recipient={"due_ms": NOW + 50})
    await spool.message(1, domain="c.test", recipient={"state": "delivered"})
    await spool.message(1, domain="a.test", stream="bulk", recipient={"state": "held"})
    found = await spool.database.read(queue.waiting_lanes)
    expected = [
        DueLane(lane_id(1, "transactional", domain), 1, "transactional", domain, due)
        for domain, due in (("a.test", now[0].due_ms), ("b.test", NOW + 50))
    ]
    assert found == sorted(expected)


async def test_a_long_list_of_lanes_is_read_in_pages(spool: Queue) -> None:
    for number in range(7):
        await spool.message(2, domain=f"d{number}.test")
    whole = await spool.database.read(queue.waiting_lanes)
    first = await spool.database.read(lambda conn: queue.waiting_lanes(conn, limit=4))
    rest = await spool.database.read(lambda conn: queue.waiting_lanes(conn, after=first[-1].id, limit=4))
    assert (first + rest, len(first), len(whole)) == (whole, 4, 7)


async def test_listing_lanes_reads_the_index_of_what_waits_and_not_the_ledger(spool: Queue) -> None:
    """On PostgreSQL too, where a table this small would always be read as a whole unless told otherwise."""
    text = queue._WAITING_LANES
    if spool.database.engine == "sqlite":
        plan = await spool.ask("EXPLAIN QUERY PLAN " + text.sqlite.replace("?", "1"))
        steps = [row[3] for row in plan if " r " in row[3] + " "]
        assert steps
        assert all("recipient_queue" in step for step in steps)
        return
    await spool.message(1)

    def explain(tx: object) -> list[tuple[str]]:
        run = tx.run  # type: ignore[attr-defined]
        run(queue.statement("SET LOCAL enable_seqscan = off"))
        sql = text.postgresql.replace("$1", "1").replace("$2", "10")
        return run(queue.statement("EXPLAIN " + sql))  # type: ignore[no-any-return]

    told = "\n".join(row[0] for row in await spool.database.write(explain))
    assert told.count("recipient_queue") >= 2
    assert "Seq Scan on recipient" not in told


async def test_a_claim_takes_due_mail_oldest_first_and_raises_the_epoch(spool: Queue) -> None:
    _, rows = await spool.message(3)
    await spool.act("UPDATE recipient SET due_ms = ? WHERE id = ?", NOW - 1, rows[2].id)
    await spool.act("UPDATE recipient SET due_ms = ? WHERE id = ?", NOW + 1, rows[0].id)
    got = await claim(spool, rows[0].lane_id, 2)
    assert ids_of(got) == ids_of(rows[1:])
    assert {one.epoch for one in got} == {1}
    kept = await spool.ask("SELECT id, state, node, lease_ms, epoch FROM recipient ORDER BY id")
    assert kept == [
        (rows[0].id, "queued", None, None, 0),
        (rows[1].id, "sending", 3, LEASE, 1),
        (rows[2].id, "sending", 3, LEASE, 1),
    ]


async def test_a_claim_never_takes_more_than_asked_for_nor_what_is_claimed(spool: Queue) -> None:
    _, rows = await spool.message(50)
    lane = rows[0].lane_id
    assert [len(await claim(spool, lane, 20)) for _ in range(4)] == [20, 20, 10, 0]


@pytest.mark.parametrize("state", ["held", "sending", "delivered", "failed", "suppressed", "cancelled", "in_doubt"])
async def test_only_waiting_mail_is_claimed(spool: Queue, state: str) -> None:
    _, rows = await spool.message(1, recipient={"state": state})
    assert await claim(spool, rows[0].lane_id) == []


async def test_settling_many_writes_every_column_and_ends_the_claims(spool: Queue) -> None:
    _, rows = await spool.message(80)
    got = await claim(spool, rows[0].lane_id, 80)
    wanted = [settlement(one, "deferred" if number % 2 else "delivered") for number, one in enumerate(got)]
    assert await spool.database.write(lambda tx: queue.settle(tx, wanted)) == set(ids_of(got))
    columns = ", ".join(Settlement._fields)
    assert await spool.ask(f"SELECT {columns} FROM recipient ORDER BY id") == [tuple(one) for one in wanted]
    assert await spool.ask("SELECT count(*) FROM recipient WHERE node IS NOT NULL OR lease_ms IS NOT NULL") == [(0,)]


async def test_a_lost_epoch_settles_nothing(spool: Queue) -> None:
    _, rows = await spool.message(2)
    old, other = await claim(spool, rows[0].lane_id)
    await spool.act("UPDATE recipient SET epoch = 2 WHERE id = ?", old.id)
    ours = await spool.database.write(lambda tx: queue.settle(tx, [settlement(old), settlement(other)]))
    assert ours == {other.id}
    assert await spool.states() == {"sending": 1, "delivered": 1}


async def test_what_is_settled_once_is_not_settled_again(spool: Queue) -> None:
    _, rows = await spool.message(1)
    (got,) = await claim(spool, rows[0].lane_id)
    for expected in ({got.id}, set()):
        assert await spool.database.write(lambda tx: queue.settle(tx, [settlement(got)])) == expected
    assert await spool.database.write(lambda tx: queue.settle(tx, [])) == set()


async def test_a_lease_is_renewed_for_its_holder_only(spool: Queue) -> None:
    _, rows = await spool.message(3)
    lane = rows[0].lane_id
    (mine,) = await claim(spool, lane, 1)
    (other,) = await claim(spool, lane, 1, node=4)
    held = await spool.database.write(
        lambda tx: queue.renew(tx, [mine.id, other.id, rows[2].id], node=3, lease_ms=LEASE + 1)
    )
    assert held == [(mine.id, 1)]
    assert await spool.ask("SELECT lease_ms FROM recipient WHERE state = 'sending' ORDER BY id") == [
        (LEASE + 1,),
        (LEASE,),
    ]


async def test_what_a_node_has_in_flight_is_found_in_pages_by_lease_and_by_id(spool: Queue) -> None:
    _, rows = await spool.message(5)
    got = await claim(spool, rows[0].lane_id, 4)
    await claim(spool, rows[0].lane_id, 1, node=4)
    read = spool.database.read
    assert await read(lambda conn: queue.sending_of(conn, 3)) == got
    assert await read(lambda conn: queue.sending_of(conn, 3, after=got[1].id, limit=1)) == [got[2]]
    assert await read(lambda conn: queue.sending_of(conn, 3, leased_before_ms=LEASE)) == []
    assert await read(lambda conn: queue.sending_of(conn, 3, leased_before_ms=LEASE + 1)) == got
    assert await read(lambda conn: queue.sending_keys(conn, 3)) == {(one.id, 1) for one in got}
    assert await read(lambda conn: queue.sending_among(conn, 3, [got[0].id, rows[4].id])) == [got[0]]
    assert await read(lambda conn: queue.nodes_with_old_leases(conn, LEASE)) == set()
    assert await read(lambda conn: queue.nodes_with_old_leases(conn, LEASE + 1)) == {3, 4}


@pytest.fixture
async def nodes(postgresql_url: str, clock: ManualClock) -> AsyncIterator[list[Queue]]:
    """Four nodes on one PostgreSQL."""
    opened = [await open_database(postgresql_url, node=number, clock=clock) for number in range(4)]
    yield [Queue(one, clock, number) for number, one in enumerate(opened)]
    for one in opened:
        await one.close()


async def test_nodes_that_claim_at_the_same_time_share_without_waiting_and_without_a_double(nodes: list[Queue]) -> None:
    _, rows = await nodes[0].message(400)
    lane = rows[0].lane_id

    async def work(node: Queue) -> list[Claimed]:
        mine: list[Claimed] = []
        while got := await claim(node, lane, 7, node=node.ids.node):
            mine += got
            ours = await node.database.write(lambda tx: queue.settle(tx, [settlement(one) for one in got]))
            assert ours == {one.id for one in got}
        return mine

    shares = await asyncio.gather(*(work(node) for node in nodes))
    counted = Counter(one.id for share in shares for one in share)
    assert counted == Counter(ids_of(rows))
    assert await nodes[0].states() == {"delivered": 400}


async def test_a_claim_passes_over_what_another_transaction_holds(nodes: list[Queue]) -> None:
    _, rows = await nodes[0].message(4)
    held = asyncio.get_running_loop().create_future()
    go_on = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(tx: object) -> None:
        tx.run(queue.statement("SELECT id FROM recipient WHERE id = ? FOR UPDATE"), (rows[0].id,))  # type: ignore[attr-defined]
        loop.call_soon_threadsafe(held.set_result, None)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(30)

    holding = asyncio.ensure_future(nodes[0].database.write(hold))
    await held
    assert ids_of(await claim(nodes[1], rows[0].lane_id, 2)) == ids_of(rows[1:3])
    go_on.set()
    await holding
