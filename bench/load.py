"""The load: sessions that hand mails in over SMTP as fast as they are answered, in a process of its own.

    python -m bench.load PORT --count N --size BYTES [--sessions 40] [--user U --password P] [--lockstep] [--first K]

It prints `ready`, waits for a line on standard input, sends, and prints one
line of JSON. The same for every peer; only Postroom is logged in to. By
default an envelope goes out in one write (PIPELINING, which Postfix and
Postroom both offer); `--lockstep` waits for every answer.
"""

import argparse
import asyncio
import base64
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field

import uvloop

from bench import ROOT
from bench.mails import AUTHOR, Template, template


@dataclass(slots=True)
class Load:
    """What the sessions share."""

    template: Template
    first: int
    count: int
    login: bytes
    lockstep: bool
    sent: int = 0
    accepted: int = 0
    refused: int = 0
    last_refusal: str = ""
    done: asyncio.Event = field(default_factory=asyncio.Event)
    waits: list[float] = field(default_factory=list)

    def take(self) -> int | None:
        """Return the number of the next mail, or None at the end."""
        if self.sent >= self.count:
            return None
        self.sent += 1
        return self.first + self.sent - 1

    def answered(self, reply: bytes, seconds: float) -> None:
        """Count the answer to a final dot."""
        if reply.startswith(b"250"):
            self.accepted += 1
            self.waits.append(seconds)
        else:
            self.refused += 1
            self.last_refusal = reply.decode(errors="replace")
        if self.accepted + self.refused >= self.count:
            self.done.set()


class Session(asyncio.Protocol):
    """One connection: greeting, EHLO, AUTH where there is a login, then mail after mail."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._buffer = b""
        self._step = self._greeted
        self._number = 0
        self._outstanding = 0
        self._began = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._load.done.is_set() and self._number is not None:
            self._load.last_refusal = f"connection lost: {exc}"
            self._load.done.set()

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        *lines, self._buffer = data.split(b"\r\n")
        for line in lines:
            if line[3:4] != b"-":
                self._step(line)

    def _greeted(self, reply: bytes) -> None:
        self._step = self._ehlo
        self._transport.write(b"EHLO load.bench.test\r\n")

    def _ehlo(self, reply: bytes) -> None:
        if self._load.login:
            self._step = self._logged_in
            self._transport.write(b"AUTH PLAIN " + self._load.login + b"\r\n")
        else:
            self._next()

    def _logged_in(self, reply: bytes) -> None:
        if not reply.startswith(b"235"):
            self._load.last_refusal = reply.decode()
            self._load.done.set()
            return
        self._next()

    def _next(self) -> None:
        number = self._load.take()
        if number is None:
            self._number = None  # type: ignore[assignment]
            self._step = lambda reply: self._transport.close()
            self._transport.write(b"QUIT\r\n")
            return
        self._number = number
        self._began = time.perf_counter()
        commands = [b"MAIL FROM:<%s>\r\n" % AUTHOR.encode(), b"RCPT TO:<user%08d@sink.test>\r\n" % number, b"DATA\r\n"]
        if self._load.lockstep:
            self._commands = commands[1:]
            self._step = self._one_answer
            self._transport.write(commands[0])
        else:
            self._outstanding = 3
            self._step = self._envelope_answer
            self._transport.write(b"".join(commands))

    def _one_answer(self, reply: bytes) -> None:
        if reply[:1] not in b"23":
            self._fail(reply)
        elif self._commands:
            self._transport.write(self._commands.pop(0))
        else:
            self._content()

    def _envelope_answer(self, reply: bytes) -> None:
        if reply[:1] not in b"23":
            self._fail(reply)
            return
        self._outstanding -= 1
        if not self._outstanding:
            self._content()

    def _content(self) -> None:
        self._step = self._ended
        self._transport.write(self._load.template.mail(self._number) + b".\r\n")

    def _ended(self, reply: bytes) -> None:
        self._load.answered(reply, time.perf_counter() - self._began)
        self._next()

    def _fail(self, reply: bytes) -> None:
        self._load.last_refusal = reply.decode(errors="replace")
        self._load.done.set()


async def send(port: int, load: Load, sessions: int) -> dict[str, float | int | str]:
    """Send everything; return counts, seconds, and the CPU time that sending took."""
    loop = asyncio.get_running_loop()
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(sessions):
        await loop.create_connection(lambda: Session(load), "127.0.0.1", port)
    await load.done.wait()
    seconds = time.perf_counter() - began
    waits = sorted(load.waits) or [0.0]
    return {
        "accepted": load.accepted,
        "refused": load.refused,
        "last_refusal": load.last_refusal,
        "seconds": seconds,
        "cpu_seconds": time.process_time() - cpu,
        "wait_p50_ms": waits[len(waits) // 2] * 1000,
        "wait_p99_ms": waits[int(len(waits) * 0.99)] * 1000,
    }


class Generator:
    """The load as a child process: made ready first, then let go."""

    def __init__(self, port: int, count: int, size: int, *, first: int = 0, sessions: int = 40,
                 login: tuple[str, str] | None = None, lockstep: bool = False, links: int = 8) -> None:  # fmt: skip
        command = [sys.executable, "-m", "bench.load", str(port), "--count", str(count), "--size", str(size)]
        command += ["--first", str(first), "--sessions", str(sessions), "--links", str(links)]
        if login:
            command += ["--user", login[0], "--password", login[1]]
        if lockstep:
            command.append("--lockstep")
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError("the load did not get ready")

    def go(self) -> None:
        """Let it send."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def go_and_wait(self) -> dict[str, float]:
        """Let it send, and return what it measured."""
        self.go()
        return self.result()

    def result(self) -> dict[str, float]:
        """Wait for its end and return what it measured."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.process.communicate()
        if not line:
            raise RuntimeError("the load ended without a result")
        said: dict[str, float] = json.loads(line)
        if said["last_refusal"]:
            raise RuntimeError(f"the load was refused: {said['last_refusal']}")
        return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--links", type=int, default=8)
    parser.add_argument("--sessions", type=int, default=40)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--user", default="")
    parser.add_argument("--password", default="")
    parser.add_argument("--lockstep", action="store_true")
    said = parser.parse_args()
    login = base64.b64encode(f"\0{said.user}\0{said.password}".encode()) if said.user else b""
    made = template(said.size, said.links)
    made.mail(0)
    print("ready", flush=True)
    sys.stdin.readline()

    async def run() -> dict[str, float | int | str]:
        load = Load(made, said.first, said.count, login, said.lockstep)
        return await send(said.port, load, min(said.sessions, said.count))

    print(json.dumps(uvloop.run(run())), flush=True)


if __name__ == "__main__":
    main()
