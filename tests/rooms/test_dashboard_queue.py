"""The queue in the dashboard: what waits for whom, why, and moving it by hand."""

import re
from dataclasses import replace
from typing import Any

import httpx
import pytest
from dashboard_browser import World
from queue_rows import Queue
from selectolax.lexbor import LexborHTMLParser

from postroom.base.clock import DAY_MS, HOUR_MS
from postroom.base.ids import show_id
from postroom.doors.dashboard import queue_views
from postroom.doors.dashboard.queue_views import age_of, counted, destinations, moved_words, site_lines
from postroom.events.moves import Move
from postroom.ledger.states import Stream
from postroom.outbound.sites import SiteView
from postroom.outbound.transport import TransportKind, TransportSetting
from postroom.store import queue_view, restorations
from postroom.store.queue_view import Waiting
from postroom.upkeep import restore

QUEUE = "/w/one/queue"
EVIL = '"><script>alert(1)</script>'


class Mail(Queue):
    """Rows of the queue in the dashboard's workspaces."""

    def __init__(self, world: World) -> None:
        super().__init__(world.services.database, world.clock)
        self.world = world

    async def put(self, count: int, state: str = "queued", *, name: str = "one", **fields: Any) -> list[str]:
        """Store recipients in a state; return their public ids."""
        workspace = await self.world.workspace(name)
        more = {key: fields.pop(key) for key in ("domain", "stream") if key in fields}
        _, rows = await self.message(count, workspace_id=workspace.id, recipient={"state": state, **fields}, **more)
        return [show_id("rcp", row.id) for row in rows]


@pytest.fixture
async def world(pages: World) -> World:
    return pages


@pytest.fixture
async def mail(world: World) -> Mail:
    return Mail(world)


def words(page: httpx.Response) -> str:
    main = LexborHTMLParser(page.text).css_first("main")
    assert main is not None, page.text
    return re.sub(r"\s+", " ", main.text(separator=" "))


async def test_an_empty_queue_says_so_and_shows_the_line_that_fills_it(world: World) -> None:
    told = words(await world.get(QUEUE))
    assert "Nothing waits" in told
    assert "curl http" in told
    assert "leaves by the sandbox" in told


async def test_destinations_are_told_with_depth_states_age_and_next_try(world: World, mail: Mail) -> None:
    await mail.put(3, domain="a.test", due_ms=mail.clock.now_ms() + HOUR_MS)
    await mail.put(2, "held", domain="a.test", stream="bulk")
    world.clock.advance(hours=2)
    await mail.put(1, domain="b.test", due_ms=0)
    page = await world.get(QUEUE)
    rows = [re.sub(r"\s+", " ", row.text(separator=" ")) for row in LexborHTMLParser(page.text).css("tbody tr")]
    assert rows[0].startswith(" a.test 5 3 queued 2 held 2 h ago")
    assert rows[1].startswith(" b.test 1 1 queued just now as soon as there is room")
    bars = LexborHTMLParser(page.text).css(".depth-bar")
    assert [one.attributes["class"] for one in bars] == ["depth-bar age-old", "depth-bar age-fresh"]
    assert [rect.attributes["width"] for one in bars if (rect := one.css_first("rect"))] == ["100%", "20%"]
    figures = [
        re.sub(r"\s+", " ", one.text(separator=" ")).strip() for one in LexborHTMLParser(page.text).css(".figure")
    ]
    assert figures[0] == "Waiting for the first try 4"
    assert figures[2] == "Held back 2"


async def test_of_a_large_queue_what_waits_longest_is_shown_and_said(
    world: World, mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_view, "MOST_LOOKED_AT", 2)
    await mail.put(2, domain="old.test")
    await mail.put(2, domain="new.test")
    told = words(await world.get(QUEUE))
    assert "The queue is large" in told
    assert "new.test" not in told


async def test_recipients_of_a_domain_are_told_with_reason_and_next_try(world: World, mail: Mail) -> None:
    now = world.clock.now_ms()
    await mail.put(
        1, "deferred", domain="gmail.com", provider="google", tries=2, due_ms=now + 240_000,
        next_hop="gmail-smtp-in.l.google.com [192.0.2.1]:25",
        reason="421 4.7.28 Our system has detected an unusual rate of mail",
    )  # fmt: skip
    await mail.put(1, domain="other.test")
    page = await world.get(f"{QUEUE}/recipients", domain="Gmail.com")
    told = words(page)
    assert "Google asked us to slow down" in told
    assert "in 4 min" in told
    assert "421 4.7.28 Our system has detected" in told
    assert "other.test" not in told


async def test_states_are_listed_over_all_domains_page_by_page(world: World, mail: Mail) -> None:
    await mail.put(60, "held", domain="a.test")
    first = LexborHTMLParser((await world.get(f"{QUEUE}/recipients", state="held")).text)
    older = first.css_first('a[rel="next"]')
    assert older is not None
    rest = LexborHTMLParser((await world.get(str(older.attributes["href"]))).text)
    assert (len(first.css("tbody tr")), len(rest.css("tbody tr"))) == (50, 10)
    waiting = await mail.put(60, domain="b.test", due_ms=5)
    assert len(waiting) == 60
    first = LexborHTMLParser((await world.get(f"{QUEUE}/recipients", domain="b.test")).text)
    older = first.css_first('a[rel="next"]')
    assert older is not None
    rest = LexborHTMLParser((await world.get(str(older.attributes["href"]))).text)
    assert len(rest.css("tbody tr")) == 10
    assert (await world.get(f"{QUEUE}/recipients", domain=EVIL, state=EVIL, after=EVIL)).status_code == 200


@pytest.mark.parametrize(
    ("move", "state", "after", "told"),
    [
        ("hold", "queued", "held", "2 recipients are held back; no try until released."),
        ("release", "held", "queued", "2 recipients are released."),
        ("cancel", "deferred", "cancelled", "2 recipients are cancelled."),
        ("retry", "deferred", "queued", "2 recipients are tried again now."),
    ],
)
async def test_those_that_are_ticked_are_moved(
    world: World, mail: Mail, move: str, state: str, after: str, told: str
) -> None:
    chosen = await mail.put(3, state, domain="a.test")
    answer = await world.post(
        f"{QUEUE}/move", move=move, recipient=chosen[:2], **{"from": "recipients", "state": state}
    )
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{QUEUE}/recipients?state={state}"
    assert await mail.states() == {state: 1, after: 2}
    assert told in words(await world.get(QUEUE))
    log = await mail.ask("SELECT action, subject, detail FROM audit WHERE action LIKE 'queue%'")
    assert log == [(f"queue.{move}", "2 recipients", "2 moved")]


async def test_a_whole_destination_is_moved_and_others_stay(world: World, mail: Mail) -> None:
    await mail.put(3, domain="a.test")
    await mail.put(2, "in_doubt", domain="a.test")
    await mail.put(1, domain="b.test")
    await world.post(f"{QUEUE}/move", move="cancel", all="1", domain="A.test")
    assert await mail.states() == {"cancelled": 3, "in_doubt": 2, "queued": 1}
    assert "3 recipients are cancelled." in words(await world.get(QUEUE))


async def test_those_in_doubt_stand_apart_with_two_choices(world: World, mail: Mail) -> None:
    one, other = await mail.put(2, "in_doubt", domain="a.test", reason="451 4.4.2 lost")
    told = words(await world.get(QUEUE))
    assert "try again, and it may arrive twice; or leave it, and it may never have arrived" in told
    await world.post(f"{QUEUE}/move", move="retry", recipient=one)
    await world.post(f"{QUEUE}/move", move="cancel", recipient=other)
    assert await mail.states() == {"queued": 1, "cancelled": 1}


@pytest.mark.parametrize(
    "fields", [{"move": "hold"}, {"move": "hold", "recipient": "rcp_nonsense"}, {"move": "hold", "all": "1"}]
)
async def test_a_move_of_nothing_says_what_to_do(world: World, mail: Mail, fields: dict[str, str]) -> None:
    await mail.put(1)
    assert (await world.post(f"{QUEUE}/move", **fields)).status_code == 303
    assert "tick the recipients first" in words(await world.get(QUEUE))
    assert await mail.states() == {"queued": 1}


async def test_a_move_that_nobody_can_make_says_why(world: World, mail: Mail) -> None:
    (chosen,) = await mail.put(1, "sending")
    await world.post(f"{QUEUE}/move", move="hold", recipient=chosen)
    assert "what is being tried now does not stop" in words(await world.get(QUEUE))
    assert (await world.post(f"{QUEUE}/move", move="burn", recipient=chosen)).status_code == 400


async def test_another_workspace_neither_sees_nor_moves_anything(world: World, mail: Mail) -> None:
    chosen = await mail.put(2, domain="secret.test")
    for path in ("", "/recipients?domain=secret.test", "/recipients?state=queued"):
        assert "u" + chosen[0] not in (page := await world.get(f"/w/two/queue{path}")).text
        assert LexborHTMLParser(page.text).css("tbody tr") == []
    await world.post("/w/two/queue/move", move="cancel", recipient=chosen)
    await world.post("/w/two/queue/move", move="cancel", all="1", domain="secret.test")
    assert await mail.states() == {"queued": 2}


async def test_nothing_that_a_peer_said_becomes_markup(world: World, mail: Mail) -> None:
    evil = {"address": f"{EVIL}@a.test", "reason": f"451 4.0.0 {EVIL}", "next_hop": f"{EVIL}:25"}
    for state in ("deferred", "in_doubt", "held"):
        await mail.put(1, state, domain=f"{EVIL}.test", **evil)
    for path in ("", "/recipients?state=deferred", "/recipients?state=in_doubt", "/recipients?state=held"):
        page = await world.get(QUEUE + path)
        assert page.status_code == 200
        assert "<script>alert" not in page.text


@pytest.mark.parametrize("path", ["", "/recipients"])
async def test_who_has_not_logged_in_sees_nothing(world: World, path: str) -> None:
    async with world.stranger() as client:
        assert (await client.get(QUEUE + path)).status_code == 303


async def test_a_retry_of_a_destination_ends_the_pause_of_its_site(
    world: World, mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = world.services.watch
    direct = TransportSetting(TransportKind.DIRECT)
    monkeypatch.setattr(type(world.services), "transport_of", lambda self, workspace_id: direct)
    monkeypatch.setattr(type(watch), "site_of", lambda self, workspace_id, domain: "mx.a.test")
    monkeypatch.setattr(type(watch), "delivers", True)
    watch._sites.take("mx.a.test", Stream.BULK, 1)
    watch._sites.give_back("mx.a.test", Stream.BULK, busy=True, delivered=False)
    await mail.put(1, "deferred", domain="a.test", due_ms=0)
    told = words(await world.get(QUEUE))
    assert "no new try before" in told
    assert "by mx.a.test" in told
    assert "after the pause, now" in told
    await world.post(f"{QUEUE}/move", move="retry", all="1", domain="a.test")
    assert watch.look_at("mx.a.test").pause_seconds == 0


async def test_what_a_restore_held_is_told_listed_and_let_go(world: World, mail: Mail) -> None:
    reason = restore.reason_of(mail.clock.now_ms())
    await mail.put(1, "held", domain="a.test", reason="held by operator")
    assert "held by a restore" not in words(await world.get(QUEUE))
    await world.services.database.write(lambda tx: restorations.mark(tx, 1, mail.clock.now_ms()))
    await world.services.database.write(lambda tx: restorations.finish(tx, mail.clock.now_ms(), 5, 0))
    orders = await mail.put(2, "held", domain="b.test", reason=reason)
    letters = await mail.put(3, "held", domain="b.test", reason=reason, stream="bulk")

    assert "5 recipients are held by a restore. This database came back from a backup" in words(await world.get(QUEUE))
    listed = await world.get(f"{QUEUE}/recipients", state="restored")
    boxes = [box.attributes["value"] for box in LexborHTMLParser(listed.text).css("tbody input[type=checkbox]")]
    assert boxes == orders + letters

    asked = {"state": "restored", "all": "1"}
    await world.post(f"{QUEUE}/move", move="release", stream="transactional", **asked)
    assert "3 recipients are held by a restore" in words(await world.get(QUEUE))
    await world.post(f"{QUEUE}/move", move="cancel", **asked)
    told = words(await world.get(QUEUE))
    assert "3 recipients are cancelled." in told
    assert "held by a restore" not in told
    assert "1 held" in told


async def test_which_node_tries_is_told(world: World, mail: Mail) -> None:
    await mail.put(2, "sending", domain="a.test", node=1)
    await mail.put(1, "sending", domain="a.test", node=4)
    told = words(await world.get(QUEUE))
    assert "Being tried now: 2 by node 1 (this one), 1 by node 4." in told
    assert "This node does not deliver; slots and pauses are known to node 1." in told


def test_ages_have_colours() -> None:
    assert [age_of(0, age)[0] for age in (0, 299_999, 300_000, HOUR_MS, DAY_MS)] == [
        "fresh", "fresh", "young", "old", "stuck",
    ]  # fmt: skip


def test_what_came_of_a_move_is_a_sentence() -> None:
    assert moved_words(Move.HOLD, 1, more=False) == "1 recipient is held back; no try until released."
    assert moved_words(Move.CANCEL, 50_000, more=True).endswith("There are more: do it again for the next ones.")
    assert moved_words(Move.RELEASE, 0, more=False) == "Nothing was released: nothing was held."


def test_a_count_that_ended_early_says_so() -> None:
    assert (counted(1234, 5000), counted(5000, 5000)) == ("1,234", "5,000+")


def test_sites_are_told_with_what_this_node_does_there() -> None:
    lines = destinations(
        [Waiting(f"d{number}.test", "queued", 1, 1 << 40, 0) for number in range(3)],
        lambda domain: "mx.shared.test" if domain != "d2.test" else None,
        0,
    )
    view = SiteView("mx.shared.test", 4, 20, 3, 0.0)
    (site,) = site_lines(lines, lambda name: view, 0, str)
    assert (site.domains, site.words) == (2, "3 on their way over at most 4 connections")
    (site,) = site_lines(lines, lambda name: replace(view, pause_seconds=5.0, slots=1), 1_000, lambda at: f"at {at}")
    assert site.paused_until_ms == 6_000
    assert "no new try before at 6000, then with at most 1 connection" in site.words
    assert queue_views.MOST_DESTINATIONS == 100
