"""An HTTP server on loopback that records what it is sent and answers as a test wants it to, well or badly.

```python
with HttpReceiver() as receiver:
    receiver.behave("/bad", hang())
    …                                  # POST to receiver.url("/bad")
    receiver.received("/bad")
```
It runs in a thread of its own, so that it serves tests of the running program
and those that have an event loop alike.
"""

import asyncio
import json
import ssl
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    header: dict[str, str]
    """By lower-case name."""
    body: bytes
    at: float
    """`time.monotonic()` when it was there whole."""

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of the body, one or a batch."""
        body: dict[str, Any] = self.json
        return list(body.get("events", [body]))


Behaviour = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]
"""Answers a request, or does not."""


def answer(status: int, body: bytes = b"", **fields: str) -> Behaviour:
    """Answer properly; `retry_after="7"` is a header field."""

    async def behave(received: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(response(status, body, **fields))
        await writer.drain()

    return behave


def response(status: int, body: bytes = b"", **fields: str) -> bytes:
    """Return an answer as bytes."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def raw(data: bytes) -> Behaviour:
    """Write these bytes and close."""

    async def behave(received: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        writer.close()

    return behave


def hang(seconds: float = 30) -> Behaviour:
    """Say nothing for so long, then close."""

    async def behave(received: Received, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        writer.close()

    return behave


def endless(piece: bytes = b"x" * 4096) -> Behaviour:
    """Answer 200 with a body that does not end."""

    async def behave(received: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(piece)
            await writer.drain()

    return behave


def drip(pause: float = 0.05) -> Behaviour:
    """Answer one letter at a time and never reach the end of the header."""

    async def behave(received: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while True:
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(pause)

    return behave


class HttpReceiver:
    """Serves until the end of its `with` block. Every path that nothing was said about answers 204."""

    def __init__(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.requests: list[Received] = []
        self.connections = 0
        self.port = 0
        self._host = host
        self._tls = tls
        self._behaviours: dict[str, Behaviour] = {}
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._ending: asyncio.Event
        self._thread = threading.Thread(target=self._run, daemon=True, name="http-receiver")

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        """Return an address of this server."""
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    def behave(self, path: str, behaviour: Behaviour) -> None:
        """Answer a path like this from now on."""
        with self._lock:
            self._behaviours[path] = behaviour

    def received(self, path: str = "/") -> list[Received]:
        """Return the requests for a path so far."""
        with self._lock:
            return [one for one in self.requests if one.path == path]

    def told(self, path: str = "/") -> list[str]:
        """Return the ids of all events that came to a path, in order."""
        return [event["id"] for one in self.received(path) for event in one.events]

    def __enter__(self) -> "HttpReceiver":
        self._thread.start()
        if not self._ready.wait(10):
            raise AssertionError("the receiver did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._ending = asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()

        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                await self._talk(reader, writer)
            except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                if self._ending.is_set():
                    # A TLS peer that is gone would be waited for.
                    writer.transport.abort()
                writer.close()
                tasks.discard(task)

        server = await asyncio.start_server(accepted, self._host, 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._ending.wait()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.01)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while not writer.is_closing():
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            header = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(header.get("content-length", "0")))
            received = Received(head[0].split(" ")[1], header, body, time.monotonic())
            with self._lock:
                self.requests.append(received)
                behaviour = self._behaviours.get(received.path, answer(204))
            await behaviour(received, writer)
