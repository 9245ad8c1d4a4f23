"""The asyncio side of an IMAP client: one connection, its TLS, its time limits and its back-pressure.

Thin: `session` says what to send and what came; this carries it. It runs on plain TCP and
does TLS itself (`tls`), so it is the same on every loop. One timer serves all waits.
"""

import asyncio
import copy
import math
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from postroom.base.clock import Clock
from postroom.net.imap.errors import ImapError, ImapLost, ImapSilent, TlsFailed
from postroom.net.imap.session import Running, Session
from postroom.net.imap.tls import TlsStream

_PIECE_BYTES = 64 * 1024
"""Of a large mail that is appended; between two of them the server may have to catch up."""
READ_BYTES = 64 * 1024
"""Read at once, so that a hundred thousand lines do not keep the loop to themselves."""
_TURN_SECONDS = 0.004
_SLOWEST_BYTES_PER_SECOND = 1_024
"""An answer that comes slower than this is not waited for, though something always comes."""


@dataclass(frozen=True, slots=True)
class ImapLimits:
    """How long to wait, in seconds, and how much to take."""

    connect: float = 90.0
    """For addresses, TCP, TLS, greeting and STARTTLS together."""
    greeting: float = 16.0
    command: float = 60.0
    """Since the server's last octet, for each command."""
    login: float = 60.0
    """For a whole login: some servers answer a wrong password only after half a minute."""
    doubted: float = 5.0
    """As `command`, where its end may have come unseen: a server that is wrong about tags or lengths says no more."""
    body_bytes: int = 64 * 1024 * 1024
    """The largest literal that is held in memory; a larger one ends the connection (ImapGarbled)."""


class ImapLink(asyncio.BufferedProtocol):
    """One connection. What the loop calls is at the end."""

    __slots__ = (
        "_begun", "_buffer", "_clock", "_deadline", "_is_full", "_is_holding", "_limit", "_limits", "_loop", "_ready",
        "_received", "_server", "_timer", "_tls", "_transport", "_waiter", "heard", "session",
    )  # fmt: skip

    def __init__(
        self,
        server: str,
        session: Session,
        limits: ImapLimits,
        clock: Clock,
        tls: TlsStream | None,
        buffer: bytearray,
    ) -> None:
        """`buffer` is what the loop reads into; all connections of a loop may share it."""
        self.session = session
        self._buffer = buffer
        self.heard = clock.monotonic()
        self._server = server
        self._limits = limits
        self._clock = clock
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._ready: Callable[[], bool] = bool
        """Whether what `_waiter` waits for is there."""
        self._timer: asyncio.TimerHandle | None = None
        self._limit = 0.0
        self._begun = 0.0
        self._deadline = 0.0
        self._received = 0
        """Octets since the wait began."""
        self._is_full = False
        """The server does not read as fast as we write."""
        self._is_holding = False
        """We do not read as fast as the server writes."""

    @property
    def is_open(self) -> bool:
        """Tell whether commands can be given."""
        return self.session.error is None and self._transport is not None and not self._transport.is_closing()

    @property
    def tls_version(self) -> str:
        """Version and cipher, empty without TLS."""
        return "" if self._tls is None else self._tls.version

    async def finish(self, running: Running, *, seconds: float | None = None, silence: float | None = None) -> Running:
        """Send a command and return when it has ended. The limits are those of `until`.

        A task that is cancelled here gives the command up: its answer is read and dropped, or, where the
        server waits for more of it, the connection is cut.
        """
        try:
            await self.until(lambda: running.end is not None, seconds=seconds, silence=silence)
        except asyncio.CancelledError:
            self.give_up(running)
            raise
        return running

    async def until(
        self, ready: Callable[[], bool], *, seconds: float | None = None, silence: float | None = None
    ) -> None:
        """Send what is to be sent and return when `ready()`; it is asked after each input and each `poke`.

        `seconds` limits it as a whole (may be infinite). Else the limit of commands holds for each pause of the
        server, or `silence`, once all was written. Raises the session's error.
        """
        session = self.session
        self._begun = self._loop.time()
        self._received = 0
        self._limit = 0.0 if seconds is not None else self._limits.command
        self._deadline = self._begun + (self._limit if seconds is None else seconds)
        while True:
            if session.has_output:
                await self._send()
                if seconds is None:
                    # From here on it is the server's turn.
                    self._limit = silence or self._limits.command
                    self._begun, self._received = self._loop.time(), 0
                    self._deadline = self._begun + self._limit
            if ready():
                return
            if session.error is not None:
                # Each caller gets one of its own: a traceback belongs to one.
                raise copy.copy(session.error)
            await self._wait(lambda: ready() or session.has_output)

    def poke(self) -> None:
        """Let the waiting task look again."""
        waiter = self._waiter
        if waiter is not None and not waiter.done() and (self._ready() or self.session.error is not None):
            waiter.set_result(None)

    async def start_tls(self, context: ssl.SSLContext, name: str) -> None:
        """Begin TLS on this connection. Raises TlsFailed."""
        self._tls = make_tls(context, name, self._server)
        self.session.begin_tls()
        self._write(self._tls.begin())
        await self.until_tls()

    async def until_tls(self) -> None:
        """Return when the handshake is done. Raises TlsFailed."""
        tls = self._tls
        try:
            await self.until(lambda: tls is None or tls.is_ready)
        except TlsFailed:
            raise
        except ImapLost as error:
            raise TlsFailed(f"TLS with {self._server} failed: {error}") from error

    def hold(self) -> None:
        """Read nothing until `go_on`; the server waits."""
        if self._transport is not None and not self._is_holding:
            self._is_holding = True
            self._transport.pause_reading()

    def go_on(self) -> None:
        """Read again."""
        if self._transport is not None and self._is_holding:
            self._is_holding = False
            if self._limit:
                self._begun, self._received = self._loop.time(), 0
                self._deadline = self._begun + self._limit
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def close(self) -> None:
        """Close at once; what waits ends with ImapLost."""
        self._fail(ImapLost(f"the connection to {self._server} was closed by us"), goodbye=True)

    def cut(self, error: ImapError) -> None:
        """End the connection because of `error`."""
        self._fail(error, goodbye=False)

    # Sending

    async def _send(self) -> None:
        """Write what is to be sent; wait where the server does not read."""
        for piece in self.session.take_output():
            # A command is one segment and one TLS record; only a large literal goes by itself.
            for octets in (b"".join(piece),) if sum(map(len, piece)) <= _PIECE_BYTES else piece:
                with memoryview(octets) as whole:
                    for begin in range(0, len(whole), _PIECE_BYTES):
                        self._write(whole[begin : begin + _PIECE_BYTES])
                        if self._is_full:
                            await self._wait(lambda: not self._is_full)

    def _write(self, octets: bytes | memoryview) -> None:
        transport = self._transport
        if transport is None or self.session.error is not None:
            return
        if self._tls is None or not self._tls.is_ready:
            # A view would be kept by the transport though its owner lets it go.
            transport.write(bytes(octets))
            return
        try:
            transport.write(self._tls.send(octets))
        except ssl.SSLError as error:
            self._fail(ImapLost(f"TLS with {self._server} broke: {error.reason or error}"), goodbye=False)

    # Waiting

    async def _wait(self, ready: Callable[[], bool]) -> None:
        if ready() or self.session.error is not None:
            return
        self._arm()
        self._ready = ready
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
            self._ready = bool

    def _arm(self) -> None:
        if self._deadline == math.inf:
            return
        if self._timer is not None and self._timer.when() <= self._deadline:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline, self._look)

    def _look(self) -> None:
        """Cut the connection where the server was silent for too long, or drips."""
        self._timer = None
        if self._waiter is None or self.session.error is not None:
            return
        now = self._loop.time()
        if self._is_holding:
            self._deadline = now + max(self._limit, 1.0)
        if now < self._deadline:
            self._arm()
            return
        running = self.session.running
        what = f" to {running.verb}" if running is not None else ""
        self.cut(ImapSilent(f"{self._server} did not answer{what} within {now - self._begun:.0f} s"))

    def _heard(self, size: int) -> None:
        self.heard = self._clock.monotonic()
        if self._limit and self._waiter is not None:
            self._received += size
            now = self._loop.time()
            longest = self._begun + self._limit + self._received / _SLOWEST_BYTES_PER_SECOND
            self._deadline = min(now + self._limit, longest)

    def _doubt(self) -> None:
        """Wait less where the end of the command may have come unseen."""
        running, waiter = self.session.running, self._waiter
        if running is not None and running.is_doubtful and self._limit and waiter is not None and not waiter.done():
            self._deadline = min(self._deadline, self._loop.time() + self._limits.doubted)
            self._arm()

    # Ends

    def give_up(self, running: Running) -> None:
        """Nobody waits for a command any more: its answer is read and dropped."""
        if running.end is not None or self.session.error is not None:
            return
        if running.unsent or running.sasl is not None or self.session.has_output or self._is_full:
            self.close()
            return
        running.is_given_up = True
        running.take = _drop
        if running.is_idle:
            self.session.end_idle()
            for piece in self.session.take_output():
                self._write(b"".join(piece))

    def _fail(self, error: ImapError, *, goodbye: bool) -> None:
        if self.session.error is None:
            self.session.error = error
        self._let_go(goodbye=goodbye)
        self.poke()

    def _let_go(self, *, goodbye: bool) -> None:
        transport, self._transport = self._transport, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if transport is None:
            return
        if goodbye and not self._is_full and self._tls is not None and self._tls.is_ready:
            transport.write(self._tls.end())
            transport.close()
        elif goodbye and not self._is_full:
            transport.close()
        else:
            transport.abort()

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        if self._tls is not None:
            self._transport.write(self._tls.begin())

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        begun = time.perf_counter()
        self._heard(nbytes)
        with memoryview(self._buffer) as whole, whole[:nbytes] as data:
            if self._tls is None:
                self.session.receive(bytes(data))
            else:
                self._receive_tls(self._tls, data)
        if self.session.error is not None:
            self._let_go(goodbye=True)
        self.poke()
        self._doubt()
        if self._transport is not None and not self._is_holding and time.perf_counter() - begun > _TURN_SECONDS:
            # The loop would go on reading as long as there is something: others wait for their turn.
            self._transport.pause_reading()
            self._loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        if self._transport is not None and not self._is_holding and not self._transport.is_closing():
            self._transport.resume_reading()

    def _receive_tls(self, tls: TlsStream, data: memoryview) -> None:
        try:
            answer = tls.receive(data, self.session.receive)
        except ssl.SSLError as error:
            why = getattr(error, "verify_message", "") or error.reason or str(error)
            text = f"TLS with {self._server} failed: {why}"
            self._fail(ImapLost(text) if tls.is_ready else TlsFailed(text), goodbye=False)
            return
        if answer and self._transport is not None:
            self._transport.write(answer)
        if tls.has_ended:
            self.session.lost("was closed by the server")

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.session.lost(f"broke: {_reason(error)}" if error is not None else "was closed by the server")
        self._let_go(goodbye=False)
        self.poke()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        if self._limit:
            self._deadline = self._loop.time() + self._limit
        self.poke()


def make_tls(context: ssl.SSLContext, name: str, server: str) -> TlsStream:
    """Return TLS for a server of this name. Raises TlsFailed for a name that TLS cannot say."""
    try:
        return TlsStream(context, name.rstrip(".").removeprefix("[").removesuffix("]"))
    except ValueError as error:
        raise TlsFailed(f"TLS with {server} failed: its name cannot be used") from error


def _drop(_response: object) -> bool:
    return True


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
