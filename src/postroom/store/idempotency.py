"""Table `idempotency`: what was answered to an Idempotency-Key, for 24 hours.

A key is claimed in a transaction of its own (status 0) before the work, and
finished in the transaction of the work. So after a crash between the two
nothing was done and the key can be claimed again once it is stale; a crash
after the commit leaves the answer to be replayed. Both doors use these.
"""

from collections.abc import Sequence

from postroom.base.clock import DAY_MS
from postroom.ledger.rows import IdempotencyRow
from postroom.store.database import Conn, Tx, statement

KEEP_MS = DAY_MS
STALE_MS = 60_000
"""A claim that is not finished after this may be taken over: its process is gone."""

_COLUMNS = ", ".join(IdempotencyRow._fields)

# The first claim inserts. An expired row is replaced; a stale claim is taken over, for the same body only.
_CLAIM = statement(
    f"""
    INSERT INTO idempotency ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (workspace_id, key) DO UPDATE
    SET body_hash = excluded.body_hash, status = excluded.status, answer = excluded.answer,
        created_ms = excluded.created_ms, expires_ms = excluded.expires_ms
    WHERE idempotency.expires_ms <= excluded.created_ms
       OR (idempotency.status = 0 AND idempotency.created_ms <= ? AND idempotency.body_hash = excluded.body_hash)
    RETURNING key
    """
)
_GET = statement(f"SELECT {_COLUMNS} FROM idempotency WHERE workspace_id = ? AND key = ?")
_FINISH = statement(
    "UPDATE idempotency SET status = ?, answer = ? "
    "WHERE workspace_id = ? AND key = ? AND status = 0 AND created_ms = ? RETURNING key"
)
_FREE = statement("DELETE FROM idempotency WHERE workspace_id = ? AND key = ? AND status = 0 AND created_ms = ?")
_FORGET = statement(
    sqlite="DELETE FROM idempotency WHERE workspace_id = ? AND key IN (SELECT value FROM json_each(?))",
    postgresql="DELETE FROM idempotency WHERE workspace_id = ? AND key = ANY(?)",
)
# By the row's number: SQLite would go through a workspace's keys for each pair.
_DELETE_EXPIRED = statement(
    sqlite="DELETE FROM idempotency WHERE rowid IN "
    "(SELECT rowid FROM idempotency WHERE expires_ms <= ? LIMIT ?) RETURNING key",
    postgresql="DELETE FROM idempotency WHERE (workspace_id, key) IN "
    "(SELECT workspace_id, key FROM idempotency WHERE expires_ms <= ? LIMIT ?) RETURNING key",
)


def new_claim(workspace_id: int, key: str, body_hash: bytes, now_ms: int) -> IdempotencyRow:
    """Return the row by which a key is claimed."""
    return IdempotencyRow(workspace_id, key, body_hash, 0, b"", now_ms, now_ms + KEEP_MS)


def claim(tx: Tx, row: IdempotencyRow) -> IdempotencyRow | None:
    """Claim a key with a row of status 0. Return None where it is ours now, else the row that stands."""
    if tx.run(_CLAIM, (*row, row.created_ms - STALE_MS)):
        return None
    return IdempotencyRow._make(tx.run(_GET, (row.workspace_id, row.key))[0])


def finish(tx: Tx, row: IdempotencyRow, status: int, answer: bytes) -> bool:
    """Store the answer to the claim `row`; tell whether it was still ours. If not, the work must not be committed."""
    return bool(tx.run(_FINISH, (status, answer, row.workspace_id, row.key, row.created_ms)))


def free(tx: Tx, row: IdempotencyRow) -> None:
    """Give the claim `row` up, because nothing was done."""
    tx.run(_FREE, (row.workspace_id, row.key, row.created_ms))


def forget(tx: Tx, workspace_id: int, keys: Sequence[str]) -> None:
    """Delete keys whose work nobody can repeat any more."""
    if keys:
        tx.run(_FORGET, (workspace_id, tx.many(keys)))


def get(conn: Conn, workspace_id: int, key: str) -> IdempotencyRow | None:
    """Return the row of a key, expired or not."""
    row = conn.one(_GET, (workspace_id, key))
    return IdempotencyRow._make(row) if row else None


def delete_expired(tx: Tx, now_ms: int, limit: int) -> int:
    """Delete up to `limit` expired keys; return how many."""
    return len(tx.run(_DELETE_EXPIRED, (now_ms, limit)))
