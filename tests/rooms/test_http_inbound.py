"""Mail that came in and routes, by the API."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from http_api import Api, running_api
from inbound_rows import LETTER, Inbound

from postroom.base.clock import ManualClock
from postroom.base.ids import show_id
from postroom.ledger.route_rows import RouteAttemptRow, RouteOutboxRow, RouteRow
from postroom.mail.authentication import DkimVerdict, Result, Verdicts
from postroom.store import inbound, route_outbox
from postroom.store.database import Tx, open_database

WITH_FILE = (
    b"From: Ada <ada@example.net>\r\nTo: hello@example.com\r\nSubject: A file\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>See</p>\r\n"
    b'--b\r\nContent-Type: text/html; name="a.html"\r\nContent-Transfer-Encoding: base64\r\n'
    b'Content-Disposition: attachment; filename="\xc3\xa9 \\"x.html"\r\n\r\nPHNjcmlwdD4=\r\n--b--\r\n'
)


@pytest.fixture
async def api(sqlite_url: str) -> AsyncIterator[Api]:
    clock = ManualClock()
    database = await open_database(sqlite_url, clock=clock)
    async with running_api(database, clock) as running:
        yield running
    await database.close()


@pytest.fixture
def mails(api: Api) -> Inbound:
    assert isinstance(api.clock, ManualClock)
    return Inbound(api.services.database, api.clock)


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def wrong(answer: httpx.Response) -> dict[str, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return {one["field"]: one["code"] for one in answer.json()["errors"]}


# Mail that came in


async def test_mail_is_listed_newest_first_page_by_page(api: Api, mails: Inbound) -> None:
    rows = [await mails.put(1) for _ in range(3)]
    await mails.put(2)

    first = await api.client.get("/api/v1/inbound?limit=2")
    second = await api.client.get(f"/api/v1/inbound?limit=2&cursor={first.json()['next']}")

    assert ids(first) + ids(second) == [show_id("inb", row.id) for row in reversed(rows)]
    assert second.json()["next"] is None


async def test_mail_is_found_by_kind_addresses_answers_state_and_time(api: Api, mails: Inbound) -> None:
    assert isinstance(api.clock, ManualClock)
    row = await mails.put(
        1,
        kind="reply",
        recipient="Support@example.com",
        author="Ada@example.net",
        author_key="ada@example.net",
        answers_recipient_id=5,
        answers_message_id=6,
        is_counted=1,
    )
    api.clock.advance(seconds=10)
    await mails.put(1, kind="bounce", state="failed", author="mailer-daemon@example.net")
    rcp, msg = show_id("rcp", 5), show_id("msg", 6)

    for asked in (
        "kind=reply", "recipient=support%40EXAMPLE.com", "sender=ADA%40example.net", f"answers={rcp}",
        f"answers={msg}", "counted=true", "to=2026-01-01T00:00:05Z", "state=done", "kind=reply&sender=ada@example.net",
    ):  # fmt: skip
        assert ids(await api.client.get(f"/api/v1/inbound?{asked}")) == [show_id("inb", row.id)], asked
    assert wrong(await api.client.get("/api/v1/inbound?kind=spam&answers=x&limit=0")) == {
        "kind": "unknown_value", "answers": "form", "limit": "range",
    }  # fmt: skip


async def test_a_mail_is_shown_with_its_texts_verdicts_classification_and_what_became_of_it(
    api: Api, mails: Inbound
) -> None:
    verdicts = Verdicts(dkim=(DkimVerdict(Result.PASS, "example.net", "s1"),))
    detail = '{"rule":"in-reply-to","evidence":"In-Reply-To: <x>","found_by":"references","doubtful":true,"new":1}'
    row = await mails.put(1, kind="reply", verdicts=verdicts.to_json(), detail=detail, route_id=9)
    attempt = RouteAttemptRow(
        3, 1, row.id, 9, "webhook", "https://a.example/", 0, 5, 0, 500, "HTTP 500; tried again in 1 minute", None, "no"
    )

    route = RouteRow(9, 1, 1, "*", "*", "[]", "webhook", "https://a.example/", None, 1, "", 0)

    def write(tx: Tx) -> None:
        tx.add(attempt)
        tx.add(route)
        route_outbox.schedule(tx, RouteOutboxRow(row.id, 9, 1, "", 60_000))

    await api.services.database.write(write)

    told = (await api.client.get(f"/api/v1/inbound/{show_id('inb', row.id)}")).json()

    assert told["mail"]["written"].startswith("Yes, please")
    assert "Do you want tea?" in told["mail"]["quoted"]
    assert told["verdicts"]["dkim"][0]["result"] == "pass"
    assert told["classification"] == {
        "rule": "in-reply-to", "evidence": "In-Reply-To: <x>", "recipients": [], "found_by": "references",
        "doubtful": True, "why": "",
    }  # fmt: skip
    assert told["route"] == show_id("rte", 9)
    assert [(one["status"], one["why"]) for one in told["handed_on"]] == [(500, "HTTP 500; tried again in 1 minute")]
    assert told["next_try_at"] == "1970-01-01T00:01:00.000Z"


async def test_the_bytes_of_a_mail_and_its_files_are_downloads_that_no_browser_opens(api: Api, mails: Inbound) -> None:
    row = await mails.put(1, raw=WITH_FILE)
    path = f"/api/v1/inbound/{show_id('inb', row.id)}"
    [file] = (await api.client.get(path)).json()["mail"]["attachments"]

    raw = await api.client.get(f"{path}/raw")
    part = await api.client.get(f"{path}/attachments/{file['number']}")

    assert raw.content == WITH_FILE
    assert part.content == b"<script>"
    for answer in (raw, part):
        assert answer.headers["content-disposition"].startswith("attachment; filename=")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]
    assert part.headers["content-type"] == "application/octet-stream"
    for number in ("99", "-1", "x", "1" * 30, "0"):
        assert (await api.client.get(f"{path}/attachments/{number}")).status_code == 404, number


async def test_a_mail_whose_content_is_gone_is_still_shown(api: Api, mails: Inbound) -> None:
    row = await mails.put(1, raw=None)
    path = f"/api/v1/inbound/{show_id('inb', row.id)}"

    assert (await api.client.get(path)).json()["mail"] is None
    assert (await api.client.get(f"{path}/raw")).status_code == 404
    assert (await api.client.get(f"{path}/attachments/1")).status_code == 404


async def test_a_review_is_noted_once(api: Api, mails: Inbound) -> None:
    assert isinstance(api.clock, ManualClock)
    row = await mails.put(1, kind="complaint")
    path = f"/api/v1/inbound/{show_id('inb', row.id)}/review"
    first = (await api.client.post(path)).json()

    api.clock.advance(seconds=10)

    assert (await api.client.post(path)).json() == first


async def test_a_mail_is_handed_on_once_more_with_all_its_tries(api: Api, mails: Inbound) -> None:
    database = api.services.database
    route = RouteRow(9, 1, 1, "*", "*", "[]", "webhook", "https://a.example/", None, 1, "", 0)
    given_up, waits, reply, stored = [await mails.put(1, route_id=9) for _ in range(2)] + [
        await mails.put(1, route_id=None) for _ in range(2)
    ]
    forwarded = RouteAttemptRow(3, 1, reply.id, 0, "forward", "ann@a.example", 0, 5, 1, None, "", None, "")

    def write(tx: Tx) -> None:
        tx.add(route)
        tx.add(forwarded)
        route_outbox.schedule(tx, RouteOutboxRow(waits.id, 9, 1, "", route_outbox.HELD_MS, tries=4))

    await database.write(write)

    answers = {row.id: await api.client.post(f"/api/v1/inbound/{show_id('inb', row.id)}/retry") for row in
               (given_up, waits, reply, stored)}  # fmt: skip

    assert [one.status_code for one in answers.values()] == [200, 200, 200, 409]
    assert answers[stored.id].json()["type"] == "urn:postroom:problem:for-nobody"
    now_ms = api.clock.now_ms()
    found = [await database.read(lambda conn, row=row: route_outbox.waiting_of(conn, row.id)) for row in
             (given_up, waits, reply)]  # fmt: skip
    assert [[(one.route_id, one.target, one.due_ms, one.tries) for one in rows] for rows in found] == [
        [(9, "", now_ms, 0)], [(9, "", now_ms, 0)], [(0, "ann@a.example", now_ms, 0)],
    ]  # fmt: skip
    assert (await api.other.post(f"/api/v1/inbound/{show_id('inb', waits.id)}/retry")).status_code == 404


async def test_a_mail_that_was_given_up_is_worked_on_from_the_beginning(api: Api, mails: Inbound) -> None:
    row = await mails.put(1, state="failed", tries=15)
    path = f"/api/v1/inbound/{show_id('inb', row.id)}"

    assert (await api.client.post(f"{path}/retry")).status_code == 200

    assert (await api.client.get(path)).json()["state"] == "waiting"


@pytest.mark.parametrize("fields", [{"state": "failed"}, {"route_id": 9}])
async def test_a_mail_whose_content_is_gone_is_not_taken_up_again(
    api: Api, mails: Inbound, fields: dict[str, object]
) -> None:
    route = RouteRow(9, 1, 1, "*", "*", "[]", "webhook", "https://a.example/", None, 1, "", 0)
    await api.services.database.write(lambda tx: tx.add(route))
    row = await mails.put(1, raw=None, **fields)

    answer = await api.client.post(f"/api/v1/inbound/{show_id('inb', row.id)}/retry")

    assert (answer.status_code, answer.json()["type"]) == (409, "urn:postroom:problem:content-gone")
    now = await api.services.database.read(lambda conn: inbound.by_id(conn, 1, row.id))
    assert now is not None
    assert now.state == row.state
    assert await api.services.database.read(lambda conn: route_outbox.waiting_of(conn, row.id)) == []


async def test_a_route_that_is_off_hands_nothing_on_once_more(api: Api, mails: Inbound) -> None:
    row = await mails.put(1, route_id=9)
    route = RouteRow(9, 1, 1, "*", "*", "[]", "webhook", "https://a.example/", None, 0, "", 0)
    await api.services.database.write(lambda tx: tx.add(route))

    answer = await api.client.post(f"/api/v1/inbound/{show_id('inb', row.id)}/retry")

    assert (answer.status_code, answer.json()["type"]) == (409, "urn:postroom:problem:route-is-off")


async def test_others_find_no_mail_of_this_workspace(api: Api, mails: Inbound) -> None:
    row = await mails.put(1)
    path = f"/api/v1/inbound/{show_id('inb', row.id)}"

    assert ids(await api.other.get("/api/v1/inbound")) == []
    for one in (path, f"{path}/raw", f"{path}/attachments/1"):
        assert (await api.other.get(one)).status_code == 404
    assert (await api.other.post(f"{path}/review")).status_code == 404


@pytest.mark.parametrize(
    "raw", [b"", b"\xff\x00\r\n", b"From: \r\n", LETTER[:60], b"Content-Type: multipart/x\r\n\r\n"]
)
async def test_whatever_came_in_is_shown(api: Api, mails: Inbound, raw: bytes) -> None:
    row = await mails.put(1, raw=raw)

    assert (await api.client.get(f"/api/v1/inbound/{show_id('inb', row.id)}")).status_code == 200


# Routes


async def add(api: Api, **fields: Any) -> dict[str, Any]:
    answer = await api.client.post(
        "/api/v1/routes", json={"recipient": "support@example.com", "action": "store", **fields}
    )
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_route_is_made_shown_changed_and_deleted(api: Api) -> None:
    made = await add(api, action="webhook", target="http://127.0.0.1:1/in", kinds=["reply"], sender="*@shop.example")
    route = made["route"]
    path = f"/api/v1/routes/{route['id']}"

    assert made["secret"].startswith("whsec_")
    assert (await api.client.get(path)).json() == route
    changed = (await api.client.patch(path, json={"enabled": False, "kinds": []})).json()
    assert changed == {"route": {**route, "enabled": False, "kinds": []}, "secret": None}
    stored = (await api.client.patch(path, json={"action": "store"})).json()["route"]
    assert (stored["action"], stored["target"]) == ("store", "")
    again = (await api.client.patch(path, json={"action": "webhook", "target": route["target"]})).json()
    assert again["secret"] not in (None, made["secret"])
    rotated = (await api.client.post(f"{path}/rotate")).json()
    assert rotated["secret"] not in ("", made["secret"])
    assert (await api.client.delete(path)).status_code == 204
    assert (await api.client.get(path)).status_code == 404


async def test_routes_are_put_in_order(api: Api) -> None:
    one, two = [(await add(api))["route"]["id"] for _ in range(2)]

    ordered = await api.client.post("/api/v1/routes/order", json={"routes": [two, one]})
    partly = await api.client.post("/api/v1/routes/order", json={"routes": [two]})

    assert ids(ordered) == [two, one] == ids(await api.client.get("/api/v1/routes"))
    assert (partly.status_code, wrong(partly)) == (409, {"routes": "all_routes"})


async def test_every_wrong_field_of_a_route_is_named(api: Api) -> None:
    answer = await api.client.post(
        "/api/v1/routes",
        json={"recipient": "a@b@c", "action": "webhook", "target": "ftp://x", "sender": "nobody", "kind": "reply"},
    )

    assert answer.status_code == 422
    assert set(wrong(answer)) == {"recipient", "target", "sender", "kind"}


async def test_a_target_inside_our_network_is_refused(api: Api) -> None:
    asked = {"recipient": "*", "action": "webhook", "target": "http://169.254.169.254/latest"}

    answer = await api.client.post("/api/v1/routes", json=asked)

    assert wrong(answer) == {"target": "invalid_url"}


async def test_a_route_for_a_domain_that_is_not_the_workspaces_is_a_conflict_that_says_what_to_do(api: Api) -> None:
    answer = await api.client.post("/api/v1/routes", json={"recipient": "a@two.example", "action": "store"})

    assert (answer.status_code, wrong(answer)) == (409, {"recipient": "not_owned"})
    assert "publish its TXT record" in answer.json()["detail"]


async def test_a_change_that_does_not_fit_is_refused_and_changes_nothing(api: Api) -> None:
    route = (await add(api))["route"]
    path = f"/api/v1/routes/{route['id']}"

    answer = await api.client.patch(path, json={"action": "forward"})

    assert wrong(answer) == {"target": "missing"}
    assert (await api.client.get(path)).json() == route
    assert (await api.client.post(f"{path}/rotate")).status_code == 409


async def test_the_tester_says_which_route_takes_a_mail(api: Api) -> None:
    other = (await add(api, recipient="sales@example.com"))["route"]
    taker = (await add(api, recipient="*"))["route"]

    told = (
        await api.client.post("/api/v1/routes/test", json={"recipient": "a@example.com", "sender": "x@y.example"})
    ).json()

    assert told == {
        "route": taker,
        "at_rcpt": "taken",
        "why": "",
        "routes": [
            {"route": other["id"], "takes": False, "why": "it is for sales@example.com"},
            {"route": taker["id"], "takes": True, "why": ""},
        ],
    }
    elsewhere = (await api.client.post("/api/v1/routes/test", json={"recipient": "a@two.example"})).json()
    assert (elsewhere["route"], elsewhere["at_rcpt"]) == (None, "unknown")
    assert elsewhere["why"].startswith("two.example is no proved domain")


async def test_others_find_no_route_of_this_workspace(api: Api) -> None:
    path = f"/api/v1/routes/{(await add(api))['route']['id']}"

    assert ids(await api.other.get("/api/v1/routes")) == []
    assert (await api.other.patch(path, json={"enabled": False})).status_code == 404
    for method, one in (("GET", path), ("DELETE", path), ("POST", f"{path}/rotate"), ("GET", f"{path}/attempts")):
        assert (await api.other.request(method, one)).status_code == 404
    asked = {"recipient": "support@example.com"}
    assert (await api.other.post("/api/v1/routes/test", json=asked)).json()["routes"] == []


async def test_the_log_of_a_route_is_read_page_by_page(api: Api) -> None:
    route = (await add(api))["route"]
    [row] = await api.services.routes.list(1)

    def write(tx: Tx) -> None:
        for number in (1, 2, 3):
            tx.add(RouteAttemptRow(number, 1, 7, row.id, "forward", "b@c.example", 0, 5, 1, None, "", 8, ""))

    await api.services.database.write(write)
    path = f"/api/v1/routes/{route['id']}/attempts?limit=2"

    first = await api.client.get(path)
    second = await api.client.get(f"{path}&cursor={first.json()['next']}")

    assert ids(first) + ids(second) == [show_id("rta", number) for number in (3, 2, 1)]
    assert first.json()["items"][0]["message"] == show_id("msg", 8)
