"""The HTTP listener: uvicorn with httptools inside our own event loop.

Signals, logs and the event loop belong to `app`; uvicorn is given none of
them. It reads no X-Forwarded-For: who trusts which proxy is decided by who
needs the address.

Some requests are answered at once, without a task and without ASGI's messages:
for pixels those would be more than half of the work. `AtOnce` is asked when a
header is whole and no body follows; what it does not answer goes the usual way.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple, Protocol, cast

import structlog
import uvicorn
from litestar.types import ASGIApp
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle


class Asked(NamedTuple):
    """A request without a body."""

    method: str
    path: str
    """Percent-decoded; a query is no part of it."""
    fields: Sequence[tuple[bytes, bytes]]
    """Header fields, names in lower case."""
    client: str
    """Network address of the peer, empty when unknown."""


AtOnce = Callable[[Asked, Callable[[bytes, bytes], None]], bool]
"""Returns False for what it does not answer.

Else it calls its second argument, now or later, with status line and header
fields (each with its line end), and the body; a response to HEAD has none.
The next request of the connection is not answered before.
"""

_log = structlog.get_logger(__name__)
_BACKLOG = 4096
"""Connections that wait to be accepted, also over a restart where the socket is held."""
_KEEP_ALIVE_SECONDS = 5
_HEADER_SECONDS = 10.0
"""From connection or first byte to the end of the header; uvicorn has no limit, so silence would hold a place."""
_BODY_FIELDS = {b"content-length", b"transfer-encoding"}
_IDLE_GRACE_SECONDS = 0.25
"""How long an idle connection stays open when a stop begins: time for a request that is on its way."""
_TICKS_A_LOOK = 5
"""uvicorn ticks ten times a second."""


_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class _Protocol(HttpToolsProtocol):
    """A connection whose requests carry the extension WHOLE, and that is closed where a header does not end."""

    def __init__(self, *arguments: Any, at_once: AtOnce | None = None, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._at_once = at_once
        self._client = ""
        self._header_since: float | None = None
        """When the header that has not ended yet could begin; None between requests and in bodies."""
        self._idle_since: float | None = None
        """When the last request was answered at once; None where uvicorn waits for the next one."""
        self._is_answered = False
        """Whether the request that is being read is answered at once."""
        self._unanswered = False
        """Whether an answer of that kind is still to come."""
        self._held_back: tuple[RequestResponseCycle, ASGI3Application] | None = None
        """The request behind it, for the application."""
        self._closes = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._client = self.client[0] if self.client else ""
        self._header_since = self.loop.time()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._idle_since, self._is_answered = None, False
        if self._header_since is None:
            self._header_since = self.loop.time()

    def close_if_idle(self, since: float) -> None:
        """Close where the last answer was given at once, before `since`, and nothing came after it."""
        if self._idle_since is not None and self._idle_since < since:
            self.transport.close()

    def close_if_slow(self, since: float) -> None:
        """Close where the header that is being read began before `since`."""
        if self._header_since is None or self._header_since > since or self.flow.read_paused:
            return
        if self.cycle is not None and not self.cycle.response_complete:
            # An earlier request is still being answered; the time of the next one has not come.
            return
        self.transport.write(_TOO_SLOW)
        self.transport.close()

    def on_headers_complete(self) -> None:
        self._header_since = None
        if self._at_once is None or not self._is_answered_at_once(self._at_once):
            super().on_headers_complete()
            if self._closes:
                self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        if not self._is_answered:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._is_answered:
            super().on_message_complete()

    def shutdown(self) -> None:
        """Begin to end: each further answer closes the connection, one that is idle closes a moment later.

        A request that is on its way at this moment is answered, not cut off.
        """
        self._closes = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        elif not self._unanswered:
            self.loop.call_later(_IDLE_GRACE_SECONDS, self._close_if_unused)

    def _close_if_unused(self) -> None:
        is_busy = self._unanswered or (self.cycle is not None and not self.cycle.response_complete)
        if not is_busy and not self.transport.is_closing():
            self.transport.close()

    def _is_answered_at_once(self, at_once: AtOnce) -> bool:
        url = self.url
        if b"%" in url or b"?" in url or self.expect_100_continue or self.flow.write_paused:
            return False
        if self._unanswered or self.pipeline or (self.cycle is not None and not self.cycle.response_complete):
            # An earlier request of this connection comes first.
            return False
        parser, fields = self.parser, self.headers
        if parser.should_upgrade() or any(name in _BODY_FIELDS for name, _ in fields):
            return False
        closes = parser.get_http_version() == "1.0" or not parser.should_keep_alive()
        asked = Asked(parser.get_method().decode("ascii"), url.decode("latin-1"), fields, self._client)
        # Said before: the answer may come from inside of the call.
        self._unanswered = True
        self._is_answered = at_once(asked, partial(self._answer, closes))
        if not self._is_answered:
            self._unanswered = False
        return self._is_answered

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if self._unanswered:
            self._held_back = (cycle, app)
        else:
            super()._start_asgi_task(cycle, app)

    def _answer(self, closes: bool, head: bytes, body: bytes) -> None:
        self._unanswered = False
        transport = self.transport
        if transport.is_closing():
            return
        self.server_state.total_requests += 1
        closes = closes or self._closes
        ours = b"".join([name + b": " + value + b"\r\n" for name, value in self.server_state.default_headers])
        transport.write(b"".join((head, ours, b"connection: close\r\n\r\n" if closes else b"\r\n", body)))
        if closes:
            transport.close()
        elif self._held_back is not None:
            cycle, app = self._held_back
            self._held_back = None
            super()._start_asgi_task(cycle, app)
        else:
            self._idle_since = self.loop.time()


class HttpServer(uvicorn.Server):
    """A server that leaves the process's signals alone and waits for a header only so long."""

    def __init__(self, config: uvicorn.Config, header_seconds: float, keep_alive_seconds: float) -> None:
        super().__init__(config)
        self._header_seconds = header_seconds
        self._keep_alive_seconds = keep_alive_seconds

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_A_LOOK == 0:
            # One look at all costs less than a timer for each: most connections are a pixel and gone.
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, _Protocol):
                    connection.close_if_slow(now - self._header_seconds)
                    connection.close_if_idle(now - self._keep_alive_seconds)
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[Any] | None = None) -> None:
        """Listen. Raises OSError where the address cannot be taken (uvicorn would end the process)."""
        logger = logging.getLogger("uvicorn.error")
        level = logger.level
        # It logs why it cannot listen and ends the process: here the caller says it, once.
        logger.setLevel(logging.CRITICAL)
        try:
            await super().startup(sockets)
        except SystemExit as error:
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise OSError(f"cannot listen on {self.config.host}:{self.config.port}") from error
        finally:
            logger.setLevel(level)


class HttpListener:
    """One listening address and its connections."""

    def __init__(self, server: HttpServer, serving: asyncio.Task[None], addresses: tuple[tuple[str, int], ...]) -> None:
        self._server = server
        self._serving = serving
        self.addresses = addresses
        """Host and port of each listening socket."""

    @property
    def port(self) -> int:
        """The port that is listened on, also where port 0 was asked for."""
        return self.addresses[0][1]

    async def wait(self) -> None:
        """Return when the listener has stopped. Raises what ended it."""
        await asyncio.shield(self._serving)

    async def stop(self, seconds: float = 10.0) -> None:
        """Close the listener, let open requests end for up to `seconds`, then cut them off."""
        self._server.config.timeout_graceful_shutdown = max(1, round(seconds))
        self._server.should_exit = True
        await self._serving


class Listening(Protocol):
    """A listening socket that somebody else has opened."""

    def getsockname(self) -> Any:
        """Return its address."""
        ...

    def close(self) -> None:
        """Close this process's end of it."""
        ...


async def serve_http(
    app: ASGIApp,
    host: str,
    port: int,
    *,
    at_once: AtOnce | None = None,
    lifespan: bool = False,
    header_seconds: float = _HEADER_SECONDS,
    keep_alive_seconds: float = _KEEP_ALIVE_SECONDS,
    sockets: Sequence[Listening] = (),
) -> HttpListener:
    """Start to serve `app` in the running event loop and return once it listens.

    `port` 0 takes a free one; where there are `sockets`, these are served and
    nothing is opened. `at_once` is asked before `app`. `lifespan` sends the
    application its startup and shutdown (Litestar needs it). A request whose
    header has not ended after `header_seconds` gets 408; a connection without
    requests is closed after about `keep_alive_seconds`. Raises OSError where the
    address cannot be taken.
    """
    config = uvicorn.Config(
        cast("uvicorn._types.ASGIApplication", app),
        host=host,
        port=port,
        # uvicorn calls it to make a connection; its type says that it must be a class.
        http=cast("type[_Protocol]", partial(_Protocol, at_once=at_once)),
        ws="none",
        loop="none",
        lifespan="on" if lifespan else "off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=round(keep_alive_seconds),
    )
    server = HttpServer(config, header_seconds, keep_alive_seconds)
    serving = asyncio.get_running_loop().create_task(
        server.serve(list[Any](sockets) or None), name=f"http {host}:{port}"
    )
    while not server.started:
        # uvicorn tells of its start by this attribute only; it is set within a few turns of the loop.
        await asyncio.sleep(0.001)
        if serving.done():
            await serving
            raise OSError(f"cannot listen on {host}:{port}")
    addresses = tuple(
        (name[0], name[1]) for listening in server.servers for name in (s.getsockname() for s in listening.sockets)
    )
    _log.info("listening", protocol="http", addresses=[f"{name}:{number}" for name, number in addresses])
    return HttpListener(server, serving, addresses)
