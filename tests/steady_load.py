"""Clients that hand mail in at a steady rate by SMTP and HTTP, and repeat what got no answer with the same key.

Every fourth mail comes by HTTP with a connection of its own, by HTTP on a kept
connection, by SMTP with a session of its own, and in a kept session. What goes
wrong is counted by what the client saw of it.
"""

import asyncio
import base64
import contextlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable

from running_server import RunningServer

AUTHOR = "a@example.com"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_ANSWER_SECONDS = 120
_MOST_WAITING = 800
"""Four seconds of 200 mails each: where a machine is too busy to keep up, no more are begun."""


class _Cut(Exception):
    """The connection ended without an answer."""


class SteadyLoad:
    """Hands mails in until told to stop."""

    def __init__(self, server: RunningServer, rate: int) -> None:
        """`rate` is in mails a second, as far as the machine keeps up."""
        self._server = server
        self._rate = rate
        self.accepted = 0
        self.seen: Counter[str] = Counter()
        """What clients saw: `refused`, `cut` (a new connection ended without an answer), `cut kept`, statuses."""
        self.longest = 0.0
        """Seconds until a mail was accepted, at the most."""
        self._kept: dict[str, list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]] = {"http": [], "smtp": []}
        key = base64.b64encode(f"\0{server.login.username}\0{server.login.password}".encode()).decode()
        self._auth = f"EHLO load\r\nAUTH PLAIN {key}\r\n".encode()

    async def run(self, stop: asyncio.Event) -> int:
        """Hand in until `stop`, then until all have been accepted; return how many there were."""
        loop = asyncio.get_running_loop()
        began, number = loop.time(), 0
        ways = (self._http, self._http_kept, self._smtp, self._smtp_kept)
        async with asyncio.TaskGroup() as tasks:
            while not stop.is_set():
                if number - self.accepted < _MOST_WAITING:
                    tasks.create_task(self._until_accepted(number, ways[number % len(ways)]))
                    number += 1
                await asyncio.sleep(max(0.001, began + number / self._rate - loop.time()))
        for kept in self._kept.values():
            for _, writer in kept:
                writer.close()
        return number

    async def _until_accepted(self, number: int, way: Callable[[int], Awaitable[bool]]) -> None:
        loop = asyncio.get_running_loop()
        began, pause = loop.time(), _FIRST_PAUSE
        while True:
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    if await way(number):
                        break
            except ConnectionRefusedError:
                self.seen["refused"] += 1
            except (_Cut, ConnectionError, asyncio.IncompleteReadError):
                self.seen["cut kept" if "kept" in way.__name__ else "cut"] += 1
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        self.accepted += 1
        self.longest = max(self.longest, loop.time() - began)

    # HTTP

    async def _http(self, number: int) -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._server.http_port)
        with contextlib.closing(writer):
            return (await self._ask(number, reader, writer))[0]

    async def _http_kept(self, number: int) -> bool:
        kept = self._kept["http"]
        if kept:
            reader, writer = kept.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._server.http_port)
        with contextlib.ExitStack() as stack:
            stack.callback(writer.close)
            accepted, stays = await self._ask(number, reader, writer)
            if stays:
                stack.pop_all()
                kept.append((reader, writer))
        return accepted

    async def _ask(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[bool, bool]:
        """Post a mail; return whether it was accepted, and whether the connection stays open."""
        body = json.dumps({"from": AUTHOR, "to": [_address(number)], "subject": "Load", "text": "Hello"}).encode()
        head = (
            f"POST /api/v1/messages HTTP/1.1\r\nHost: load\r\nAuthorization: Bearer {self._server.api.key}\r\n"
            f"Content-Type: application/json\r\nIdempotency-Key: load-{number}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        status = int(answer.split(b" ", 2)[1])
        fields = answer.lower()
        length = int(fields.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        if status != 202:
            self.seen[f"http {status}"] += 1
            assert status < 500 or b"retry-after" in fields
        return status == 202, b"connection: close" not in fields

    # SMTP

    async def _smtp(self, number: int) -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._server.submission_port)
        with contextlib.closing(writer):
            return await self._greeted(reader, writer) and await self._submit(number, reader, writer)

    async def _smtp_kept(self, number: int) -> bool:
        kept = self._kept["smtp"]
        with contextlib.ExitStack() as stack:
            if kept:
                reader, writer = kept.pop()
                stack.callback(writer.close)
            else:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._server.submission_port)
                stack.callback(writer.close)
                if not await self._greeted(reader, writer):
                    return False
            accepted = await self._submit(number, reader, writer)
            if accepted:
                stack.pop_all()
                kept.append((reader, writer))
            return accepted

    async def _greeted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if await self._reply(reader) != 220:
            return False
        writer.write(self._auth)
        return await self._reply(reader) == 250 and await self._reply(reader) == 235

    async def _submit(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(f"MAIL FROM:<{AUTHOR}>\r\nRCPT TO:<{_address(number)}>\r\nDATA\r\n".encode())
        for expected in (250, 250, 354):
            if await self._reply(reader) != expected:
                return False
        header = f"From: {AUTHOR}\r\nX-Postroom-Idempotency-Key: load-{number}\r\nSubject: Load\r\n"
        writer.write(header.encode() + b"\r\nHello\r\n.\r\n")
        return await self._reply(reader) == 250

    async def _reply(self, reader: asyncio.StreamReader) -> int:
        while True:
            line = await reader.readline()
            if not line:
                raise _Cut
            if line[3:4] != b"-":
                code = int(line[:3])
                if code >= 400:
                    self.seen[f"smtp {code}"] += 1
                return code


def _address(number: int) -> str:
    return f"k{number}@d{number % 5}.test"
