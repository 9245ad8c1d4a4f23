"""An SMTP server for masses of mail: it notes Message-ID and recipient of each, when it came, and nothing else.

One thread with an event loop of its own, so that 1,000 mails a second cost
little. `delay_seconds` passes before the answer to each final dot; what is
noted is noted just before that answer is sent.
"""

import asyncio
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass

_MESSAGE_ID = re.compile(rb"^message-id:[ \t\r\n]*(\S+)", re.IGNORECASE | re.MULTILINE)
_PATH = re.compile(rb"<([^>]*)>")


@dataclass(frozen=True, slots=True)
class Arrival:
    """One mail that was taken."""

    message_id: str
    recipient: str
    at: float
    """`time.time()`."""


class CountingSink:
    """Listens from the beginning to the end of its `with` block."""

    def __init__(self, *, delay_seconds: float = 0.0) -> None:
        self.delay_seconds = delay_seconds
        self.arrivals: list[Arrival] = []
        self.port = 0
        self.connections = 0
        self.most_connections = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="counting-sink")

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"127.0.0.1:{self.port}"

    def counts(self) -> Counter[tuple[str, str]]:
        """Return how often each (Message-ID, recipient) was taken."""
        return Counter((one.message_id, one.recipient) for one in list(self.arrivals))

    def __enter__(self) -> "CountingSink":
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        server = self._loop.run_until_complete(
            self._loop.create_server(lambda: _Session(self), "127.0.0.1", 0, backlog=512)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.05))
        self._loop.close()


class _Session(asyncio.Protocol):
    def __init__(self, sink: CountingSink) -> None:
        self._sink = sink
        self._buffer = bytearray()
        self._recipient = b""
        self._in_data = False
        self._searched = 0
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._sink.connections += 1
        self._sink.most_connections = max(self._sink.most_connections, self._sink.connections)
        transport.write(b"220 sink\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self._sink.connections -= 1

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._work()

    def _work(self) -> None:
        while not self._busy:
            if self._in_data:
                end = self._buffer.find(b"\r\n.\r\n", self._searched)
                if end < 0:
                    # A large mail must not be searched from its beginning each time.
                    self._searched = max(0, len(self._buffer) - 4)
                    return
                self._searched = 0
                content, self._buffer = bytes(self._buffer[: end + 2]), self._buffer[end + 5 :]
                self._in_data = False
                self._taken(content)
                continue
            line, found, rest = self._buffer.partition(b"\r\n")
            if not found:
                return
            self._buffer = rest
            self._command(bytes(line))

    def _command(self, line: bytes) -> None:
        verb = line[:4].upper()
        if verb == b"EHLO":
            self._transport.write(b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 0\r\n")
        elif verb == b"DATA":
            self._in_data = True
            self._transport.write(b"354 go\r\n")
        elif verb == b"QUIT":
            self._transport.write(b"221 bye\r\n")
            self._transport.close()
        else:
            if verb == b"RCPT":
                path = _PATH.search(line)
                self._recipient = path[1] if path else b""
            self._transport.write(b"250 ok\r\n")

    def _taken(self, content: bytes) -> None:
        found = _MESSAGE_ID.search(content, 0, 65536)
        key = (found[1].decode() if found else "", self._recipient.decode())
        if not self._sink.delay_seconds:
            self._answer(key)
            return
        self._busy = True
        asyncio.get_running_loop().call_later(self._sink.delay_seconds, self._answer, key)

    def _answer(self, key: tuple[str, str]) -> None:
        # A mail whose client is gone was taken all the same: it had sent the final dot.
        self._sink.arrivals.append(Arrival(*key, time.time()))
        if not self._transport.is_closing():
            self._transport.write(b"250 2.0.0 taken\r\n")
        if self._busy:
            self._busy = False
            self._work()
