"""Table `node`: who is running, under which number.

A number is part of the ids that a node makes, so two nodes must never hold the
same one. It is leased by the data folder's name (`data_id`): the same folder
gets the same number again. On PostgreSQL the database's clock decides who is
alive.
"""

from postroom.base.clock import DAY_MS
from postroom.base.errors import PostroomError
from postroom.base.ids import MAX_NODE
from postroom.ledger.rows import NodeRow
from postroom.store.database import Conn, Tx, statement

OUT_AFTER_MS = 30_000
"""A node that was not seen for this long is out."""

_REUSE_AFTER_MS = 400 * DAY_MS
"""A number is given to another folder after this long: as long as ids of the old one may be in events."""

_COLUMNS = ", ".join(NodeRow._fields)

_NOW = statement(sqlite="SELECT ?", postgresql="SELECT greatest(0 * ?, (extract(epoch FROM now()) * 1000)::bigint)")
_ALL = statement(f"SELECT {_COLUMNS} FROM node ORDER BY number")
_SEEN = statement(f"SELECT {_COLUMNS} FROM node WHERE seen_ms > ? ORDER BY number")
_BY_DATA = statement(
    sqlite=f"SELECT {_COLUMNS} FROM node WHERE data_id = ?",
    postgresql=f"SELECT {_COLUMNS} FROM node WHERE data_id = ? FOR UPDATE",
)
_REMOVE = statement("DELETE FROM node WHERE number = ?")
_RENEW = statement("UPDATE node SET boot_id = ?, seen_ms = ?, roles = ? WHERE data_id = ?")
_BEAT = statement("UPDATE node SET seen_ms = ? WHERE number = ? AND data_id = ? AND boot_id = ? RETURNING number")
_SET_ROLES = statement("UPDATE node SET roles = ? WHERE number = ? AND data_id = ? AND boot_id = ?")
_LEAVE = statement("UPDATE node SET seen_ms = 0 WHERE number = ? AND data_id = ? AND boot_id = ?")


class NodeTaken(PostroomError):
    """A node with the same data folder name is alive on another machine, or all 1,024 numbers are taken."""


def database_now_ms(reader: Conn | Tx, now_ms: int) -> int:
    """Return the database's time on PostgreSQL, and `now_ms` on SQLite, which has no clock of its own."""
    rows = reader.run(_NOW, (now_ms,)) if isinstance(reader, Tx) else reader.all(_NOW, (now_ms,))
    return int(rows[0][0])


def last_beat_ms(reader: Conn | Tx, now_ms: int) -> int:
    """Return the time after which a node was seen that is alive; `now_ms` as in `database_now_ms`."""
    return database_now_ms(reader, now_ms) - OUT_AFTER_MS


def lease_number(tx: Tx, data_id: str, boot_id: str, roles: str, now_ms: int) -> int:
    """Return this node's number, marking it as seen now.

    Raises NodeTaken where a copy of the data folder is alive elsewhere or no
    number is free, and StoreConflict where two new nodes met at one number:
    then ask again.
    """
    now = database_now_ms(tx, now_ms)
    found = tx.run(_BY_DATA, (data_id,))
    if found:
        row = NodeRow._make(found[0])
        if row.boot_id != boot_id and row.seen_ms > now - OUT_AFTER_MS:
            raise NodeTaken(
                f"a node with the data folder name {data_id} was alive {(now - row.seen_ms) // 1000} s ago on another "
                "boot or machine: wait 30 s, or remove the file node.id from a copied data folder"
            )
        tx.run(_RENEW, (boot_id, now, roles, data_id))
        return row.number
    number = _free_number(tx, now)
    tx.add(NodeRow(number, data_id, boot_id, now, roles))
    return number


def beat(tx: Tx, number: int, data_id: str, boot_id: str, now_ms: int) -> bool:
    """Mark a node as alive; False where its number has gone to somebody else."""
    return bool(tx.run(_BEAT, (database_now_ms(tx, now_ms), number, data_id, boot_id)))


def set_roles(tx: Tx, number: int, data_id: str, boot_id: str, roles: str) -> None:
    """Change what a node says that it does."""
    tx.run(_SET_ROLES, (roles, number, data_id, boot_id))


def leave(tx: Tx, number: int, data_id: str, boot_id: str) -> None:
    """Mark a node as out at once; it keeps its number."""
    tx.run(_LEAVE, (number, data_id, boot_id))


def live_nodes(conn: Conn, now_ms: int) -> list[NodeRow]:
    """Return the nodes seen within the last 30 seconds, by number."""
    return [NodeRow._make(row) for row in conn.all(_SEEN, (last_beat_ms(conn, now_ms),))]


def all_nodes(conn: Conn) -> list[NodeRow]:
    """Return every node that was ever seen and not forgotten, by number."""
    return [NodeRow._make(row) for row in conn.all(_ALL)]


def _free_number(tx: Tx, now_ms: int) -> int:
    rows = [NodeRow._make(row) for row in tx.run(_ALL)]
    taken = {row.number for row in rows}
    for number in range(MAX_NODE + 1):
        if number not in taken:
            return number
    oldest = min(rows, key=lambda row: row.seen_ms)
    if oldest.seen_ms > now_ms - _REUSE_AFTER_MS:
        raise NodeTaken("all 1,024 node numbers are taken")
    tx.run(_REMOVE, (oldest.number,))
    return oldest.number
