"""Workspaces: the tenants."""

from postroom.ledger.rows import WorkspaceRow
from postroom.store.database import Conn, Tx, statement

_COLUMNS = ", ".join(WorkspaceRow._fields)

_ALL = statement(f"SELECT {_COLUMNS} FROM workspace ORDER BY id")
_BY_NAME = statement(f"SELECT {_COLUMNS} FROM workspace WHERE name = ? ORDER BY id LIMIT 1")
_BY_ID = statement(f"SELECT {_COLUMNS} FROM workspace WHERE id = ?")

_HOLD = statement("UPDATE workspace SET name = name WHERE id = ?")


def hold(tx: Tx, workspace_id: int) -> None:
    """Have others who hold the workspace wait until this transaction ends."""
    tx.run(_HOLD, (workspace_id,))


def all_workspaces(conn: Conn) -> list[WorkspaceRow]:
    """Return every workspace, oldest first."""
    return [WorkspaceRow(*row) for row in conn.all(_ALL)]


def workspace_named(conn: Conn, name: str) -> WorkspaceRow | None:
    """Return the workspace of this name, or None."""
    row = conn.one(_BY_NAME, (name,))
    return WorkspaceRow(*row) if row else None


def workspace_by_id(conn: Conn, workspace_id: int) -> WorkspaceRow | None:
    """Return a workspace, or None."""
    row = conn.one(_BY_ID, (workspace_id,))
    return WorkspaceRow(*row) if row else None
