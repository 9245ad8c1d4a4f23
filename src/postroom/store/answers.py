"""What of ours a mail that came in is about: recipients found by token, Message-ID and address, and what a report does.

All but `workspace_of` asks within one workspace: a mail to one tenant never finds another's recipient.
"""

from collections.abc import Sequence

import msgspec

from postroom.ledger.rows import MessageRow, RecipientRow
from postroom.store.database import Conn, Tx, statement

_MESSAGE = ", ".join(f"m.{name}" for name in MessageRow._fields)
_RECIPIENT = ", ".join(f"r.{name}" for name in RecipientRow._fields)
_SPLIT = len(RecipientRow._fields)

_COPY = statement(
    f"SELECT {_RECIPIENT}, {_MESSAGE} FROM recipient r JOIN message m ON m.id = r.message_id "
    "WHERE r.id = ? AND r.workspace_id = ?"
)
_WORKSPACE = statement("SELECT workspace_id FROM recipient WHERE id = ?")
_MESSAGES = statement(
    f"SELECT {_MESSAGE} FROM message m WHERE m.workspace_id = ? AND m.message_id = ? ORDER BY m.id DESC LIMIT ?"
)
_AMONG = statement(
    sqlite=f"SELECT {_RECIPIENT} FROM recipient r WHERE r.message_id = ? AND r.workspace_id = ? "
    "AND r.address_key IN (SELECT value FROM json_each(?)) ORDER BY r.id LIMIT ?",
    postgresql=f"SELECT {_RECIPIENT} FROM recipient r WHERE r.message_id = ? AND r.workspace_id = ? "
    "AND r.address_key = ANY(?) ORDER BY r.id LIMIT ?",
)
_FIRST = statement(
    f"SELECT {_RECIPIENT} FROM recipient r WHERE r.message_id = ? AND r.workspace_id = ? ORDER BY r.id LIMIT ?"
)
_LOCK = statement(
    sqlite=f"SELECT {_RECIPIENT} FROM recipient r "
    "WHERE r.id IN (SELECT value FROM json_each(?)) AND r.workspace_id + 0 = ?",
    postgresql=f"SELECT {_RECIPIENT} FROM recipient r WHERE r.id = ANY(?) AND r.workspace_id = ? "
    "ORDER BY r.id FOR UPDATE OF r",
)
# A higher epoch: whoever still holds a claim of before cannot settle it any more.
_FAIL = statement(
    "UPDATE recipient SET state = 'failed', reason = ?, reply_code = ?, reply_status = ?, settled_ms = ?, "
    "sent_hour = NULL, cause = ?, epoch = epoch + 1, node = NULL, lease_ms = NULL WHERE id = ?"
)
_FAILURES = statement(
    "SELECT detail FROM event WHERE recipient_id = ? AND kind IN ('failed', 'bounced') ORDER BY id LIMIT ?"
)
_MOST_FAILURES = 100
_COMPLAINED = statement("UPDATE recipient SET complained_ms = ? WHERE id = ? AND complained_ms IS NULL RETURNING id")


class _Failure(msgspec.Struct):
    """What is asked of the detail of a failure's event."""

    suppressed: str = ""
    """The scope."""


_decode = msgspec.json.Decoder(_Failure).decode


def copy_of(conn: Conn, workspace_id: int, recipient_id: int) -> tuple[RecipientRow, MessageRow] | None:
    """Return a recipient of the workspace with its message, or None."""
    row = conn.one(_COPY, (recipient_id, workspace_id))
    return None if row is None else (RecipientRow._make(row[:_SPLIT]), MessageRow._make(row[_SPLIT:]))


def workspace_of(conn: Conn, recipient_id: int) -> int | None:
    """Return whose a recipient is, or None where it is gone."""
    row = conn.one(_WORKSPACE, (recipient_id,))
    return None if row is None else row[0]


def messages_with(conn: Conn, workspace_id: int, message_id: str, limit: int) -> list[MessageRow]:
    """Return the newest messages whose Message-ID this is: an author may have used it more than once."""
    return [MessageRow._make(row) for row in conn.all(_MESSAGES, (workspace_id, message_id, limit))]


def recipients_among(
    conn: Conn, workspace_id: int, message_id: int, address_keys: Sequence[str], limit: int
) -> list[RecipientRow]:
    """Return the recipients of a message that have one of these addresses."""
    rows = conn.all(_AMONG, (message_id, workspace_id, conn.many(list(address_keys)), limit))
    return [RecipientRow._make(row) for row in rows]


def only_recipient(conn: Conn, workspace_id: int, message_id: int) -> RecipientRow | None:
    """Return the recipient of a message that has just one, else None."""
    rows = conn.all(_FIRST, (message_id, workspace_id, 2))
    return RecipientRow._make(rows[0]) if len(rows) == 1 else None


def lock(tx: Tx, workspace_id: int, recipient_ids: Sequence[int]) -> dict[int, RecipientRow]:
    """Return these recipients as they are now, locked until COMMIT; those that are gone are left out."""
    rows = tx.run(_LOCK, (tx.many(list(recipient_ids)), workspace_id))
    return {row[0]: RecipientRow._make(row) for row in rows}


def fail(tx: Tx, recipient_id: int, *, why: str, code: int | None, status: str, cause: str, at_ms: int) -> None:
    """Put a locked recipient into state failed; the caller has checked that it may move."""
    tx.run(_FAIL, (why, code, status, at_ms, cause, recipient_id))


def has_suppressed(tx: Tx, recipient_id: int) -> bool:
    """Tell whether a failure of a recipient, at our try or by a bounce, has suppressed its address."""
    rows = tx.run(_FAILURES, (recipient_id, _MOST_FAILURES))
    return any(_decode(row[0]).suppressed for row in rows)


def mark_complained(tx: Tx, recipient_id: int, at_ms: int) -> bool:
    """Note that a recipient complained; return whether it is the first time. Locks the recipient's row."""
    return bool(tx.run(_COMPLAINED, (at_ms, recipient_id)))
