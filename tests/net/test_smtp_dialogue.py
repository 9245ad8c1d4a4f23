"""Sessions and transactions of the client, with the test as server and no socket."""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_examples
from hypothesis import strategies as st

from postroom.mail.envelope import BodyType, Envelope, EnvelopeRecipient, Notify
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp.abilities import HELO_ONLY, Abilities
from postroom.net.smtp.dialogue import (
    TRANSCRIPT_LENGTH,
    Answers,
    Credentials,
    Exchange,
    Phase,
    Procedure,
    Refused,
    SessionSettings,
    SmtpTimeouts,
    StartTls,
    Step,
    T,
    TlsPolicy,
    Trouble,
    TroubleKind,
    Write,
    open_session,
)
from postroom.net.smtp.transaction import WHOLE_BYTES, After, CannotSay, Sent, mail_line, rcpt_line, transaction

LOST = Trouble(TroubleKind.CLOSED, "the connection was closed by the server")
ALL = Abilities(pipelining=True, eight_bit=True, smtputf8=True, dsn=True, size=0)
PLAIN = replace(ALL, pipelining=False)


class Server:
    """Answers steps from a list; an answer is a reply's text, several for one step, or a trouble."""

    def __init__(self, *answers: "str | list[str] | Trouble") -> None:
        self.answers = list(answers)
        self.heard: list[Step] = []

    def play(self, procedure: Procedure[T]) -> T:
        try:
            step = next(procedure)
            while True:
                self.heard.append(step)
                step = procedure.send(self.answer(step))
        except StopIteration as stop:
            value: T = stop.value
            return value

    def answer(self, step: Step) -> Answers:
        if isinstance(step, Write):
            return Answers([])
        given_ = self.answers.pop(0) if self.answers else LOST
        if isinstance(given_, Trouble):
            return Answers([], given_)
        replies = [reply(text) for text in ([given_] if isinstance(given_, str) else given_)]
        short = isinstance(step, Exchange) and len(replies) < step.replies
        return Answers(replies, LOST if short else None)

    @property
    def lines(self) -> list[str]:
        data = b"".join(step.data for step in self.heard if isinstance(step, Exchange | Write))
        return data.decode().split("\r\n")[:-1]


class Journal:
    """Allows the final dot unless told otherwise, and notes the order of things."""

    def __init__(self, server: Server | None = None, *, allow: bool = True) -> None:
        self.noted: list[str] = []
        self.allow = allow
        self.server = server

    def before_final_dot(self) -> bool:
        self.noted.append("dot")
        if self.server is not None:
            assert not any(step.data.endswith(b".\r\n") for step in self.server.heard if isinstance(step, Exchange))
        return self.allow

    def after_reply(self, reply: SmtpReply) -> None:
        self.noted.append(str(reply.code))


def reply(text: str) -> SmtpReply:
    code, _, rest = text.partition(" ")
    return SmtpReply(int(code), "", rest)


def settings(**changes: object) -> SessionSettings:
    return replace(SessionSettings("client.example.com", TlsPolicy.OPPORTUNISTIC), **changes)  # type: ignore[arg-type]


def opened(server: Server, **changes: object) -> Abilities | Refused:
    return server.play(open_session(settings(**changes)))


# Opening a session


def test_a_session_is_greeting_and_ehlo() -> None:
    server = Server("220 hi", "250 mx\nPIPELINING")
    assert opened(server) == Abilities(pipelining=True)
    assert server.lines == ["EHLO client.example.com"]


def test_a_server_without_ehlo_is_greeted_with_helo() -> None:
    server = Server("220 hi", "502 what?", "250 mx")
    assert opened(server) == HELO_ONLY
    assert server.lines == ["EHLO client.example.com", "HELO client.example.com"]


@pytest.mark.parametrize("greeting", ["554 no", "421 busy", "250 hi", "354 hi"])
def test_only_a_220_is_a_greeting(greeting: str) -> None:
    refused = opened(Server(greeting))
    assert isinstance(refused, Refused)
    assert (refused.phase, refused.reply) == (Phase.GREETING, reply(greeting))


def test_a_transient_refusal_of_ehlo_is_not_answered_with_helo() -> None:
    server = Server("220 hi", "450 later")
    refused = opened(server)
    assert isinstance(refused, Refused)
    assert refused.phase is Phase.EHLO
    assert len(server.lines) == 1


def test_offered_starttls_is_used_and_everything_is_asked_again() -> None:
    server = Server("220 hi", "250 mx\nSTARTTLS\nSIZE 5", "220 go", [], "250 mx\nDSN")
    assert opened(server) == Abilities(dsn=True)
    assert [type(step) for step in server.heard] == [Exchange, Exchange, Exchange, StartTls, Exchange]


@pytest.mark.parametrize("answer", ["454 no key", "502 not today"])
def test_a_refused_starttls_goes_on_in_clear_only_where_tls_is_optional(answer: str) -> None:
    assert opened(Server("220 hi", "250 mx\nSTARTTLS", answer)) == Abilities(starttls=True)
    refused = opened(Server("220 hi", "250 mx\nSTARTTLS", answer), tls=TlsPolicy.REQUIRED)
    assert isinstance(refused, Refused)
    assert refused.reply == reply(answer)


@pytest.mark.parametrize("policy", [TlsPolicy.REQUIRED, TlsPolicy.VERIFY])
def test_required_tls_that_is_not_offered_ends_the_session(policy: TlsPolicy) -> None:
    refused = opened(Server("220 hi", "250 mx\nDSN"), tls=policy)
    assert isinstance(refused, Refused)
    assert refused.trouble is not None
    assert refused.trouble.kind is TroubleKind.POLICY


def test_policy_none_does_not_ask_for_tls() -> None:
    server = Server("220 hi", "250 mx\nSTARTTLS")
    assert opened(server, tls=TlsPolicy.NONE) == Abilities(starttls=True)


def test_a_failed_handshake_is_a_trouble_of_tls() -> None:
    refused = opened(Server("220 hi", "250 mx\nSTARTTLS", "220 go", Trouble(TroubleKind.TLS, "bad record")))
    assert isinstance(refused, Refused)
    assert (refused.phase, refused.trouble) == (Phase.STARTTLS, Trouble(TroubleKind.TLS, "bad record"))


LOGIN = Credentials("ann", "se cret")


@pytest.mark.parametrize(
    ("offer", "answers", "lines"),
    [
        ("AUTH LOGIN PLAIN", ["235 ok"], ["AUTH PLAIN AGFubgBzZSBjcmV0"]),
        ("AUTH LOGIN", ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 ok"], ["AUTH LOGIN", "YW5u", "c2UgY3JldA=="]),
    ],
)
def test_a_login_uses_plain_before_login(offer: str, answers: list[str], lines: list[str]) -> None:
    server = Server("220 hi", f"250 mx\n{offer}", *answers)
    assert isinstance(opened(server, implicit_tls=True, credentials=LOGIN), Abilities)
    assert server.lines[1:] == lines


TOKEN = Credentials("ann@example.com", "to.ken", is_token=True)


@pytest.mark.parametrize(
    ("offer", "line"),
    [
        (
            "OAUTHBEARER XOAUTH2 PLAIN",
            b"AUTH XOAUTH2 " + b64encode(b"user=ann@example.com\x01auth=Bearer to.ken\x01\x01"),
        ),
        ("OAUTHBEARER", b"AUTH OAUTHBEARER " + b64encode(b"n,a=ann@example.com,\x01auth=Bearer to.ken\x01\x01")),
    ],
)
def test_an_access_token_goes_by_xoauth2_or_oauthbearer(offer: str, line: bytes) -> None:
    server = Server("220 hi", f"250 mx\nAUTH {offer}", "235 ok")
    assert isinstance(opened(server, implicit_tls=True, credentials=TOKEN), Abilities)
    assert server.lines[1:] == [line.decode()]


@pytest.mark.parametrize(("offer", "answer"), [("XOAUTH2", ""), ("OAUTHBEARER", "AQ==")])
def test_a_refused_access_token_is_heard_to_the_end(offer: str, answer: str) -> None:
    server = Server("220 hi", f"250 mx\nAUTH {offer}", "334 eyJzdGF0dXMiOiI0MDEifQ==", "535 5.7.8 no")
    refused = opened(server, implicit_tls=True, credentials=TOKEN)
    assert isinstance(refused, Refused)
    assert refused.reply is not None
    assert refused.reply.code == 535
    assert server.lines[2:] == [answer]
    assert "to.ken" not in refused.transcript
    assert b64encode(b"to.ken").decode()[:6] not in refused.transcript


def test_an_access_token_is_not_sent_as_a_password() -> None:
    refused = opened(Server("220 hi", "250 mx\nAUTH PLAIN LOGIN"), implicit_tls=True, credentials=TOKEN)
    assert isinstance(refused, Refused)
    assert refused.trouble is not None
    assert "XOAUTH2" in refused.trouble.text


def test_a_refused_login_ends_the_session_and_its_transcript_hides_the_password() -> None:
    refused = opened(Server("220 hi", "250 mx\nAUTH PLAIN", "535 wrong"), implicit_tls=True, credentials=LOGIN)
    assert isinstance(refused, Refused)
    assert (refused.phase, refused.reply) == (Phase.AUTH, reply("535 wrong"))
    assert "AUTH PLAIN ***" in refused.transcript
    assert "AGFub" not in refused.transcript
    assert "se cret" not in repr(settings(credentials=LOGIN))


def test_a_password_is_not_sent_in_clear() -> None:
    server = Server("220 hi", "250 mx\nAUTH PLAIN LOGIN")
    refused = opened(server, credentials=LOGIN)
    assert isinstance(refused, Refused)
    assert refused.phase is Phase.AUTH
    assert server.lines == ["EHLO client.example.com"]
    assert isinstance(
        opened(Server("220 hi", "250 mx\nAUTH PLAIN", "235 ok"), credentials=LOGIN, clear_password=True), Abilities
    )


def test_a_server_without_a_mechanism_that_we_speak_is_a_trouble_of_policy() -> None:
    refused = opened(Server("220 hi", "250 mx\nAUTH GSSAPI"), implicit_tls=True, credentials=LOGIN)
    assert isinstance(refused, Refused)
    assert refused.trouble is not None
    assert refused.trouble.kind is TroubleKind.POLICY


@pytest.mark.parametrize("count", range(6))
def test_a_server_that_closes_at_any_point_of_the_opening_is_a_refusal(count: int) -> None:
    answers = ["220 hi", "250 mx\nSTARTTLS", "220 go", [], "250 mx\nAUTH PLAIN", "235 ok"][:count]
    refused = opened(Server(*answers, LOST), credentials=LOGIN)
    assert isinstance(refused, Refused)
    assert refused.trouble == LOST


def test_a_transcript_is_bounded() -> None:
    refused = opened(Server("220 hi", "250 mx\n" + "x" * 100_000, "554 " + "y" * 100_000), tls=TlsPolicy.REQUIRED)
    assert isinstance(refused, Refused)
    assert len(refused.transcript) <= TRANSCRIPT_LENGTH


# One transaction


def envelope(*addresses: str, reverse_path: str = "b-1@rp.example.com") -> Envelope:
    return Envelope(reverse_path, tuple(map(EnvelopeRecipient, addresses or ("ann@example.net",))))


def sent(
    server: Server,
    journal: Journal | None = None,
    *,
    abilities: Abilities = ALL,
    mail: Envelope | None = None,
    pieces: Iterable[bytes] = (b"Subject: x\r\n\r\n", b".dot\r\n"),
    size: int = 20,
    reset_first: bool = False,
) -> Sent:
    made = transaction(
        mail or envelope(), pieces, size, abilities, journal or Journal(server), SmtpTimeouts(), reset_first=reset_first
    )
    return server.play(made)


def test_with_pipelining_a_mail_takes_two_writes() -> None:
    server = Server(["250 ok", "250 ok", "354 go"], "250 taken")
    journal = Journal(server)
    result = sent(server, journal)
    assert result.recipients == ((Phase.FINAL_DOT, reply("250 taken")),)
    assert result.after is After.CLEAN
    assert len(server.heard) == 2
    assert journal.noted == ["dot", "250"]
    assert server.lines == [
        "MAIL FROM:<b-1@rp.example.com> SIZE=20",
        "RCPT TO:<ann@example.net>",
        "DATA",
        "Subject: x",
        "",
        "..dot",
        ".",
    ]


def test_without_pipelining_every_command_waits_for_its_reply() -> None:
    server = Server("250 ok", "250 ok", "354 go", "250 taken")
    assert sent(server, abilities=PLAIN).recipients[0].reply == reply("250 taken")
    assert [step.replies for step in server.heard if isinstance(step, Exchange)] == [1, 1, 1, 1]


@pytest.mark.parametrize("abilities", [ALL, PLAIN])
def test_a_refused_recipient_does_not_stop_the_others(abilities: Abilities) -> None:
    answers = ["250 ok", "550 who?", "250 ok", "354 go"]
    server = Server(answers, "250 taken") if abilities.pipelining else Server(*answers, "250 taken")
    result = sent(server, abilities=abilities, mail=envelope("a@x.net", "b@x.net"))
    assert result.recipients == ((Phase.RCPT, reply("550 who?")), (Phase.FINAL_DOT, reply("250 taken")))
    assert result.after is After.CLEAN
    assert "b@x.net" not in result.transcript(0)
    assert "550 who?" in result.transcript(0)
    assert "250 taken" in result.transcript(1)


def test_when_all_recipients_are_refused_no_content_is_sent() -> None:
    server = Server(["250 ok", "550 who?", "503 no recipients"])
    journal = Journal()
    result = sent(server, journal)
    assert result.recipients == ((Phase.RCPT, reply("550 who?")),)
    assert result.after is After.DIRTY
    assert journal.noted == []


def test_a_354_with_no_recipient_left_is_answered_by_a_lone_dot() -> None:
    server = Server(["250 ok", "550 who?", "354 go"], "554 no recipients")
    journal = Journal()
    result = sent(server, journal)
    assert server.lines[-1] == "."
    assert result.recipients == ((Phase.RCPT, reply("550 who?")),)
    assert result.after is After.CLEAN
    assert journal.noted == []


def test_a_lone_dot_is_never_sent_where_it_would_be_an_empty_mail() -> None:
    server = Server(["550 no mail", "250 ok", "354 go"])
    result = sent(server)
    assert len(server.heard) == 1
    assert result.after is After.BROKEN


@pytest.mark.parametrize("abilities", [ALL, PLAIN])
def test_a_refused_mail_is_the_answer_for_every_recipient(abilities: Abilities) -> None:
    answers = ["550 not from you", "503 x", "503 x", "503 x"]
    server = Server(answers) if abilities.pipelining else Server(answers[0])
    result = sent(server, abilities=abilities, mail=envelope("a@x.net", "b@x.net"))
    assert result.recipients == ((Phase.MAIL, reply("550 not from you")),) * 2
    assert result.after is After.DIRTY


def test_a_refused_data_is_the_answer_for_the_accepted_recipients() -> None:
    server = Server(["250 ok", "250 ok", "550 who?", "451 later"])
    result = sent(server, mail=envelope("a@x.net", "b@x.net"))
    assert result.recipients == ((Phase.DATA, reply("451 later")), (Phase.RCPT, reply("550 who?")))


def test_a_2yz_to_data_leaves_nothing_usable() -> None:
    result = sent(Server(["250 ok", "250 ok", "250 ok"]))
    assert result.recipients[0].phase is Phase.DATA
    assert result.after is After.BROKEN


@pytest.mark.parametrize("answer", ["550 spam", "451 later", "452 full"])
def test_a_refusal_after_the_final_dot_is_the_answer(answer: str) -> None:
    result = sent(Server(["250 ok", "250 ok", "354 go"], answer))
    assert result.recipients == ((Phase.FINAL_DOT, reply(answer)),)
    assert result.after is After.CLEAN


@pytest.mark.parametrize("answer", [LOST, "354 go on", "300 hm"])
def test_no_verdict_after_the_final_dot_is_told_as_such(answer: str | Trouble) -> None:
    server = Server(["250 ok", "250 ok", "354 go"], answer)
    journal = Journal()
    result = sent(server, journal)
    assert result.recipients == ((Phase.FINAL_DOT, None),)
    assert result.trouble is not None
    assert result.after is After.BROKEN
    assert journal.noted == ["dot"]


@pytest.mark.parametrize("replies", [[], ["250 ok"], ["250 ok", "250 ok"], ["250 ok", "550 who?"]])
def test_a_connection_lost_before_the_content_is_safe_to_repeat(replies: list[str]) -> None:
    journal = Journal()
    result = sent(Server(replies), journal)
    assert result.recipients[0].phase is not Phase.FINAL_DOT
    assert result.after is After.BROKEN
    assert journal.noted == []
    assert result.heard is bool(replies)


@pytest.mark.parametrize("reset_first", [False, True])
@pytest.mark.parametrize("abilities", [ALL, PLAIN])
def test_a_421_at_the_first_command_means_that_the_session_was_over(abilities: Abilities, reset_first: bool) -> None:
    server = Server(["421 idle too long"])
    result = sent(server, abilities=abilities, reset_first=reset_first)
    assert not result.heard
    assert result.after is After.BROKEN


def test_after_a_421_to_rset_the_answers_that_follow_belong_to_nobody() -> None:
    server = Server(["421 bye", "250 ok", "250 ok", "354 go"])
    result = sent(server, reset_first=True)
    assert result.recipients == ((Phase.MAIL, reply("421 bye")),)
    assert (result.heard, result.after) == (False, After.BROKEN)
    assert len(server.heard) == 1


def test_a_421_at_a_recipient_is_its_answer_and_ends_the_session() -> None:
    result = sent(Server(["250 ok", "421 bye"]))
    assert result.recipients == ((Phase.RCPT, reply("421 bye")),)
    assert result.heard
    assert result.after is After.BROKEN


@pytest.mark.parametrize("abilities", [ALL, PLAIN])
def test_after_a_refused_transaction_rset_comes_first(abilities: Abilities) -> None:
    answers = ["250 reset", "250 ok", "250 ok", "354 go"]
    server = Server(answers, "250 taken") if abilities.pipelining else Server(*answers, "250 taken")
    result = sent(server, abilities=abilities, reset_first=True)
    assert server.lines[:2] == ["RSET", "MAIL FROM:<b-1@rp.example.com> SIZE=20"]
    assert result.recipients[0].reply == reply("250 taken")


def test_a_journal_that_forbids_the_dot_leaves_the_mail_unsent() -> None:
    server = Server(["250 ok", "250 ok", "354 go"])
    result = sent(server, Journal(allow=False))
    assert result.forbidden
    assert result.recipients == ((Phase.CONTENT, None),)
    assert result.after is After.BROKEN
    assert server.lines[-1] == "DATA"


def test_large_content_is_written_in_blocks_and_the_journal_asked_before_the_dot_alone() -> None:
    pieces = [b"x" * 998 + b"\r\n"] * 400
    server = Server(["250 ok", "250 ok", "354 go"], "250 taken")
    result = sent(server, pieces=pieces, size=400_000)
    writes = [step for step in server.heard if isinstance(step, Write)]
    assert WHOLE_BYTES < 400_000
    assert len(writes) > 3
    assert b"".join(step.data for step in writes) == b"".join(pieces)
    assert server.heard[-1] == Exchange(b".\r\n", 1, SmtpTimeouts().final)
    assert result.recipients[0].reply == reply("250 taken")


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (Answers([reply("552 too big")]), reply("552 too big")),
        (Answers([reply("250 taken")]), None),
        (Answers([], LOST), None),
    ],
)
def test_a_verdict_during_large_content_breaks_it_off_without_the_dot(
    answers: Answers, expected: SmtpReply | None
) -> None:
    class Early(Server):
        def answer(self, step: Step) -> Answers:
            return answers if isinstance(step, Write) else super().answer(step)

    server, journal = Early(["250 ok", "250 ok", "354 go"]), Journal()
    result = sent(server, journal, pieces=[b"x" * 998 + b"\r\n"] * 400, size=400_000)
    assert result.recipients == ((Phase.CONTENT, expected),)
    assert result.trouble is not None or expected is not None
    assert result.after is After.BROKEN
    assert journal.noted == []


# What a command says


def test_parameters_are_said_only_where_they_are_offered() -> None:
    mail = Envelope(
        "ann@example.net",
        (EnvelopeRecipient("bö@example.net", Notify.SUCCESS | Notify.DELAY, "rfc822;bob+40example.net"),),
        BodyType.EIGHT_BIT,
        smtputf8=True,
        ret="HDRS",
        envid="QQ314159",
    )
    assert mail_line(mail, 7, ALL) == (
        b"MAIL FROM:<ann@example.net> SIZE=7 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ314159"
    )
    assert rcpt_line(mail.recipients[0], mail, ALL) == (
        "RCPT TO:<bö@example.net> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;bob+40example.net".encode()
    )
    assert mail_line(replace(mail, smtputf8=False), 7, HELO_ONLY) == b"MAIL FROM:<ann@example.net>"


def test_notify_never_stands_alone() -> None:
    recipient = EnvelopeRecipient("ann@example.net", Notify.NEVER)
    assert rcpt_line(recipient, envelope(), ALL) == b"RCPT TO:<ann@example.net> NOTIFY=NEVER"


def test_the_null_reverse_path_is_two_brackets() -> None:
    assert mail_line(envelope(reverse_path=""), 1, HELO_ONLY) == b"MAIL FROM:<>"


@pytest.mark.parametrize("address", ["a@b\r\nRCPT TO:<c@d>", "a@b\n", "a\0@b", "a@b> SIZE=1", "a\x7f@b"])
def test_an_address_never_ends_the_command_that_it_stands_in(address: str) -> None:
    server = Server()
    with pytest.raises(CannotSay) as caught:
        sent(server, mail=envelope(address))
    assert caught.value.reply.is_permanent
    assert server.heard == []


def test_a_local_part_in_utf8_fails_where_smtputf8_is_not_offered() -> None:
    mail = replace(envelope("bö@example.net"), smtputf8=True)
    with pytest.raises(CannotSay) as caught:
        sent(Server(), mail=mail, abilities=replace(ALL, smtputf8=False))
    assert caught.value.reply.enhanced == "5.6.7"


codes = st.sampled_from(["250", "251", "354", "300", "421", "450", "451", "550", "554", "220", "500"])


@given(
    st.booleans(),
    st.booleans(),
    st.lists(st.one_of(st.lists(codes, max_size=5), st.just(LOST)), max_size=8),
    st.integers(1, 3),
)
@settings_of_examples(max_examples=300)
def test_whatever_a_server_answers_success_is_only_a_2yz_after_the_dot(
    pipelining: bool, reset_first: bool, script: list[list[str] | Trouble], count: int
) -> None:
    class Any(Server):
        def answer(self, step: Step) -> Answers:
            answers = super().answer(step)
            wanted = step.replies if isinstance(step, Exchange) else 1
            taken = answers.replies[:wanted]
            return Answers(taken, None if len(taken) == wanted else answers.trouble or LOST)

    server = Any(*script)
    journal = Journal()
    mail = envelope(*(f"{number}@x.net" for number in range(count)))
    result = sent(server, journal, abilities=ALL if pipelining else PLAIN, mail=mail, reset_first=reset_first)
    assert len(server.heard) <= 4 + count
    assert len(result.recipients) == count
    for phase, answer in result.recipients:
        if phase is Phase.FINAL_DOT:
            assert journal.noted[0] == "dot"
            assert answer is None or answer.code < 300 or answer.code >= 400
        else:
            assert answer is None or not (phase is Phase.RCPT and answer.is_success and answer.code < 300)
    assert (len(journal.noted) == 2) is any(
        phase is Phase.FINAL_DOT and answer is not None for phase, answer in result.recipients
    )
