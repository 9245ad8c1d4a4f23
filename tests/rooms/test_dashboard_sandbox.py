"""The sandbox inbox: what it shows of a copy, and what a copy cannot do."""

import re
import zlib

import httpx
import pytest
from copies import html_mail, lines_of, mail, multipart, part
from dashboard_browser import TOKEN_KEYS, World
from selectolax.lexbor import LexborHTMLParser

from bench.tracked_mail import LINKS, add_mail
from postroom.base.ids import show_id
from postroom.base.tokens import TokenKind
from postroom.doors.dashboard.mail_frame import CSP
from postroom.ledger.rows import SandboxCopyRow
from postroom.store import sandbox
from postroom.store.database import statement

RCP = show_id("rcp", 7)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(200))
EVIL = '"><script>alert(1)</script>'
INBOX = "/w/one/sandbox"
COPY = f"{INBOX}/{RCP}"


@pytest.fixture
async def world(pages: World) -> World:
    return pages


async def keep(world: World, raw: bytes, *recipient_ids: int, name: str = "one", address: str = "u{}@a.test") -> None:
    """Keep a copy as the sandbox does."""
    ids = recipient_ids or (7,)
    workspace = await world.workspace(name)
    database, now = world.services.database, world.clock.now_ms()
    await add_mail(database, ids, message_id=ids[0] * 100, workspace_id=workspace.id, delivered_ms=now, address=address)
    for one in ids:
        row = SandboxCopyRow(one, workspace.id, "b-1@rp.test", zlib.compress(raw), now)
        await database.write(lambda tx, row=row: tx.add(row))


def ours(kind: TokenKind, position: int = 0, recipient_id: int = 7) -> str:
    """Return an address of ours as it stands in a copy."""
    token = TOKEN_KEYS.url_text(kind, 1, recipient_id, position)
    return f"https://track.example.test/{kind.value.decode()}/{token}" + (".png" if kind is TokenKind.OPEN else "")


def words(page: httpx.Response) -> str:
    """Return what a page says."""
    assert page.status_code == 200, page.text
    main = LexborHTMLParser(page.text).css_first("main")
    assert main is not None
    return re.sub(r"\s+", " ", main.text())


async def shown_ms(world: World, recipient_id: int = 7) -> int | None:
    workspace = await world.workspace("one")
    return await world.services.database.read(lambda conn: sandbox.first_shown_ms(conn, workspace.id, recipient_id))


TRACKED = html_mail(
    f'<p>Hello</p><a href="{ours(TokenKind.CLICK, 3)}">x</a><a href="https://other.test/">y</a>'
    f'<a href="mailto:a@b.test">z</a><a href="{ours(TokenKind.UNSUBSCRIBE)}">u</a>'
    f'<img src="{ours(TokenKind.OPEN)}">'.encode()
)


async def test_an_empty_inbox_shows_the_line_that_fills_it(world: World) -> None:
    told = words(await world.get(INBOX))
    assert "No mail yet" in told
    assert "curl http://postroom.test/api/v1/messages" in told


async def test_the_inbox_lists_who_what_and_what_was_not_looked_at(world: World) -> None:
    await keep(world, TRACKED, 7, 8)
    await world.get(COPY)
    page = LexborHTMLParser((await world.get(INBOX)).text)
    rows = page.css(".inbox li")
    assert [re.sub(r"\s+", " ", row.text()).strip() for row in rows] == [
        "u8@a.test just now Not looked at yet: News",
        "u7@a.test just now News",
    ]
    assert [row.attributes.get("class") for row in rows] == ["unread", None]


async def test_the_inbox_is_paged_and_searched_by_address(world: World) -> None:
    await keep(world, TRACKED, *range(1, 61))
    first = LexborHTMLParser((await world.get(INBOX)).text)
    assert len(first.css(".inbox li")) == 50
    older = first.css_first('a[rel="next"]')
    assert older is not None
    rest = LexborHTMLParser((await world.get(str(older.attributes["href"]))).text)
    assert len(rest.css(".inbox li")) == 10
    assert rest.css_first('a[rel="next"]') is None
    found = LexborHTMLParser((await world.get(INBOX, to="U7@A.test")).text)
    assert len(found.css(".inbox li")) == 1
    assert "No copy for this address" in words(await world.get(INBOX, to=f"nobody@{EVIL}"))


async def test_a_copy_is_shown_in_a_frame_of_nobodys_origin(world: World) -> None:
    await keep(world, TRACKED)
    page = LexborHTMLParser((await world.get(COPY)).text)
    frame = page.css_first("iframe")
    assert frame is not None
    assert frame.attributes["sandbox"] == "allow-popups allow-popups-to-escape-sandbox"
    assert frame.attributes["src"] == f"{COPY}/html"
    answer = await world.get(f"{COPY}/html")
    assert answer.headers["content-security-policy"] == CSP
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert f'<img src="{ours(TokenKind.OPEN)}">' in answer.text


async def test_links_of_the_frame_open_tabs_of_their_own(world: World) -> None:
    html = b'<A HREF="https://a.test/" target="_top">x</A><a/href=https://b.test/>y</a><area href=/c><abbr>n</abbr>'
    await keep(world, html_mail(html))
    tree = LexborHTMLParser((await world.get(f"{COPY}/html")).text)
    links = tree.css("a, area")
    assert [(one.attributes["target"], one.attributes["rel"]) for one in links] == [("_blank", "noopener")] * 3
    assert [one.attributes["href"] for one in links] == ["https://a.test/", "https://b.test/", "/c"]
    abbr = tree.css_first("abbr")
    assert abbr is not None
    assert abbr.attributes == {}


async def test_the_first_showing_is_noted_once_before_the_page_leaves(world: World) -> None:
    await keep(world, TRACKED)
    await world.get(INBOX)
    await world.client.get(COPY, headers={"sec-purpose": "prefetch;prerender"})
    assert await shown_ms(world) is None
    await world.get(COPY)
    first = await shown_ms(world)
    assert first == world.clock.now_ms()
    world.clock.advance(seconds=60)
    await world.get(f"{COPY}/html")
    assert await shown_ms(world) == first


async def test_links_are_listed_with_where_they_lead(world: World) -> None:
    await keep(world, TRACKED)
    told = words(await world.get(COPY, view="links"))
    assert LINKS[3] in told
    assert "1 of 4 links recorded" in told
    assert "open pixel" in told
    assert "not signed" in told
    for sentence in ("A click is recorded", "Goes straight there", "No web address", "Opens the page to unsubscribe"):
        assert sentence in told
    hrefs = [one.attributes["href"] for one in LexborHTMLParser((await world.get(COPY, view="links")).text).css("td a")]
    assert hrefs == [ours(TokenKind.CLICK, 3), "https://other.test/", ours(TokenKind.UNSUBSCRIBE)]


async def test_a_link_that_runs_something_is_never_offered(world: World) -> None:
    html = b'<a href="javascript:alert(1)">x</a><a href="data:text/html,x">y</a><a href=" JAVASCRIPT:alert(1)">z</a>'
    await keep(world, html_mail(html))
    page = LexborHTMLParser((await world.get(COPY, view="links")).text)
    assert page.css("td a") == []


async def test_header_facts_and_signatures_are_told(world: World) -> None:
    dkim = b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=a.test;\r\n s=k1; h=from; bh=x; b=y"
    await keep(world, mail(b"x", dkim, b"List-Unsubscribe: <https://a.test/u>", b"List-Unsubscribe-Post: x"))
    told = words(await world.get(COPY, view="links"))
    assert "rsa-sha256 by a.test with the key k1._domainkey.a.test" in told
    assert "List-Unsubscribe<https://a.test/u>" in told


async def test_the_source_is_shown_and_handed_out_byte_for_byte(world: World) -> None:
    raw = mail(b"<b>\xff</b>\r\n", b"X-Evil: " + EVIL.encode())
    await keep(world, raw)
    page = await world.get(COPY, view="source")
    assert EVIL not in page.text
    assert f"X-Evil: {EVIL}" in words(page)
    whole = await world.get(f"{COPY}/source")
    assert whole.content == raw
    assert whole.headers["content-type"] == "application/octet-stream"
    assert whole.headers["content-disposition"].startswith(f'attachment; filename="{RCP}.eml"')


async def test_files_leave_as_downloads_that_no_browser_opens(world: World) -> None:
    page = part(
        b"<script>alert(1)</script>", b"text/html", 'Content-Disposition: attachment; filename="ü\\".html"'.encode()
    )
    await keep(world, multipart(b"mixed", part(b"x", b"text/plain"), page))
    listed = await world.get(COPY, view="files")
    href = LexborHTMLParser(listed.text).css_first("td a")
    assert href is not None
    answer = await world.get(str(href.attributes["href"]))
    assert answer.content == b"<script>alert(1)</script>"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["content-disposition"] == "attachment; filename=\"__.html\"; filename*=UTF-8''%C3%BC_.html"
    assert (await world.get(f"{COPY}/files/9")).status_code == 404


async def test_images_of_the_mail_come_from_its_own_parts_without_a_cookie(world: World) -> None:
    image = part(lines_of(PNG), b"image/png", b"Content-ID: <logo@x>", b"Content-Transfer-Encoding: base64")
    script = part(b"alert(1)", b"text/javascript", b"Content-ID: <s@x>")
    html = part(b'<img src="cid:logo%40x"><img src="CID:nothing@x"><img src=cid:s@x>', b"text/html")
    await keep(world, multipart(b"related", html, image, script))
    frame = LexborHTMLParser((await world.get(f"{COPY}/html")).text)
    sources = [str(one.attributes["src"]) for one in frame.css("img")]
    assert sources[1:] == ["CID:nothing@x", "cid:s@x"]
    async with world.stranger() as client:
        answer = await client.get(sources[0])
        assert (answer.status_code, answer.content) == (200, PNG)
        assert answer.headers["content-type"] == "image/png"
        assert "sandbox" in answer.headers["content-security-policy"]
        forged = sources[0][:-3] + ("aaa" if not sources[0].endswith("aaa") else "bbb")
        assert (await client.get(forged)).status_code != 200
        assert (await client.get(sources[0].replace("/w/one/", "/w/two/"))).status_code != 200
    token = sources[0].rpartition("/")[2]
    found = TOKEN_KEYS.check_url_text(TokenKind.PART, token)
    assert found is not None
    wrong = TOKEN_KEYS.url_text(TokenKind.PART, 1, 7, found.position + 1)
    assert (await world.get(f"/w/one/sandbox-parts/{wrong}")).status_code == 404


async def test_a_plain_text_is_shown_with_its_links_and_nothing_else(world: World) -> None:
    text = f"Dear {EVIL}\r\nlook at https://a.test/x?a=1&b=2.\r\n"
    await keep(world, mail(text.encode(), b"Content-Type: text/plain; charset=utf-8"))
    page = await world.get(COPY)
    assert EVIL not in page.text
    tree = LexborHTMLParser(page.text).css_first(".mail-text")
    assert tree is not None
    assert tree.text() == text.replace("\r\n", "\n")
    link = tree.css_first("a")
    assert link is not None
    assert link.attributes == {
        "href": "https://a.test/x?a=1&b=2", "target": "_blank", "rel": "noopener noreferrer",
    }  # fmt: skip


@pytest.mark.parametrize("view", ["html", "text", "source", "links", "files", "nothing"])
async def test_nothing_of_a_mail_becomes_markup_of_the_page(world: World, view: str) -> None:
    evil = EVIL.encode()
    attached = part(
        b"x", b"application/x", b'Content-Disposition: attachment; filename="' + b"'><script>alert(1)</script>" + b'"'
    )
    raw = multipart(b"mixed", part(b"<p>" + evil, b"text/html"), attached)
    raw = b"X-Evil: " + evil + b"\r\nReply-To: " + evil + b"\r\nList-Id: " + evil + b"\r\n" + raw
    await keep(world, raw, address="{}+<script>alert(1)</script>@a.test")
    page = await world.get(COPY, view=view, to=EVIL, width=EVIL, dark=EVIL)
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    scripts = LexborHTMLParser(page.text).css("script")
    assert all(one.attributes.get("src", "").startswith("/static/") for one in scripts)


@pytest.mark.parametrize(
    "raw",
    [b"", b"\xff\xfe\x00", b"Content-Type: text/html; charset=utf-7\r\n\r\n+ADw-script+AD4-",
     b"Content-Type: multipart/mixed\r\n\r\nx",
     b"Content-Type: text/html\r\n\r\n" + b"<table><tr><td>" * 20_000],
    ids=["empty", "no mail", "utf-7", "no boundary", "deep"],
)  # fmt: skip
async def test_broken_mail_is_shown_as_far_as_it_can_be(world: World, raw: bytes) -> None:
    await keep(world, raw)
    for view in ("html", "text", "source", "links", "files"):
        assert (await world.get(COPY, view=view)).status_code == 200
    assert (await world.get(f"{COPY}/html")).status_code in (200, 404)


async def test_another_workspace_sees_nothing_of_a_copy(world: World) -> None:
    await keep(world, TRACKED)
    theirs = COPY.replace("/one/", "/two/")
    for path in ("", "/html", "/source", "/files/1"):
        assert (await world.get(theirs + path)).status_code == 404
    assert "No mail yet" in words(await world.get("/w/two/sandbox"))
    assert await shown_ms(world) is None


@pytest.mark.parametrize("path", [INBOX, COPY, f"{COPY}/html", f"{COPY}/source", f"{COPY}/files/1"])
async def test_who_has_not_logged_in_sees_nothing(world: World, path: str) -> None:
    await keep(world, TRACKED)
    async with world.stranger() as client:
        answer = await client.get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login")
    assert await shown_ms(world) is None


async def test_the_width_and_the_dark_preview_leave_the_frame_as_it_is(world: World) -> None:
    await keep(world, TRACKED)
    page = LexborHTMLParser((await world.get(COPY, width="phone", dark="1")).text)
    around = page.css_first(".mail-frame")
    assert around is not None
    assert around.attributes["class"] == "mail-frame phone dark turned"
    frame = page.css_first("iframe")
    assert frame is not None
    assert frame.attributes["src"] == f"{COPY}/html"


async def test_opens_and_clicks_are_marked_those_of_machines_apart(world: World) -> None:
    await keep(world, TRACKED, 7, 8)
    database = world.services.database
    await database.write(lambda tx: tx.run(statement("UPDATE recipient SET opened_ms = 1, clicked_ms = 1")))
    await database.write(lambda tx: tx.run(statement("UPDATE recipient SET human_opened_ms = 1 WHERE id = 7")))
    rows = LexborHTMLParser((await world.get(INBOX)).text).css(".inbox-marks")
    assert [" ".join(row.text().split()) for row in rows] == [
        "clicked by a machineopened by a machine",
        "clicked by a machineopened",
    ]
    assert (await world.get(COPY)).status_code == 200
