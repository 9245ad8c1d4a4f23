"""The public addresses: what is answered to whom, and what a request can never do."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from bench.tracked_mail import HOST, KEYS, LINKS, WORKSPACE_ID, add_mail, add_workspace
from postroom.base.clock import ManualClock
from postroom.base.ids import IdSource
from postroom.base.tokens import TokenKind
from postroom.doors.http.public import PublicDoor
from postroom.doors.http.server import AtOnce, serve_http
from postroom.doors.http.tracked import PIXEL, client_address
from postroom.store import hits as store
from postroom.store.database import Database, open_database, statement
from postroom.store.hits import HitFacts
from postroom.tracking.hosts import Hosts
from postroom.tracking.ingest import Ingest
from postroom.tracking.links import Links
from postroom.tracking.spool import Spool

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"
MULTIPART = b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'
FORM = "application/x-www-form-urlencoded"


@dataclass(slots=True)
class Answer:
    status: int
    fields: dict[str, str]
    body: bytes


@dataclass(slots=True)
class World:
    """A door with everything behind it; requests go straight into the ASGI callable."""

    door: PublicDoor
    database: Database
    clock: ManualClock
    spool: Spool
    ingest: Ingest
    hosts: Hosts
    links: Links
    url: str
    passed_on: list[str] = field(default_factory=list)

    async def ask(
        self, path: str, method: str = "GET", *, host: str = HOST, body: bytes = b"", more: dict[str, str] | None = None
    ) -> Answer:
        fields = {"host": host, "user-agent": CHROME} | (more or {})
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"next=https://evil.test",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in fields.items()],
            "client": ("192.0.2.9", 1234),
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.door(scope, receive, send)  # type: ignore[arg-type]
        start, end = sent
        headers = {name.decode(): value.decode("ascii") for name, value in start["headers"]}
        return Answer(start["status"], headers, end["body"])

    async def one(self, text: str) -> Any:
        row = await self.database.read(lambda conn: conn.one(statement(text)))
        return row[0] if row else None

    async def changes(self) -> list[Any]:
        """Everything that a request could change besides hits."""
        return [
            await self.one("SELECT COUNT(*) FROM suppression"),
            await self.one("SELECT COUNT(*) FROM event"),
            await self.one("SELECT COUNT(*) FROM counter"),
            await self.one("SELECT COUNT(*) FROM recipient WHERE unsubscribed_ms IS NOT NULL"),
        ]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = await make_world(tmp_path)
    yield made
    made.spool.close()
    await made.database.close()


async def make_world(folder: Path) -> World:
    clock = ManualClock()
    url = f"sqlite:///{folder}/postroom.db"
    database = await open_database(url, clock=clock)
    await add_workspace(database)
    await add_mail(database, [1, 2, 3], delivered_ms=clock.now_ms() - 3_600_000)
    return build(database, clock, folder, url)


def build(database: Database, clock: ManualClock, folder: Path, url: str) -> World:
    ids = IdSource(0, clock)
    spool = Spool(folder / "spool", clock)
    hosts = Hosts([HOST], {"go.ours.test": WORKSPACE_ID, "go.theirs.test": WORKSPACE_ID + 1})
    links = Links(database, clock)
    passed_on: list[str] = []

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        passed_on.append(scope["path"])
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    door = PublicDoor(
        keys=KEYS,
        hosts=hosts,
        spool=spool,
        links=links,
        database=database,
        ids=ids,
        clock=clock,
        trusted_proxies=[ip_network("192.0.2.0/24")],
        behind=behind,
    )
    return World(door, database, clock, spool, Ingest(spool, database, ids, clock), hosts, links, url, passed_on)


def pixel(recipient_id: int = 1) -> str:
    return f"/o/{KEYS.url_text(TokenKind.OPEN, 1, recipient_id)}.png"


def link(position: int = 0, recipient_id: int = 1) -> str:
    return f"/c/{KEYS.url_text(TokenKind.CLICK, 1, recipient_id, position)}"


def unsubscribe(recipient_id: int = 1) -> str:
    return f"/u/{KEYS.url_text(TokenKind.UNSUBSCRIBE, 1, recipient_id)}"


# The pixel


def test_the_pixel_is_a_valid_png_of_one_transparent_pixel() -> None:
    assert PIXEL[:8] == b"\x89PNG\r\n\x1a\n"
    chunks = []
    rest = PIXEL[8:]
    while rest:
        size = int.from_bytes(rest[:4], "big")
        assert zlib.crc32(rest[4 : 8 + size]) == int.from_bytes(rest[8 + size : 12 + size], "big")
        chunks.append((rest[4:8], rest[8 : 8 + size]))
        rest = rest[12 + size :]
    assert [name for name, _ in chunks] == [b"IHDR", b"IDAT", b"IEND"]
    assert chunks[0][1] == bytes.fromhex("00000001 00000001 08 06 00 00 00")
    assert zlib.decompress(chunks[1][1]) == bytes(5)


async def test_a_pixel_is_answered_recorded_and_never_stored_by_a_cache(world: World) -> None:
    answer = await world.ask(pixel())
    await world.ingest.carry_all()

    assert (answer.status, answer.body) == (200, PIXEL)
    assert answer.fields["content-type"] == "image/png"
    assert answer.fields["content-length"] == str(len(PIXEL))
    assert "no-store" in answer.fields["cache-control"]
    assert "private" in answer.fields["cache-control"]
    assert await world.one("SELECT label FROM hit") == "human"


@pytest.mark.parametrize(
    ("path", "host"),
    [
        ("/o/", HOST),
        ("/o/garbage.png", HOST),
        ("/o/" + "A" * 5_000, HOST),
        ("/o/ä\x00\n.png", HOST),
        (link().replace("/c/", "/o/") + ".png", HOST),
        (pixel(), "elsewhere.test"),
        (pixel(), ""),
        (pixel(), "go.theirs.test"),
    ],
)
async def test_bad_tokens_and_wrong_hosts_get_the_pixel_and_record_nothing(world: World, path: str, host: str) -> None:
    answer = await world.ask(path, host=host)
    await world.ingest.carry_all()

    assert (answer.status, answer.body) == (200, PIXEL)
    assert await world.one("SELECT COUNT(*) FROM hit") == 0


async def test_head_on_the_pixel_has_no_body_and_is_a_machine(world: World) -> None:
    answer = await world.ask(pixel(), "HEAD")
    await world.ingest.carry_all()

    assert (answer.status, answer.body, answer.fields["content-length"]) == (200, b"", str(len(PIXEL)))
    assert await world.one("SELECT method || ' ' || label FROM hit") == "HEAD machine"


async def test_a_pixel_is_answered_while_the_database_is_down_and_its_hit_goes_in_later(
    world: World, tmp_path: Path
) -> None:
    await world.database.close()

    assert (await world.ask(pixel())).body == PIXEL
    with pytest.raises(Exception, match="closing"):
        await world.ingest.carry_all()

    again = await open_database(world.url, clock=world.clock)
    carried = Ingest(world.spool, again, IdSource(0, world.clock), world.clock)
    await carried.carry_all()
    assert (await again.read(lambda conn: conn.one(statement("SELECT COUNT(*) FROM hit")))) == (1,)
    await again.close()


@pytest.mark.parametrize("path", [pixel(), link(), "/o/x", "/c/x"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"])
async def test_pixel_and_link_answer_to_get_and_head_only(world: World, path: str, method: str) -> None:
    answer = await world.ask(path, method)
    assert (answer.status, answer.fields["allow"]) == (405, "GET, HEAD")


# The link


@pytest.mark.parametrize("position", range(len(LINKS)))
async def test_a_link_leads_to_the_byte_equal_stored_target(world: World, position: int) -> None:
    answer = await world.ask(link(position))
    await world.ingest.carry_all()

    assert (answer.status, answer.fields["location"]) == (307, LINKS[position])
    assert "no-store" in answer.fields["cache-control"]
    assert answer.fields["referrer-policy"] == "no-referrer"
    assert await world.one("SELECT position FROM hit") == position


async def test_head_on_a_link_redirects_and_is_a_machine(world: World) -> None:
    answer = await world.ask(link(), "HEAD")
    await world.ingest.carry_all()

    assert answer.status == 307
    assert await world.one("SELECT label FROM hit") == "machine"


@pytest.mark.parametrize(
    ("path", "host"),
    [
        ("/c/", HOST),
        ("/c/forged", HOST),
        ("/c/https://evil.test/", HOST),
        (link()[:-1] + ("A" if link()[-1] != "A" else "B"), HOST),
        (link(len(LINKS)), HOST),
        (link(0, 99), HOST),
        (pixel().replace("/o/", "/c/").removesuffix(".png"), HOST),
        (link(), "elsewhere.test"),
        (link(), "go.theirs.test"),
    ],
)
async def test_a_redirect_goes_only_to_a_stored_target(world: World, path: str, host: str) -> None:
    answer = await world.ask(path, host=host)

    assert answer.status == 404
    assert "location" not in answer.fields
    assert answer.fields["content-type"].startswith("text/html")


async def test_a_token_is_answered_on_a_host_of_its_workspace(world: World) -> None:
    assert (await world.ask(link(), host="go.ours.test:443")).status == 307
    assert (await world.ask(unsubscribe(), host="go.ours.test")).status == 200
    assert (await world.ask(unsubscribe(), host="go.theirs.test")).status == 404


async def test_a_link_that_is_cached_works_while_the_database_is_down_and_another_asks_to_wait(world: World) -> None:
    await world.ask(link(0))
    await world.database.close()

    assert (await world.ask(link(1))).status == 307
    waiting = await world.ask(link(0, recipient_id=2))
    assert waiting.status == 503
    assert int(waiting.fields["retry-after"]) > 0
    refresh = LexborHTMLParser(waiting.body).css_first('meta[http-equiv="refresh"]')
    assert refresh is not None
    assert "url" not in (refresh.attributes["content"] or "").lower()


async def test_an_unknown_recipient_is_asked_for_again_after_a_while(world: World) -> None:
    assert (await world.ask(link(0, 50))).status == 404
    await add_mail(world.database, [50], message_id=500)
    assert (await world.ask(link(0, 50))).status == 404

    world.clock.advance(seconds=6)

    assert (await world.ask(link(0, 50))).status == 307


# The unsubscribe page


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_looking_at_the_unsubscribe_page_changes_nothing(world: World, method: str) -> None:
    before = await world.changes()

    answer = await world.ask(unsubscribe(), method)

    assert answer.status == 200
    assert await world.changes() == before
    assert (answer.body == b"") == (method == "HEAD")


async def test_the_page_names_the_sender_asks_by_a_button_and_loads_nothing(world: World) -> None:
    answer = await world.ask(unsubscribe())
    page = LexborHTMLParser(answer.body)

    assert "sender.test" in page.text()
    form = page.css_first("form")
    assert form is not None
    assert form.attributes["method"] == "post"
    assert not page.css("script, img, link, iframe")
    assert "default-src 'none'" in answer.fields["content-security-policy"]
    assert "set-cookie" not in answer.fields


async def test_the_button_unsubscribes_and_undo_takes_it_back(world: World) -> None:
    done = await world.ask(unsubscribe(), "POST", body=b"action=unsubscribe", more={"content-type": FORM})
    assert done.status == 200
    assert "unsubscribed" in LexborHTMLParser(done.body).text()
    assert await world.one("SELECT scope FROM suppression") == "bulk"

    back = await world.ask(unsubscribe(), "POST", body=b"action=undo", more={"content-type": FORM})
    assert "subscribed again" in LexborHTMLParser(back.body).text()
    assert await world.one("SELECT COUNT(*) FROM suppression") == 0


@pytest.mark.parametrize(
    ("content_type", "body"), [(FORM, b"List-Unsubscribe=One-Click"), ("multipart/form-data; boundary=b", MULTIPART)]
)
async def test_one_click_needs_no_cookie_gives_no_redirect_and_may_be_repeated(
    world: World, content_type: str, body: bytes
) -> None:
    for _ in range(3):
        answer = await world.ask(unsubscribe(), "POST", body=body, more={"content-type": content_type})
        assert answer.status == 200
        assert "location" not in answer.fields

    assert await world.one("SELECT COUNT(*) FROM suppression") == 1
    assert await world.one("SELECT COUNT(*) FROM event WHERE kind = 'unsubscribed'") == 1
    assert await world.one("SELECT SUM(unsubscribes) FROM counter WHERE dimension = 'total'") == 1


async def test_a_post_that_says_nothing_changes_nothing(world: World) -> None:
    before = await world.changes()
    assert (await world.ask(unsubscribe(), "POST", body=b"")).status == 400
    assert (await world.ask(unsubscribe(), "POST", body=b"List-Unsubscribe=Two-Click")).status == 400
    assert (await world.ask(unsubscribe(), "POST", body=b"x" * 100_000)).status == 413
    assert await world.changes() == before


async def test_the_page_after_an_unsubscribe_tells_the_authors_own_way(world: World) -> None:
    own = '{"List-Unsubscribe": "<https://own.test/?a=1&b=\\"><script>alert(1)</script>, <javascript:alert(1)>"}'
    await add_mail(world.database, [60], message_id=600, unsubscribe=own)

    answer = await world.ask(unsubscribe(60), "POST", body=b"action=unsubscribe", more={"content-type": FORM})

    page = LexborHTMLParser(answer.body)
    assert [node.attributes["href"] for node in page.css("a")] == ['https://own.test/?a=1&b="']
    assert not page.css("script")


async def test_while_the_database_is_down_an_unsubscribe_asks_to_come_back(world: World) -> None:
    await world.database.close()

    for method in ("GET", "POST"):
        answer = await world.ask(unsubscribe(), method, body=b"List-Unsubscribe=One-Click")
        assert answer.status == 503
        assert int(answer.fields["retry-after"]) > 0


# Everything


async def test_any_other_path_goes_to_the_application_behind(world: World) -> None:
    for path in ("/", "/api/v1/messages", "/o", "/other", "/C/x"):
        assert (await world.ask(path)).status == 299
    assert len(world.passed_on) == 5


async def test_an_address_is_taken_from_a_trusted_proxy_only(world: World) -> None:
    await world.ask(pixel(), more={"x-forwarded-for": "203.0.113.5, 198.51.100.7, 192.0.2.30"})
    await world.ingest.carry_all()
    assert await world.one("SELECT address FROM hit") == "198.51.100.7"

    trusted = [ip_network("192.0.2.0/24")]
    assert client_address("198.51.100.1", b"203.0.113.5", trusted) == "198.51.100.1"
    assert client_address("192.0.2.1", b"garbage", trusted) == "192.0.2.1"


async def test_a_hit_that_the_database_refuses_is_set_aside_and_holds_up_no_other(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.gather(*(world.ask(pixel(recipient)) for recipient in (1, 2, 3)))
    facts = store.hit_facts

    def refuse(tx: Any, recipient_ids: Any) -> dict[int, HitFacts]:
        if 2 in recipient_ids:
            raise ValueError("this one never")
        return facts(tx, recipient_ids)

    monkeypatch.setattr(store, "hit_facts", refuse)
    await world.ingest.carry_all()

    assert await world.one("SELECT COUNT(*) FROM hit") == 2
    assert (tmp_path / "spool" / "refused.json").read_bytes().count(b"\n") == 1


@settings(max_examples=60)
@given(
    st.sampled_from(["/o/", "/c/", "/u/", "/o", "/"]),
    st.text(max_size=60),
    st.sampled_from(["GET", "HEAD", "POST", "X"]),
    st.text(st.characters(max_codepoint=255), max_size=30),
    st.binary(max_size=60),
)
def test_any_path_gets_an_answer_and_no_redirect(
    tmp_path_factory: pytest.TempPathFactory, prefix: str, rest: str, method: str, host: str, body: bytes
) -> None:
    async def ask() -> None:
        clock = ManualClock()
        world = build(Database("sqlite", clock, asyncio.get_running_loop()), clock, folder, "")
        answer = await world.ask(prefix + rest, method, host=host, body=body)
        assert answer.status in (200, 299, 404, 405)
        assert "location" not in answer.fields
        world.spool.close()

    folder = tmp_path_factory.mktemp("any")
    asyncio.run(ask())


# Answered at once


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
async def test_what_is_answered_at_once_is_answered_the_same_by_the_application(world: World, method: str) -> None:
    await world.ask(link())  # Now its target is in memory.
    paths = [pixel(), pixel()[:-5], link(), link(7), "/o/x", "/c/x", "/elsewhere"]
    requests = [
        f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {CHROME}\r\nConnection: close\r\n\r\n"
        for path in paths
        for host in (HOST, "nobody.test")
    ]

    async def answers(at_once: AtOnce | None) -> list[list[bytes]]:
        listener = await serve_http(world.door, "127.0.0.1", 0, at_once=at_once)
        found = []
        for request in requests:
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            writer.write(request.encode())
            lines = (await asyncio.wait_for(reader.read(), 30)).split(b"\r\n")
            found.append(sorted(line for line in lines if not line.startswith(b"date")))
            writer.close()
        await listener.stop(1)
        return found

    assert await answers(world.door.at_once) == await answers(None)
    await world.ingest.carry_all()
    # Two runs and two hosts each: the pixel on its host, and the link, asked once before.
    recorded = 0 if method == "DELETE" else 2
    assert await world.one("SELECT count(*) FROM hit WHERE kind = 'open'") == recorded
    assert await world.one("SELECT count(*) FROM hit WHERE kind = 'click'") == recorded + 1
