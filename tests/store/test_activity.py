"""Looking through recipients and events in bounded steps."""

from typing import Any

import pytest
from queue_rows import Queue

from postroom.base.clock import ManualClock
from postroom.events import record
from postroom.ledger.rows import MessageRow, RecipientRow
from postroom.store import activity
from postroom.store.activity import NEWEST, ActivityFilter, FoundEvent, FoundRecipient, Position
from postroom.store.database import Database


@pytest.fixture
def house(database: Database, clock: ManualClock) -> Queue:
    return Queue(database, clock)


async def walk(
    house: Queue,
    asked: ActivityFilter,
    *,
    older: bool = True,
    window: int = 5,
    limit: int = 4,
    events: bool = False,
    workspace_id: int = 1,
) -> list[Any]:
    """Go through a whole search in small steps; check that no step is larger than asked."""
    step_of = activity.events_step if events else activity.recipients_step
    start: Position | None = NEWEST if older else Position(0, 0)
    found: list[Any] = []
    for _ in range(200):
        if start is None:
            return found
        at = start
        step = await house.database.read(
            lambda conn, at=at: step_of(conn, workspace_id, asked, at, older=older, window=window, limit=limit)
        )
        assert len(step.rows) <= limit
        found += step.rows
        start = step.reached
    raise AssertionError("the walk does not end")


async def ids_of(house: Queue, asked: ActivityFilter, **options: Any) -> list[int]:
    rows: list[FoundRecipient] = await walk(house, asked, **options)
    return [row.recipient.id for row in rows]


async def some_mail(house: Queue) -> list[tuple[MessageRow, list[RecipientRow]]]:
    await house.workspace()
    kinds = [
        ("example.net", {"state": "delivered", "provider": "google"}, {"tags": '["welcome"]'}),
        (
            "example.org",
            {"state": "failed", "cause": "mailbox_full"},
            {"subject": "Your ORDER über alles", "stream": "bulk"},
        ),
        ("example.net", {"state": "deferred"}, {"tags": '["welcome","blue"]'}),
        ("example.com", {"state": "delivered"}, {"tags": "[]", "subject": "100%_done"}),
    ]
    made = []
    for _ in range(2):
        for domain, recipient, fields in kinds:
            made.append(await house.message(3, domain=domain, recipient=recipient, **fields))
            house.clock.advance(seconds=1)
    await house.message(2, workspace_id=2, tags='["welcome"]')
    return made


async def test_a_search_finds_what_holds_newest_first_and_nothing_of_other_workspaces(house: Queue) -> None:
    made = await some_mail(house)
    every = [(message, row) for message, rows in made for row in rows]

    def expected(holds: Any) -> list[int]:
        return sorted((row.id for message, row in every if holds(message, row)), reverse=True)

    def tagged(*tags: str) -> Any:
        return lambda m, r: any(f'"{tag}"' in m.tags for tag in tags)

    cases = [
        (ActivityFilter(), lambda m, r: True),
        (ActivityFilter(domains=("example.net",)), lambda m, r: r.domain == "example.net"),
        (ActivityFilter(domains=("example.net", "example.org")), lambda m, r: r.domain != "example.com"),
        (ActivityFilter(states=("deferred",)), lambda m, r: r.state == "deferred"),
        (ActivityFilter(states=("deferred", "failed")), lambda m, r: r.state in ("deferred", "failed")),
        (ActivityFilter(tags=("welcome",)), tagged("welcome")),
        (ActivityFilter(tags=("welcome", "blue")), tagged("welcome", "blue")),
        (ActivityFilter(tags=("blue",), states=("delivered",)), lambda m, r: False),
        (
            ActivityFilter(tags=("welcome",), states=("delivered",)),
            lambda m, r: "welcome" in m.tags and r.state == "delivered",
        ),
        (ActivityFilter(tags=("welcome",), states=("deferred",)), lambda m, r: r.state == "deferred"),
        (ActivityFilter(causes=("mailbox_full",)), lambda m, r: r.cause == "mailbox_full"),
        (ActivityFilter(providers=("google",)), lambda m, r: r.provider == "google"),
        (ActivityFilter(streams=("bulk",)), lambda m, r: m.stream == "bulk"),
        (ActivityFilter(words=("order",)), lambda m, r: "ORDER" in m.subject),
        (ActivityFilter(words=("ÜBER", "alles")), lambda m, r: "ORDER" in m.subject),
        (ActivityFilter(words=("%_d",)), lambda m, r: "%" in m.subject),
        (
            ActivityFilter(domains=("example.net",), states=("delivered",), providers=("google",)),
            lambda m, r: r.domain == "example.net" and r.state == "delivered",
        ),
        (ActivityFilter(recipient_ids=(every[4][1].id,)), lambda m, r: r.id == every[4][1].id),
        (ActivityFilter(message_ids=(every[4][0].id,)), lambda m, r: m.id == every[4][0].id),
        (ActivityFilter(address_keys=(every[4][1].address_key,)), lambda m, r: r.id == every[4][1].id),
        (
            ActivityFilter(least_id=every[5][0].id, before_id=every[20][0].id),
            lambda m, r: every[5][0].id <= r.id < every[20][0].id,
        ),
    ]
    for asked, holds in cases:
        assert await ids_of(house, asked) == expected(holds), asked
        assert await ids_of(house, asked, older=False) == expected(holds)[::-1], asked
        assert await ids_of(house, asked, window=100, limit=100) == expected(holds), asked


async def test_a_page_of_tagged_mail_may_end_inside_a_message(house: Queue) -> None:
    await some_mail(house)
    asked = ActivityFilter(tags=("welcome",))

    first = await house.database.read(
        lambda conn: activity.recipients_step(conn, 1, asked, NEWEST, older=True, window=10, limit=2)
    )
    last: FoundRecipient = first.rows[-1]
    start = await house.database.read(lambda conn: activity.position_of(conn, 1, last.recipient.id))
    rest = await house.database.read(
        lambda conn: activity.recipients_step(conn, 1, asked, start, older=True, window=100, limit=100)
    )

    assert start == first.reached == last.position
    whole = await ids_of(house, asked, window=100, limit=100)
    assert [row.recipient.id for row in (*first.rows, *rest.rows)] == whole


async def test_a_step_examines_its_window_and_tells_how_far_it_came(house: Queue) -> None:
    made = await some_mail(house)
    asked = ActivityFilter(words=("nowhere",))

    step = await house.database.read(
        lambda conn: activity.recipients_step(conn, 1, asked, NEWEST, older=True, window=5, limit=2)
    )

    every = sorted((row.id for _, rows in made for row in rows), reverse=True)
    assert step.rows == []
    assert step.examined == 5
    assert step.reached == Position(every[4], every[4])


async def test_events_are_found_by_kind_address_message_and_what_they_are_about(house: Queue) -> None:
    made = await some_mail(house)
    message, rows = made[2]

    async def kinds_of(asked: ActivityFilter, **options: Any) -> list[tuple[str, int | None]]:
        found: list[FoundEvent] = await walk(house, asked, events=True, **options)
        return [(row.event.kind, row.event.message_id) for row in found]

    newest_first = [("accepted", one.id) for one, _ in made][::-1]
    assert await kinds_of(ActivityFilter()) == newest_first
    assert await kinds_of(ActivityFilter(), older=False) == newest_first[::-1]
    assert await kinds_of(ActivityFilter(kinds=("opened",))) == []
    assert await kinds_of(ActivityFilter(kinds=("accepted", "opened"))) == newest_first
    assert await kinds_of(ActivityFilter(message_ids=(message.id,))) == [("accepted", message.id)]
    assert await kinds_of(ActivityFilter(tags=("blue",))) == [
        ("accepted", one.id) for one, _ in made[::-1] if "blue" in one.tags
    ]
    assert await kinds_of(ActivityFilter(words=("order",))) == [
        ("accepted", one.id) for one, _ in made[::-1] if "ORDER" in one.subject
    ]
    # An accepted event is about a message, not about one of its recipients.
    assert await kinds_of(ActivityFilter(address_keys=(rows[0].address_key,))) == []
    assert await kinds_of(ActivityFilter(states=("deferred",))) == []


async def test_opens_are_found_by_whose_they_are_taken_for(house: Queue) -> None:
    await house.workspace()
    message, (row,) = await house.message(1)
    labels = ("human", "machine", "unknown", "human")
    opens = [
        record.Fetched(
            record.facts_of(message, row), house.ids.next(), 1, False, False,
            {"label": label, "user_agent": 'a "label":"human" liar'},
        )
        for label in labels
    ]  # fmt: skip
    await house.database.write(lambda tx: record.record_opened(tx, opens))

    async def found(*wanted: str) -> list[int]:
        rows: list[FoundEvent] = await walk(house, ActivityFilter(kinds=("opened",), labels=wanted), events=True)
        return [one.event.id for one in rows]

    assert await found("human") == [opens[3].event_id, opens[0].event_id]
    assert await found("machine", "unknown") == [opens[2].event_id, opens[1].event_id]


async def test_ids_of_another_workspace_find_nothing(house: Queue) -> None:
    made = await some_mail(house)
    message, rows = made[0]

    for asked in (ActivityFilter(recipient_ids=(rows[0].id,)), ActivityFilter(message_ids=(message.id,))):
        assert await ids_of(house, asked, workspace_id=2) == []
        assert await walk(house, asked, workspace_id=2, events=True) == []
