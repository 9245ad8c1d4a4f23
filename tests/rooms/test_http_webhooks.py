"""Webhook endpoints by the API: made, changed, tested, paused, replayed; every wrong field is named."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from http_api import WORKSPACE, Api, running_api
from migrated import sqlite_url
from peers.http_receiver import HttpReceiver, answer
from webhook_world import SEALER

from postroom.base.clock import ManualClock
from postroom.base.ids import parse_id, show_id
from postroom.events.append import append
from postroom.ledger.rows import EventRow
from postroom.ledger.webhook_rows import WebhookAttemptRow
from postroom.store import webhook_outbox as outbox
from postroom.store import webhooks
from postroom.store.database import Tx, open_database

HOOKS = "/api/v1/webhooks"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    clock = ManualClock()
    database = await open_database(sqlite_url(tmp_path), clock=clock)
    async with running_api(database, clock) as running:
        yield running
    await database.close()


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as running:
        yield running


async def made(api: Api, **fields: Any) -> dict[str, Any]:
    given = await api.client.post(HOOKS, json={"url": "https://hook.example/in", **fields})
    assert given.status_code == 201, given.text
    body: dict[str, Any] = given.json()
    return body


async def record(api: Api, count: int = 1, kind: str = "delivered") -> list[str]:
    rows = [EventRow(api.services.ids.next(), WORKSPACE.id, None, None, kind, 5, "{}") for _ in range(count)]

    def write(tx: Tx) -> None:
        for row in rows:
            append(tx, row, "bulk")

    await api.services.database.write(write)
    return [show_id("evt", row.id) for row in rows]


async def waiting(api: Api, hook: str) -> list[str]:
    endpoint_id = parse_id("whk", hook) or 0
    due = await api.services.database.read(lambda conn: outbox.due(conn, endpoint_id, 1 << 60, (), 500))
    return [show_id("evt", row.event_id) for row in due.rows]


async def test_an_endpoint_is_made_shown_changed_and_deleted(api: Api) -> None:
    body = await made(api, kinds=["failed", "opened"], stream="bulk", batch=100, description="The shop")
    hook = body["endpoint"]
    assert body["secret"].startswith("whsec_")
    assert hook["state"] == "active"
    assert (hook["kinds"], hook["stream"], hook["batch"]) == (["failed", "opened"], "bulk", 100)

    listed = (await api.client.get(HOOKS)).json()
    assert listed == {"items": [hook], "next": None}
    shown = await api.client.get(f"{HOOKS}/{hook['id']}")
    assert shown.json() == hook
    assert body["secret"] not in shown.text

    changed = await api.client.patch(f"{HOOKS}/{hook['id']}", json={"kinds": [], "stream": None, "batch": 1})
    assert changed.status_code == 200
    assert changed.json() == {**hook, "kinds": [], "stream": None, "batch": 1}

    await record(api, 3)
    assert (await api.client.get(f"{HOOKS}/{hook['id']}")).json()["waiting"] == 3
    assert (await api.client.delete(f"{HOOKS}/{hook['id']}")).status_code == 204
    assert (await api.client.get(f"{HOOKS}/{hook['id']}")).status_code == 404
    assert await waiting(api, hook["id"]) == []


async def test_every_wrong_field_is_named(api: Api) -> None:
    given = await api.client.post(
        HOOKS, json={"url": "ftp://x", "kinds": ["delivred"], "stream": "both", "batch": 501, "colour": 1}
    )

    assert given.status_code == 422
    assert given.headers["content-type"] == "application/problem+json"
    fields = {error["field"]: error["message"] for error in given.json()["errors"]}
    assert fields.keys() == {"url", "kinds[0]", "stream", "batch", "colour"}
    assert "delivered" in fields["kinds[0]"]


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/", "http://[::1]/", "http://169.254.169.254/latest", "https://[fe80::1]/"]
)
async def test_a_private_literal_is_refused_in_words(api: Api, url: str) -> None:
    hook = (await made(api))["endpoint"]["id"]
    for given in (
        await api.client.post(HOOKS, json={"url": url}),
        await api.client.patch(f"{HOOKS}/{hook}", json={"url": url}),
    ):
        assert given.status_code == 422
        (error,) = given.json()["errors"]
        assert error["field"] == "url"
        assert "may not be dialled" in error["message"]


async def test_a_workspace_has_ten_endpoints_at_most(api: Api) -> None:
    for _ in range(10):
        await made(api)

    given = await api.client.post(HOOKS, json={"url": "https://hook.example/"})

    assert given.status_code == 409
    assert given.json()["type"] == "urn:postroom:problem:too-many-endpoints"
    assert (await api.other.post(HOOKS, json={"url": "https://hook.example/"})).status_code == 201


async def test_secrets_are_sealed_for_their_row_and_rotated_with_an_overlap(api: Api) -> None:
    body = await made(api)
    hook = body["endpoint"]["id"]
    endpoint_id = parse_id("whk", hook) or 0

    rotated = (await api.client.post(f"{HOOKS}/{hook}/rotate", json={"overlap_hours": 2})).json()

    row = await api.services.database.read(lambda conn: webhooks.endpoint_by_id(conn, WORKSPACE.id, endpoint_id))
    assert row is not None
    assert row.old_secret is not None
    assert SEALER.open(row.secret, f"webhook_endpoint/{endpoint_id}/secret").decode() == rotated["secret"]
    assert SEALER.open(row.old_secret, f"webhook_endpoint/{endpoint_id}/old_secret").decode() == body["secret"]
    assert rotated["old_secret_until"] == "2026-01-01T02:00:00.000Z"
    assert body["secret"].encode() not in row.secret + row.old_secret

    at_once = (await api.client.post(f"{HOOKS}/{hook}/rotate", json={"overlap_hours": 0})).json()
    assert at_once["old_secret_until"] is None
    usual = (await api.client.post(f"{HOOKS}/{hook}/rotate", json={})).json()
    assert usual["old_secret_until"] == "2026-01-02T00:00:00.000Z"
    assert (await api.client.post(f"{HOOKS}/{hook}/rotate", json={"overlap_hours": 169})).status_code == 422


async def test_a_test_event_is_sent_at_once_and_stands_in_the_log(api: Api, receiver: HttpReceiver) -> None:
    receiver.behave("/in", answer(201, b"thank you", x_trace="7"))
    hook = (await made(api, url=receiver.url("/in")))["endpoint"]["id"]

    sent = (await api.client.post(f"{HOOKS}/{hook}/test")).json()

    (request,) = receiver.received("/in")
    assert request.json["type"] == "test"
    assert request.json["id"] == sent["attempt"]["request_id"]
    assert (sent["attempt"]["succeeded"], sent["attempt"]["status"], sent["attempt"]["test"]) == (True, 201, True)
    assert sent["request"]["body"].encode() == request.body
    assert sent["request"]["header"]["webhook-signature"].startswith("v1,")
    assert sent["answer"] == {"header": {"Content-Length": "9", "x-trace": "7"}, "body": "thank you"}
    log = (await api.client.get(f"{HOOKS}/{hook}/attempts")).json()
    assert log == {"items": [sent["attempt"]], "next": None}
    whole = await api.client.get(f"{HOOKS}/{hook}/attempts/{sent['attempt']['id']}")
    assert whole.json() == sent


async def test_the_log_is_paged_and_shows_failures_alone(api: Api) -> None:
    hook = (await made(api))["endpoint"]["id"]
    endpoint_id = parse_id("whk", hook) or 0

    def write(tx: Tx) -> None:
        for number in range(7):
            tx.add(
                WebhookAttemptRow(
                    api.services.ids.next(), WORKSPACE.id, endpoint_id, number, 3, number % 2, None, "no answer", 0, 0,
                    "evt_x", 1, "[1]", "{}", "{}", "",
                )
            )  # fmt: skip

    await api.services.database.write(write)
    first = (await api.client.get(f"{HOOKS}/{hook}/attempts?limit=3")).json()
    second = (await api.client.get(f"{HOOKS}/{hook}/attempts?limit=500&cursor={first['next']}")).json()

    assert len({item["id"] for item in first["items"] + second["items"]}) == 7
    assert second["next"] is None
    failed = (await api.client.get(f"{HOOKS}/{hook}/attempts?failed=true")).json()["items"]
    assert [item["succeeded"] for item in failed] == [False] * 4
    whole = (await api.client.get(f"{HOOKS}/{hook}/attempts/{failed[0]['id']}")).json()
    assert whole["request"]["body"] is None


async def test_pause_and_resume_keep_what_waits(api: Api) -> None:
    hook = (await made(api))["endpoint"]["id"]

    paused = (await api.client.post(f"{HOOKS}/{hook}/pause")).json()
    assert (paused["state"], paused["why"]) == ("paused", "Paused by the API.")
    ids = await record(api, 2)
    resumed = (await api.client.post(f"{HOOKS}/{hook}/resume")).json()

    assert (resumed["state"], resumed["why"], resumed["waiting"]) == ("active", "", 2)
    assert await waiting(api, hook) == ids


async def test_a_replay_puts_events_into_the_outbox_again_with_the_same_ids(api: Api, receiver: HttpReceiver) -> None:
    hook = (await made(api, kinds=["failed"]))["endpoint"]["id"]
    before = api.clock.now_ms()
    ids = await record(api, 3) + await record(api, 600, "failed")
    endpoint_id = parse_id("whk", hook) or 0
    await api.services.database.write(lambda tx: outbox.drop(tx, endpoint_id, 10_000))

    async def replay(**body: Any) -> Any:
        given = await api.client.post(f"{HOOKS}/{hook}/replay", json=body)
        assert given.status_code == 200, given.text
        return given.json()

    assert await replay(events=[ids[0], ids[5], show_id("evt", 12345)]) == {"events": 2, "next": None}
    assert await waiting(api, hook) == [ids[0], ids[5]]
    since = "2026-01-01T00:00:00Z"
    assert before == ManualClock().now_ms()
    later = "2026-01-01T01:00:00Z"
    assert await replay(since=since, until=since) == {"events": 0, "next": None}
    assert await replay(since=since, until=later) == {"events": 600, "next": None}
    assert await replay(since=since, until=later, kinds=["delivered"]) == {"events": 3, "next": None}
    assert await replay(since=since, until=later, kinds=["opened"]) == {"events": 0, "next": None}
    assert await replay(since=since, until=later, after=ids[500]) == {"events": 102, "next": None}
    health = (await api.client.get(f"{HOOKS}/{hook}")).json()
    assert health["waiting"] == 603


async def test_a_request_of_the_log_is_replayed(api: Api, receiver: HttpReceiver) -> None:
    hook = (await made(api))["endpoint"]["id"]
    other = (await made(api))["endpoint"]["id"]
    endpoint_id = parse_id("whk", hook) or 0
    ids = await record(api, 2)
    numbers = [parse_id("evt", one) for one in ids]
    attempt = WebhookAttemptRow(
        api.services.ids.next(), WORKSPACE.id, endpoint_id, 0, 3, 0, 500, "", 0, 1, "bat_x", 2, str(numbers), "{}",
        "{}", "",
    )  # fmt: skip

    def write(tx: Tx) -> None:
        tx.add(attempt)
        outbox.drop(tx, endpoint_id, 10)

    await api.services.database.write(write)
    body = {"attempt": show_id("wha", attempt.id)}

    assert (await api.client.post(f"{HOOKS}/{other}/replay", json=body)).status_code == 404
    assert (await api.client.post(f"{HOOKS}/{hook}/replay", json=body)).json() == {"events": 2, "next": None}
    assert await waiting(api, hook) == ids
    whole = (await api.client.get(f"{HOOKS}/{hook}/attempts/{body['attempt']}")).json()
    assert whole["request"]["body"].startswith('{"events":[{"id":"' + ids[0])


async def test_a_wrong_replay_names_every_wrong_field(api: Api) -> None:
    hook = (await made(api))["endpoint"]["id"]
    for body, fields in (
        ({}, {"body"}),
        ({"events": [], "since": "2026-01-01T00:00:00Z"}, {"body"}),
        ({"since": "yesterday", "until": "now", "kinds": ["x"]}, {"since", "until", "kinds[0]"}),
        ({"events": [], "until": "2026-01-01T00:00:00Z", "kinds": []}, {"until", "kinds"}),
        ({"attempt": "evt_x", "events": ["msg_x"]}, {"attempt", "events[0]"}),
    ):
        given = await api.client.post(f"{HOOKS}/{hook}/replay", json=body)
        assert given.status_code == 422
        assert {error["field"] for error in given.json()["errors"]} == fields


async def test_nothing_is_replayed_to_a_disabled_endpoint(api: Api) -> None:
    hook = (await made(api))["endpoint"]["id"]
    endpoint_id = parse_id("whk", hook) or 0
    await api.services.database.write(lambda tx: webhooks.set_state(tx, endpoint_id, "active", "disabled", "410", 0))

    given = await api.client.post(f"{HOOKS}/{hook}/replay", json={"events": []})

    assert given.status_code == 409
    assert (await api.client.post(f"{HOOKS}/{hook}/resume")).json()["state"] == "active"
