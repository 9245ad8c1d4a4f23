"""Runs the migrations with Alembic. Loaded only where there is something to migrate: Alembic takes 7 MB for good."""

from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, NullPool, create_engine, event, text

from postroom.store import sqlite
from postroom.store.faults import NewerDatabase
from postroom.store.migrate import HEAD

_SCRIPTS = Path(__file__).parent / "migrations"


def upgrade_sqlite(path: Path) -> None:
    """Bring a file to HEAD, making it where there is none. Raises NewerDatabase."""
    engine = sqlite_engine(path)
    try:
        with engine.begin() as connection:
            upgrade(connection)
    finally:
        engine.dispose()


def upgrade_postgresql(url: str) -> None:
    """Bring a database whose migration_lock exists to HEAD; waits while another node does. Raises NewerDatabase."""
    engine = postgresql_engine(url)
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT id FROM migration_lock WHERE id = 1 FOR UPDATE"))
            upgrade(connection)
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
