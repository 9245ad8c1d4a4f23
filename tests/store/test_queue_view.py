"""The queue by destination, at a bounded cost."""

import pytest
from queue_rows import Queue, ids_of

from postroom.base.clock import ManualClock
from postroom.ledger.states import RecipientState
from postroom.store import queue_view, restorations
from postroom.store.database import Database
from postroom.store.queue_view import Behind


@pytest.fixture
async def queue(database: Database) -> Queue:
    made = Queue(database, ManualClock())
    await made.workspace()
    return made


async def test_destinations_tell_how_much_waits_in_which_state_and_since_when(queue: Queue) -> None:
    _, one = await queue.message(3, domain="a.test")
    _, two = await queue.message(2, domain="a.test", stream="bulk", recipient={"state": "deferred", "due_ms": 7})
    await queue.message(1, domain="b.test", recipient={"state": "held"})
    await queue.message(1, domain="b.test", recipient={"state": "delivered"})
    await queue.message(1, domain="c.test", workspace_id=2)

    found, more = await queue.database.read(lambda conn: queue_view.destinations(conn, 1))

    assert not more
    assert {(row.domain, row.state, row.recipients, row.oldest_id) for row in found if row.domain == "a.test"} == {
        ("a.test", "queued", 3, one[0].id),
        ("a.test", "deferred", 2, two[0].id),
    }
    assert [(row.state, row.recipients) for row in found if row.domain == "b.test"] == [("held", 1)]
    assert all(row.domain != "c.test" for row in found)
    assert next(row.due_ms for row in found if row.state == "deferred") == 7


async def test_of_a_large_queue_the_oldest_are_looked_at(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_view, "MOST_LOOKED_AT", 3)
    await queue.message(2, domain="old.test")
    await queue.message(2, domain="new.test")

    found, more = await queue.database.read(lambda conn: queue_view.destinations(conn, 1))

    assert more
    assert {(row.domain, row.recipients) for row in found} == {("old.test", 2), ("new.test", 1)}


async def test_what_a_restore_held_is_counted_and_found_in_windows(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_view, "WINDOW", 2)
    reason = f"{restorations.REASON}yesterday"
    _, first = await queue.message(1, recipient={"state": "held", "reason": reason})
    await queue.message(3, recipient={"state": "held", "reason": "held by operator"})
    await queue.message(1, recipient={"state": "in_doubt", "reason": reason})
    _, rest = await queue.message(2, recipient={"state": "held", "reason": reason})
    count = queue_view.count_restored

    assert await queue.database.read(lambda conn: count(conn, 1)) == 0
    await queue.database.write(lambda tx: restorations.mark(tx, 1, 7))

    assert await queue.database.read(lambda conn: count(conn, 1)) == 3
    found = await queue.database.read(lambda conn: queue_view.restored(conn, 1, 0, 2))
    behind = await queue.database.read(lambda conn: queue_view.restored(conn, 1, found.after_id or 0, 2))
    assert ids_of(found.rows) + ids_of(behind.rows) == ids_of(first) + ids_of(rest)


async def test_what_waits_for_a_domain_comes_in_the_order_of_its_next_try_over_both_streams(queue: Queue) -> None:
    _, late = await queue.message(2, domain="a.test", recipient={"due_ms": 20})
    _, soon = await queue.message(2, domain="a.test", stream="bulk", recipient={"state": "deferred", "due_ms": 10})
    await queue.message(1, domain="a.test", recipient={"state": "held"})
    await queue.message(1, domain="b.test")

    first = await queue.database.read(lambda conn: queue_view.waiting_for(conn, 1, "a.test", Behind(), 3))
    behind = Behind(first[-1].due_ms, first[-1].id)
    rest = await queue.database.read(lambda conn: queue_view.waiting_for(conn, 1, "a.test", behind, 3))

    assert ids_of(first) + ids_of(rest) == ids_of(soon) + ids_of(late)
    assert await queue.database.read(lambda conn: queue_view.waiting_for(conn, 2, "a.test", Behind(), 3)) == []


async def test_a_state_is_listed_from_the_oldest_page_by_page(queue: Queue) -> None:
    _, rows = await queue.message(3, recipient={"state": "in_doubt"})
    in_doubt = RecipientState.IN_DOUBT
    first = await queue.database.read(lambda conn: queue_view.in_state(conn, 1, in_doubt, None, 0, 2))
    rest = await queue.database.read(lambda conn: queue_view.in_state(conn, 1, in_doubt, None, first.after_id or 0, 2))
    assert (ids_of(first.rows), ids_of(rest.rows), rest.after_id) == (ids_of(rows[:2]), ids_of(rows[2:]), None)


async def test_a_rare_domain_is_found_in_a_state_that_is_full_of_others(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_view, "WINDOW", 2)
    monkeypatch.setattr(queue_view, "WINDOWS", 2)
    _, first = await queue.message(1, domain="rare.test", recipient={"state": "held"})
    await queue.message(6, domain="full.test", recipient={"state": "held"})
    _, last = await queue.message(2, domain="rare.test", recipient={"state": "held"})

    after, found, looks = 0, [], 0
    while True:
        page = await queue.database.read(
            lambda conn, at=after: queue_view.in_state(conn, 1, RecipientState.HELD, "rare.test", at, 2)
        )
        found += ids_of(page.rows)
        looks += 1
        if page.after_id is None:
            break
        assert page.after_id > after
        after = page.after_id

    assert found == ids_of(first) + ids_of(last)
    assert looks < 6


async def test_nodes_that_are_trying_are_told(queue: Queue) -> None:
    await queue.message(2, recipient={"state": "sending", "node": 4})
    await queue.message(1, recipient={"state": "sending", "node": 3})
    assert await queue.database.read(lambda conn: queue_view.sending_nodes(conn, 1)) == {3: 1, 4: 2}
    assert await queue.database.read(lambda conn: queue_view.sending_nodes(conn, 2)) == {}
