"""The copy of a SQLite database as a file that nobody writes to: finished after copying, checked before it comes back.

A finished backup carries a row in `restoration` that is not finished. So a
server that somebody starts on it by hand refuses to, and mail that has long
been sent is not sent again.
"""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from postroom.base.ids import first_id_at
from postroom.store import schema
from postroom.store.faults import CopyFailed
from postroom.store.sqlite import connect

_MARK = "INSERT INTO restoration (id, backup_ms) VALUES (?, ?) ON CONFLICT DO NOTHING"


@dataclass(frozen=True, slots=True)
class Copied:
    """What a backup of a database holds."""

    schema: str
    """The number of its last migration."""
    counts: dict[str, int]
    """Rows by table."""


def copy_unused(source: Path, target: Path) -> None:
    """Copy a database that no process has open to a new file. Raises CopyFailed."""
    try:
        with closing(connect(source)) as connection, closing(_open(target)) as copy:
            connection.backup(copy)
    except sqlite3.Error as error:
        raise CopyFailed(f"{source} cannot be copied to {target}: {error}") from error


def finish_copy(path: Path, backup_ms: int) -> Copied:
    """Make a fresh copy a backup: one file, marked, checked and synced. Raises CopyFailed."""
    try:
        with closing(_open(path)) as connection:
            # The copy has the header of a database with a WAL; a file that is moved about has none.
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute(_MARK, (first_id_at(backup_ms), backup_ms))
            _check(connection, path)
            copied = _read(connection)
    except sqlite3.Error as error:
        raise CopyFailed(f"{path} is damaged: {error}") from error
    sync(path)
    return copied


def check_copy(path: Path) -> Copied:
    """Read a backup through; raises CopyFailed where SQLite finds it damaged."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)) as connection:
            _check(connection, path)
            return _read(connection)
    except sqlite3.Error as error:
        raise CopyFailed(f"{path} is damaged: {error}") from error


def sealed_canary(path: Path) -> bytes | None:
    """Return the canary of a backup, which tells whether a master key is the right one."""
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)) as connection:
        row = connection.execute("SELECT sealed FROM secret WHERE name = 'canary'").fetchone()
    return None if row is None else bytes(row[0])


def sync(path: Path) -> None:
    """Wait until a file or a folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, isolation_level=None)


def _check(connection: sqlite3.Connection, path: Path) -> None:
    found = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
    if found != ["ok"]:
        raise CopyFailed(f"{path} is damaged: {'; '.join(found)}")


def _read(connection: sqlite3.Connection) -> Copied:
    (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    there = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    names = sorted(there & schema.metadata.tables.keys())
    counts = {name: int(connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]) for name in names}
    return Copied(str(version), counts)
