"""Backups of PostgreSQL by its own tools, pg_dump and pg_restore, which have to be installed here.

Passwords go to them in the environment, not on the command line, where every
user of the machine sees them.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from postroom.base.errors import PostroomError
from postroom.base.ids import first_id_at
from postroom.store import schema
from postroom.store.backup_file import Copied, sync
from postroom.store.faults import CopyFailed, StoreLost

_ASIDE = "before_restore_"
_CONNECT_SECONDS = 10


class NoTool(PostroomError):
    """A tool of PostgreSQL is not installed on this machine."""


def dump(url: str, path: Path) -> Copied:
    """Write a dump of one moment into an empty file; return what it holds. Raises NoTool, CopyFailed, StoreLost."""
    command = ["--format=custom", "--no-owner", "--no-privileges", f"--exclude-schema={_ASIDE}*"]
    _tool("pg_dump", [*command, "--file=FILE"], url)
    with _connect(url) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        # The same moment for the dump and for the counts beside it.
        snapshot = _one(connection, "SELECT pg_export_snapshot()")
        version = str(_one(connection, "SELECT version_num FROM alembic_version"))
        counts = {
            name: int(str(_one(connection, sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name)))))
            for name in sorted(schema.metadata.tables)
        }
        _run("pg_dump", [*command, f"--snapshot={snapshot}", f"--file={path}"], url)
    sync(path)
    return Copied(version, counts)


def check_dump(path: Path) -> None:
    """Read the contents of a dump. Raises NoTool, CopyFailed."""
    _run("pg_restore", ["--list", str(path)], None)


def is_empty(url: str) -> bool:
    """Tell whether a database has no tables of ours. Raises StoreLost."""
    with _connect(url) as connection:
        return _one(connection, "SELECT to_regclass('public.alembic_version')::text") is None


def alive(url: str, since_ms: int) -> list[int]:
    """Return the numbers of the nodes that were seen after a time. Raises StoreLost."""
    with _connect(url) as connection:
        if _one(connection, "SELECT to_regclass('public.node')::text") is None:
            return []
        found = connection.execute("SELECT number FROM node WHERE seen_ms > %s ORDER BY number", (since_ms,))
        return [int(str(row[0])) for row in found.fetchall()]


def move_aside(url: str, stamp: str) -> str:
    """Rename the schema that holds our tables, and make an empty one; return the old one's new name."""
    name = _ASIDE + stamp
    with _connect(url) as connection:
        connection.execute(sql.SQL("ALTER SCHEMA public RENAME TO {}").format(sql.Identifier(name)))
        connection.execute("CREATE SCHEMA public")
        connection.execute("COMMIT")
    return name


def load(url: str, path: Path, backup_ms: int) -> None:
    """Bring a dump into an empty database, marked as not restored before its rows come. Raises NoTool, CopyFailed."""
    common = ["--no-owner", "--no-privileges", "--exit-on-error"]
    _run("pg_restore", [*common, "--section=pre-data", str(path)], url)
    with _connect(url) as connection:
        # Before the rows: a node that is started in between meets a database that refuses it.
        connection.execute(
            "INSERT INTO restoration (id, backup_ms) VALUES (%s, %s)", (first_id_at(backup_ms), backup_ms)
        )
        connection.execute("COMMIT")
    _run("pg_restore", [*common, "--section=data", "--single-transaction", str(path)], url)
    _run("pg_restore", [*common, "--section=post-data", str(path)], url)


def _connect(url: str) -> psycopg.Connection[tuple[object, ...]]:
    try:
        return psycopg.connect(url, connect_timeout=_CONNECT_SECONDS)
    except psycopg.Error as error:
        raise StoreLost(f"the database (POSTROOM_DATABASE_URL) cannot be reached: {error}") from error


def _one(connection: psycopg.Connection[tuple[object, ...]], asked: str | sql.Composed) -> object:
    row = connection.execute(asked).fetchone()
    return None if row is None else row[0]


def _tool(name: str, arguments: Sequence[str], url: str | None) -> str:
    found = shutil.which(name)
    if found is None:
        target = [] if url is None else [f"--dbname='{_without_password(url)}'"]
        raise NoTool(
            f"{name} is not installed here (Debian: apt install postgresql-client). Install it, or run this line "
            f"where it is: {' '.join([name, *arguments, *target])}"
        )
    return found


def _run(name: str, arguments: Sequence[str], url: str | None) -> None:
    tool = _tool(name, arguments, url)
    environment = dict(os.environ)
    target = []
    if url is not None:
        target = [f"--dbname={_without_password(url)}"]
        password = conninfo_to_dict(url).get("password")
        if password is not None:
            environment["PGPASSWORD"] = str(password)
    done = subprocess.run(  # noqa: S603 - our own arguments
        [tool, *arguments, *target], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CopyFailed(f"{name} ended with {done.returncode}: {done.stderr.strip()}")


def _without_password(url: str) -> str:
    fields = conninfo_to_dict(url)
    fields.pop("password", None)
    return make_conninfo("", **fields)
