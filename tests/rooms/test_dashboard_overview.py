"""The overview: sums against the period before, what explains each number, and hostile mail on the page."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dashboard_browser import World, dashboard
from queue_rows import Queue
from selectolax.lexbor import LexborHTMLParser

from postroom.base.clock import HOUR_MS, ManualClock
from postroom.doors.dashboard.overview import PERIODS, change_of, overview_of, period_of
from postroom.doors.dashboard.search import parse_search, span_of
from postroom.ledger.rows import COUNTERS
from postroom.store.database import open_database

DAY, WEEK, _ = PERIODS
END = 500_000
HOSTILE = "<script>alert(1)</script>\"'\u202e" + "x" * 10_000


def sums(**amounts: int) -> dict[str, int]:
    return {**dict.fromkeys(COUNTERS, 0), **amounts}


def test_a_period_stands_against_the_one_before() -> None:
    buckets = {END - 2: sums(outbound=15, failed=1), END - 1: sums(outbound=5)}

    view = overview_of(DAY, END, buckets, sums(outbound=10, failed=4), {})

    figures = {one.label: one for one in view.figures}
    assert [one.label for one in view.figures] == [
        "Outbound", "Sent", "Failed", "Complaints", "Opens", "Clicks", "Unsubscribes", "Inbound",
    ]  # fmt: skip
    assert figures["Outbound"].value == 20
    assert (figures["Outbound"].change.arrow, figures["Outbound"].change.words) == (
        "↑",
        "100 % more than in the 24 hours before",
    )
    assert (figures["Failed"].change.arrow, figures["Failed"].change.tone) == ("↓", "good")
    assert figures["Sent"].change.words == "as in the 24 hours before"
    assert not view.is_new


def test_a_first_period_has_nothing_to_stand_against() -> None:
    assert change_of(5, 0, WEEK, more_is_better=True).words == "none in the 7 days before"
    assert change_of(0, 5, WEEK, more_is_better=True).words == "5 fewer than in the 7 days before"
    assert change_of(90_000, 5, WEEK, more_is_better=True).words == "18,000 times than in the 7 days before"


def test_opens_by_machines_stand_beside_the_number_and_are_not_part_of_it() -> None:
    view = overview_of(DAY, END, {END - 1: sums(opens_total=90, opens_unique=30, opens_human=10)}, sums(), {})

    opens = next(one for one in view.figures if one.label == "Opens")
    assert opens.value == 10
    assert opens.beside == "and 20 only by machines or unknown"
    assert view.funnel[2][1] == 10


def test_every_number_leads_to_the_search_that_explains_it() -> None:
    view = overview_of(DAY, END, {}, sums(), {})

    for figure in view.figures:
        if figure.label in ("Complaints", "Inbound"):
            continue
        search = parse_search(figure.query)
        assert not search.problems
        assert span_of(search, END * HOUR_MS).least_id == span_of(parse_search(figure.query), 0).least_id
    assert parse_search(view.figures[4].query).values("event") == ("opened",)


def test_the_chart_s_data_may_stand_in_a_page_and_has_a_point_for_every_bucket() -> None:
    last = (END - 1) // 6 * 6
    view = overview_of(WEEK, END, {last: sums(outbound=3, opens_human=2)}, sums(), {})

    data = json.loads(view.chart)
    assert data["labels"] == ["Outbound", "Sent", "Failed", "Opens", "Clicks"]
    assert [len(line) for line in data["data"]] == [29] * 6
    assert data["data"][1][-1] == 3
    # A quarter of a day begins at full quarters; the first and the last are cut by the period.
    assert view.points[0].at_ms == (END - WEEK.hours) * HOUR_MS
    assert view.points[1].at_ms % (6 * HOUR_MS) == 0
    assert view.points[-1].end_ms == END * HOUR_MS
    assert "<" not in view.chart


def test_providers_are_in_order_of_their_mail_with_their_names() -> None:
    amounts = dict.fromkeys(COUNTERS, 0)
    view = overview_of(
        DAY,
        END,
        {},
        sums(),
        {
            "other": {**amounts, "outbound": 1, "sent": 1},
            "microsoft-consumer": {**amounts, "outbound": 9, "sent": 3, "failed": 1, "opens_human": 2},
        },
    )

    assert [(one.name, one.share, one.opened) for one in view.providers] == [
        ("Outlook.com", 75, 2),
        ("other providers", 100, 0),
    ]


def test_an_unknown_period_is_the_first() -> None:
    assert period_of("century") is DAY
    assert period_of("7d") is WEEK


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def world(tmp_path: Path, clock: ManualClock) -> AsyncIterator[World]:
    database = await open_database(f"sqlite:///{tmp_path}/postroom.db", clock=clock)
    async with dashboard(database, clock) as opened:
        yield opened
    await database.close()


async def test_a_new_workspace_is_shown_the_lines_of_a_first_mail(world: World) -> None:
    page = await world.get("/w/one/")

    assert page.status_code == 200
    assert "curl http://postroom.test/api/v1/messages" in page.text
    assert "swaks --server 127.0.0.1:2525" in page.text
    assert "$POSTROOM_KEY" in page.text


async def test_hostile_mail_stays_text_on_the_overview_and_in_the_feed(world: World, clock: ManualClock) -> None:
    workspace = await world.workspace("one")
    queue = Queue(world.services.database, clock)
    await queue.message(1, workspace_id=workspace.id, subject=HOSTILE, recipient={"address": HOSTILE})

    for path in ("/w/one/", "/w/one/feed"):
        page = await world.get(path)
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        scripts = [node.attributes.get("src") for node in LexborHTMLParser(page.text).css("script:not([type])")]
        assert all(scripts)


async def test_a_workspace_sees_its_own_numbers_and_events_only(world: World, clock: ManualClock) -> None:
    workspace = await world.workspace("two")
    await Queue(world.services.database, clock).message(3, workspace_id=workspace.id, subject="of two")

    mine, theirs = await world.get("/w/one/"), await world.get("/w/two/")

    assert "of two" not in mine.text
    assert "No mail yet" in mine.text
    assert re.search(r'figure-label">Outbound</span>\s*<span class="figure-value">3<', theirs.text)
    assert (await world.get("/w/three/")).status_code == 404


async def test_while_the_database_is_away_every_page_says_so(world: World) -> None:
    pages = ("/w/one/", "/w/one/feed", "/w/one/activity", "/w/one/activity.csv", "/w/one/recipients/rcp_aaaaaaaaaaaaa")
    await world.services.database.close()

    for path in pages:
        page = await world.get(path)
        assert page.status_code == 503, path
        assert "The database cannot be reached" in page.text
