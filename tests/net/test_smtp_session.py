"""The server session without a socket: phases, extensions, limits."""

import base64
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smtp_talk import ENVELOPE, HELLO, Talk, cuts

from postroom.mail.envelope import BodyType, Notify
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp.events import AuthAttempt, ContentBegins, ContentDropped, ContentEnds, MailGiven, TlsWanted
from postroom.net.smtp.session import MAX_AUTH_BYTES, MAX_COMMAND_BYTES


def _plain(username: str, password: str) -> bytes:
    return base64.b64encode(f"\0{username}\0{password}".encode())


def test_ehlo_offers_the_extensions() -> None:
    talk = Talk()

    output = talk.say(HELLO).decode()

    assert talk.greeting == b"220 mx.test ESMTP Postroom\r\n"
    assert [line[4:] for line in output.splitlines()][1:] == [
        "PIPELINING",
        "SIZE 1000000",
        "STARTTLS",
        "AUTH PLAIN LOGIN",
        "ENHANCEDSTATUSCODES",
        "8BITMIME",
        "SMTPUTF8",
        "DSN",
        "CHUNKING",
        "HELP",
    ]


def test_auth_is_offered_only_under_tls_or_on_loopback() -> None:
    assert b"AUTH" in Talk(local=True).say(HELLO)
    assert b"AUTH" in Talk(local=False, tls=True).say(HELLO)

    stranger = Talk(local=False)

    assert b"AUTH" not in stranger.say(HELLO)
    assert stranger.codes(b"AUTH PLAIN " + _plain("user", "right") + b"\r\n") == ["538 5.7.11"]
    assert stranger.count(AuthAttempt) == 0


def test_starttls_is_not_offered_twice_or_without_a_certificate() -> None:
    assert b"STARTTLS" not in Talk(tls=True).say(HELLO)
    assert Talk(tls=True).codes(HELLO, b"STARTTLS\r\n")[-1] == "503 5.5.1"
    assert Talk(offer_tls=False).codes(HELLO, b"STARTTLS\r\n")[-1] == "502 5.5.1"
    assert Talk().codes(HELLO, b"STARTTLS now\r\n")[-1] == "501 5.5.4"


def test_commands_behind_starttls_in_plain_text_are_thrown_away() -> None:
    """CVE-2011-0411: what an attacker injects before the handshake must not run after it."""
    talk = Talk().ready()

    output = talk.codes(b"STARTTLS\r\nRSET\r\nEHLO evil\r\n" + ENVELOPE)

    assert output == ["220 2.0.0"]
    assert talk.count(TlsWanted) == 1
    assert talk.count(MailGiven) == 0
    assert talk.codes(ENVELOPE[:30]) == ["503 5.5.1"]


def test_plain_text_during_the_handshake_is_thrown_away() -> None:
    talk = Talk().ready()
    session = talk.session
    session.receive(b"STARTTLS\r\n")
    assert isinstance(session.next_event(), TlsWanted)

    session.receive(b"RSET\r\n")
    session.start_tls()

    assert session.next_event() is None
    assert session.take_output() == b"220 2.0.0 go ahead\r\n"


def test_after_the_handshake_everything_is_forgotten() -> None:
    talk = Talk(require_auth=True).ready()
    talk.say(b"AUTH PLAIN " + _plain("user", "right") + b"\r\n")

    talk.say(b"STARTTLS\r\n")

    assert talk.session.client_name == ""
    assert talk.codes(b"MAIL FROM:<a@client.test>\r\n") == ["503 5.5.1"]
    assert talk.codes(HELLO, b"MAIL FROM:<a@client.test>\r\n") == ["250", "530 5.7.0"]


def test_mail_needs_authentication_where_the_door_says_so() -> None:
    talk = Talk(require_auth=True).ready()

    assert talk.codes(ENVELOPE) == ["530 5.7.0", "503 5.5.1"]
    assert talk.codes(b"AUTH PLAIN " + _plain("user", "right") + b"\r\n") == ["235 2.7.0"]
    assert talk.codes(ENVELOPE) == ["250 2.0.0", "250 2.0.0"]
    assert talk.codes(b"RSET\r\nAUTH PLAIN\r\n") == ["250 2.0.0", "503 5.5.1"]


def test_a_stranger_without_tls_is_told_to_start_it() -> None:
    assert b"STARTTLS" in Talk(require_auth=True, local=False).ready().say(b"MAIL FROM:<>\r\n")


@pytest.mark.parametrize(
    "lines",
    [
        [b"AUTH PLAIN " + _plain("user", "right")],
        [b"auth plain", _plain("user", "right")],
        [b"AUTH LOGIN", base64.b64encode(b"user"), base64.b64encode(b"right")],
        [b"AUTH LOGIN " + base64.b64encode(b"user"), base64.b64encode(b"right")],
    ],
    ids=lambda lines: lines[0].decode(),
)
def test_plain_and_login_work_with_and_without_initial_response(lines: list[bytes]) -> None:
    talk = Talk().ready()

    output = talk.codes(b"".join(line + b"\r\n" for line in lines))

    assert output[-1] == "235 2.7.0"
    assert output[:-1] == ["334"] * (len(lines) - 1)
    assert [(event.username, event.password) for event in talk.events if isinstance(event, AuthAttempt)] == [
        ("user", "right")
    ]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (b"AUTH CRAM-MD5\r\n", "504 5.5.4"),
        (b"AUTH\r\n", "504 5.5.4"),
        (b"AUTH PLAIN !!!\r\n", "501 5.5.2"),
        (b"AUTH PLAIN =\r\n", "501 5.5.2"),
        (b"AUTH PLAIN " + base64.b64encode(b"boss\0user\0right") + b"\r\n", "501 5.5.2"),
        (b"AUTH PLAIN " + base64.b64encode(b"\0user\0\xff") + b"\r\n", "501 5.5.2"),
        (b"AUTH LOGIN\r\n*\r\n", "501 5.7.0"),
        (b"AUTH PLAIN\r\n*\r\n", "501 5.7.0"),
        (b"AUTH PLAIN\r\n" + b"A" * 20_000 + b"\r\n", "500 5.5.6"),
    ],
)
def test_a_broken_sasl_exchange_is_refused_and_the_session_goes_on(lines: bytes, code: str) -> None:
    talk = Talk().ready()

    assert talk.codes(lines)[-1] == code
    assert talk.count(AuthAttempt) == 0
    assert talk.codes(b"NOOP\r\n") == ["250 2.0.0"]


def test_long_auth_responses_are_taken_up_to_the_limit() -> None:
    password = "p" * 9000
    talk = Talk().ready()

    line = b"AUTH PLAIN " + _plain("user", password) + b"\r\n"

    assert MAX_COMMAND_BYTES < len(line) <= MAX_AUTH_BYTES
    assert talk.codes(line) == ["535 5.7.8"]


def test_the_third_failed_authentication_ends_the_session() -> None:
    talk = Talk().ready()
    wrong = b"AUTH PLAIN " + _plain("user", "wrong") + b"\r\n"

    assert talk.codes(wrong * 4) == ["535 5.7.8", "535 5.7.8", "535 5.7.8", "421 4.7.0"]
    assert talk.session.closed
    assert talk.count(AuthAttempt) == 3


def test_pipelined_commands_are_answered_in_one_piece() -> None:
    talk = Talk()

    output = talk.codes(HELLO + ENVELOPE + b"DATA\r\nhello\r\n.\r\n" + ENVELOPE + b"DATA\r\nyou\r\n.\r\nQUIT\r\n")

    assert output == ["250", *["250 2.0.0", "250 2.0.0", "354", "250 2.0.0"] * 2, "221 2.0.0"]
    assert [message.content for message in talk.messages] == [b"hello\r\n", b"you\r\n"]


def test_every_cut_of_a_pipelined_session_means_the_same() -> None:
    data = HELLO + ENVELOPE + b"DATA\r\nx\r\n.\r\n" + ENVELOPE + b"BDAT 2\r\nab\r\nBDAT 1 LAST\r\nQUIT\r\nQUIT\r\n"
    whole = Talk()
    said = whole.say(data)
    for chunks in cuts(data, most=1):
        talk = Talk()

        assert talk.say(*chunks) == said
        assert talk.messages == whole.messages


@pytest.mark.parametrize(
    ("commands", "code"),
    [
        (b"MAIL FROM:<a@b.test>\r\n", "503 5.5.1"),
        (b"RCPT TO:<a@b.test>\r\n", "503 5.5.1"),
        (b"DATA\r\n", "503 5.5.1"),
        (b"AUTH PLAIN\r\n", "503 5.5.1"),
        (HELLO + b"RCPT TO:<a@b.test>\r\n", "503 5.5.1"),
        (HELLO + b"DATA\r\n", "503 5.5.1"),
        (HELLO + ENVELOPE + b"MAIL FROM:<a@b.test>\r\n", "503 5.5.1"),
        (HELLO + ENVELOPE + b"AUTH PLAIN\r\n", "503 5.5.1"),
        (HELLO + ENVELOPE + b"STARTTLS\r\n", "503 5.5.1"),
        (HELLO + b"MAIL FROM:<a@b.test>\r\nDATA\r\n", "503 5.5.1"),
        (HELLO + ENVELOPE + b"DATA now\r\n", "501 5.5.4"),
        (b"EHLO\r\n", "501 5.5.4"),
        (b"HELO  \r\n", "501 5.5.4"),
        (b"EHLO a\tb\r\n", "501 5.5.4"),
        (b"XYZZY\r\n", "500 5.5.1"),
        (b"\r\n", "500 5.5.1"),
        (b"EXPN list\r\n", "502 5.5.1"),
        (b"VRFY\r\n", "501 5.5.4"),
        (b"VRFY someone\r\n", "252 2.5.2"),
        (b"HELP\r\n", "214 2.0.0"),
        (b"NOOP hello\r\n", "250 2.0.0"),
        (b"RSET\r\n", "250 2.0.0"),
        (b"RSET now\r\n", "501 5.5.4"),
        (b"QUIT now\r\n", "501 5.5.4"),
        (b"HELO client.test\r\n", "250"),
        (b"ehlo client.test\r\nmail from:<a@b.test>\r\n", "250 2.0.0"),
    ],
)
def test_each_command_is_answered_by_the_book(commands: bytes, code: str) -> None:
    assert Talk().codes(commands)[-1] == code


@pytest.mark.parametrize("line", [b"NOOP\n", b"NOOP\r\r\n", b"NO\rOP\r\n", b"NOOP \0\r\n", b"NOOP\n\r\n"])
def test_a_command_line_ends_with_crlf_and_holds_no_other(line: bytes) -> None:
    talk = Talk().ready()

    assert talk.codes(line)[0] == "500 5.5.2"
    assert talk.codes(b"NOOP\r\n") == ["250 2.0.0"]


def test_a_bare_lf_between_commands_runs_neither_of_them_as_one() -> None:
    talk = Talk().ready()

    assert talk.codes(b"MAIL FROM:<a@b.test>\nRCPT TO:<b@c.test>\r\n") == ["500 5.5.2", "503 5.5.1"]
    assert talk.count(MailGiven) == 0


def test_a_line_above_the_limit_is_refused_and_not_kept() -> None:
    talk = Talk().ready()

    assert talk.codes(b"NOOP " + b"x" * MAX_COMMAND_BYTES + b"\r\n") == ["500 5.5.2"]
    assert talk.codes(*[b"x" * 10_000] * 50) == []
    assert talk.session.buffered_bytes <= MAX_AUTH_BYTES
    assert talk.codes(b"\r\nNOOP\r\n") == ["500 5.5.2", "250 2.0.0"]


def test_a_line_of_512_octets_and_extensions_is_taken() -> None:
    envid, original = b"e" * 100, b"rfc822;" + b"o" * 400 + b"@c.test"
    talk = Talk().ready()

    assert talk.codes(
        b"MAIL FROM:<"
        + b"a" * 64
        + b"@"
        + b"b" * 180
        + b".test> SIZE=1 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID="
        + envid,
        b"\r\nRCPT TO:<" + b"a" * 64 + b"@" + b"b" * 180 + b".test> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=" + original,
        b"\r\n",
    ) == ["250 2.0.0", "250 2.0.0"]


def test_http_aimed_at_the_port_is_cut_off() -> None:
    talk = Talk()

    assert talk.codes(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n" + HELLO + ENVELOPE) == ["421 4.7.0"]
    assert talk.session.closed


def test_too_many_errors_end_the_session() -> None:
    talk = Talk().ready()

    output = talk.codes(b"XYZZY\r\n" * 50)

    assert output == ["500 5.5.1"] * 20 + ["421 4.7.0"]


def test_endless_noops_end_the_session() -> None:
    talk = Talk().ready()

    output = talk.codes(b"NOOP\r\n" * 1000)

    assert output[-1] == "421 4.7.0"
    assert len(output) < 130


def test_a_client_that_sends_mail_may_stay_for_ever() -> None:
    talk = Talk().ready()

    output = talk.codes((b"RSET\r\nNOOP\r\n" + ENVELOPE + b"DATA\r\nx\r\n.\r\n") * 500)

    assert len(talk.messages) == 500
    assert set(output) == {"250 2.0.0", "354"}


def test_recipients_above_the_limit_are_told_to_come_again() -> None:
    talk = Talk(max_recipients=3).ready()

    output = talk.codes(b"MAIL FROM:<a@b.test>\r\n" + b"RCPT TO:<x@y.test>\r\n" * 5 + b"DATA\r\nx\r\n.\r\n")

    assert output[1:6] == ["250 2.0.0"] * 3 + ["452 4.5.3"] * 2
    assert len(talk.messages[0].envelope.recipients) == 3


def test_a_refused_recipient_is_not_in_the_envelope() -> None:
    def answer(event: object) -> SmtpReply | None:
        return SmtpReply(550, "5.1.1", "no") if "bad@" in repr(event) and "RecipientGiven" in repr(event) else None

    talk = Talk(answers=answer).ready()

    talk.say(ENVELOPE + b"RCPT TO:<bad@b.test>\r\nRCPT TO:<good@b.test>\r\nDATA\r\nx\r\n.\r\n")

    assert [one.address for one in talk.messages[0].envelope.recipients] == ["b@server.test", "good@b.test"]


def test_rset_and_ehlo_forget_the_envelope() -> None:
    for command in (b"RSET\r\n", HELLO, b"HELO x\r\n"):
        talk = Talk().ready()
        talk.say(ENVELOPE + command)

        assert talk.codes(b"DATA\r\n") == ["503 5.5.1"]


def test_the_envelope_carries_all_parameters() -> None:
    talk = Talk().ready()

    talk.say(
        b"MAIL FROM:<a@b.test> BODY=8BITMIME SMTPUTF8 RET=hdrs ENVID=QQ+2B1 SIZE=10 AUTH=<>\r\n"
        b"RCPT TO:<ann@c.test> NOTIFY=success,delay ORCPT=rfc822;Ann+40c.test\r\n"
        b"RCPT TO:<\xc3\xa9@d.test> NOTIFY=NEVER\r\nDATA\r\n.\r\n"
    )

    envelope = talk.messages[0].envelope
    assert (envelope.body, envelope.smtputf8, envelope.ret, envelope.envid) == (
        BodyType.EIGHT_BIT,
        True,
        "HDRS",
        "QQ+2B1",
    )
    assert envelope.recipients[0].notify == Notify.SUCCESS | Notify.DELAY
    assert envelope.recipients[0].original == "rfc822;Ann+40c.test"
    assert envelope.recipients[1].address == "é@d.test"
    assert envelope.recipients[1].notify == Notify.NEVER


# Size


def test_a_declared_size_above_the_limit_is_refused_at_once() -> None:
    assert Talk(max_size_bytes=100).ready().codes(b"MAIL FROM:<a@b.test> SIZE=101\r\n") == ["552 5.3.4"]
    assert Talk(max_size_bytes=100).ready().codes(b"MAIL FROM:<a@b.test> SIZE=100\r\n") == ["250 2.0.0"]


def test_content_above_the_limit_is_read_to_its_end_and_refused() -> None:
    talk = Talk(max_size_bytes=100).ready()

    output = talk.codes(ENVELOPE + b"DATA\r\n", b"x" * 60, b"y" * 60, b"\r\n.\r\n" + ENVELOPE)

    assert output == ["250 2.0.0", "250 2.0.0", "354", "552 5.3.4", "250 2.0.0", "250 2.0.0"]
    assert talk.messages == []
    assert talk.count(ContentDropped) == 1


def test_the_size_is_counted_without_stuffed_dots() -> None:
    talk = Talk(max_size_bytes=10).ready()

    talk.say(ENVELOPE + b"DATA\r\n..234567\r\n.\r\n")

    assert talk.messages[0].content == b".234567\r\n"


def test_a_client_that_never_stops_is_cut_off() -> None:
    talk = Talk(max_size_bytes=1000).ready()

    output = talk.codes(ENVELOPE + b"DATA\r\n", *[b"x" * 100_000] * 10)

    assert output[-2:] == ["552 5.3.4", "421 4.7.0"]
    assert talk.session.closed


# CHUNKING


@pytest.mark.parametrize(
    ("commands", "content"),
    [
        (b"BDAT 5 LAST\r\nhello", b"hello"),
        (b"BDAT 3\r\nhelBDAT 2 LAST\r\nlo", b"hello"),
        (b"BDAT 5\r\nhelloBDAT 0 LAST\r\n", b"hello"),
        (b"BDAT 0\r\nBDAT 0 LAST\r\n", b""),
        (b"bdat 0 last\r\n", b""),
        (b"BDAT 4\r\nab\r\nBDAT 5 LAST\r\n.\r\nx\r", b"ab\r\n.\r\nx\r\n"),
        (b"BDAT 3\r\nab\rBDAT 2 LAST\r\n\nx", b"ab\r\nx"),
        (b"BDAT 4\r\n.\n.\rBDAT 3 LAST\r\n..x", b".\r\n.\r\n..x"),
    ],
)
def test_chunks_are_joined_as_they_are(commands: bytes, content: bytes) -> None:
    for chunks in cuts(commands, most=1):
        talk = Talk().ready()

        output = talk.codes(ENVELOPE, *chunks, b"NOOP\r\n")

        assert output[2:] == ["250 2.0.0"] * (commands.upper().count(b"BDAT") + 1)
        assert [message.content for message in talk.messages] == [content]


def test_a_chunk_may_hold_what_looks_like_the_end_and_commands() -> None:
    octets = b"a\r\n.\r\nMAIL FROM:<evil@b.test>\r\nBDAT 1 LAST\r\n"
    talk = Talk().ready()

    output = talk.codes(ENVELOPE + b"BDAT %d LAST\r\n" % len(octets) + octets + b"QUIT\r\n")

    assert output == ["250 2.0.0"] * 3 + ["221 2.0.0"]
    assert talk.messages[0].content == octets


@pytest.mark.parametrize(
    ("before", "code"),
    [(b"", "503 5.5.1"), (b"MAIL FROM:<a@b.test>\r\n", "503 5.5.1")],
)
def test_the_octets_of_a_refused_chunk_are_never_commands(before: bytes, code: str) -> None:
    talk = Talk().ready()

    output = talk.codes(before + b"BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")

    assert output[-2:] == [code, "250 2.0.0"]
    assert not talk.session.closed


@pytest.mark.parametrize("argument", [b"", b"x", b"-1", b"5 FIRST", b"LAST", b"5LAST", b"\xff", b"9" * 21])
def test_a_chunk_of_unknown_size_ends_the_session(argument: bytes) -> None:
    talk = Talk().ready()
    talk.say(ENVELOPE)

    output = talk.codes(b"BDAT " + argument + b"\r\nMAIL FROM:<evil@b.test>\r\n")

    assert output[-1] == "421 4.7.0"
    assert talk.session.closed
    assert talk.count(MailGiven) == 1


@pytest.mark.parametrize("command", [b"DATA\r\n", b"RCPT TO:<b@c.test>\r\n", b"MAIL FROM:<b@c.test>\r\n"])
def test_chunks_do_not_mix_with_other_commands(command: bytes) -> None:
    talk = Talk().ready()

    output = talk.codes(ENVELOPE + b"BDAT 1\r\nx" + command + b"BDAT 1 LAST\r\ny")

    assert output[2:] == ["250 2.0.0", "503 5.5.1", "250 2.0.0"]
    assert talk.messages[0].content == b"xy"


@pytest.mark.parametrize("command", [b"RSET\r\n", HELLO, b"QUIT\r\n"])
def test_leaving_between_chunks_drops_the_content(command: bytes) -> None:
    talk = Talk().ready()

    talk.say(ENVELOPE + b"BDAT 1\r\nx" + command)

    assert talk.count(ContentDropped) == 1
    if not talk.session.closed:
        assert talk.codes(b"BDAT 1 LAST\r\ny") == ["503 5.5.1"]
    assert talk.messages == []


def test_chunks_above_the_limit_are_refused_and_all_that_follow() -> None:
    talk = Talk(max_size_bytes=10).ready()

    output = talk.codes(ENVELOPE + b"BDAT 8\r\n12345678BDAT 8\r\n12345678BDAT 1 LAST\r\nxNOOP\r\n")

    assert output[2:] == ["250 2.0.0", "552 5.3.4", "503 5.5.1", "250 2.0.0"]
    assert talk.count(ContentDropped) == 1
    assert talk.messages == []


def test_content_that_the_door_refuses_is_read_over() -> None:
    def answer(event: object) -> SmtpReply | None:
        return SmtpReply(451, "4.3.0", "later") if isinstance(event, ContentBegins) else None

    talk = Talk(answers=answer).ready()

    assert talk.codes(ENVELOPE + b"BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")[2:] == ["451 4.3.0", "250 2.0.0"]
    assert talk.codes(ENVELOPE + b"DATA\r\nNOOP\r\n")[2:] == ["451 4.3.0", "250 2.0.0"]


# Ends


def test_a_421_from_the_door_ends_the_session() -> None:
    def answer(event: object) -> SmtpReply | None:
        return SmtpReply(421, "4.3.2", "bye") if isinstance(event, ContentEnds) else None

    talk = Talk(answers=answer).ready()

    assert talk.codes(ENVELOPE + b"DATA\r\nx\r\n.\r\nNOOP\r\n")[-1] == "421 4.3.2"
    assert talk.session.closed


def test_a_stop_waits_for_the_content_on_its_way() -> None:
    talk = Talk().ready()
    talk.say(ENVELOPE + b"DATA\r\nhalf")

    talk.session.stop()

    assert talk.session.take_output() == b""
    assert talk.codes(b"\r\n.\r\n" + ENVELOPE) == ["250 2.0.0", "421 4.3.2"]
    assert len(talk.messages) == 1


def test_a_stop_ends_an_idle_session_at_once() -> None:
    talk = Talk().ready()

    talk.session.stop()

    assert talk.session.take_output().startswith(b"421 4.3.2")
    assert talk.session.closed


# Any bytes


_WORDS = [
    *(b"EHLO x\r\n", b"MAIL FROM:<a@b.test>\r\n", b"RCPT TO:<c@d.test>\r\n", b"DATA\r\n", b"\r\n.\r\n", b"RSET\r\n"),
    *(b"BDAT 3\r\n", b"BDAT 0 LAST\r\n", b"abc", b"AUTH LOGIN\r\n", b"AUTH PLAIN AHVzZXIAcmlnaHQ=\r\n", b"*\r\n"),
    *(b"STARTTLS\r\n", b"\r", b"\n", b".", b"\0", b"\xff\r\n", b"NOOP\r\n", b"SIZE=5", b" ", b"dXNlcg==\r\n"),
]


@given(st.lists(st.one_of(st.sampled_from(_WORDS), st.binary(max_size=12)), max_size=25), st.data())
def test_any_bytes_in_any_chunking_do_not_crash_and_mean_the_same(parts: list[bytes], choose: st.DataObject) -> None:
    data = b"".join(parts)
    places = sorted(choose.draw(st.sets(st.integers(0, len(data)), max_size=6)))
    chunks = [data[a:b] for a, b in itertools.pairwise((0, *places, len(data)))]
    # STARTTLS throws away what came with it, so there the chunks do count.
    whole, cut = Talk(offer_tls=False, max_size_bytes=20), Talk(offer_tls=False, max_size_bytes=20)

    assert cut.say(*chunks) == whole.say(data)
    assert cut.messages == whole.messages
    Talk().say(*chunks)


@given(st.binary(max_size=200))
def test_any_bytes_never_become_mail_without_authentication(data: bytes) -> None:
    talk = Talk(require_auth=True).ready()

    talk.say(ENVELOPE + b"DATA\r\n" + data + b"\r\n.\r\n")

    assert talk.messages == []
