"""The activity page: what the search line finds, paging to the end and back, the export."""

import csv
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from dashboard_browser import World, dashboard
from queue_rows import Queue
from selectolax.lexbor import LexborHTMLParser

from postroom.base.clock import ManualClock
from postroom.base.ids import show_id
from postroom.doors.dashboard import activity as page
from postroom.doors.dashboard.walk import walk
from postroom.ledger.rows import MessageRow, RecipientRow
from postroom.store.activity import NEWEST, ActivityFilter
from postroom.store.database import open_database

HOSTILE = "\"><script>alert(1)</script>\u202e'" + "x" * 10_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def world(tmp_path: Path, clock: ManualClock) -> AsyncIterator[World]:
    database = await open_database(f"sqlite:///{tmp_path}/postroom.db", clock=clock)
    async with dashboard(database, clock) as opened:
        yield opened
    await database.close()


@pytest.fixture
async def queue(world: World, clock: ManualClock) -> Queue:
    return Queue(world.services.database, clock)


async def mails(queue: Queue, world: World, count: int, **fields: object) -> list[tuple[MessageRow, RecipientRow]]:
    workspace = await world.workspace("one")
    made = []
    for _ in range(count):
        message, (row,) = await queue.message(1, workspace_id=workspace.id, **fields)  # type: ignore[arg-type]
        made.append((message, row))
        queue.clock.advance(seconds=1)
    return made


def rows_of(html: str) -> list[str]:
    return [node.text(strip=True) for node in LexborHTMLParser(html).css("a[data-row]")]


def link(html: str, words: str) -> str | None:
    for node in LexborHTMLParser(html).css("a"):
        if node.text(strip=True) == words:
            return node.attributes["href"]
    return None


async def test_a_page_shows_the_newest_first_and_leads_to_the_end_and_back(
    world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "PAGE", 3)
    made = [row.address for _, row in await mails(queue, world, 8)][::-1]

    seen, path = [], "/w/one/activity"
    while path is not None:
        html = (await world.get(path)).text
        seen.append(rows_of(html))
        path = link(html, "Older")  # type: ignore[assignment]
    back = [seen[-1]]
    while (newer := link(html, "Newer")) is not None:
        html = (await world.get(newer)).text
        back.append(rows_of(html))

    assert seen == [made[0:3], made[3:6], made[6:8]]
    assert back == seen[::-1]


async def test_the_address_is_the_search(world: World, queue: Queue) -> None:
    await mails(queue, world, 2, recipient={"state": "failed", "reason": "550 5.1.1 unknown", "next_hop": "mx.test:25"})
    await mails(queue, world, 1, domain="example.org", tags='["welcome"]', subject="Your order 17")

    async def found(query: str) -> int:
        return len(rows_of((await world.get(f"/w/one/activity?{urlencode({'q': query})}")).text))

    assert await found("") == 3
    assert await found("state:failed") == 2
    assert await found("domain:example.org") == await found("tag:welcome") == await found("order") == 1
    assert await found("state:failed tag:welcome") == 0
    assert await found("event:accepted") == 3
    html = (await world.get("/w/one/activity?q=state%3Afailed")).text
    assert "There is no such mailbox at mx.test" in html
    assert 'value="state:failed"' in html
    (off,) = LexborHTMLParser(html).css(".chip a")
    assert off.attributes["href"] == "/w/one/activity"


async def test_a_wrong_word_is_explained_beside_the_box_and_stays_in_it(world: World, queue: Queue) -> None:
    await mails(queue, world, 1)

    html = (await world.get("/w/one/activity?q=status%3Afailed")).text

    assert "There is no “status:”; there are to:, domain:, state:" in html
    assert 'aria-invalid="true"' in html
    assert 'value="status:failed"' in html


async def test_a_search_whose_time_is_over_says_how_far_it_looked_and_goes_on(
    world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await mails(queue, world, 6, subject="one of many")
    monkeypatch.setattr("postroom.doors.dashboard.walk.FIRST_WINDOW", 4)
    workspace = await world.workspace("one")

    found = await walk(
        world.services.database, world.services.clock, workspace.id, ActivityFilter(words=("nowhere",)), NEWEST,
        older=True, limit=3, of_events=False, seconds=-1,
    )  # fmt: skip

    assert (found.rows, found.more, found.examined) == ([], False, 4)
    assert found.reached is not None
    assert found.reached.id == made[2][1].id

    monkeypatch.setattr("postroom.doors.dashboard.walk.MOST_STEPS", 1)
    html = (await world.get("/w/one/activity?q=nowhere")).text
    onward = link(html, "Go on from there")
    assert "Searched back to" in html
    assert onward is not None
    assert "Nothing found" in (await world.get(onward)).text


async def test_an_id_of_another_workspace_finds_nothing(world: World, queue: Queue) -> None:
    ((message, row),) = await mails(queue, world, 1)

    for query in (show_id("msg", message.id), show_id("rcp", row.id), f"to:{row.address}"):
        for more in ("", " event:any"):
            address = f"/w/two/activity?{urlencode({'q': query + more})}"
            assert rows_of((await world.get(address)).text) == []
    assert rows_of((await world.get(f"/w/one/activity?q={show_id('msg', message.id)}")).text) == [row.address]


async def test_hostile_mail_and_a_hostile_search_stay_text(world: World, queue: Queue) -> None:
    await mails(queue, world, 1, subject=HOSTILE, recipient={"address": HOSTILE, "state": "failed", "reason": HOSTILE})

    for query in ("", HOSTILE[:60], f"tag:{HOSTILE[:40]}", "event:any"):
        answer = await world.get(f"/w/one/activity?{urlencode({'q': query})}")
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert not re.search(r"<script(?![^>]*\bsrc=)", answer.text)


async def test_the_export_has_the_whole_search_and_no_formula_runs(
    world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "EXPORT_PAGE", 2)
    await mails(queue, world, 4, subject="=HYPERLINK(1)")
    await mails(queue, world, 1, subject=" @SUM(1)", tags='["x"]')

    answer = await world.get("/w/one/activity.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    tagged = list(csv.DictReader(io.StringIO((await world.get("/w/one/activity.csv?q=tag:x")).text)))
    events = list(csv.DictReader(io.StringIO((await world.get("/w/one/activity.csv?q=event:any")).text)))

    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    assert [row["subject"] for row in rows] == ["' @SUM(1)"] + ["'=HYPERLINK(1)"] * 4
    assert [row["address"] for row in rows] == sorted((row["address"] for row in rows), reverse=True)
    assert len(tagged) == 1
    assert [row["kind"] for row in events] == ["accepted"] * 5


async def test_an_empty_workspace_is_shown_how_to_send_a_first_mail(world: World) -> None:
    assert "curl http://postroom.test/api/v1/messages" in (await world.get("/w/one/activity")).text


@pytest.mark.parametrize("cursor", ["older=x", "newer=rcp_", "older=evt_aaaaaaaaaaaaa", "older=%00", "newer=msg_x"])
async def test_a_broken_cursor_is_no_error(world: World, queue: Queue, cursor: str) -> None:
    await mails(queue, world, 1)

    assert (await world.get(f"/w/one/activity?{cursor}")).status_code == 200
