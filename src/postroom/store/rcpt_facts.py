"""A copy, as a small SQLite file, of what deciding about a recipient needs: for `postroom receive` on PostgreSQL.

`store.sqlite_look` reads it, where no server of the host runs. Its tables are those of the store, with
what deciding asks for and nothing else: neither where routes lead nor their secrets.
"""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from postroom.ledger.route_rows import RouteRow
from postroom.store.database import Conn
from postroom.store.domains import owners
from postroom.store.routes import all_routes
from postroom.store.secrets import sealed_token_keys
from postroom.store.workspaces import all_workspaces

_TABLES = (
    "restoration (finished_ms INTEGER)",
    "workspace (id INTEGER)",
    "domain (name TEXT PRIMARY KEY, workspace_id INTEGER, proved_ms INTEGER, vouched INTEGER) WITHOUT ROWID",
    f"route ({', '.join(RouteRow._fields)}, PRIMARY KEY (workspace_id, position, id)) WITHOUT ROWID",
    "secret (name TEXT, sealed BLOB)",
)


@dataclass(frozen=True, slots=True)
class RcptFacts:
    """What deciding about a recipient needs."""

    owners: tuple[tuple[str, int], ...]
    """The domains that are proved or vouched for, with their workspaces."""
    routes: tuple[RouteRow, ...]
    """Without targets, secrets and descriptions."""
    workspace_ids: tuple[int, ...]
    token_keys: tuple[tuple[str, bytes], ...]
    """Sealed, by the names of their rows."""


def read_facts(conn: Conn) -> RcptFacts:
    """Read them all."""
    return RcptFacts(
        tuple(owners(conn)),
        tuple(row._replace(target="", secret=None, description="") for row in all_routes(conn)),
        tuple(row.id for row in all_workspaces(conn)),
        tuple(sealed_token_keys(conn)),
    )


def write_facts(path: Path, facts: RcptFacts) -> None:
    """Replace the file as a whole; the new one is on the disk then. Raises OSError: the one before stays."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            _fill(connection, facts)
    except sqlite3.Error as error:
        raise OSError(f"{draft}: {error}") from error
    if os.geteuid() == 0:
        # A command that root runs must not take the file away from the server's user.
        owner = path.parent.stat()
        os.chown(draft, owner.st_uid, owner.st_gid)
    draft.rename(path)


def _fill(connection: sqlite3.Connection, facts: RcptFacts) -> None:
    # Nobody else has the file, and what a crash leaves is a draft that nobody reads.
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("BEGIN")
    for table in _TABLES:
        connection.execute(f"CREATE TABLE {table}")
    connection.executemany("INSERT INTO workspace VALUES (?)", ((one,) for one in facts.workspace_ids))
    connection.executemany("INSERT INTO domain VALUES (?, ?, NULL, 1)", facts.owners)
    connection.executemany(f"INSERT INTO route VALUES ({', '.join('?' for _ in RouteRow._fields)})", facts.routes)
    connection.executemany("INSERT INTO secret VALUES (?, ?)", facts.token_keys)
    connection.execute("COMMIT")
