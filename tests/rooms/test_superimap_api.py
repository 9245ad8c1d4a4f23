"""SuperIMAP's API: its paths, its JSON, its status codes and its texts; bodies in any form."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
from superimap_room import FASTMAIL, USERS, Room, superimap_room

from postroom.base.clock import ManualClock
from postroom.doors.superimap.api import ENDPOINTS
from postroom.store import events
from postroom.store.database import open_database

CONNECTIONS = "/api/v1/connections"
LOGIN = {"login_username": "ann@example.com", "login_password": "hunter2"}
NO_PARTNER = "Partner not found. Check your api_key."


@pytest.fixture
async def room(sqlite_url: str) -> AsyncIterator[Room]:
    clock = ManualClock()
    database = await open_database(sqlite_url, clock=clock)
    async with superimap_room(database, clock) as room:
        await room.client.post(CONNECTIONS, json={"imap_provider_code": "FASTMAIL"})
        yield room
    await database.close()


async def test_connections_are_made_listed_changed_and_deleted(room: Room) -> None:
    made = await room.client.post(CONNECTIONS, json={"imap_provider_code": "GMAIL_OAUTH2", "oauth2_client_id": "me"})
    assert (made.status_code, made.json()) == (200, {"imap_provider_code": "GMAIL_OAUTH2", "users_count": 0})
    await room.client.post(f"{CONNECTIONS}/GMAIL_OAUTH2/users", data={"tag": "one"})
    listed = await room.client.get(CONNECTIONS)
    assert listed.json() == [
        {"imap_provider_code": "FASTMAIL", "users_count": 0},
        {"imap_provider_code": "GMAIL_OAUTH2", "users_count": 1},
    ]
    changed = await room.client.put(f"{CONNECTIONS}/GMAIL_OAUTH2", data={"oauth2_client_secret": "s3cret"})
    assert changed.json() == {"imap_provider_code": "GMAIL_OAUTH2", "users_count": 1}
    assert (await room.client.get(f"{CONNECTIONS}/GMAIL_OAUTH2")).json() == changed.json()
    gone = await room.client.delete(f"{CONNECTIONS}/GMAIL_OAUTH2")
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await room.client.get(f"{CONNECTIONS}/GMAIL_OAUTH2/users/one")).text == "Connection not found."


async def test_the_texts_of_what_is_not_there_are_superimaps(room: Room) -> None:
    for client, path, text in (
        (room.bare, CONNECTIONS, NO_PARTNER),
        (room.bare, f"{USERS}/x", NO_PARTNER),
        (room.client, f"{CONNECTIONS}/NOWHERE", "Imap Provider not found for 'NOWHERE'."),
        (room.client, f"{CONNECTIONS}/YAHOO", "Connection not found."),
        (room.client, f"{CONNECTIONS}/YAHOO/users", "Connection not found."),
        (room.client, f"{USERS}/nobody", "User not found for 'nobody'."),
        (room.client, f"{USERS}/a%00b", "User not found for 'a\x00b'."),
        (room.client, f"{USERS}/%ff", "User not found for '\ufffd'."),
    ):
        answer = await client.get(path)
        assert (answer.status_code, answer.text) == (404, text)
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"
    posted = await room.client.post(CONNECTIONS, json={"imap_provider_code": "NOWHERE"})
    assert (posted.status_code, posted.text) == (404, "Imap Provider not found for 'NOWHERE'.")


async def test_the_key_is_a_header_or_a_parameter_and_an_ordinary_key_opens_too(room: Room) -> None:
    assert (await room.bare.get(CONNECTIONS, headers={"X-Api-Key": room.api_key})).status_code == 200
    assert (await room.bare.get(CONNECTIONS, headers={"Authorization": f"Bearer {room.key}"})).status_code == 200
    assert (await room.bare.get(CONNECTIONS, params={"api_key": room.key})).status_code == 200
    assert (await room.bare.post(USERS, data={"api_key": room.key, "tag": "a"})).status_code == 200
    assert (await room.bare.post(USERS, json={"api_key": room.key, "tag": "b"})).status_code == 200
    for wrong in ("", " ", "x" * 500, room.key[:-1], room.key.upper(), "ключ"):
        assert (await room.bare.get(CONNECTIONS, params={"api_key": wrong})).text == NO_PARTNER
    assert (await room.bare.get(CONNECTIONS, headers=[(b"x-api-key", b"\xff\xfe")])).text == NO_PARTNER
    assert (await room.bare.get(CONNECTIONS, params={"api_key": [room.key, "no"]})).text == NO_PARTNER
    assert (await room.bare.post(USERS, json={"api_key": [room.key]})).status_code == 400


async def test_an_address_that_brings_wrong_keys_waits_longer_and_longer_and_keys_that_were_right_do_not(
    room: Room,
) -> None:
    assert (await room.client.get(CONNECTIONS)).status_code == 200

    answers = [await room.bare.get(CONNECTIONS, headers={"x-api-key": f"guess-{number}"}) for number in range(8)]

    assert [answer.status_code for answer in answers] == [404] * 5 + [429] * 3
    assert (answers[-1].headers["retry-after"], "1 s" in answers[-1].text) == ("1", True)
    assert (await room.bare.get(CONNECTIONS)).text == NO_PARTNER, "no key is no guess"
    assert (await room.client.get(CONNECTIONS)).status_code == 200, "it was right from here before"
    assert (await room.other.get(CONNECTIONS, headers={"x-client": "198.51.100.1"})).status_code == 200
    for pause in (1, 2, 4):
        room.clock.advance(seconds=pause)
        codes = [(await room.bare.get(CONNECTIONS, headers={"x-api-key": f"{pause}{n}"})).status_code for n in "ab"]
        assert codes == [404, 429]
    room.clock.advance(seconds=7)
    assert (await room.other.get(CONNECTIONS)).status_code == 429
    room.clock.advance(seconds=1)
    assert (await room.other.get(CONNECTIONS)).status_code == 200


async def test_a_deleted_key_opens_no_longer_than_fifteen_seconds(room: Room) -> None:
    (row,) = await room.keys.list(room.workspace)
    assert (await room.client.get(CONNECTIONS)).status_code == 200
    assert await room.keys.delete(room.workspace, row.id)
    room.clock.advance(seconds=16)
    assert (await room.client.get(CONNECTIONS)).text == NO_PARTNER


async def test_a_user_is_made_by_json_by_form_and_by_rails_nested_form(room: Room) -> None:
    for number, body in enumerate(
        (
            {"json": {"tag": "MY_USER_0", **LOGIN}},
            {"data": {"tag": "MY_USER_1", **LOGIN}},
            {
                "data": {
                    "user[tag]": "MY_USER_2",
                    "user[login_username]": "ann@example.com",
                    "user[login_password]": "p",
                }
            },
            {"json": {"user": {"tag": "MY_USER_3", **LOGIN}}},
            # SuperIMAP's own example names JSON for all its requests and sends a form.
            {
                "content": b"tag=MY_USER_4&login_username=ann%40example.com&login_password=p",
                "headers": {"content-type": "application/json"},
            },
            {"params": {"tag": "MY_USER_5", **LOGIN}},
        )
    ):
        answer = await room.client.post(USERS, **body)  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        shown = answer.json()
        assert list(shown) == ["tag", "email", "connect_url", "disconnect_url", "connected_at"]
        assert (shown["tag"], shown["email"]) == (f"MY_USER_{number}", "ann@example.com")
        assert shown["connected_at"] == "2026-01-01T00:00:00.000Z"
        assert shown["connect_url"].startswith("https://mail.example.com/users/connect/")
        assert shown["disconnect_url"].startswith("https://mail.example.com/users/disconnect/")
        assert "?" not in shown["connect_url"]
        assert (await room.client.get(f"{USERS}/MY_USER_{number}")).json() == shown


async def test_a_connected_user_is_told_of_and_its_secrets_are_never_shown(room: Room) -> None:
    await room.client.post(USERS, json={"tag": "ann", **LOGIN})
    feed = await room.database.read(lambda conn: events.feed(conn, room.workspace.id, 0, 10))
    assert [(row.kind, json.loads(row.detail)["number"]) for row in feed] == [("account_connected", 1)]
    for path in (USERS, f"{USERS}/ann", f"{USERS}/ann/events", f"{USERS}/ann/audit", "/api/v1/partner"):
        assert "hunter2" not in (await room.client.get(path)).text
    row = await room.account("ann")
    assert b"hunter2" not in (row.password or b"")
    assert "hunter2" not in repr(row)
    await room.client.put(f"{USERS}/ann", json={"login_password": "- encrypted -"})
    assert (await room.account("ann")).password == row.password
    cleared = await room.client.put(f"{USERS}/ann", json={"login_password": None})
    assert cleared.json()["connected_at"] is None


async def test_an_oauth_user_with_a_refresh_token_is_connected(room: Room) -> None:
    users = f"{CONNECTIONS}/GMAIL_OAUTH2/users"
    await room.client.post(CONNECTIONS, json={"imap_provider_code": "GMAIL_OAUTH2"})
    waiting = await room.client.post(users, json={"tag": "ann", "email": "ann@gmail.com"})
    assert waiting.json()["connected_at"] is None
    ready = await room.client.put(f"{users}/ann", json={"oauth2_refresh_token": "1//token"})
    assert ready.json()["connected_at"] is not None


async def test_users_are_listed_by_email(room: Room) -> None:
    for tag, email in (("1", "zoe@example.com"), ("2", "ann@example.com"), ("3", "mia@example.com")):
        await room.client.post(USERS, json={"tag": tag, "email": email})
    assert (await room.client.get(USERS)).json() == [
        {"tag": "2", "email": "ann@example.com"},
        {"tag": "3", "email": "mia@example.com"},
        {"tag": "1", "email": "zoe@example.com"},
    ]
    assert (await room.client.get(f"{USERS}.json")).json() == (await room.client.get(f"{USERS}/")).json()


TAGS = [
    "a.b",
    "a.json",
    "user@example.com",
    "a/b",
    "a b",
    "Ünï çödé",
    "日本語",
    "50%",
    "%2F",
    "a+b",
    "?x=1#y",
    "🦊",
    "events",
]


async def test_a_tag_may_hold_any_character(room: Room) -> None:
    for tag in TAGS:
        assert (await room.client.post(USERS, json={"tag": tag})).json()["tag"] == tag
        path = f"{USERS}/{quote(tag, safe='')}"
        assert (await room.client.get(path)).json()["tag"] == tag
        assert (await room.client.get(f"{path}/events")).json() == {"items": [], "next": None, "last": 0}
        assert (await room.client.delete(path)).status_code == 204


async def test_a_tag_is_unique_whatever_its_case_and_a_number_is_a_tag_too(room: Room) -> None:
    assert (await room.client.post(USERS, json={"tag": 42})).json()["tag"] == "42"
    taken = await room.client.post(USERS, data={"tag": "42"})
    assert taken.status_code == 400
    assert taken.text.startswith("Validation failed: tag '42' has already been taken")
    await room.client.post(USERS, json={"tag": "Ann"})
    assert (await room.client.post(USERS, json={"tag": "ANN"})).status_code == 400
    assert (await room.client.get(f"{USERS}/aNN")).json()["tag"] == "Ann"


async def test_delete_archives_and_put_restores(room: Room) -> None:
    await room.client.post(USERS, json={"tag": "ann", **LOGIN})
    assert (await room.client.delete(f"{USERS}/ann")).status_code == 204
    assert (await room.client.delete(f"{USERS}/ann")).status_code == 204
    assert (await room.account("ann")).is_archived == 1
    assert (await room.client.get(f"{USERS}/ann")).status_code == 200
    assert (await room.client.put(f"{USERS}/ann", data={"archived": "false"})).status_code == 200
    back = await room.account("ann")
    assert (back.is_archived, back.connected_ms is None) == (0, False)
    # What was deleted can be made again, as it could be there.
    await room.client.delete(f"{USERS}/ann")
    again = await room.client.post(USERS, json={"tag": "ann"})
    assert (again.status_code, again.json()["connected_at"]) == (200, None)


NASTY: list[tuple[dict[str, Any], str]] = [
    ({"json": {}}, "tag can't be blank"),
    ({"json": {"tag": ""}}, "tag can't be blank"),
    ({"json": {"tag": None}}, "tag can't be blank"),
    ({"json": {"tag": "   "}}, "tag can't be blank"),
    ({"json": {"tag": ".."}}, "tag"),
    ({"json": {"tag": ["x"]}}, "tag is a text"),
    ({"json": {"tag": {"a": 1}}}, "tag is a text"),
    ({"json": {"tag": True}}, "tag is a text"),
    ({"json": {"tag": "x" * 201}}, "tag is too long"),
    ({"json": {"tag": "a\x00b"}}, "control character"),
    ({"json": {"tag": "x", "archived": "perhaps"}}, "archived is true or false"),
    ({"json": {"tag": "x", "imap_port": "many"}}, "imap_port is a whole number"),
    ({"json": {"tag": "x", "imap_port": 99999}}, "imap_port"),
    ({"json": {"tag": "x", "imap_security": "rot13"}}, "imap_security"),
    ({"json": {"tag": "x", "imap_host": "10.0.0.1"}}, "POSTROOM_ALLOW_PRIVATE"),
    ({"json": {"tag": "x", "mailboxes": [1]}}, "mailboxes is a list"),
    ({"json": {"tag": "x", "login_password": "p" * 9000}}, "login_password is too long"),
    ({"json": {"tag": "x", "oauth2_refresh_token": "t"}}, "takes login_username and login_password"),
    ({"content": b"{", "headers": {"content-type": "application/json"}}, "no JSON"),
    ({"content": b'{"tag": "\xff"}', "headers": {"content-type": "application/json"}}, "no JSON"),
    ({"content": b'{"tag": "\\ud800"}', "headers": {"content-type": "application/json"}}, ""),
    ({"content": b"[" * 200_000, "headers": {"content-type": "application/json"}}, "no JSON"),
    ({"content": b'{"a":' * 200_000, "headers": {"content-type": "application/json"}}, "no JSON"),
    ({"content": b"[]"}, "JSON object"),
    ({"content": b'"tag"', "headers": {"content-type": "application/json"}}, "JSON object"),
    ({"content": b"\x00\xff\xfe"}, "cannot be read"),
    ({"content": b"tag=%ff"}, "cannot be read"),
    ({"content": b"&".join([b"a=1"] * 2_000)}, "cannot be read"),
    ({"content": b"x" * (1 << 20) + b"y"}, "too large"),
    ({"files": {"tag": b"x"}}, "cannot be read"),
]


async def test_a_body_that_has_to_be_corrected_is_answered_with_400_and_a_sentence(room: Room) -> None:
    for body, text in NASTY:
        answer = await room.client.post(USERS, **body)
        assert answer.status_code == 400, (body, answer.text)
        assert text in answer.text, body
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert (await room.client.get(USERS)).json() == []


async def test_a_body_without_an_announced_length_ends_at_the_limit(room: Room) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"a" * 65_536

    answer = await room.client.post(USERS, content=endless())
    assert answer.status_code == 400
    assert sent < 40


async def test_methods_that_a_path_has_not_are_named_and_head_has_no_body(room: Room) -> None:
    head = await room.client.head(CONNECTIONS)
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 2
    options = await room.bare.options(USERS)
    assert (options.status_code, options.headers["allow"]) == (204, "HEAD, GET, POST, OPTIONS")
    wrong = await room.client.post(f"{USERS}/ann", json={})
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "HEAD, DELETE, GET, PUT, OPTIONS")
    for path in (f"{CONNECTIONS}/A/users/B/C", f"{CONNECTIONS}/A/people", f"{FASTMAIL}//users", f"{USERS}/x/events/1"):
        assert (await room.client.get(path)).status_code == 404


async def test_no_path_shows_anything_of_another_workspace(room: Room) -> None:
    """Every endpoint that names something is asked for by a workspace that has not, and by one that has another."""
    await room.client.post(USERS, json={"tag": "ann", **LOGIN})
    names = {":CODE": "FASTMAIL", ":TAG": "ann", ":NUMBER": "1"}
    walked = 0
    for expected in ("Connection not found.", "User not found for 'ann'."):
        for method, path, _ in ENDPOINTS:
            if (":TAG" if "User" in expected else ":CODE") not in path:
                continue
            asked = re.sub(r":[A-Z]+", lambda name: names[name[0]], path)
            answer = await room.other.request(method, asked, json={} if method in ("POST", "PUT") else None)
            assert (answer.status_code, answer.text) == (404, expected), (method, path)
            walked += 1
        await room.other.post(CONNECTIONS, json={"imap_provider_code": "FASTMAIL"})
    assert walked == 21
    assert (await room.other.get(USERS)).json() == []
    assert (await room.account("ann")).is_archived == 0


@pytest.mark.parametrize("junk", ["", "%00", "%ff", "%2e%2e", "a" * 5_000, "'\"<>"])
async def test_no_path_and_no_body_breaks_any_endpoint(room: Room, junk: str) -> None:
    bodies: tuple[dict[str, Any], ...] = (
        {"json": {"tag": [junk], "limit": {}, "after": [], "archived": [], "redirects": {}, "retries": []}},
        {"content": junk.encode(), "headers": {"content-type": "application/json"}},
        {"data": {"tag": junk, "imap_port": junk, "new_mail_webhook": junk, "imap_provider_code": junk}},
        {"params": {"after": junk, "limit": junk, "tag": junk}},
    )
    for method, path, _ in ENDPOINTS:
        for provider in ("FASTMAIL", junk):
            asked = path.replace(":CODE", provider).replace(":TAG", junk).replace(":NUMBER", junk)
            for body in bodies:
                answer = await room.client.request(method, asked, **body)
                assert answer.status_code in (200, 204, 400, 404, 405), (method, asked, answer.text)
                if provider == "FASTMAIL" and method == "DELETE":
                    await room.client.post(CONNECTIONS, json={"imap_provider_code": "FASTMAIL"})
