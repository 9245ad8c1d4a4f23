"""A PostgreSQL 15 cluster of its own in a temporary folder, on a loopback port.

PostgreSQL refuses to run as root, so as root it runs as the user postgres.
One cluster serves a whole test run (`shared_server`); a test that stops and
starts the database, and a benchmark, take one of their own, with default durability.
"""

import fcntl
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from peers.process import PeerFailed, free_port
from peers.require import POSTGRESQL_PROGRAMS

_SETTINGS = ("-c listen_addresses=127.0.0.1", "-c max_connections=200", "-c shared_buffers=64MB")
_UNSYNCED = ("-c fsync=off", "-c full_page_writes=off")
"""Of the run's cluster: databases are made and dropped in half the time, and none has to survive a power cut."""


class PostgresServer:
    """One cluster. `url` is its superuser's address of the database postgres."""

    def __init__(self, folder: Path, port: int, *, is_synced: bool = True) -> None:
        self.folder = folder
        self.port = port
        self._settings = _SETTINGS if is_synced else (*_SETTINGS, *_UNSYNCED)

    @classmethod
    def make(cls, *, is_synced: bool = True) -> "PostgresServer":
        """Make a cluster in a new temporary folder and start it, with default durability or without syncs."""
        folder = Path(tempfile.mkdtemp(prefix="postroom-pg-"))
        folder.chmod(0o711)
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        server = cls(folder, free_port(), is_synced=is_synced)
        try:
            # Not synced: the cluster's first files need not survive a power cut. The server itself syncs as always.
            server._program("initdb", "-D", "data", "-A", "trust", "-U", "postgres", "--locale=C", "-E", "UTF8", "-N")
            server.start()
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return server

    @property
    def url(self) -> str:
        """The administrator's URL."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start the cluster on its port and return when it answers."""
        options = " ".join((f"-p {self.port}", f"-c unix_socket_directories={self.folder}", *self._settings))
        for _ in range(5):
            try:
                self._program("pg_ctl", "-D", "data", "-w", "-t", "60", "-l", "log", "-o", options, "start")
                return
            except PeerFailed:
                if "could not bind" not in self.log():
                    raise PeerFailed(self.log()) from None
                (self.folder / "log").unlink()
        raise PeerFailed(self.log())

    def stop(self, mode: str = "fast") -> None:
        """Stop the cluster: `fast` cuts the sessions, `immediate` is a crash, `smart` waits for them."""
        self._program("pg_ctl", "-D", "data", "-w", "-t", "60", "-m", mode, "stop")

    def restart(self, mode: str = "fast") -> None:
        """Stop and start on the same port."""
        self.stop(mode)
        self.start()

    def log(self) -> str:
        """Return what the server printed."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def remove(self) -> None:
        """Crash the cluster, if it runs, and delete its folder."""
        try:
            if (self.folder / "data" / "postmaster.pid").exists():
                self.stop("immediate")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def databases(self) -> "Databases":
        """Return the maker of databases in this cluster."""
        return Databases(self.url, self.folder)

    def _program(self, name: str, *words: str) -> None:
        command = [str(POSTGRESQL_PROGRAMS / name), *words]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        # A pipe would be inherited by the server and never end, so what is printed goes to a file.
        with (self.folder / "printed").open("a+") as printed:
            done = subprocess.run(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                timeout=120,
                check=False,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
            )
        if done.returncode:
            raise PeerFailed(f"{name} failed: {(self.folder / 'printed').read_text()[-2000:]}")


class Databases:
    """Makes and drops databases in one cluster."""

    def __init__(self, url: str, lock_folder: Path) -> None:
        """`url`: a superuser's; `lock_folder` is shared by all processes that make templates there."""
        self.url = url
        self._lock_folder = lock_folder

    def fresh_database(self, template: str = "template0") -> str:
        """Create an empty database, or a copy of a template, and return its URL."""
        name = f"t_{secrets.token_hex(8)}"
        self._act(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self._url_of(name)

    def template_database(self, name: str, fill: Callable[[str], None]) -> str:
        """Make a template once for all workers and return its name for `fresh_database`.

        `fill` gets the URL of the empty database and must close its connections.
        """
        full_name = f"template_{name}"
        with (self._lock_folder / f"lock-{full_name}").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self._act("SELECT 1 FROM pg_database WHERE datname = %s", full_name):
                draft = self.fresh_database()
                try:
                    fill(draft)
                    self._act(f'ALTER DATABASE "{urlsplit(draft).path[1:]}" RENAME TO "{full_name}"')
                except BaseException:
                    self.drop_database(draft)
                    raise
        return full_name

    def drop_database(self, url: str) -> None:
        """Drop a database that `fresh_database` made, also while somebody is connected."""
        self._act(f'DROP DATABASE IF EXISTS "{urlsplit(url).path[1:]}" WITH (FORCE)')

    def _url_of(self, name: str) -> str:
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def _act(self, statement: str, *parameters: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True, connect_timeout=30) as connection:
            # The names are ours, and DDL takes no parameters.
            cursor = connection.execute(statement.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def own_server() -> Iterator[PostgresServer]:
    """A cluster for one test, which may stop, start and crash it."""
    server = PostgresServer.make()
    try:
        yield server
    finally:
        server.remove()


def shared_server(run_folder: Path) -> PostgresServer:
    """Return the run's cluster, started by whoever asks first; `remove_shared` ends it.

    `run_folder` is the same for all xdist workers of a run.
    """
    with (run_folder / "postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        note = run_folder / "postgres.json"
        if not note.exists():
            server = PostgresServer.make(is_synced=False)
            _watch(server, os.getpid() if os.environ.get("PYTEST_XDIST_WORKER") is None else os.getppid())
            note.write_text(json.dumps({"folder": str(server.folder), "port": server.port}))
        facts = json.loads(note.read_text())
        return PostgresServer(Path(facts["folder"]), facts["port"])


def remove_shared(run_folder: Path) -> None:
    """End the run's cluster, if one was started."""
    note = run_folder / "postgres.json"
    if note.exists():
        facts = json.loads(note.read_text())
        PostgresServer(Path(facts["folder"]), facts["port"]).remove()


_WATCH = """
import os, pathlib, sys, time
sys.path[:0] = {path!r}
from peers.postgres import PostgresServer
server = PostgresServer(pathlib.Path({folder!r}), {port})
while server.folder.exists():
    try:
        os.kill({owner}, 0)
    except ProcessLookupError:
        server.remove()
    time.sleep(1)
"""


def _watch(server: PostgresServer, owner: int) -> None:
    """Leave a process behind that removes the cluster should the test run die without doing so."""
    code = _WATCH.format(path=sys.path, folder=str(server.folder), port=server.port, owner=owner)
    command = f'"{sys.executable}" -c "$0" >/dev/null 2>&1 </dev/null &'
    subprocess.run(["sh", "-c", command, code], check=True, start_new_session=True)
