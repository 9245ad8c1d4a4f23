"""An IMAP server on asyncio: listeners, and the connections on which sessions perform their steps.

Thin and cheap, because benchmarks and the stress run hold thousands of connections to it: one small
object a connection, no task, no timer unless something waits.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

from postroom.base.nursery import Nursery
from postroom.net.imap.server import ServerSession
from postroom.net.imap.steps import Close, Cut, Drip, Flood, Pause, Send, StartTls, Step

_BACKLOG = 4096
_HIGH_WATER = 64 * 1024

MakeSession = Callable[[bool], ServerSession]
"""Makes the session of a new connection; the argument tells whether it runs over TLS."""


class ImapListener:
    """Serves sessions on any number of listening sockets until it is closed."""

    def __init__(self, make_session: MakeSession, *, tls_context: ssl.SSLContext | None = None) -> None:
        """`tls_context`: for STARTTLS and implicit TLS."""
        self.make_session = make_session
        self.tls_context = tls_context
        self.nursery = Nursery("imap")
        self.connections: set[ImapConnection] = set()
        self.opened = 0
        """Connections since the start."""
        self._servers: list[asyncio.Server] = []

    async def listen(self, host: str = "127.0.0.1", port: int = 0, *, implicit_tls: bool = False) -> int:
        """Accept connections; return the port. Raises OSError."""
        server = await asyncio.get_running_loop().create_server(
            lambda: ImapConnection(self, tls=implicit_tls),
            host,
            port,
            backlog=_BACKLOG,
            ssl=self.tls_context if implicit_tls else None,
        )
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        """Drop every connection; new ones are accepted."""
        for connection in list(self.connections):
            connection.cut()

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        for server in self._servers:
            server.close()
        self.cut()
        await self.nursery.drain(1)


class ImapConnection(asyncio.Protocol):
    """One connection: input to the session, its steps to the transport, in their order."""

    __slots__ = ("_is_flooding", "_is_full", "_listener", "_steps", "_tls", "_transport", "session")

    def __init__(self, listener: ImapListener, *, tls: bool) -> None:
        self._listener = listener
        self._tls = tls
        self._transport: asyncio.Transport | None = None
        self._steps: deque[Step] | None = None
        """What waits behind a pause or a drip; None where nothing does."""
        self._is_full = False
        self._is_flooding = False
        """A flood waits until the client has read."""
        self.session: ServerSession | None = None

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet; after STARTTLS go on with the session that there is."""
        self._transport = cast(asyncio.Transport, transport)
        if self.session is not None:
            return
        self._transport.set_write_buffer_limits(high=_HIGH_WATER)
        self._listener.connections.add(self)
        self._listener.opened += 1
        self.session = self._listener.make_session(self._tls)
        self.session.push = self.play
        self.play(self.session.greet())

    def data_received(self, data: bytes) -> None:
        """Answer what came."""
        if self.session is not None:
            self.play(self.session.receive(data))

    def connection_lost(self, error: Exception | None) -> None:
        """Let the mailbox go."""
        self._listener.connections.discard(self)
        self._transport = None
        self._steps = None
        if self.session is not None:
            self.session.closed()

    def pause_writing(self) -> None:
        """Hold floods back."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Go on."""
        self._is_full = False
        if self._is_flooding:
            self._is_flooding = False
            # Not within the transport's own writing: a cut there would end the connection twice.
            asyncio.get_running_loop().call_soon(self._wake)

    def cut(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    # Steps

    def play(self, steps: Sequence[Step]) -> None:
        """Perform steps behind those that are still to be done."""
        if not steps or self._transport is None:
            return
        if self._steps is None:
            if all(type(one) is Send for one in steps):
                self._transport.write(b"".join([cast(Send, one).data for one in steps]))
                return
            self._steps = deque(steps)
            self._go_on()
        else:
            self._steps.extend(steps)

    def _go_on(self) -> None:
        """Perform what waits, up to the next pause."""
        while self._steps and self._transport is not None:
            if not self._perform(self._steps.popleft()):
                return
        self._steps = None

    def _perform(self, step: Step) -> bool:
        """Perform one step; False: it goes on later by itself."""
        transport = self._transport
        if transport is None:
            return False
        match step:
            case Send(data):
                transport.write(data)
            case Drip(data, pause, size):
                transport.write(data[:size])
                return len(data) <= size or self._later(pause, Drip(data[size:], pause, size))
            case Flood(piece, total):
                transport.write(piece)
                if total > len(piece):
                    self._put_back(Flood(piece, total - len(piece)))
                self._is_flooding = self._is_full
                return not self._is_full
            case Pause(seconds):
                return self._later(seconds)
            case StartTls():
                self._listener.nursery.start(self._start_tls(), "STARTTLS")
                return False
            case Close():
                transport.close()
            case Cut():
                transport.abort()
        return True

    def _later(self, seconds: float, *left: Step) -> bool:
        for one in left:
            self._put_back(one)
        asyncio.get_running_loop().call_later(seconds, self._wake)
        return False

    def _put_back(self, step: Step) -> None:
        if self._steps is not None:
            self._steps.appendleft(step)

    def _wake(self) -> None:
        if self._steps is not None:
            self._go_on()

    async def _start_tls(self) -> None:
        transport, context = self._transport, self._listener.tls_context
        if transport is None or context is None:
            return
        try:
            begun = await asyncio.get_running_loop().start_tls(transport, self, context, server_side=True)
        except (OSError, ssl.SSLError):
            return
        if begun is None:
            return
        self._transport, self._tls = begun, True
        self._wake()
