"""An IMAP server that says what a test writes down for it, and a client that talks to it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

from postroom.base.clock import Clock, SystemClock
from postroom.ledger.account_rows import Security
from postroom.net.dns import Resolver
from postroom.net.imap.client import ImapClient, ImapDialler, ImapLimits, ImapServer
from postroom.net.tls import ClientContexts

LOOPBACK = (ip_network("127.0.0.0/8"),)
_CONTEXTS = ClientContexts()
SHORT = ImapLimits(connect=5.0, greeting=2.0, command=2.0, login=2.0)
CAPABILITIES = "IMAP4rev1 IDLE UIDPLUS MOVE ESEARCH LITERAL+ SASL-IR"


class Peer:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.lines: list[str] = []
        """What the client said."""

    def send(self, *lines: str | bytes) -> None:
        """Send lines; bytes go as they are."""
        self.writer.write(b"".join(one if isinstance(one, bytes) else one.encode() + b"\r\n" for one in lines))

    async def line(self) -> str:
        """Return the client's next line; empty at its end."""
        text = (await self.reader.readline()).decode().rstrip("\r\n")
        self.lines.append(text)
        return text

    async def command(self, beginning: str = "") -> str:
        """Read a command that begins so behind its tag; return the tag."""
        text = await self.line()
        tag, _, rest = text.partition(" ")
        assert rest.startswith(beginning), f"the client said {text!r}, not {beginning!r}"
        return tag

    async def octets(self, size: int) -> bytes:
        """Read a literal."""
        return await self.reader.readexactly(size)

    async def answer(self, beginning: str, *lines: str | bytes, end: str = "OK done") -> None:
        """Read a command, say `lines`, and end it."""
        tag = await self.command(beginning)
        self.send(*lines, f"{tag} {end}")

    async def end(self) -> None:
        """Wait until the client is gone."""
        while await self.reader.read(65536):
            pass


Script = Callable[[Peer], Awaitable[None]]


class ScriptedServer:
    """Follows a script in each connection. What went wrong in it comes out at the end of the test."""

    def __init__(self, script: Script, context: ssl.SSLContext | None = None) -> None:
        self.port = 0
        self.connections = 0
        self._script = script
        self._context = context
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "ScriptedServer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        done, pending = await asyncio.wait(self._tasks, timeout=0.5) if self._tasks else (set(), set())
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for task in done:
            error = task.exception()
            if error is not None and kind is None and not isinstance(error, OSError):
                raise error

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._script(Peer(reader, writer))
        finally:
            writer.close()


def dialler(*, clock: Clock | None = None, authorities: Path | None = None, allow_private: bool = True) -> ImapDialler:
    """Return a dialler that asks no DNS."""
    our_clock = clock or SystemClock()
    resolver = Resolver("127.0.0.1:9", clock=our_clock)
    return ImapDialler(resolver, _CONTEXTS, LOOPBACK if allow_private else (), our_clock, authorities)


@asynccontextmanager
async def talking(
    script: Script,
    *,
    clock: Clock | None = None,
    limits: ImapLimits = SHORT,
    capabilities: str = CAPABILITIES,
    preauth: bool = True,
) -> AsyncIterator[ImapClient]:
    """Yield a client whose server greets, then follows the script. With `preauth` no login is needed."""

    async def greeted(peer: Peer) -> None:
        peer.send(f"* {'PREAUTH' if preauth else 'OK'} [CAPABILITY {capabilities}] ready")
        await script(peer)

    async with ScriptedServer(greeted) as server:
        client = await dialler(clock=clock).connect(ImapServer("127.0.0.1", server.port, Security.PLAIN), limits=limits)
        try:
            yield client
        finally:
            client.close()
