"""MAIL, RCPT and BDAT are read as RFC 5321 and the extensions write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.mail.envelope import EnvelopeRecipient, Notify
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp.commands import Chunk, MailCommand, read_chunk, read_mail, read_rcpt


def _mail_path(argument: str) -> str:
    command = read_mail(argument)
    assert isinstance(command, MailCommand), command
    return command.envelope.reverse_path


@pytest.mark.parametrize(
    ("argument", "path"),
    [
        ("FROM:<>", ""),
        ("FROM: <a@b.test>", "a@b.test"),
        ("from:<a@b.test>  ", "a@b.test"),
        ("FROM:<@relay.test,@other.test:a@b.test>", "a@b.test"),
        ('FROM:<"a b>"@c.test>', '"a b>"@c.test'),
        ('FROM:<"a\\"b"@c.test>', '"a\\"b"@c.test'),
        ("FROM:<a@[192.0.2.1]>", "a@[192.0.2.1]"),
        ("FROM:<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]"),
        ("FROM:<a@b.test> SIZE=10", "a@b.test"),
        ("FROM:<é@b.test> SMTPUTF8", "é@b.test"),
    ],
)
def test_a_reverse_path_is_read(argument: str, path: str) -> None:
    assert _mail_path(argument) == path


@pytest.mark.parametrize(
    ("argument", "code", "enhanced"),
    [
        ("FROM:a@b.test", 501, "5.1.7"),
        ("a@b.test", 501, "5.1.7"),
        ("FROM:<a@b.test", 501, "5.1.7"),
        ("FROM:<a@b.test>x", 501, "5.1.7"),
        ("FROM:<a @b.test>", 501, "5.1.7"),
        ("FROM:<a@b.test\x01>", 501, "5.1.7"),
        ("FROM:<" + "a" * 300 + "@b.test>", 501, "5.1.7"),
        ("FROM:<" + "é" * 130 + "@b.test> SMTPUTF8", 501, "5.1.7"),
        ("FROM:<é@b.test>", 553, "5.6.7"),
        ("FROM:<é@b.test> BODY=8BITMIME", 553, "5.6.7"),
        ("FROM:<> SIZE=x", 501, "5.5.4"),
        ("FROM:<> SIZE", 501, "5.5.4"),
        ("FROM:<> SIZE=1 SIZE=2", 501, "5.5.4"),
        ("FROM:<> BODY=BINARYMIME", 501, "5.5.4"),
        ("FROM:<> SMTPUTF8=yes", 501, "5.5.4"),
        ("FROM:<> RET=ALL", 501, "5.5.4"),
        ("FROM:<> ENVID=a+2b", 501, "5.5.4"),
        ("FROM:<> ENVID=a+0A", 501, "5.5.4"),
        ("FROM:<> ENVID=" + "a" * 101, 501, "5.5.4"),
        ("FROM:<> AUTH=a=b", 501, "5.5.4"),
        ("FROM:<> NOTIFY=NEVER", 555, "5.5.4"),
        ("FROM:<> XFOO=1", 555, "5.5.4"),
        ("FROM:<> =1", 501, "5.5.4"),
    ],
)
def test_a_wrong_mail_command_is_refused(argument: str, code: int, enhanced: str) -> None:
    reply = read_mail(argument)

    assert isinstance(reply, SmtpReply)
    assert (reply.code, reply.enhanced) == (code, enhanced)


def test_a_recipient_has_its_dsn_parameters() -> None:
    assert read_rcpt("TO:<a@b.test>", smtputf8=False) == EnvelopeRecipient("a@b.test")
    assert read_rcpt("TO:<a@b.test> NOTIFY=NEVER ORCPT=rfc822;a+2Bc@b.test", smtputf8=False) == EnvelopeRecipient(
        "a@b.test", Notify.NEVER, "rfc822;a+2Bc@b.test"
    )
    assert read_rcpt("TO:<é@b.test> ORCPT=utf-8;é@b.test", smtputf8=True) == EnvelopeRecipient(
        "é@b.test", original="utf-8;é@b.test"
    )
    assert read_rcpt("TO:<a@b.test> ORCPT=utf-8;\\x{E9}@b.test", smtputf8=False) == EnvelopeRecipient(
        "a@b.test", original="utf-8;\\x{E9}@b.test"
    )


@pytest.mark.parametrize(
    ("argument", "code", "enhanced"),
    [
        ("TO:<>", 501, "5.1.3"),
        ("TO:a@b.test", 501, "5.1.3"),
        ("TO:<a@b.test> NOTIFY=NEVER,SUCCESS", 501, "5.5.4"),
        ("TO:<a@b.test> NOTIFY=", 501, "5.5.4"),
        ("TO:<a@b.test> NOTIFY=SOMETIMES", 501, "5.5.4"),
        ("TO:<a@b.test> ORCPT=a@b.test", 501, "5.5.4"),
        ("TO:<a@b.test> ORCPT=rfc822;", 501, "5.5.4"),
        ("TO:<a@b.test> ORCPT=rfc822;a+0D+0A", 501, "5.5.4"),
        ("TO:<a@b.test> ORCPT=rfc822;" + "a" * 500, 501, "5.5.4"),
        ("TO:<a@b.test> SIZE=1", 555, "5.5.4"),
        ("TO:<é@b.test>", 553, "5.6.7"),
    ],
)
def test_a_wrong_rcpt_command_is_refused(argument: str, code: int, enhanced: str) -> None:
    reply = read_rcpt(argument, smtputf8=False)

    assert isinstance(reply, SmtpReply)
    assert (reply.code, reply.enhanced) == (code, enhanced)


def test_chunk_sizes_are_read() -> None:
    assert read_chunk("5") == Chunk(5, False)
    assert read_chunk("0 last ") == Chunk(0, True)
    assert read_chunk("5 LAST LAST") is None
    assert read_chunk("\u0665") is None


@given(st.text(max_size=80), st.booleans())
def test_any_text_is_read_or_refused(text: str, smtputf8: bool) -> None:
    for argument in (text, f"FROM:{text}", f"FROM:<{text}>", f"FROM:<> {text}"):
        reply = read_mail(argument)
        assert isinstance(reply, MailCommand) or reply.is_permanent
    for argument in (text, f"TO:<{text}>", f"TO:<a@b.test> {text}", f"TO:<a@b.test> ORCPT={text}"):
        answer = read_rcpt(argument, smtputf8=smtputf8)
        assert isinstance(answer, EnvelopeRecipient) or answer.is_permanent
    read_chunk(text)
