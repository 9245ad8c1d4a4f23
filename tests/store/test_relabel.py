"""Labels made again by today's rules, on both engines: what follows from them stays equal to a recount."""

import json

import pytest

from bench.tracked_mail import LINKS, WORKSPACE_ID, add_mail, add_workspace
from postroom.events.record import counted_under
from postroom.store.counters import differences
from postroom.store.database import Database, statement
from postroom.tracking import machines, relabel
from postroom.tracking.hit import Hit, HitKind
from postroom.tracking.ingest import record_hits

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"
NOON = 1_767_268_800_000
HOUR = 3_600_000

_LABELS = statement("SELECT id, label, rules FROM hit ORDER BY id")
_FIRSTS = statement(
    "SELECT opened_ms, human_opened_ms, clicked_ms, human_clicked_ms FROM recipient WHERE id <= 2 ORDER BY id"
)
_EVENTS = statement("SELECT detail FROM event WHERE kind IN ('opened', 'clicked') ORDER BY id")
_FORGET = statement("DELETE FROM hit WHERE id = ?")


def hit(number: int, *, kind: HitKind = HitKind.OPEN, recipient: int = 1, at_ms: int, position: int = 0,
        agent: str = CHROME) -> Hit:  # fmt: skip
    target = LINKS[position] if kind is HitKind.CLICK else ""
    return Hit(number, kind, recipient, position, at_ms, 0, "GET", "", agent, {}, target)


async def record(database: Database, *hits: Hit) -> None:
    """Record hits as batches of one: none knows those that follow."""
    for one in hits:
        await database.write(lambda tx, one=one: record_hits(tx, [one], [10_000 + one.id]))  # type: ignore[misc]


async def judge_again(database: Database, *, since_ms: int = 0, after: int = 0) -> relabel.Relabelled:
    return await relabel.relabel(database, WORKSPACE_ID, after=after, since_ms=since_ms, pages=100)


async def labels(database: Database) -> list[str]:
    return [row[1] for row in await database.read(lambda conn: conn.all(_LABELS))]


async def firsts(database: Database) -> list[tuple[int | None, ...]]:
    return [tuple(row) for row in await database.read(lambda conn: conn.all(_FIRSTS))]


async def assert_counted(database: Database) -> None:
    """The counters of opens and clicks equal a recount."""
    first, end = NOON // HOUR - 100, NOON // HOUR + 100
    _, found = await database.read(lambda conn: differences(conn, WORKSPACE_ID, first, end, counted_under))
    assert [one for one in found if one.counter.startswith(("opens", "clicks"))] == []


@pytest.fixture
async def filled(database: Database) -> Database:
    """Two recipients whose copies were delivered at noon."""

    await add_workspace(database)
    await add_mail(database, (1, 2), delivered_ms=NOON)
    return database


async def test_nothing_changes_where_the_rules_are_the_same(filled: Database) -> None:
    await record(filled, hit(1, at_ms=NOON + HOUR), hit(2, at_ms=NOON + HOUR, agent="curl/8"))
    before = await labels(filled), await firsts(filled)

    assert await judge_again(filled) == (None, 2, 0, 0)

    assert (await labels(filled), await firsts(filled)) == before
    await assert_counted(filled)


async def test_a_person_that_is_a_machine_by_todays_rules_is_counted_no_more(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await record(filled, hit(1, at_ms=NOON + HOUR), hit(2, at_ms=NOON + 3 * HOUR, agent="Thunderbird/1"))
    await record(filled, hit(3, recipient=2, at_ms=NOON + HOUR))
    told = await filled.read(lambda conn: conn.all(_EVENTS))
    monkeypatch.setattr(machines, "RULES_VERSION", 99)
    monkeypatch.setattr(machines, "_SCANNERS", machines.re.compile("chrome", machines.re.IGNORECASE))
    machines.agent_of.cache_clear()
    try:
        assert await judge_again(filled) == (None, 3, 2, 2)
    finally:
        machines.agent_of.cache_clear()

    assert await labels(filled) == ["machine", "human", "machine"]
    assert [row[1] for row in await firsts(filled)] == [NOON + 3 * HOUR, None]
    assert [row[0] for row in await firsts(filled)] == [NOON + HOUR] * 2
    assert {row[2] for row in await filled.read(lambda conn: conn.all(_LABELS))} == {99}
    assert await filled.read(lambda conn: conn.all(_EVENTS)) == told
    assert [json.loads(row[0])["label"] for row in told] == ["human"] * 3
    await assert_counted(filled)


async def test_a_burst_that_came_in_several_batches_is_seen_whole(filled: Database) -> None:
    clicks = [hit(n + 1, kind=HitKind.CLICK, position=n, at_ms=NOON + HOUR + 1500 * n) for n in range(3)]
    await record(filled, *clicks)
    assert await labels(filled) == ["human", "human", "machine"]
    assert (await firsts(filled))[0][2:] == (NOON + HOUR, NOON + HOUR)

    assert await judge_again(filled) == (None, 3, 2, 1)

    assert await labels(filled) == ["machine"] * 3
    assert (await firsts(filled))[0][2:] == (NOON + HOUR, None)
    await assert_counted(filled)
    assert await judge_again(filled) == (None, 3, 0, 0)


async def test_what_came_before_the_day_keeps_its_label(filled: Database) -> None:
    clicks = [hit(n + 1, kind=HitKind.CLICK, position=n, at_ms=NOON + HOUR + 1500 * n) for n in range(3)]
    await record(filled, *clicks)

    await judge_again(filled, since_ms=NOON + HOUR + 1)

    assert await labels(filled) == ["human", "machine", "machine"]
    assert (await firsts(filled))[0][3] == NOON + HOUR
    await assert_counted(filled)


async def test_a_first_whose_hit_is_gone_stays(filled: Database) -> None:
    await record(filled, hit(1, at_ms=NOON + HOUR), hit(2, at_ms=NOON + 2 * HOUR))
    await filled.write(lambda tx: tx.run(_FORGET, (1,)))

    assert await judge_again(filled) == (None, 1, 0, 0)

    assert (await firsts(filled))[0][1] == NOON + HOUR
    await assert_counted(filled)


async def test_pages_reach_every_hit_and_can_be_gone_on_with(filled: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relabel, "PAGE_HITS", 2)
    await record(filled, *(hit(n, recipient=1 + n % 2, at_ms=NOON + HOUR + n) for n in range(1, 6)))

    first = await relabel.relabel(filled, WORKSPACE_ID, after=0, since_ms=0, pages=1)
    rest = await relabel.relabel(filled, WORKSPACE_ID, after=first.after or 0, since_ms=0, pages=9)

    assert (first.after, first.hits, rest.after, rest.hits) == (2, 2, None, 3)


async def test_another_workspaces_hits_are_left_alone(filled: Database) -> None:
    await record(filled, hit(1, at_ms=NOON + HOUR))
    done = await relabel.relabel(filled, WORKSPACE_ID + 1, after=0, since_ms=0, pages=9)
    assert done == (None, 0, 0, 0)
