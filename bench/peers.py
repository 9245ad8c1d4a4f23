"""The two relays that are compared, and the sink behind them."""

import contextlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import uvloop
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from peers.opendkim import OpenDkimMilter
from peers.postfix import Postfix
from peers.process import free_port, listens, wait_until

from bench import ROOT
from bench.mails import AUTHOR_DOMAIN
from postroom.app.operations import Operations
from postroom.app.outbound import Outbound
from postroom.app.services import Services, open_services
from postroom.base.clock import SystemClock
from postroom.config import Settings, read_settings
from postroom.mail.dkim.record import record_text
from postroom.mail.dkim.signature import Algorithm
from postroom.store.database import Tx
from postroom.store.statement import statement

SYNCHRONOUS_FULL = 2


class Sink:
    """Debian's smtp-sink: answers and counts."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._path = folder / f"sink-{self.port}"
        with self._path.open("wb") as output:
            command = ["smtp-sink", "-c", f"127.0.0.1:{self.port}", "1000"]
            if os.geteuid() == 0:
                command[1:1] = ["-u", "nobody"]
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
        wait_until(lambda: listens(self.port), "smtp-sink listens")

    def count(self) -> int:
        """Return how many mails it has answered."""
        with self._path.open("rb") as output:
            output.seek(max(0, self._path.stat().st_size - 200))
            found = re.findall(rb"mesg=(\d+)", output.read())
        return int(found[-1]) if found else 0

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait()


class Relay(Protocol):
    """A relay that runs."""

    name: str
    port: int
    login: tuple[str, str] | None

    def roots(self) -> list[int]:
        """Return the pids of its process trees."""
        ...

    def queue_length(self) -> int:
        """Return how many mails wait in it."""
        ...

    def dkim_record(self) -> str:
        """Return the TXT record of the key that it signs with."""
        ...


class PostfixRelay:
    """Postfix with OpenDKIM as milter: RSA-2048, relaxed/relaxed; the settings of the reference figures."""

    name = "postfix+opendkim"
    login = None

    def __init__(self, sink_port: int) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self._milter = OpenDkimMilter(domain=AUTHOR_DOMAIN, selector="k", private_key_pem=pem)
        self._milter.__enter__()
        self._postfix = Postfix(
            relayhost=f"127.0.0.1:{sink_port}",
            milters=[self._milter.address],
            settings={
                "smtputf8_enable": "no",
                "in_flow_delay": "0",
                "default_destination_concurrency_limit": "50",
                "initial_destination_concurrency": "20",
                "minimal_backoff_time": "300s",
                "queue_run_delay": "300s",
            },
        )
        try:
            self._postfix.__enter__()
        except BaseException:
            self._milter.__exit__()
            raise
        self.port = self._postfix.port

    def roots(self) -> list[int]:
        """Return the pids of its master and of OpenDKIM."""
        master = int((self._postfix.folder / "spool" / "pid" / "master.pid").read_text())
        assert self._milter._process is not None
        return [master, self._milter._process.pid]

    def queue_length(self) -> int:
        """Return how many files its queues have."""
        return self._postfix.queue_length()

    def dkim_record(self) -> str:
        """Return the TXT record of its key."""
        public = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return record_text(Algorithm.RSA, public)

    def close(self) -> None:
        """Stop both."""
        try:
            self._postfix.__exit__()
        finally:
            self._milter.__exit__()


class PostroomRelay:
    """Postroom as a user runs it: SQLite, all roles, one helper process unless told otherwise, smarthost transport."""

    name = "postroom"

    def __init__(self, sink_port: int, *, ed25519: bool = False, settings: dict[str, str] | None = None,
                 profile: Path | None = None, prepare: Callable[[Services], Awaitable[None]] | None = None,
                 run: bool = True) -> None:  # fmt: skip
        """`prepare` works on the opened parts before the server starts; `run` False leaves the start to the caller."""
        self.folder = Path(tempfile.mkdtemp(prefix="postroom-bench-"))
        self.port, self.http_port = free_port(), free_port()
        self.profile = profile
        self._settings = settings or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._record = ""
        self.synchronous = -1
        self.journal_mode = ""
        self.api_key = ""
        self.login: tuple[str, str] | None = None
        self._transport(sink_port)
        try:
            uvloop.run(self._prepare(ed25519, prepare))
            if run:
                self.start(sink_port)
        except BaseException:
            self.close()
            raise

    def start(self, sink_port: int) -> None:
        """Start the server with its way out to this sink."""
        self._transport(sink_port)
        log = (self.folder / "server.log").open("ab")
        environment = dict(self._environment)
        if self.profile is not None:
            environment["BENCH_SAMPLES"] = str(self.profile)
            environment["PYTHONPATH"] = str(ROOT / "bench" / "sampler")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "postroom", "serve"], env=environment, cwd=ROOT, stdout=log, stderr=log,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until(lambda: self._process.poll() is not None or listens(self.port), "Postroom listens")  # type: ignore[union-attr]
        if self._process.poll() is not None:
            raise RuntimeError((self.folder / "server.log").read_text()[-3000:])

    def stop(self) -> None:
        """Stop the server cleanly; the folder stays."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def close(self) -> None:
        """Stop it and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def roots(self) -> list[int]:
        """Return the owner's pid; helpers are below it."""
        assert self._process is not None
        return [self._process.pid]

    def queue_length(self) -> int:
        """Return how many recipients are not settled."""
        path = f"file:{self.folder}/postroom.db?mode=ro"
        with contextlib.closing(sqlite3.connect(path, uri=True)) as connection:
            query = "SELECT count(*) FROM recipient WHERE state IN ('queued', 'sending', 'deferred')"
            return int(connection.execute(query).fetchone()[0])

    def dkim_record(self) -> str:
        """Return the TXT record of the domain's RSA key."""
        return self._record

    def log(self) -> str:
        """Return what the server printed."""
        return (self.folder / "server.log").read_text()

    def _transport(self, sink_port: int) -> None:
        self._environment = {
            **_clean_environment(self.folder),
            "POSTROOM_HTTP": f"127.0.0.1:{self.http_port}",
            "POSTROOM_SUBMISSION": f"127.0.0.1:{self.port}",
            "POSTROOM_INBOUND": "",
            "POSTROOM_TRANSPORT": f"smtp://127.0.0.1:{sink_port}",
            **self._settings,
        }

    async def _prepare(self, ed25519: bool, prepare: Callable[[Services], Awaitable[None]] | None) -> None:
        settings = read_settings(self._environment)
        async with open_services(settings, SystemClock()) as services:
            made = await Operations(services, Outbound(services)).init({})
            self.api_key = made["api_key"]
            self.login = (made["smtp"]["username"], made["smtp"]["password"])
            workspace = next(iter(services.workspaces.rows.values()))
            row = await services.domains.create(workspace, AUTHOR_DOMAIN, vouched=True, ed25519=ed25519)
            self._record = (await services.domains.signing_keys(row.id))[0].record_text()
            self.synchronous, self.journal_mode = await services.database.write(durability)
            if prepare is not None:
                await prepare(services)


def prepared_settings(folder: Path, more: dict[str, str]) -> Settings:
    """Return the settings of a benchmark that opens the parts in its own process."""
    return read_settings({**_clean_environment(folder), **more})


def _clean_environment(folder: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("POSTROOM_")}
    return {**kept, "POSTROOM_DATA": str(folder), "POSTROOM_INBOUND": ""}


def durability(tx: Tx) -> tuple[int, str]:
    """Return what the connection that commits says of itself."""
    if tx.engine != "sqlite":
        return SYNCHRONOUS_FULL, "postgresql"
    return int(tx.run(statement("PRAGMA synchronous"))[0][0]), str(tx.run(statement("PRAGMA journal_mode"))[0][0])


def drain(relay: Relay, seconds: float = 60.0) -> None:
    """Wait until a relay's queue is empty."""
    end = time.monotonic() + seconds
    while relay.queue_length():
        if time.monotonic() > end:
            raise RuntimeError(f"{relay.name} still has {relay.queue_length()} mails after {seconds} s")
        time.sleep(0.01)
