"""An SMTP server on asyncio: listeners, the number of sessions, time limits, the clean stop.

One server serves one door; `doors.smtp.submission` is one. It works on asyncio's own loop and on
uvloop. TLS contexts come from a callable that is asked for every handshake, so a renewed
certificate is used by the next client.
"""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from postroom.base.clock import Clock
from postroom.base.nursery import Nursery
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp import replies
from postroom.net.smtp.auth import FailureDelays
from postroom.net.smtp.connection import CLOSE_NOTIFY_SECONDS, HANDSHAKE_SECONDS, Connection
from postroom.net.smtp.door import Door, network_of
from postroom.net.smtp.session import SessionRules

_CHECK_SECONDS = 5.0
_BACKLOG = 4096
"""As many as systemd lets wait: over a restart, connections gather here where the socket is held."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What a door's listener allows."""

    hostname: str
    """Our name in the greeting."""
    max_size_bytes: int = 50 * 1024 * 1024
    max_recipients: int = 500
    require_auth: bool = True
    offer_auth: bool = True
    offer_dsn: bool = True
    max_sessions: int = 1000
    max_sessions_of_address: int | None = None
    """Of one address, or /64 of IPv6, that is not on this machine; None is no limit."""
    block_bytes: int = 256 * 1024
    """Content above this is handed to the sink in blocks of this size while it arrives."""


class SmtpServer:
    """Serves a door on any number of listeners."""

    def __init__(
        self,
        door: Door,
        options: ServerOptions,
        *,
        clock: Clock,
        tls_context: Callable[[], ssl.SSLContext] | None = None,
        delays: FailureDelays | None = None,
    ) -> None:
        """`tls_context` None: STARTTLS is not offered. Servers may share `delays`."""
        self.door = door
        self.rules = SessionRules(
            options.hostname,
            options.max_size_bytes,
            options.max_recipients,
            options.offer_auth,
            options.require_auth,
            options.offer_dsn,
        )
        self.block_bytes = options.block_bytes
        self.clock = clock
        self.nursery = Nursery("smtp")
        self.delays = delays if delays is not None else FailureDelays()
        self.tls_context = tls_context
        self._max_sessions = options.max_sessions
        self._max_of_address = options.max_sessions_of_address
        self._of_address: Counter[str] = Counter()
        self._connections: set[Connection] = set()
        self._listeners: list[asyncio.Server] = []
        self._watch: asyncio.Task[None] | None = None
        self._closing = False
        self.opened_sessions = 0
        """Connections since the start, those that were turned away included."""
        self.refused_sessions = 0
        """Connections that were turned away, since the start."""
        self._all_gone = asyncio.Event()

    @property
    def sessions(self) -> int:
        """How many sessions are open."""
        return len(self._connections)

    async def listen(self, host: str, port: int, *, implicit_tls: bool = False) -> tuple[str, int]:
        """Accept connections at `host`:`port` (0: any free one); return the address taken. Raises OSError."""
        return await self._listen(implicit_tls, host=host, port=port)

    async def listen_on(self, listening: socket.socket, *, implicit_tls: bool = False) -> tuple[str, int]:
        """Accept connections at a socket that somebody else has opened; return its address."""
        return await self._listen(implicit_tls, sock=listening)

    async def _listen(self, implicit_tls: bool, **where: Any) -> tuple[str, int]:
        listener = await asyncio.get_running_loop().create_server(
            lambda: Connection(self, tls=implicit_tls),
            backlog=_BACKLOG,
            ssl=self._implicit_context() if implicit_tls else None,
            ssl_handshake_timeout=HANDSHAKE_SECONDS if implicit_tls else None,
            ssl_shutdown_timeout=CLOSE_NOTIFY_SECONDS if implicit_tls else None,
            **where,
        )
        self._listeners.append(listener)
        if self._watch is None:
            self._watch = self.nursery.start(self._check_times(), "time limits")
        name = listener.sockets[0].getsockname()
        return str(name[0]), int(name[1])

    async def close(self, seconds: float = 10.0) -> None:
        """Stop listening, let content on its way end for up to `seconds`, then cut what is left."""
        self._closing = True
        for listener in self._listeners:
            listener.close()
        for connection in list(self._connections):
            connection.stop()
        if self._connections:
            self._all_gone.clear()
            try:
                await asyncio.wait_for(self._all_gone.wait(), seconds)
            except TimeoutError:
                for connection in list(self._connections):
                    connection.abort()
        if self._watch is not None:
            self._watch.cancel()
        await self.nursery.drain(5.0)

    def opened(self, connection: Connection) -> SmtpReply | None:
        """Count a connection in; a reply turns it away."""
        self._connections.add(connection)
        self.opened_sessions += 1
        address = network_of(connection.peer.address)
        self._of_address[address] += 1
        if self._closing:
            reply = replies.SHUTTING_DOWN
        elif len(self._connections) > self._max_sessions:
            reply = replies.TOO_MANY_SESSIONS
        elif (
            self._max_of_address is not None
            and not connection.peer.local
            and self._of_address[address] > self._max_of_address
        ):
            reply = replies.TOO_MANY_FROM_YOU
        else:
            return None
        self.refused_sessions += 1
        return reply

    def ended(self, connection: Connection) -> None:
        """Count a connection out."""
        self._connections.discard(connection)
        address = network_of(connection.peer.address)
        self._of_address[address] -= 1
        if not self._of_address[address]:
            del self._of_address[address]
        if not self._connections:
            self._all_gone.set()

    def _implicit_context(self) -> ssl.SSLContext:
        """Return a context for a listener, which keeps its own for ever: each handshake fetches the current one."""
        current = self.tls_context
        if current is None:
            raise ValueError("implicit TLS needs a TLS context")

        def hand_over(connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: ssl.SSLContext) -> None:
            connection.context = current()

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = current().minimum_version
        # Called for each ClientHello, with or without a server name.
        context.sni_callback = hand_over
        return context

    async def _check_times(self) -> None:
        while True:
            await self.clock.sleep(_CHECK_SECONDS)
            now = self.clock.monotonic()
            for connection in list(self._connections):
                connection.check_time(now)
