"""Routes in the dashboard: made, changed, put in order, tested, deleted."""

import re

import httpx
import pytest
from dashboard_browser import World
from inbound_rows import Inbound
from selectolax.lexbor import LexborHTMLParser

from postroom.base.ids import parse_id, show_id
from postroom.ledger.route_rows import RouteAttemptRow
from postroom.store.database import statement

ROUTES = "/w/one/routes"
EVIL = '"><script>alert(1)</script>'
FORWARD = {"recipient": "support@example.com", "sender": "*", "action": "forward", "target": "desk@example.org"}


@pytest.fixture
async def world(pages: World) -> World:
    """The dashboard with a domain that is vouched for, so that it may have routes."""
    workspace = await pages.workspace("one")
    await pages.services.domains.create(workspace, "example.com", vouched=True)
    return pages


async def made(world: World, **fields: object) -> str:
    """Make a route by its form; return its page's path."""
    answer = await world.post(ROUTES, **{**FORWARD, **fields})
    assert answer.status_code == 303, words(answer)
    path: str = answer.headers["location"]
    await world.get(path)
    return path


def words(page: httpx.Response, css: str = "main") -> str:
    found = LexborHTMLParser(page.text).css_first(css)
    assert found is not None, page.text
    return re.sub(r"\s+", " ", found.text(separator=" ")).strip()


def listed(page: httpx.Response) -> list[str]:
    return [node.text(strip=True) for node in LexborHTMLParser(page.text).css("tbody tr strong")]


async def test_without_routes_the_line_that_makes_one_is_shown(world: World) -> None:
    told = words(await world.get(ROUTES))
    assert "No routes yet" in told
    assert "/api/v1/routes" in told


async def test_the_list_says_which_route_fails(world: World) -> None:
    failing, works = await made(world), await made(world, recipient="b@example.com")
    workspace = await world.workspace("one")
    ids = [parse_id("rte", path.rpartition("/")[2]) or 0 for path in (failing, works)]
    tries = [(1, ids[0], 1, ""), (2, ids[0], 0, f"HTTP 503 {EVIL}"), (3, ids[1], 0, "HTTP 500"), (4, ids[1], 1, "")]
    for number, route_id, succeeded, why in tries:
        row = RouteAttemptRow(number, workspace.id, 5, route_id, "webhook", "x", 1, 5, succeeded, None, why, None, "")
        await world.services.database.write(lambda tx, row=row: tx.add(row))

    page = await world.get(ROUTES)
    rows = [re.sub(r"\s+", " ", row.text(separator=" ")) for row in LexborHTMLParser(page.text).css("tbody tr")]

    assert "failing" in rows[0]
    assert "HTTP 503" in rows[0]
    assert "last handed on" in rows[1]
    assert "failing" not in rows[1]
    assert "<script>alert" not in page.text


async def test_a_route_is_made_shown_changed_and_deleted(world: World) -> None:
    path = await made(world, kinds=["reply", "other"], description="The desk")

    assert "support@example.com of the kind reply, mail The desk forwarded to desk@example.org on" in words(
        await world.get(ROUTES)
    )
    form = LexborHTMLParser((await world.get(f"{path}/edit")).text)
    assert {box.attributes["value"] for box in form.css("input[checked]")} == {"reply", "other"}
    await world.post(f"{path}/edit", **{**FORWARD, "action": "store", "recipient": "*@example.com"})
    assert "*@example.com stored" in words(await world.get(ROUTES))
    await world.post(f"{path}/switch", on="0")
    assert "stored off" in words(await world.get(ROUTES))
    await world.post(f"{path}/delete")

    assert (await world.get(path)).status_code == 404
    asked = statement("SELECT action, subject, detail FROM audit WHERE action LIKE 'route%' ORDER BY id")
    assert await world.services.database.read(lambda conn: conn.all(asked)) == [
        ("route.create", "support@example.com", ""),
        ("route.update", "*@example.com", ""),
        ("route.update", "*@example.com", "off"),
        ("route.delete", "*@example.com", ""),
    ]


async def test_a_webhooks_secret_is_shown_once(world: World) -> None:
    answer = await world.post(ROUTES, **{**FORWARD, "action": "webhook", "target": "https://app.example.org/mail"})
    page = answer.headers["location"]

    first, again = await world.get(page), await world.get(page)
    rotated = await world.get((await world.post(f"{page}/rotate")).headers["location"])

    assert words(first, ".once code").startswith("whsec_")
    assert "whsec_" not in again.text
    assert words(rotated, ".once code").startswith("whsec_")


@pytest.mark.parametrize(
    ("wrong", "field", "told"),
    [
        ({"recipient": ""}, "recipient", "Say which address it is for."),
        ({"recipient": "support@other.example"}, "recipient", "other.example is no"),
        ({"recipient": "sup*port@example.com"}, "recipient", "is no pattern"),
        ({"sender": "nobody"}, "sender", "is no pattern"),
        ({"target": "nobody"}, "target", ""),
        ({"action": "webhook", "target": "ftp://x"}, "target", "http"),
        ({"action": "explode"}, "action", "Choose what becomes of the mail."),
    ],
)
async def test_what_is_wrong_stands_beside_its_field(
    world: World, wrong: dict[str, str], field: str, told: str
) -> None:
    answer = await world.post(ROUTES, **{**FORWARD, **wrong})
    assert answer.status_code == 422
    assert told in words(answer, f"#e-{field}")


async def test_routes_are_put_in_order(world: World) -> None:
    first, second = [await made(world, recipient=f"{name}@example.com") for name in ("first", "second")]
    assert listed(await world.get(ROUTES)) == ["first@example.com", "second@example.com"]

    await world.post(f"{ROUTES}/order", route=second.rpartition("/")[2], move="up")
    assert listed(await world.get(ROUTES)) == ["second@example.com", "first@example.com"]
    await world.post(f"{ROUTES}/order", route=second.rpartition("/")[2], move="up")
    await world.post(f"{ROUTES}/order", route=first.rpartition("/")[2], move="down")
    assert listed(await world.get(ROUTES)) == ["second@example.com", "first@example.com"]
    assert (await world.post(f"{ROUTES}/order", route="rte_nonsense", move="up")).status_code == 404


async def test_the_tester_says_which_route_takes_an_address_and_why_others_do_not(world: World) -> None:
    await made(world, sender="*@vip.example", description="vips")
    await made(world, recipient="*@example.com", action="store", target="")

    taken = await world.get(ROUTES, recipient="Support+x@example.com", sender="ada@example.net")
    foreign = await world.get(ROUTES, recipient="support@other.example")
    broken = await world.get(ROUTES, recipient="support")

    assert "The route for *@example.com takes it: it is stored. It is accepted at RCPT." in words(taken, ".verdict")
    assert "no support@example.com It is for mail from *@vip.example." in words(taken, ".verdict")
    assert "other.example is no" in words(foreign, ".verdict")
    assert "Write a whole address" in words(broken, "#e-recipient")
    assert "<script>alert" not in (await world.get(ROUTES, recipient=EVIL, sender=EVIL, kind=EVIL)).text


async def test_what_was_handed_on_stands_on_the_routes_page(world: World) -> None:
    page = await made(world)
    workspace = await world.workspace("one")
    mail = Inbound(world.services.database, world.clock)
    row = await mail.put(workspace.id)
    route = (await world.services.routes.list(workspace.id))[0]
    attempt = RouteAttemptRow(
        mail.ids.next(), workspace.id, row.id, route.id, "webhook", "https://x", row.received_ms, 5, 0, 503,
        "The receiver answered 503.", None, "",
    )  # fmt: skip
    await world.services.database.write(lambda tx: tx.add(attempt))

    told = words(await world.get(page))

    assert "503 The receiver answered 503." in told
    assert f"/inbound/{show_id('inb', row.id)}" in (await world.get(page)).text
    assert "The receiver answered 503." in words(await world.get(f"/w/one/inbound/{show_id('inb', row.id)}"))


async def test_a_route_of_another_workspace_is_not_there(world: World) -> None:
    other = (await made(world)).replace("/w/one/", "/w/two/")
    assert [(await world.get(f"{other}{what}")).status_code for what in ("", "/edit")] == [404, 404]
    for what in ("edit", "switch", "rotate", "delete"):
        assert (await world.post(f"{other}/{what}")).status_code == 404
