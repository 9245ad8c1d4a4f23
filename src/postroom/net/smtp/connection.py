"""One SMTP connection of ours on asyncio: moves bytes between socket, session and door.

What the door can answer at once is answered in the same turn of the loop, so a session that
only reads costs no task. While the door works, input is only kept; above `HIGH_WATER_BYTES`
the socket is no longer read. Replies to pipelined commands leave in one write.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, cast

import structlog

from postroom.base.clock import Clock
from postroom.base.errors import TryLater
from postroom.base.nursery import Nursery
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp import replies
from postroom.net.smtp.auth import FailureDelays
from postroom.net.smtp.data import Blocks
from postroom.net.smtp.door import Answer, Client, ContentSink, Door, Peer, Visit
from postroom.net.smtp.events import (
    AuthAttempt,
    ContentBegins,
    ContentDropped,
    ContentEnds,
    ContentPiece,
    Event,
    MailGiven,
    RecipientGiven,
    TlsWanted,
)
from postroom.net.smtp.session import Session, SessionRules

_log = structlog.get_logger(__name__)

HIGH_WATER_BYTES = 256 * 1024
COMMAND_SECONDS = 300.0
"""RFC 5321 4.5.3.2.7."""
DATA_BLOCK_SECONDS = 180.0
"""RFC 5321 4.5.3.2.5."""
ANSWER_SECONDS = 600.0
"""RFC 5321 4.5.3.2.6: as long as a client waits for the reply to the final dot."""
HANDSHAKE_SECONDS = 60.0
CLOSE_NOTIFY_SECONDS = 1.0
"""How long a closed TLS connection waits for the peer's own end: one that says nothing must not hold up a stop."""
LAST_REPLY_SECONDS = 30.0


class Host(Protocol):
    """What a connection needs of its server."""

    door: Door
    rules: SessionRules
    block_bytes: int
    clock: Clock
    nursery: Nursery
    delays: FailureDelays
    tls_context: Callable[[], ssl.SSLContext] | None

    def opened(self, connection: "Connection") -> SmtpReply | None:
        """Count the connection in; a reply turns it away."""
        ...

    def ended(self, connection: "Connection") -> None:
        """Count it out."""
        ...


class Connection(asyncio.Protocol):
    """The protocol object of one connection."""

    def __init__(self, host: Host, *, tls: bool) -> None:
        """`tls`: `connection_made` comes after a handshake (implicit TLS, RFC 8314 3.3)."""
        self._host = host
        self._tls = tls
        self._transport: asyncio.Transport | None = None
        self._session: Session | None = None
        self._visit: Visit | None = None
        self._peer = Peer("", 0, local=False)
        self._sink: ContentSink | None = None
        self._blocks = Blocks(host.block_bytes)
        self._task: asyncio.Task[None] | None = None
        self._deadline = 0.0
        self._client_done = False
        self._paused_reading = False
        self._paused_writing = False

    @property
    def peer(self) -> Peer:
        """The other end, once it is there."""
        return self._peer

    # ── asyncio's side ────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._peer = peer_of(transport.get_extra_info("peername"))
        self._deadline = self._host.clock.monotonic() + COMMAND_SECONDS
        refusal = self._host.opened(self)
        if refusal is not None:
            self._transport.write(refusal.to_wire())
            self._transport.close()
        else:
            self._greet()

    def data_received(self, data: bytes) -> None:
        session = self._session
        if session is None:
            return
        session.receive(data)
        if self._task is None:
            self._deadline = self._host.clock.monotonic() + (
                DATA_BLOCK_SECONDS if session.in_content else COMMAND_SECONDS
            )
        self._pump()

    def eof_received(self) -> bool:
        """Keep our side open until what the client sent before is answered; TLS cannot."""
        self._client_done = True
        if self._session is None or self._session.tls:
            return False
        self._pump()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._drop_sink()
        self._host.ended(self)

    def pause_writing(self) -> None:
        self._paused_writing = True

    def resume_writing(self) -> None:
        self._paused_writing = False
        self._pump()

    # ── the server's side ─────────────────────────────────────────────────────────────────

    def check_time(self, now: float) -> None:
        """End what has waited too long. `now` is monotonic."""
        if now < self._deadline:
            return
        if self._task is not None:
            self._task.cancel()
        elif self._session is None or self._session.closed:
            self.abort()
        else:
            self._session.cut(replies.TIMED_OUT)
            self._pump()
            # A client that reads nothing gets half a minute to take the last reply.
            self._deadline = now + LAST_REPLY_SECONDS

    def stop(self) -> None:
        """End with 421, at once or after the content that is on its way."""
        if self._session is not None:
            self._session.stop()
            self._pump()

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    # ── events ────────────────────────────────────────────────────────────────────────────

    def _greet(self) -> None:
        self._visit = self._host.door.open(self._peer)
        offer_tls = self._host.tls_context is not None
        self._session = Session(self._host.rules, tls=self._tls, offer_tls=offer_tls, local=self._peer.local)
        self._pump()

    def _pump(self) -> None:
        """Go on as far as possible, then send all replies in one write."""
        session, transport = self._session, self._transport
        if session is None or transport is None:
            return
        while self._task is None and not self._paused_writing:
            event = session.next_event()
            if event is None:
                break
            self._handle(session, event)
        output = session.take_output()
        if output:
            transport.write(output)
        if session.closed and self._task is None:
            self._drop_sink()
            transport.close()
        elif self._client_done and self._task is None and not self._paused_writing:
            transport.close()
        self._control_flow(session.buffered_bytes)

    def _control_flow(self, buffered_bytes: int) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if not self._paused_reading and buffered_bytes > HIGH_WATER_BYTES:
            self._paused_reading = True
            transport.pause_reading()
        elif self._paused_reading and buffered_bytes <= HIGH_WATER_BYTES:
            self._paused_reading = False
            transport.resume_reading()

    def _handle(self, session: Session, event: Event) -> None:
        visit = self._visit
        if visit is None:
            raise RuntimeError("an event before the greeting")
        if isinstance(event, ContentEnds):
            self._content_ends(session, event)
        elif isinstance(event, RecipientGiven):
            self._answer(session, visit.rcpt, event.envelope, event.recipient)
        elif isinstance(event, MailGiven):
            self._answer(session, visit.mail, event.envelope)
        elif isinstance(event, ContentBegins):
            self._content_begins(session, visit, event)
        elif isinstance(event, ContentPiece):
            self._content_piece(session, event)
        elif isinstance(event, ContentDropped):
            self._drop_sink()
        elif isinstance(event, AuthAttempt):
            self._work(self._authenticate(session, visit, event))
        elif isinstance(event, TlsWanted):
            self._start_tls(session)

    def _answer(self, session: Session, ask: Callable[..., Answer], *arguments: object) -> None:
        try:
            answer = ask(*arguments)
        except Exception as error:
            session.answer(self._failed(error))
            return
        if isinstance(answer, SmtpReply):
            session.answer(answer)
        else:
            self._work(self._await_answer(session, answer))

    async def _await_answer(self, session: Session, answer: Awaitable[SmtpReply]) -> None:
        session.answer(await self._reply(answer))

    async def _reply(self, answer: Awaitable[SmtpReply]) -> SmtpReply:
        try:
            return await answer
        except asyncio.CancelledError:
            if self._host.clock.monotonic() < self._deadline:
                raise
            return replies.NO_ANSWER
        except Exception as error:
            return self._failed(error)

    def _failed(self, error: Exception) -> SmtpReply:
        """The edge of the session: what went wrong is logged, the client may repeat."""
        if not isinstance(error, TryLater):
            _log.error("the door failed", peer=self._peer.address, exc_info=error)
        return replies.TRY_LATER

    async def _authenticate(self, session: Session, visit: Visit, attempt: AuthAttempt) -> None:
        clock, delays, address = self._host.clock, self._host.delays, self._peer.address
        wait = delays.reserve(address, attempt.username, clock.monotonic())
        if wait is None:
            session.answer(replies.AUTH_LATER)
            return
        if wait:
            self._deadline += wait
            await clock.sleep(wait)
        try:
            accepted = await visit.authenticate(attempt.username, attempt.password)
        except Exception as error:
            self._failed(error)
            session.answer(replies.AUTH_LATER)
            return
        if accepted:
            delays.succeeded(address, attempt.username)
        else:
            delays.failed(address, attempt.username, clock.monotonic())
            _log.info("authentication failed", peer=address, username=attempt.username)
        session.answer(replies.AUTH_OK if accepted else replies.AUTH_FAILED)

    # ── content ───────────────────────────────────────────────────────────────────────────

    def _content_begins(self, session: Session, visit: Visit, event: ContentBegins) -> None:
        try:
            sink = visit.begin_content(event.envelope, self._client(session))
        except Exception as error:
            session.answer(self._failed(error))
            return
        if isinstance(sink, SmtpReply):
            session.answer(sink)
            return
        self._sink = sink
        session.proceed()

    def _client(self, session: Session) -> Client:
        secured = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        tls = f"{secured.version()} {secured.cipher()[0]}" if secured is not None else ""
        return Client(session.client_name, session.extended, tls)

    def _content_piece(self, session: Session, event: ContentPiece) -> None:
        if self._sink is None:
            return
        self._blocks.add(event.data)
        if self._blocks.overflows:
            self._work(self._write_blocks(session, self._sink))

    async def _write_blocks(self, session: Session, sink: ContentSink) -> None:
        try:
            while self._blocks.overflows:
                await sink.write(self._blocks.take())
        except Exception as error:
            session.drop_content(self._failed(error))
            self._drop_sink()

    def _content_ends(self, session: Session, event: ContentEnds) -> None:
        sink = self._sink
        if sink is None:
            session.answer(replies.TRY_LATER)
            return
        self._blocks.add(event.data)
        if self._blocks.overflows:
            self._work(self._write_rest(session, sink))
            return
        self._sink = None
        self._answer(session, sink.finish, self._blocks.rest())

    async def _write_rest(self, session: Session, sink: ContentSink) -> None:
        try:
            while self._blocks.overflows:
                await sink.write(self._blocks.take())
            self._sink = None
            answer = sink.finish(self._blocks.rest())
        except Exception as error:
            self._drop_sink()
            session.answer(self._failed(error))
            return
        session.answer(answer if isinstance(answer, SmtpReply) else await self._reply(answer))

    def _drop_sink(self) -> None:
        sink, self._sink = self._sink, None
        self._blocks = Blocks(self._host.block_bytes)
        if sink is not None:
            self._host.nursery.start(sink.abort(), "abort")

    # ── work that takes time ──────────────────────────────────────────────────────────────

    def _work(self, work: Coroutine[Any, Any, None]) -> None:
        self._deadline = self._host.clock.monotonic() + ANSWER_SECONDS
        self._task = self._host.nursery.start(self._worked(work), self._peer.address)

    async def _worked(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            # An answer or a block is missing now: nothing sound can follow.
            self.abort()
            raise
        finally:
            self._task = None
            self._deadline = self._host.clock.monotonic() + COMMAND_SECONDS
            if self._transport is not None:
                self._pump()

    def _start_tls(self, session: Session) -> None:
        """Upgrade the connection. Plain text that still arrives is thrown away."""
        transport, context = self._transport, self._host.tls_context
        if transport is None or context is None:
            raise RuntimeError("TLS without a connection or a context")
        # What comes after the 220 is for the handshake only.
        transport.pause_reading()
        transport.write(session.take_output())
        self._work(self._handshake(session, transport, context()))

    async def _handshake(self, session: Session, transport: asyncio.Transport, context: ssl.SSLContext) -> None:
        # No plain text comes any more: `start_tls` changes the protocol before it first waits. What does come may
        # come before it returns, as a client may send its first command together with the end of its handshake.
        session.start_tls()
        try:
            upgraded = await asyncio.get_running_loop().start_tls(
                transport,
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=CLOSE_NOTIFY_SECONDS,
            )
        except (OSError, ssl.SSLError) as error:
            _log.info("no TLS handshake", peer=self._peer.address, reason=str(error))
            transport.abort()
            return
        self._transport = cast(asyncio.Transport, upgraded)


def peer_of(name: Any) -> Peer:
    """Return whom a socket's `peername` means; it is no tuple for a UNIX socket."""
    if not isinstance(name, tuple) or len(name) < 2:
        return Peer("", 0, local=True)
    address = str(name[0])
    if "." in address:
        # A listener for both families shows IPv4 as mapped addresses (RFC 4291 2.5.5.2).
        address = address.removeprefix("::ffff:")
    return Peer(address, int(name[1]), local=address.startswith("127.") or address == "::1")
