"""The pages of keys and workspaces: secrets are shown once, and what is deleted is gone."""

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import pytest
from dashboard_browser import World, dashboard
from migrated import sqlite_url

from postroom.base.clock import ManualClock
from postroom.store.database import open_database


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = ManualClock()
    database = await open_database(sqlite_url(tmp_path), clock=clock)
    async with dashboard(database, clock) as running:
        yield running
    await database.close()


async def test_a_new_key_is_shown_once_with_a_line_that_uses_it(world: World) -> None:
    answer = await world.post("/w/one/keys", name="web shop")
    shown = unescape((await world.get("/w/one/keys")).text)
    again = (await world.get("/w/one/keys")).text

    key = re.search(r"pr_[a-z2-7]{32}", shown)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/w/one/keys"
    assert key
    assert f"curl http://postroom.test/api/v1/messages \\\n  -H 'Authorization: Bearer {key[0]}'" in shown
    assert key[0] not in again
    assert "web shop" in again
    opened = await world.services.api_keys.check(key[0])
    assert opened is not None
    assert opened.name == "one"


async def test_a_secret_on_its_way_to_the_page_is_sealed_for_this_browser(world: World) -> None:
    answer = await world.post("/w/one/keys", name="web shop")
    cookie = answer.headers["set-cookie"]
    name, _, value = cookie.partition(";")[0].partition("=")

    async with world.stranger() as thief:
        thief.cookies.set(name, value)
        page = await thief.get("/login")

    assert name.startswith("postroom_message")
    assert "pr_" not in cookie
    assert "pr_" not in page.text
    assert "web shop" not in page.text
    assert "Max-Age=60" in cookie


async def test_a_new_login_is_shown_once_with_a_line_that_uses_it(world: World) -> None:
    await world.post("/w/one/keys/logins", username="it's billing", stream="bulk")
    shown = unescape((await world.get("/w/one/keys")).text)

    assert "swaks --server 127.0.0.1:2525" in shown
    password = re.search(r"--auth-user 'it'\"'\"'s billing' --auth-password ([a-z2-7]{32})", shown)
    assert password
    checked = await world.services.smtp_logins.check("it's billing", password[1])
    assert checked is not None
    assert checked.stream == "bulk"


@pytest.mark.parametrize(
    ("path", "fields", "told"),
    [
        ("/w/one/keys", {"name": " "}, "Give the key a name"),
        ("/w/one/keys/logins", {"username": ""}, "Give the login a user name"),
        ("/w/one/keys/logins", {"username": "é"}, "printable ASCII"),
        ("/w/one/keys/logins", {"username": "a", "stream": "other"}, "Choose one of the list"),
        ("/workspaces", {"name": ""}, "Give the workspace a name"),
        ("/workspaces", {"name": "one"}, "There is a workspace"),
        ("/workspaces", {"name": "a/b"}, "has no /"),
        ("/workspaces", {"name": "new", "transport": "pigeon"}, "Expected sandbox, direct"),
    ],
)
async def test_what_is_wrong_stands_beside_its_field(
    world: World, path: str, fields: dict[str, str], told: str
) -> None:
    answer = await world.post(path, **fields)

    error = re.search(r'<p class="error" id="e-(\w+)">([^<]+)</p>', answer.text)
    assert answer.status_code == 422
    assert error, answer.text
    assert told in unescape(error[2])
    assert f'aria-describedby="e-{error[1]}' in answer.text


async def test_a_user_name_of_another_workspace_is_taken(world: World) -> None:
    await world.post("/w/one/keys/logins", username="shop")

    answer = await world.post("/w/two/keys/logins", username="shop")

    assert answer.status_code == 422
    assert "is taken" in answer.text


async def test_a_deleted_key_opens_nothing_and_the_log_tells_who_deleted_it(world: World) -> None:
    made = await world.services.api_keys.create(await world.workspace("one"), "web shop")
    page = await world.get("/w/one/keys")
    (key_id,) = re.findall(r'name="id" value="(key_\w+)"', page.text)

    elsewhere = await world.post("/w/two/keys/delete", id=key_id)
    answer = await world.post("/w/one/keys/delete", id=key_id)

    assert elsewhere.status_code == 404
    assert answer.status_code == 303
    assert await world.services.api_keys.check(made.secret) is None
    assert "deleted an API key" in (await world.get("/settings/audit")).text
    assert (await world.post("/w/one/keys/delete", id=key_id)).status_code == 404


async def test_a_login_of_another_workspace_cannot_be_deleted(world: World) -> None:
    made = await world.services.smtp_logins.create(await world.workspace("one"), "shop", None)
    (login_id,) = re.findall(r'name="id" value="(log_\w+)"', (await world.get("/w/one/keys")).text)

    assert (await world.post("/w/two/keys/logins/delete", id=login_id)).status_code == 404
    assert await world.services.smtp_logins.check("shop", made.secret) is not None
    assert (await world.post("/w/one/keys/logins/delete", id=login_id)).status_code == 303


async def test_names_are_text_and_nothing_else(world: World) -> None:
    nasty = "<script>alert(1)</script>'\"&"
    await world.post("/w/one/keys", name=nasty)
    page = (await world.get("/w/one/keys")).text

    assert "<script>alert" not in page
    assert nasty in unescape(page)


async def test_a_new_workspace_has_pages_under_its_name_and_is_where_one_comes_back_to(world: World) -> None:
    answer = await world.post("/workspaces", name="Shop & Österreich?")
    path = answer.headers["location"]
    await world.get(path)

    assert path == "/w/Shop%20%26%20%C3%96sterreich%3F/keys"
    assert (await world.get("/")).headers["location"] == "/w/Shop%20%26%20%C3%96sterreich%3F/"
