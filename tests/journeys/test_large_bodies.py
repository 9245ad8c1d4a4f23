"""Large requests that come together by HTTP take little memory and hold no small one up."""

import base64
import http.client
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from measured import Measured, measure
from running_server import RunningServer

BLOCK = base64.b64encode(os.urandom(57_000))
FILE = "the file goes here"
CACHES_BYTES = 45_000_000
SMALL = {"from": "a@example.com", "to": "b@small.test", "subject": "small", "text": "Hi"}


def post_large(server: RunningServer, path: str, message: dict[str, object], file_bytes: int) -> int:
    """Post a message with a file of that size in the place of FILE, made and sent in pieces; return the status."""
    head, _, tail = json.dumps(message).encode().partition(FILE.encode())
    blocks = file_bytes // 57_000

    def pieces() -> Iterator[bytes]:
        yield head
        for _ in range(blocks):
            yield BLOCK
        yield tail

    fields = {
        "Authorization": f"Bearer {server.api.key}",
        "Content-Type": "application/json",
        "Content-Length": str(len(head) + blocks * len(BLOCK) + len(tail)),
    }
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=600)
    with closing(connection):
        connection.request("POST", f"/api/v1{path}", pieces(), fields)
        response = connection.getresponse()
        response.read()
        return response.status


def with_attachment(number: int) -> dict[str, object]:
    return {
        "from": "a@example.com", "to": "b@large.test", "subject": f"large {number}",
        "attachments": [{"filename": "a.bin", "content": FILE}], "html": '<a href="http://x.test/">x</a>',
    }  # fmt: skip


def come_together(server: RunningServer, mails: int, size_bytes: int) -> Measured:
    """Post so many large messages at once and return what that cost."""
    statuses: list[int] = []

    def post(number: int, size_bytes: int) -> None:
        statuses.append(post_large(server, "/messages", with_attachment(number), size_bytes))

    senders = [threading.Thread(target=post, args=(number, size_bytes)) for number in range(mails)]
    left = "SELECT count(*) FROM recipient WHERE domain = 'large.test' AND state = 'delivered'"

    def begin() -> None:
        for sender in senders:
            sender.start()

    def is_working() -> bool:
        assert all(status == 202 for status in statuses), statuses
        return any(sender.is_alive() for sender in senders) or bool(server.rows(left)[0][0] <= mails)

    def post_small() -> float:
        began = time.monotonic()
        server.api.post("/messages", SMALL)
        return time.monotonic() - began

    post(mails, min(CACHES_BYTES * 3 // 4, size_bytes * 3))
    return measure(server, post_small, is_working, begin)


def test_large_bodies_are_not_held_in_memory() -> None:
    with RunningServer() as server:
        assert come_together(server, 5, 9_000_000).growth_mb < 60


@pytest.mark.soak
def test_20_messages_with_35_mb_files_take_less_than_300_mb_and_delay_small_ones_by_100_ms_at_most() -> None:
    with RunningServer() as server:
        measured = come_together(server, 20, 35_000_000)
        assert measured.most_mb < 300
        assert measured.delay(0.98) < 0.1
