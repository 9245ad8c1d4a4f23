"""Thousands of watched mailboxes in one process: memory, time to the webhook, cost when idle, cold start.

    python -m bench.watch                       the benchmark
    python -m bench.watch imap FOLDER ACCOUNTS  only the IMAP server, over TLS; prints its port, then obeys lines

The IMAP server (`net.imap.server` over mailboxes in memory), the server under
test and the receiver of webhooks are processes of their own; the receiver runs
here. Every mail carries the time at which it was put into its mailbox, which
is when the server says EXISTS; a latency ends when the webhook has come in
whole. The clients of imapflow beside it only log in and idle.
"""

import argparse
import asyncio
import contextlib
import datetime
import json
import random
import re
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import uvloop

from bench import ROOT, machine
from postroom.app.stress.nodes import Node, allow_many_files
from postroom.base.clock import SystemClock
from postroom.net.imap.listening import ImapListener
from postroom.net.imap.mailstore import MailStore
from postroom.net.imap.server import ServerRules, ServerSession
from postroom.net.tls import self_signed

ACCOUNTS = 2_000
MANY = 8_000
MAILS_PER_SECOND = 50
MOST_KB = 70.0
"""Of memory for one watched mailbox."""
MOST_MB = 600
"""Of the process with `MANY`."""
MOST_P50_MS, MOST_P99_MS = 50.0, 250.0
MOST_COLD_SECONDS = 60.0
MOST_IDLE_SHARE = 0.01
"""Of one core."""
IDLE_SECONDS = 40
_PASSWORD = "secret"
_BODY = b"Hello,\r\n\r\n" + b"this is a line of an ordinary mail, of which there are some dozens.\r\n" * 70
_decode = msgspec.json.Decoder().decode


# The IMAP server


async def serve_imap(folder: Path, accounts: int) -> None:
    """Serve mailboxes of `accounts` users over TLS; print the port; put mails into them as standard input says.

    `RATE SECONDS` puts so many mails a second into mailboxes at random, then prints how many.
    """
    clock, store = SystemClock(), MailStore()
    inboxes = [store.add(user_of(number), _PASSWORD).inbox for number in range(accounts)]
    now = datetime.datetime.now(datetime.UTC)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(folder, "localhost", now))
    rules = ServerRules(store, clock.now_ms)
    listener = ImapListener(lambda tls: ServerSession(rules, is_tls=tls), tls_context=context)
    port = await listener.listen("127.0.0.1", 0, implicit_tls=True)
    print(port, flush=True)
    loop, chance, number = asyncio.get_running_loop(), random.Random(7), 0
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        rate, seconds = (float(word) for word in line.split())
        began, put = loop.time(), 0
        while put < rate * seconds:
            await asyncio.sleep(max(0.0, began + put / rate - loop.time()))
            put, number = put + 1, number + 1
            raw = b"From: ann@author.test\r\nSubject: mail %d\r\nMessage-ID: <%d@author.test>\r\nX-Put: %.6f\r\n\r\n%b"
            chance.choice(inboxes).append(raw % (number, number, time.time(), _BODY), internal_ms=clock.now_ms())
        print(put, flush=True)


class ImapProcess:
    """The IMAP server in a process of its own."""

    def __init__(self, folder: Path, accounts: int) -> None:
        command = [sys.executable, "-m", "bench.watch", "imap", str(folder), str(accounts)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.certificate = folder / "self-signed.crt"

    async def put(self, rate: float, seconds: float) -> int:
        """Put mails into mailboxes; return how many."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{rate} {seconds}\n")
        self._process.stdin.flush()
        return int(await asyncio.get_running_loop().run_in_executor(None, self._process.stdout.readline))

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def user_of(number: int) -> str:
    """Return the login of an account."""
    return f"user{number}@watched.test"


# The receiver of webhooks


class Receiver(asyncio.Protocol):
    """Answers 200 to every request and notes how long each mail took."""

    seconds: list[float] = []  # noqa: RUF012 - one list for all connections
    _PUT = re.compile(r"X-Put: ([0-9.]+)")

    def __init__(self) -> None:
        self._data = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take what is whole."""
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            length = re.search(rb"(?i)content-length: *(\d+)", self._data[:end])
            size = end + 4 + (int(length[1]) if length else 0)
            if len(self._data) < size:
                return
            body, self._data = self._data[end + 4 : size], self._data[size:]
            put = self._PUT.search(_decode(body)["rfc822"])
            if put is not None:
                self.seconds.append(time.time() - float(put[1]))
            assert self._transport is not None
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


# The server under test


class Watched:
    """A server with accounts."""

    def __init__(self, node: Node, imap: ImapProcess) -> None:
        self.node = node
        self._imap = imap
        self._key = ""

    def make(self, accounts: int, receiver_port: int) -> None:
        """Make a workspace's connection and accounts."""
        self._key = self._command("key", "create", "--superimap", "--json")["api_key"]
        self._call("PUT", "/partner", {"new_mail_webhook": f"http://127.0.0.1:{receiver_port}/new"})
        server = {"imap_host": "localhost", "imap_port": self._imap.port, "imap_security": "tls"}
        self._call("POST", "/connections", {"imap_provider_code": "PLAIN", **server})
        for number in range(accounts):
            user = user_of(number)
            fields = {"tag": f"u{number}", "email": user, "login_username": user, "login_password": _PASSWORD}
            self._call("POST", "/connections/PLAIN/users", fields)

    async def until_watching(self, accounts: int, seconds: float) -> float:
        """Start it; return how long it took until so many accounts have logged in and are watched."""
        began, began_ms = time.monotonic(), time.time_ns() // 1_000_000
        if not self.node.is_running:
            await self.node.start()
        while (found := self.watching(began_ms)) < accounts:
            if time.monotonic() - began > seconds:
                raise SystemExit(f"only {found} of {accounts} accounts are watched: {self.node.last_lines()}")
            await asyncio.sleep(0.2)
        return time.monotonic() - began

    def watching(self, since_ms: int) -> int:
        """Return how many accounts are watched that have logged in since then."""
        asked = "SELECT count(*) FROM account_status WHERE state = 'watching' AND last_login_ms >= ?"
        with contextlib.closing(sqlite3.connect(f"file:{self.node.data}/postroom.db?mode=ro", uri=True)) as reader:
            return int(reader.execute(asked, (since_ms,)).fetchone()[0])

    def _call(self, method: str, path: str, fields: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.node.port}/api/v1{path}",
            json.dumps(fields).encode(),
            {"x-api-key": self._key, "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def _command(self, *words: str) -> dict[str, str]:
        command = [sys.executable, "-m", "postroom", *words]
        environment = {"POSTROOM_DATA": str(self.node.data), "PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(command, env=environment, capture_output=True, check=True)
        found: dict[str, str] = json.loads(done.stdout)
        return found


class Figures(NamedTuple):
    """What was measured with one number of accounts."""

    accounts: int
    empty_kb: int
    idle_kb: int
    worked_kb: int
    cold_seconds: float
    idle_share: float
    latencies_ms: list[float]
    mails: int

    def kb_each(self, kb: int) -> float:
        """Return what each account took beyond the empty server."""
        return (kb - self.empty_kb) / self.accounts

    def latency_ms(self, share: float) -> float:
        """Return the latency that this share of the mails did not exceed; 0 where none came."""
        if not self.latencies_ms:
            return 0.0
        return self.latencies_ms[min(len(self.latencies_ms) - 1, int(len(self.latencies_ms) * share))]

    def __str__(self) -> str:
        lines = [
            f"{self.accounts} mailboxes over TLS in one process",
            f"  memory        {self.kb_each(self.idle_kb):6.1f} kB each idle, {self.kb_each(self.worked_kb):.1f} kB "
            f"after mail; {self.worked_kb / 1024:.0f} MB in all, {self.empty_kb / 1024:.0f} MB without accounts",
            f"  cold start    {self.cold_seconds:6.1f} s until all are watched",
            f"  idle          {self.idle_share * 100:6.2f} % of a core",
        ]
        if self.latencies_ms:
            lines.append(
                f"  EXISTS to webhook  p50 {self.latency_ms(0.5):.1f} ms, p99 {self.latency_ms(0.99):.1f} ms, "
                f"worst {self.latencies_ms[-1]:.0f} ms; {len(self.latencies_ms)} of {self.mails} mails told"
            )
        return "\n".join(lines)


async def measure(accounts: int, seconds: float) -> Figures:
    """Measure one number of accounts."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-watch-")))
        imap = ImapProcess(folder, accounts)
        stack.callback(imap.close)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Receiver, "127.0.0.1", 0)
        stack.callback(server.close)
        Receiver.seconds.clear()
        # What Python trusts beside the system's authorities.
        node = Node("node", folder, settings_of(accounts), {"SSL_CERT_FILE": str(imap.certificate)})
        for _ in range(2):
            # The first start also makes the database.
            await node.stop()
            await node.start()
        watched = Watched(node, imap)
        empty = node.memory_kb()
        await asyncio.to_thread(watched.make, accounts, server.sockets[0].getsockname()[1])
        await node.stop()
        cold = await watched.until_watching(accounts, 300)
        await asyncio.sleep(30)
        idle, cpu = node.memory_kb(), machine.cpu_seconds([node.pid])
        await asyncio.sleep(IDLE_SECONDS)
        share = (machine.cpu_seconds([node.pid]) - cpu) / IDLE_SECONDS
        mails = await imap.put(MAILS_PER_SECOND, seconds) if seconds else 0
        for _ in range(100):
            if len(Receiver.seconds) >= mails:
                break
            await asyncio.sleep(0.2)
        found = sorted(1000 * one for one in Receiver.seconds)
        figures = Figures(accounts, empty, idle, node.memory_kb(), cold, share, found, mails)
        await node.stop()
        return figures


def settings_of(accounts: int) -> dict[str, str]:
    """Return the settings of the server under test: one process, ports of its own, nothing refused on loopback."""
    return {
        **dict.fromkeys(("http", "submission", "inbound"), "127.0.0.1:0"),
        "helpers": "0",
        "watch_accounts": str(accounts),
        "watch_connections_per_second": "200",
        "allow_private": "127.0.0.0/8,::1/128",
        "hostname": "mail.postroom.test",
    }


def imapflow_kb(accounts: int) -> float | None:
    """Return what one idle connection of imapflow takes; None where it is not installed."""
    if not (ROOT / ".peers" / "imapflow").exists():
        return None
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-imapflow-")))
        imap = ImapProcess(folder, accounts)
        stack.callback(imap.close)
        command = ["node", str(ROOT / "bench" / "imapflow.mjs"), str(imap.port), str(accounts), _PASSWORD]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=600, check=True, cwd=ROOT / ".peers" / "imapflow"
        )
        return float(done.stdout.split()[-1])


def main() -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench watch")
    parser.add_argument("--accounts", type=int, default=ACCOUNTS)
    parser.add_argument("--many", type=int, default=MANY, help="accounts of the second run; 0: none")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long mails come")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    allow_many_files()
    figures = uvloop.run(measure(200 if options.quick else options.accounts, 5 if options.quick else options.seconds))
    print(figures)
    beside = imapflow_kb(figures.accounts)
    print(f"  imapflow      {beside:6.1f} kB each idle" if beside else "  imapflow is not installed in .peers")
    holds = [
        figures.kb_each(figures.worked_kb) <= MOST_KB,
        figures.latency_ms(0.5) <= MOST_P50_MS,
        figures.latency_ms(0.99) <= MOST_P99_MS,
        len(figures.latencies_ms) == figures.mails,
        figures.idle_share <= MOST_IDLE_SHARE,
        figures.cold_seconds <= MOST_COLD_SECONDS,
    ]
    if options.many and not options.quick:
        many = uvloop.run(measure(options.many, 0))
        print(many)
        holds.append(many.worked_kb <= MOST_MB * 1024)
    return 0 if all(holds) else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["imap"]:
        allow_many_files()
        uvloop.run(serve_imap(Path(sys.argv[2]), int(sys.argv[3])))
        sys.exit(0)
    sys.exit(main())
