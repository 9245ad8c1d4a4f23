"""The connect and disconnect dance: whose mailbox is connected, where people are sent, what a stranger can do."""

import hashlib
import re
from collections.abc import AsyncIterator
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from connect_world import APP, ConnectWorld, connect_world
from peers.http_receiver import answer

from postroom.accounts.autodetect import Tried, Verdict
from postroom.accounts.credentials import Bearer
from postroom.base.clock import ManualClock
from postroom.doors.superimap.connect import ConnectDoor
from postroom.net.dns import MxRecord, SrvRecord
from postroom.store.database import open_database, statement

FORM = {"address": "ada@example.test", "password": "correct horse"}


@pytest.fixture
async def world(sqlite_url: str) -> AsyncIterator[ConnectWorld]:
    clock = ManualClock()
    database = await open_database(sqlite_url, clock=clock)
    async with connect_world(database, clock) as made:
        yield made
    await database.close()


# OAuth 2.0


async def test_the_dance_connects_an_account_and_comes_back_to_the_application(world: ConnectWorld) -> None:
    await world.allow(APP)
    account = await world.account("GMAIL_OAUTH2")

    url = await world.begin(account, success=f"{APP}/ok?user=7", failure=f"{APP}/no")
    asked = parse_qs(urlsplit(url).query)
    back = await world.come_back(url)

    assert asked["access_type"] == ["offline"]
    assert asked["prompt"] == ["consent"]
    assert asked["code_challenge_method"] == ["S256"]
    assert "https://mail.google.com/" in asked["scope"][0]
    assert asked["redirect_uri"] == ["http://postroom.test/users/connect/callback"]
    assert (back.status_code, back.headers["location"]) == (303, f"{APP}/ok?user=7")
    row = await world.row(account)
    assert (row.email, row.connected_ms) == ("ada@example.test", world.clock.now_ms())
    assert await world.told(account) == ["account_connected"]
    opened = await world.credentials.open(row, await world.connection(account), world.provider("GMAIL_OAUTH2"))
    assert isinstance(opened, Bearer)
    assert opened.token == "access-1", "the first login needs no refresh"


async def test_a_state_is_good_once(world: ConnectWorld) -> None:
    account = await world.account()
    url = await world.begin(account)

    first, second = await world.come_back(url), await world.come_back(url)

    assert (first.status_code, second.status_code) == (200, 400)
    assert "begin again" in second.text
    assert await world.told(account) == ["account_connected"]


async def test_an_authorization_that_another_browser_began_connects_nothing(world: ConnectWorld) -> None:
    """Else a stranger sends somebody the provider's address and is given their mailbox."""
    account = await world.account()
    url = await world.begin(account)

    async with world.new_browser() as victim:
        back = await world.come_back(url, victim)
        other = await world.account("MICROSOFT_OAUTH2")
        await victim.get(world.connect(other))
        again = await world.come_back(url, victim)

    assert (back.status_code, again.status_code) == (400, 400)
    assert (await world.row(account)).connected_ms is None


@pytest.mark.parametrize("state", ["", "x", "\0", "é" * 2000])
async def test_any_state_is_answered(world: ConnectWorld, state: str) -> None:
    back = await world.browser.get("/users/connect/callback", params={"state": state, "code": "x"})
    assert back.status_code == 400


async def test_a_code_without_our_verifier_is_worth_nothing(world: ConnectWorld) -> None:
    account = await world.account()
    first, second = await world.begin(account), await world.begin(account)

    back = await world.come_back(first, code=world.token_server.code(second))

    assert back.status_code == 400
    assert (await world.row(account)).connected_ms is None


async def test_a_code_of_another_issuer_is_not_handed_on(world: ConnectWorld) -> None:
    account = await world.account()
    url = await world.begin(account)
    world.token_server.asked.clear()

    await world.come_back(url, code=world.token_server.code(url), iss="https://accounts.google.com")

    assert world.token_server.asked == []


async def test_a_dance_ends_after_half_an_hour(world: ConnectWorld) -> None:
    account = await world.account()
    url = await world.begin(account)
    world.clock.advance(seconds=1801)
    assert (await world.come_back(url)).status_code == 400


@pytest.mark.parametrize(("error", "told"), [("access_denied", "access_denied"), ("<script>", "provider_error")])
async def test_a_refusal_goes_back_as_an_error_of_ours(world: ConnectWorld, error: str, told: str) -> None:
    await world.allow(APP)
    account = await world.account()
    url = await world.begin(account, failure=f"{APP}/no?a=1#there")

    back = await world.come_back(url, error=error)

    assert back.headers["location"] == f"{APP}/no?a=1&error={told}#there"


async def test_a_refusal_without_a_way_back_is_a_page_that_begins_again(world: ConnectWorld) -> None:
    account = await world.account()
    back = await world.come_back(await world.begin(account), error="access_denied")
    assert back.status_code == 400
    assert "Access was not given" in back.text
    again = re.search(r'href="([^"]+)"', back.text)
    assert again
    assert (await world.browser.get(again[1])).status_code == 303


async def test_a_token_endpoint_that_is_away_says_try_again_and_connects_nothing(world: ConnectWorld) -> None:
    await world.allow(APP)
    account = await world.account()
    url = await world.begin(account, failure=f"{APP}/no")
    world.receiver.behave("/token", answer(500))

    back = await world.come_back(url)

    assert back.headers["location"] == f"{APP}/no?error=temporarily_unavailable"
    assert await world.told(account) == []


async def test_the_address_comes_from_userinfo_where_the_id_token_has_none(world: ConnectWorld) -> None:
    account = await world.account(
        authorize_url=world.receiver.url("/authorize"),
        token_url=world.receiver.url("/token"),
        userinfo_url=world.receiver.url("/me"),
    )
    world.token_server.id_token_email = ""
    world.receiver.behave("/me", answer(200, b'{"sub": "1", "email": "grace@example.test"}'))

    await world.come_back(await world.begin(account))

    assert (await world.row(account)).email == "grace@example.test"
    (request,) = world.receiver.received("/me")
    assert request.header["authorization"] == "Bearer access-1"


async def test_where_the_provider_tells_no_address_its_person_is_asked_first(world: ConnectWorld) -> None:
    world.token_server.id_token_email = ""
    account = await world.account(
        "OAUTH2",
        authorize_url=world.receiver.url("/authorize"),
        token_url=world.receiver.url("/token"),
        scope="imap",
        imap_host="127.0.0.1",
    )
    link = world.connect(account)

    page = await world.browser.get(link)
    wrong = await world.browser.post(link, data={"address": "nobody"})
    right = await world.browser.post(link, data={"address": "hopper@example.test"})
    await world.come_back(right.headers["location"])

    assert (page.status_code, wrong.status_code, right.status_code) == (200, 422, 303)
    assert parse_qs(urlsplit(right.headers["location"]).query)["login_hint"] == ["hopper@example.test"]
    assert (await world.row(account)).email == "hopper@example.test"


async def test_a_provider_without_a_lasting_token_is_told(world: ConnectWorld) -> None:
    account = await world.account()
    url = await world.begin(account)
    world.receiver.behave("/token", answer(200, b'{"access_token": "a", "token_type": "bearer", "expires_in": 60}'))
    back = await world.come_back(url)
    assert back.status_code == 400
    assert "for a moment only" in back.text


# Links and ways back


async def test_links_work_for_half_an_hour_for_one_account_and_one_thing(world: ConnectWorld) -> None:
    account = await world.account("GMAIL")
    connect, disconnect = world.connect(account), world.disconnect(account)
    swapped = connect.replace("/connect/", "/disconnect/")
    forged = connect[:-1] + ("A" if connect[-1] != "A" else "B")

    assert (await world.browser.get(connect)).status_code == 200
    assert [(await world.browser.get(url)).status_code for url in (swapped, forged)] == [404, 404]
    world.clock.advance(seconds=1801)
    assert [(await world.browser.get(url)).status_code for url in (connect, disconnect)] == [404, 404]


async def test_an_address_that_brings_forged_links_waits_and_people_with_their_link_do_not(world: ConnectWorld) -> None:
    account = await world.account("GMAIL")
    ours, old = world.connect(account), world.connect(account)
    assert (await world.browser.get(ours)).status_code == 200
    forged = [ours[:-12] + f"{number:012d}" for number in range(7)]

    codes = [(await world.browser.get(url)).status_code for url in forged]

    assert codes == [404] * 5 + [429] * 2
    assert (await world.browser.get(ours)).status_code == 200
    assert (await world.browser.get(world.disconnect(account))).headers["retry-after"] == "1"
    world.clock.advance(seconds=1801)
    assert [(await world.browser.get(old)).status_code for _ in range(7)] == [404] * 7, "what has ended is no guess"


@pytest.mark.parametrize("joint", ["?", "&"])
async def test_what_is_appended_is_understood_with_either_separator(world: ConnectWorld, joint: str) -> None:
    await world.allow(APP)
    account = await world.account("GMAIL")
    world.logins.servers["imap.gmail.com"] = {"ada@example.test": "correct horse"}
    app = "https%3A%2F%2Fapp.example.test"
    link = f"{world.connect(account)}{joint}success={app}%2Fok%3Fa%3D1%26b&failure={app}"

    done = await world.browser.post(link, data=FORM)

    assert done.headers["location"] == f"{APP}/ok?a=1&b"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.test/",
        "https://app.example.test.evil.test/",
        "https://app.example.test@evil.test/",
        "https://app.example.test:444/",
        "http://app.example.test/",
        "//evil.test",
        "javascript:alert(1)",
        "https:\\\\evil.test",
        "https://app.example.test\r\nSet-Cookie: a=b",
        "https://[",
        " https://app.example.test/",
    ],
)
async def test_nobody_is_sent_where_the_workspace_did_not_say(world: ConnectWorld, url: str) -> None:
    await world.allow(APP)
    account = await world.account("GMAIL_OAUTH2")
    for link in (world.connect(account, success=url), world.connect(account, failure=url)):
        shown = await world.browser.get(link)
        assert shown.status_code == 400
        assert "location" not in shown.headers
    shown = await world.browser.post(world.disconnect(account, success=url))
    assert shown.status_code == 400


async def test_without_a_way_the_workspaces_own_is_taken(world: ConnectWorld) -> None:
    await world.allow(success_url=f"{APP}/welcome", failure_url=f"{APP}/sorry")
    account = await world.account()

    no = await world.come_back(await world.begin(account), error="access_denied")
    yes = await world.come_back(await world.begin(account))

    assert no.headers["location"] == f"{APP}/sorry?error=access_denied"
    assert yes.headers["location"] == f"{APP}/welcome"


async def test_pages_are_kept_by_nobody_load_nothing_and_stand_in_no_frame(world: ConnectWorld) -> None:
    await world.allow(success_url=f"{APP}/welcome")
    account = await world.account("PLAIN")
    page = await world.browser.get(world.connect(account))
    policy = page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert f"form-action 'self' {APP};" in policy, "Chromium asks here about the redirect behind a form too"
    assert "<script" not in page.text
    assert "src=" not in page.text


# Passwords


async def test_a_password_account_is_connected_at_the_providers_server(world: ConnectWorld) -> None:
    account = await world.account("GMAIL")
    world.logins.servers["imap.gmail.com"] = {"ada@example.test": "correct horse"}

    page = await world.browser.get(world.connect(account))
    done = await world.browser.post(world.connect(account), data=FORM)

    assert "app password" in page.text
    assert "Server settings" not in page.text
    assert done.status_code == 200
    assert "is connected" in done.text
    row = await world.row(account)
    assert row.password is not None
    assert b"correct horse" not in row.password
    assert row.connected_ms is not None
    assert await world.told(account) == ["account_connected"]


@pytest.mark.parametrize(
    ("code", "host", "told"),
    [("GMAIL", "", " at Gmail."), ("PLAIN", "imap.shop.test", " at imap.shop.test."), ("PLAIN", "", "mailbox.")],
)
async def test_a_page_says_where_the_mailbox_is_as_people_call_it(
    world: ConnectWorld, code: str, host: str, told: str
) -> None:
    account = await world.account(code, **({"imap_host": host} if host else {}))

    page = await world.browser.get(world.connect(account))

    assert f"new mail in your mailbox{told.removeprefix('mailbox')}" in page.text


async def test_a_wrong_password_is_told_on_the_same_page_and_never_shown(world: ConnectWorld) -> None:
    account = await world.account("GMAIL")
    world.logins.servers["imap.gmail.com"] = {"ada@example.test": "something else"}

    shown = await world.browser.post(world.connect(account), data=FORM)

    assert shown.status_code == 422
    assert "does not take this address and password" in shown.text
    assert 'value="ada@example.test"' in shown.text
    assert "correct horse" not in shown.text
    assert (await world.row(account)).connected_ms is None


async def test_a_server_that_says_the_password_back_has_nothing_shown_of_it(world: ConnectWorld) -> None:
    account = await world.account("GMAIL")
    world.logins.says["imap.gmail.com"] = Tried(Verdict.REFUSED, "LOGIN ada correct horse failed")
    shown = await world.browser.post(world.connect(account), data=FORM)
    assert shown.status_code == 422
    assert "correct horse" not in shown.text


async def test_too_many_tries_have_to_wait(world: ConnectWorld) -> None:
    account = await world.account("GMAIL")
    world.logins.servers["imap.gmail.com"] = {}
    link = world.connect(account)

    codes = [(await world.browser.post(link, data=FORM)).status_code for _ in range(8)]

    assert codes[:5] == [422] * 5
    assert codes[-1] == 429
    assert len(world.logins.tried) < 8
    world.clock.advance(seconds=300)
    assert (await world.browser.post(link, data=FORM)).status_code == 422


async def test_the_server_is_found_by_mx_by_srv_and_by_name(world: ConnectWorld) -> None:
    account = await world.account("PLAIN")
    world.dns.mx_records["hosted.test"] = (MxRecord(10, "aspmx.l.google.com"),)
    world.dns.srv_records["_imaps._tcp.own.test"] = (SrvRecord(0, 1, 994, "mail.own.test"),)
    world.dns.srv_records["_submission._tcp.own.test"] = (SrvRecord(0, 1, 588, "out.own.test"),)
    world.logins.servers["imap.gmail.com"] = {"a@hosted.test": "p"}
    world.logins.servers["mail.own.test"] = {"a@own.test": "p"}
    world.logins.servers["mail.plain.test"] = {"a@plain.test": "p"}
    found = {}

    for domain in ("hosted.test", "own.test", "plain.test"):
        done = await world.browser.post(world.connect(account), data={"address": f"a@{domain}", "password": "p"})
        assert done.status_code == 200, done.text
        found[domain] = (await world.row(account)).server

    assert '"imap_host":"imap.gmail.com"' in found["hosted.test"]
    assert '"imap_port":994' in found["own.test"]
    assert '"smtp_host":"out.own.test"' in found["own.test"]
    assert '"imap_host":"mail.plain.test"' in found["plain.test"]
    assert "smtp" not in found["plain.test"]


async def test_a_server_elsewhere_that_only_dns_names_gets_no_password_before_its_person_agrees(
    world: ConnectWorld,
) -> None:
    """RFC 6186 6: who can forge DNS answers would be sent the password."""
    account = await world.account("PLAIN")
    world.dns.srv_records["_imaps._tcp.own.test"] = (SrvRecord(0, 1, 993, "imap.elsewhere.test"),)
    world.logins.servers["imap.elsewhere.test"] = {"a@own.test": "p"}
    form = {"address": "a@own.test", "password": "p"}

    shown = await world.browser.post(world.connect(account), data=form)
    assert shown.status_code == 422
    assert "imap.elsewhere.test" in shown.text
    assert "<details open>" in shown.text
    assert not [one for one in world.logins.tried if "elsewhere" in one[0]]

    agreed = {"imap_host": "imap.elsewhere.test", "imap_port": "993", "imap_security": "tls"}
    done = await world.browser.post(world.connect(account), data={**form, **agreed})
    assert done.status_code == 200
    assert (await world.row(account)).connected_ms is not None


async def test_a_wrong_password_is_tried_at_one_server_only(world: ConnectWorld) -> None:
    account = await world.account("PLAIN")
    world.logins.servers.update({"imap.own.test": {}, "mail.own.test": {}})
    await world.browser.post(world.connect(account), data={"address": "a@own.test", "password": "p"})
    assert [host for host, _, _ in world.logins.tried if host.startswith(("imap", "mail"))] == ["imap.own.test:993"]


async def test_where_no_server_is_found_its_settings_are_asked_for(world: ConnectWorld) -> None:
    account = await world.account("PLAIN")
    form = {"address": "a@nowhere.test", "password": "p"}

    shown = await world.browser.post(world.connect(account), data=form)
    world.logins.servers["127.0.0.1"] = {"someone": "p"}
    named = {**form, "username": "someone", "imap_host": "127.0.0.1", "imap_port": "1143", "imap_security": "plain"}
    done = await world.browser.post(world.connect(account), data=named)

    assert "<details open>" in shown.text
    assert "No mail server was found for nowhere.test" in shown.text
    assert done.status_code == 200, done.text
    row = await world.row(account)
    assert (row.email, row.username) == ("a@nowhere.test", "someone")
    assert world.logins.tried[-1] == ("127.0.0.1:1143", "someone", "p")


@pytest.mark.parametrize(
    "fields",
    [
        {"address": "nobody"},
        {"password": ""},
        {"password": "a\r\nb"},
        {"imap_host": "a b"},
        {"imap_host": "x.test", "imap_port": "99999"},
        {"imap_host": "<script>alert(1)</script>"},
    ],
)
async def test_a_form_that_cannot_be_right_tries_no_login(world: ConnectWorld, fields: dict[str, str]) -> None:
    account = await world.account("PLAIN")
    shown = await world.browser.post(world.connect(account), data={**FORM, **fields})
    assert shown.status_code == 422
    assert world.logins.tried == []
    assert "<script>" not in shown.text
    assert "correct horse" not in shown.text


async def test_a_body_that_is_no_form_is_refused(world: ConnectWorld) -> None:
    account = await world.account("PLAIN")
    link = world.connect(account)
    for content, kind in ((b"{}", "application/json"), (b"x" * 20_000, "application/x-www-form-urlencoded")):
        shown = await world.browser.post(link, content=content, headers={"content-type": kind})
        assert shown.status_code == 400


async def test_an_archived_account_is_not_connected(world: ConnectWorld) -> None:
    account = await world.account("GMAIL")
    await world.accounts.archive(account)
    assert (await world.browser.get(world.connect(account))).status_code == 410


# Disconnecting


async def test_disconnecting_asks_first_then_forgets_tells_and_revokes(world: ConnectWorld) -> None:
    await world.allow(APP)
    account, _, _ = await world.connected()
    link = world.disconnect(account, success=f"{APP}/bye")

    asked = await world.browser.get(link)
    assert asked.status_code == 200
    assert "ada@example.test" in asked.text
    assert (await world.row(account)).connected_ms is not None, "a GET changes nothing"
    done = await world.browser.post(link)

    assert (done.status_code, done.headers["location"]) == (303, f"{APP}/bye")
    row = await world.row(account)
    assert (row.connected_ms, row.refresh_token, row.email) == (None, None, "")
    assert await world.told(account) == ["account_connected", "account_disconnected"]
    (revoked,) = world.receiver.received("/revoke")
    assert b"token=refresh-1" in revoked.body


async def test_a_provider_that_is_away_does_not_hold_a_disconnection_up(world: ConnectWorld) -> None:
    account, _, _ = await world.connected()
    world.receiver.behave("/revoke", answer(503))
    done = await world.browser.post(world.disconnect(account))
    assert done.status_code == 200
    assert (await world.row(account)).refresh_token is None


async def test_an_account_whose_token_no_key_opens_can_still_be_disconnected(world: ConnectWorld) -> None:
    account, _, _ = await world.connected()
    world.sealer.take(b"x" * 32)
    assert (await world.browser.post(world.disconnect(account))).status_code == 200
    assert (await world.row(account)).refresh_token is None


async def test_disconnecting_twice_is_told_once(world: ConnectWorld) -> None:
    account, _, _ = await world.connected()
    for _ in range(2):
        assert (await world.browser.post(world.disconnect(account))).status_code == 200
    assert (await world.told(account)).count("account_disconnected") == 1


async def test_who_is_on_the_way_while_the_account_is_disconnected_comes_back_to_nothing(world: ConnectWorld) -> None:
    account, _, _ = await world.connected()
    url = await world.begin(account)
    await world.browser.post(world.disconnect(account))
    assert (await world.come_back(url)).status_code == 400
    assert (await world.row(account)).connected_ms is None


async def test_a_state_is_stored_as_its_hash_and_its_verifier_sealed(world: ConnectWorld) -> None:
    account = await world.account()
    url = await world.begin(account)
    state = parse_qs(urlsplit(url).query)["state"][0]
    rows = await world.database.read(lambda conn: conn.all(statement("SELECT state, verifier FROM connect_dance")))
    ((stored, verifier),) = rows
    cookie = world.browser.cookies["postroom_connect"]
    assert bytes(stored) == hashlib.sha256(f"{state} {cookie}".encode()).digest()
    assert state.encode() not in bytes(verifier)


async def test_a_listener_for_strangers_has_these_pages_and_nothing_else(world: ConnectWorld) -> None:
    account = await world.account("GMAIL")
    door = ConnectDoor(world.connecting, world.clock, lambda scope: "192.0.2.7", None)
    transport = httpx.ASGITransport(cast("Any", door))
    async with httpx.AsyncClient(transport=transport, base_url="http://postroom.test") as stranger:
        assert (await stranger.get(world.connect(account))).status_code == 200
        assert [(await stranger.get(path)).status_code for path in ("/", "/w/default/", "/users/x")] == [404] * 3
        assert (await stranger.head(world.connect(account))).status_code == 405


async def test_microsofts_shape_asks_for_offline_access_and_tells_the_address_its_own_way(world: ConnectWorld) -> None:
    account = await world.account("MICROSOFT_OAUTH2")
    world.token_server.id_token_email = ""
    world.token_server.more_claims = {"preferred_username": "ada@contoso.test", "name": "Ada"}

    url = await world.begin(account)
    asked = parse_qs(urlsplit(url).query)
    await world.come_back(url)

    assert asked["prompt"] == ["select_account"]
    assert {"offline_access", "https://outlook.office.com/IMAP.AccessAsUser.All"} <= set(asked["scope"][0].split())
    assert (await world.row(account)).email == "ada@contoso.test"


async def test_a_server_that_takes_the_client_secret_in_the_header_alone_is_asked_again_so(world: ConnectWorld) -> None:
    account = await world.account()
    world.token_server.wants_basic = True

    assert (await world.come_back(await world.begin(account))).status_code == 200

    assert [("client_secret" in one) for one in world.token_server.asked] == [True, False]
