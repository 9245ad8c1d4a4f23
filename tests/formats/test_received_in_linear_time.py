"""Every reader of received mail takes time that grows with the mail's size only."""

import time

import pytest

from postroom.mail.classify import classify
from postroom.mail.verdict import MailKind

_REPLY = b"From: a@example.org\r\nTo: b@example.com\r\nSubject: Re: x\r\nIn-Reply-To: <1@example.com>\r\n"
_BOUNCE = b"From: MAILER-DAEMON@example.org\r\nReturn-Path: <>\r\nSubject: Undelivered Mail Returned to Sender\r\n"
_QUICK = [b"On 2020 10:00 wrote: ", b"unsubscribe me from ", b"<a@b.c> "]
_PIECES = [
    *_QUICK,
    *b'a : < > @ - _ ( " \\ 1 { [{ =20 &amp; <p> <!-- \xff http://x.y/ ... ; =?utf-8?q?a?='.split(),
    *(b" ", b"x@y.z ", b"550 5.1.1 <a@b.c>: ", b"From: a ", b"Final-Recipient: rfc822;a@b.c ", b"Diagnostic-Code: "),
    *(b"<a href=", b"spam ", b"I never ", b"user unknown "),
]
_FIELDS = [b"Subject", b"From", b"To", b"References", b"Received", b"Content-Type", b"X-Failed-Recipients", b"Sender"]


def assert_quick(raw: bytes) -> None:
    before = time.process_time()
    classify(raw)
    assert time.process_time() - before < 10, raw[:200]  # 0.1 to 1 on a free machine; what is not linear takes minutes


def _bodies(piece: bytes) -> list[bytes]:
    return [(piece * (1_000_000 // len(piece) + 1))[:1_000_000], ((piece * 40)[:60] + b"\r\n") * 20_000]


@pytest.mark.parametrize("piece", _QUICK)
def test_a_line_of_a_megabyte_and_twenty_thousand_lines_take_a_moment(piece: bytes) -> None:
    for body in _bodies(piece):
        assert_quick(_REPLY + b"Content-Type: text/plain\r\n\r\n" + body)


@pytest.mark.parametrize("tag", [b"<a" + b"=" * 1_000_000, b"<a " + b"b='" * 300_000, b"</a" + b":" * 1_000_000])
def test_a_tag_that_never_ends_takes_a_moment(tag: bytes) -> None:
    assert_quick(_REPLY + b"Content-Type: text/html\r\n\r\n" + tag)


def test_a_character_reference_of_any_length_is_read() -> None:
    verdict = classify(_REPLY + b"Content-Type: text/html\r\n\r\n<p>Yes &#" + b"1" * 10_000 + b"; &#65;</p>")

    assert verdict.kind is MailKind.REPLY


@pytest.mark.soak
@pytest.mark.parametrize("piece", _PIECES)
def test_no_mail_takes_longer_than_its_size_explains(piece: bytes) -> None:
    for body in _bodies(piece):
        for head in (_REPLY, _BOUNCE):
            for media_type in (b"text/plain", b"text/html", b"text/plain; charset=utf-16"):
                assert_quick(head + b"Content-Type: " + media_type + b"\r\n\r\n" + body)
    for field in _FIELDS:
        assert_quick(field + b": " + _bodies(piece)[0][:300_000] + b"\r\n\r\nx")
