"""Handing mail in by HTTP: fields, batch, whole mails, idempotency, large bodies, a store that is away."""

import asyncio
import base64
import email
import email.policy
from collections.abc import AsyncIterator
from typing import Any

import pytest
from http_api import Api, letter, running_api

from postroom.base.clock import ManualClock
from postroom.base.errors import TryLater
from postroom.ledger.states import Stream
from postroom.mail.envelope import BodyType
from postroom.mail.smtp_reply import SmtpReply
from postroom.outbound.submission import Refused, StagedContent, Submission, Track
from postroom.store import idempotency
from postroom.store.database import StoreLost, open_database


@pytest.fixture(params=["sqlite", "postgresql"])
async def api(request: pytest.FixtureRequest, tmp_path: Any) -> AsyncIterator[Api]:
    """The API over a fresh store of each engine."""
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/postroom.db" if sqlite else request.getfixturevalue("postgres_url")
    clock = ManualClock()
    database = await open_database(url, clock=clock)
    async with running_api(database, clock) as running:
        yield running
    await database.close()


async def errors_of(api: Api, path: str, body: object) -> dict[str, str]:
    answer = await api.client.post(f"/api/v1{path}", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return {error["field"]: error["code"] for error in answer.json()["errors"]}


def parsed(api: Api, submission: Submission) -> Any:
    return email.message_from_bytes(api.uploads.content(submission), policy=email.policy.default)


async def test_every_address_is_a_recipient_once_and_bcc_stands_in_no_header(api: Api) -> None:
    people = ["Bob <bob@example.net>", {"address": "cy@example.net", "name": "Cy, the third"}]
    body = letter(to=people, cc="bob@example.net", bcc=["dan@example.net"], reply_to="help@example.com")
    answer = await api.client.post("/api/v1/messages", json=body)
    assert answer.status_code == 202
    addresses = ["bob@example.net", "cy@example.net", "dan@example.net"]
    assert [(one["address"], one["state"]) for one in answer.json()["recipients"]] == [(a, "queued") for a in addresses]
    (submission,) = api.accept.accepted
    assert [one.address for one in submission.envelope.recipients] == addresses
    mail = parsed(api, submission)
    assert mail["to"] == 'Bob <bob@example.net>, "Cy, the third" <cy@example.net>'
    assert "dan" not in api.uploads.content(submission).decode()
    assert (mail["reply-to"], mail["cc"], mail["bcc"]) == ("help@example.com", "bob@example.net", None)


async def test_all_fields_reach_the_submission(api: Api) -> None:
    body = letter(
        html='<img src="cid:logo">', stream="bulk", tags=["a", "b", "a"], metadata={"order": "7"},
        track={"opens": False, "replies": True}, send_at="2026-01-02T03:04:05.678+01:00", headers={"X-Shop": "42"},
        attachments=[
            {"filename": "logo.png", "content": base64.b64encode(b"\x89PNG").decode(), "content_type": "image/png",
             "content_id": "logo"},
            {"filename": "a.txt", "content": ""},
        ],
    )  # fmt: skip
    answer = await api.client.post("/api/v1/messages", json=body)
    assert answer.status_code == 202
    (submission,) = api.accept.accepted
    assert (submission.stream, submission.tags, submission.metadata) == (Stream.BULK, ("a", "b"), {"order": "7"})
    assert submission.track == Track.CLICKS | Track.REPLIES
    assert submission.send_at_ms == 1_767_319_445_678
    assert submission.envelope.reverse_path == "ada@example.com"
    mail = parsed(api, submission)
    assert mail["x-shop"] == "42"
    assert [part.get_filename() for part in mail.walk() if part.get_filename()] == ["logo.png", "a.txt"]


async def test_every_wrong_field_is_named_at_once(api: Api) -> None:
    body = {
        "from": 5, "to": ["nope", {"adress": "a@b.com"}], "subject": "a\nb", "templat": 1, "template": "x",
        "variables": {}, "attachments": [{"filename": "a", "content": "%"}], "stream": "bulky", "send_at": "tomorrow",
        "headers": {"Bcc": "x@y.com", "Bad Name": "x"}, "tags": ["a"] * 11, "metadata": {"a": 1}, "html": None,
        "track": {"open": True},
    }  # fmt: skip
    assert await errors_of(api, "/messages", body) == {
        "from": "type", "to[0]": "invalid_address", "to[1].adress": "unknown", "to[1].address": "missing",
        "subject": "form", "templat": "unknown", "template": "not_available", "variables": "not_available",
        "attachments[0].content": "base64", "stream": "unknown_value", "send_at": "invalid_time",
        "headers.Bcc": "invalid", "headers.Bad Name": "form", "tags": "too_many", "metadata.a": "type",
        "html": "type", "track.open": "unknown",
    }  # fmt: skip
    assert api.accept.accepted == []


async def test_an_unknown_field_is_told_its_nearest_neighbour(api: Api) -> None:
    answer = await api.client.post("/api/v1/messages", json=letter(subjct="x"))
    (error,) = answer.json()["errors"]
    assert "`subject`" in error["message"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"from": "a@example.com", "text": "x"}, {"to": "missing"}),
        ({"from": "a@example.com", "to": [], "text": "x"}, {"to": "missing"}),
        ({"from": "a@example.com", "to": "b@example.com"}, {"text": "missing"}),
        (letter(to=[f"b{n}@example.com" for n in range(300)], cc=[f"c{n}@example.com" for n in range(201)]),
         {"to": "too_many"}),
        (letter(to="b@example.com\r\nBcc: eve@example.com"), {"to": "invalid_address"}),
        (letter(subject="Hello\0"), {"subject": "characters"}),
        (letter(headers={"X-A": "1", "x-a": "2"}), {"headers.x-a": "twice"}),
        (letter(headers={"X-Postroom-Stream": "bulk"}), {"headers.X-Postroom-Stream": "invalid"}),
        ([], {"body": "type"}),
    ],
)  # fmt: skip
async def test_what_makes_no_message_is_refused(api: Api, body: object, expected: dict[str, str]) -> None:
    assert await errors_of(api, "/messages", body) == expected


async def test_a_time_that_has_passed_means_at_once(api: Api) -> None:
    await api.client.post("/api/v1/messages", json=letter(send_at="2001-01-01T00:00:00Z"))
    assert api.accept.accepted[0].send_at_ms is None


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"from": "\\ud800"}', "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"", "", 415),
    ],
)
async def test_what_is_no_json_is_refused(api: Api, content: bytes, media_type: str, status: int) -> None:
    answer = await api.client.post("/api/v1/messages", content=content, headers={"content-type": media_type})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_whole_mail_goes_to_its_envelope_with_crlf_line_ends(api: Api) -> None:
    raw = b"From: Ada <ada@example.com>\nTo: list@example.com\nSubject: =?utf-8?q?=C3=A4?=\n\nline\r\nother\r"
    body = {
        "from": "bounce@example.com",
        "to": ["x@example.net", "x@example.net"],
        "raw": base64.b64encode(raw).decode(),
    }
    answer = await api.client.post("/api/v1/messages/raw", json=body)
    assert answer.status_code == 202
    (submission,) = api.accept.accepted
    assert submission.content == raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    assert submission.envelope.reverse_path == "bounce@example.com"
    assert [one.address for one in submission.envelope.recipients] == ["x@example.net"]
    assert submission.envelope.body is BodyType.SEVEN_BIT


async def test_a_batch_answers_for_each_message(api: Api) -> None:
    answer = await api.client.post("/api/v1/messages/batch", json={"messages": [letter(), {"from": "x"}, 5, letter()]})
    assert answer.status_code == 202
    items = answer.json()["items"]
    assert [set(item) for item in items] == [{"id", "recipients"}, {"error"}, {"error"}, {"id", "recipients"}]
    assert [error["field"] for error in items[1]["error"]["errors"]] == ["from", "to", "text"]
    assert len(api.accept.accepted) == 2


async def test_a_batch_has_one_to_a_thousand_messages(api: Api) -> None:
    assert await errors_of(api, "/messages/batch", {"messages": []}) == {"messages": "too_few"}
    assert await errors_of(api, "/messages/batch", {"messages": [{}] * 1001}) == {"messages": "too_many"}


async def test_large_content_is_stored_in_pieces_before_it_is_accepted(api: Api) -> None:
    data = bytes(range(256)) * 8_000
    body = letter(attachments=[{"filename": "big.bin", "content": base64.b64encode(data).decode()}])
    answer = await api.client.post("/api/v1/messages", json=body)
    assert answer.status_code == 202
    (submission,) = api.accept.accepted
    assert isinstance(submission.content, StagedContent)
    content = api.uploads.content(submission)
    assert len(content) == submission.content.size_bytes
    (part,) = [part for part in parsed(api, submission).walk() if part.get_filename()]
    assert part.get_payload(decode=True) == data


async def test_the_pieces_of_refused_content_are_dropped(api: Api) -> None:
    api.accept.refusal = Refused(SmtpReply(550, "5.7.1", "example.com is not proved: add it as a domain"))
    body = letter(text="x" * 400_000)
    answer = await api.client.post("/api/v1/messages", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": "from", "code": "smtp_5.7.1", "message": "example.com is not proved: add it as a domain"}
    ]
    assert api.uploads.pieces == {}


async def test_a_body_above_the_limit_is_refused_before_it_is_read(api: Api) -> None:
    headers = {"content-type": "application/json", "content-length": str(60 * 1024 * 1024)}
    answer = await api.client.post("/api/v1/messages", content=b"{}", headers=headers)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("trouble", [StoreLost("gone"), TryLater("later")])
async def test_a_store_that_is_away_answers_503_and_nothing_is_kept(api: Api, trouble: Exception) -> None:
    api.accept.refusal = trouble
    answer = await api.client.post("/api/v1/messages", json=letter(), headers={"idempotency-key": "k"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert "gone" not in answer.text
    api.accept.refusal = None
    again = await api.client.post("/api/v1/messages", json=letter(), headers={"idempotency-key": "k"})
    assert again.status_code == 202
    assert "idempotent-replay" not in again.headers


async def test_200_parallel_posts_with_one_key_are_one_message_and_200_equal_answers(api: Api) -> None:
    headers = {"idempotency-key": "order-7"}
    answers = await asyncio.gather(
        *(api.client.post("/api/v1/messages", json=letter(), headers=headers) for _ in range(200))
    )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert sum(answer.headers.get("idempotent-replay") == "true" for answer in answers) == 199
    assert len(api.accept.accepted) == 1


async def test_a_time_too_far_ahead_names_its_field_and_the_remedy(api: Api) -> None:
    assert api.clock.now_ms() == 1_767_225_600_000  # 2026-01-01
    last, beyond = letter(send_at="2026-01-31T00:00:00Z"), letter(send_at="2026-01-31T00:00:00.001Z")

    assert (await api.client.post("/api/v1/messages", json=last)).status_code == 202
    refused = await api.client.post("/api/v1/messages", json=beyond)

    (error,) = refused.json()["errors"]
    assert (refused.status_code, error["field"], error["code"]) == (422, "send_at", "too_far_ahead")
    assert error["message"] == "at most 30 days ahead: keep the message yourself until then"


async def test_a_key_is_replayed_for_24_hours_and_refuses_another_body_or_path(api: Api) -> None:
    headers = {"idempotency-key": "k"}
    first = await api.client.post("/api/v1/messages", json=letter(), headers=headers)
    for body in (letter(subject="Other"), letter(send_at="2026-01-20T00:00:00Z")):
        assert (await api.client.post("/api/v1/messages", json=body, headers=headers)).status_code == 422
    assert isinstance(api.clock, ManualClock)
    api.clock.advance(hours=23)
    again = await api.client.post("/api/v1/messages", json=letter(), headers=headers)
    assert (again.content, again.headers["idempotent-replay"]) == (first.content, "true")
    api.clock.advance(hours=1)
    new = await api.client.post("/api/v1/messages", json=letter(), headers=headers)
    assert new.content != first.content


async def test_workspaces_do_not_share_keys(api: Api) -> None:
    headers = {"idempotency-key": "k"}
    one = await api.client.post("/api/v1/messages", json=letter(), headers=headers)
    two = await api.other.post("/api/v1/messages", json=letter(subject="Mine"), headers=headers)
    assert two.status_code == 202
    assert one.json()["id"] != two.json()["id"]


async def test_a_refused_request_leaves_its_key_free(api: Api) -> None:
    headers = {"idempotency-key": "k"}
    assert (await api.client.post("/api/v1/messages", json={}, headers=headers)).status_code == 422
    assert (await api.client.post("/api/v1/messages", json=letter(), headers=headers)).status_code == 202


async def test_a_key_whose_request_still_runs_elsewhere_gets_409(api: Api) -> None:
    """The first request runs in another process: only the store knows of it."""
    api.accept.running = asyncio.Event()
    headers = {"idempotency-key": "k"}
    first = asyncio.create_task(api.client.post("/api/v1/messages", json=letter(), headers=headers))
    database = api.services.database
    async with running_api(database, ManualClock()) as elsewhere:
        assert isinstance(elsewhere.clock, ManualClock)
        while not await key_stands(api):
            pass
        second = asyncio.create_task(elsewhere.client.post("/api/v1/messages", json=letter(), headers=headers))
        while not second.done():
            elsewhere.clock.advance(seconds=0.5)
            await asyncio.sleep(0)
        answer = await second
    assert (answer.status_code, answer.headers["retry-after"]) == (409, "1")
    api.accept.running.set()
    assert (await first).status_code == 202


async def key_stands(api: Api) -> bool:
    return await api.services.database.read(lambda conn: idempotency.get(conn, 1, "k")) is not None


async def test_a_crash_between_commit_and_answer_is_replayed(api: Api) -> None:
    """The answer is stored in the transaction of the message, so whoever asks again gets it."""
    headers = {"idempotency-key": "k"}
    accept, done = api.accept.accept, []

    async def dies_after_the_commit(*args: Any, **kwargs: Any) -> Any:
        done.append(await accept(*args, **kwargs))
        raise RuntimeError("killed")

    api.accept.accept = dies_after_the_commit  # type: ignore[method-assign]
    assert (await api.client.post("/api/v1/messages", json=letter(), headers=headers)).status_code == 500
    again = await api.client.post("/api/v1/messages", json=letter(), headers=headers)
    assert (again.status_code, again.headers["idempotent-replay"]) == (202, "true")
    assert len(done) == len(api.accept.accepted) == 1


async def test_a_repeated_batch_sends_only_what_the_store_refused_before(api: Api) -> None:
    headers = {"idempotency-key": "k"}
    accept = api.accept.accept

    async def refuses_one(submission: Submission, **kwargs: Any) -> Any:
        if submission.tags == ("late",) and api.accept.refusal is None:
            api.accept.refusal = TryLater("once")
            raise TryLater("once")
        api.accept.refusal = None
        return await accept(submission, **kwargs)

    api.accept.accept = refuses_one  # type: ignore[method-assign]
    body = {"messages": [letter(), letter(tags=["late"])]}
    first = (await api.client.post("/api/v1/messages/batch", json=body, headers=headers)).json()["items"]
    assert first[1]["error"]["status"] == 503
    api.accept.refusal = TryLater("seen")
    second = (await api.client.post("/api/v1/messages/batch", json=body, headers=headers)).json()["items"]
    assert second[0] == first[0]
    assert "id" in second[1]
    third = await api.client.post("/api/v1/messages/batch", json=body, headers=headers)
    assert third.headers["idempotent-replay"] == "true"
    assert third.json()["items"] == second
    assert len(api.accept.accepted) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
async def test_a_key_that_is_none_is_refused(api: Api, key: str) -> None:
    answer = await api.client.post("/api/v1/messages", json=letter(), headers={"idempotency-key": key})
    assert answer.status_code == 422
