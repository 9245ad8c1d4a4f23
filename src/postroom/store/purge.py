"""What retention deletes, at most some hundred rows at a time. `store.keeping` says whose turn it is.

Nothing here takes the content or the row of a recipient that is not settled:
the conditions stand in the statements themselves, in the transaction of the
deletion.
"""

from collections.abc import Sequence

from postroom.base.clock import DAY_MS, HOUR_MS
from postroom.base.ids import first_id_at, made_at_ms
from postroom.ledger.keeping_rows import KeepingRow
from postroom.ledger.states import SETTLED
from postroom.store import keeping
from postroom.store.database import Conn, Statement, Tx, statement

_SETTLED = ", ".join(f"'{state.value}'" for state in SETTLED)

# The content stays where another message needs it, or was accepted with it after what was examined.
_UNUSED = (
    "workspace_id = ? AND created_ms <= ? AND used_ms <= ? AND NOT EXISTS (SELECT 1 FROM keep_later k "
    "WHERE k.workspace_id = content.workspace_id AND k.content_key = content.key AND k.what IN ('bodies', ?)) AND "
)
_HAS_BODY = "(body IS NOT NULL OR upload_id IS NOT NULL) AND "
_KEYS_OF = {
    "sqlite": "key IN (SELECT content_key FROM message WHERE id IN (SELECT value FROM json_each(?)))",
    "postgresql": "key IN (SELECT content_key FROM message WHERE id = ANY(?))",
}
_DROP_BODIES = statement(
    sqlite=f"UPDATE content SET body = NULL, upload_id = NULL, plan = ? WHERE {_UNUSED}{_HAS_BODY}{_KEYS_OF['sqlite']} "
    "RETURNING size_bytes",
    postgresql=f"UPDATE content SET body = NULL, upload_id = NULL, plan = ? "
    f"WHERE {_UNUSED}{_HAS_BODY}{_KEYS_OF['postgresql']} RETURNING size_bytes",
)
_DROP_BODY = statement(
    f"UPDATE content SET body = NULL, upload_id = NULL, plan = ? WHERE {_UNUSED}{_HAS_BODY}key = ? RETURNING size_bytes"
)
_DROP_CONTENT = statement(f"DELETE FROM content WHERE {_UNUSED}key = ?")

_HITS = statement(
    "DELETE FROM hit WHERE id IN (SELECT id FROM hit WHERE workspace_id = ? AND id < ? ORDER BY id LIMIT ?) "
    "RETURNING id"
)
_LOOSE_EVENTS = statement(
    "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE workspace_id = ? AND id < ? AND message_id IS NULL "
    "ORDER BY id LIMIT ?) RETURNING id"
)


def _among(text: str) -> Statement:
    """A statement about messages whose ids are given as one list, where its text says {ids}."""
    return statement(
        sqlite=text.format(ids="IN (SELECT value FROM json_each(?))"), postgresql=text.format(ids="= ANY(?)")
    )


_OF_MESSAGES = (
    _among("DELETE FROM event WHERE id IN (SELECT id FROM event WHERE message_id {ids} LIMIT ?) RETURNING id"),
    _among(
        "DELETE FROM hit WHERE id IN (SELECT h.id FROM recipient r JOIN hit h ON h.recipient_id = r.id "
        "WHERE r.message_id {ids} LIMIT ?) RETURNING id"
    ),
    _among(
        "DELETE FROM sandbox_copy WHERE recipient_id IN (SELECT c.recipient_id FROM recipient r "
        "JOIN sandbox_copy c ON c.recipient_id = r.id WHERE r.message_id {ids} LIMIT ?) RETURNING recipient_id"
    ),
    _among(
        "DELETE FROM sandbox_showing WHERE recipient_id IN (SELECT c.recipient_id FROM recipient r "
        "JOIN sandbox_showing c ON c.recipient_id = r.id WHERE r.message_id {ids} LIMIT ?) RETURNING recipient_id"
    ),
    _among(
        f"DELETE FROM recipient WHERE id IN (SELECT id FROM recipient WHERE message_id {{ids}} LIMIT ?) "
        f"AND state IN ({_SETTLED}) RETURNING id"
    ),
)
"""All that hangs on messages, in the order in which it goes."""

_EMPTY = "NOT EXISTS (SELECT 1 FROM recipient r WHERE r.message_id = m.id)"
_DROP_TAGS = statement(
    # The workspace apart: of three columns together SQLite takes the first alone to the index.
    sqlite="DELETE FROM message_tag WHERE workspace_id = ? AND (tag, message_id) IN (SELECT t.value, m.id "
    f"FROM message m, json_each(m.tags) t WHERE m.id IN (SELECT value FROM json_each(?)) AND {_EMPTY})",
    postgresql="DELETE FROM message_tag WHERE workspace_id = ? AND (tag, message_id) IN (SELECT t.value, m.id "
    f"FROM message m, json_array_elements_text(m.tags::json) t WHERE m.id = ANY(?) AND {_EMPTY})",
)
_DROP_CONTENTS = _among(
    f"DELETE FROM content WHERE {_UNUSED}key IN (SELECT m.content_key FROM message m WHERE m.id {{ids}} AND {_EMPTY})"
)
_DROP_MESSAGES = _among(
    "DELETE FROM message WHERE workspace_id = ? AND id {ids} "
    "AND NOT EXISTS (SELECT 1 FROM recipient r WHERE r.message_id = message.id) RETURNING id"
)

_WORKSPACES = statement("SELECT id FROM workspace ORDER BY id")


def all_workspaces(conn: Conn) -> list[int]:
    """Return the ids of all workspaces."""
    return [row[0] for row in conn.all(_WORKSPACES)]


def drop_next_bodies(tx: Tx, workspace_id: int, now_ms: int, keep_ms: int, limit: int) -> tuple[int, bool]:
    """Delete the contents of the next `limit` messages that were examined; return how many went, and if more wait."""
    row = keeping.lock(tx, workspace_id)
    found = keeping.next_done(tx, row, "bodies", limit)
    if not found:
        return 0, False
    for one in keeping.standing_of(tx, workspace_id, found).values():
        look_ms = one.look_ms("bodies", now_ms, keep_ms)
        if look_ms is not None:
            # Examined before; but nothing may ever go that waits, whatever was thought of it then.
            keeping.keep_until(tx, workspace_id, "bodies", one.id, bytes(one.content_key), look_ms)
    last_use_ms = _last_use_ms(row.bodies_examined_id)
    gone = tx.run(_DROP_BODIES, (b"", workspace_id, last_use_ms, last_use_ms, "bodies", tx.many(found)))
    keeping.set_done(tx, workspace_id, "bodies", found[-1] + 1)
    return len(gone), len(found) == limit


def drop_later_bodies(tx: Tx, workspace_id: int, now_ms: int, keep_ms: int, limit: int) -> tuple[int, bool]:
    """Look again at contents that had to stay; delete those whose time has come. Returns as `drop_next_bodies`."""
    row = keeping.lock(tx, workspace_id)
    due = keeping.due_later(tx, workspace_id, "bodies", now_ms, limit)
    standing = keeping.standing_of(tx, workspace_id, [one.message_id for one in due])
    last_use_ms = _last_use_ms(row.bodies_examined_id)
    count = 0
    for one in due:
        found = standing.get(one.message_id)
        look_ms = found.look_ms("bodies", now_ms, keep_ms) if found is not None else None
        if look_ms is not None:
            keeping.keep_until(tx, workspace_id, "bodies", one.message_id, one.content_key, look_ms)
            continue
        keeping.forget(tx, workspace_id, "bodies", one.message_id)
        given = (workspace_id, last_use_ms, last_use_ms, "bodies", one.content_key)
        count += len(tx.run(_DROP_BODY, (b"", *given)))
        if found is None:
            _drop_content(tx, workspace_id, one.content_key, row.ledger_examined_id)
    return count, len(due) == limit


def drop_next_messages(tx: Tx, workspace_id: int, now_ms: int, keep_ms: int, limit: int, rows: int) -> tuple[int, bool]:
    """Delete the next examined messages with all their rows; returns as `drop_next_bodies`.

    Where one kind of their rows is more than `rows`, so many go, and the next call goes on with the same messages.
    """
    row = keeping.lock(tx, workspace_id)
    found = keeping.next_done(tx, row, "ledger", limit)
    if not found:
        return 0, False
    keeping.seal(tx, workspace_id, (now_ms - keep_ms) // HOUR_MS + 1)
    old = []
    for one in keeping.standing_of(tx, workspace_id, found).values():
        look_ms = one.look_ms("ledger", now_ms, keep_ms)
        if look_ms is None:
            old.append(one)
        else:
            # Examined, and then something happened to it.
            keeping.keep_until(tx, workspace_id, "ledger", one.id, bytes(one.content_key), look_ms)
    if not _drop_messages(tx, row, [(one.id, bytes(one.content_key)) for one in old], rows, now_ms):
        return 0, True
    keeping.set_done(tx, workspace_id, "ledger", found[-1] + 1)
    return len(old), len(found) == limit


def drop_later_messages(
    tx: Tx, workspace_id: int, now_ms: int, keep_ms: int, limit: int, rows: int
) -> tuple[int, bool]:
    """Look again at messages that had to stay; delete those whose time has come. Returns as `drop_next_messages`."""
    row = keeping.lock(tx, workspace_id)
    due = keeping.due_later(tx, workspace_id, "ledger", now_ms, limit)
    if not due:
        return 0, False
    standing = keeping.standing_of(tx, workspace_id, [one.message_id for one in due])
    keeping.seal(tx, workspace_id, (now_ms - keep_ms) // HOUR_MS + 1)
    old = []
    for one in due:
        found = standing.get(one.message_id)
        look_ms = found.look_ms("ledger", now_ms, keep_ms) if found is not None else None
        if look_ms is not None:
            keeping.keep_until(tx, workspace_id, "ledger", one.message_id, one.content_key, look_ms)
            continue
        # Out of the list first: the content goes only where nobody is left in it. They come back where rows ran out.
        keeping.forget(tx, workspace_id, "ledger", one.message_id)
        old.append((one.message_id, one.content_key))
    if _drop_messages(tx, row, old, rows, now_ms):
        return len(old), len(due) == limit
    for message_id, content_key in old:
        keeping.keep_until(tx, workspace_id, "ledger", message_id, content_key, now_ms)
    return 0, True


def drop_hits(tx: Tx, workspace_id: int, before_ms: int, limit: int) -> int:
    """Delete up to `limit` hits from before a time; return how many."""
    return len(tx.run(_HITS, (workspace_id, first_id_at(before_ms), limit)))


def drop_loose_events(tx: Tx, workspace_id: int, before_ms: int, limit: int) -> int:
    """Delete up to `limit` events that tell of no message, from before a time; return how many."""
    return len(tx.run(_LOOSE_EVENTS, (workspace_id, first_id_at(before_ms), limit)))


def _drop_messages(tx: Tx, row: KeepingRow, old: Sequence[tuple[int, bytes]], rows: int, now_ms: int) -> bool:
    """Delete messages, given with the keys of their contents; False where `rows` ran out before."""
    if not old:
        return True
    ids = tx.many([message_id for message_id, _ in old])
    for delete in _OF_MESSAGES:
        if len(tx.run(delete, (ids, rows))) >= rows:
            return False
    tx.run(_DROP_TAGS, (row.workspace_id, ids))
    last_use_ms = _last_use_ms(row.ledger_examined_id)
    tx.run(_DROP_CONTENTS, (row.workspace_id, last_use_ms, last_use_ms, "ledger", ids))
    gone = {one[0] for one in tx.run(_DROP_MESSAGES, (row.workspace_id, ids))}
    for message_id, content_key in old:
        if message_id not in gone:
            # One of its recipients is tried again: on PostgreSQL that may happen while this runs.
            keeping.keep_until(tx, row.workspace_id, "ledger", message_id, content_key, now_ms + DAY_MS)
    return True


def _drop_content(tx: Tx, workspace_id: int, content_key: bytes, examined_id: int) -> None:
    last_use_ms = _last_use_ms(examined_id)
    tx.run(_DROP_CONTENT, (workspace_id, last_use_ms, last_use_ms, "ledger", content_key))


def _last_use_ms(examined_id: int) -> int:
    """Return when a content may have been used last for all its messages to be examined."""
    return made_at_ms(examined_id) - HOUR_MS if examined_id else 0
