"""Mail that was made to hurt is read in bounded time and memory; a report about thousands names them all."""

import time
import tracemalloc

import pytest

from postroom.mail.classify import classify
from postroom.mail.verdict import MailKind

HEAD = b"From: MAILER-DAEMON@mx.example\nTo: author@example.com\nSubject: Undelivered\n"
HTML = HEAD + b"Content-Type: text/html\n\n"
REPORT = HEAD + (
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nIt failed.\n"
    b"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n"
)
MANY = 20_000
SECONDS = 15
"""Alone each takes at most two; the machine is shared, and a square of the size would take minutes."""


SOAK = pytest.mark.soak


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        pytest.param(HEAD + b"\n", b"mail to user@example.org failed here\n", id="lines"),
        pytest.param(HEAD + b"X-A: b\n", b" b\n", id="one field", marks=SOAK),
        pytest.param(HEAD, b"X-A: b\n", id="fields", marks=SOAK),
        pytest.param(HEAD + b"\n", b"a@", id="one line", marks=SOAK),
        pytest.param(HTML, b"<a ", id="tags", marks=SOAK),
        pytest.param(HTML, b"<style>", id="elements", marks=SOAK),
        pytest.param(HTML, b"&#x41", id="references", marks=SOAK),
    ],
)
def test_fifty_megabytes_cost_seconds_and_little_more_than_themselves(head: bytes, piece: bytes) -> None:
    raw = head + piece * (50_000_000 // len(piece))
    start = time.process_time()
    classify(raw)
    assert time.process_time() - start < SECONDS


def test_a_large_mail_costs_little_more_memory_than_itself() -> None:
    raw = HEAD + b"X-A: b\n" + b" b\n" * 2_000_000 + b"\nx"
    tracemalloc.start()
    classify(raw)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * len(raw)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(
            HEAD + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(10_000)),
            id="multiparts",
        ),
        pytest.param(HEAD + b"Content-Type: message/rfc822\n\n" * 10_000, id="messages"),
        pytest.param(
            HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n<a@example.org>: 550 x\n" * 10_000,
            id="side by side",
        ),
        pytest.param(HEAD + b'\n{"notificationType":' + b"[" * 1_000_000, id="json"),
        pytest.param(HEAD + b"\n" + (b"failed " + b": a@b.example" * 300 + b"\n") * 100, id="colons"),
        pytest.param(HEAD + b"\n" + (b"failed " + b"a." * 1_900 + b"@" + b"a." * 90 + b"\n") * 50, id="dots"),
        pytest.param(HEAD + b"Reply-To: " + b"<" * 500_000 + b"\n\nx", id="brackets"),
    ],
)
def test_what_is_nested_or_repeated_costs_no_square_of_its_size(raw: bytes) -> None:
    start = time.process_time()
    classify(raw)
    assert time.process_time() - start < SECONDS


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(
            REPORT
            + b"".join(
                b"Final-Recipient: rfc822; u%d@example.org\nAction: failed\nStatus: 5.1.1\n"
                b"Diagnostic-Code: smtp; 550 5.1.1 <u%d@example.org>: User unknown\n\n" % (n, n)
                for n in range(MANY)
            ),
            id="fields",
        ),
        pytest.param(
            HEAD
            + b"\nThe following addresses failed:\n\n"
            + b"".join(b"<u%d@example.org>:\n550 5.1.1 User unknown\n" % n for n in range(MANY)),
            id="words",
        ),
    ],
)
def test_twenty_thousand_recipients_are_all_named(raw: bytes) -> None:
    start = time.process_time()
    verdict = classify(raw)
    assert time.process_time() - start < SECONDS
    assert verdict.kind is MailKind.BOUNCE
    assert {one.address for one in verdict.recipients} == {f"u{n}@example.org" for n in range(MANY)}
    assert all(one.is_hard for one in verdict.recipients)
