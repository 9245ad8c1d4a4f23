"""Kept connections, per endpoint. A connection is used by one mail at a time and then by the next.

RFC 5321 4.1.4 lets a session carry any number of mails. How many connections a
site gets is decided by `outbound.sites`; the limit here is the last line.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from postroom.base.clock import Clock
from postroom.net.smtp.abilities import Abilities
from postroom.net.smtp.client import ClientSettings, Endpoint, SmtpConnection, connect
from postroom.net.smtp.dialogue import Phase, Refused, TlsPolicy, Trouble, TroubleKind
from postroom.net.tls import ClientContexts

Connect = Callable[[Endpoint, ClientSettings, ClientContexts], Awaitable[SmtpConnection | Refused]]

_KNOWN_ABILITIES = 1000
"""Endpoints whose abilities are remembered."""


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """Limits of the pool."""

    max_connections: int = 20
    """Per endpoint, in use and idle together."""
    idle_seconds: float = 30.0
    """Servers close after some minutes (RFC 5321 4.5.3.2.7: five); we go before them."""
    max_mails: int = 200
    """Per connection; some providers refuse after a few hundred."""
    max_idle: int = 500
    """Of all endpoints together; the one that waits longest goes first."""
    wait_seconds: float = 60.0
    """How long a mail waits for a connection when all of an endpoint are in use."""
    abilities_seconds: float = 3600.0
    """How long an EHLO answer is believed before a connection exists."""
    clear_seconds: float = 3600.0
    """How long an endpoint whose TLS handshake failed is spoken to in clear, where the policy allows it."""


@dataclass(slots=True)
class _Shelf:
    """The connections of one endpoint."""

    idle: list[SmtpConnection] = field(default_factory=list)
    """The one used last is at the end and is taken first: the others may go idle and close."""
    busy: int = 0
    """In use or being opened."""
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    urgent: deque[asyncio.Future[None]] = field(default_factory=deque)
    """Waits too, and goes before the others."""


class SmtpPool:
    """Hands out connections and takes them back. One per process and event loop."""

    def __init__(
        self,
        client: ClientSettings,
        settings: PoolSettings,
        contexts: ClientContexts,
        clock: Clock,
        *,
        connect: Connect = connect,
    ) -> None:
        self._client = client
        self._settings = settings
        self._contexts = contexts
        self._clock = clock
        self._connect = connect
        self._shelves: dict[Endpoint, _Shelf] = {}
        self._abilities: OrderedDict[Endpoint, tuple[float, Abilities]] = OrderedDict()
        self._clear_until: dict[Endpoint, float] = {}
        self._idle_count = 0
        self._timer: asyncio.TimerHandle | None = None
        self._closing: set[SmtpConnection] = set()
        self._shut = False

    def abilities(self, endpoint: Endpoint) -> Abilities | None:
        """Return what the endpoint offered lately, or None where nobody has asked yet."""
        known = self._abilities.get(endpoint)
        return known[1] if known and self._clock.monotonic() < known[0] else None

    def has_idle(self, endpoint: Endpoint) -> bool:
        """Tell whether a kept connection waits for this endpoint."""
        shelf = self._shelves.get(endpoint)
        return shelf is not None and bool(shelf.idle)

    async def acquire(
        self, endpoint: Endpoint, *, fresh: bool = False, urgent: bool = False
    ) -> SmtpConnection | Refused:
        """Return a connection for one mail: a kept one unless `fresh`, else a new one.

        Where all are in use, `urgent` mail goes before mail that waits longer.
        The caller gives the connection back with `release`, whatever happened.
        """
        shelf = self._shelves.setdefault(endpoint, _Shelf())
        if not await self._turn(endpoint, shelf, shelf.urgent if urgent else shelf.waiting):
            text = f"no free connection to {endpoint} within {self._settings.wait_seconds:g} s"
            return Refused(Phase.CONNECT, None, Trouble(TroubleKind.BUSY, text), "! " + text)
        if fresh and shelf.idle:
            # One that went stale seldom does so alone; and kept and new ones together stay within the limit.
            self._idle_count -= 1
            self._drop(shelf.idle.pop(0))
        while shelf.idle and not fresh:
            connection = shelf.idle.pop()
            self._idle_count -= 1
            if connection.usable:
                return connection
            self._drop(connection)
        try:
            opened = await self._open(endpoint)
        except BaseException:
            self._leave(endpoint, shelf)
            raise
        if isinstance(opened, Refused):
            self._leave(endpoint, shelf)
        return opened

    def release(self, connection: SmtpConnection) -> None:
        """Take a connection back: kept where it can carry another mail, else closed."""
        endpoint = connection.endpoint
        shelf = self._shelves[endpoint]
        if connection.usable and connection.mails < self._settings.max_mails and not self._shut:
            connection.idle_since = self._clock.monotonic()
            shelf.idle.append(connection)
            self._idle_count += 1
            if self._idle_count > self._settings.max_idle:
                self._drop_oldest()
            if self._timer is None:
                self._arm()
        else:
            self._drop(connection)
        self._leave(endpoint, shelf)

    def sweep(self) -> None:
        """Close the connections that were idle for too long or that the server has closed."""
        now = self._clock.monotonic()
        oldest = now - self._settings.idle_seconds
        self._clear_until = {endpoint: until for endpoint, until in self._clear_until.items() if now < until}
        for endpoint, shelf in list(self._shelves.items()):
            keep = [one for one in shelf.idle if one.usable and one.idle_since > oldest]
            for connection in shelf.idle:
                if connection not in keep:
                    self._idle_count -= 1
                    self._drop(connection)
            shelf.idle = keep
            self._forget_empty(endpoint, shelf)

    async def close(self, seconds: float = 5.0) -> None:
        """Close the idle connections and wait up to `seconds` for all that are closing."""
        self._shut = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for shelf in self._shelves.values():
            for connection in shelf.idle:
                self._drop(connection)
            shelf.idle = []
        self._idle_count = 0
        waits = [asyncio.ensure_future(connection.wait_closed()) for connection in self._closing]
        if waits:
            _, late = await asyncio.wait(waits, timeout=seconds)
            for wait in late:
                wait.cancel()
        for connection in self._closing:
            connection.abort()

    async def _open(self, endpoint: Endpoint) -> SmtpConnection | Refused:
        opened = await self._connect(self._protected(endpoint), self._client, self._contexts)
        if isinstance(opened, Refused) and self._may_go_clear(endpoint, opened):
            # RFC 7435 5: protection that cannot be had is no reason to keep the mail.
            self._clear_until[endpoint] = self._clock.monotonic() + self._settings.clear_seconds
            opened = await self._connect(self._protected(endpoint), self._client, self._contexts)
        if isinstance(opened, Refused):
            self._abilities.pop(endpoint, None)
            return opened
        opened.endpoint = endpoint
        until = self._clock.monotonic() + self._settings.abilities_seconds
        self._abilities[endpoint] = (until, opened.abilities)
        self._abilities.move_to_end(endpoint)
        if len(self._abilities) > _KNOWN_ABILITIES:
            self._abilities.popitem(last=False)
        return opened

    def _protected(self, endpoint: Endpoint) -> Endpoint:
        """Return the endpoint as it is dialled now: in clear for a while after its TLS has failed."""
        until = self._clear_until.get(endpoint)
        if until is None:
            return endpoint
        if self._clock.monotonic() >= until:
            del self._clear_until[endpoint]
            return endpoint
        return replace(endpoint, tls=TlsPolicy.NONE)

    def _may_go_clear(self, endpoint: Endpoint, refused: Refused) -> bool:
        tls_failed = refused.trouble is not None and refused.trouble.kind is TroubleKind.TLS
        # A password must not follow into the clear.
        return tls_failed and endpoint.tls is TlsPolicy.OPPORTUNISTIC and endpoint.credentials is None

    async def _turn(self, endpoint: Endpoint, shelf: _Shelf, waiting: deque[asyncio.Future[None]]) -> bool:
        """Wait until the endpoint may have one more connection in use, and count it; False when it took too long."""
        if shelf.busy < self._settings.max_connections:
            shelf.busy += 1
            return True
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(place)
        try:
            async with asyncio.timeout(self._settings.wait_seconds):
                await place
        except BaseException as error:
            if place in waiting:
                waiting.remove(place)
            elif place.done() and not place.cancelled():
                self._leave(endpoint, shelf)
            if isinstance(error, TimeoutError):
                return False
            raise
        return True

    def _leave(self, endpoint: Endpoint, shelf: _Shelf) -> None:
        """Hand the place of a connection in use to the mail that waits longest, or count it off."""
        while waiting := shelf.urgent or shelf.waiting:
            place = waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        shelf.busy -= 1
        self._forget_empty(endpoint, shelf)

    def _forget_empty(self, endpoint: Endpoint, shelf: _Shelf) -> None:
        if not (shelf.idle or shelf.busy or shelf.waiting or shelf.urgent):
            self._shelves.pop(endpoint, None)

    def _drop_oldest(self) -> None:
        shelf = min((one for one in self._shelves.values() if one.idle), key=lambda one: one.idle[0].idle_since)
        self._idle_count -= 1
        self._drop(shelf.idle.pop(0))

    def _drop(self, connection: SmtpConnection) -> None:
        connection.quit()
        self._closing.add(connection)
        connection.on_closed(self._closing.discard)

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._settings.idle_seconds / 2, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.sweep()
        if self._idle_count:
            self._arm()
