"""What holds for every page of the dashboard, also for those that come later: login, token, header fields."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from dashboard_browser import NAME, PASSWORD, World, dashboard
from litestar.routes import HTTPRoute
from migrated import sqlite_url

from postroom.base.clock import ManualClock
from postroom.doors.dashboard.app import CSP, HANDLERS
from postroom.doors.dashboard.session import form_token, safe_next
from postroom.store.database import open_database


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = ManualClock()
    database = await open_database(sqlite_url(tmp_path), clock=clock)
    async with dashboard(database, clock) as running:
        yield running
    await database.close()


def routes(app: Any, method: str) -> Iterator[tuple[str, bool]]:
    """Return the path of every handler of a method, and whether it is public."""
    for route in app.app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                if method in handler.http_methods:
                    path = route.path_format
                    for name in route.path_parameters:
                        path = path.replace("{" + name + "}", "one" if name == "workspace" else "a")
                    yield path, bool(handler.opt.get("public"))


async def test_every_page_sends_strangers_to_the_login_and_then_back(world: World) -> None:
    private = [path for path, public in routes(world.app, "GET") if not public]
    async with world.stranger() as stranger:
        for path in private:
            answer = await stranger.get(path, params={"a": "1"})

            assert answer.status_code == 303, path
            assert answer.headers["location"] == f"/login?next={path}%3Fa%3D1", path
            assert NAME not in answer.text
    assert len(private) >= 8


async def test_no_post_is_done_without_the_token_of_its_session(world: World) -> None:
    other = form_token("of another browser")
    paths = [path for path, _ in routes(world.app, "POST")]
    async with world.stranger() as stranger:
        for path in paths:
            for client in (world.client, stranger):
                for fields in ({}, {"csrf": ""}, {"csrf": other}):
                    answer = await client.post(path, data=fields)
                    assert answer.status_code == 403, path
                    assert "no longer valid" in answer.text
    assert len(paths) >= 10


async def test_a_post_of_another_site_is_refused_with_the_right_token_too(world: World) -> None:
    token = form_token(world.client.cookies["postroom"])
    for fields in ({"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "http://evil.test"}):
        answer = await world.client.post("/logout", data={"csrf": token}, headers=fields)
        assert answer.status_code == 403

    answer = await world.client.post("/logout", data={"csrf": token}, headers={"origin": "http://postroom.test"})
    assert answer.status_code == 303


async def test_every_answer_carries_the_security_fields(world: World) -> None:
    paths = [path for path, _ in routes(world.app, "GET")]
    paths += ["/nothing", "/w/none/keys", "/static/x/postroom.css", "/static/x/none.css", "/robots.txt"]
    async with world.stranger() as stranger:
        for path in paths:
            for client in (world.client, stranger):
                for answer in (await client.get(path), await client.post(path)):
                    fields = answer.headers
                    assert "default-src" in fields["content-security-policy"], path
                    assert "unsafe-inline" not in fields["content-security-policy"].partition("script-src")[2], path
                    assert fields["x-content-type-options"] == "nosniff", path
                    assert fields["referrer-policy"] in ("same-origin", "no-referrer"), path
                    assert "camera=()" in fields["permissions-policy"], path
                    assert answer.status_code < 500, path


async def test_the_policy_of_pages_allows_nothing_inline_and_no_frame_around_them(world: World) -> None:
    answer = await world.get("/settings")

    assert answer.headers["content-security-policy"] == CSP
    assert "default-src 'self'" in CSP
    assert "frame-ancestors 'none'" in CSP
    assert "unsafe" not in CSP
    assert " style=" not in answer.text
    assert "<script>" not in answer.text


async def test_two_changes_before_the_next_page_are_both_told(world: World) -> None:
    for name in ("build", "shop"):
        await world.post("/w/one/keys", name=name)

    shown, again = [(await world.get("/w/one/keys")).text for _ in range(2)]

    assert shown.count('class="flash done"') == 2
    assert shown.count("API key") > again.count("API key")
    assert "flash done" not in again


async def test_the_settings_keep_the_workspace_that_was_looked_at_last(world: World) -> None:
    for name in ("two", "one"):
        await world.get(f"/w/{name}/keys")
        assert f'href="/w/{name}/queue"' in (await world.get("/settings")).text


async def test_a_workspace_that_is_not_there_is_not_found(world: World) -> None:
    paths = [(path, "GET") for path, _ in routes(world.app, "GET") if path.startswith("/w/")]
    paths += [(path, "POST") for path, _ in routes(world.app, "POST") if path.startswith("/w/")]
    for path, method in paths:
        path = path.replace("/w/one", "/w/nobody's", 1)
        answer = await (world.get(path) if method == "GET" else world.post(path))
        assert answer.status_code == 404, (method, path)
    assert paths


async def test_head_has_the_fields_of_get_and_no_content(world: World) -> None:
    for path in ("/settings", "/nothing", "/"):
        get, head = await world.get(path), await world.client.head(path)

        assert head.status_code == get.status_code
        assert head.headers["content-length"] == get.headers["content-length"]
        assert head.content == b""


async def test_pages_are_kept_by_nobody_and_files_for_ever(world: World) -> None:
    page = await world.get("/settings")
    style = page.text.partition('rel="stylesheet" href="')[2].partition('"')[0]

    file = await world.client.get(style)
    of_another_version = await world.client.get("/static/000000000000/postroom.css")

    assert page.headers["cache-control"] == "no-store"
    assert file.status_code == 200
    assert file.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in file.headers["cache-control"]
    assert of_another_version.content == file.content
    assert of_another_version.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.test/", "//evil.test/", "/\\evil.test", "\\\\evil.test", "/\t/evil.test", "javascript:alert(1)", "",
     "/" + "a" * 3000, "/\x00", "/a\r\nset-cookie: a=b"],
)  # fmt: skip
def test_a_login_leads_to_no_other_site(wanted: str) -> None:
    assert safe_next(wanted) == "/"


async def test_after_logging_in_one_is_where_one_wanted_to_go(world: World) -> None:
    async with world.stranger() as stranger:
        await stranger.get("/w/one/keys?a=b&c=d")
        token = form_token(stranger.cookies["postroom_visitor"])
        answer = await stranger.post(
            "/login", data={"csrf": token, "name": NAME, "password": PASSWORD, "next": "/w/one/keys?a=b&c=d"}
        )

    assert answer.headers["location"] == "/w/one/keys?a=b&c=d"


async def test_a_piece_of_a_page_sends_the_whole_page_to_the_login(world: World) -> None:
    async with world.stranger() as stranger:
        answer = await stranger.get(
            "/w/one/keys", headers={"hx-request": "true", "hx-current-url": "http://postroom.test/w/one/keys?a=b"}
        )

    assert answer.status_code == 204
    assert answer.headers["hx-redirect"] == "/login?next=/w/one/keys%3Fa%3Db"


async def test_strangers_do_not_learn_which_pages_there_are(world: World) -> None:
    async with world.stranger() as stranger:
        answers = [await stranger.get(path) for path in ("/settings", "/nothing", "/w/one/", "/w/none/keys")]

    assert {answer.status_code for answer in answers} == {303}


async def test_without_the_database_pages_say_so_and_nobody_is_logged_out(world: World) -> None:
    await world.services.database.close()

    answer = await world.get("/settings")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert "database cannot be reached" in answer.text
    assert "set-cookie" not in answer.headers


async def test_a_page_that_fails_says_so_and_nothing_of_what_failed(world: World, monkeypatch: Any) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("the secret reason")

    monkeypatch.setattr(world.services.operators, "list", fail)

    answer = await world.get("/settings/operators")

    assert answer.status_code == 500
    assert "Something went wrong here" in answer.text
    assert "secret reason" not in answer.text


async def test_cookies_over_https_are_of_this_host_only(world: World) -> None:
    names = world.app._pages.names.of("https://mail.example.com")

    cookie = names.cookie(names.session, "x").to_header(header="")

    assert cookie.startswith("__Host-postroom=x")
    assert "Secure" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Domain" not in cookie


def test_every_handler_has_a_sentence() -> None:
    assert [handler.fn.__name__ for handler in HANDLERS if not handler.fn.__doc__] == []
