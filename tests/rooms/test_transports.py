"""The three ways out against real servers: what each answer of a server comes to."""

import datetime
import random
import ssl
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from peers.postfix import Postfix
from peers.process import free_port
from peers.require import require_peer
from peers.smtp_sink import ABILITIES, DROP, SILENCE, Reply, SmtpSink

from postroom.base.clock import ManualClock
from postroom.ledger.outcomes import Outcome, OutcomeKind
from postroom.mail.envelope import Envelope, EnvelopeRecipient, Notify
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp.abilities import Abilities
from postroom.net.smtp.client import ClientSettings, Endpoint, SmtpConnection
from postroom.net.smtp.dialogue import Credentials, SmtpTimeouts, TlsPolicy
from postroom.net.smtp.pool import PoolSettings, SmtpPool
from postroom.net.tls import ClientContexts, self_signed
from postroom.outbound.mx import MAX_DIALLED, MAX_SESSIONS, MxTransport
from postroom.outbound.sandbox import SandboxTransport
from postroom.outbound.smarthost import SmarthostTransport
from postroom.outbound.transport import Delivery, NextHop, Rendered, TransportKind, TransportResult

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
EIGHT_BIT = "Subject: x\r\n\r\nGrüße\r\n.\r\n".encode()
SEVEN_BIT = b"Subject: x\r\n\r\nGr=C3=BC=C3=9Fe\r\n.\r\n"
MAIL = Envelope("b-1@rp.example.com", (EnvelopeRecipient("ann@example.net"),))


class Flight:
    """The journal and the renderer of one delivery."""

    def __init__(self, *, allow: bool = True, refusal: SmtpReply | None = None) -> None:
        self.noted: list[str] = []
        self.rendered: list[bool] = []
        self.allow = allow
        self.refusal = refusal

    def before_final_dot(self) -> bool:
        self.noted.append("dot")
        return self.allow

    def after_reply(self, reply: SmtpReply) -> None:
        self.noted.append(str(reply.code))

    async def render(self, abilities: Abilities) -> Rendered | SmtpReply:
        self.rendered.append(abilities.eight_bit)
        if self.refusal is not None:
            return self.refusal
        content = EIGHT_BIT if abilities.eight_bit else SEVEN_BIT
        return Rendered((content[:5], content[5:]), len(content), abilities.eight_bit)


@pytest.fixture(scope="module")
def contexts() -> ClientContexts:
    return ClientContexts()


@pytest.fixture
async def pool(contexts: ClientContexts) -> AsyncIterator[SmtpPool]:
    timeouts = SmtpTimeouts(connect=10, greeting=1, command=1, data=1, block=1, final=1)
    made = SmtpPool(ClientSettings("client.test", timeouts), PoolSettings(), contexts, ManualClock())
    yield made
    await made.close()


@pytest.fixture
def direct(pool: SmtpPool) -> MxTransport:
    return MxTransport(pool, ManualClock(), random.Random(1))


def hop(*ports: int, kind: TransportKind = TransportKind.DIRECT, **changes: object) -> NextHop:
    endpoints = [Endpoint("localhost", "127.0.0.1", port) for port in ports]
    groups = tuple((replace(one, **changes),) for one in endpoints)  # type: ignore[arg-type]
    return NextHop(kind, "site", "other", groups)


async def try_once(
    transport: MxTransport | SmarthostTransport,
    next_hop: NextHop,
    flight: Flight | None = None,
    mail: Envelope = MAIL,
) -> TransportResult:
    flight = flight or Flight()
    return await transport.deliver(Delivery(next_hop, mail, flight.render, flight))


# One host


async def test_a_taken_copy_is_delivered_with_reply_next_hop_and_transcript(
    direct: MxTransport, sink: SmtpSink
) -> None:
    sink.on("DOT", "250-2.0.0 Taken as 12345\r\n250 2.0.0 with a second line")
    flight = Flight()
    outcome = (await try_once(direct, hop(sink.port), flight)).outcome
    assert outcome.kind is OutcomeKind.DELIVERED
    assert outcome.reply == SmtpReply(250, "2.0.0", "Taken as 12345\nwith a second line")
    assert outcome.next_hop == f"localhost [127.0.0.1]:{sink.port}"
    assert not outcome.site_busy
    assert flight.noted == ["dot", "250"]
    assert sink.mails[0].data == EIGHT_BIT
    assert "BODY=8BITMIME" in sink.mails[0].mail_parameters
    assert outcome.transcript.splitlines()[0].startswith("> MAIL FROM:<b-1@rp.example.com>")
    assert "Grüße" not in outcome.transcript


@pytest.mark.parametrize(
    ("verb", "reply", "kind", "busy"),
    [
        ("MAIL", "450 4.7.1 slow down", OutcomeKind.DEFERRED, True),
        ("MAIL", "550 5.7.1 not from you", OutcomeKind.FAILED, False),
        ("MAIL", "421 4.3.2 bye", OutcomeKind.DEFERRED, True),
        ("RCPT", "450 4.2.0 greylisted", OutcomeKind.DEFERRED, False),
        ("RCPT", "550 5.1.1 who?", OutcomeKind.FAILED, False),
        ("RCPT", "421 4.3.2 bye", OutcomeKind.DEFERRED, True),
        ("DATA", "451 4.3.0 later", OutcomeKind.DEFERRED, False),
        ("DATA", "554 5.6.0 no", OutcomeKind.FAILED, False),
        ("DOT", "452 4.2.2 full", OutcomeKind.DEFERRED, False),
        ("DOT", "554 5.7.1 spam", OutcomeKind.FAILED, False),
        ("DOT", "421 4.3.2 bye", OutcomeKind.DEFERRED, True),
    ],
)
@pytest.mark.parametrize("pipelining", [True, False])
async def test_a_refusal_is_the_outcome_with_the_words_of_the_server(
    direct: MxTransport, verb: str, reply: str, kind: OutcomeKind, busy: bool, pipelining: bool
) -> None:
    with SmtpSink(abilities=ABILITIES if pipelining else ABILITIES[1:]) as sink:
        sink.on(verb, reply)
        outcome = (await try_once(direct, hop(sink.port))).outcome
    assert (outcome.kind, str(outcome.reply), outcome.site_busy) == (kind, reply, busy)
    assert outcome.next_hop
    assert reply in outcome.transcript


@pytest.mark.parametrize(
    ("verb", "answer", "kind", "status"),
    [
        ("CONNECT", DROP, OutcomeKind.DEFERRED, "4.4.2"),
        ("EHLO", SILENCE, OutcomeKind.DEFERRED, "4.4.2"),
        ("MAIL", DROP, OutcomeKind.DEFERRED, "4.4.2"),
        ("RCPT", SILENCE, OutcomeKind.DEFERRED, "4.4.2"),
        ("DATA", DROP, OutcomeKind.DEFERRED, "4.4.2"),
        ("DATA", "gibberish", OutcomeKind.DEFERRED, "4.5.0"),
        ("DATA", "250 2.0.0 thanks", OutcomeKind.DEFERRED, "4.5.0"),
        ("DOT", DROP, OutcomeKind.IN_DOUBT, "4.4.2"),
        ("DOT", SILENCE, OutcomeKind.IN_DOUBT, "4.4.2"),
        ("DOT", "2nd floor", OutcomeKind.IN_DOUBT, "4.5.0"),
    ],
)
async def test_a_lost_server_is_deferred_before_the_final_dot_and_in_doubt_after_it(
    direct: MxTransport, sink: SmtpSink, verb: str, answer: Reply, kind: OutcomeKind, status: str
) -> None:
    sink.on(verb, answer)
    flight = Flight()
    outcome = (await try_once(direct, hop(sink.port), flight)).outcome
    assert (outcome.kind, outcome.reply.enhanced) == (kind, status)
    assert (flight.noted == ["dot"]) is (kind is OutcomeKind.IN_DOUBT)


async def test_a_journal_that_forbids_the_dot_gives_the_recipient_back(direct: MxTransport, sink: SmtpSink) -> None:
    outcome = (await try_once(direct, hop(sink.port), Flight(allow=False))).outcome
    assert outcome.kind is OutcomeKind.RETURNED
    assert sink.mails == []


async def test_a_stale_kept_connection_is_no_try(direct: MxTransport, sink: SmtpSink) -> None:
    await try_once(direct, hop(sink.port))
    sink.on("MAIL", "421 4.4.2 idle too long", connection=1)
    assert (await try_once(direct, hop(sink.port))).outcome.kind is OutcomeKind.DELIVERED
    sink.on("MAIL", DROP, connection=2)
    assert (await try_once(direct, hop(sink.port))).outcome.kind is OutcomeKind.DELIVERED
    assert sink.connections == 3


async def test_a_server_that_closes_at_every_mail_is_asked_twice_and_no_more(
    direct: MxTransport, sink: SmtpSink
) -> None:
    await try_once(direct, hop(sink.port))
    sink.on("MAIL", DROP)
    assert (await try_once(direct, hop(sink.port))).outcome.kind is OutcomeKind.DEFERRED
    assert sink.connections == 2


# The form of the copy


async def test_a_host_without_8bitmime_gets_the_seven_bit_form(direct: MxTransport) -> None:
    with SmtpSink(abilities=("PIPELINING",)) as sink:
        flight = Flight()
        assert (await try_once(direct, hop(sink.port), flight)).outcome.kind is OutcomeKind.DELIVERED
        assert sink.mails[0].data == SEVEN_BIT
        assert sink.mails[0].mail_parameters == ()
        assert flight.rendered == [False]


async def test_abilities_that_changed_since_the_last_session_are_heeded(direct: MxTransport, sink: SmtpSink) -> None:
    await try_once(direct, hop(sink.port))
    sink.drop_connections()
    sink.abilities = ("PIPELINING",)
    flight = Flight()
    sink.on("MAIL", "421 4.4.2 idle", connection=1)
    await try_once(direct, hop(sink.port), flight)
    assert flight.rendered == [True, False]
    assert sink.mails[-1].data == SEVEN_BIT


async def test_smtputf8_to_a_host_without_it_has_failed_with_5_6_7(direct: MxTransport) -> None:
    mail = Envelope("b-1@rp.example.com", (EnvelopeRecipient("bö@example.net"),), smtputf8=True)
    with SmtpSink(abilities=("PIPELINING", "8BITMIME")) as sink:
        outcome = (await try_once(direct, hop(sink.port), mail=mail)).outcome
        assert (outcome.kind, outcome.reply.enhanced) == (OutcomeKind.FAILED, "5.6.7")
        assert (await try_once(direct, hop(sink.port))).outcome.kind is OutcomeKind.DELIVERED
        assert sink.connections == 1
    with SmtpSink() as sink:
        assert (await try_once(direct, hop(sink.port), mail=mail)).outcome.kind is OutcomeKind.DELIVERED
        assert sink.mails[0].recipients == ("bö@example.net",)


async def test_a_copy_above_the_told_size_has_failed_without_a_try(direct: MxTransport) -> None:
    with SmtpSink(abilities=("8BITMIME", "SIZE 10")) as sink:
        outcome = (await try_once(direct, hop(sink.port))).outcome
        assert (outcome.kind, outcome.reply.enhanced) == (OutcomeKind.FAILED, "5.3.4")
        assert "MAIL" not in {line[:4] for _, line in sink.commands}


async def test_a_copy_that_cannot_be_made_for_this_host_has_failed(direct: MxTransport, sink: SmtpSink) -> None:
    refusal = SmtpReply(550, "5.6.3", "a signed part would have to change")
    outcome = (await try_once(direct, hop(sink.port), Flight(refusal=refusal))).outcome
    assert (outcome.kind, outcome.reply) == (OutcomeKind.FAILED, refusal)


async def test_a_bare_line_feed_never_leaves(direct: MxTransport, sink: SmtpSink) -> None:
    class Smuggler(Flight):
        async def render(self, abilities: Abilities) -> Rendered | SmtpReply:
            return Rendered((b"x\r\n", b"\n.\nMAIL FROM:<evil@example.net>\r\n"), 40, False)

    outcome = (await try_once(direct, hop(sink.port), Smuggler())).outcome
    assert (outcome.kind, outcome.reply.enhanced) == (OutcomeKind.FAILED, "5.6.0")
    assert sink.mails == []


async def test_an_address_that_breaks_its_command_has_failed(direct: MxTransport, sink: SmtpSink) -> None:
    mail = Envelope("", (EnvelopeRecipient("a@b.test>\r\nDATA"),))
    outcome = (await try_once(direct, hop(sink.port), mail=mail)).outcome
    assert (outcome.kind, outcome.reply.enhanced) == (OutcomeKind.FAILED, "5.1.3")


async def test_dsn_parameters_pass_where_they_are_offered(direct: MxTransport, sink: SmtpSink) -> None:
    recipient = EnvelopeRecipient("ann@example.net", Notify.NEVER, "rfc822;ann@example.net")
    mail = Envelope("", (recipient,), ret="HDRS", envid="abc")
    await try_once(direct, hop(sink.port), mail=mail)
    assert {"RET=HDRS", "ENVID=abc"} <= set(sink.mails[0].mail_parameters)
    assert sink.mails[0].recipient_parameters == (("NOTIFY=NEVER", "ORCPT=rfc822;ann@example.net"),)
    with SmtpSink(abilities=("8BITMIME",)) as plain:
        await try_once(direct, hop(plain.port), mail=mail)
        assert plain.mails[0].recipient_parameters == ((),)


# Several hosts


async def test_a_host_that_is_down_is_passed_over(direct: MxTransport, sink: SmtpSink) -> None:
    outcome = (await try_once(direct, hop(free_port(), sink.port))).outcome
    assert outcome.kind is OutcomeKind.DELIVERED


@pytest.mark.parametrize(("verb", "reply"), [("CONNECT", "554 no service"), ("CONNECT", "421 busy"), ("EHLO", "421 x")])
async def test_a_host_that_refuses_the_session_is_passed_over(
    direct: MxTransport, sink: SmtpSink, verb: str, reply: str
) -> None:
    with SmtpSink() as first:
        first.on(verb, reply)
        outcome = (await try_once(direct, hop(first.port, sink.port))).outcome
        assert outcome.kind is OutcomeKind.DELIVERED
        assert sink.accepted == 1


async def test_when_every_host_is_down_the_mail_is_deferred_and_the_site_needs_a_pause(direct: MxTransport) -> None:
    outcome = (await try_once(direct, hop(*(free_port() for _ in range(MAX_DIALLED + 2))))).outcome
    assert (outcome.kind, outcome.reply.enhanced, outcome.site_busy) == (OutcomeKind.DEFERRED, "4.4.1", True)
    assert outcome.next_hop == ""


async def test_when_every_host_refuses_the_session_its_words_are_kept_and_the_mail_is_deferred(
    direct: MxTransport, sink: SmtpSink
) -> None:
    """A 5yz greeting is about us: the operator can mend it while the mail waits."""
    sink.on("CONNECT", "554 5.7.1 You are on a list")
    outcome = (await try_once(direct, hop(free_port(), *[sink.port] * 5))).outcome
    assert (outcome.kind, outcome.site_busy) == (OutcomeKind.DEFERRED, True)
    assert str(outcome.reply) == "554 5.7.1 You are on a list"
    assert sink.connections == MAX_SESSIONS


async def test_the_word_of_a_host_that_took_mail_counts(direct: MxTransport, sink: SmtpSink) -> None:
    with SmtpSink() as first:
        first.on("RCPT", "550 5.1.1 who?")
        outcome = (await try_once(direct, hop(first.port, sink.port))).outcome
    assert outcome.kind is OutcomeKind.FAILED
    assert sink.connections == 0


async def test_among_equal_hosts_one_with_a_kept_connection_is_first(direct: MxTransport, sink: SmtpSink) -> None:
    with SmtpSink() as other:
        equals = tuple(Endpoint("localhost", "127.0.0.1", port) for port in (sink.port, other.port))
        for _ in range(8):
            await try_once(direct, NextHop(TransportKind.DIRECT, "site", "other", (equals,)))
        assert sorted([sink.connections, other.connections]) == [0, 1]


async def test_waiting_in_vain_for_one_of_our_own_connections_is_no_try(
    contexts: ClientContexts, sink: SmtpSink
) -> None:
    settings = PoolSettings(max_connections=1, wait_seconds=0.05)
    pool = SmtpPool(ClientSettings("client.test"), settings, contexts, ManualClock())
    held = await pool.acquire(hop(sink.port).groups[0][0])
    assert isinstance(held, SmtpConnection)
    outcome = (await try_once(MxTransport(pool, ManualClock(), random.Random(1)), hop(sink.port))).outcome
    assert (outcome.kind, outcome.site_busy) == (OutcomeKind.RETURNED, False)
    pool.release(held)
    await pool.close()


async def test_a_next_hop_without_hosts_is_deferred(direct: MxTransport) -> None:
    assert (await try_once(direct, hop())).outcome.kind is OutcomeKind.DEFERRED


# Smarthost


@pytest.fixture
def smarthost(pool: SmtpPool) -> SmarthostTransport:
    return SmarthostTransport(pool, ManualClock())


async def test_a_smarthost_that_refuses_the_login_leaves_the_mail_waiting(smarthost: SmarthostTransport) -> None:
    with SmtpSink(users={"ann": "right"}) as sink:
        wrong = hop(sink.port, kind=TransportKind.SMARTHOST, credentials=Credentials("ann", "wr0ng"))
        outcome = (await try_once(smarthost, wrong)).outcome
        assert (outcome.kind, outcome.site_busy) == (OutcomeKind.DEFERRED, True)
        assert outcome.reply.code == 535
        assert "wr0ng" not in outcome.transcript
        right = hop(sink.port, kind=TransportKind.SMARTHOST, credentials=Credentials("ann", "right"))
        assert (await try_once(smarthost, right)).outcome.kind is OutcomeKind.DELIVERED
        assert sink.mails[0].login == "ann"


async def test_a_smarthost_that_must_have_tls_and_has_none_leaves_the_mail_waiting(
    smarthost: SmarthostTransport, sink: SmtpSink
) -> None:
    outcome = (await try_once(smarthost, hop(sink.port, tls=TlsPolicy.VERIFY))).outcome
    assert (outcome.kind, outcome.reply.enhanced) == (OutcomeKind.DEFERRED, "4.7.4")
    assert sink.mails == []


async def test_the_outcome_names_version_and_cipher_of_tls(smarthost: SmarthostTransport) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    with SmtpSink(tls=context) as sink:
        outcome = (await try_once(smarthost, hop(sink.port))).outcome
        assert outcome.tls.startswith("TLSv1.3 TLS_")
        assert sink.mails[0].tls


@pytest.fixture
def postfix(sink: SmtpSink, tmp_path: Path) -> Iterator[Postfix]:
    require_peer("postfix")
    cert, key = self_signed(tmp_path, "postfix.test", NOW)
    with Postfix(relayhost=f"127.0.0.1:{sink.port}", users={"ann": "s3cret"}, certificate=(cert, key)) as server:
        yield server


@pytest.mark.peers
async def test_a_real_postfix_relays_our_mail_after_starttls_and_login(
    smarthost: SmarthostTransport, postfix: Postfix, sink: SmtpSink
) -> None:
    next_hop = hop(
        postfix.port, kind=TransportKind.SMARTHOST, tls=TlsPolicy.REQUIRED, credentials=Credentials("ann", "s3cret")
    )
    outcomes: list[Outcome] = [(await try_once(smarthost, next_hop)).outcome for _ in range(3)]
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.DELIVERED] * 3, outcomes
    assert outcomes[0].tls.startswith("TLSv1.")
    assert "queued as" in outcomes[0].reply.text
    sink.wait_for(3)
    assert all(mail.data.endswith(EIGHT_BIT.partition(b"\r\n\r\n")[2]) for mail in sink.mails)


# Sandbox


async def test_the_sandbox_keeps_the_copy_and_opens_no_connection() -> None:
    flight = Flight()
    next_hop = NextHop(TransportKind.SANDBOX, "sandbox")
    result = await SandboxTransport().deliver(Delivery(next_hop, MAIL, flight.render, flight))
    assert result.outcome.kind is OutcomeKind.DELIVERED
    assert result.kept is not None
    assert zlib.decompress(result.kept) == EIGHT_BIT
    assert flight.noted == []


async def test_the_sandbox_fails_what_cannot_be_made() -> None:
    refusal = SmtpReply(550, "5.6.3", "no")
    flight = Flight(refusal=refusal)
    next_hop = NextHop(TransportKind.SANDBOX, "sandbox")
    result = await SandboxTransport().deliver(Delivery(next_hop, MAIL, flight.render, flight))
    assert (result.outcome.kind, result.kept) == (OutcomeKind.FAILED, None)
