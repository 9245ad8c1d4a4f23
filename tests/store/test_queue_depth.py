"""How much waits: counted by state over the workspaces that are asked for, and never without end."""

import pytest
from queue_rows import Queue

from postroom.base.clock import ManualClock
from postroom.store import queue_depth as store
from postroom.store.database import Database


@pytest.fixture
def queue(database: Database, clock: ManualClock) -> Queue:
    return Queue(database, clock)


async def depth(queue: Queue, *workspaces: int) -> dict[str, int]:
    found = await queue.database.read(lambda conn: store.queue_depth(conn, workspaces))
    return {state: count for state, count in found.items() if count}


async def test_what_waits_is_counted_by_state(queue: Queue) -> None:
    await queue.message(3)
    await queue.message(2, recipient={"state": "deferred"})
    await queue.message(4, recipient={"state": "delivered"})
    await queue.message(5, recipient={"state": "in_doubt"}, workspace_id=2)

    assert await depth(queue, 1) == {"queued": 3, "deferred": 2}
    assert await depth(queue, 1, 2) == {"queued": 3, "deferred": 2, "in_doubt": 5}
    assert await depth(queue) == {}


def test_a_count_ends_where_it_would_cost_too_much() -> None:
    assert store.MOST_COUNTED == 100_000
    for asked in (*store._DEPTH.values(), store._OUTBOX, store._HAND_ON):
        assert "LIMIT 100000" in asked.sqlite
        assert "LIMIT 100000" in asked.postgresql


async def test_mail_that_waits_to_be_handed_on_is_counted(queue: Queue) -> None:
    await queue.act(
        "INSERT INTO route_outbox (inbound_id, route_id, workspace_id, target, due_ms) VALUES (1, 2, 1, '', 4)"
    )

    assert await queue.database.read(store.hand_on_depth) == 1


async def test_webhooks_that_wait_are_counted(queue: Queue) -> None:
    await queue.act("INSERT INTO webhook_outbox (endpoint_id, event_id, recipient_id, due_ms) VALUES (1, 2, 3, 4)")

    assert await queue.database.read(store.outbox_depth) == 1
    assert await queue.database.read(store.endpoints_by_state) == {}
