"""An SQLite file as a source."""

import importlib
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from postroom.store import sqlite
from postroom.store.migrate import HEAD
from postroom.store.source import Source
from postroom.store.sqlite import SqliteReader, SqliteWriter

_READERS = 2


def sqlite_source(url: str) -> Source:
    """Return how to reach the file at a `sqlite:///` URL."""
    path = Path(url.removeprefix("sqlite:///"))
    return Source(
        engine="sqlite",
        prepare=lambda: migrate_sqlite(path),
        writer=lambda: SqliteWriter(path),
        reader=lambda: SqliteReader(path),
        readers=_READERS,
        errors=(sqlite3.Error, DBAPIError),
    )


def migrate_sqlite(path: Path) -> None:
    """Make the file where there is none and bring it to HEAD. Raises NewerDatabase."""
    with closing(sqlite.connect(path, create=True)) as connection:
        try:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError:
            found = None
    if found != (HEAD,):
        importlib.import_module("postroom.store.upgrade").upgrade_sqlite(path)
