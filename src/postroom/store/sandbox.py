"""Copies that the sandbox kept and when each was first shown: tables `sandbox_copy` and `sandbox_showing`.

Copies are written by the settlement (`Tx.add`), showings by whoever shows one.
"""

import zlib
from typing import NamedTuple

from postroom.ledger.rows import SandboxCopyRow, SandboxShowingRow
from postroom.store.statement import statement
from postroom.store.transaction import Conn, Tx

# One copy, by its recipient.
_ONE = statement(
    "SELECT recipient_id, workspace_id, reverse_path, copy, created_ms FROM sandbox_copy"
    " WHERE recipient_id = ? AND workspace_id = ?"
)

# The inbox: the copies with what their recipients and messages tell. Nothing that lies behind the copy's bytes
# in its row is read, so a page costs the same for large mails.
_INBOX_COLUMNS = """r.id, r.message_id, r.address, m.author_address, m.subject, r.settled_ms, r.opened_ms,
    r.human_opened_ms, r.clicked_ms, r.human_clicked_ms, w.shown_ms"""
_INBOX_JOINS = "JOIN message m ON m.id = r.message_id LEFT JOIN sandbox_showing w ON w.recipient_id = r.id"
_INBOX = statement(
    f"""
    SELECT {_INBOX_COLUMNS}
    FROM (SELECT recipient_id FROM sandbox_copy WHERE workspace_id = ? AND recipient_id < ?
          ORDER BY recipient_id DESC LIMIT ?) s
    JOIN recipient r ON r.id = s.recipient_id {_INBOX_JOINS} ORDER BY r.id DESC
    """
)
# Those of one address: no recipient older than the oldest copy is looked at.
_INBOX_OF = statement(
    f"""
    SELECT {_INBOX_COLUMNS} FROM recipient r {_INBOX_JOINS}
    WHERE r.workspace_id = ? AND r.address_key = ? AND r.id < ?
      AND r.id >= (SELECT MIN(recipient_id) FROM sandbox_copy WHERE workspace_id = ?)
      AND EXISTS (SELECT 1 FROM sandbox_copy s WHERE s.recipient_id = r.id)
    ORDER BY r.id DESC LIMIT ?
    """
)
# The next ones that came after a copy.
_NEWER = statement(
    f"""
    SELECT {_INBOX_COLUMNS}
    FROM (SELECT recipient_id FROM sandbox_copy WHERE workspace_id = ? AND recipient_id > ?
          ORDER BY recipient_id LIMIT ?) s
    JOIN recipient r ON r.id = s.recipient_id {_INBOX_JOINS} ORDER BY r.id DESC
    """
)
_NEWER_OF = statement(
    f"""
    SELECT {_INBOX_COLUMNS} FROM recipient r {_INBOX_JOINS}
    WHERE r.workspace_id = ? AND r.address_key = ? AND r.id > ?
      AND EXISTS (SELECT 1 FROM sandbox_copy s WHERE s.recipient_id = r.id)
    ORDER BY r.id LIMIT ?
    """
)
_SHOWN = statement("SELECT shown_ms FROM sandbox_showing WHERE recipient_id = ? AND workspace_id = ?")

# The oldest copies that retention takes; recipient ids grow with time.
_PURGE = statement(
    "DELETE FROM sandbox_copy WHERE recipient_id IN"
    " (SELECT recipient_id FROM sandbox_copy WHERE workspace_id = ? AND recipient_id < ? ORDER BY recipient_id LIMIT ?)"
    " RETURNING recipient_id"
)

_PURGE_SHOWINGS = statement(
    sqlite="DELETE FROM sandbox_showing WHERE recipient_id IN (SELECT value FROM json_each(?))",
    postgresql="DELETE FROM sandbox_showing WHERE recipient_id = ANY(?)",
)

_NEWEST = (1 << 63) - 1


class InboxRow(NamedTuple):
    """One copy as the inbox lists it."""

    recipient_id: int
    message_id: int
    address: str
    author_address: str
    subject: str
    settled_ms: int | None
    """When it was delivered into the sandbox."""
    opened_ms: int | None
    human_opened_ms: int | None
    clicked_ms: int | None
    human_clicked_ms: int | None
    shown_ms: int | None
    """When somebody who is logged in first looked at it; None: nobody yet."""


def sandbox_copy(conn: Conn, workspace_id: int, recipient_id: int) -> SandboxCopyRow | None:
    """Return the copy that was kept for a recipient; `wire_copy` gives its bytes."""
    row = conn.one(_ONE, (recipient_id, workspace_id))
    return None if row is None else SandboxCopyRow(row[0], row[1], row[2], bytes(row[3]), row[4])


def inbox(
    conn: Conn, workspace_id: int, *, address_key: str | None = None, before_id: int | None = None, limit: int = 50
) -> list[InboxRow]:
    """Return the newest copies before an id, of all recipients or of those with an address, the newest first."""
    before = before_id if before_id is not None else _NEWEST
    if address_key is None:
        rows = conn.all(_INBOX, (workspace_id, before, limit))
    else:
        rows = conn.all(_INBOX_OF, (workspace_id, address_key, before, workspace_id, limit))
    return [InboxRow._make(row) for row in rows]


def newer(
    conn: Conn, workspace_id: int, after_id: int, *, address_key: str | None = None, limit: int = 5
) -> list[InboxRow]:
    """Return the copies that came next after one, the newest first; of all recipients or of those with an address."""
    if address_key is None:
        rows = conn.all(_NEWER, (workspace_id, after_id, limit))
    else:
        rows = conn.all(_NEWER_OF, (workspace_id, address_key, after_id, limit))
    return sorted((InboxRow._make(row) for row in rows), reverse=True)


def first_shown_ms(conn: Conn, workspace_id: int, recipient_id: int) -> int | None:
    """Return when a copy was first shown, None for never."""
    row = conn.one(_SHOWN, (recipient_id, workspace_id))
    return None if row is None else int(row[0])


def note_showing(tx: Tx, workspace_id: int, recipient_id: int, shown_ms: int) -> None:
    """Note that a copy of this workspace is shown; a second showing changes nothing."""
    tx.add(SandboxShowingRow(recipient_id, workspace_id, shown_ms))


def purge_sandbox(tx: Tx, workspace_id: int, before_id: int, limit: int = 500) -> int:
    """Delete up to `limit` copies of recipients before an id (`base.ids.first_id_at`); return how many went."""
    gone = [row[0] for row in tx.run(_PURGE, (workspace_id, before_id, limit))]
    if gone:
        tx.run(_PURGE_SHOWINGS, (tx.many(gone),))
    return len(gone)


def wire_copy(row: SandboxCopyRow) -> bytes:
    """Return the bytes of a kept copy."""
    return zlib.decompress(row.copy)
