"""The client on real sockets, with servers that behave and servers that do not."""

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop
from aiosmtpd.controller import UnthreadedController
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from peers.process import free_port, listens, wait_until
from peers.smtp_sink import DROP, SmtpSink

from postroom.mail.envelope import BodyType, Envelope, EnvelopeRecipient
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp.client import ClientSettings, Endpoint, SmtpConnection, connect
from postroom.net.smtp.dialogue import Credentials, Phase, Refused, SmtpTimeouts, TlsPolicy, TroubleKind
from postroom.net.smtp.transaction import After, Sent
from postroom.net.tls import ClientContexts

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[[Handler], Awaitable[int]]

QUICK = ClientSettings("client.test", SmtpTimeouts(*[0.3] * 6))
PATIENT = ClientSettings("client.test", SmtpTimeouts(*[20.0] * 6))
MAIL = Envelope("b-1@rp.example.com", (EnvelopeRecipient("ann@example.net"),))
CONTENT = b"Subject: x\r\n\r\n.dot\r\nlast\r\n"


class Journal:
    """Notes what was told."""

    def __init__(self) -> None:
        self.noted: list[str] = []
        self.dotted = asyncio.Event()

    def before_final_dot(self) -> bool:
        self.noted.append("dot")
        self.dotted.set()
        return True

    def after_reply(self, reply: SmtpReply) -> None:
        self.noted.append(str(reply.code))


@pytest.fixture(scope="module")
def contexts() -> ClientContexts:
    return ClientContexts()


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Serve]:
    """Starts servers of a test's own and returns their ports."""
    servers: list[asyncio.Server] = []
    tasks: set[asyncio.Task[None]] = set()

    async def start(handler: Handler) -> int:
        async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                await handler(reader, writer)
            except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
                tasks.discard(task)

        server = await asyncio.start_server(guarded, "127.0.0.1", 0)
        servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    yield start
    for server in servers:
        server.close()
    for task in list(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    async with serving() as start:
        yield start


def says(*answers: bytes | None) -> Handler:
    """Say each answer after one line was read (the first at once); None closes; the end stays silent."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, answer in enumerate(answers):
            if number:
                await reader.readuntil(b"\n")
            if answer is None:
                return
            writer.write(answer)
            await writer.drain()
        while await reader.read(65536):
            pass

    return handler


def script(final: bytes | None, *, data: bytes = b"354 go\r\n", early: bytes = b"") -> Handler:
    """A server without PIPELINING that takes a mail up to its final dot and says `final` (None closes)."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        for answer in (b"250 mx\r\n", b"250 ok\r\n", b"250 ok\r\n", data + early):
            await reader.readuntil(b"\n")
            writer.write(answer)
        await reader.readuntil(b"\r\n.\r\n")
        if final is not None:
            writer.write(final)
            await reader.read()

    return handler


def at(port: int, **changes: Any) -> Endpoint:
    return Endpoint(changes.pop("host", "localhost"), "127.0.0.1", port, **changes)


async def connected(endpoint: Endpoint, contexts: ClientContexts, settings: ClientSettings = PATIENT) -> SmtpConnection:
    connection = await connect(endpoint, settings, contexts)
    assert isinstance(connection, SmtpConnection), connection
    return connection


async def refused(endpoint: Endpoint, contexts: ClientContexts, settings: ClientSettings = PATIENT) -> Refused:
    connection = await connect(endpoint, settings, contexts)
    assert isinstance(connection, Refused)
    return connection


async def send(connection: SmtpConnection, content: bytes = CONTENT, journal: Journal | None = None) -> Sent:
    try:
        return await connection.send(MAIL, [content], len(content), journal or Journal())
    finally:
        connection.quit()
        await connection.wait_closed()


# Servers that behave


async def test_mails_follow_one_another_on_one_connection(contexts: ClientContexts, sink: SmtpSink) -> None:
    connection = await connected(at(sink.port), contexts)
    for _ in range(3):
        result = await connection.send(MAIL, [CONTENT[:5], CONTENT[5:]], len(CONTENT), Journal())
        assert result.recipients[0].reply == SmtpReply(250, "2.0.0", "Taken")
        assert connection.usable
    connection.quit()
    await connection.wait_closed()
    assert [(mail.data, mail.connection, mail.helo) for mail in sink.mails] == [(CONTENT, 1, "client.test")] * 3
    assert "RSET" not in [line for _, line in sink.commands]


async def test_a_mail_with_a_refused_recipient_leaves_the_connection_good_for_the_next(
    contexts: ClientContexts, sink: SmtpSink
) -> None:
    sink.on("RCPT", "550 5.1.1 No such user", recipient="ann@example.net", times=1)
    connection = await connected(at(sink.port), contexts)
    first = await connection.send(MAIL, [CONTENT], len(CONTENT), Journal())
    assert first.recipients == ((Phase.RCPT, SmtpReply(550, "5.1.1", "No such user")),)
    second = await send(connection)
    assert second.recipients[0].reply == SmtpReply(250, "2.0.0", "Taken")
    assert sink.connections == 1


async def test_aiosmtpd_takes_a_large_mail_with_dots(contexts: ClientContexts) -> None:
    taken: list[bytes] = []

    class Taker:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
            taken.append(envelope.original_content)
            return "250 taken"

    loop = asyncio.get_running_loop()
    controller = UnthreadedController(Taker(), hostname="127.0.0.1", port=0, loop=loop)
    server = await loop.create_server(controller._factory_invoker, "127.0.0.1", 0)
    content = b"".join(b"." * (number % 3) + b"line %d\r\n" % number for number in range(60_000))
    connection = await connected(at(server.sockets[0].getsockname()[1]), contexts)
    result = await send(connection, content)
    assert result.recipients[0].reply == SmtpReply(250, "", "taken")
    assert taken == [content]
    server.close()


@pytest.fixture
def postfix_sink() -> Iterator[int]:
    """The port of Debian's smtp-sink, which Postfix uses to measure itself."""
    program = shutil.which("smtp-sink") or "/usr/sbin/smtp-sink"
    if not Path(program).exists():
        pytest.skip("smtp-sink (Debian's postfix) is not installed")
    port = free_port()
    process = subprocess.Popen([program, "-u", "nobody", f"127.0.0.1:{port}", "100"])
    try:
        wait_until(lambda: listens(port), "smtp-sink listens")
        yield port
    finally:
        process.terminate()
        process.wait()


@pytest.mark.peers
async def test_postfix_smtp_sink_takes_mails_from_many_connections(contexts: ClientContexts, postfix_sink: int) -> None:
    async def ten() -> list[int]:
        connection = await connected(at(postfix_sink), contexts)
        codes = []
        for _ in range(10):
            result = await connection.send(MAIL, [CONTENT], len(CONTENT), Journal())
            reply = result.recipients[0].reply
            codes.append(reply.code if reply else 0)
        connection.quit()
        await connection.wait_closed()
        return codes

    assert await asyncio.gather(*(ten() for _ in range(5))) == [[250] * 10] * 5


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_context(authority: trustme.CA, name: str = "localhost") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.fixture
def trusting(authority: trustme.CA, tmp_path: Path) -> ClientContexts:
    """Contexts that trust the test's own authority."""
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    return ClientContexts(path)


@pytest.mark.parametrize("implicit", [False, True])
async def test_a_mail_goes_over_tls_with_a_login(
    authority: trustme.CA, trusting: ClientContexts, implicit: bool
) -> None:
    with SmtpSink(tls=server_context(authority), implicit_tls=implicit, users={"ann": "s3cret"}) as sink:
        endpoint = at(sink.port, tls=TlsPolicy.VERIFY, implicit_tls=implicit, credentials=Credentials("ann", "s3cret"))
        connection = await connected(endpoint, trusting)
        assert connection.tls.startswith("TLSv1.3 ")
        result = await send(connection)
        assert result.recipients[0].reply is not None
        assert [(mail.tls, mail.login) for mail in sink.mails] == [(True, "ann")]


async def test_opportunistic_tls_takes_any_certificate(authority: trustme.CA, contexts: ClientContexts) -> None:
    with SmtpSink(tls=server_context(authority, "other.test")) as sink:
        await send(await connected(at(sink.port), contexts))
        assert sink.mails[0].tls


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize(("name", "trusted"), [("other.test", True), ("localhost", False)])
async def test_verified_tls_refuses_a_wrong_name_and_an_unknown_authority(
    authority: trustme.CA,
    trusting: ClientContexts,
    contexts: ClientContexts,
    implicit: bool,
    name: str,
    trusted: bool,
) -> None:
    with SmtpSink(tls=server_context(authority, name), implicit_tls=implicit) as sink:
        endpoint = at(sink.port, tls=TlsPolicy.VERIFY, implicit_tls=implicit)
        told = await refused(endpoint, trusting if trusted else contexts)
        assert told.trouble is not None
        assert told.trouble.kind is TroubleKind.TLS
        assert sink.mails == []


@pytest.mark.parametrize("noise", [b"250 injected\r\n", b"250-injected\r\n250 DSN\r\n", b"550 no"])
async def test_what_is_said_in_clear_behind_starttls_is_forgotten(
    authority: trustme.CA, contexts: ClientContexts, serve: Serve, noise: bytes
) -> None:
    """The attack of 2011 and 2021 (NO STARTTLS): a reply injected before the handshake counts after it."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        await reader.readuntil(b"\n")
        writer.write(b"250-mx\r\n250 STARTTLS\r\n")
        await reader.readuntil(b"\n")
        writer.write(b"220 go\r\n" + noise)
        await writer.drain()
        await writer.start_tls(server_context(authority))
        await reader.readuntil(b"\n")
        writer.write(b"250 SIZE-less\r\n")
        await reader.read()

    opened = await connect(at(await serve(handler)), PATIENT, contexts)
    if isinstance(opened, Refused):
        assert opened.phase is Phase.STARTTLS
    else:
        assert not opened.abilities.dsn
        opened.abort()
        await opened.wait_closed()


@pytest.mark.parametrize(
    "host", ["", ".", ".example.net", "x" * 70 + ".net", "münchen.example", "a b.net", "127.0.0.1"]
)
async def test_an_mx_name_that_tls_cannot_say_is_no_crash(
    authority: trustme.CA, contexts: ClientContexts, host: str
) -> None:
    with SmtpSink(tls=server_context(authority)) as sink:
        opened = await connect(at(sink.port, host=host), PATIENT, contexts)
        if isinstance(opened, Refused):
            assert opened.phase is Phase.STARTTLS
        else:
            opened.quit()
            await opened.wait_closed()


# Servers that do not behave


async def test_a_port_where_nobody_listens_is_unreachable(contexts: ClientContexts) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        told = await refused(at(closed.getsockname()[1]), contexts)
    assert told.phase is Phase.CONNECT
    assert told.trouble is not None
    assert told.trouble.kind is TroubleKind.UNREACHABLE


@pytest.mark.parametrize(
    ("answers", "phase", "kind"),
    [
        ((b"",), Phase.GREETING, TroubleKind.TIMEOUT),
        ((b"220 hi\r\n",), Phase.EHLO, TroubleKind.TIMEOUT),
        ((b"220-hi\r\n220-still\r\n",), Phase.GREETING, TroubleKind.TIMEOUT),
        ((None,), Phase.GREETING, TroubleKind.CLOSED),
        ((b"220 hi\r\n", None), Phase.EHLO, TroubleKind.CLOSED),
        ((b"220 hi\r\n", b"250-mx\r\n", None), Phase.EHLO, TroubleKind.TIMEOUT),
        ((b"SSH-2.0-OpenSSH_9.2\r\n",), Phase.GREETING, TroubleKind.MALFORMED),
        ((b"\x16\x03\x01" * 5000,), Phase.GREETING, TroubleKind.MALFORMED),
        ((b"220 " + b"x" * 1_000_000,), Phase.GREETING, TroubleKind.MALFORMED),
        ((b"220 hi\r\n", b"250-x\r\n" * 100_000), Phase.EHLO, TroubleKind.MALFORMED),
        ((b"220 hi\r\n250 mx\r\n",), Phase.EHLO, TroubleKind.MALFORMED),
    ],
)
async def test_a_server_that_misbehaves_while_opening_is_told_as_what_it_did(
    contexts: ClientContexts, serve: Serve, answers: tuple[bytes | None, ...], phase: Phase, kind: TroubleKind
) -> None:
    told = await refused(at(await serve(says(*answers))), contexts, QUICK)
    assert told.phase is phase
    assert told.trouble is not None
    assert told.trouble.kind is kind


async def test_a_flood_of_replies_takes_neither_memory_nor_a_mail(contexts: ClientContexts, serve: Serve) -> None:
    connection = await connected(at(await serve(says(b"220 hi\r\n", b"250 x\r\n" * 100_000))), contexts, QUICK)
    result = await send(connection)
    assert result.recipients[0].phase is not Phase.FINAL_DOT
    assert result.after is After.BROKEN


async def test_single_bytes_do_not_extend_the_time_limit(contexts: ClientContexts, serve: Serve) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"2")
            await writer.drain()
            await asyncio.sleep(0.02)

    started = asyncio.get_running_loop().time()
    told = await refused(at(await serve(drip)), contexts, QUICK)
    assert told.trouble is not None
    assert told.trouble.kind is TroubleKind.TIMEOUT
    assert asyncio.get_running_loop().time() - started < 10


@pytest.mark.parametrize(
    ("final", "settings", "kind"),
    [
        (None, PATIENT, TroubleKind.CLOSED),
        (b"", QUICK, TroubleKind.TIMEOUT),
        (b"250", QUICK, TroubleKind.TIMEOUT),
        (b"Queued!\r\n", PATIENT, TroubleKind.MALFORMED),
        (b"\xff\x00\r\n", PATIENT, TroubleKind.MALFORMED),
    ],
)
async def test_without_an_answer_to_the_final_dot_nobody_knows(
    contexts: ClientContexts, serve: Serve, final: bytes | None, settings: ClientSettings, kind: TroubleKind
) -> None:
    connection = await connected(at(await serve(script(final))), contexts, settings)
    journal = Journal()
    result = await send(connection, journal=journal)
    assert result.recipients == ((Phase.FINAL_DOT, None),)
    assert result.trouble is not None
    assert result.trouble.kind is kind
    assert journal.noted == ["dot"]


async def test_an_answer_that_came_before_the_content_does_not_count_as_its_answer(
    contexts: ClientContexts, serve: Serve
) -> None:
    connection = await connected(at(await serve(script(None, early=b"250 taken\r\n"))), contexts)
    result = await send(connection)
    assert result.recipients[0].reply is None
    assert result.trouble is not None
    assert result.trouble.kind is TroubleKind.MALFORMED


async def test_a_reply_that_quotes_bytes_of_no_charset_is_kept(contexts: ClientContexts, serve: Serve) -> None:
    connection = await connected(at(await serve(script(b"554 5.7.1 W\xf6rter\r\n"))), contexts)
    result = await send(connection)
    assert result.recipients[0].reply == SmtpReply(554, "5.7.1", "W�rter")


async def test_a_server_that_stops_reading_large_content_meets_the_time_limit(
    contexts: ClientContexts, serve: Serve
) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        for answer in (b"250 mx\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
            await reader.readuntil(b"\n")
            writer.write(answer)
        await asyncio.sleep(60)

    connection = await connected(at(await serve(handler)), contexts, QUICK)
    journal = Journal()
    content = b"x" * 998 + b"\r\n"
    result = await connection.send(MAIL, [content] * 30_000, len(content) * 30_000, journal)
    await connection.wait_closed()
    assert result.recipients == ((Phase.CONTENT, None),)
    assert result.trouble is not None
    assert result.trouble.kind is TroubleKind.TIMEOUT
    assert journal.noted == []


async def test_a_refusal_in_the_middle_of_large_content_is_heard(contexts: ClientContexts, serve: Serve) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        for answer in (b"250 mx\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
            await reader.readuntil(b"\n")
            writer.write(answer)
        await reader.read(65536)
        writer.write(b"552 5.3.4 too big\r\n")
        await asyncio.sleep(60)

    connection = await connected(at(await serve(handler)), contexts)
    content = b"x" * 998 + b"\r\n"
    result = await connection.send(MAIL, [content] * 30_000, len(content) * 30_000, Journal())
    await connection.wait_closed()
    assert result.recipients == ((Phase.CONTENT, SmtpReply(552, "5.3.4", "too big")),)


async def test_a_cancelled_mail_cuts_the_connection(contexts: ClientContexts, serve: Serve) -> None:
    connection = await connected(at(await serve(script(b""))), contexts)
    journal = Journal()
    task = asyncio.create_task(connection.send(MAIL, [CONTENT], len(CONTENT), journal))
    await journal.dotted.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await connection.wait_closed()
    assert not connection.usable


async def test_a_journal_that_cannot_be_written_cuts_the_connection(contexts: ClientContexts, sink: SmtpSink) -> None:
    class Full(Journal):
        def before_final_dot(self) -> bool:
            raise OSError("no space left")

    connection = await connected(at(sink.port), contexts)
    with pytest.raises(OSError, match="no space"):
        await connection.send(MAIL, [CONTENT], len(CONTENT), Full())
    await connection.wait_closed()
    assert sink.mails == []


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "DOT"])
async def test_a_server_that_dies_at_any_command_is_told(contexts: ClientContexts, sink: SmtpSink, verb: str) -> None:
    sink.on(verb, DROP)
    result = await send(await connected(at(sink.port), contexts))
    assert result.recipients[0].reply is None
    assert (result.recipients[0].phase is Phase.FINAL_DOT) is (verb == "DOT")


async def test_a_kept_connection_notices_that_the_server_says_goodbye(contexts: ClientContexts, serve: Serve) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        await reader.readuntil(b"\n")
        writer.write(b"250 mx\r\n")
        await asyncio.sleep(0.05)
        writer.write(b"421 4.4.2 idle\r\n")

    connection = await connected(at(await serve(handler)), contexts)
    await connection.wait_closed()
    assert not connection.usable
    result = await send(connection)
    assert not result.heard


@given(st.lists(st.one_of(st.binary(max_size=80), st.sampled_from([b"250 ok\r\n", b"354 go\r\n"])), max_size=8))
@examples(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_bytes_a_server_sends_there_is_an_end(contexts: ClientContexts, answers: list[bytes]) -> None:
    hasty = ClientSettings("client.test", SmtpTimeouts(5.0, *[0.1] * 5))

    async def run() -> None:
        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                writer.write(b"220 hi\r\n")
                for answer in answers:
                    await reader.read(4096)
                    writer.write(answer)
                    await writer.drain()
            writer.close()

        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        opened = await connect(at(server.sockets[0].getsockname()[1], tls=TlsPolicy.NONE), hasty, contexts)
        if isinstance(opened, SmtpConnection):
            journal = Journal()
            result = await opened.send(MAIL, [CONTENT], len(CONTENT), journal)
            phase, reply = result.recipients[0]
            if reply is not None and reply.is_success and phase is Phase.FINAL_DOT:
                assert journal.noted[0] == "dot"
            opened.abort()
            await opened.wait_closed()
        server.close()

    asyncio.run(asyncio.wait_for(run(), 20))


async def test_eight_bit_content_is_announced(contexts: ClientContexts, sink: SmtpSink) -> None:
    connection = await connected(at(sink.port), contexts)
    mail = Envelope("", MAIL.recipients, BodyType.EIGHT_BIT)
    await connection.send(mail, ["ö\r\n".encode()], 4, Journal())
    connection.quit()
    await connection.wait_closed()
    assert set(sink.mails[0].mail_parameters) == {"SIZE=4", "BODY=8BITMIME"}
    assert sink.mails[0].reverse_path == ""


# The product runs on uvloop, these tests on asyncio's own loop: what differs is the transports.


@pytest.mark.parametrize("policy", [TlsPolicy.NONE, TlsPolicy.VERIFY])
def test_on_uvloop_mails_go_in_clear_and_over_tls(
    authority: trustme.CA, trusting: ClientContexts, policy: TlsPolicy
) -> None:
    content = b"x" * 998 + b"\r\n"

    async def run(port: int) -> None:
        connection = await connected(at(port, tls=policy), trusting)
        assert bool(connection.tls) is (policy is TlsPolicy.VERIFY)
        for count in (1, 1000):
            result = await connection.send(MAIL, [content] * count, len(content) * count, Journal())
            assert result.recipients[0].reply == SmtpReply(250, "2.0.0", "Taken")
        connection.quit()
        await connection.wait_closed()

    with SmtpSink(tls=server_context(authority)) as sink:
        uvloop.run(run(sink.port))
        assert [mail.data for mail in sink.mails] == [content, content * 1000]


def test_on_uvloop_a_wrong_certificate_is_a_trouble_of_tls(authority: trustme.CA, trusting: ClientContexts) -> None:
    async def run(endpoint: Endpoint) -> None:
        told = await refused(endpoint, trusting)
        assert told.trouble is not None
        assert told.trouble.kind is TroubleKind.TLS

    for implicit in (False, True):
        with SmtpSink(tls=server_context(authority, "other.test"), implicit_tls=implicit) as sink:
            uvloop.run(run(at(sink.port, tls=TlsPolicy.VERIFY, implicit_tls=implicit)))


@pytest.mark.parametrize(
    "test",
    [
        test_single_bytes_do_not_extend_the_time_limit,
        test_a_server_that_stops_reading_large_content_meets_the_time_limit,
        test_a_refusal_in_the_middle_of_large_content_is_heard,
        test_a_cancelled_mail_cuts_the_connection,
        test_a_kept_connection_notices_that_the_server_says_goodbye,
        test_an_answer_that_came_before_the_content_does_not_count_as_its_answer,
    ],
)
def test_on_uvloop_the_same_holds(contexts: ClientContexts, test: Callable[..., Awaitable[None]]) -> None:
    async def run() -> None:
        async with serving() as start:
            await test(contexts, start)

    uvloop.run(run())
