"""Large bodies lie in a file and mean the same as small ones."""

import base64
import errno
import json
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from http_api import WORKSPACE, Api, letter, running_api

from postroom.base.clock import ManualClock
from postroom.doors.http import body as http_body
from postroom.doors.http.long_texts import LONG_BYTES
from postroom.doors.http.message_fields import Context, message_submission
from postroom.doors.http.message_models import MAX_TEXT
from postroom.mail.pieces import pieces_of
from postroom.outbound.submission import SMALL_CONTENT_BYTES, StagedContent
from postroom.store.database import open_database


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    database = await open_database(f"sqlite:///{tmp_path / 'api.db'}", clock=ManualClock())
    try:
        async with running_api(database) as running:
            yield running
    finally:
        await database.close()


def large_letter(size: int, **fields: Any) -> dict[str, Any]:
    content = base64.b64encode(os.urandom(size)).decode()
    return letter(attachments=[{"filename": "a.bin", "content": content}], **fields)


def composed(message: dict[str, Any]) -> bytes:
    """Return what the same message becomes without a file."""
    return b"".join(pieces_of(message_submission(json.loads(json.dumps(message)), Context(WORKSPACE, 0)).content))


@pytest.mark.parametrize("size", [1_000, 250_000, 1_000_000])
async def test_a_message_is_the_same_whether_its_body_was_in_a_file_or_not(api: Api, size: int) -> None:
    message = large_letter(size, html="<p>" + "ä€😀\\" * 1000, to=["bob@example.net", "eve@example.net"])
    assert (await api.client.post("/api/v1/messages", json=message)).status_code == 202
    (accepted,) = api.accept.accepted
    assert api.uploads.content(accepted) == composed(message)
    assert isinstance(accepted.content, StagedContent) == (size > SMALL_CONTENT_BYTES // 2)


async def test_a_large_content_is_staged_in_blocks_of_one_size(api: Api) -> None:
    await api.client.post("/api/v1/messages", json=large_letter(1_000_000))
    (pieces,) = api.uploads.pieces.values()
    assert {len(piece) for piece in pieces[:-1]} == {SMALL_CONTENT_BYTES}


async def test_a_large_mail_that_is_handed_in_whole_gets_crlf(api: Api) -> None:
    mail = b"Subject: large\n\n" + b"line\n" * 200_000
    body = {"from": "ada@example.com", "to": ["bob@example.net"], "raw": base64.b64encode(mail).decode()}
    assert (await api.client.post("/api/v1/messages/raw", json=body)).status_code == 202
    (accepted,) = api.accept.accepted
    assert api.uploads.content(accepted) == mail.replace(b"\n", b"\r\n")


async def test_a_header_that_does_not_end_is_refused(api: Api) -> None:
    mail = b"Subject: x\r\n" + b"X-Field: x\r\n" * 100_000 + b"\r\nHello"
    body = {"from": "ada@example.com", "to": ["bob@example.net"], "raw": base64.b64encode(mail).decode()}
    response = await api.client.post("/api/v1/messages/raw", json=body)
    assert response.status_code == 422
    assert [(one["field"], one["code"]) for one in response.json()["errors"]] == [("raw", "too_long")]


async def test_every_wrong_field_of_a_large_body_is_named(api: Api) -> None:
    message = large_letter(300_000, subject="x" * 2000, stream="y" * 2000, frmo="z" * 2000)
    message["attachments"] += [{"filename": "b", "content": "!" * 300_000}]
    message |= {"to": "w" * 200_000, "tags": ["v" * 2000], "metadata": {"u" * 2000: "1"}}
    response = await api.client.post("/api/v1/messages", json=message)
    assert response.status_code == 422
    fields = {(one["field"].partition(".uuu")[0], one["code"]) for one in response.json()["errors"]}
    assert fields == {
        ("subject", "too_long"), ("stream", "unknown_value"), ("frmo", "unknown"), ("to", "too_long"),
        ("attachments[1].content", "base64"), ("tags[0]", "too_long"), ("metadata", "too_long"),
    }  # fmt: skip
    assert not api.uploads.pieces


async def test_a_text_beyond_any_reader_is_refused(api: Api) -> None:
    response = await api.client.post("/api/v1/messages", json=letter(html="x" * (MAX_TEXT + 1)))
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "html"


@pytest.mark.parametrize("broken", [
    b'{"text": "' + b"x" * 400_000, b'{"text": "' + b"\\x" * 200_000 + b'"}', b'{"text": "' + b"\xff" * 400_000 + b'"}',
    b'{"text": "' + b"x" * 400_000 + b'",,}', b"[" * 400_000,
])  # fmt: skip
async def test_a_large_body_that_is_no_json_is_told_so(api: Api, broken: bytes) -> None:
    response = await api.client.post("/api/v1/messages", content=broken, headers={"content-type": "application/json"})
    assert response.status_code == 400, response.text
    assert response.json()["type"] == "urn:postroom:problem:not-json"


async def test_a_large_body_of_many_small_values_is_refused(api: Api) -> None:
    body = b"[" + b"[]," * 3_000_000 + b"1]"
    response = await api.client.post("/api/v1/messages", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 413
    assert "8 MB" in response.json()["detail"]


async def test_a_large_request_that_is_repeated_gets_the_first_answer(api: Api) -> None:
    message, other = large_letter(400_000), large_letter(400_000)
    key = {"Idempotency-Key": "once"}
    first = await api.client.post("/api/v1/messages", json=message, headers=key)
    again = await api.client.post("/api/v1/messages", json=message, headers=key)
    assert (first.status_code, again.json()) == (202, first.json())
    assert again.headers["Idempotent-Replay"] == "true"
    assert (await api.client.post("/api/v1/messages", json=other, headers=key)).status_code == 422
    assert len(api.accept.accepted) == 1


async def test_a_batch_of_large_messages_is_answered_one_by_one(api: Api) -> None:
    messages = [large_letter(300_000), large_letter(300_000, to="nobody"), letter(), large_letter(2 * LONG_BYTES)]
    response = await api.client.post("/api/v1/messages/batch", json={"messages": messages})
    assert ["id" in item for item in response.json()["items"]] == [True, False, True, True]
    assert sorted(map(api.uploads.content, api.accept.accepted)) == sorted(
        composed(message) for message in messages if message["to"] != "nobody"
    )


async def test_a_full_disk_asks_to_come_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(http_body.tempfile, "TemporaryFile", full)
    response = await api.client.post("/api/v1/messages", json=large_letter(400_000))
    assert (response.status_code, "retry-after" in response.headers) == (503, True)
    assert (await api.client.post("/api/v1/messages", json=letter())).status_code == 202


async def test_nothing_of_a_body_stays_in_its_folder(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "bodies"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    assert (await api.client.post("/api/v1/messages", json=large_letter(400_000))).status_code == 202
    assert not list(folder.iterdir())
