"""Webhooks in SuperIMAP's form: what they say, how often they are tried, and what a receiver's answers do."""

import asyncio
import base64
import hashlib
import hmac
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from migrated import sqlite_url
from peers.http_receiver import Behaviour, HttpReceiver, Received, answer, hang, response
from standardwebhooks.webhooks import Webhook
from superimap_world import KEY, arrive, change, events_of, hook, is_archived, make_accounts
from webhook_world import SEALER, WORKSPACE, World, until, webhook_world

from postroom.base.clock import DAY_MS, ManualClock, SystemClock
from postroom.base.errors import WrongInput
from postroom.base.ids import show_id
from postroom.ledger.event_kinds import EventKind
from postroom.store import account_events, webhooks
from postroom.store.database import Conn, Database, open_database, statement
from postroom.store.webhook_outbox import Due
from postroom.webhooks.endpoints import MOST_ENDPOINTS, asked_of

MAIL = b"From: Ann <ann@example.com>\r\nTo: u40@example.com\r\nSubject: Hi\r\nMessage-ID: <1@x>\r\n\r\nHello\r\n"
_FORGET_KEYS = statement("DELETE FROM partner_key")
SUPERIMAP_PAUSES = [6, 21, 86, 261, 630]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_database(sqlite_url(tmp_path), clock=SystemClock())
    yield opened
    await opened.close()


@pytest.fixture
async def world(database: Database, clock: ManualClock) -> AsyncIterator[World]:
    async with webhook_world(database, clock) as made:
        yield made


def numbers(receiver: HttpReceiver, path: str = "/") -> list[int]:
    return [one.json["sequence_number"] for one in receiver.received(path)]


async def test_a_new_mail_is_told_as_superimap_tells_it(world: World) -> None:
    await make_accounts(world, 40)
    await hook(world)
    world.start()
    await arrive(world, 40, MAIL)

    await until(lambda: bool(world.receiver.requests))

    (request,) = world.receiver.requests
    told = request.json
    assert list(told)[:7] == [
        "timestamp", "sha1", "user_tag", "imap_provider_code", "envelope", "rfc822", "signature",
    ]  # fmt: skip
    assert told["timestamp"] == 1_767_225_600
    assert told["sha1"] == hashlib.sha1(MAIL).hexdigest()
    assert (told["user_tag"], told["imap_provider_code"]) == ("user-40", "GMAIL_OAUTH2")
    assert told["envelope"]["from"] == [{"name": "Ann", "route": None, "mailbox": "ann", "host": "example.com"}]
    assert told["rfc822"].encode() == MAIL
    by_hand = hmac.new(KEY.encode(), f"1767225600{told['sha1']}".encode(), "sha256").hexdigest()
    assert told["signature"] == by_hand
    event = (await events_of(world, 40))[0]
    ours = {name: value for name, value in told.items() if name not in list(told)[:7]}
    assert ours == {
        "sequence_number": 1,
        "event_id": show_id("evt", event.event_id),
        "raw": base64.b64encode(MAIL).decode(),
        "size": len(MAIL),
        "truncated": False,
        "mailbox": "INBOX",
        "mailbox_name": "INBOX",
        "uid_validity": 7,
        "uid": 1,
    }
    await world.quiet()
    event = (await events_of(world, 40))[0]
    assert (event.told_ms is not None, event.given_up_ms, event.is_waiting) == (True, None, False)


async def test_the_whole_body_is_signed_by_the_standard_too(world: World) -> None:
    world.clock.advance(ms=SystemClock().now_ms() - world.clock.now_ms())
    await make_accounts(world, 40)
    endpoint_id = await hook(world)
    world.start()
    await arrive(world, 40, MAIL)

    await until(lambda: bool(world.receiver.requests))

    row = await world.row(endpoint_id)
    secret = SEALER.open(row.secret, f"webhook_endpoint/{endpoint_id}/secret").decode()
    (request,) = world.receiver.requests
    Webhook(secret).verify(request.body, request.header)
    assert request.header["webhook-id"] == request.json["event_id"]


async def test_bytes_that_are_no_text_arrive_whole_beside_the_text(world: World) -> None:
    raw = b"Subject: caf\xe9\r\n\r\n\x00\xff\rbare\n" + bytes(range(256)) * 4_000
    await make_accounts(world, 40)
    await hook(world)
    world.start()
    await arrive(world, 40, raw)

    await until(lambda: bool(world.receiver.requests))

    told = world.receiver.requests[0].json
    assert base64.b64decode(told["raw"]) == raw
    assert told["rfc822"] == raw.decode("utf-8", "replace")
    assert told["sha1"] == hashlib.sha1(told["rfc822"].encode()).hexdigest()
    assert told["envelope"]["subject"] == "café"


async def test_a_mail_that_is_too_large_is_told_without_its_bytes(world: World) -> None:
    await make_accounts(world, 40)
    await hook(world)
    world.start()
    await arrive(world, 40, MAIL * 2_000, truncated=True)

    await until(lambda: bool(world.receiver.requests))

    told = world.receiver.requests[0].json
    assert (told["truncated"], told["raw"], told["rfc822"], told["size"]) == (True, None, "", len(MAIL) * 2_000)
    assert told["sha1"] == hashlib.sha1(b"").hexdigest()
    assert told["envelope"]["message_id"] == "<1@x>"


async def test_what_happens_to_an_account_has_its_own_webhooks(world: World) -> None:
    await make_accounts(world, 40)
    for kind, path in [
        (EventKind.ACCOUNT_CONNECTED, "/connected"),
        (EventKind.ACCOUNT_DISCONNECTED, "/disconnected"),
        (EventKind.ACCOUNT_AUTH_FAILED, "/auth"),
        (EventKind.MAILBOX_RESET, "/reset"),
    ]:
        await hook(world, kind, path)
    world.start()
    await change(world, 40, EventKind.ACCOUNT_CONNECTED)
    await change(world, 40, EventKind.ACCOUNT_DISCONNECTED)
    await change(world, 40, EventKind.ACCOUNT_AUTH_FAILED, {"why": "Invalid credentials"})
    await change(world, 40, EventKind.MAILBOX_RESET, {"mailbox": "INBOX"})
    await until(lambda: len(world.receiver.requests) == 4)

    told = {one.path: one.json for one in world.receiver.requests}

    sha1 = hashlib.sha1(b"user-40").hexdigest()
    signed = hmac.new(KEY.encode(), f"1767225600{sha1}".encode(), "sha256").hexdigest()
    shared = {
        "timestamp": 1_767_225_600,
        "sha1": sha1,
        "user_tag": "user-40",
        "imap_provider_code": "GMAIL_OAUTH2",
        "signature": signed,
    }
    ids = [show_id("evt", event.event_id) for event in await events_of(world, 40)]
    email = {"email": "u40@example.com"}
    assert told == {
        "/connected": {**shared, **email, "sequence_number": 1, "event_id": ids[0]},
        "/disconnected": {**shared, "sequence_number": 2, "event_id": ids[1]},
        "/auth": {
            **shared,
            **email,
            "sequence_number": 3,
            "event_id": ids[2],
            "event": "account_auth_failed",
            "detail": {"why": "Invalid credentials"},
        },
        "/reset": {
            **shared,
            **email,
            "sequence_number": 4,
            "event_id": ids[3],
            "event": "mailbox_reset",
            "detail": {"mailbox": "INBOX"},
        },
    }


async def test_an_event_is_tried_six_times_with_superimaps_pauses_then_the_next_goes_on(world: World) -> None:
    await make_accounts(world, 40)
    endpoint_id = await hook(world)
    world.receiver.behave("/", refusing_numbers(1, status=302))
    world.start()
    await arrive(world, 40, MAIL, MAIL)
    await world.quiet()

    for count, pause in enumerate(SUPERIMAP_PAUSES, 1):
        assert numbers(world.receiver) == [1] * count
        world.clock.advance(seconds=pause - 4)
        await world.quiet()
        assert numbers(world.receiver) == [1] * count
        world.clock.advance(seconds=5)
        await world.quiet()
    world.clock.advance(seconds=20)
    await world.quiet()

    assert numbers(world.receiver) == [1] * 6 + [2]
    told = [one.json for one in world.receiver.requests[:6]]
    assert len({one["event_id"] for one in told}) == 1
    assert len({one["signature"] for one in told}) == 6
    assert [(one.told_ms is not None, one.given_up_ms is not None) for one in await events_of(world, 40)] == [
        (False, True),
        (True, False),
    ]
    log = await world.log(endpoint_id)
    assert log[1].why == "HTTP 302: redirects are not followed; given up after 6 tries"
    assert (await world.row(endpoint_id)).state == "active"


def refusing_numbers(*unwanted: int, status: int = 500) -> Behaviour:
    """Answer with a status to events of these numbers, else 200."""

    async def behave(received: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(response(status if received.json["sequence_number"] in unwanted else 200))
        await writer.drain()

    return behave


async def test_what_was_given_up_is_told_again_in_order_when_somebody_asks(world: World) -> None:
    await make_accounts(world, 40, retries=1)
    await hook(world)
    world.receiver.behave("/", answer(500))
    world.start()
    await arrive(world, 40, MAIL, MAIL, MAIL)
    for _ in range(4):
        await world.quiet()
        world.clock.advance(seconds=61)
    await world.quiet()
    assert [one.given_up_ms is not None for one in await events_of(world, 40)] == [True] * 3

    before = len(world.receiver.requests)
    world.receiver.behave("/", answer(200))
    given_up = await world.database.read(lambda conn: account_events.given_up_after(conn, WORKSPACE, 40, 0, 100))
    now_ms = world.clock.now_ms()
    again = await world.database.write(lambda tx: account_events.tell_again(tx, WORKSPACE, 40, given_up, now_ms))
    assert again == 3
    world.clock.advance(seconds=61)
    await world.quiet()

    assert numbers(world.receiver)[before:] == [1, 2, 3]
    events = await events_of(world, 40)
    assert [(one.told_ms is not None, one.given_up_ms) for one in events] == [(True, None)] * 3


async def test_without_a_number_of_tries_an_event_is_tried_for_three_days(world: World) -> None:
    await make_accounts(world, 40, retries=0)
    await hook(world)
    world.receiver.behave("/", answer(500))
    world.start()
    await arrive(world, 40, MAIL)
    began = world.clock.now_ms()
    await world.pass_time(hours=71)
    assert (await events_of(world, 40))[0].given_up_ms is None
    assert len(world.receiver.requests) > 12

    await world.pass_time(hours=2)

    given_up_ms = (await events_of(world, 40))[0].given_up_ms
    assert given_up_ms is not None
    assert given_up_ms - began >= 3 * DAY_MS


async def test_403_archives_the_account_and_drops_its_queue_and_no_other(world: World) -> None:
    await make_accounts(world, 40, 41)
    endpoint_id = await hook(world)
    world.receiver.behave("/", forbidding("user-40"))
    await arrive(world, 40, *[MAIL] * 450)
    await arrive(world, 41, MAIL, MAIL)
    world.start()

    await world.quiet()
    await until(lambda: world.worker.requests == 0)

    assert [one.json["user_tag"] for one in world.receiver.requests].count("user-40") == 1
    assert await is_archived(world, 40)
    assert not await is_archived(world, 41)
    assert (await world.health(endpoint_id)).waiting == 0
    events = await events_of(world, 40)
    assert len(events) == 450
    assert all(one.given_up_ms is not None for one in events)
    assert all(one.told_ms is not None for one in await events_of(world, 41))
    assert [one.why for one in await world.log(endpoint_id) if one.status == 403] == [
        "HTTP 403; the account is archived"
    ]


async def test_403_archives_no_account_that_takes_tracers(world: World) -> None:
    await make_accounts(world, 40, tracers=[40])
    await hook(world)
    world.receiver.behave("/", refusing_numbers(1, status=403))
    world.start()
    await arrive(world, 40, MAIL, MAIL)

    await world.quiet()

    assert not await is_archived(world, 40)
    assert numbers(world.receiver) == [1, 2]
    assert [one.given_up_ms is not None for one in await events_of(world, 40)] == [True, False]


def forbidding(tag: str) -> Behaviour:
    """Answer 403 to events of a user, else 204."""

    async def behave(received: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(response(403 if received.json["user_tag"] == tag else 204))
        await writer.drain()

    return behave


async def test_accounts_keep_their_order_and_wait_for_no_other(world: World) -> None:
    await make_accounts(world, *range(40, 50))
    await hook(world)
    world.receiver.behave("/", refusing_numbers(3))
    for _ in range(5):
        for account_id in range(40, 50):
            await arrive(world, account_id, MAIL)
    world.start()
    await world.quiet()
    world.receiver.behave("/", answer(200))
    world.clock.advance(seconds=90)
    await world.quiet()

    for account_id in range(40, 50):
        told = [
            one.json["sequence_number"]
            for one in world.receiver.requests
            if one.json["user_tag"].endswith(str(account_id))
        ]
        assert list(dict.fromkeys(told)) == [1, 2, 3, 4, 5]


async def test_a_receiver_that_hangs_delays_no_other(world: World) -> None:
    await make_accounts(world, *range(40, 60))
    await hook(world, path="/mail")
    await hook(world, EventKind.ACCOUNT_CONNECTED, "/connected")
    world.receiver.behave("/mail", hang())
    large = b"Subject: large\r\n\r\n" + b"x" * 200_000
    world.start()
    for account_id in range(40, 60):
        await arrive(world, account_id, large)
    await until(lambda: bool(world.receiver.received("/mail")))

    for account_id in range(40, 60):
        await change(world, account_id, EventKind.ACCOUNT_CONNECTED)

    await until(lambda: len(world.receiver.received("/connected")) == 20)
    assert max(one.at for one in world.receiver.received("/connected")) - world.receiver.received("/mail")[0].at < 3


async def test_a_workspace_without_a_key_is_told_so_in_the_log(world: World) -> None:
    await make_accounts(world, 40)
    endpoint_id = await hook(world)
    await world.database.write(lambda tx: tx.run(_FORGET_KEYS))
    world.start()
    await arrive(world, 40, MAIL)
    await world.quiet()

    assert world.receiver.requests == []
    assert (await world.log(endpoint_id))[0].why.startswith("the workspace has no SuperIMAP key to sign with; tried")


async def test_ordinary_endpoints_hear_of_accounts_in_the_standard_form(world: World) -> None:
    await make_accounts(world, 40)
    await world.endpoint()
    world.start()
    large = MAIL + b"x" * 100_000
    await arrive(world, 40, MAIL, large)
    await until(lambda: len(world.receiver.requests) == 2)

    small, big = (one.json for one in world.receiver.requests)

    assert small["type"] == "mail_arrived"
    assert small["data"]["account"] == {
        "id": show_id("acc", 40),
        "tag": "user-40",
        "provider": "GMAIL_OAUTH2",
        "email": "u40@example.com",
    }
    assert small["data"]["detail"]["number"] == 1
    assert small["data"]["detail"]["envelope"]["subject"] == "Hi"
    assert "tag" not in small["data"]["detail"]
    assert small["data"]["raw"] == {
        "path": "/api/v1/connections/GMAIL_OAUTH2/users/user-40/events/1/raw",
        "size_bytes": len(MAIL),
        "base64": base64.b64encode(MAIL).decode(),
    }
    assert (big["data"]["raw"]["base64"], big["data"]["raw"]["size_bytes"]) == (None, len(large))


async def test_a_test_request_has_superimaps_form_and_the_log_shows_it_again(world: World) -> None:
    await make_accounts(world, 40)
    endpoint_id = await hook(world)

    attempt = await world.room.test(await world.row(endpoint_id))

    told = world.receiver.requests[0].json
    assert (told["user_tag"], told["sequence_number"]) == ("postroom-test", 0)
    assert told["sha1"] == hashlib.sha1(told["rfc822"].encode()).hexdigest()
    assert await world.room.body_of(attempt) == world.receiver.requests[0].body.decode()


async def test_the_log_shows_what_was_told_and_a_replay_tells_only_what_the_form_has_words_for(world: World) -> None:
    await make_accounts(world, 40)
    endpoint_id = await hook(world)
    world.start()
    await arrive(world, 40, MAIL)
    await until(lambda: len(world.receiver.requests) == 1)
    await world.quiet()
    (line,) = await world.log(endpoint_id)
    attempt = await world.database.read(lambda conn: webhooks.attempt_by_id(conn, WORKSPACE, line.id))
    assert attempt is not None
    assert await world.room.body_of(attempt) == world.receiver.requests[0].body.decode()
    (other,) = await world.record(7)
    await change(world, 40, EventKind.ACCOUNT_CONNECTED)
    row, mine = await world.row(endpoint_id), (await events_of(world, 40))[0].event_id

    asked = await world.room.replay_events(row, [mine, other])
    span = await world.room.replay_span(row, 0, world.clock.now_ms() + 1000, [])
    nothing = await world.room.replay_span(row, 0, world.clock.now_ms() + 1000, [EventKind.DELIVERED])
    await until(lambda: len(world.receiver.requests) >= 2)
    await world.quiet()

    assert (asked.events, span.events, nothing.events) == (1, 1, 0)
    told = [one.json for one in world.receiver.requests]
    assert {(one["event_id"], one["sequence_number"]) for one in told} == {(show_id("evt", mine), 1)}


async def test_a_partners_webhook_keeps_its_kind_and_takes_no_place_of_ordinary_ones(world: World) -> None:
    await make_accounts(world, 40)
    row = await world.row(await hook(world))
    asked = asked_of(row)

    with pytest.raises(WrongInput, match="tells one kind"):
        await world.room.update(row, replace(asked, batch=5))
    assert await world.room.update(row, replace(asked, url="https://elsewhere.example/"))
    for _ in range(MOST_ENDPOINTS):
        await world.endpoint()


async def test_after_half_a_day_without_a_receiver_everything_is_told_in_order_once_somebody_asks(world: World) -> None:
    await make_accounts(world, 40, 41)
    await hook(world)
    world.receiver.behave("/", answer(503))
    world.start()
    for account_id in (40, 41):
        await arrive(world, account_id, *[MAIL] * 80)
    await world.pass_time(hours=12)
    failed = len(world.receiver.requests)
    given_up = {
        account_id: await world.database.read(
            lambda conn, at=account_id: account_events.given_up_after(conn, WORKSPACE, at, 0, 1000)  # type: ignore[misc]
        )
        for account_id in (40, 41)
    }
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in given_up.values())
    assert 1 <= len(given_up[40]) < 80

    world.receiver.behave("/", answer(200))
    await world.pass_time(hours=1)
    now_ms = world.clock.now_ms()
    for account_id, lost in given_up.items():
        await world.database.write(
            lambda tx, at=account_id, lost=lost: account_events.tell_again(tx, WORKSPACE, at, lost, now_ms)  # type: ignore[misc]
        )
    await world.pass_time(hours=1)

    for account_id, lost in given_up.items():
        told = [one.json for one in world.receiver.requests[failed:]]
        mine = [one["sequence_number"] for one in told if one["user_tag"] == f"user-{account_id}"]
        assert mine == [*range(len(lost) + 1, 81), *lost]
        assert all(one.told_ms is not None for one in await events_of(world, account_id))


async def test_at_a_new_address_what_waits_is_told_at_once(world: World) -> None:
    await make_accounts(world, 40)
    endpoint_id = await hook(world, path="/old")
    world.receiver.behave("/old", answer(500))
    world.start()
    await arrive(world, 40, MAIL)
    for pause in (0, 6, 21):
        world.clock.advance(seconds=pause)
        await world.quiet()
    assert len(world.receiver.received("/old")) == 3

    assert await hook(world, path="/new") == endpoint_id
    await world.quiet()

    assert numbers(world.receiver, "/new") == [1]


class HoldsReads:
    """A database whose readers of the outbox wait, with what they have read, until they may go on."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.held = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    async def read(self, function: Callable[[Conn], Any]) -> Any:
        found = await self._database.read(function)
        if isinstance(found, tuple) and isinstance(found[-1], Due) and not self.goes_on.is_set():
            self.held.set()
            await self.goes_on.wait()
        return found


async def test_what_was_read_while_an_event_failed_does_not_overtake_it(world: World) -> None:
    await make_accounts(world, 40)
    endpoint_id = await hook(world)
    fails = threading.Event()

    async def fail_later(received: Received, writer: asyncio.StreamWriter) -> None:
        await until(fails.is_set)
        writer.write(response(500))
        await writer.drain()

    world.receiver.behave("/", fail_later)
    database = HoldsReads(world.database)
    world.start(world.make_worker(cast(Database, database), 1))
    await arrive(world, 40, MAIL, MAIL)
    await until(lambda: len(world.receiver.requests) == 1)
    database.goes_on.clear()
    await arrive(world, 40, MAIL)
    await asyncio.wait_for(database.held.wait(), 20)

    fails.set()
    async with asyncio.timeout(20):
        while not (await world.log(endpoint_id)):
            await database.held.wait()
    world.receiver.behave("/", answer(200))
    database.goes_on.set()
    for _ in range(20):
        await world.log(endpoint_id)
    assert numbers(world.receiver) == [1]
    world.clock.advance(seconds=7)
    await until(lambda: len(world.receiver.requests) == 4)

    assert numbers(world.receiver) == [1, 1, 2, 3]
