"""Logging in and out by the pages: the first link, password, code, lock, and the own account."""

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import httpx
import pyotp
import pytest
from dashboard_browser import NAME, PASSWORD, World, dashboard
from migrated import sqlite_url

import postroom
from postroom.base.clock import ManualClock
from postroom.base.ids import show_id
from postroom.doors.dashboard.session import form_token
from postroom.doors.dashboard.settings import ACTIONS
from postroom.events.moves import Move
from postroom.store.database import open_database, statement


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = ManualClock()
    database = await open_database(sqlite_url(tmp_path), clock=clock)
    async with dashboard(database, clock) as running:
        yield running
    await database.close()


async def post(client: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    """Post a form as a stranger's browser does."""
    await client.get("/login")
    return await client.post(path, data={"csrf": form_token(client.cookies["postroom_visitor"]), **fields})


async def log_in(client: httpx.AsyncClient, password: str = PASSWORD) -> httpx.Response:
    return await post(client, "/login", name=NAME, password=password)


def text_of(page: httpx.Response) -> str:
    """Return the words of a page's main part."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text.partition("<main")[2])).split())


async def code_of(world: World) -> pyotp.TOTP:
    """Set an authenticator up by the pages and return it."""
    page = await world.get("/settings/account/authenticator")
    secret = re.search(r"<code>([A-Z2-7 ]+)</code>", page.text)
    offer = re.search(r'name="offer" value="([^"]+)"', page.text)
    assert secret
    assert offer
    totp = pyotp.TOTP(secret[1].replace(" ", ""))
    answer = await world.post("/settings/account/authenticator", offer=offer[1], code=shown(world, totp))
    assert answer.status_code == 303, text_of(answer)
    return totp


def shown(world: World, totp: pyotp.TOTP) -> str:
    return totp.generate_otp(world.clock.now_ms() // 30_000)


async def test_a_wrong_password_is_told_beside_the_form_with_the_name_kept(world: World) -> None:
    async with world.stranger() as stranger:
        answer = await log_in(stranger, "wrong one")

    assert answer.status_code == 403
    assert "Name or password is wrong" in text_of(answer)
    assert f'value="{NAME}"' in answer.text
    assert "wrong one" not in answer.text


async def test_a_locked_operator_is_told_so_with_the_right_password(world: World) -> None:
    async with world.stranger() as stranger:
        for _ in range(3):
            await log_in(stranger, "wrong one")
        answer = await log_in(stranger)

    assert answer.status_code == 403
    assert "locked for an hour" in text_of(answer)
    assert "postroom operator unlock" in text_of(answer)


async def test_a_login_gives_a_new_cookie_that_scripts_cannot_read(world: World) -> None:
    async with world.stranger() as stranger:
        stranger.cookies.set("postroom", "a cookie that somebody else chose")
        await stranger.get("/login")
        answer = await log_in(stranger)

    (cookie,) = [value for value in answer.headers.get_list("set-cookie") if value.startswith("postroom=")]
    assert "somebody" not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie


async def test_logging_out_ends_the_session_also_for_who_kept_its_cookie(world: World) -> None:
    kept = world.client.cookies["postroom"]

    answer = await world.post("/logout")

    assert answer.headers["location"] == "/login"
    async with world.stranger() as stranger:
        stranger.cookies.set("postroom", kept)
        assert (await stranger.get("/settings")).status_code == 303


async def test_a_form_that_was_open_when_the_session_ended_leads_to_the_login(world: World) -> None:
    world.clock.advance(hours=12)

    answer = await world.post("/w/one/keys", name="web shop")

    assert answer.status_code == 303
    assert answer.headers["location"] == "/login"
    assert await world.services.api_keys.list(await world.workspace("one")) == []


async def test_the_first_link_makes_the_first_operator_and_lets_in(tmp_path: Path) -> None:
    clock = ManualClock()
    database = await open_database(sqlite_url(tmp_path), clock=clock)
    async with dashboard(database, clock, operator=False) as world, world.stranger() as stranger:
        token = await world.services.operators.new_first_link()
        page = await stranger.get(f"/first/{token}")
        fields = {"name": "grace", "password": PASSWORD, "again": PASSWORD}

        differ = await post(stranger, f"/first/{token}", **{**fields, "again": "another sentence"})
        short = await post(stranger, f"/first/{token}", name="grace", password="short", again="short")
        answer = await post(stranger, f"/first/{token}", **fields)
        inside = await stranger.get("/settings/operators")
        again = await stranger.get(f"/first/{token}")

    assert "first operator" in text_of(page)
    assert "The two passwords differ" in text_of(differ)
    assert "A password has at least 10 characters" in text_of(short)
    assert answer.status_code == 303
    assert "grace" in text_of(inside)
    assert again.status_code == 404
    assert "no longer opens" in text_of(again)
    await database.close()


async def test_with_an_authenticator_a_code_is_asked_for(world: World) -> None:
    totp = await code_of(world)
    world.clock.advance(seconds=60)
    async with world.stranger() as stranger:
        asked = await log_in(stranger)
        wrong = await post(stranger, "/login/code", code="000000")
        answer = await post(stranger, "/login/code", code=shown(world, totp))

        assert asked.headers["location"].startswith("/login/code")
        assert (await stranger.get("/settings")).status_code == 200
    assert "This code is wrong" in text_of(wrong)
    assert answer.status_code == 303


async def test_recovery_codes_are_shown_once_and_log_in(world: World) -> None:
    await code_of(world)
    codes = re.findall(r"[a-z2-7]{4}(?:-[a-z2-7]{4}){3}", (await world.get("/settings/account")).text)
    later = (await world.get("/settings/account")).text

    async with world.stranger() as stranger:
        await log_in(stranger)
        answer = await post(stranger, "/login/code", code=codes[0])

    assert len(codes) == 10
    assert codes[0] not in later
    assert answer.status_code == 303
    assert "9 of 10 recovery codes" in text_of(await world.get("/settings/account"))


async def test_the_authenticator_goes_with_the_password_only(world: World) -> None:
    await code_of(world)

    refused = await world.post("/settings/account/authenticator/off", off_password="wrong one")
    answer = await world.post("/settings/account/authenticator/off", off_password=PASSWORD)

    assert refused.status_code == 422
    assert "This is not your password" in text_of(refused)
    assert answer.status_code == 303
    async with world.stranger() as stranger:
        assert (await log_in(stranger)).headers["location"] == "/"


async def test_guessing_the_password_inside_locks_as_it_does_outside(world: World) -> None:
    for _ in range(3):
        answer = await world.post("/settings/account/password", current="guess", new="n" * 12, again="n" * 12)

    assert "locked for an hour" in text_of(answer)
    async with world.stranger() as stranger:
        assert (await log_in(stranger)).status_code == 403


async def test_a_changed_password_ends_the_other_sessions_only(world: World) -> None:
    async with world.stranger() as other:
        await log_in(other)
        fields = {"current": PASSWORD, "new": "another sentence", "again": "another sentence"}
        answer = await world.post("/settings/account/password", **fields)

        assert answer.status_code == 303
        assert (await other.get("/settings")).status_code == 303
        assert "Your password is changed" in text_of(await world.get("/settings/account"))


async def test_another_session_can_be_ended(world: World) -> None:
    async with world.stranger() as other:
        await log_in(other)
        page = await world.get("/settings/account")
        (session,) = re.findall(r'name="id" value="(ses_\w+)"', page.text)
        assert (await world.post("/settings/account/sessions/end", id=session)).status_code == 303

        assert (await other.get("/settings")).status_code == 303
    assert (await world.post("/settings/account/sessions/end", id=session)).status_code == 404


async def test_an_operator_makes_unlocks_and_deletes_another(world: World) -> None:
    await world.post("/settings/operators", name="grace")
    password = re.search(r"<dt>Password</dt><dd>.*?<code>([^<]+)", (await world.get("/settings/operators")).text, re.S)
    assert password
    async with world.stranger() as stranger:
        for _ in range(3):
            await post(stranger, "/login", name="grace", password="wrong one")
        page = await world.get("/settings/operators")
        assert "locked" in text_of(page)
        (grace,) = set(re.findall(r'name="id" value="(opr_\w+)"', page.text))

        await world.post("/settings/operators/unlock", id=grace)
        assert (await post(stranger, "/login", name="grace", password=password[1])).status_code == 303
        await world.post("/settings/operators/delete", id=grace)
        assert (await stranger.get("/settings")).status_code == 303

    assert (await world.post("/settings/operators/delete", id=grace)).status_code == 404
    log = text_of(await world.get("/settings/audit"))
    for words in ("made an operator", "locked after three wrong tries", "unlocked an operator", "deleted an operator"):
        assert words in log


async def test_the_only_operator_stays(world: World) -> None:
    assert world.operator is not None

    await world.post("/settings/operators/delete", id=show_id("opr", world.operator.id))

    assert "only operator" in text_of(await world.get("/settings/operators"))


async def test_the_audit_log_is_paged(world: World) -> None:
    for number in range(60):
        await world.services.api_keys.create(await world.workspace("one"), f"key {number}")

    first = await world.get("/settings/audit")
    older = re.search(r'href="([^"]+)" rel="next"', first.text)
    assert older
    second = await world.get(older[1])

    assert first.text.count("made an API key") == 50
    assert second.text.count("made an API key") == 10
    assert "Newest" in text_of(second)
    assert (await world.get("/settings/audit?before=nonsense")).status_code == 404


def test_every_word_of_the_audit_log_has_a_sentence() -> None:
    kinds = "|".join({action.partition(".")[0] for action in ACTIONS})
    words = re.compile(rf'"((?:{kinds})\.(?!html|css|js)[a-z_]+)"')
    doors = Path(postroom.__file__).parent
    sources = [*doors.glob("access/*.py"), *doors.glob("doors/dashboard/*.py")]

    written = {word for path in sources for word in words.findall(path.read_text())} | {
        f"queue.{move.value}" for move in Move
    }

    assert written - set(ACTIONS) == set()


async def test_no_password_and_no_secret_is_in_the_database(world: World) -> None:
    totp = await code_of(world)

    rows = await world.services.database.read(
        lambda conn: [conn.all(statement(f"SELECT * FROM {table}")) for table in ("operator", "audit", "secret")]
    )

    assert PASSWORD not in repr(rows)
    assert totp.secret not in repr(rows)
