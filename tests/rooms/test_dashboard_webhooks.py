"""The webhook pages: an endpoint from its making to its log, and telling events again."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import pytest
from dashboard_browser import World, dashboard
from peers.http_receiver import HttpReceiver, answer
from selectolax.lexbor import LexborHTMLParser
from webhook_world import Literals

from postroom.access import audit
from postroom.base.clock import HOUR_MS, ManualClock
from postroom.base.ids import IdSource, show_id
from postroom.base.secrets import Sealer
from postroom.doors.dashboard.webhook_views import endpoint_view
from postroom.ledger.rows import EventRow
from postroom.ledger.webhook_rows import WebhookAttemptRow, WebhookEndpointRow, WebhookProgressRow
from postroom.net.http_client import HttpClient
from postroom.store import restorations
from postroom.store.database import Tx, open_database, statement
from postroom.store.faults import StoreBusy
from postroom.store.webhooks import MOST_COUNTED, EndpointHealth
from postroom.upkeep.restore import reason_of
from postroom.webhooks.endpoints import Webhooks

WAITING = statement("SELECT event_id FROM webhook_outbox ORDER BY event_id")


@dataclass
class Room:
    """The dashboard, and what the room of webhooks is made of."""

    world: World
    ids: IdSource
    receiver: HttpReceiver

    async def made(self, path: str = "/hook", **fields: object) -> str:
        """Make an endpoint by its form; return its page's path."""
        answer = await self.world.post("/w/one/webhooks", url=self.receiver.url(path), batch="1", **fields)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    async def record(self, *kinds: str) -> list[int]:
        """Record events of the first workspace."""
        workspace = await self.world.workspace("one")
        now = self.world.clock.now_ms()
        rows = [EventRow(self.ids.next(), workspace.id, 5, None, kind, now, "{}") for kind in kinds]

        def write(tx: Tx) -> None:
            for row in rows:
                tx.add(row)

        await self.world.services.database.write(write)
        return [row.id for row in rows]

    async def waiting(self) -> list[int]:
        """Return the ids of the events that wait to be told."""
        return [row[0] for row in await self.world.services.database.read(lambda conn: conn.all(WAITING, ()))]

    async def log(self, page: str, events: list[int], status: int | None = 500) -> str:
        """Write a request into the log as the worker does; return its id as pages show it."""
        workspace, row_id = await self.world.workspace("one"), self.ids.next()
        endpoint_id = (await self.world.services.webhooks.list(workspace.id))[0].endpoint.id
        row = WebhookAttemptRow(
            row_id, workspace.id, endpoint_id, self.world.clock.now_ms(), 1234, int(status == 200), status,
            "" if status == 200 else "The receiver answered 500.", 0, 0, "evt_x", len(events), str(events),
            '{"webhook-id": "evt_x"}', '{"server": "nginx"}', '{"error": "no <b>disk</b>"}',
        )  # fmt: skip
        await self.world.services.database.write(lambda tx: tx.add(row))
        return show_id("wha", row_id)


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as receiver:
        yield receiver


@pytest.fixture
async def room(tmp_path: Path, receiver: HttpReceiver) -> AsyncIterator[Room]:
    clock = ManualClock()
    ids, loopback = IdSource(2, clock), (ip_network("127.0.0.0/8"),)
    database = await open_database(f"sqlite:///{tmp_path}/postroom.db", clock=clock)
    client = HttpClient(Literals(), allow_private=loopback)
    webhooks = Webhooks(database, ids, clock, Sealer(b"s" * 32), client, loopback)
    async with dashboard(database, clock, webhooks=webhooks) as world:
        yield Room(world, ids, receiver)
    await client.close()
    await database.close()


def texts(html: str, css: str) -> list[str]:
    return [" ".join(node.text().split()) for node in LexborHTMLParser(html).css(css)]


async def test_the_secret_is_shown_once(room: Room) -> None:
    page = await room.made(kinds=["delivered", "failed"], description="shop")

    first = await room.world.get(page)
    again = await room.world.get(page)

    (secret,) = texts(first.text, ".once code")
    assert secret.startswith("whsec_")
    assert secret not in again.text
    assert "delivered, failed" in again.text
    assert "Nothing was told yet" in (await room.world.get("/w/one/webhooks")).text


async def test_what_is_wrong_with_a_form_stands_beside_its_field(room: Room) -> None:
    wrong = {"url": {"url": "ftp://x.example"}, "batch": {"batch": "501"}}
    for name, given in wrong.items():
        fields = {"url": room.receiver.url(), "batch": "1", "description": "kept", **given}
        answer = await room.world.post("/w/one/webhooks", **fields)

        assert answer.status_code == 422
        assert texts(answer.text, f"#e-{name}"), name
        assert 'value="kept"' in answer.text
    assert texts((await room.world.get("/w/one/webhooks/new")).text, ".kinds label")[0] == "accepted"


async def test_a_private_address_is_refused_in_words(room: Room) -> None:
    answer = await room.world.post("/w/one/webhooks", url="http://10.0.0.7/", batch="1")

    assert "may not be dialled" in texts(answer.text, "#e-url")[0]


async def test_pausing_changing_and_resuming(room: Room) -> None:
    page = await room.made()

    await room.world.post(f"{page}/pause")
    paused = (await room.world.get(page)).text
    await room.world.post(f"{page}/edit", url=room.receiver.url("/new"), batch="20", stream="bulk", kinds=["opened"])
    form = (await room.world.get(f"{page}/edit")).text
    await room.world.post(f"{page}/resume")
    resumed = (await room.world.get(page)).text

    assert "Paused just now: Paused by ada@example.com." in texts(paused, ".card p")[0]
    checked = [node.attributes["value"] for node in LexborHTMLParser(form).css("input[checked]")]
    assert checked == ["opened"]
    assert "opened of bulk mail" in resumed
    assert "up to 20, as a list" in resumed


async def test_a_test_event_shows_the_exchange_whole(room: Room) -> None:
    room.receiver.behave("/hook", answer(500, b'{"error":"no disk"}', content_type="application/json"))
    page = await room.made()

    sent = await room.world.post(f"{page}/test")
    exchange = (await room.world.get(sent.headers["location"])).text

    (received,) = room.receiver.received("/hook")
    assert texts(exchange, ".flash")[0].startswith("The test event failed")
    assert received.header["webhook-signature"] in exchange
    assert '"type": "test"' in texts(exchange, ".exchange .code")[0]
    assert '{ "error": "no disk" }' in texts(exchange, ".exchange .code")[1]
    assert texts(exchange, "details[name=verify] > summary") == ["Python", "Node", "PHP", "Go", "Ruby"]


async def test_rotating_says_how_long_both_secrets_sign(room: Room) -> None:
    page = await room.made()

    rotated = await room.world.post(f"{page}/rotate")
    shown = (await room.world.get(rotated.headers["location"])).text
    (health,) = await room.world.services.webhooks.list((await room.world.workspace("one")).id)

    assert texts(shown, ".once code")[0].startswith("whsec_")
    assert "requests carry two signatures" in shown
    after = room.world.clock.now_ms() + 25 * HOUR_MS
    assert endpoint_view(health, after).old_secret_until_ms is None


async def test_the_log_tells_what_went_wrong_and_pages(room: Room) -> None:
    page = await room.made()
    for number in range(53):
        await room.log(page, [number], 200 if number else 500)

    newest = (await room.world.get(page)).text
    failed = (await room.world.get(page, failed="1")).text
    (older,) = [node.attributes["href"] for node in LexborHTMLParser(newest).css("a[rel=next]")]
    oldest = (await room.world.get(older)).text

    assert len(texts(newest, "tbody tr")) == 50
    assert len(texts(oldest, "tbody tr")) == 3
    assert len(texts(failed, "tbody tr")) == 1
    assert "The receiver answered 500." in failed


async def test_what_a_receiver_says_is_text(room: Room) -> None:
    page = await room.made()

    shown = (await room.world.get(f"{page}/attempts/{await room.log(page, [1])}")).text

    assert "no &lt;b&gt;disk&lt;/b&gt;" in shown
    assert "Its events are not kept any more." in shown


async def test_chosen_requests_are_told_again_after_a_question(room: Room) -> None:
    page = await room.made()
    events = await room.record("delivered", "failed", "opened")
    chosen = [await room.log(page, events[:2]), await room.log(page, events[2:])]

    question = (await room.world.client.get(f"{page}/replay", params=[("attempt", one) for one in chosen])).text
    before = await room.waiting()
    told = await room.world.post(f"{page}/replay", attempt=chosen)

    assert "At most 3 events of the 2 requests that you chose are told again." in question
    assert before == []
    assert await room.waiting() == events
    assert "3 events are told again." in (await room.world.get(told.headers["location"])).text


async def test_a_time_is_told_again_by_kinds(room: Room) -> None:
    page = await room.made(kinds=["delivered", "failed"])
    await room.record("delivered")
    room.world.clock.advance(seconds=7200)
    await room.world.get("/login")
    during = await room.record("delivered", "failed", "opened")
    room.world.clock.advance(seconds=60)
    form = (await room.world.get(page)).text
    since, until = (
        LexborHTMLParser(form).css_first(f"#f-{name}").attributes["value"] or "" for name in ("since", "until")
    )

    question = (await room.world.get(f"{page}/replay", since=since, until=until)).text
    fields = LexborHTMLParser(question).css("form[method=post] main input, main form input")
    values = {node.attributes["name"]: node.attributes["value"] for node in fields}
    only = (await room.world.get(f"{page}/replay", since=since, until=until, kinds="opened")).text
    await room.world.post(f"{page}/replay", since=values["since"], until=values["until"])

    assert "At most 2 events (delivered, failed) recorded between" in question
    assert "At most 1 event (opened) recorded" in only
    assert await room.waiting() == during[:2]


async def test_a_wrong_time_is_told_and_nothing_happens(room: Room) -> None:
    page = await room.made()
    asked = (
        {}, {"since": "x", "until": "y"}, {"since": "2026-01-02T00:00", "until": "2026-01-01T00:00"},
    )  # fmt: skip
    for fields in asked:
        assert (await room.world.get(f"{page}/replay", **fields)).status_code == 422
    far = await room.world.get(f"{page}/replay", since="9998-01-01T00:00", until="9999-01-01T00:00")
    assert far.status_code == 200


async def test_an_endpoint_of_another_workspace_is_not_there(room: Room) -> None:
    page = await room.made()
    attempt = await room.log(page, [1])
    other = page.replace("/w/one/", "/w/two/")

    statuses = {path: (await room.world.get(path)).status_code
                for path in (other, f"{other}/edit", f"{other}/replay", f"{other}/attempts/{attempt}")}  # fmt: skip
    for action in ("edit", "pause", "resume", "test", "rotate", "delete", "replay"):
        statuses[action] = (await room.world.post(f"{other}/{action}")).status_code

    assert set(statuses.values()) == {404}, statuses


async def test_deleting_an_endpoint_is_noted(room: Room) -> None:
    page = await room.made()

    await room.world.post(f"{page}/delete")

    assert (await room.world.get(page)).status_code == 404
    asked = statement("SELECT action FROM audit WHERE action LIKE 'webhook%' ORDER BY id")
    noted = await room.world.services.database.read(lambda conn: conn.all(asked, ()))
    assert noted == [("webhook.create",), ("webhook.delete",)]


async def test_an_endpoint_that_a_restore_paused_says_so(room: Room) -> None:
    page = await room.made()
    why = f"{reason_of(room.world.clock.now_ms())}: events that were told since are told again once you resume it"
    await room.world.services.database.write(
        lambda tx: restorations.pause_endpoints(tx, why, room.world.clock.now_ms())
    )

    for path in (page, "/w/one/webhooks"):
        assert "Paused just now: Restored from the backup of" in " ".join((await room.world.get(path)).text.split())


async def test_a_change_that_cannot_be_noted_is_not_made(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    page = await room.made()

    def fails(*_: object, **__: object) -> None:
        raise StoreBusy("the disk is full")

    monkeypatch.setattr(audit, "note", fails)
    answers = [(await room.world.post(f"{page}/{what}")).status_code for what in ("pause", "rotate", "delete")]
    answers.append((await room.world.post(f"{page}/edit", url=room.receiver.url("/new"), batch="1")).status_code)
    (health,) = await room.world.services.webhooks.list((await room.world.workspace("one")).id)

    assert answers == [503] * 4
    assert (health.endpoint.state, health.endpoint.old_secret) == ("active", None)
    assert health.endpoint.url == room.receiver.url("/hook")


def test_health_is_told_in_words() -> None:
    row = WebhookEndpointRow(1, 1, "https://x.example/", "", "[]", "", 1, "active", "", 0, b"", None, None, 0)
    now = 10 * HOUR_MS
    failing = WebhookProgressRow(
        1,
        failures=3,
        failing_since_ms=now - 2 * HOUR_MS,
        last_error="The receiver answered 500",
        quiet_until_ms=now + 60_000,
    )

    def health(row: WebhookEndpointRow, progress: WebhookProgressRow, waiting: int = 0) -> tuple[str, str]:
        view = endpoint_view(EndpointHealth(row, progress, waiting, now - 120_000 if waiting else None), now)
        return view.health, view.waiting

    assert health(row, failing, 2) == (
        "Failing for 2 h (3 requests): The receiver answered 500. Next try in 1 min.", "2 events, the oldest 2 min ago",
    )  # fmt: skip
    assert health(row, WebhookProgressRow(1, last_success_ms=now - 60_000)) == ("Last told 1 min ago.", "")
    assert health(row._replace(state="disabled", why="The receiver answered 410."), failing, MOST_COUNTED + 1) == (
        "Disabled 10 h ago: The receiver answered 410. Its events are no longer kept.",
        "1,000+ events, the oldest 2 min ago",
    )  # fmt: skip
