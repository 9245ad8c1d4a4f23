"""The HTTP listener: uvicorn with httptools inside our own event loop.

Signals, logs and the event loop belong to `app`; uvicorn is given none of
them. It reads no X-Forwarded-For: who trusts which proxy is decided by who
needs the address.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import structlog
import uvicorn
from litestar.types import ASGIApp

_log = structlog.get_logger(__name__)
_BACKLOG = 2048
_KEEP_ALIVE_SECONDS = 5


class HttpServer(uvicorn.Server):
    """A server that leaves the process's signals alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: object = None) -> None:
        """Listen. Raises OSError where the address cannot be taken (uvicorn would end the process)."""
        try:
            await super().startup()
        except SystemExit as error:
            raise OSError(f"cannot listen on {self.config.host}:{self.config.port}") from error


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


async def serve_http(app: ASGIApp, host: str, port: int, *, lifespan: bool = False) -> HttpListener:
    """Start to serve `app` in the running event loop and return once it listens.

    `port` 0 takes a free one. `lifespan` sends the application its startup and
    shutdown (Litestar needs it). Raises OSError where the address cannot be
    taken.
    """
    config = uvicorn.Config(
        cast("uvicorn._types.ASGIApplication", app),
        host=host,
        port=port,
        http="httptools",
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
    server = HttpServer(config)
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
