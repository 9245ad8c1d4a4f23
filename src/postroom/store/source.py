"""Where the database is: the URL, read once, and what each engine makes of it."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
from sqlalchemy.exc import DBAPIError

from postroom.base.errors import SettingsError
from postroom.store import group, migrate, reader
from postroom.store.postgresql import PostgresqlReader, PostgresqlWriter, new_writer_id
from postroom.store.sqlite import SqliteReader, SqliteWriter
from postroom.store.transaction import Engine

_SQLITE_READERS = 2
_POSTGRESQL_READERS = 4


@dataclass(frozen=True, slots=True)
class Source:
    """How to reach one database."""

    engine: Engine
    prepare: Callable[[], None]
    """Makes the database and brings its tables up to date."""
    writer: Callable[[], group.Session]
    reader: Callable[[], reader.Session]
    readers: int
    """How many reader threads are worth having."""
    errors: tuple[type[Exception], ...]
    """What the driver raises where the database cannot be reached."""


def source_of(url: str) -> Source:
    """Read POSTROOM_DATABASE_URL. Raises SettingsError."""
    if url.startswith("sqlite:///") and len(url) > len("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        return Source(
            engine="sqlite",
            prepare=lambda: migrate.migrate_sqlite(path),
            writer=lambda: SqliteWriter(path),
            reader=lambda: SqliteReader(path),
            readers=_SQLITE_READERS,
            errors=(sqlite3.Error, DBAPIError),
        )
    if url.startswith(("postgresql://", "postgres://")):
        writer_id = new_writer_id()
        return Source(
            engine="postgresql",
            prepare=lambda: migrate.migrate_postgresql(url),
            writer=lambda: PostgresqlWriter(url, writer_id),
            reader=lambda: PostgresqlReader(url),
            readers=_POSTGRESQL_READERS,
            errors=(psycopg.Error, DBAPIError),
        )
    raise SettingsError("POSTROOM_DATABASE_URL: expected sqlite:///PATH or postgresql://USER@HOST/NAME")
