"""Looking things up by HTTP: keys, tenants, pages, the queue in words, suppressions, the event feed, the document."""

import json
import re
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from http_api import KEY, Api, letter, running_api
from litestar.routes import HTTPRoute

from postroom.base.clock import ManualClock
from postroom.base.ids import parse_id, show_id
from postroom.doors.http.events import SETTLES_MS
from postroom.doors.http.operation import Operation, id_pattern
from postroom.doors.http.words import next_try, read_time, show_time, why
from postroom.ledger.rows import RecipientRow, SandboxCopyRow
from postroom.store.database import open_database


@pytest.fixture
async def api(tmp_path: Any) -> AsyncIterator[Api]:
    """The API over a fresh store."""
    clock = ManualClock()
    database = await open_database(f"sqlite:///{tmp_path}/postroom.db", clock=clock)
    async with running_api(database, clock) as running:
        yield running
    await database.close()


async def send(api: Api, **fields: Any) -> dict[str, Any]:
    answer = await api.client.post("/api/v1/messages", json=letter(**fields))
    assert answer.status_code == 202
    sent: dict[str, Any] = answer.json()
    return sent


async def get(api: Api, path: str) -> dict[str, Any]:
    answer = await api.client.get(f"/api/v1{path}")
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def routes(api: Api) -> list[tuple[str, str, Operation]]:
    return [
        (method, route.path_format, handler.opt["operation"])
        for route in api.app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
        if method != "OPTIONS"
    ]


async def test_no_route_but_the_public_ones_answers_without_a_known_key(api: Api) -> None:
    public = {path for _, path, operation in routes(api) if operation.public}
    assert public == {"/api/v1/openapi.json", "/health/live", "/health/ready"}
    for method, path, operation in routes(api):
        for headers in (
            {"authorization": ""},
            {"authorization": "Bearer nope"},
            {"authorization": "Bearer \u00e4".encode()},
        ):
            answer = await api.client.request(method, re.sub(r"\{\w+\}", "x", path), headers=headers)
            assert (answer.status_code == 401) is not operation.public, path
            if not operation.public:
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "headers",
    [{"authorization": f"bearer  {KEY} "}, {"x-api-key": KEY}, {"authorization": "Basic eA==", "x-api-key": KEY}],
)
async def test_a_key_is_read_from_either_header(api: Api, headers: dict[str, str]) -> None:
    answer = await api.client.get("/api/v1/messages", headers={"authorization": "", **headers})
    assert answer.status_code == 200


async def test_every_route_with_an_id_answers_404_to_another_workspace(api: Api) -> None:
    """Rule 15 of the house: tenants never see each other's rows."""
    sent = await send(api)
    await api.client.post("/api/v1/suppressions", json={"address": "x@example.com"})
    await api.client.post("/api/v1/domains", json={"name": "example.com"})
    hook = await api.client.post("/api/v1/webhooks", json={"url": "https://hook.example/"})
    ours = {
        "messages": sent["id"],
        "recipients": sent["recipients"][0]["id"],
        "webhooks": hook.json()["endpoint"]["id"],
    }
    walked = 0
    for method, path, _ in routes(api):
        if "{" not in path:
            continue
        kind = path.split("/")[3]
        value = ours.get(kind, "x@example.com" if kind == "suppressions" else "example.com")
        answer = await api.other.request(method, re.sub(r"\{\w+\}", value, path))
        assert answer.status_code == 404, path
        assert value not in answer.text
        walked += 1
    assert walked >= 11


async def test_lists_and_moves_of_another_workspace_find_nothing(api: Api) -> None:
    sent = await send(api, tags=["t"])
    await api.client.post("/api/v1/suppressions", json={"address": "x@example.com"})
    await api.client.post("/api/v1/domains", json={"name": "example.com"})
    await api.client.post("/api/v1/webhooks", json={"url": "https://hook.example/"})
    for method, path, operation in routes(api):
        if method == "GET" and "{" not in path and path.startswith("/api") and not operation.public:
            assert (await api.other.get(path)).json()["items"] == [], path
    selection = {"recipients": [sent["recipients"][0]["id"]]}
    for move in ("hold", "release", "cancel", "retry"):
        answer = await api.other.post(f"/api/v1/queue/{move}", json=selection)
        assert answer.json() == {"moved": 0, "more": False}
    assert (await get(api, f"/recipients/{sent['recipients'][0]['id']}"))["state"] == "queued"


@pytest.mark.parametrize(
    "path", ["/messages/x", "/messages/msg_zzzzzzzzzzzzz", "/recipients/msg_aaaaaaaaaaaaa", "/nope"]
)
async def test_what_is_no_id_is_not_found(api: Api, path: str) -> None:
    answer = await api.client.get(f"/api/v1{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_a_page_goes_on_where_the_one_before_ended(api: Api) -> None:
    for number in range(7):
        await send(api, to=[f"b{number}@example.net", f"c{number}@example.net"])
    for path, amount in (("/messages", 7), ("/recipients", 14), ("/queue/recipients", 14)):
        seen: list[str] = []
        cursor = ""
        while True:
            page = await get(api, f"{path}?limit=3{cursor}")
            seen += [item["id"] for item in page["items"]]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        assert len(set(seen)) == len(seen) == amount
        assert seen == sorted(seen, key=lambda shown: parse_id(shown[:3], shown) or 0, reverse=True)


async def test_the_recipients_of_a_message_come_in_the_order_of_its_envelope(api: Api) -> None:
    sent = await send(api, to=["z@example.net", "a@example.net"], cc="m@example.net")
    first = await get(api, f"/messages/{sent['id']}/recipients?limit=2")
    second = await get(api, f"/messages/{sent['id']}/recipients?limit=2&cursor={first['next']}")
    shown = [item["address"] for item in (*first["items"], *second["items"])]
    assert shown == ["z@example.net", "a@example.net", "m@example.net"]
    assert second["next"] is None


async def test_a_span_of_time_includes_its_beginning_and_not_its_end(api: Api) -> None:
    assert isinstance(api.clock, ManualClock)
    begins = show_time(api.clock.now_ms())
    sent = await send(api)
    api.clock.advance(hours=1)
    ends = show_time(api.clock.now_ms())
    await send(api)
    assert [item["id"] for item in (await get(api, f"/messages?from={begins}&to={ends}"))["items"]] == [sent["id"]]
    assert (await get(api, "/messages?from=9999-12-31T23:59:59Z"))["items"] == []
    assert len((await get(api, "/messages?from=0001-01-01T00:00:00Z"))["items"]) == 2


async def test_an_address_is_found_in_whatever_case_and_script_it_is_asked_for(api: Api) -> None:
    await send(api, to=["Bob@B\u00fccher.example"])
    for asked in ("bob@xn--bcher-kva.example", "BOB@b\u00fccher.example"):
        page = await api.client.get("/api/v1/recipients", params={"address": asked})
        assert [item["address"] for item in page.json()["items"]] == ["Bob@B\u00fccher.example"]


async def test_an_unknown_parameter_is_no_filter_that_says_nothing(api: Api) -> None:
    answer = await api.client.get("/api/v1/recipients?stat=failed&limit=0&state=fail&state=x&from=now")
    assert {error["field"]: error["code"] for error in answer.json()["errors"]} == {
        "state": "unknown_value",
        "stat": "unknown",
        "limit": "range",
        "from": "invalid_time",
    }
    assert (await api.client.get("/api/v1/recipients?from=now")).status_code == 422


async def test_the_queue_tells_each_lane_and_its_next_try_in_words(api: Api) -> None:
    assert isinstance(api.clock, ManualClock)
    await send(api, send_at=show_time(api.clock.now_ms() + 240_000))
    (line,) = (await get(api, "/queue"))["items"]
    assert (line["domain"], line["state"], line["recipients"]) == ("example.net", "queued", 1)
    assert line["next_try"] == "next try in 4 minutes (00:04:00 UTC)"
    (item,) = (await get(api, "/queue/recipients"))["items"]
    assert item["why"] == "waits for its first try; next try in 4 minutes (00:04:00 UTC)"


async def test_hold_release_and_cancel_are_done_by_selection_and_told_as_events(api: Api) -> None:
    sent = await send(api, to=["a@example.net", "b@example.com"])
    first, second = (one["id"] for one in sent["recipients"])
    for move, selection, moved in (
        ("hold", {"everything": True}, 2),
        ("release", {"domain": "EXAMPLE.net"}, 1),
        ("release", {"recipients": []}, 0),
        ("cancel", {"message": sent["id"], "state": "held"}, 1),
        ("retry", {"address": "a@example.net"}, 0),
    ):
        answer = await api.client.post(f"/api/v1/queue/{move}", json=selection)
        assert answer.json() == {"moved": moved, "more": False}, (move, answer.text)
    assert (await get(api, f"/messages/{sent['id']}"))["states"] == {"queued": 1, "cancelled": 1}
    kinds = [event["kind"] for event in (await get(api, f"/recipients/{second}/events"))["items"]]
    assert kinds == ["held", "cancelled"]
    assert (await api.client.post(f"/api/v1/messages/{sent['id']}/cancel")).json() == {"moved": 1, "more": False}
    assert (await get(api, f"/recipients/{first}"))["why"] == "cancelled by api"


@pytest.mark.parametrize("selection", [{}, {"everything": False}, {"recipients": ["rcp_x"]}, {"domains": "x"}])
async def test_an_empty_or_mistaken_selection_moves_nothing(api: Api, selection: dict[str, Any]) -> None:
    await send(api)
    assert (await api.client.post("/api/v1/queue/cancel", json=selection)).status_code == 422
    assert (await get(api, "/recipients?state=cancelled"))["items"] == []


@pytest.mark.parametrize("line", [{}, {"evidence": "he rang"}])
async def test_evidence_that_a_client_wrote_names_no_mail_of_ours(api: Api, line: dict[str, str]) -> None:
    evidence = json.dumps({"recipient": show_id("rcp", 1), "inbound_id": "x", **line})
    await api.client.post("/api/v1/suppressions", json={"address": "x@example.com", "evidence": evidence})

    (found,) = (await get(api, "/suppressions"))["items"]

    assert (found["evidence"], found["recipient"], found["inbound"]) == (evidence, None, None)


async def test_a_suppression_is_added_shown_renewed_and_removed(api: Api) -> None:
    body = {"address": "Bob@Example.COM", "scope": "bulk", "reason": "asked by phone"}
    added = await api.client.post("/api/v1/suppressions", json=body)
    assert (added.status_code, added.json()["address"]) == (201, "bob@example.com")
    renewed = await api.client.post("/api/v1/suppressions", json={**body, "expires_at": "2025-01-01T00:00:00Z"})
    assert (renewed.json()["id"], renewed.json()["active"]) == (added.json()["id"], False)
    await api.client.post("/api/v1/suppressions", json={"address": "bob@example.com"})
    shown = (await get(api, "/suppressions/BOB@example.com"))["items"]
    assert [one["scope"] for one in shown] == ["all", "bulk"]
    assert len((await get(api, "/suppressions?address=bob@example.com&limit=1"))["items"]) == 1
    assert (await api.client.delete("/api/v1/suppressions/bob@example.com?scope=bulk")).status_code == 204
    assert (await api.client.delete("/api/v1/suppressions/bob@example.com?scope=bulk")).status_code == 404
    assert (await api.client.delete("/api/v1/suppressions/bob@example.com")).status_code == 204
    assert (await api.client.get("/api/v1/suppressions/bob@example.com")).status_code == 404
    kinds = [event["kind"] for event in (await get(api, "/events"))["items"]]
    assert kinds == ["suppression_added"] * 3 + ["suppression_removed"] * 2


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("EXAMPLE.org.", "example.org"),
        ("Exämple.de", "xn--exmple-cua.de"),
        ("пример.рф", "xn--e1afmkfd.xn--p1ai"),
        (f"{'a' * 63}.de", f"{'a' * 63}.de"),
    ],
)
async def test_a_domain_is_taken_as_people_write_it(api: Api, written: str, name: str) -> None:
    made = await api.client.post("/api/v1/domains", json={"name": written})

    assert (made.status_code, made.json()["name"]) == (201, name)
    assert (await api.client.get(f"/api/v1/domains/{written}")).json()["name"] == name
    assert (await api.client.post("/api/v1/domains", json={"name": name})).status_code == 409


@pytest.mark.parametrize(
    ("written", "remedy"), [("no domain", "write labels of letters"), ("com", "at least one dot"), ("", "write labels")]
)
async def test_what_is_no_domain_is_told_why(api: Api, written: str, remedy: str) -> None:
    answer = await api.client.post("/api/v1/domains", json={"name": written})

    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["field"] == "name"
    assert remedy in error["message"]


async def test_domains_are_made_with_the_records_to_publish(api: Api) -> None:
    made = await api.client.post("/api/v1/domains", json={"name": "example.com"})
    assert (made.status_code, made.json()["proved"]) == (201, False)
    assert (await api.client.post("/api/v1/domains", json={"name": "example.com"})).status_code == 409
    assert (await api.client.post("/api/v1/domains", json={"name": "no domain"})).status_code == 422
    checked = (await api.client.post("/api/v1/domains/EXAMPLE.com/check")).json()
    assert [(one["type"], one["seen"]) for one in checked["records"]] == [("TXT", False)]
    assert (await api.client.delete("/api/v1/domains/example.com")).status_code == 204
    assert (await api.client.get("/api/v1/domains/example.com")).status_code == 404


async def test_a_follower_of_the_events_misses_none_that_is_committed_late(api: Api) -> None:
    """An event's id is made before its commit: one with a lower id may appear after one with a higher."""
    assert isinstance(api.clock, ManualClock)
    await send(api)
    feed = await get(api, "/events")
    assert [event["kind"] for event in feed["items"]] == ["accepted"]
    again = await get(api, f"/events?after={feed['next']}")
    assert [event["id"] for event in again["items"]] == [event["id"] for event in feed["items"]]
    api.clock.advance(ms=SETTLES_MS + 1)
    settled = await get(api, f"/events?after={again['next']}")
    assert (await get(api, f"/events?after={settled['next']}"))["items"] == []
    await send(api)
    assert len((await get(api, f"/events?after={settled['next']}&kind=accepted"))["items"]) == 1
    assert (await get(api, f"/events?after={settled['next']}&kind=failed"))["items"] == []


async def test_counters_are_read_by_time_and_dimension(api: Api) -> None:
    assert isinstance(api.clock, ManualClock)
    await send(api, to=["a@example.net", "b@example.net"], tags=["x", "y"])
    api.clock.advance(hours=1)
    await send(api, stream="bulk")
    hours = (await get(api, "/stats?interval=hour"))["items"]
    assert [(item["time"], item["outbound"]) for item in hours] == [
        ("2026-01-01T00:00:00.000Z", 2),
        ("2026-01-01T01:00:00.000Z", 1),
    ]
    tags = (await get(api, "/stats?interval=total&by=tag"))["items"]
    assert [(item["key"], item["outbound"], item["opens"]) for item in tags] == [
        ("x", 2, {"total": 0, "unique": 0, "human": 0}),
        ("y", 2, {"total": 0, "unique": 0, "human": 0}),
    ]
    page = await get(api, "/stats?interval=total&by=stream&limit=1")
    rest = await get(api, f"/stats?interval=total&by=stream&limit=1&cursor={page['next']}")
    assert [item["key"] for item in (*page["items"], *rest["items"])] == ["bulk", "transactional"]
    assert (await get(api, "/stats?to=2026-01-01T00:00:00Z"))["items"] == []


async def test_health_says_when_the_store_is_away(api: Api) -> None:
    assert (await api.client.get("/health/live")).status_code == 200
    assert (await api.client.get("/health/ready")).status_code == 200
    await api.services.database.close()
    assert (await api.client.get("/health/live")).status_code == 200
    answer = await api.client.get("/health/ready")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert (await api.client.get("/api/v1/messages")).status_code == 503


async def test_every_route_stands_in_the_document(api: Api) -> None:
    document = (await api.client.get("/api/v1/openapi.json")).json()
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert described == {(method, path) for method, path, _ in routes(api)}
    for item in document["paths"].values():
        for operation in item.values():
            assert operation["description"]
            assert "503" in operation["responses"]


async def test_options_and_405_name_all_methods_of_a_path(api: Api) -> None:
    for method, status in (("OPTIONS", 204), ("PUT", 405)):
        answer = await api.client.request(method, "/api/v1/messages")
        assert answer.status_code == status
        assert set(answer.headers["allow"].split(", ")) == {"GET", "OPTIONS", "POST"}


def test_the_documented_pattern_of_ids_is_exactly_what_is_read() -> None:
    for row_id in (0, 1, (1 << 63) - 1, 250287172723150848):
        assert re.fullmatch(id_pattern("msg"), show_id("msg", row_id))
    for text in ("msg_qaaaaaaaaaaaa", "msg_aaaaaaaaaaaab", "rcp_aaaaaaaaaaaaa", "msg_aaaaaaaaaaaa"):
        assert not re.fullmatch(id_pattern("msg"), text)


@pytest.mark.parametrize(
    ("text", "epoch_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t01:00:00.0019+01:00", 1),
        ("0001-01-01T00:00:00+14:00", -62135647200000),
        ("9999-12-31T23:59:59.999-12:00", 253402344000000 - 1),
        ("2026-02-30T00:00:00Z", None),
        ("2026-01-01T00:00:00", None),
        ("2026-01-01", None),
        ("2026-01-01T00:00:00+25:00", None),
        ("", None),
    ],
)
def test_times_are_read_as_rfc_3339_says(text: str, epoch_ms: int | None) -> None:
    assert read_time(text) == epoch_ms


def recipient(**fields: Any) -> RecipientRow:
    defaults: dict[str, Any] = {
        "id": 1, "workspace_id": 1, "message_id": 1, "lane_id": 1, "address": "a@b.example",
        "address_key": "a@b.example", "domain": "b.example", "state": "queued", "due_ms": 0,
        "provider": "other", "notify": 0, "original": "",
        "merge": "",
    }  # fmt: skip
    return RecipientRow(**{**defaults, **fields})


def test_a_deferred_recipient_says_what_the_peer_said_and_when_it_is_tried_next() -> None:
    now = 1_767_225_600_000
    row = recipient(
        state="deferred", tries=1, reason="450 4.2.0 greylisted", next_hop="mx.b.example", due_ms=now + 10 * 3_600_000
    )
    assert why(row, now) == "deferred by the peer: 450 4.2.0 greylisted; next try in 10 hours (10:00:00 UTC)"
    failed = row._replace(state="failed", next_hop="mx.example.net", reason="550 5.1.1 no such user")
    assert why(failed, now) == "refused by mx.example.net: 550 5.1.1 no such user"
    # The next hop took this one, and it came back later.
    assert why(failed._replace(reason="bounced: 550 5.1.1 no such user"), now) == "bounced: 550 5.1.1 no such user"


@pytest.mark.parametrize(
    ("ms", "words"),
    [(1, "in 1 second"), (59_000, "in 59 seconds"), (60_000, "in 1 minute"), (86_400_000 * 2, "in 2 days")],
)
def test_pauses_are_told_in_the_unit_that_fits(ms: int, words: str) -> None:
    assert words in next_try("deferred", 1_767_225_600_000 + ms, 1_767_225_600_000)


async def test_the_copy_in_the_sandbox_is_shown_byte_for_byte_to_its_workspace_only(api: Api) -> None:
    sent = await send(api)
    (recipient,) = sent["recipients"]
    path = f"/api/v1/recipients/{recipient['id']}/copy"
    assert (await api.client.get(path)).status_code == 404
    copy = b"Subject: x\r\n\r\n\xff\r\n"
    row = SandboxCopyRow(parse_id("rcp", recipient["id"]) or 0, 1, "b-1@rp.test", zlib.compress(copy), 1)
    await api.services.database.write(lambda tx: tx.add(row))

    shown = await api.client.get(path)

    assert (shown.status_code, shown.content) == (200, copy)
    assert shown.headers["content-type"].partition(";")[0] == "message/rfc822"
    assert (await api.other.get(path)).status_code == 404
