"""Endpoints, their outbox and the log of requests, on both engines."""

import asyncio

import pytest

from postroom.base.clock import DAY_MS, ManualClock
from postroom.base.ids import IdSource, first_id_at
from postroom.events.append import append
from postroom.events.record import Facts, Fetched, record_opened
from postroom.ledger.rows import EventRow, NodeRow, WorkspaceRow
from postroom.ledger.webhook_rows import WebhookAttemptRow, WebhookEndpointRow
from postroom.store import webhook_outbox as outbox
from postroom.store import webhook_replay, webhooks
from postroom.store.database import Database, Tx
from postroom.store.webhook_replay import count_span

WORKSPACE, OTHER = 1, 2
ALIVE_MS = 1 << 45
"""PostgreSQL says by its own clock who is alive."""


@pytest.fixture
def ids(clock: ManualClock) -> IdSource:
    return IdSource(1, clock)


@pytest.fixture(autouse=True)
async def _workspaces(database: Database) -> None:
    def write(tx: Tx) -> None:
        tx.add(WorkspaceRow(WORKSPACE, "one", 0))
        tx.add(WorkspaceRow(OTHER, "two", 0))
        for number in (1, 3, 4, 5):
            tx.add(NodeRow(number, f"folder {number}", "boot", ALIVE_MS, "all"))

    await database.write(write)


def endpoint(endpoint_id: int, *, workspace_id: int = WORKSPACE, **fields: object) -> WebhookEndpointRow:
    row = WebhookEndpointRow(
        endpoint_id, workspace_id, "https://hook.example/", "", "[]", "", 1, "active", "", 0, b"sealed", None, None, 0
    )
    return row._replace(**fields)  # type: ignore[arg-type]


def event(event_id: int, *, workspace_id: int = WORKSPACE, recipient_id: int | None = 7, **fields: object) -> EventRow:
    row = EventRow(event_id, workspace_id, 5, recipient_id, "delivered", event_id, "{}")
    return row._replace(**fields)  # type: ignore[arg-type]


async def make(database: Database, *rows: WebhookEndpointRow) -> None:
    def write(tx: Tx) -> None:
        for row in rows:
            webhooks.create(tx, row)

    await database.write(write)


async def record(database: Database, *events: EventRow, stream: str = "transactional") -> None:
    def write(tx: Tx) -> None:
        for one in events:
            tx.add(one)
            outbox.schedule(tx, one, stream)

    await database.write(write)


async def told(database: Database, endpoint_id: int, now_ms: int = 10**6) -> list[int]:
    due = await database.read(lambda conn: outbox.due(conn, endpoint_id, now_ms, (), 500))
    return [row.event_id for row in due.rows]


async def test_an_endpoint_is_told_what_it_asks_for(database: Database) -> None:
    await make(
        database,
        endpoint(1),
        endpoint(2, kinds='["failed","opened"]'),
        endpoint(3, stream="bulk"),
        endpoint(4, state="paused"),
        endpoint(5, state="disabled"),
        endpoint(6, workspace_id=OTHER),
    )

    await record(database, event(11), event(12, kind="failed"))
    await record(database, event(13, kind="suppression_added", recipient_id=None), stream="")

    assert await told(database, 1) == [11, 12, 13]
    assert await told(database, 2) == [12]
    assert await told(database, 3) == [13]
    assert await told(database, 4) == [11, 12, 13]
    assert await told(database, 5) == []
    assert await told(database, 6) == []


async def test_an_endpoint_hears_of_what_is_recorded_behind_it_in_the_same_group(database: Database) -> None:
    await record(database, event(10))

    def write(tx: Tx) -> None:
        outbox.schedule(tx, event(11), "bulk")
        webhooks.create(tx, endpoint(1))
        outbox.schedule(tx, event(12), "bulk")

    await database.write(write)

    assert await told(database, 1) == [12]


async def test_a_workspace_is_asked_for_its_own_where_there_are_many_endpoints(database: Database) -> None:
    await make(database, *(endpoint(number) for number in range(1, 206)), endpoint(300, workspace_id=OTHER))

    await record(database, event(11), event(12, workspace_id=OTHER))

    assert await told(database, 205) == [11]
    assert await told(database, 300) == [12]


async def test_a_thousand_opens_are_told_and_endpoints_are_read_once_a_group(
    database: Database, ids: IdSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(database, endpoint(1, kinds='["opened"]'), endpoint(2, kinds='["clicked"]'))
    reads: list[int] = []
    real = outbox._read_listeners
    monkeypatch.setattr(outbox, "_read_listeners", lambda tx: reads.append(1) or real(tx))
    facts = [Facts(WORKSPACE, 5, number, "a@b.example", "bulk", "b.example", (), "other") for number in range(1, 1001)]
    opens = [Fetched(fact, ids.next(), 100, True, True, {}) for fact in facts]
    before = database.groups

    await asyncio.gather(
        *(database.write(lambda tx, at=at: record_opened(tx, opens[at : at + 250])) for at in range(0, 1000, 250))
    )

    assert len(reads) <= database.groups - before
    due = await database.read(lambda conn: outbox.due(conn, 1, 10**6, (), 2000))
    assert [row.event_id for row in due.rows] == [one.event_id for one in opens]
    assert await told(database, 2) == []


async def test_an_event_that_is_not_stored_is_told_to_nobody(database: Database) -> None:
    await make(database, endpoint(1))

    def write(tx: Tx) -> None:
        append(tx, event(11), "bulk")
        tx.run(outbox._LISTENERS, (1,))
        raise ValueError("the accept failed")

    with pytest.raises(ValueError, match="the accept failed"):
        await database.write(write)

    assert await told(database, 1) == []


async def test_who_listens_for_commits_is_called_once_something_is_to_be_told(database: Database) -> None:
    calls: list[set[int]] = []
    database.on_commit(outbox.WAKE, calls.append)

    await record(database, event(10))
    await make(database, endpoint(1))
    assert calls == []
    await record(database, event(11))

    await database.read(lambda conn: None)
    assert calls == [{1}]


async def test_an_event_waits_for_the_one_before_of_its_recipient_and_for_no_other(database: Database) -> None:
    await make(database, endpoint(1))
    await record(database, event(11), event(12), event(13, recipient_id=8), event(14, recipient_id=None))
    later = outbox.Waiting(11, 7, 5000, 1, 100)
    await database.write(lambda tx: outbox.retry_later(tx, 1, [later]))

    due = await database.read(lambda conn: outbox.due(conn, 1, 1000, (), 500))

    assert [row.event_id for row in due.rows] == [13, 14]
    assert due.blocked == [(12, 5000)]
    await database.write(lambda tx: outbox.put_off(tx, 1, due.blocked))
    assert await told(database, 1, 1000) == [13, 14]
    assert await told(database, 1, 5000) == [11, 12, 13, 14]


async def test_the_first_event_of_a_recipient_comes_along_where_a_later_one_was_due_before(database: Database) -> None:
    await make(database, endpoint(1))
    await record(database, event(11, at_ms=900), event(12, at_ms=100))

    due = await database.read(lambda conn: outbox.due(conn, 1, 1000, (), 1))

    assert [row.event_id for row in due.rows] == [11, 12]


async def test_recipients_are_passed_over_on_request(database: Database) -> None:
    await make(database, endpoint(1))
    await record(database, *(event(number) for number in range(11, 20)), event(20, recipient_id=8))

    due = await database.read(lambda conn: outbox.due(conn, 1, 1000, (7,), 3))

    assert [row.event_id for row in due.rows] == [20]


async def test_one_node_holds_an_endpoint_until_its_lease_ends(database: Database) -> None:
    await make(database, endpoint(1), endpoint(2, state="paused"))
    await record(database, event(11))

    assert await database.read(lambda conn: outbox.due_endpoints(conn, 3, 100)) == [1]
    first = await database.write(lambda tx: outbox.lease(tx, [1, 2], node=3, now_ms=100, lease_ms=200))
    assert await database.write(lambda tx: outbox.lease(tx, [1], node=4, now_ms=150, lease_ms=300)) == {}
    assert await database.read(lambda conn: outbox.due_endpoints(conn, 4, 150)) == []
    taken = await database.write(lambda tx: outbox.lease(tx, [1], node=4, now_ms=200, lease_ms=300))

    assert taken[1] > first[1]
    assert await database.write(lambda tx: outbox.renew(tx, [(1, first[1]), (2, first[2])], 900)) == {2}
    assert await database.write(lambda tx: outbox.failed(tx, 1, first[1], 210, "HTTP 500")) is None
    await database.write(lambda tx: outbox.release(tx, 1, first[1]))
    assert await database.read(lambda conn: outbox.due_endpoints(conn, 5, 250)) == []
    await database.write(lambda tx: outbox.release(tx, 1, taken[1]))
    assert await database.read(lambda conn: outbox.due_endpoints(conn, 5, 250)) == [1]


async def test_what_a_dead_node_holds_is_free_before_its_lease_ends(database: Database) -> None:
    await make(database, endpoint(1), endpoint(2))
    await record(database, event(11))
    await database.write(lambda tx: tx.add(NodeRow(6, "folder 6", "boot", -1 << 45, "all")))
    dead = await database.write(lambda tx: outbox.lease(tx, [1], node=6, now_ms=100, lease_ms=200))
    gone = await database.write(lambda tx: outbox.lease(tx, [2], node=7, now_ms=100, lease_ms=200))

    assert await database.read(lambda conn: outbox.due_endpoints(conn, 4, 101)) == [1, 2]
    taken = await database.write(lambda tx: outbox.lease(tx, [1, 2], node=4, now_ms=101, lease_ms=300))

    assert set(taken) == {1, 2}
    assert await database.write(lambda tx: outbox.renew(tx, [*dead.items(), *gone.items()], 900)) == set()


async def test_a_renewal_that_comes_after_an_endpoint_was_given_back_holds_it_for_nobody(database: Database) -> None:
    await make(database, endpoint(1))
    await record(database, event(11))
    taken = await database.write(lambda tx: outbox.lease(tx, [1], node=1, now_ms=0, lease_ms=90))
    await database.write(lambda tx: outbox.release(tx, 1, taken[1]))

    assert await database.write(lambda tx: outbox.renew(tx, [(1, taken[1])], 900)) == set()
    assert await database.read(lambda conn: outbox.due_endpoints(conn, 2, 20)) == [1]


async def test_health_tells_what_waits_and_how_the_last_requests_went(database: Database, ids: IdSource) -> None:
    await make(database, endpoint(1))
    epoch = (await database.write(lambda tx: outbox.lease(tx, [1], node=3, now_ms=0, lease_ms=9)))[1]
    first, second = ids.next(), ids.next()
    await record(database, event(first), event(second))
    await database.write(lambda tx: outbox.failed(tx, 1, epoch, 50, "HTTP 500"))
    failing = await database.write(lambda tx: outbox.failed(tx, 1, epoch, 60, "no answer"))
    assert failing == outbox.Failing(2, 50, 0, None)

    (health,) = await database.read(lambda conn: webhooks.healths_of(conn, WORKSPACE))
    assert (health.waiting, health.oldest_waiting_ms) == (2, ManualClock().now_ms())
    assert (health.progress.last_failure_ms, health.progress.last_error) == (60, "no answer")

    await database.write(lambda tx: outbox.succeeded(tx, 1, [first], 70))
    after = await database.read(lambda conn: webhooks.health_of(conn, WORKSPACE, 1))
    assert after is not None
    assert (after.waiting, after.progress.last_success_ms, after.progress.failing_since_ms) == (1, 70, None)


async def test_the_log_is_read_in_pages_and_purged_by_age(
    database: Database, ids: IdSource, clock: ManualClock
) -> None:
    await make(database, endpoint(1), endpoint(2))
    rows = []
    for number in range(6):
        rows.append(
            WebhookAttemptRow(
                ids.next(), WORKSPACE, 1 + number % 2, clock.now_ms(), 12, number % 3 == 0, 200, "", 0, 0, "evt_a", 1,
                "[1]", "{}", "{}", "ok",
            )
        )  # fmt: skip
        clock.advance(days=1)

    def write(tx: Tx) -> None:
        for row in rows:
            tx.add(row)

    await database.write(write)
    newest = [row.id for row in reversed(rows)]
    top = 1 << 62

    page = await database.read(lambda conn: webhooks.attempts(conn, WORKSPACE, None, top, 4))
    rest = await database.read(lambda conn: webhooks.attempts(conn, WORKSPACE, None, page[-1].id, 4))
    assert [line.id for line in page + rest] == newest
    failed = await database.read(lambda conn: webhooks.attempts(conn, WORKSPACE, 2, top, 9, failed=True))
    assert [line.id for line in failed] == [rows[5].id, rows[1].id]
    assert await database.read(lambda conn: webhooks.attempt_by_id(conn, WORKSPACE, rows[2].id)) == rows[2]

    before = first_id_at(clock.now_ms() - 3 * DAY_MS)
    assert await database.write(lambda tx: webhooks.purge_attempts(tx, before, 2)) == 2
    assert await database.write(lambda tx: webhooks.purge_attempts(tx, before, 2)) == 1
    assert await database.write(lambda tx: webhooks.purge_attempts(tx, before, 2)) == 0


async def test_nothing_of_another_workspace_is_seen_or_changed(database: Database, ids: IdSource) -> None:
    await make(database, endpoint(1))
    await record(database, event(11))
    mine = endpoint(1, workspace_id=OTHER, url="https://evil.example/")

    assert await database.read(lambda conn: webhooks.endpoint_by_id(conn, OTHER, 1)) is None
    assert await database.read(lambda conn: webhooks.health_of(conn, OTHER, 1)) is None
    assert await database.read(lambda conn: webhooks.healths_of(conn, OTHER)) == []
    assert await database.read(lambda conn: outbox.existing_events(conn, OTHER, [11])) == []
    assert await database.read(lambda conn: outbox.past_events(conn, OTHER, 0, 100, 9)) == []
    assert not await database.write(lambda tx: webhooks.update(tx, mine))
    assert not await database.write(lambda tx: webhooks.set_secrets(tx, mine))
    assert not await database.write(lambda tx: webhooks.delete(tx, OTHER, 1))


async def test_events_are_told_again_once_each(database: Database) -> None:
    await make(database, endpoint(1))
    await record(database, event(11), event(12))
    await database.write(lambda tx: outbox.succeeded(tx, 1, [11], 50))
    await database.write(lambda tx: outbox.retry_later(tx, 1, [outbox.Waiting(12, 7, 10**9, 3, 40)]))

    again = await database.read(lambda conn: outbox.existing_events(conn, WORKSPACE, [12, 11, 99]))
    assert again == [(11, 7), (12, 7)]
    await database.write(lambda tx: outbox.tell_again(tx, 1, again, 60))

    assert await told(database, 1, 100) == [11, 12]
    past = await database.read(lambda conn: outbox.past_events(conn, WORKSPACE, 11, 100, 9))
    assert past == [outbox.PastEvent(12, 7, "delivered", "")]


async def test_what_waits_is_made_due_on_resume_in_slices(database: Database) -> None:
    await make(database, endpoint(1))
    await record(database, *(event(number, recipient_id=number) for number in range(11, 16)))
    rows = [outbox.Waiting(number, number, 10**6 + number, 1, 5) for number in range(11, 16)]
    await database.write(lambda tx: outbox.retry_later(tx, 1, rows))

    assert await database.write(lambda tx: outbox.hasten(tx, 1, 100, 3)) == 3
    assert await told(database, 1, 100) == [11, 12, 13]
    assert await database.write(lambda tx: outbox.hasten(tx, 1, 100, 3)) == 2


async def test_the_outbox_of_a_deleted_or_disabled_endpoint_is_found_and_dropped(database: Database) -> None:
    await make(database, endpoint(1), endpoint(2), endpoint(3))
    await record(database, event(11), event(12))
    assert await database.write(lambda tx: webhooks.delete(tx, WORKSPACE, 1))
    assert await database.write(lambda tx: webhooks.set_state(tx, 3, "active", "disabled", "410", 5))

    assert await database.read(lambda conn: outbox.without_listener(conn, 10)) == [1, 3]
    assert await database.write(lambda tx: outbox.drop(tx, 1, 1)) == 1
    assert await database.write(lambda tx: outbox.drop(tx, 1, 5)) == 1
    assert await database.read(lambda conn: outbox.without_listener(conn, 10)) == [3]


async def test_a_span_is_counted_by_kind_and_not_beyond_its_bound(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await record(database, event(11), event(12, kind="failed"), event(13, kind="opened"), event(14))
    await record(database, event(15, workspace_id=OTHER))

    async def count(after_id: int, before_id: int, *kinds: str) -> tuple[int, bool]:
        return await database.read(lambda conn: tuple(count_span(conn, WORKSPACE, after_id, before_id, kinds)))

    assert await count(10, 16) == (4, True)
    assert await count(11, 14) == (2, True)
    assert await count(10, 16, "failed", "opened") == (2, True)
    assert await count(10, 16, "held") == (0, True)
    monkeypatch.setattr(webhook_replay, "MOST_LOOKED_AT", 2)
    assert await count(10, 16) == (2, False)
    assert await count(10, 16, "failed") == (1, False)
