"""Hits in the database: stored once, with event, first times and counters, on both engines."""

import json

from bench.tracked_mail import LINKS, WORKSPACE_ID, add_mail, add_workspace
from postroom.base.clock import ManualClock
from postroom.base.ids import show_id
from postroom.events.unsubscribing import UNDO_MS, By, subscription, undo, unsubscribe
from postroom.ledger.rows import SandboxShowingRow
from postroom.outbound.submission import Track
from postroom.store import hits as store
from postroom.store.database import Conn, Database, statement
from postroom.tracking.hit import Hit, HitKind
from postroom.tracking.ingest import record_hits

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"
NOON = 1_767_268_800_000
HOUR = 3_600_000
MINUTE = 60_000

_HITS = statement("SELECT id, kind, position, address, label, evidence, workspace_id FROM hit ORDER BY id")
_EVENTS = statement("SELECT kind, detail FROM event ORDER BY id")
_RECIPIENT = statement(
    "SELECT opened_ms, human_opened_ms, clicked_ms, human_clicked_ms, unsubscribed_ms FROM recipient WHERE id = ?"
)
_COUNTED = statement(
    "SELECT dimension, key, hour, SUM(opens_total), SUM(opens_unique), SUM(opens_human), SUM(clicks_total), "
    "SUM(clicks_unique), SUM(clicks_human), SUM(unsubscribes) FROM counter GROUP BY dimension, key, hour"
)


def hit(number: int, *, kind: HitKind = HitKind.OPEN, recipient: int = 1, at_ms: int = NOON, **more: object) -> Hit:
    values: dict[str, object] = {
        "position": 0,
        "host_workspace_id": 0,
        "method": "GET",
        "address": "192.0.2.7",
        "user_agent": CHROME,
        "fields": {},
        "target": "",
    }
    return Hit(id=number, kind=kind, recipient_id=recipient, at_ms=at_ms, **(values | more))  # type: ignore[arg-type]


def click(number: int, position: int, **more: object) -> Hit:
    return hit(number, kind=HitKind.CLICK, position=position, target=LINKS[position], **more)  # type: ignore[arg-type]


async def record(database: Database, *hits: Hit) -> int:
    event_ids = [1_000_000 + one.id for one in hits]
    return await database.write(lambda tx: record_hits(tx, hits, event_ids))


async def rows(database: Database, what: object = _HITS, *parameters: object) -> list[tuple[object, ...]]:
    def read(conn: Conn) -> list[tuple[object, ...]]:
        return [tuple(row) for row in conn.all(what, parameters)]  # type: ignore[arg-type]

    return await database.read(read)


async def counted(database: Database, dimension: str = "total", key: str = "") -> tuple[int, ...]:
    found = [row for row in await rows(database, _COUNTED) if row[:2] == (dimension, key)]
    return tuple(sum(int(str(row[column])) for row in found) for column in range(3, 10))


async def filled(database: Database, **mail: object) -> None:
    await add_workspace(database)
    await add_mail(database, [1, 2, 3], **({"delivered_ms": NOON - HOUR} | mail))  # type: ignore[arg-type]


async def test_an_open_brings_a_hit_an_event_a_first_time_and_counts_in_every_dimension(database: Database) -> None:
    await filled(database)

    assert await record(database, hit(1)) == 1

    assert [row[:5] for row in await rows(database)] == [(1, "open", 0, "192.0.2.7", "human")]
    assert [row[0] for row in await rows(database, _EVENTS)] == ["opened"]
    assert (await rows(database, _RECIPIENT, 1))[0] == (NOON, NOON, None, None, None)
    for dimension, key in (("total", ""), ("domain", "sender.test"), ("stream", "bulk"), ("tag", "spring")):
        assert await counted(database, dimension, key) == (1, 1, 1, 0, 0, 0, 0)


async def test_a_hit_that_comes_in_twice_is_recorded_once(database: Database) -> None:
    await filled(database)
    hits = (hit(1), click(2, 0, at_ms=NOON + MINUTE))

    await record(database, *hits)
    assert await record(database, *hits) == 0

    assert len(await rows(database)) == 2
    assert len(await rows(database, _EVENTS)) == 2
    assert await counted(database) == (1, 1, 1, 1, 1, 1, 0)


async def test_unique_counts_the_first_and_human_the_first_by_a_person(database: Database) -> None:
    await filled(database)
    apple = hit(1, user_agent="Mozilla/5.0")

    await record(database, hit(2, at_ms=NOON + 1), apple, hit(3, at_ms=NOON + 2))
    await record(database, hit(4, at_ms=NOON + 3), hit(5, recipient=2, at_ms=NOON + 4))

    assert await counted(database) == (5, 2, 2, 0, 0, 0, 0)
    assert (await rows(database, _RECIPIENT, 1))[0][:2] == (NOON, NOON + 1)


async def test_unique_opens_count_in_the_hour_of_the_first(database: Database) -> None:
    await filled(database)

    await record(database, hit(1, user_agent="Mozilla/5.0"))
    await record(database, hit(2, at_ms=NOON + HOUR))

    by_hour = {row[2]: row[3:6] for row in await rows(database, _COUNTED) if row[0] == "total"}
    assert {hour: tuple(map(int, map(str, values))) for hour, values in by_hour.items()} == {
        NOON // HOUR: (1, 1, 0),
        NOON // HOUR + 1: (1, 0, 1),
    }


async def test_a_click_tells_position_and_target(database: Database) -> None:
    await filled(database)

    await record(database, click(1, 1))

    kind, detail = (await rows(database, _EVENTS))[0]
    told = json.loads(str(detail))
    assert (kind, told["position"], told["target"], told["label"]) == ("clicked", 1, LINKS[1], "human")


async def test_hits_of_nobody_and_on_another_workspaces_host_are_dropped(database: Database) -> None:
    await filled(database)

    kept = await record(
        database,
        hit(1, recipient=99),
        hit(2, host_workspace_id=WORKSPACE_ID + 1),
        hit(3, host_workspace_id=WORKSPACE_ID),
    )

    assert kept == 1
    assert [row[0] for row in await rows(database)] == [3]


async def test_what_a_message_does_not_track_is_not_stored(database: Database) -> None:
    await filled(database, track=Track.CLICKS)

    await record(database, hit(1), click(2, 0))

    assert [row[1] for row in await rows(database)] == ["click"]
    assert await counted(database) == (0, 0, 0, 1, 1, 1, 0)


async def test_a_workspace_that_keeps_no_addresses_has_none_stored(database: Database) -> None:
    await add_workspace(database, 11, keep_addresses=0)
    await add_mail(database, [1], workspace_id=11)

    await record(database, hit(1))

    assert (await rows(database))[0][3] == ""


async def test_links_followed_all_at_once_are_a_machine_also_over_two_batches(database: Database) -> None:
    await filled(database)

    await record(database, click(1, 0, at_ms=NOON), click(2, 2, at_ms=NOON + 200))
    await record(database, click(3, 3, at_ms=NOON + 3_000), click(4, 1, at_ms=NOON + HOUR))

    assert [row[4] for row in await rows(database)] == ["machine", "machine", "machine", "human"]
    assert await counted(database) == (0, 0, 0, 4, 1, 1, 0)


async def test_the_evidence_that_a_label_rests_on_is_kept(database: Database) -> None:
    await filled(database)

    await record(database, click(1, 0, fields={"purpose": "prefetch"}))

    evidence = json.loads(str((await rows(database))[0][5]))
    assert evidence["rule"] == "prefetch"
    assert evidence["since_delivery_ms"] == HOUR
    assert evidence["fields"] == {"purpose": "prefetch"}


async def test_text_of_any_kind_is_stored(database: Database) -> None:
    await filled(database)
    strange = "\x01\x7fé\u2028'\"\\{}"

    await record(database, hit(1, user_agent=strange, fields={"from": strange}))

    assert len(await rows(database)) == 1


async def test_a_link_leads_where_the_author_said_and_nowhere_else(database: Database) -> None:
    await filled(database)

    facts = await database.read(lambda conn: store.link_facts(conn, [1, 99]))

    assert facts.keys() == {1}
    assert await database.read(lambda conn: store.links_of(conn, facts[1])) == tuple(LINKS)


async def test_unsubscribing_stops_bulk_mail_counts_once_and_may_be_repeated(database: Database) -> None:
    await filled(database, unsubscribe='{"List-Unsubscribe": "<https://own.test/u?1>, <mailto:off@own.test>"}')

    for number in (1, 2):
        shown = await database.write(
            lambda tx, number=number: unsubscribe(tx, 1, By.ONE_CLICK, {"user_agent": "x"}, NOON, number)
        )
        assert shown is not None
        assert shown.unsubscribed
        assert shown.may_undo
        assert shown.author_unsubscribe == ("https://own.test/u?1", "mailto:off@own.test")

    events = await rows(database, _EVENTS)
    assert [row[0] for row in events] == ["unsubscribed"]
    told = json.loads(str(events[0][1]))
    assert told["by"] == "one_click"
    assert told["author_list_unsubscribe"] == "<https://own.test/u?1>, <mailto:off@own.test>"
    assert (await rows(database, _RECIPIENT, 1))[0][4] == NOON
    assert (await counted(database))[6] == 1
    held = await database.read(
        lambda conn: store.standing_suppression(conn, WORKSPACE_ID, "reader1@example.test", "bulk", NOON)
    )
    assert held is not None
    assert (held.scope, held.source) == ("bulk", "unsubscribe")
    assert json.loads(held.evidence)["recipient"] == show_id("rcp", 1)


async def test_an_unsubscribe_can_be_taken_back_for_a_day_and_counts_once_for_ever(database: Database) -> None:
    await filled(database)
    await database.write(lambda tx: unsubscribe(tx, 1, By.PAGE, {}, NOON, 1))

    back = await database.write(lambda tx: undo(tx, 1, NOON + 1, 2))
    again = await database.write(lambda tx: unsubscribe(tx, 1, By.PAGE, {}, NOON + 2, 3))
    late = await database.write(lambda tx: undo(tx, 1, NOON + 3 + UNDO_MS, 4))

    assert back is not None
    assert not back.unsubscribed
    assert again is not None
    assert again.unsubscribed
    assert late is not None
    assert late.unsubscribed
    assert not late.may_undo
    assert [row[0] for row in await rows(database, _EVENTS)] == ["unsubscribed", "suppression_removed", "unsubscribed"]
    assert (await counted(database))[6] == 1


async def test_taking_back_leaves_what_somebody_else_suppressed(database: Database) -> None:
    from_operator = (
        "INSERT INTO suppression "
        "(id, workspace_id, address_key, scope, reason, source, evidence, expires_ms, created_ms)"
        " VALUES (1, 10, 'reader1@example.test', 'bulk', 'asked by phone', 'operator', '', NULL, ?)"
    )
    await filled(database)
    await database.write(lambda tx: tx.run(statement(from_operator), (NOON,)))

    await database.write(lambda tx: unsubscribe(tx, 1, By.PAGE, {}, NOON, 2))
    await database.write(lambda tx: undo(tx, 1, NOON + 1, 3))

    shown = await database.read(lambda conn: subscription(conn, 1, NOON + 2))
    assert shown is not None
    assert shown.unsubscribed
    assert not shown.may_undo


async def test_nobody_can_unsubscribe_a_recipient_that_is_not_there(database: Database, clock: ManualClock) -> None:
    assert await database.write(lambda tx: unsubscribe(tx, 1, By.PAGE, {}, clock.now_ms(), 1)) is None
    assert await database.write(lambda tx: undo(tx, 1, clock.now_ms(), 1)) is None
    assert await database.read(lambda conn: subscription(conn, 1, clock.now_ms())) is None


async def test_delivery_counts_from_the_first_showing_of_a_copy_in_the_sandbox(database: Database) -> None:
    """A person opens it seconds after delivery, which no recipient of a real mail does."""
    await add_workspace(database)
    await add_mail(database, [1, 2], delivered_ms=NOON)
    await database.write(lambda tx: tx.add(SandboxShowingRow(1, WORKSPACE_ID, NOON + 500)))

    await record(database, hit(1, at_ms=NOON + 400), hit(2, at_ms=NOON + 600), click(3, 0, at_ms=NOON + 700))
    await record(database, hit(4, recipient=2, at_ms=NOON + 600))

    told = {row[0]: (row[4], json.loads(str(row[5]))["since_delivery_ms"]) for row in await rows(database)}
    assert told == {1: ("machine", 400), 2: ("human", 100), 3: ("human", 200), 4: ("machine", 600)}
