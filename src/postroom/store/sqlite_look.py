"""A look into an SQLite file by a command that an MTA waits for: read-only, beside whoever writes.

The file is the database, or the copy that a server on PostgreSQL keeps (`store.rcpt_facts`).

It loads nothing of the rest of the store, which takes half a second, takes no lock of the data folder, and
neither makes nor migrates nor checkpoints anything.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from postroom.base.errors import PostroomError, TryLater
from postroom.ledger.route_rows import RouteRow

RCPT_COPY = "rcpt.db"
"""In the data folder of a server on PostgreSQL: its copy of what deciding about a recipient needs."""

_BUSY_SECONDS = 0.5

_UNFINISHED = "SELECT 1 FROM restoration WHERE finished_ms IS NULL LIMIT 1"
_OWNER = "SELECT workspace_id FROM domain WHERE name = ? AND (proved_ms IS NOT NULL OR vouched = 1)"
_ROUTES = f"SELECT {', '.join(RouteRow._fields)} FROM route WHERE workspace_id = ? ORDER BY position, id"
_FIRST_WORKSPACE = "SELECT min(id) FROM workspace"
_TOKEN_KEYS = "SELECT name, sealed FROM secret WHERE name >= 'token_key/' AND name < 'token_key0'"  # noqa: S105
_RECIPIENT = "SELECT 1 FROM recipient WHERE id = ?"


class SqliteLook:
    """One read transaction. Everything raises TryLater where the file cannot be read or lacks what is asked for."""

    def __init__(self, path: Path) -> None:
        """Open the file. Raises TryLater, and PostroomError for a backup that was not restored."""
        try:
            # Read-only: closing must not checkpoint while a server that just starts commits (store.sqlite tells why).
            self._connection = sqlite3.connect(
                f"file:{quote(str(path))}?mode=ro", uri=True, timeout=_BUSY_SECONDS, isolation_level=None
            )
        except sqlite3.Error as error:
            raise TryLater(f"the database {path} cannot be opened: {error}") from error
        try:
            self._connection.execute("PRAGMA mmap_size = 0")
            unfinished = self._all("BEGIN") or self._all(_UNFINISHED)
        except BaseException:
            self._connection.close()
            raise
        if unfinished:
            self._connection.close()
            raise PostroomError("this database is a backup that was not restored: run `postroom restore`")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def owners(self, names: Iterable[str]) -> dict[str, int]:
        """Return the workspaces of those of these domains that are proved or vouched for."""
        return {name: row[0] for name in names for row in self._all(_OWNER, name)}

    def routes_of(self, workspace_ids: Iterable[int]) -> list[RouteRow]:
        """Return the routes of workspaces, those of each in the order in which they are asked."""
        return [RouteRow(*row) for one in workspace_ids for row in self._all(_ROUTES, one)]

    def first_workspace(self) -> int | None:
        """Return the oldest workspace, or None where there is none."""
        found: int | None = self._all(_FIRST_WORKSPACE)[0][0]
        return found

    def token_keys(self) -> list[tuple[str, bytes]]:
        """Return the sealed keys of tokens by their names, for `store.token_ring`. Raises TryLater for none."""
        rows = self._all(_TOKEN_KEYS)
        if not rows:
            raise TryLater("the database has no token keys: no server ever ran on it")
        return [(name, bytes(sealed)) for name, sealed in rows]

    def has_recipient(self, recipient_id: int) -> bool:
        """Tell whether a recipient of ours is still there."""
        return bool(self._all(_RECIPIENT, recipient_id))

    def _all(self, text: str, *parameters: object) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(text, parameters).fetchall()
        except sqlite3.Error as error:
            raise TryLater(f"the database cannot be read: {error}") from error


class CopyLook(SqliteLook):
    """A look into the copy that a server on PostgreSQL keeps."""

    def has_recipient(self, recipient_id: int) -> bool:
        """Tell that a recipient may still be there: only the database knows, and the server asks when it takes in."""
        return True
