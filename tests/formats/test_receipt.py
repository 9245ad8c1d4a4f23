"""Receipts of readers, and traffic of mailing lists."""

import pytest
from copies import multipart, part
from hypothesis import given
from hypothesis import strategies as st

from postroom.mail.classify import classify
from postroom.mail.list_traffic import read_list_traffic
from postroom.mail.receipt import read_receipt
from postroom.mail.received import Received
from postroom.mail.verdict import MailKind


def mail_of(head: bytes, body: bytes = b"Hello\r\n") -> bytes:
    return head + b"\r\n\r\n" + body


@pytest.mark.parametrize("word", ["displayed", "deleted", "dispatched", "processed", "failed"])
def test_a_receipt_tells_who_saw_the_mail(word: str) -> None:
    fields = (
        b"Reporting-UA: pc; Program\r\nFinal-Recipient: rfc822;ann@example.org\r\n"
        b"Original-Message-ID: <1@example.com>\r\n"
        b"Disposition: manual-action/MDN-sent-manually; " + word.encode()
    )
    parts = part(b"The mail could not be shown.", b"text/plain"), part(fields, b"message/disposition-notification")
    raw = b"Subject: Read: Order\r\n" + multipart(b"report; report-type=disposition-notification", *parts)
    verdict = classify(raw)
    assert (verdict.kind, verdict.rule) == (MailKind.RECEIPT, f"receipt: {word}")
    assert [one.address for one in verdict.recipients] == ["ann@example.org"]
    assert verdict.answers[0] == "<1@example.com>"
    assert dict(verdict.facts)["disposition"] == word


@pytest.mark.parametrize(
    "subject",
    ["Read: Order", "Gelesen: Order", "Lu : Order", "Przeczytano: Order", "Прочтено: Order", "Not read: Order"],
)
def test_a_bare_receipt_is_known_by_its_subject(subject: str) -> None:
    head = f"Subject: {subject}\r\nIn-Reply-To: <1@example.com>".encode()
    assert classify(mail_of(head, body=b"Your message was read on Monday.\r\n")).kind is MailKind.RECEIPT


def test_a_person_who_reads_sends_no_receipt() -> None:
    head = b"Subject: Re: Read: the book\r\nIn-Reply-To: <1@example.com>"
    assert classify(mail_of(head, body=b"I have read it.\r\n")).kind is MailKind.REPLY


@pytest.mark.parametrize(
    "field",
    [
        b"List-Id: Dogs <dogs.example.org>",
        b"List-Post: <mailto:dogs@example.org>",
        b"List-Unsubscribe: <mailto:leave@example.org>",
        b"X-Mailing-List: dogs@example.org",
        b"Mailing-List: contact dogs-help@example.org; run by ezmlm",
        b"Precedence: list",
        b"Sender: dogs-bounces@example.org",
        b"Sender: owner-dogs@example.org",
    ],
)
def test_a_list_shows_itself_in_the_header(field: bytes) -> None:
    assert classify(mail_of(b"From: ann@example.org\r\nSubject: Re: Dogs\r\n" + field)).kind is MailKind.LIST


@pytest.mark.parametrize(
    ("subject", "rule"),
    [
        (b"confirm 0123456789abcdef0123456789abcdef01234567", "subscription to confirm"),
        (b"Your message to Dogs awaits moderator approval", "post that waits"),
        (b'Welcome to the "Dogs" mailing list', "membership"),
    ],
)
def test_what_list_managers_write_is_told_apart(subject: bytes, rule: str) -> None:
    raw = mail_of(
        b"From: dogs-request@example.org\r\nX-Mailman-Version: 2.1\r\nPrecedence: bulk\r\nSubject: " + subject
    )
    assert (classify(raw).kind, classify(raw).rule) == (MailKind.LIST, rule)


@given(st.binary(max_size=300))
def test_nothing_fails_on_any_bytes(raw: bytes) -> None:
    for one in (raw, b"Content-Type: message/disposition-notification\r\n\r\n" + raw, b"Sender: " + raw):
        read_receipt(Received(one))
        read_list_traffic(Received(one))
