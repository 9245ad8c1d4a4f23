"""A fresh database for each test, on both engines: copies of one that was migrated once."""

import contextlib
import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from postroom.base.clock import ManualClock
from postroom.store import migrate
from postroom.store.database import Database, open_database

_POSTGRESQL = Path("/usr/lib/postgresql/15/bin")


@dataclass(slots=True)
class PostgresqlServer:
    """A private PostgreSQL that a test may stop and start."""

    folder: Path
    port: int

    def url(self, name: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -c shared_buffers=64MB"
        _as_postgres(
            "pg_ctl", "-D", str(self.folder / "data"), "-w", "-o", options, "-l", str(self.folder / "log"), "start"
        )

    def stop(self, mode: str = "immediate") -> None:
        _as_postgres("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", mode, "stop")

    def execute(self, text: str, database: str = "postgres") -> None:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(text.encode())


def _as_postgres(command: str, *arguments: str) -> None:
    words = [str(_POSTGRESQL / command), *arguments]
    if os.geteuid() == 0:
        words = ["runuser", "-u", "postgres", "--", *words]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextlib.contextmanager
def run_postgresql(folder: Path) -> Iterator[PostgresqlServer]:
    """Make a cluster in `folder`, run it, and stop it at the end."""
    if not _POSTGRESQL.exists():
        pytest.skip("PostgreSQL 15 is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    _as_postgres("initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
    server = PostgresqlServer(folder, _free_port())
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """One PostgreSQL for the session, with the migrated database `template_postroom`."""
    # pytest's own temporary folders may be entered by root only.
    folder = Path("/tmp") / f"postroom-pg-{uuid.uuid4().hex[:12]}"
    try:
        with run_postgresql(folder) as server:
            server.execute("CREATE DATABASE template_postroom")
            migrate.migrate_postgresql(server.url("template_postroom"))
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgresql_url(postgresql_server: PostgresqlServer) -> Iterator[str]:
    """The URL of a migrated PostgreSQL database of this test's own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    postgresql_server.execute(f"CREATE DATABASE {name} TEMPLATE template_postroom")
    yield postgresql_server.url(name)
    with contextlib.suppress(psycopg.OperationalError):
        postgresql_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("template") / "postroom.db"
    migrate.migrate_sqlite(path)
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a migrated SQLite file of this test's own."""
    path = tmp_path / "postroom.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh database, once on each engine."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still until the test moves it."""
    return ManualClock()


@pytest.fixture
async def database(database_url: str, clock: ManualClock) -> AsyncIterator[Database]:
    """A fresh open database, once on each engine."""
    opened = await open_database(database_url, clock=clock)
    yield opened
    await opened.close()
