"""The SMTP server on real sockets, on asyncio's own loop and on uvloop."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
import trustme
from smtp_talk import ENVELOPE, HELLO, KeepingDoor, codes, eventually, on_both_loops

from postroom.base.clock import Clock, ManualClock, SystemClock
from postroom.base.errors import TryLater
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp.connection import HIGH_WATER_BYTES
from postroom.net.smtp.server import ServerOptions, SmtpServer

OPTIONS = ServerOptions("mx.test", require_auth=False)
BLOCK = OPTIONS.block_bytes


@pytest.fixture
def door() -> KeepingDoor:
    return KeepingDoor()


class Client:
    """A client that reads whole replies."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def reply(self) -> str:
        """Return the code and enhanced status code of the next reply; empty at the end."""
        while line := await asyncio.wait_for(self.reader.readline(), 20):
            if line[3:4] != b"-":
                return codes(line)[0]
        return ""

    async def say(self, data: bytes, replies: int = 1) -> list[str]:
        """Send `data`; return that many replies."""
        self.writer.write(data)
        return [await self.reply() for _ in range(replies)]

    async def close(self) -> None:
        """Close the connection."""
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


@asynccontextmanager
async def serving(
    door: KeepingDoor,
    options: ServerOptions = OPTIONS,
    *,
    clock: Clock | None = None,
    tls: Callable[[], ssl.SSLContext] | None = None,
    implicit: bool = False,
) -> AsyncIterator[tuple[SmtpServer, Callable[..., Any]]]:
    """Run a server; give it and a function that connects a greeted client."""
    server = SmtpServer(door, options, clock=clock or SystemClock(), tls_context=tls)
    host, port = await server.listen("127.0.0.1", 0, implicit_tls=implicit)
    clients: list[Client] = []

    async def connect(
        *, greeted: bool = True, context: ssl.SSLContext | None = None, name: str | None = None
    ) -> Client:
        client = Client(*await asyncio.open_connection(host, port, ssl=context, server_hostname=name))
        clients.append(client)
        if greeted:
            assert await client.reply() == "220"
            await client.say(HELLO)
        return client

    try:
        yield server, connect
    finally:
        for client in clients:
            await client.close()
        await server.close(1.0)


@on_both_loops
async def test_a_pipelined_session_is_answered(door: KeepingDoor) -> None:
    async with serving(door) as (_, connect):
        client = await connect()

        output = await client.say(ENVELOPE + b"DATA\r\nhello\r\n..\r\n.\r\n" + ENVELOPE + b"DATA\r\n.\r\nQUIT\r\n", 9)

        assert output == [*["250 2.1.0", "250 2.1.5", "354", "250 2.0.0"] * 2, "221 2.0.0"]
        assert await client.reply() == ""
        assert [message.content for message in door.messages] == [b"hello\r\n.\r\n", b""]


@on_both_loops
async def test_small_content_is_given_whole_and_large_content_in_blocks(door: KeepingDoor) -> None:
    small, large = b"x" * (BLOCK - 2) + b"\r\n", b"y" * (3 * BLOCK + 5) + b"\r\n"
    async with serving(door) as (_, connect):
        client = await connect()
        await client.say(ENVELOPE + b"DATA\r\n" + small + b".\r\n", 4)
        blocks_of_small = list(door.blocks)

        await client.say(ENVELOPE + b"DATA\r\n" + large + b".\r\n", 4)
        await client.say(ENVELOPE + b"BDAT %d LAST\r\n" % len(large) + large, 3)

        assert blocks_of_small == []
        assert door.blocks == [BLOCK] * 6
        assert [message.content for message in door.messages] == [small, large, large]


@on_both_loops
async def test_a_slow_door_stops_the_reading_of_its_client(door: KeepingDoor) -> None:
    door.gate = asyncio.Event()
    content = b"z" * 12_000_000 + b"\r\n"
    async with serving(door) as (server, connect):
        client = await connect()
        await client.say(ENVELOPE + b"DATA\r\n", 3)
        sending = asyncio.create_task(_send(client, content + b".\r\n"))
        [connection] = server._connections
        await eventually(lambda: connection._paused_reading)

        assert connection._session is not None
        assert connection._session.buffered_bytes <= HIGH_WATER_BYTES + 256 * 1024
        assert not sending.done()
        door.gate.set()

        await sending
        assert await client.reply() == "250 2.0.0"
        assert door.messages[0].content == content


@on_both_loops
async def test_a_door_that_fails_in_the_middle_is_answered_with_451_at_the_end(door: KeepingDoor) -> None:
    door.failure = TryLater("disk full")
    async with serving(door) as (_, connect):
        client = await connect()

        assert (await client.say(ENVELOPE + b"DATA\r\n" + b"x" * (4 * BLOCK) + b"\r\n.\r\n", 4))[-1] == "451 4.3.0"
        assert (await client.say(ENVELOPE + b"DATA\r\nsmall\r\n.\r\n", 4))[-1] == "451 4.3.0"
        assert door.aborted == 1
        door.failure = None
        assert (await client.say(ENVELOPE + b"DATA\r\nsmall\r\n.\r\n", 4))[-1] == "250 2.0.0"


@on_both_loops
async def test_an_unexpected_failure_of_the_door_is_not_told_to_the_client(door: KeepingDoor) -> None:
    door.failure = RuntimeError("secret path /var/lib")
    async with serving(door) as (_, connect):
        client = await connect()
        await client.say(ENVELOPE + b"DATA\r\n", 3)
        client.writer.write(b"x\r\n.\r\n")

        assert await client.reader.readline() == b"451 4.3.0 cannot take it now, try again later\r\n"


@on_both_loops
async def test_a_door_may_refuse_content_before_it_comes(door: KeepingDoor) -> None:
    door.refuse_content = SmtpReply(451, "4.3.1", "full")
    async with serving(door) as (_, connect):
        client = await connect()

        assert await client.say(ENVELOPE + b"DATA\r\nNOOP\r\n", 4) == [
            *("250 2.1.0", "250 2.1.5", "451 4.3.1", "250 2.0.0")
        ]


@on_both_loops
async def test_a_client_that_goes_away_leaves_no_message(door: KeepingDoor) -> None:
    async with serving(door) as (server, connect):
        client = await connect()
        await client.say(ENVELOPE + b"DATA\r\n", 3)
        client.writer.write(b"y" * (2 * BLOCK))
        await client.writer.drain()
        await client.close()
        await eventually(lambda: not server.sessions and bool(door.aborted))

        assert door.messages == []
        assert door.aborted == 1


@on_both_loops
async def test_a_client_that_only_closes_its_side_gets_its_replies(door: KeepingDoor) -> None:
    async with serving(door) as (_, connect):
        client = await connect()
        client.writer.write(ENVELOPE + b"DATA\r\nx\r\n.\r\n")
        client.writer.write_eof()

        assert [await client.reply() for _ in range(5)] == ["250 2.1.0", "250 2.1.5", "354", "250 2.0.0", ""]
        assert len(door.messages) == 1


@on_both_loops
async def test_sessions_above_the_limit_are_told_to_come_again(door: KeepingDoor) -> None:
    async with serving(door, replace(OPTIONS, max_sessions=2)) as (_, connect):
        first, _second = await connect(), await connect()
        third = await connect(greeted=False)

        assert await third.reply() == "421 4.3.2"
        assert await third.reply() == ""
        await first.say(b"QUIT\r\n")
        assert await first.reply() == ""
        await connect()


# Time


async def _advance(clock: ManualClock, seconds: float) -> None:
    await asyncio.sleep(0)
    clock.advance(seconds=seconds)
    await asyncio.sleep(0)


@on_both_loops
async def test_an_idle_session_ends_after_five_minutes(door: KeepingDoor) -> None:
    clock = ManualClock()
    async with serving(door, clock=clock) as (_, connect):
        client = await connect()
        await _advance(clock, 295)
        assert await client.say(b"NOOP\r\n") == ["250 2.0.0"]

        await _advance(clock, 301)

        assert [await client.reply(), await client.reply()] == ["421 4.4.2", ""]


@on_both_loops
async def test_content_that_stops_coming_ends_the_session_after_three_minutes(door: KeepingDoor) -> None:
    clock = ManualClock()
    async with serving(door, clock=clock) as (_, connect):
        client = await connect()
        await client.say(ENVELOPE + b"DATA\r\n", 3)
        await client.say(b"half", 0)
        await asyncio.sleep(0.05)

        await _advance(clock, 301)

        assert [await client.reply(), await client.reply()] == ["421 4.4.2", ""]
        assert door.aborted == 1


@on_both_loops
async def test_a_door_that_never_answers_is_given_up_after_ten_minutes(door: KeepingDoor) -> None:
    clock = ManualClock()
    door.gate = asyncio.Event()
    async with serving(door, clock=clock) as (server, connect):
        client = await connect()
        await client.say(ENVELOPE + b"DATA\r\nx\r\n.\r\n", 3)
        [connection] = server._connections
        await eventually(lambda: connection._task is not None)

        await _advance(clock, 599)
        assert connection._task is not None
        await _advance(clock, 10)

        assert await client.reply() == "451 4.3.0"
        assert door.messages == []


@on_both_loops
async def test_failed_authentications_are_answered_ever_later(door: KeepingDoor) -> None:
    clock = ManualClock()
    wrong = b"AUTH PLAIN " + base64.b64encode(b"\0user\0wrong") + b"\r\n"
    async with serving(door, clock=clock) as (_, connect):
        client = await connect()
        assert await client.say(wrong * 2, 2) == ["535 5.7.8"] * 2
        client.writer.write(wrong)
        late = asyncio.create_task(client.reply())
        await asyncio.sleep(0.05)
        assert not late.done()

        await _advance(clock, 1)

        assert await late == "535 5.7.8"
        assert await client.reply() == "421 4.7.0"


# The clean stop


@on_both_loops
async def test_a_stop_lets_open_content_end_and_turns_others_away(door: KeepingDoor) -> None:
    async with serving(door) as (server, connect):
        idle, busy = await connect(), await connect()
        await busy.say(ENVELOPE + b"DATA\r\n", 3)
        stopping = asyncio.create_task(server.close(10))

        assert [await idle.reply(), await idle.reply()] == ["421 4.3.2", ""]
        with pytest.raises(ConnectionRefusedError):
            await connect()
        assert await busy.say(b"x\r\n.\r\n", 3) == ["250 2.0.0", "421 4.3.2", ""]
        await stopping
        assert server.sessions == 0
        assert len(door.messages) == 1


@on_both_loops
async def test_a_stop_does_not_wait_for_ever(door: KeepingDoor) -> None:
    async with serving(door) as (server, connect):
        client = await connect()
        await client.say(ENVELOPE + b"DATA\r\n", 3)

        await server.close(0.05)

        assert await client.reply() == ""
        assert door.messages == []


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def _server_context(authority: trustme.CA, name: str = "localhost") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def _client_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@on_both_loops
async def test_starttls_protects_what_follows(door: KeepingDoor, authority: trustme.CA) -> None:
    context = _server_context(authority)
    async with serving(door, tls=lambda: context) as (_, connect):
        client = await connect()
        # Injected in plain text; must be neither answered nor run (RFC 3207 4.2).
        assert await client.say(b"STARTTLS\r\nRSET\r\nNOOP\r\n") == ["220 2.0.0"]
        await client.writer.start_tls(_client_context(authority), server_hostname="localhost")

        assert await client.say(b"MAIL FROM:<a@b.test>\r\n") == ["503 5.5.1"]
        client.writer.write(HELLO)
        offered = [await client.reader.readline()]
        while offered[-1][3:4] == b"-":
            offered.append(await client.reader.readline())
        assert b"250-STARTTLS\r\n" not in offered
        assert await client.say(ENVELOPE + b"DATA\r\n" + b"x" * 1_000_000 + b"\r\n.\r\nQUIT\r\n", 5) == [
            *("250 2.1.0", "250 2.1.5", "354", "250 2.0.0", "221 2.0.0")
        ]
        assert len(door.messages[0].content) == 1_000_002


@on_both_loops
async def test_a_failed_handshake_ends_the_connection_only(door: KeepingDoor, authority: trustme.CA) -> None:
    context = _server_context(authority)
    async with serving(door, tls=lambda: context) as (server, connect):
        client = await connect()
        await client.say(b"STARTTLS\r\n")
        await client.say(b"this is no handshake at all\r\n" * 20, 0)
        with suppress(ConnectionError):
            await client.reader.read()

        await eventually(lambda: not server.sessions)
        other = await connect()
        assert await other.say(b"NOOP\r\n") == ["250 2.0.0"]


@on_both_loops
async def test_a_renewed_certificate_is_used_by_the_next_client(door: KeepingDoor, authority: trustme.CA) -> None:
    contexts = [_server_context(authority, "old.test")]
    async with serving(door, tls=lambda: contexts[-1], implicit=True) as (_, connect):
        old = await connect(context=_client_context(authority), name="old.test")
        contexts.append(_server_context(authority, "new.test"))

        new = await connect(context=_client_context(authority), name="new.test")

        assert await old.say(ENVELOPE, 2) == await new.say(ENVELOPE, 2) == ["250 2.1.0", "250 2.1.5"]


@on_both_loops
async def test_implicit_tls_needs_no_server_name(door: KeepingDoor, authority: trustme.CA) -> None:
    context = _server_context(authority)
    anonymous = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anonymous.check_hostname = False
    anonymous.verify_mode = ssl.CERT_NONE
    async with serving(door, tls=lambda: context, implicit=True) as (_, connect):
        client = await connect(context=anonymous, name="")

        assert await client.say(b"AUTH PLAIN " + base64.b64encode(b"\0user\0right") + b"\r\n") == ["235 2.7.0"]


@on_both_loops
async def test_a_plain_client_at_the_tls_port_harms_nobody(door: KeepingDoor, authority: trustme.CA) -> None:
    context = _server_context(authority)
    async with serving(door, tls=lambda: context, implicit=True) as (_, connect):
        client = await connect(greeted=False)
        client.writer.write(HELLO)
        with suppress(ConnectionError):
            assert b"220" not in await client.reader.read()

        await connect(context=_client_context(authority), name="localhost")


async def _send(client: Client, data: bytes) -> None:
    client.writer.write(data)
    await client.writer.drain()
