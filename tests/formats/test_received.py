"""A mail that came in is read the same whatever its line ends, and returns what it returns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.mail.received import Received

REPORT = b"""From MAILER-DAEMON Mon Nov 16 10:00:00 2026
From: MAILER-DAEMON@mx.example.org
To: author@example.com
Subject: =?utf-8?q?Nicht_zustellbar?=
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=a

--a
Content-Type: text/html; charset=utf-8

<p>It did not <b>work</b>:<br>&lt;reader@example.org&gt;</p>
--a
Content-Type: message/delivery-status

Final-Recipient: rfc822; reader@example.org
--a
Content-Type: message/rfc822

Message-ID: <1@example.com>
To: reader@example.org
Subject: hello

Hello
--a--
"""


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_any_line_ends_are_read_and_an_mbox_line_is_skipped(line_end: bytes) -> None:
    mail = Received(REPORT.replace(b"\n", line_end))
    assert mail.header.value("subject") == "Nicht zustellbar"
    assert mail.report_type == "delivery-status"
    assert [line for line in mail.lines if line] == ["It did not work:", "<reader@example.org>"]
    assert mail.returned.value("message-id") == "<1@example.com>"
    assert mail.returned_raw.endswith(b"Hello\r\n")


def test_a_message_returned_within_the_text_is_found_and_what_is_told_ends_there() -> None:
    mail = Received(
        b"From: a@b.example\n\nIt failed.\n\n> Received: from x\n>  by y\n> To: reader@example.org\n> Subject: s\n"
    )
    assert mail.told == ["It failed.", ""]
    assert mail.returned.value("to") == "reader@example.org"


def test_an_answer_that_quotes_a_subject_returns_nothing() -> None:
    mail = Received(b"From: a@b.example\n\nNote: see below\nSubject: to come\n")
    assert not mail.returned
    assert not mail.returned_raw


@given(st.binary(max_size=2_000))
def test_no_bytes_break_it(raw: bytes) -> None:
    mail = Received(raw)
    _ = (mail.header, mail.media_type, mail.report_type, mail.told, mail.returned, mail.returned_raw)
