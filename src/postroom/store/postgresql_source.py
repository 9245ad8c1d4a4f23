"""A PostgreSQL database as a source."""

import importlib

import psycopg
from sqlalchemy.exc import DBAPIError

from postroom.store.migrate import HEAD
from postroom.store.postgresql import PostgresqlReader, PostgresqlWriter, new_writer_id
from postroom.store.source import Source

_READERS = 4


def postgresql_source(url: str) -> Source:
    """Return how to reach the database at a `postgresql://` URL."""
    writer_id = new_writer_id()
    return Source(
        engine="postgresql",
        prepare=lambda: migrate_postgresql(url),
        writer=lambda: PostgresqlWriter(url, writer_id),
        reader=lambda: PostgresqlReader(url),
        readers=_READERS,
        errors=(psycopg.Error, DBAPIError),
    )


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
    importlib.import_module("postroom.store.upgrade").upgrade_postgresql(url)


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
