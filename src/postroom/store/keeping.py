"""How long a workspace keeps what (`workspace_keeping`), and the walk through its messages in order of age.

A walk has two steps, each with a cursor: what is `examined` is old enough, and
every message that has to stay longer stands in `keep_later` with the time of
the next look; what is `done` follows at a distance and is gone. A content is
shared by messages through its key. It goes with its last message: `used_ms` is
exact to an hour, the distance between the steps is longer, so by then every
message that uses the content was examined, and who still needs it is in
`keep_later`. No index on the way in is needed for that.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from postroom.base.clock import HOUR_MS
from postroom.base.ids import first_id_at, made_at_ms
from postroom.ledger.keeping_rows import KeepingRow, KeepLaterRow
from postroom.ledger.states import SETTLED
from postroom.store.database import Conn, Tx, statement

What = Literal["bodies", "ledger"]

DISTANCE_MS = HOUR_MS + HOUR_MS // 12
"""Between the two steps: longer than the hour within which a second use of a content is not noted."""

_COLUMNS = ", ".join(KeepingRow._fields)
_SETTLED = ", ".join(f"'{state.value}'" for state in SETTLED)
_LONGEST_LOOK_MS = 24 * HOUR_MS

_ONE = statement(f"SELECT {_COLUMNS} FROM workspace_keeping WHERE workspace_id = ?")
_MAKE = statement("INSERT INTO workspace_keeping (workspace_id) VALUES (?) ON CONFLICT DO NOTHING")
# Locks the row, so that of two nodes that walk through the same messages one waits.
_LOCK = statement(f"UPDATE workspace_keeping SET sealed_hour = sealed_hour WHERE workspace_id = ? RETURNING {_COLUMNS}")
_SET = statement(
    "UPDATE workspace_keeping SET bodies_ms = ?, hits_ms = ?, ledger_ms = ?, sandbox_ms = ? WHERE workspace_id = ?"
)
_SEAL = statement("UPDATE workspace_keeping SET sealed_hour = ? WHERE workspace_id = ? AND sealed_hour < ?")
_SEALED = statement("SELECT sealed_hour FROM workspace_keeping WHERE workspace_id = ?")

_EXAMINED = {
    "bodies": statement("UPDATE workspace_keeping SET bodies_examined_id = ? WHERE workspace_id = ?"),
    "ledger": statement("UPDATE workspace_keeping SET ledger_examined_id = ? WHERE workspace_id = ?"),
}
_DONE = {
    "bodies": statement("UPDATE workspace_keeping SET bodies_done_id = ? WHERE workspace_id = ?"),
    "ledger": statement("UPDATE workspace_keeping SET ledger_done_id = ? WHERE workspace_id = ?"),
}

# What keeps a message: recipients that are not settled, when the last one was, and its last event.
_STANDING = f"""
    SELECT m.id, m.content_key,
        (SELECT count(*) FROM recipient r WHERE r.message_id = m.id AND r.state NOT IN ({_SETTLED})),
        (SELECT max(r.settled_ms) FROM recipient r WHERE r.message_id = m.id),
        (SELECT max(e.id) FROM event e WHERE e.message_id = m.id)
    FROM message m WHERE m.workspace_id = ? AND
"""
_NEXT = statement(_STANDING + "m.id >= ? AND m.id < ? ORDER BY m.id LIMIT ?")
_THESE = statement(
    sqlite=_STANDING + "m.id IN (SELECT value FROM json_each(?)) ORDER BY m.id",
    postgresql=_STANDING + "m.id = ANY(?) ORDER BY m.id",
)
_IDS = statement("SELECT id FROM message WHERE workspace_id = ? AND id >= ? AND id < ? ORDER BY id LIMIT ?")

_LATER = statement(
    "INSERT INTO keep_later (workspace_id, what, message_id, content_key, look_ms) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (workspace_id, what, message_id) DO UPDATE SET look_ms = excluded.look_ms"
)
_DUE = statement(
    "SELECT workspace_id, what, message_id, content_key, look_ms FROM keep_later "
    "WHERE workspace_id = ? AND what = ? AND look_ms <= ? ORDER BY look_ms, message_id LIMIT ?"
)
_FORGET = statement("DELETE FROM keep_later WHERE workspace_id = ? AND what = ? AND message_id = ?")
_WANTED_AGAIN = statement(
    sqlite="INSERT INTO keep_later (workspace_id, what, message_id, content_key, look_ms) "
    "SELECT workspace_id, 'bodies', id, content_key, ? FROM message "
    "WHERE workspace_id = ? AND id IN (SELECT value FROM json_each(?)) ON CONFLICT DO NOTHING",
    postgresql="INSERT INTO keep_later (workspace_id, what, message_id, content_key, look_ms) "
    "SELECT workspace_id, 'bodies', id, content_key, ?::bigint FROM message "
    "WHERE workspace_id = ? AND id = ANY(?) ON CONFLICT DO NOTHING",
)


class Standing(NamedTuple):
    """What a message still waits for."""

    id: int
    content_key: bytes
    unsettled: int
    settled_ms: int | None
    """When the last of its recipients was settled."""
    event_id: int | None
    """Its last event."""

    def look_ms(self, what: What, now_ms: int, keep_ms: int) -> int | None:
        """Return when to look again at a message that has to stay, or None: it may go."""
        if self.unsettled:
            return now_ms + min(keep_ms, _LONGEST_LOOK_MS)
        if what == "bodies":
            last_ms = self.settled_ms or 0
        else:
            # Its last event is old too: so whatever was counted of it lies in sealed hours.
            last_ms = 0 if self.event_id is None else made_at_ms(self.event_id) + 1
        return last_ms + keep_ms if last_ms + keep_ms > now_ms else None


def keeping_of(reader: Conn | Tx, workspace_id: int) -> KeepingRow:
    """Return what is set for a workspace and how far upkeep has come; a row of defaults where nothing is set."""
    rows = reader.run(_ONE, (workspace_id,)) if isinstance(reader, Tx) else reader.all(_ONE, (workspace_id,))
    return KeepingRow._make(rows[0]) if rows else KeepingRow(workspace_id)


def set_periods(tx: Tx, row: KeepingRow) -> None:
    """Store the periods of a workspace; its cursors stay as they are."""
    tx.run(_MAKE, (row.workspace_id,))
    tx.run(_SET, (row.bodies_ms, row.hits_ms, row.ledger_ms, row.sandbox_ms, row.workspace_id))


def sealed_hour(reader: Conn | Tx, workspace_id: int) -> int:
    """Return the first hour whose counters can still be counted again."""
    rows = reader.run(_SEALED, (workspace_id,)) if isinstance(reader, Tx) else reader.all(_SEALED, (workspace_id,))
    return int(rows[0][0]) if rows else 0


def seal(tx: Tx, workspace_id: int, hour: int) -> None:
    """Let the counters of all hours before `hour` stand; before the first row of these hours is deleted."""
    tx.run(_MAKE, (workspace_id,))
    tx.run(_SEAL, (hour, workspace_id, hour))


def lock(tx: Tx, workspace_id: int) -> KeepingRow:
    """Return the row of a workspace, made where it is missing, locked until COMMIT."""
    tx.run(_MAKE, (workspace_id,))
    return KeepingRow._make(tx.run(_LOCK, (workspace_id,))[0])


def examine(tx: Tx, workspace_id: int, what: What, now_ms: int, keep_ms: int, limit: int) -> bool:
    """Look at the next `limit` messages that are old enough, note those that stay; tell whether there are more."""
    row = lock(tx, workspace_id)
    after = row.bodies_examined_id if what == "bodies" else row.ledger_examined_id
    before = first_id_at(now_ms - keep_ms)
    if before <= after:
        return False
    found = [Standing._make(one) for one in tx.run(_NEXT, (workspace_id, after, before, limit))]
    for one in found:
        look_ms = one.look_ms(what, now_ms, keep_ms)
        if look_ms is not None:
            tx.run(_LATER, (workspace_id, what, one.id, bytes(one.content_key), look_ms))
    more = len(found) == limit
    tx.run(_EXAMINED[what], (found[-1].id + 1 if more else before, workspace_id))
    return more


def next_done(tx: Tx, row: KeepingRow, what: What, limit: int) -> list[int]:
    """Return the next `limit` messages that were examined long enough ago, those in `keep_later` among them."""
    examined, done = (
        (row.bodies_examined_id, row.bodies_done_id)
        if what == "bodies"
        else (row.ledger_examined_id, row.ledger_done_id)
    )
    return [one[0] for one in tx.run(_IDS, (row.workspace_id, done, done_before(examined), limit))]


def done_before(examined_id: int) -> int:
    """Return the id before which messages are done when those before `examined_id` were examined."""
    return first_id_at(made_at_ms(examined_id) - DISTANCE_MS) if examined_id else 0


def set_done(tx: Tx, workspace_id: int, what: What, done_id: int) -> None:
    """Move the second cursor on."""
    tx.run(_DONE[what], (done_id, workspace_id))


def due_later(tx: Tx, workspace_id: int, what: What, now_ms: int, limit: int) -> list[KeepLaterRow]:
    """Return the messages to look at again."""
    return [
        KeepLaterRow(one[0], one[1], one[2], bytes(one[3]), one[4])
        for one in tx.run(_DUE, (workspace_id, what, now_ms, limit))
    ]


def standing_of(tx: Tx, workspace_id: int, message_ids: Sequence[int]) -> dict[int, Standing]:
    """Return what these messages still wait for; those that are gone are missing."""
    rows = tx.run(_THESE, (workspace_id, tx.many(list(message_ids)))) if message_ids else []
    return {one[0]: Standing._make(one) for one in rows}


def keep_until(tx: Tx, workspace_id: int, what: What, message_id: int, content_key: bytes, look_ms: int) -> None:
    """Keep a message until the next look at it."""
    tx.run(_LATER, (workspace_id, what, message_id, content_key, look_ms))


def forget(tx: Tx, workspace_id: int, what: What, message_id: int) -> None:
    """Take a message out of `keep_later`."""
    tx.run(_FORGET, (workspace_id, what, message_id))


def wanted_again(tx: Tx, workspace_id: int, message_ids: Sequence[int], now_ms: int) -> None:
    """Keep the contents of messages whose settled recipients are tried again, whatever was examined before."""
    tx.run(_WANTED_AGAIN, (now_ms, workspace_id, tx.many(list(set(message_ids)))))
