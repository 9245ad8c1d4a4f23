"""Domains that workspaces send from."""

from postroom.ledger.rows import DomainRow
from postroom.store.database import Conn, Tx, statement

_COLUMNS = ", ".join(DomainRow._fields)

_BY_NAME = statement(f"SELECT {_COLUMNS} FROM domain WHERE workspace_id = ? AND name = ?")
_BY_ID = statement(f"SELECT {_COLUMNS} FROM domain WHERE id = ?")
_OWNER = statement(f"SELECT {_COLUMNS} FROM domain WHERE name = ? AND (proved_ms IS NOT NULL OR vouched = 1)")
_OF_WORKSPACE = statement(f"SELECT {_COLUMNS} FROM domain WHERE workspace_id = ? ORDER BY name")
_ALL = statement(f"SELECT {_COLUMNS} FROM domain ORDER BY id")
_OWNERS = statement("SELECT name, workspace_id FROM domain WHERE proved_ms IS NOT NULL OR vouched = 1 ORDER BY name")
_CHECKED = statement(
    """UPDATE domain SET proved_ms = ?, return_path_seen_ms = ?, tracking_seen_ms = ?, checked_ms = ?, problems = ?
       WHERE workspace_id = ? AND id = ? RETURNING id"""
)
_VOUCH = statement("UPDATE domain SET vouched = ? WHERE workspace_id = ? AND id = ? RETURNING id")
_DELETE = statement("DELETE FROM domain WHERE workspace_id = ? AND id = ? RETURNING id")


def domain_named(conn: Conn, workspace_id: int, name: str) -> DomainRow | None:
    """Return a workspace's own row of this name, proved or not."""
    row = conn.one(_BY_NAME, (workspace_id, name))
    return DomainRow(*row) if row else None


def domain_by_id(conn: Conn, domain_id: int) -> DomainRow | None:
    """Return a domain of whatever workspace: for signing, where the message names it."""
    row = conn.one(_BY_ID, (domain_id,))
    return DomainRow(*row) if row else None


def owner_of(conn: Conn, name: str) -> DomainRow | None:
    """Return the row by which a name is proved or vouched for, of whatever workspace; there is one at most."""
    row = conn.one(_OWNER, (name,))
    return DomainRow(*row) if row else None


def domains_of(conn: Conn, workspace_id: int) -> list[DomainRow]:
    """Return the domains of a workspace by name."""
    return [DomainRow(*row) for row in conn.all(_OF_WORKSPACE, (workspace_id,))]


def all_domains(conn: Conn) -> list[DomainRow]:
    """Return the domains of all workspaces, oldest first."""
    return [DomainRow(*row) for row in conn.all(_ALL)]


def owners(conn: Conn) -> list[tuple[str, int]]:
    """Return the names that are proved or vouched for with their workspaces, by name."""
    return [(name, workspace_id) for name, workspace_id in conn.all(_OWNERS)]


def set_checked(tx: Tx, row: DomainRow) -> bool:
    """Write what a check saw; tell whether the domain still exists."""
    seen = (row.proved_ms, row.return_path_seen_ms, row.tracking_seen_ms, row.checked_ms, row.problems)
    return bool(tx.run(_CHECKED, (*seen, row.workspace_id, row.id)))


def set_vouched(tx: Tx, workspace_id: int, domain_id: int, *, vouched: bool = True) -> bool:
    """Note whether the operator vouches for a domain; tell whether it exists."""
    return bool(tx.run(_VOUCH, (int(vouched), workspace_id, domain_id)))


def delete_domain(tx: Tx, workspace_id: int, domain_id: int) -> bool:
    """Delete a domain with its keys; tell whether it existed."""
    return bool(tx.run(_DELETE, (workspace_id, domain_id)))
