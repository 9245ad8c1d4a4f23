"""Telling events to receivers of every kind: in order, again and again, never to the wrong place."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from migrated import sqlite_url
from peers.dns_server import DnsServer
from peers.http_receiver import Behaviour, HttpReceiver, Received, answer, endless, hang, raw, response
from standardwebhooks.webhooks import Webhook
from webhook_world import OTHER_NODE, WORKSPACE, World, until, webhook_world

from postroom.base.clock import HOUR_MS, ManualClock, SystemClock
from postroom.base.errors import TryLater
from postroom.base.ids import show_id
from postroom.ledger.event_kinds import EventKind
from postroom.net.dns import Resolver
from postroom.net.http_client import HttpLimits
from postroom.net.webhook_request import LONGEST_RETRY_AFTER_MS
from postroom.store import webhook_outbox as outbox
from postroom.store.database import Database, open_database
from postroom.webhooks import retry
from postroom.webhooks.window import WINDOW
from postroom.webhooks.worker import LEASE_MS


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    # The store measures how long writers wait: that is not moved by hand.
    opened = await open_database(sqlite_url(tmp_path), clock=SystemClock())
    yield opened
    await opened.close()


@pytest.fixture
async def world(database: Database, clock: ManualClock) -> AsyncIterator[World]:
    async with webhook_world(database, clock) as made:
        yield made


def shown(event_ids: list[int]) -> list[str]:
    return [show_id("evt", event_id) for event_id in event_ids]


def refusing(*unwanted: int) -> Behaviour:
    """Answer 400 to a request that tells one of these events, else 204."""
    ids = set(shown(list(unwanted)))

    async def behave(received: Received, writer: asyncio.StreamWriter) -> None:
        refuses = any(event["id"] in ids for event in received.events)
        writer.write(response(400 if refuses else 204))
        await writer.drain()

    return behave


def accepted(receiver: HttpReceiver, *unwanted: int, path: str = "/") -> list[str]:
    """Return the events of the requests that `refusing` took, in order."""
    ids = set(shown(list(unwanted)))
    return [
        event["id"]
        for one in receiver.received(path)
        if not any(event["id"] in ids for event in one.events)
        for event in one.events
    ]


async def test_an_event_is_told_at_its_commit_with_everything_about_it(world: World) -> None:
    await world.mail(5, 7)
    await world.endpoint()
    world.start()
    detail = '{"reply":"250 2.0.0 Ok","try":1,"transcript":"C: MAIL FROM","next_try_ms":0}'
    (event_id,) = await world.record(7, detail=detail)

    await until(lambda: bool(world.receiver.requests))

    (request,) = world.receiver.requests
    assert request.json == {
        "id": show_id("evt", event_id),
        "type": "delivered",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "data": {
            "message": {
                "id": show_id("msg", 5),
                "message_id": "<1@example.com>",
                "author": "a@example.com",
                "subject": "Your order",
                "stream": "transactional",
                "tags": ["order", "eu"],
                "metadata": {"order": "17"},
            },
            "recipient": {
                "id": show_id("rcp", 7),
                "address": "Zoë@example.net",
                "domain": "example.net",
                "provider": "google",
            },
            "detail": {"reply": "250 2.0.0 Ok", "try": 1, "next_try_at": "1970-01-01T00:00:00.000Z"},
        },
    }
    assert request.header["webhook-id"] == show_id("evt", event_id)
    assert request.header["content-type"] == "application/json"


async def test_what_is_told_verifies_with_the_library_of_the_standard(world: World) -> None:
    world.clock.advance(ms=time.time_ns() // 1_000_000 - world.clock.now_ms())
    made, secret = await world.room.create(WORKSPACE, _asked(world))
    world.start()
    await world.record(7)
    await until(lambda: len(world.receiver.requests) == 1)

    new_secret = await world.room.rotate(made.endpoint)
    await world.record(7)
    await until(lambda: len(world.receiver.requests) == 2)
    world.clock.advance(hours=25)
    await world.record(7)
    await until(lambda: len(world.receiver.requests) == 3)

    first, during, after = world.receiver.requests
    Webhook(secret).verify(first.body, first.header)
    assert new_secret is not None
    for one in (secret, new_secret):
        Webhook(one).verify(during.body, during.header)
    assert len(during.header["webhook-signature"].split(" ")) == 2
    assert len(after.header["webhook-signature"].split(" ")) == 1


def _asked(world: World) -> Any:
    from postroom.webhooks.endpoints import Asked  # noqa: PLC0415

    return Asked(world.receiver.url("/"))


async def test_a_recipients_next_event_waits_until_the_one_before_is_told_and_others_go_on(world: World) -> None:
    endpoint_id = await world.endpoint()
    first, second, third, other = await world.record(7, 7, 7, 8)
    world.receiver.behave("/", refusing(first))
    world.start()

    await world.quiet()
    assert accepted(world.receiver, first) == shown([other])
    (late,) = await world.record(7)
    (fresh,) = await world.record(9)
    await world.quiet()
    assert accepted(world.receiver, first) == shown([other, fresh])

    world.receiver.behave("/", answer(204))
    world.clock.advance(seconds=30)
    await world.quiet()

    assert world.receiver.told()[-4:] == shown([first, second, third, late])
    assert (await world.health(endpoint_id)).waiting == 0


async def test_events_without_a_recipient_wait_for_none(world: World) -> None:
    await world.endpoint()
    first, second = await world.record(0, 0, kind=EventKind.SUPPRESSION_ADDED)
    world.receiver.behave("/", refusing(first))
    world.start()

    await world.quiet()

    assert accepted(world.receiver, first) == shown([second])


async def test_batches_carry_up_to_500_events_in_order(world: World) -> None:
    await world.endpoint(batch=500)
    ids = await world.record(*(number % 40 + 1 for number in range(1, 1201)))
    world.start()

    await world.quiet()

    sizes = [len(request.json["events"]) for request in world.receiver.requests]
    assert sum(sizes) == 1200
    assert max(sizes) <= 500
    assert len(sizes) < 12
    told = world.receiver.told()
    assert sorted(told) == sorted(shown(ids))
    place = {one: number for number, one in enumerate(shown(ids))}
    for request in world.receiver.requests:
        batch = [place[event["id"]] for event in request.json["events"]]
        assert batch == sorted(batch)
        assert request.header["webhook-id"].startswith("bat_")


async def test_an_event_that_a_receiver_refuses_does_not_keep_its_batch_back(world: World) -> None:
    endpoint_id = await world.endpoint(batch=500)
    ids = await world.record(*range(1, 101))
    poison = ids[50]
    world.receiver.behave("/", refusing(poison))
    world.start()
    await world.quiet()

    await world.pass_time(hours=2, step_minutes=5)

    assert sorted(accepted(world.receiver, poison)) == sorted(shown([one for one in ids if one != poison]))
    assert (await world.health(endpoint_id)).waiting == 1


async def test_one_recipient_with_very_many_events_does_not_hold_others_up(world: World) -> None:
    await world.endpoint()
    chain = await world.record(*[7] * 200)
    others = await world.record(*range(100, 120))
    world.start()

    await until(lambda: set(shown(others)) <= set(world.receiver.told()))
    done = len(world.receiver.told())
    await world.quiet()

    assert done < 150
    told = [one for one in world.receiver.told() if one in set(shown(chain))]
    assert told == shown(chain)


async def test_receivers_that_hang_delay_nobody_else(database: Database, clock: ManualClock) -> None:
    async with webhook_world(database, clock, limits=HttpLimits(whole_seconds=30)) as world:
        for number in range(5):
            path = f"/hangs/{number}"
            world.receiver.behave(path, hang(30))
            await world.endpoint(path)
        await world.endpoint("/well")
        world.start()
        waits = []

        for number in range(100):
            began = time.monotonic()
            await world.record(number + 1)
            await until(lambda number=number: len(world.receiver.received("/well")) > number)  # type: ignore[misc]
            waits.append(time.monotonic() - began)

        assert sorted(waits)[98] < 1.0
        # One at a time to an endpoint that never took any.
        assert len(world.receiver.received("/hangs/1")) == 1
        await world.worker.stop(0)


async def test_many_receivers_that_begin_to_hang_at_once_leave_room(database: Database, clock: ManualClock) -> None:
    async with webhook_world(database, clock, limits=HttpLimits(whole_seconds=30)) as world:
        worker = world.make_worker(database, 1, requests=3)
        for number in range(9):
            world.receiver.behave(f"/hangs/{number}", answer(204))
            await world.endpoint(f"/hangs/{number}")
        world.start(worker)
        await world.record(1)
        await until(lambda: len(world.receiver.requests) == 9)
        for number in range(9):
            world.receiver.behave(f"/hangs/{number}", hang(30))
        await world.record(1)
        await world.endpoint("/well")

        began = time.monotonic()
        await world.record(1)
        await until(lambda: bool(world.receiver.received("/well")))

        assert time.monotonic() - began < 6
        await worker.stop(0)


async def test_a_receiver_that_fails_for_a_day_is_told_everything_once_it_is_back(world: World) -> None:
    endpoint_id = await world.endpoint()
    world.receiver.behave("/", answer(500, b"<html>oops"))
    world.start()
    ids = await world.record(*(number % 10 + 1 for number in range(40)))
    await world.quiet()
    await world.pass_time(hours=12)
    ids += await world.record(*(number % 10 + 1 for number in range(10)))
    await world.pass_time(hours=12)
    failed = len(world.receiver.requests)
    assert (await world.row(endpoint_id)).state == "active"

    world.receiver.behave("/", answer(204))
    await world.pass_time(hours=1, step_minutes=5)

    told = [event["id"] for request in world.receiver.requests[failed:] for event in request.events]
    assert sorted(told) == sorted(shown(ids))
    for recipient in range(10):
        mine = [one for number, one in enumerate(shown(ids)) if number % 10 == recipient]
        assert [one for one in told if one in mine] == mine
    # A minute between requests at least, however much waits.
    assert failed < 24 * 60


async def test_all_that_waits_for_later_is_told_once_a_receiver_is_back(world: World) -> None:
    endpoint_id = await world.endpoint(batch=100)
    ids = await world.record(*range(1, 1101))
    later = [outbox.Waiting(one, number, world.clock.now_ms() + 9 * HOUR_MS, 9, 5) for number, one in enumerate(ids, 1)]
    for start in range(0, 1100, 500):
        await world.database.write(
            lambda tx, start=start: outbox.retry_later(tx, endpoint_id, later[start : start + 500])  # type: ignore[misc]
        )
    world.receiver.behave("/", answer(500))
    world.start()
    await world.record(0)
    await world.pass_time(hours=0.2, step_minutes=2)
    assert (await world.health(endpoint_id)).progress.failures >= retry.FAILING

    world.receiver.behave("/", answer(204))
    await world.pass_time(hours=1, step_minutes=10)

    assert (await world.health(endpoint_id)).waiting == 0


async def test_an_endpoint_that_fails_for_three_days_is_paused_and_told_everything_after_resume(world: World) -> None:
    endpoint_id = await world.endpoint()
    world.receiver.behave("/", answer(503))
    world.start()
    ids = await world.record(1, 1, 2)
    await world.quiet()

    await world.pass_time(hours=73)

    row = await world.row(endpoint_id)
    assert row.state == "paused"
    assert row.why == "No request succeeded since 2026-01-01 00:00 UTC; the last one: HTTP 503."
    assert (await world.log(endpoint_id))[0].why == "HTTP 503; the endpoint is paused"
    asked = len(world.receiver.requests)
    ids += await world.record(1, 3)
    await world.pass_time(hours=2)
    assert len(world.receiver.requests) == asked
    assert (await world.health(endpoint_id)).waiting == 5

    world.receiver.behave("/", answer(204))
    await world.room.resume(row)
    await world.quiet()

    told = [event["id"] for request in world.receiver.requests[asked:] for event in request.events]
    assert sorted(told) == sorted(shown(ids))
    ones = [ids[0], ids[1], ids[3]]
    assert [one for one in told if one in shown(ones)] == shown(ones)


async def test_an_event_that_is_refused_for_three_days_is_given_up_and_its_recipient_goes_on(world: World) -> None:
    endpoint_id = await world.endpoint()
    poison, behind = await world.record(7, 7)
    world.receiver.behave("/", refusing(poison))
    world.start()
    await world.quiet()

    for _ in range(8):
        await world.pass_time(hours=10)
        await world.record(8)
        await world.quiet()

    assert (await world.row(endpoint_id)).state == "active"
    assert show_id("evt", behind) in accepted(world.receiver, poison)
    assert (await world.health(endpoint_id)).waiting == 0
    log = await world.log(endpoint_id)
    assert "HTTP 400; 1 event given up after 3 days" in [line.why for line in log]


async def test_410_disables_an_endpoint_and_nothing_more_is_kept_for_it(world: World) -> None:
    endpoint_id = await world.endpoint()
    world.receiver.behave("/", answer(410))
    world.start()
    await world.record(1)

    await until(lambda: bool(world.receiver.requests))
    await world.quiet()
    await world.record(2)
    await world.quiet()

    row = await world.row(endpoint_id)
    assert (row.state, row.why) == ("disabled", "The receiver answered 410 Gone.")
    assert len(world.receiver.requests) == 1
    assert (await world.health(endpoint_id)).waiting == 1
    assert await world.database.read(lambda conn: outbox.without_listener(conn, 5)) == [endpoint_id]


@pytest.mark.parametrize(("asked", "waited_ms"), [("120", 120_000), ("999999999", LONGEST_RETRY_AFTER_MS)])
async def test_a_receiver_that_asks_for_time_gets_it_within_bounds(world: World, asked: str, waited_ms: int) -> None:
    await world.endpoint()
    world.receiver.behave("/", answer(429, retry_after=asked))
    world.start()
    await world.record(1)
    await until(lambda: bool(world.receiver.requests))
    await world.quiet()
    world.receiver.behave("/", answer(204))
    await world.record(2)

    world.clock.advance(ms=waited_ms - 5_000)
    await world.quiet()
    assert len(world.receiver.requests) == 1
    world.clock.advance(ms=10_000)
    await world.quiet()

    assert len(world.receiver.requests) == 3


@pytest.mark.parametrize(
    "behaviour",
    [raw(b""), raw(b"\x16\x03\x01 not HTTP"), answer(302, location="http://127.0.0.1:9/"), answer(404)],
    ids=["closes at once", "garbage", "redirects to loopback", "has moved"],
)
async def test_a_receiver_that_misbehaves_is_told_later(world: World, behaviour: Behaviour) -> None:
    endpoint_id = await world.endpoint()
    world.receiver.behave("/", behaviour)
    world.start()
    ids = await world.record(1, 2)
    await until(lambda: len(world.receiver.requests) == 2)
    await world.quiet()
    assert world.backend.dialled
    assert set(world.backend.dialled) == {"127.0.0.1"}

    world.receiver.behave("/", answer(200))
    world.clock.advance(seconds=20)
    await world.quiet()

    assert sorted(world.receiver.told()) == sorted(shown(ids) * 2)
    health = await world.health(endpoint_id)
    assert (health.waiting, health.progress.failing_since_ms) == (0, None)


async def test_an_endless_answer_of_success_is_success(world: World) -> None:
    endpoint_id = await world.endpoint()
    world.receiver.behave("/", endless())
    world.start()
    await world.record(1, 2, 3)

    await world.quiet()

    assert (await world.health(endpoint_id)).waiting == 0
    assert len(world.receiver.requests) == 3


async def test_a_name_that_leads_inside_is_never_dialled_and_told_once_it_leads_outside(
    database: Database, clock: ManualClock, dns_server: DnsServer
) -> None:
    dns_server.put("hook.test", "A", "10.0.0.7")
    resolver = Resolver(dns_server.address, clock=clock, hosts_file=None)
    async with webhook_world(database, clock, addresses=resolver) as world:
        endpoint_id = await world.endpoint(url=world.receiver.url("/", "hook.test"))
        world.start()
        await world.record(1)
        await world.quiet()

        (line,) = await world.log(endpoint_id)
        assert line.why.startswith("hook.test leads to 10.0.0.7, inside a network that may not be dialled")
        assert world.backend.dialled == []

        dns_server.put("hook.test", "A", "127.0.0.1")
        world.clock.advance(seconds=90)
        await world.quiet()
        assert len(world.receiver.requests) == 1
    await resolver.close()


async def test_what_could_not_be_written_is_not_told_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.endpoint()
    real, refusals = world.database.write, [3]

    async def write(function: Any, **size: int) -> Any:
        if world.receiver.requests and refusals[0]:
            refusals[0] -= 1
            raise TryLater("the database is away")
        return await real(function, **size)

    monkeypatch.setattr(world.database, "write", write)
    world.start()
    ids = await world.record(1)
    await until(lambda: bool(world.receiver.requests))
    for _ in range(10):
        world.clock.advance(seconds=2)
        await asyncio.sleep(0.005)
    await world.quiet()

    assert world.receiver.told() == shown(ids)


async def test_a_pause_stops_a_busy_worker(world: World) -> None:
    endpoint_id = await world.endpoint()
    world.receiver.behave("/", _slowly(0.01))
    ids = await world.record(*range(1, 401))
    world.start()
    await until(lambda: len(world.receiver.requests) > 20)

    await world.room.pause(await world.row(endpoint_id), "ann")
    told = len(world.receiver.requests)
    await until(lambda: world.worker.endpoints == 0)
    assert len(world.receiver.requests) <= told + 8
    assert (await world.row(endpoint_id)).why == "Paused by ann."

    await world.room.resume(await world.row(endpoint_id))
    await world.quiet()
    assert sorted(world.receiver.told()) == sorted(shown(ids))


def _slowly(seconds: float) -> Behaviour:
    async def behave(received: Received, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        writer.write(response(204))
        await writer.drain()

    return behave


async def test_memory_holds_a_window_of_what_waits(world: World) -> None:
    await world.endpoint()
    for start in range(0, 3000, 500):
        await world.record(*range(start + 1, start + 501))
    world.receiver.behave("/", hang(5))
    world.start()

    await until(lambda: bool(world.receiver.requests))

    (runner,) = world.worker._runners.values()
    assert len(runner._window) <= WINDOW + 500
    await world.worker.stop(0)


async def test_erased_events_leave_the_outbox(world: World) -> None:
    endpoint_id = await world.endpoint()
    await world.database.write(lambda tx: outbox.tell_again(tx, endpoint_id, [(12345, 7)], world.clock.now_ms()))
    world.start()

    await world.quiet()

    assert (await world.health(endpoint_id)).waiting == 0
    assert world.receiver.requests == []


async def test_a_stop_lets_requests_end_and_gives_endpoints_back(world: World) -> None:
    endpoint_id = await world.endpoint()
    world.receiver.behave("/", _slowly(0.2))
    world.start()
    ids = await world.record(1)
    await until(lambda: bool(world.receiver.requests))

    await world.worker.stop(5)

    health = await world.health(endpoint_id)
    assert (health.waiting, health.progress.node) == (0, None)
    assert world.receiver.told() == shown(ids)


async def test_a_receiver_that_hangs_does_not_hold_up_a_stop(world: World) -> None:
    endpoint_id = await world.endpoint()
    world.receiver.behave("/", hang(60))
    world.start()
    await world.record(1)
    await until(lambda: bool(world.receiver.requests))

    began = time.monotonic()
    await world.worker.stop(0.1)

    assert time.monotonic() - began < 4
    health = await world.health(endpoint_id)
    assert (health.waiting, health.progress.node) == (1, None)


async def test_what_a_dead_node_had_not_written_is_told_a_second_time_with_the_same_id(world: World) -> None:
    await world.endpoint()
    world.receiver.behave("/", _slowly(0.3))
    ids = await world.record(1, 1, 2)
    node = world.database
    now_ms = world.clock.now_ms()
    # It held the lease and had sent the first event when it died.
    held = await node.read(lambda conn: outbox.due_endpoints(conn, OTHER_NODE, now_ms))
    lease_ms = now_ms + LEASE_MS
    await node.write(lambda tx: outbox.lease(tx, held, node=OTHER_NODE, now_ms=now_ms, lease_ms=lease_ms))
    world.start()
    for _ in range(10):
        world.clock.advance(seconds=1)
        await asyncio.sleep(0.002)
    assert world.receiver.requests == []

    world.clock.advance(ms=LEASE_MS)
    await world.quiet()

    assert sorted(world.receiver.told()) == sorted(shown(ids))


async def test_two_workers_on_one_database_tell_nothing_twice(postgres_url: str, clock: ManualClock) -> None:
    first = await open_database(postgres_url, clock=SystemClock(), node=1)
    second = await open_database(postgres_url, clock=SystemClock(), node=2)
    async with webhook_world(first, clock) as world:
        paths = [f"/{number}" for number in range(6)]
        for path in paths:
            await world.endpoint(path)
        other = world.make_worker(second, 2)
        world.start()
        ids = await world.record(*range(1, 5))
        await until(lambda: world.worker.endpoints == len(paths))
        world.start(other)
        for number in range(12):
            ids += await world.record(*range(1, 5))
            world.clock.advance(seconds=7)
            await asyncio.sleep(0.02)
            if number == 6:
                await world.worker.stop(5)

        def everything() -> bool:
            world.clock.advance(ms=20)
            return all(len(world.receiver.told(path)) >= len(ids) for path in paths)

        await until(everything)
        for path in paths:
            assert sorted(world.receiver.told(path)) == sorted(shown(ids))
        assert other.endpoints
    await second.close()
    await first.close()


async def test_idle_endpoints_are_given_back(world: World) -> None:
    endpoint_id = await world.endpoint()
    world.start()
    await world.record(1)
    await until(lambda: bool(world.receiver.requests))
    await world.quiet()

    for _ in range(8):
        world.clock.advance(seconds=1)
        await asyncio.sleep(0.005)
    await until(lambda: world.worker.endpoints == 0)

    assert (await world.health(endpoint_id)).progress.lease_ms == 0
