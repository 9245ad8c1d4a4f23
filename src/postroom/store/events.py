"""Table `event`: reading what happened. Events are appended by `events.record` only."""

from postroom.ledger.rows import EventRow
from postroom.store.database import Conn, statement

_COLUMNS = ", ".join(EventRow._fields)

# The workspace is added to nothing, so that its index cannot drive: it gives the order too, and SQLite would go
# through all events of the workspace.
_OF_MESSAGE = statement(
    f"SELECT {_COLUMNS} FROM event WHERE message_id = ? AND workspace_id + 0 = ? AND id > ? ORDER BY id LIMIT ?"
)
_OF_RECIPIENT = statement(
    f"SELECT {_COLUMNS} FROM event WHERE recipient_id = ? AND workspace_id + 0 = ? AND id > ? ORDER BY id LIMIT ?"
)
_FEED = statement(f"SELECT {_COLUMNS} FROM event WHERE workspace_id = ? AND id > ? ORDER BY id LIMIT ?")
_FEED_OF_KIND = statement(
    f"SELECT {_COLUMNS} FROM event WHERE workspace_id = ? AND id > ? AND kind = ? ORDER BY id LIMIT ?"
)


def of_message(conn: Conn, workspace_id: int, message_id: int, after_id: int, limit: int) -> list[EventRow]:
    """Return up to `limit` events of a message and its recipients with an id above `after_id`, oldest first."""
    return [EventRow._make(row) for row in conn.all(_OF_MESSAGE, (message_id, workspace_id, after_id, limit))]


def of_recipient(conn: Conn, workspace_id: int, recipient_id: int, after_id: int, limit: int) -> list[EventRow]:
    """Return up to `limit` events of a recipient with an id above `after_id`, oldest first."""
    return [EventRow._make(row) for row in conn.all(_OF_RECIPIENT, (recipient_id, workspace_id, after_id, limit))]


def feed(conn: Conn, workspace_id: int, after_id: int, limit: int, kind: str | None = None) -> list[EventRow]:
    """Return up to `limit` events of a workspace with an id above `after_id`, oldest first."""
    if kind is None:
        rows = conn.all(_FEED, (workspace_id, after_id, limit))
    else:
        rows = conn.all(_FEED_OF_KIND, (workspace_id, after_id, kind, limit))
    return [EventRow._make(row) for row in rows]
