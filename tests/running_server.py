"""Postroom as its users meet it: `python -m postroom serve` as a child process with its own folder and ports.

```python
with RunningServer(transport=f"smtp://{sink.address}") as server:
    server.api.post("/messages", {"from": …, "to": […], "subject": "Hi", "text": "Hi"})
    server.wait_until_settled()
```
"""

import asyncio
import http.client
import json
import os
import re
import shutil
import signal
import smtplib
import socket
import sqlite3
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from peers.process import PeerFailed, free_port, listens, wait_until
from peers.require import ROOT

from postroom.app.services import open_services
from postroom.base.clock import SystemClock
from postroom.config import Settings, read_settings
from postroom.ledger.rows import DomainRow
from postroom.outbound.sign import new_ed25519_key, new_rsa_key
from postroom.store.database import Tx

_READY_SECONDS = 60
_STOP_SECONDS = 60
_HAND_OVER = """
import os, sys
found = [os.dup(int(one)) for one in sys.argv[1].split(",")]
for position, one in enumerate(os.dup2(one, 100 + at, inheritable=False) for at, one in enumerate(found)):
    os.dup2(one, 3 + position, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(found)), LISTEN_FDNAMES="http:submission")
os.execv(sys.argv[2], sys.argv[2:])
"""
"""sd_listen_fds(3): the sockets stand from descriptor 3 on, the variables name the very process that reads them."""
_UNSETTLED = ("queued", "sending", "deferred")


class Answer(NamedTuple):
    """What the HTTP door answered."""

    status: int
    fields: dict[str, str]
    """Header fields by lower-case name."""
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Login:
    """The SMTP login that `init` made."""

    host: str
    port: int
    username: str
    password: str


class Api:
    """A small client of the HTTP API; each request has a connection of its own."""

    def __init__(self, port: int, key: str) -> None:
        self.port = port
        self.key = key

    def get(self, path: str) -> Any:
        """Return what `/api/v1` + path answers with 200."""
        return _expected(self.request("GET", path), 200).json

    def post(self, path: str, value: object, *, status: int | None = None) -> Any:
        """Post JSON and return the answer; `status` where another one than 200 to 202 is expected."""
        answer = self.request("POST", path, value)
        return _expected(answer, *((status,) if status else (200, 201, 202))).json

    def request(self, method: str, path: str, value: object = None) -> Answer:
        """Perform a request of the API, whatever it answers."""
        fields = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        body = b"" if value is None else json.dumps(value).encode()
        return fetch(self.port, method, f"/api/v1{path}", fields=fields, body=body)

    def recipients(self, message_id: str) -> list[dict[str, Any]]:
        """Return the recipients of a message in the order of its envelope."""
        items: list[dict[str, Any]] = self.get(f"/messages/{message_id}/recipients")["items"]
        return items


def fetch(
    port: int, method: str, path: str, *, host: str = "", fields: dict[str, str] | None = None, body: bytes = b""
) -> Answer:
    """Perform one HTTP request on loopback; redirects are not followed. `host` is the Host field."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with closing(connection):
        connection.request(method, path, body, {**({"Host": host} if host else {}), **(fields or {})})
        response = connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


class RunningServer:
    """One running Postroom from the beginning to the end of its `with` block, with SQLite in a temporary folder."""

    def __init__(
        self, *, vouched: Iterable[str] = (), initialised: bool = True, holds_sockets: bool = False, **settings: str
    ) -> None:
        """`settings` are fields of `config.Settings`: `transport="direct"`, `resolver=dns.address`.

        `vouched`: domains that may send from the start, all with the same keys, since making one takes long.
        `initialised`: `postroom init` runs before the first start and gives key and login; without, `serve` makes them.
        `holds_sockets`: this process keeps the listening sockets and hands them over, as systemd does.
        """
        self.folder = Path()
        self.api = Api(0, "")
        self.login = Login("", 0, "", "")
        self._vouched = sorted(vouched)
        self._initialised = initialised
        self._holds_sockets = holds_sockets
        self._held: list[socket.socket] = []
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._log_begins = 0

    # Its life

    def __enter__(self) -> "RunningServer":
        self.folder = Path(tempfile.mkdtemp(prefix="postroom-server-"))
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            for one in self._held:
                one.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def prepare(self) -> None:
        """Choose ports, and make key and login before the first start."""
        self._choose_ports()
        if not self._initialised:
            return
        made = json.loads(self.command("init", "--json"))
        smtp = made["smtp"]
        self.api = Api(self.http_port, made["api_key"])
        self.login = Login("127.0.0.1", self.submission_port, smtp["username"], smtp["password"])
        if self._vouched:
            asyncio.run(_vouch(read_settings(self.environment()), self._vouched))

    def start(self) -> None:
        """Start it and return when it is ready."""
        for _ in range(5):
            self._log_begins = len(self.log())
            with (self.folder / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    self._program(),
                    pass_fds=[one.fileno() for one in self._held],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=self.environment(),
                    cwd=self.folder,
                )
            wait_until(lambda: self._is_ready() or self._process_ended(), "Postroom is ready", _READY_SECONDS)
            if not self._process_ended():
                return
            self._process = None
            if "address already in use" not in self.log().lower():
                break
            self._choose_ports()
            self.api.port = self.http_port
            self.login = Login("127.0.0.1", self.submission_port, self.login.username, self.login.password)
        raise PeerFailed(self.log())

    def stop(self, how: int = signal.SIGTERM) -> int:
        """End it and return its exit code; 0 where it did not run."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(how)
        try:
            return process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise PeerFailed(f"Postroom did not end on SIGTERM:\n{self.log()}") from None

    def restart(self, **settings: str) -> None:
        """Stop it and start it again on the same folder, with these settings changed."""
        self.stop()
        self._settings = {**self._settings, **settings}
        self.start()

    # What operators and users do with it

    def command(self, *words: str, input: bytes | None = None) -> str:
        """Run `postroom …` beside it and return what it printed; raise PeerFailed where it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "postroom", *words],
            env=self.environment(),
            cwd=self.folder,
            input=input,
            capture_output=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            raise PeerFailed(f"postroom {' '.join(words)} ended with {done.returncode}:\n{done.stderr.decode()}")
        return done.stdout.decode()

    def smtp(self, *, tls: bool = True) -> smtplib.SMTP:
        """Return a session at the submission door that has logged in."""
        client = smtplib.SMTP("127.0.0.1", self.submission_port, timeout=60)
        if tls:
            client.starttls()
        client.login(self.login.username, self.login.password)
        return client

    def fetch(self, method: str, path: str, *, host: str = "", fields: dict[str, str] | None = None,
              body: bytes = b"") -> Answer:  # fmt: skip
        """Perform a request at its HTTP listener, as a recipient's program does."""
        return fetch(self.http_port, method, path, host=host, fields=fields, body=body)

    def environment(self) -> dict[str, str]:
        """Return the environment that it, and commands beside it, run in."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("POSTROOM_")}
        settings = {
            "data": str(self.folder / "data"),
            "http": f"127.0.0.1:{self.http_port}",
            "submission": f"127.0.0.1:{self.submission_port}",
            "inbound": f"127.0.0.1:{self.inbound_port}",
            "hostname": "mail.postroom.test",
            **self._settings,
        }
        # A public address names our own port, which is known only now.
        told = {
            f"POSTROOM_{name.upper()}": value.replace("{http_port}", str(self.http_port))
            for name, value in settings.items()
        }
        return {**kept, "PYTHONPATH": str(ROOT / "src"), **told}

    # What can be seen of it

    def log(self) -> str:
        """Return what it printed so far."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Read its database; numbers of `?` are parameters."""
        path = self.folder / "data" / "postroom.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
            return connection.execute(sql, parameters).fetchall()

    def states(self, message_id: str) -> dict[str, str]:
        """Return the states of a message's recipients by address."""
        return {one["address"]: one["state"] for one in self.api.recipients(message_id)}

    def wait_for_state(self, message_id: str, *states: str, seconds: float = 30) -> dict[str, dict[str, Any]]:
        """Return the recipients of a message by address once all of them are in one of these states."""
        found: dict[str, dict[str, Any]] = {}

        def reached() -> bool:
            found.update({one["address"]: one for one in self.api.recipients(message_id)})
            return all(one["state"] in states for one in found.values())

        try:
            wait_until(reached, f"{message_id} is {' or '.join(states)}", seconds)
        except PeerFailed as failure:
            told = "\n".join(f"{one['address']} {one['state']}: {one['why']}" for one in found.values())
            raise PeerFailed(f"{failure}\n{told}") from failure
        return found

    def kept(self, address: str) -> list[bytes]:
        """Return the copies that the sandbox keeps for an address, oldest first."""
        asked = (
            "SELECT s.copy FROM sandbox_copy s JOIN recipient r ON r.id = s.recipient_id "
            "WHERE r.address = ? ORDER BY r.id"
        )
        return [zlib.decompress(copy) for (copy,) in self.rows(asked, address)]

    def wait_until_settled(self, seconds: float = 120) -> None:
        """Return when nothing waits and nothing is being tried."""
        marks = ", ".join("?" for _ in _UNSETTLED)
        asked = f"SELECT state, reason, count(*) FROM recipient WHERE state IN ({marks}) GROUP BY 1, 2"
        try:
            wait_until(lambda: not self.rows(asked, *_UNSETTLED), "all recipients are settled", seconds)
        except PeerFailed as failure:
            raise PeerFailed(f"{failure}\n{self.rows(asked, *_UNSETTLED)}") from failure

    def wait_for_hits(self, events: int, seconds: float = 60) -> None:
        """Return when so many opens and clicks are recorded."""
        asked = "SELECT count(*) FROM event WHERE kind IN ('opened', 'clicked')"
        wait_until(lambda: bool(self.rows(asked)[0][0] >= events), f"{events} hits are recorded", seconds)

    def _choose_ports(self) -> None:
        if self._holds_sockets:
            self._held = [socket.create_server(("127.0.0.1", 0), backlog=4096) for _ in range(2)]
            self.http_port, self.submission_port = (one.getsockname()[1] for one in self._held)
            (self.inbound_port,) = _free_ports(1)
        else:
            self.http_port, self.submission_port, self.inbound_port = _free_ports(3)

    def _program(self) -> list[str]:
        serve = [sys.executable, "-m", "postroom", "serve"]
        descriptors = [str(one.fileno()) for one in self._held]
        return [sys.executable, "-c", _HAND_OVER, ",".join(descriptors), *serve] if descriptors else serve

    def _is_ready(self) -> bool:
        # Its own word first: another server may have taken the port that was free a moment ago.
        if "\nTransport: " not in self.log()[self._log_begins :]:
            return False
        if not listens(self.http_port) or not listens(self.submission_port):
            return False
        return self.fetch("GET", "/health/ready").status == 200

    def _process_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None


def message_id_of(reply: bytes | str) -> str:
    """Return the message's id out of the reply to its final dot."""
    text = reply.decode() if isinstance(reply, bytes) else reply
    found = re.search(r"msg_\w+", text)
    assert found, text
    return found[0]


def submit(
    client: smtplib.SMTP,
    reverse_path: str,
    recipients: Iterable[str],
    mail: bytes,
    *,
    options: Iterable[str] = ("body=8bitmime",),
    rcpt_options: Iterable[str] = (),
) -> str:
    """Hand a mail in over an open session and return the message's id; every recipient has to be taken."""
    code, said = client.mail(reverse_path, list(options))
    assert code == 250, said
    for address in recipients:
        code, said = client.rcpt(address, list(rcpt_options))
        assert code == 250, said
    code, said = client.data(mail)
    assert code == 250, said
    return message_id_of(said)


async def _vouch(settings: Settings, names: Iterable[str]) -> None:
    async with open_services(settings, SystemClock()) as services:
        (workspace,) = services.workspaces.rows.values()
        rsa, ed25519 = new_rsa_key(), new_ed25519_key()

        def row(row_id: int, name: str) -> DomainRow:
            return DomainRow(
                row_id, workspace.id, name, proof="0" * 32, vouched=1, proved_ms=None,
                selector="rsa", rsa_key=services.sealer.seal(rsa, f"domain/{row_id}/rsa_key"),
                ed25519_selector="ed", ed25519_key=services.sealer.seal(ed25519, f"domain/{row_id}/ed25519_key"),
                return_path_seen_ms=None, tracking_seen_ms=None, checked_ms=None, created_ms=services.clock.now_ms(),
            )  # fmt: skip

        rows = [row(services.ids.next(), name) for name in names]

        def write(tx: Tx) -> None:
            for one in rows:
                tx.add(one)

        await services.database.write(write)


def _free_ports(count: int) -> list[int]:
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)


def _expected(answer: Answer, *statuses: int) -> Answer:
    assert answer.status in statuses, (answer.status, answer.body.decode(errors="replace"))
    return answer
