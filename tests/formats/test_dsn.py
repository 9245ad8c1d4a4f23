"""Delivery status notifications and the parameters they come from."""

import email
import email.policy
from dataclasses import replace
from email.message import EmailMessage

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from postroom.mail.compose import Composed
from postroom.mail.dsn import Action, Report, ReportedRecipient, compose_report
from postroom.mail.xtext import decode_orcpt, decode_xtext

NOW_MS = 1_767_225_600_000
ORIGINAL = (
    b"From: Ada <ada@example.com>\r\nTo: bob@example.net\r\nSubject: Two\r\n lines\r\n"
    b"Message-ID: <1@example.com>\r\n\r\nThe secret plan\r\n"
)
FAILED = ReportedRecipient(
    address="bob@example.net",
    action=Action.FAILED,
    status="5.1.1",
    diagnostic="550 5.1.1 No such user\nhere",
    remote_mta="mx1.example.net",
    original="rfc822;Bob+2BSales@example.net",
    last_attempt_ms=NOW_MS,
)
DELAYED = ReportedRecipient(
    "bob@example.net", Action.DELAYED, "4.2.2", "452 4.2.2 Mailbox full", "mx1.example.net",
    last_attempt_ms=NOW_MS, will_retry_until_ms=NOW_MS + 86_400_000,
)  # fmt: skip
REPORT = Report(
    "mx.postroom.test", "ada@example.com", (FAILED,), ORIGINAL, "Two lines", NOW_MS - 60_000, envid="QQ+2B314159"
)


def written(report: Report) -> tuple[EmailMessage, Composed]:
    composed = compose_report(report, message_id="<msg@mx.postroom.test>", date_ms=NOW_MS)
    message = email.message_from_bytes(composed.content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message, composed


def parts(report: Report) -> list[EmailMessage]:
    found = list(written(report)[0].iter_parts())
    assert all(isinstance(part, EmailMessage) for part in found)
    return found  # type: ignore[return-value]


def status_groups(report: Report) -> list[list[tuple[str, str]]]:
    return [list(group.items()) for group in parts(report)[1].get_payload()]  # type: ignore[union-attr, misc, arg-type]


def test_a_report_says_that_it_is_one() -> None:
    message, composed = written(REPORT)
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert message["From"] == "Mail Delivery System <MAILER-DAEMON@mx.postroom.test>"
    assert message["To"] == "ada@example.com"
    assert message["Subject"] == "Not delivered: Two lines"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["In-Reply-To"] == "<1@example.com>"
    assert not composed.needs_smtputf8
    assert not composed.needs_8bitmime


def test_the_status_part_holds_what_rfc_3464_asks_for() -> None:
    about_message, about_recipient = status_groups(REPORT)
    assert about_message == [
        ("Original-Envelope-Id", "QQ+314159"),
        ("Reporting-MTA", "dns; mx.postroom.test"),
        ("Arrival-Date", "Wed, 31 Dec 2025 23:59:00 +0000"),
    ]
    assert about_recipient == [
        ("Original-Recipient", "rfc822; Bob+Sales@example.net"),
        ("Final-Recipient", "rfc822; bob@example.net"),
        ("Action", "failed"),
        ("Status", "5.1.1"),
        ("Remote-MTA", "dns; mx1.example.net"),
        ("Diagnostic-Code", "smtp; 550 5.1.1 No such user here"),
        ("Last-Attempt-Date", "Thu, 01 Jan 2026 00:00:00 +0000"),
    ]


def test_a_delay_says_until_when_we_try_and_is_no_failure() -> None:
    report = replace(REPORT, recipients=(DELAYED,))
    _, about_recipient = status_groups(report)
    assert ("Action", "delayed") in about_recipient
    assert ("Will-Retry-Until", "Fri, 02 Jan 2026 00:00:00 +0000") in about_recipient
    text = str(parts(report)[0].get_content())
    assert "keep trying" in text
    assert "Fri, 02 Jan 2026" in text
    assert written(report)[0]["Subject"] == "Delayed: Two lines"


def test_our_own_reason_is_not_put_into_a_peers_mouth() -> None:
    ours = replace(FAILED, remote_mta="", status="5.4.7", diagnostic="554 5.4.7 Given up after 5 days")
    _, about_recipient = status_groups(replace(REPORT, recipients=(ours,)))
    assert ("Diagnostic-Code", "x-postroom; 554 5.4.7 Given up after 5 days") in about_recipient
    assert "Remote-MTA" not in dict(about_recipient)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("5.1.1", "seems to be wrong"), ("5.1.2", "does not exist"), ("5.2.2", "mailbox is full"),
        ("5.3.4", "too large"), ("5.4.7", "tried for days"), ("5.7.1", "refuses the message by its rules"),
        ("5.0.0", "postmaster"), ("5.9.9", "postmaster"),
    ],
)  # fmt: skip
def test_the_words_say_what_happened_and_what_to_do(status: str, words: str) -> None:
    text = str(parts(replace(REPORT, recipients=(replace(FAILED, status=status),)))[0].get_content())
    for expected in ("bob@example.net", "The server mx1.example.net answered", "No such user", "Subject: Two lines"):
        assert expected in text
    assert words in " ".join(text.split())


def test_the_whole_message_comes_back_only_where_asked_and_failed() -> None:
    assert parts(REPORT)[2].get_content_type() == "text/rfc822-headers"
    assert b"secret plan" not in written(REPORT)[1].content
    full = replace(REPORT, return_full=True)
    assert parts(full)[2].get_content_type() == "message/rfc822"
    assert ORIGINAL in written(full)[1].content
    delayed = replace(full, recipients=(DELAYED,))
    assert parts(delayed)[2].get_content_type() == "text/rfc822-headers"


@pytest.mark.parametrize("body", [b"x" * 1_000_001, b"long line " + b"x" * 998 + b"\r\n", b"nul \0\r\n"])
def test_a_message_that_is_too_large_or_cannot_travel_comes_back_as_its_header(body: bytes) -> None:
    report = replace(REPORT, return_full=True, original=b"Subject: x\r\n\r\n" + body)
    assert parts(report)[2].get_content_type() == "text/rfc822-headers"


def test_a_message_with_8_bit_text_needs_8bitmime_when_it_comes_back() -> None:
    report = replace(REPORT, return_full=True, original="Subject: x\r\n\r\nGrüße\r\n".encode())
    assert written(report)[1].needs_8bitmime


def test_addresses_beyond_ascii_are_reported_by_rfc_6533() -> None:
    recipient = replace(FAILED, address="zoë@exämple.net", original="utf-8;zo\\x{EB}@example.net")
    report = replace(REPORT, recipients=(recipient,), original="Subject: Grüße\r\n\r\nx\r\n".encode())
    types = [part.get_content_type() for part in parts(report)]
    assert types == ["text/plain", "message/global-delivery-status", "message/global-headers"]
    composed = written(report)[1]
    assert composed.needs_smtputf8
    assert composed.needs_8bitmime
    assert "Original-Recipient: utf-8; zoë@example.net\r\n".encode() in composed.content
    assert "Final-Recipient: utf-8; zoë@exämple.net\r\n".encode() in composed.content


def test_a_domain_beyond_ascii_is_reported_as_a_labels() -> None:
    _, about_recipient = status_groups(replace(REPORT, recipients=(replace(FAILED, address="bob@exämple.net"),)))
    assert ("Final-Recipient", "rfc822; bob@xn--exmple-cua.net") in about_recipient


@pytest.mark.parametrize("original", ["rfc822;bob@0", "rfc822;a@b@", "utf-8;zoë@[1]", "rfc822;@", "x400;c=de"])
def test_an_original_recipient_that_is_no_address_keeps_no_report_from_being_written(original: str) -> None:
    _, composed = written(replace(REPORT, recipients=(replace(FAILED, original=original),)))
    assert f"\r\nOriginal-Recipient: {original.replace(';', '; ')}\r\n".encode() in composed.content


@settings(max_examples=60)
@given(st.text(), st.text(), st.text(), st.binary(max_size=300), st.booleans())
@example("", "", "a@0", b"", False)
def test_nothing_in_a_report_can_open_a_line_of_its_own(
    diagnostic: str, subject: str, extra: str, original: bytes, full: bool
) -> None:
    recipient = replace(FAILED, diagnostic=diagnostic, remote_mta=extra, original=f"rfc822;{extra}")
    report = replace(REPORT, recipients=(recipient,), subject=subject, envid=extra, original=original, return_full=full)
    message, composed = written(report)
    assert b"\n" not in composed.content.replace(b"\r\n", b"")
    assert b"\r" not in composed.content.replace(b"\r\n", b"")
    assert len(list(message.iter_parts())) == 3
    assert set(message.keys()) <= {
        "From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Auto-Submitted", "In-Reply-To", "References",
        "Content-Type", "Content-Transfer-Encoding",
    }  # fmt: skip
    assert max(map(len, composed.content.split(b"\r\n"))) <= 998


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_printable_text_survives_xtext(text: str) -> None:
    assert decode_xtext("".join(f"+{ord(letter):02X}" for letter in text)) == text


@pytest.mark.parametrize("text", ["+0D+0ABcc: x", "a+2", "a=b", "+C3+A4", "a b"])
def test_xtext_that_is_wrong_or_hides_a_line_end_stays_as_it_is(text: str) -> None:
    assert decode_xtext(text) == text


@given(st.text())
def test_reading_an_orcpt_never_crashes(text: str) -> None:
    decode_orcpt(text)
    decode_orcpt("utf-8;" + text)
