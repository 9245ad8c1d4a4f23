"""Table `restoration`, and what a database that came back from a backup holds back before anybody sends from it.

Between the backup and its return mail went out that the backup shows as
waiting. So all of it is held, with a reason by which it is found again, and
what was being sent is in doubt. `events.restored` moves the recipients.
"""

from collections.abc import Sequence

from postroom.base.errors import PostroomError
from postroom.ledger.keeping_rows import RestorationRow
from postroom.store.database import Conn, Tx, statement

REASON = "restored from the backup of "
"""What the reason of every recipient begins with that was waiting when its backup was made."""

_COLUMNS = ", ".join(RestorationRow._fields)
_EPOCHS = 1 << 20
"""Added to the epoch: no try that a journal of before tells of can be mistaken for one of after."""

_MARK = statement("INSERT INTO restoration (id, backup_ms) VALUES (?, ?) ON CONFLICT DO NOTHING")
_LAST = statement(f"SELECT {_COLUMNS} FROM restoration ORDER BY id DESC LIMIT 1")
_UNFINISHED = statement(f"SELECT {_COLUMNS} FROM restoration WHERE finished_ms IS NULL ORDER BY id LIMIT 1")
_FINISH = statement("UPDATE restoration SET finished_ms = ?, held = ?, in_doubt = ? WHERE finished_ms IS NULL")
_WAITING = statement(
    "SELECT id FROM recipient WHERE workspace_id = ? AND state IN ('queued', 'deferred', 'sending') ORDER BY id LIMIT ?"
)
_EPOCH = statement(
    sqlite=f"UPDATE recipient SET epoch = epoch + {_EPOCHS} WHERE id IN (SELECT value FROM json_each(?))",
    postgresql=f"UPDATE recipient SET epoch = epoch + {_EPOCHS} WHERE id = ANY(?)",
)
_PAUSE = statement(
    "UPDATE webhook_endpoint SET state = 'paused', why = ?, state_ms = ? WHERE state = 'active' RETURNING id"
)
_LEAP = statement(
    f"UPDATE account_owner SET last_number = last_number + {_EPOCHS}, epoch = epoch + {_EPOCHS}, node = NULL"
)
_NODES_OUT = statement("UPDATE node SET seen_ms = 0")
_CAME_BEFORE = statement("SELECT 1 FROM restoration WHERE backup_ms >= ? LIMIT 1")
_NEWEST = (
    statement("SELECT max(id) FROM event"),
    statement("SELECT max(id) FROM recipient"),
    statement("SELECT max(id) FROM hit"),
)


class NotRestored(PostroomError):
    """The database is a backup, or one half restored: nobody may send from it yet."""


def refuse_unfinished(conn: Conn) -> None:
    """Raise NotRestored for a database from which nobody may send yet."""
    if conn.one(_UNFINISHED) is not None:
        raise NotRestored(
            "this database is a backup that was not restored, or only in part: mail in it may have been sent since. "
            "Run `postroom restore`, which holds that mail back, with this data folder empty"
        )


def last_restoration(conn: Conn) -> RestorationRow | None:
    """Return the newest restoration, or None for a database that never came back from a backup."""
    row = conn.one(_LAST)
    return None if row is None else RestorationRow._make(row)


def mark(tx: Tx, row_id: int, backup_ms: int) -> None:
    """Note that this database comes from a backup; who opens it refuses to send until `finish`."""
    tx.run(_MARK, (row_id, backup_ms))


def waiting(conn: Conn, workspace_id: int, limit: int) -> list[int]:
    """Return recipients that somebody would send."""
    return [row[0] for row in conn.all(_WAITING, (workspace_id, limit))]


def raise_epochs(tx: Tx, recipient_ids: Sequence[int]) -> None:
    """Make every claim of before the backup void."""
    tx.run(_EPOCH, (tx.many(list(recipient_ids)),))


def pause_endpoints(tx: Tx, why: str, now_ms: int) -> int:
    """Pause all webhook endpoints; return how many were told events."""
    return len(tx.run(_PAUSE, (why, now_ms)))


def leap_numbers(tx: Tx) -> None:
    """Let the events of watched accounts go on with numbers that none had before the backup came back.

    What was found since the backup had the next ones: a receiver that counts would take other mails for those.
    """
    tx.run(_LEAP)


def forget_heartbeats(tx: Tx) -> None:
    """Let no node of before the backup pass for alive."""
    tx.run(_NODES_OUT)


def finish(tx: Tx, now_ms: int, held: int, in_doubt: int) -> None:
    """Let the database be used."""
    tx.run(_FINISH, (now_ms, held, in_doubt))


def was_in_backup(reader: Tx | Conn, at_ms: int) -> bool:
    """Tell whether what came at `at_ms` was in a backup that this database came back from."""
    if isinstance(reader, Tx):
        return bool(reader.run(_CAME_BEFORE, (at_ms,)))
    return reader.one(_CAME_BEFORE, (at_ms,)) is not None


def newest_id(conn: Conn) -> int:
    """Return the greatest id of events, recipients and hits, 0 where there are none."""
    return max(int((conn.one(asked) or (0,))[0] or 0) for asked in _NEWEST)
