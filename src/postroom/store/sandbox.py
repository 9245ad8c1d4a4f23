"""Copies that the sandbox kept: table `sandbox_copy`. They are written by the settlement (`Tx.add`)."""

import zlib

from postroom.ledger.rows import SandboxCopyRow
from postroom.store.statement import statement
from postroom.store.transaction import Conn, Tx

# One copy, by its recipient.
_ONE = statement(
    "SELECT recipient_id, workspace_id, reverse_path, copy, created_ms FROM sandbox_copy"
    " WHERE recipient_id = ? AND workspace_id = ?"
)

# The newest copies of a workspace before an id; the copies themselves stay in the database.
_PAGE = statement(
    "SELECT recipient_id FROM sandbox_copy WHERE workspace_id = ? AND recipient_id < ?"
    " ORDER BY recipient_id DESC LIMIT ?"
)

# The oldest copies that retention takes; recipient ids grow with time.
_PURGE = statement(
    "DELETE FROM sandbox_copy WHERE recipient_id IN"
    " (SELECT recipient_id FROM sandbox_copy WHERE recipient_id < ? ORDER BY recipient_id LIMIT ?)"
    " RETURNING recipient_id"
)

_NEWEST = (1 << 63) - 1


def sandbox_copy(conn: Conn, workspace_id: int, recipient_id: int) -> SandboxCopyRow | None:
    """Return the copy that was kept for a recipient; `wire_copy` gives its bytes."""
    row = conn.one(_ONE, (recipient_id, workspace_id))
    return None if row is None else SandboxCopyRow(row[0], row[1], row[2], bytes(row[3]), row[4])


def sandbox_recipients(conn: Conn, workspace_id: int, *, before_id: int | None = None, limit: int = 50) -> list[int]:
    """Return the ids of recipients with a kept copy, the newest first; `before_id` is the last of the page before."""
    rows = conn.all(_PAGE, (workspace_id, before_id if before_id is not None else _NEWEST, limit))
    return [row[0] for row in rows]


def purge_sandbox(tx: Tx, before_id: int, limit: int = 500) -> int:
    """Delete up to `limit` copies of recipients before an id (`base.ids.first_id_at`); return how many went."""
    return len(tx.run(_PURGE, (before_id, limit)))


def wire_copy(row: SandboxCopyRow) -> bytes:
    """Return the bytes of a kept copy."""
    return zlib.decompress(row.copy)
