"""Brings the tables up to date before anything else uses them.

Migrations go forward only and run as one transaction. A database whose version
is unknown was written by a newer Postroom and is refused. On PostgreSQL a row
lock lets one of several starting nodes do the work while the others wait.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, NullPool, create_engine, event, text

from postroom.store import sqlite
from postroom.store.faults import NewerDatabase

HEAD = "0005"
"""The newest version, known without loading Alembic; a test holds that it is."""

_SCRIPTS = Path(__file__).parent / "migrations"


def migrate_sqlite(path: Path) -> None:
    """Make the file where there is none and bring it to HEAD. Raises NewerDatabase."""
    with _closing(sqlite.connect(path, create=True)) as connection:
        try:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError:
            found = None
    if found == (HEAD,):
        return
    engine = sqlite_engine(path)
    try:
        with engine.begin() as connection:
            upgrade(connection)
    finally:
        engine.dispose()


def migrate_postgresql(url: str) -> None:
    """Bring the database to HEAD; waits while another node does. Raises NewerDatabase."""
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        try:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except psycopg.errors.UndefinedTable:
            found = None
        if found == (HEAD,):
            return
        _make_lock(connection)
    engine = postgresql_engine(url)
    try:
        with engine.begin() as connection_:
            connection_.execute(text("SELECT id FROM migration_lock WHERE id = 1 FOR UPDATE"))
            upgrade(connection_)
    finally:
        engine.dispose()


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run the migrations inside the connection's transaction. Raises NewerDatabase."""
    config = alembic_config(connection)
    _refuse_newer(connection, config)
    command.upgrade(config, revision)


def alembic_config(connection: Connection) -> Config:
    """Return what Alembic needs to work on this connection."""
    config = Config()
    # Alembic reads this through ConfigParser, where % begins a reference.
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def sqlite_engine(path: Path) -> Engine:
    """Return a SQLAlchemy engine for migrations: one connection at a time, BEGIN IMMEDIATE."""
    engine = create_engine("sqlite://", creator=lambda: sqlite.connect(path, create=True), poolclass=NullPool)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # The driver itself is in autocommit mode, where DDL is transactional.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def postgresql_engine(url: str) -> Engine:
    """Return a SQLAlchemy engine for migrations: one connection at a time."""
    return create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=NullPool)


def _refuse_newer(connection: Connection, config: Config) -> None:
    has_table = connection.dialect.has_table(connection, "alembic_version")
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() if has_table else None
    if found is None:
        return
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found not in known:
        raise NewerDatabase(
            f"the database has version {found} and this Postroom knows versions up to {HEAD}: "
            "start the newer Postroom that wrote it, or restore a backup made before it"
        )


def _make_lock(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Make the row that nodes lock. Two nodes may try at once, and IF NOT EXISTS does not keep them apart."""
    for attempt in range(5):
        try:
            connection.execute("CREATE TABLE IF NOT EXISTS migration_lock (id INTEGER PRIMARY KEY)")
            connection.execute("INSERT INTO migration_lock VALUES (1) ON CONFLICT DO NOTHING")
        except (
            psycopg.errors.UniqueViolation,
            psycopg.errors.DuplicateTable,
            psycopg.errors.DuplicateObject,
            psycopg.errors.InternalError,
        ):
            if attempt == 4:
                raise
        else:
            return


@contextmanager
def _closing(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    try:
        yield connection
    finally:
        connection.close()
