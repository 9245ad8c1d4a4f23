"""The SMTP client on asyncio: performs the steps of `dialogue` and `transaction` on one connection.

`connect` opens a session with one address and returns the connection, or a value
that says why there is none. Every wait has a limit; a connection on which anything
went wrong is closed and never used again. Works on asyncio's own loop and on uvloop.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import cast

from postroom.mail.envelope import Envelope
from postroom.net.smtp.abilities import HELO_ONLY, Abilities
from postroom.net.smtp.dialogue import (
    Answers,
    Credentials,
    Exchange,
    Phase,
    Procedure,
    Refused,
    SessionSettings,
    SmtpTimeouts,
    StartTls,
    T,
    TlsPolicy,
    Trouble,
    TroubleKind,
    Write,
    open_session,
)
from postroom.net.smtp.reply_reader import ReplyReader
from postroom.net.smtp.transaction import After, AttemptJournal, CannotSay, Sent, transaction
from postroom.net.tls import ClientContexts

_SHUTDOWN_SECONDS = 2.0
"""How long a closing TLS session waits for the peer's goodbye; nothing depends on it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect and how. Equal endpoints share kept connections."""

    host: str
    """Name for TLS and for people; the address again where there is no name."""
    address: str
    """IPv4 or IPv6 address, no name."""
    port: int = 25
    tls: TlsPolicy = TlsPolicy.OPPORTUNISTIC
    implicit_tls: bool = False
    credentials: Credentials | None = None

    def __str__(self) -> str:
        return f"{self.host} [{self.address}]:{self.port}"


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How all connections of a process introduce themselves and how long they wait."""

    hostname: str = "localhost"
    timeouts: SmtpTimeouts = field(default_factory=SmtpTimeouts)


async def connect(endpoint: Endpoint, settings: ClientSettings, contexts: ClientContexts) -> "SmtpConnection | Refused":
    """Open a session. A peer that cannot be reached or does not let us in is a value, not an exception."""
    context = _context(endpoint, contexts)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(settings.timeouts.connect):
            _, connection = await loop.create_connection(
                lambda: SmtpConnection(endpoint, settings, context),
                endpoint.address,
                endpoint.port,
                ssl=context if endpoint.implicit_tls else None,
                server_hostname=_server_name(endpoint) if endpoint.implicit_tls else None,
                ssl_handshake_timeout=settings.timeouts.connect if endpoint.implicit_tls else None,
                ssl_shutdown_timeout=_SHUTDOWN_SECONDS if endpoint.implicit_tls else None,
            )
    except TimeoutError:
        return _unreachable(f"no connection to {endpoint} within {settings.timeouts.connect:g} s")
    except (ssl.SSLError, ValueError) as error:
        trouble = Trouble(TroubleKind.TLS, f"TLS with {endpoint} failed: {_reason(error)}")
        return Refused(Phase.STARTTLS, None, trouble, "! " + trouble.text)
    except OSError as error:
        return _unreachable(f"no connection to {endpoint}: {_reason(error)}")
    session = SessionSettings(
        hostname=settings.hostname,
        tls=endpoint.tls,
        implicit_tls=endpoint.implicit_tls,
        credentials=endpoint.credentials,
        clear_password=endpoint.tls is TlsPolicy.NONE or ip_address(endpoint.address).is_loopback,
        timeouts=settings.timeouts,
    )
    opened = await connection.run(open_session(session))
    if isinstance(opened, Refused):
        connection.quit()
        return opened
    connection.abilities = opened
    return connection


class SmtpConnection(asyncio.Protocol):
    """One connection to one server. Only one procedure runs on it at a time."""

    def __init__(self, endpoint: Endpoint, settings: ClientSettings, context: ssl.SSLContext) -> None:
        self.endpoint = endpoint
        self.abilities: Abilities = HELO_ONLY
        self.mails = 0
        """Transactions begun."""
        self.idle_since = 0.0
        """For the pool: when it was given back, on the pool's clock."""
        self._settings = settings
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader = ReplyReader()
        self._trouble: Trouble | None = None
        self._dirty = False
        self._waiter: asyncio.Future[None] | None = None
        self._wanted = 0
        self._answered = 0
        self._paused = False
        self._draining = False
        self._limit = 0.0
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._closed: asyncio.Future[None] = self._loop.create_future()

    @property
    def usable(self) -> bool:
        """Tell whether another mail can be sent: open, in step, and the server has not said goodbye."""
        transport = self._transport
        return (
            self._trouble is None
            and transport is not None
            and not transport.is_closing()
            and not self._reader.closing
            and not self._reader.has_unread
        )

    @property
    def tls(self) -> str:
        """Version and cipher such as `TLSv1.3 TLS_AES_256_GCM_SHA384`, empty without TLS."""
        session = self._transport.get_extra_info("ssl_object") if self._transport else None
        if session is None:
            return ""
        cipher = session.cipher()
        return f"{session.version()} {cipher[0] if cipher else ''}".strip()

    async def send(self, envelope: Envelope, pieces: Iterable[bytes], size_bytes: int, journal: AttemptJournal) -> Sent:
        """Send one mail. Raises CannotSay (nothing was written) and BareLineEnd (the connection is closed).

        `size_bytes` is the length of all pieces together. When the task is cancelled the
        connection is cut, before or after the final dot; the journal knows which.
        """
        self.mails += 1
        sent = await self.run(
            transaction(
                envelope,
                pieces,
                size_bytes,
                self.abilities,
                journal,
                self._settings.timeouts,
                reset_first=self._dirty,
            )
        )
        self._dirty = sent.after is After.DIRTY
        if sent.after is After.BROKEN:
            self.abort()
        return sent

    async def run(self, procedure: Procedure[T]) -> T:
        """Perform the steps of a procedure and return its value."""
        try:
            step = next(procedure)
            while True:
                if isinstance(step, Exchange):
                    answers = await self._exchange(step)
                elif isinstance(step, Write):
                    answers = await self._write(step)
                else:
                    answers = await self._start_tls(step)
                step = procedure.send(answers)
        except StopIteration as stop:
            value: T = stop.value
            return value
        except CannotSay:
            raise
        except BaseException:
            self.abort()
            raise

    def quit(self) -> None:
        """Say QUIT where the session is in step, and close without waiting for the answer."""
        if self._transport is None or self._transport.is_closing():
            return
        if self.usable:
            self._transport.write(b"QUIT\r\n")
        self._trouble = self._trouble or Trouble(TroubleKind.CLOSED, "the connection was closed by us")
        self._transport.close()

    def on_closed(self, tell: Callable[["SmtpConnection"], None]) -> None:
        """Call `tell` with this connection once it is gone."""
        self._closed.add_done_callback(lambda _: tell(self))

    def abort(self) -> None:
        """Close at once, without goodbye."""
        self._trouble = self._trouble or Trouble(TroubleKind.CLOSED, "the connection was cut by us")
        if self._transport is not None:
            self._transport.abort()

    async def wait_closed(self) -> None:
        """Return when the connection is gone."""
        await asyncio.shield(self._closed)

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        reader.feed(data)
        if reader.fault:
            self._fail(Trouble(TroubleKind.MALFORMED, f"{self.endpoint}: {reader.fault}"))
        elif self._waiter is None:
            return
        elif len(reader.replies) >= self._wanted or reader.closing:
            self._wake()
        elif len(reader.replies) > self._answered:
            self._answered = len(reader.replies)
            self._deadline = self._loop.time() + self._limit

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        how = f": {_reason(error)}" if error is not None else " by the server"
        self._fail(Trouble(TroubleKind.CLOSED, f"the connection to {self.endpoint} was closed{how}"))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._closed.done():
            self._closed.set_result(None)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if self._draining:
            self._wake()

    # Steps.

    async def _exchange(self, step: Exchange) -> Answers:
        reader, transport = self._reader, self._transport
        if self._trouble is None and step.data and reader.has_unread and not reader.closing:
            # Nothing that was not asked for may pass as the answer to what we ask next.
            self._fail(Trouble(TroubleKind.MALFORMED, f"{self.endpoint} answered before it was asked"))
            reader.forget()
        if self._trouble is None and step.data and transport is not None:
            transport.write(step.data)
        if len(reader.replies) < step.replies and self._trouble is None and not reader.closing:
            await self._wait(step.replies, step.timeout)
        replies = reader.take(step.replies)
        if len(replies) == step.replies:
            return Answers(replies)
        closing = Trouble(TroubleKind.CLOSED, f"{self.endpoint} ended the session")
        return Answers(replies, self._trouble or closing)

    async def _write(self, step: Write) -> Answers:
        if self._trouble is None and self._transport is not None:
            self._transport.write(step.data)
            if self._paused and not self._reader.replies:
                self._draining = True
                try:
                    await self._wait(1, step.timeout)
                finally:
                    self._draining = False
            else:
                # A peer that reads as fast as we write would keep the whole program waiting for 50 MB.
                await asyncio.sleep(0)
        return Answers(self._reader.take(1), self._trouble)

    async def _start_tls(self, step: StartTls) -> Answers:
        self._reader.forget()
        if self._trouble is not None or self._transport is None:
            return Answers([], self._trouble)
        try:
            transport = await self._loop.start_tls(
                self._transport,
                self,
                self._context,
                server_hostname=_server_name(self.endpoint),
                ssl_handshake_timeout=step.timeout,
                ssl_shutdown_timeout=_SHUTDOWN_SECONDS,
            )
        except (OSError, ValueError) as error:
            # ValueError: an MX host's name that TLS cannot say.
            # The loop does not tell the protocol about a connection that dies in the handshake.
            self.connection_lost(error)
            self.abort()
            return Answers([], Trouble(TroubleKind.TLS, f"TLS with {self.endpoint} failed: {_reason(error)}"))
        if transport is None:
            return Answers([], Trouble(TroubleKind.TLS, f"TLS with {self.endpoint} failed: closed by the server"))
        self._transport = transport
        return Answers([])

    async def _wait(self, wanted: int, seconds: float) -> None:
        """Wait until `wanted` replies are there, the server closes, or the time is up.

        One timer serves all waits of a connection: it looks at the deadline when it fires.
        Arming a new one for each reply would cost more than reading the reply.
        """
        loop = self._loop
        self._wanted, self._answered, self._limit = wanted, len(self._reader.replies), seconds
        self._deadline = deadline = loop.time() + seconds
        if self._timer is None:
            self._timer = loop.call_at(deadline, self._look)
        elif self._timer.when() > deadline:
            self._timer.cancel()
            self._timer = loop.call_at(deadline, self._look)
        self._waiter = waiter = loop.create_future()
        try:
            await waiter
        finally:
            self._waiter = None

    def _look(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        if self._loop.time() >= self._deadline:
            self._fail(Trouble(TroubleKind.TIMEOUT, f"{self.endpoint} did not answer within {self._limit:g} s"))
        else:
            self._timer = self._loop.call_at(self._deadline, self._look)

    def _fail(self, trouble: Trouble) -> None:
        if self._trouble is None:
            self._trouble = trouble
            if self._transport is not None:
                self._transport.abort()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _context(endpoint: Endpoint, contexts: ClientContexts) -> ssl.SSLContext:
    return contexts.verified if endpoint.tls is TlsPolicy.VERIFY else contexts.opportunistic


def _server_name(endpoint: Endpoint) -> str:
    return endpoint.host.rstrip(".") or endpoint.address


def _unreachable(text: str) -> Refused:
    return Refused(Phase.CONNECT, None, Trouble(TroubleKind.UNREACHABLE, text), "! " + text)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
