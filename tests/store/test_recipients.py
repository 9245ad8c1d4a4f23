"""Looking messages, recipients and events up, the depth of the queue, and moves with their events and counters."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from postroom.base.clock import HOUR_MS, ManualClock
from postroom.base.ids import IdSource
from postroom.events import record
from postroom.events.moves import Move, Moved, move_selected
from postroom.ledger.outcomes import Outcome, OutcomeKind
from postroom.ledger.rows import DestinationRow, LaneRow, MessageRow, RecipientRow
from postroom.mail.bounce_rules import Judged
from postroom.mail.reasons import Reason
from postroom.mail.smtp_reply import SmtpReply
from postroom.store import events, messages, recipients, stats
from postroom.store.database import Database
from postroom.store.messages import MessageFilter
from postroom.store.queue import lane_id
from postroom.store.recipients import RecipientFilter

OK = Outcome(OutcomeKind.DELIVERED, SmtpReply(250, "2.0.0", "taken"), next_hop="mx.example.net [192.0.2.1]:25")
NO = Outcome(OutcomeKind.FAILED, SmtpReply(550, "5.1.1", "unknown"), next_hop="mx.example.net [192.0.2.1]:25")


class House:
    """Writes messages with recipients in whatever state."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database = database
        self.clock = clock
        self.ids = IdSource(1, clock)

    async def message(
        self, *states: str, workspace_id: int = 1, tags: str = "[]", stream: str = "transactional", **fields: Any
    ) -> tuple[MessageRow, list[RecipientRow]]:
        now = self.clock.now_ms()
        message = MessageRow(
            id=self.ids.next(), workspace_id=workspace_id, content_key=b"k", kind="shared", stream=stream,
            source="http", reverse_path="ada@example.com", author_address="ada@example.com",
            author_domain="example.com", domain_id=None, subject="Hello", message_id="<1@example.com>", tags=tags,
            metadata="{}", track=3, token_key_id=0, return_path_host="rp", tracking_url="http://go", smtputf8=0,
            ret="", envid="", size_bytes=1, send_at_ms=None, created_ms=now,
        )  # fmt: skip
        lane = LaneRow(lane_id(workspace_id, stream, "example.net"), workspace_id, stream, "example.net")
        rows = [
            RecipientRow(
                id=self.ids.next(), workspace_id=workspace_id, message_id=message.id, lane_id=lane.id,
                address=f"Bob{number}@example.net", address_key=f"bob{number}@example.net", domain="example.net",
                state=state, due_ms=now, provider="google", notify=2, original="", merge="", **fields,
            )
            for number, state in enumerate(states)
        ]  # fmt: skip
        event_id = self.ids.next()

        def write(tx: Any) -> None:
            messages.add(tx, message)
            tx.add(lane)
            for row in rows:
                tx.add(row)
            record.record_accepted(tx, message, [row.provider for row in rows], event_id)

        await self.database.write(write)
        return message, rows

    async def move(self, move: Move, asked: RecipientFilter, workspace_id: int = 1) -> Moved:
        return await move_selected(self.database, self.ids, self.clock, workspace_id, move, asked, "api")

    async def row(self, recipient_id: int) -> RecipientRow:
        found = await self.database.read(lambda conn: recipients.recipient_by_id(conn, 1, recipient_id))
        assert found is not None
        return found

    async def counters(self, dimension: str = "total", key: str = "") -> dict[str, int]:
        last = self.clock.now_ms() // HOUR_MS + 1
        rows = await self.database.read(
            lambda conn: stats.series(conn, 1, dimension, 0, last, None, limit=10, offset=0)
        )
        amounts = next((row.amounts for row in rows if row.key == key), {})
        return {name: amount for name, amount in amounts.items() if amount}


async def test_messages_are_found_by_each_condition(database: Database, clock: ManualClock) -> None:
    house = House(database, clock)
    old, _ = await house.message("delivered", tags='["a\\"b","Welcome"]')
    clock.advance(hours=1)
    new, _ = await house.message("queued", "failed", stream="bulk")

    async def found(**asked: Any) -> list[int]:
        rows = await database.read(lambda conn: messages.page(conn, 1, MessageFilter(**asked), 10))
        return [row.id for row in rows]

    assert await found() == [new.id, old.id]
    assert await found(tag="Welcome") == await found(tag='a"b') == [old.id]
    assert await found(tag="welcome") == await found(tag="b") == await found(tag='","') == []
    assert await found(stream="bulk") == await found(state="failed") == [new.id]
    assert await found(state="deferred") == []
    assert await found(before_id=new.id) == [old.id]
    assert await found(least_id=new.id) == [new.id]
    assert await found(message_id="<1@example.com>") == [new.id, old.id]
    states = await database.read(lambda conn: messages.states_of(conn, 1, [new.id, old.id]))
    assert states == {new.id: {"queued": 1, "failed": 1}, old.id: {"delivered": 1}}


async def test_recipients_are_found_by_each_condition(database: Database, clock: ManualClock) -> None:
    house = House(database, clock)
    message, rows = await house.message("queued", "failed", tags='["x"]')
    _, (other,) = await house.message("held", stream="bulk")

    async def found(**asked: Any) -> list[int]:
        page = await database.read(lambda conn: recipients.page(conn, 1, RecipientFilter(**asked), 10))
        return [row.id for row in page]

    first, second = rows
    assert await found() == [other.id, second.id, first.id]
    assert await found(states=("failed", "held")) == [other.id, second.id]
    assert await found(address_key="bob1@example.net") == [second.id]
    assert await found(domain="example.net", stream="bulk") == [other.id]
    assert await found(message_id=message.id) == await found(tag="x") == [second.id, first.id]
    assert await found(ids=(first.id,)) == await found(before_id=second.id) == [first.id]
    assert await found(provider="microsoft") == []
    page = await database.read(lambda conn: recipients.of_message(conn, 1, message.id, first.id, 10))
    assert [row.id for row in page] == [second.id]


async def test_no_read_answers_with_rows_of_another_workspace(database: Database, clock: ManualClock) -> None:
    house = House(database, clock)
    message, (recipient,) = await house.message("queued")

    def read(conn: Any) -> list[object]:
        return [
            messages.message_by_id(conn, 2, message.id),
            messages.page(conn, 2, MessageFilter(), 10),
            messages.states_of(conn, 2, [message.id])[message.id],
            recipients.recipient_by_id(conn, 2, recipient.id),
            recipients.of_message(conn, 2, message.id, 0, 10),
            recipients.page(conn, 2, RecipientFilter(), 10),
            recipients.ids_of(conn, 2, RecipientFilter(ids=(recipient.id,)), 10),
            recipients.depth(conn, 2, limit=10),
            events.feed(conn, 2, 0, 10),
            events.of_message(conn, 2, message.id, 0, 10),
            events.of_recipient(conn, 2, recipient.id, 0, 10),
            stats.series(conn, 2, "total", 0, 1 << 40, 1, limit=10, offset=0),
        ]

    assert not any(await database.read(read))
    for move in Move:
        assert await house.move(move, RecipientFilter(ids=(recipient.id,)), workspace_id=2) == Moved(0, more=False)


async def test_the_depth_of_the_queue_is_told_by_lane_and_state(database: Database, clock: ManualClock) -> None:
    house = House(database, clock)
    _, rows = await house.message("queued", "queued", "deferred", "delivered")
    await database.write(lambda tx: tx.add(DestinationRow("example.net", "google", "google", 0)))
    lines = await database.read(lambda conn: recipients.depth(conn, 1, limit=10))
    assert [(line.domain, line.stream, line.site, line.state, line.recipients) for line in lines] == [
        ("example.net", "transactional", "google", "queued", 2),
        ("example.net", "transactional", "google", "deferred", 1),
    ]
    assert lines[0].oldest_id == rows[0].id


async def test_hold_and_release_bring_a_recipient_back_with_an_event_each(
    database: Database, clock: ManualClock
) -> None:
    house = House(database, clock)
    _, (recipient,) = await house.message("queued")
    assert await house.move(Move.HOLD, RecipientFilter()) == Moved(1, more=False)
    held = await house.row(recipient.id)
    assert (held.state, held.reason, held.epoch) == ("held", "held by api", 1)
    assert await house.move(Move.RELEASE, RecipientFilter()) == Moved(1, more=False)
    assert (await house.row(recipient.id)).state == "queued"
    told = await database.read(lambda conn: events.of_recipient(conn, 1, recipient.id, 0, 10))
    assert [(event.kind, event.detail) for event in told] == [
        ("held", '{"from":"queued","by":"api"}'),
        ("released", '{"from":"held","by":"api"}'),
    ]


async def test_only_moves_of_the_ledger_are_made(database: Database, clock: ManualClock) -> None:
    house = House(database, clock)
    states = ("queued", "held", "sending", "deferred", "delivered", "failed", "suppressed", "cancelled", "in_doubt")
    expected = {
        Move.HOLD: {"queued", "deferred"},
        Move.RELEASE: {"held"},
        Move.CANCEL: {"queued", "held", "deferred", "in_doubt"},
        Move.RETRY: {"deferred", "failed", "in_doubt"},
    }
    for move, movable in expected.items():
        message, rows = await house.message(*states)
        moved = await house.move(move, RecipientFilter(message_id=message.id))
        after = {row.state: (await house.row(row.id)).state for row in rows}
        assert moved.recipients == len(movable)
        assert {before for before, now in after.items() if now != before} == movable


@pytest.mark.parametrize("wide", [RecipientFilter(), RecipientFilter(domain="example.net"), RecipientFilter(tag="a")])
async def test_a_wide_retry_wakes_no_failures_and_no_doubts(
    database: Database, clock: ManualClock, wide: RecipientFilter
) -> None:
    """`queue retry --all` after an outage sent the failures of a year once more."""
    house = House(database, clock)
    _, rows = await house.message("deferred", "failed", "in_doubt")
    await house.move(Move.RETRY, wide)
    states = [(await house.row(row.id)).state for row in rows]
    assert states[1:] == ["failed", "in_doubt"]
    await house.move(Move.RETRY, replace(wide, states=("failed",)))
    await house.move(Move.RETRY, RecipientFilter(ids=(rows[2].id,)))
    assert (await house.row(rows[2].id)).state == "queued"


async def test_a_selection_by_state_moves_no_other_state(database: Database, clock: ManualClock) -> None:
    house = House(database, clock)
    _, rows = await house.message("deferred", "failed", "sending")
    assert (await house.move(Move.RETRY, RecipientFilter(states=("failed", "sending")))).recipients == 1
    assert [(await house.row(row.id)).state for row in rows] == ["deferred", "queued", "sending"]


async def test_a_retried_failure_begins_its_schedule_anew_and_is_no_failure_any_more(
    database: Database, clock: ManualClock
) -> None:
    house = House(database, clock)
    now = clock.now_ms()
    fields = {"tries": 9, "first_tried_ms": now, "settled_ms": now, "cause": "no_such_user"}
    message, (recipient,) = await house.message("failed", **fields)
    facts = record.facts_of(message, recipient)
    event_id = house.ids.next()
    await database.write(lambda tx: record.record_failed(tx, facts, event_id, now, NO, 9, Judged(Reason.NO_SUCH_USER)))
    for dimension, key in (("total", ""), ("reason", "no_such_user"), ("provider_reason", "google no_such_user")):
        assert (await house.counters(dimension, key))["failed"] == 1
    clock.advance(hours=30)
    await house.move(Move.RETRY, RecipientFilter(ids=(recipient.id,)))
    row = await house.row(recipient.id)
    assert (row.state, row.tries, row.first_tried_ms, row.settled_ms) == ("queued", 0, None, None)
    assert row.due_ms == clock.now_ms()
    assert row.cause == ""
    assert await house.counters() == {"outbound": 1}
    assert await house.counters("reason", "no_such_user") == {}


async def test_thousand_recipients_move_in_pages_without_a_double_event(database: Database, clock: ManualClock) -> None:
    house = House(database, clock)
    for _ in range(2):
        await house.message(*["queued"] * 225)
    moved = await asyncio.gather(*(house.move(Move.CANCEL, RecipientFilter()) for _ in range(3)))
    assert sum(one.recipients for one in moved) == 450
    told = await database.read(lambda conn: events.feed(conn, 1, 0, 1000, "cancelled"))
    assert len({event.recipient_id for event in told}) == len(told) == 450


async def test_a_bounce_moves_one_from_sent_to_failed_in_their_own_hours(
    database: Database, clock: ManualClock
) -> None:
    house = House(database, clock)
    message, (recipient,) = await house.message("delivered", tags='["t","t","u"]')
    facts = record.facts_of(message, recipient)
    sent_ms = clock.now_ms()
    ids = [house.ids.next() for _ in range(4)]
    await database.write(lambda tx: record.record_delivered(tx, facts, ids[0], sent_ms, OK, 1))
    first = {"outbound": 1, "sent": 1}
    for dimension, key in (
        ("total", ""),
        ("domain", "example.com"),
        ("tag", "t"),
        ("tag", "u"),
        ("provider", "google"),
    ):
        assert await house.counters(dimension, key) == first
    clock.advance(hours=2)
    hour = record.hour_of(sent_ms)
    bounced_ms = clock.now_ms()
    full = Reason.MAILBOX_FULL
    await database.write(lambda tx: record.record_bounced(tx, facts, ids[1], bounced_ms, full, {}, sent_hour=hour))
    rows = await database.read(lambda conn: stats.series(conn, 1, "total", hour, hour + 3, 1, limit=10, offset=0))
    assert [(row.hour, row.amounts["sent"], row.amounts["failed"]) for row in rows] == [(hour, 0, 0), (hour + 2, 0, 1)]


async def test_opens_and_clicks_count_total_unique_and_human(database: Database, clock: ManualClock) -> None:
    house = House(database, clock)
    message, (recipient,) = await house.message("delivered")
    facts = record.facts_of(message, recipient)
    now = clock.now_ms()
    ids = [house.ids.next() for _ in range(4)]

    def write(tx: Any) -> None:
        opens = [
            record.Fetched(facts, ids[0], now, True, False, {"label": "machine"}),
            record.Fetched(facts, ids[1], now, False, True, {"label": "human"}),
        ]
        record.record_opened(tx, opens)
        record.record_clicked(tx, [record.Fetched(facts, ids[2], now, True, True, {"label": "human"})])
        record.record_unsubscribed(tx, facts, ids[3], now, "one_click", {}, first=True)

    await database.write(write)
    assert await house.counters() == {
        "outbound": 1, "opens_total": 2, "opens_unique": 1, "opens_human": 1,
        "clicks_total": 1, "clicks_unique": 1, "clicks_human": 1, "unsubscribes": 1,
    }  # fmt: skip


async def test_series_by_day_begin_at_midnight_utc_and_pages_follow_one_another(
    database: Database, clock: ManualClock
) -> None:
    house = House(database, clock)
    for _ in range(3):
        await house.message("queued")
        clock.advance(hours=20)
    first = 1_767_225_600_000 // HOUR_MS

    def read(conn: Any) -> list[tuple[int, int]]:
        pages = [stats.series(conn, 1, "total", first, first + 72, 24, limit=1, offset=at) for at in range(4)]
        return [(row.hour - first, row.amounts["outbound"]) for page in pages for row in page]

    assert await database.read(read) == [(0, 2), (24, 1)]
