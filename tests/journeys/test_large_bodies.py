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
LINES = base64.b64encode(b"".join(base64.b64encode(os.urandom(57)) + b"\n" for _ in range(750)))
"""Lines of base64 in base64 again: a file in a mail in JSON."""
FILE = "the file goes here"
CACHES_BYTES = 45_000_000
SMALL = {"from": "a@example.com", "to": "b@small.test", "subject": "small", "text": "Hi"}


def post_large(server: RunningServer, path: str, message: dict[str, object], block: bytes, file_bytes: int) -> int:
    """Post a message with a file of that size in the place of FILE, made and sent in pieces; return the status."""
    head, _, tail = json.dumps(message).encode().partition(FILE.encode())
    blocks = file_bytes * 4 // 3 // len(block)

    def pieces() -> Iterator[bytes]:
        yield head
        for _ in range(blocks):
            yield block
        yield tail

    fields = {
        "Authorization": f"Bearer {server.api.key}",
        "Content-Type": "application/json",
        "Content-Length": str(len(head) + blocks * len(block) + len(tail)),
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


def whole_mail(number: int) -> dict[str, object]:
    head = (
        f"From: a@example.com\nSubject: large {number}\nMIME-Version: 1.0\n"
        "Content-Type: multipart/mixed; boundary=b\n\n"
        '--b\nContent-Type: text/html\n\n<a href="http://x.test/">x</a>\n'
        "--b\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n"
    )
    # Without padding, so that the file can follow.
    encoded = base64.b64encode(head.ljust(-(-len(head) // 3) * 3, "\n").encode()).decode()
    return {"from": "a@example.com", "to": ["b@large.test"], "raw": encoded + FILE}


KINDS = {"/messages": (with_attachment, BLOCK), "/messages/raw": (whole_mail, LINES)}


def come_together(server: RunningServer, path: str, mails: int, size_bytes: int) -> Measured:
    """Post so many large messages at once and return what that cost."""
    statuses: list[int] = []
    message, block = KINDS[path]

    def post(number: int, size_bytes: int) -> None:
        statuses.append(post_large(server, path, message(number), block, size_bytes))

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


@pytest.mark.soak
def test_large_bodies_are_not_held_in_memory() -> None:
    with RunningServer() as server:
        assert come_together(server, "/messages", 4, 9_000_000).growth_mb < 60


@pytest.mark.soak
@pytest.mark.parametrize("path", KINDS)
def test_20_messages_with_35_mb_files_take_less_than_300_mb_and_delay_small_ones_by_100_ms_at_most(path: str) -> None:
    with RunningServer() as server:
        measured = come_together(server, path, 20, 35_000_000)
        assert measured.most_mb < 300
        assert measured.delay(0.98) < 0.1
