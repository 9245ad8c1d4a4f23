"""The HTTP listener: uvicorn with httptools inside our own event loop.

Signals, logs and the event loop belong to `app`; uvicorn is given none of
them. It reads no X-Forwarded-For: who trusts which proxy is decided by who
needs the address.

Applications find the ASGI extension WHOLE in the scope: a function that sends
a response that is known as a whole, in one write. ASGI's two messages cost two
system calls and two packets; for pixels that is a quarter of all the work.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import cast

import structlog
import uvicorn
from litestar.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

WHOLE = "postroom.whole_response"
"""Key in `scope["extensions"]` of a SendWhole."""

SendWhole = Callable[[bytes, bytes], bool]
"""Takes status line with header fields (each with its line end), and body; a response to HEAD has none.

Returns False where it did nothing, because the client reads slowly: then send the two messages.
"""

_log = structlog.get_logger(__name__)
_BACKLOG = 2048
_KEEP_ALIVE_SECONDS = 5
_HEADER_SECONDS = 10.0
"""From connection or first byte to the end of the header; uvicorn has no limit, so silence would hold a place."""
_TICKS_A_LOOK = 5
"""uvicorn ticks ten times a second."""


_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class _Protocol(HttpToolsProtocol):
    """A connection whose requests carry the extension WHOLE, and that is closed where a header does not end."""

    _header_since: float | None = None
    """When the header that has not ended yet could begin, by the loop's clock; None between requests and in bodies."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._header_since = self.loop.time()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._header_since is None:
            self._header_since = self.loop.time()

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
        super().on_headers_complete()
        # The application's task starts in a later turn of the loop, so it sees this.
        self.scope["extensions"] = {WHOLE: partial(_send_whole, self.cycle)}  # type: ignore[dict-item]


def _send_whole(cycle: RequestResponseCycle, head: bytes, body: bytes) -> bool:
    """Do what two calls of `cycle.send` do."""
    if cycle.flow.write_paused or cycle.response_started:
        return False
    if cycle.disconnected:
        return True
    parts = [head]
    for name, value in cycle.default_headers:
        parts += (name, b": ", value, b"\r\n")
    if not cycle.keep_alive:
        parts.append(b"connection: close\r\n")
    parts += (b"\r\n", body)
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write(b"".join(parts))
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True


class HttpServer(uvicorn.Server):
    """A server that leaves the process's signals alone and waits for a header only so long."""

    def __init__(self, config: uvicorn.Config, header_seconds: float) -> None:
        super().__init__(config)
        self._header_seconds = header_seconds

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_A_LOOK == 0:
            # One look at all costs less than a timer for each: most connections are a pixel and gone.
            since = asyncio.get_running_loop().time() - self._header_seconds
            for connection in list(self.server_state.connections):
                if isinstance(connection, _Protocol):
                    connection.close_if_slow(since)
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: object = None) -> None:
        """Listen. Raises OSError where the address cannot be taken (uvicorn would end the process)."""
        logger = logging.getLogger("uvicorn.error")
        level = logger.level
        # It logs why it cannot listen and ends the process: here the caller says it, once.
        logger.setLevel(logging.CRITICAL)
        try:
            await super().startup()
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


async def serve_http(
    app: ASGIApp, host: str, port: int, *, lifespan: bool = False, header_seconds: float = _HEADER_SECONDS
) -> HttpListener:
    """Start to serve `app` in the running event loop and return once it listens.

    `port` 0 takes a free one. `lifespan` sends the application its startup and
    shutdown (Litestar needs it). A request whose header has not ended after
    `header_seconds` gets 408. Raises OSError where the address cannot be taken.
    """
    config = uvicorn.Config(
        cast("uvicorn._types.ASGIApplication", app),
        host=host,
        port=port,
        http=_Protocol,
        ws="none",
        loop="none",
        lifespan="on" if lifespan else "off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )
    server = HttpServer(config, header_seconds)
    serving = asyncio.get_running_loop().create_task(server.serve(), name=f"http {host}:{port}")
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
