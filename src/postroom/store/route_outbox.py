"""Table `route_outbox`: mail that routes are still to hand on, and who is trying.

A row is written in the transaction that finds a route for a mail, and deleted
in the one that knows the end of it. A claim moves the row's time to the end of
the claim and lets its epoch grow: a node that dies leaves rows that are due
again by themselves, and one that comes late cannot settle. A claim counts as a
try, so that a mail that kills its process does so ten times at most.
"""

from collections.abc import Sequence
from typing import NamedTuple

from postroom.ledger.route_rows import RouteOutboxRow
from postroom.store.database import Conn, Tx, statement
from postroom.store.orphans import orphans

WAKE = "routes"
"""What `Database.on_commit` is told once rows were written; its subjects are routes, 0 for none."""
HELD_MS = 253_402_300_799_000
"""The end of the year 9999, for what nobody tries by itself."""
NO_ROUTE = 0
"""The route of what goes to the author of what it answers."""

_COLUMNS = ", ".join(RouteOutboxRow._fields)
_KEY = "inbound_id = ? AND route_id = ? AND epoch = ?"

_DUE_ROUTES = statement(
    """
    SELECT r.id FROM route r WHERE r.is_enabled = 1
      AND EXISTS (SELECT 1 FROM route_outbox o WHERE o.route_id = r.id AND o.due_ms <= ?)
    UNION ALL SELECT 0 WHERE EXISTS (SELECT 1 FROM route_outbox o WHERE o.route_id = 0 AND o.due_ms <= ?)
    """
)
_CLAIM = "UPDATE route_outbox SET due_ms = ?, epoch = epoch + 1, tries = tries + 1 WHERE route_id = ? AND inbound_id"
_CHOICE = "SELECT inbound_id FROM route_outbox WHERE route_id = ? AND due_ms <= ? ORDER BY due_ms, inbound_id LIMIT ?"
_CLAIM_ROWS = statement(
    sqlite=f"{_CLAIM} IN ({_CHOICE}) RETURNING {_COLUMNS}",
    postgresql=f"{_CLAIM} = ANY(ARRAY({_CHOICE} FOR UPDATE SKIP LOCKED)) RETURNING {_COLUMNS}",
)
_DONE = statement(f"DELETE FROM route_outbox WHERE {_KEY} RETURNING inbound_id")
# Its claim has ended: who never heard that this was written must not give the claim back.
_LATER = statement(f"UPDATE route_outbox SET due_ms = ?, epoch = epoch + 1 WHERE {_KEY} RETURNING inbound_id")
_GIVE_BACK = statement(f"UPDATE route_outbox SET due_ms = ?, tries = tries - 1 WHERE {_KEY}")
_HOLD = statement("UPDATE route_outbox SET due_ms = ?, epoch = epoch + 1")
_WAITING = statement(f"SELECT {_COLUMNS} FROM route_outbox WHERE inbound_id = ?")
_NEXT_TRY = statement(
    "SELECT min(o.due_ms) FROM route_outbox o LEFT JOIN route r ON r.id = o.route_id "
    "WHERE o.inbound_id = ? AND o.due_ms < ? AND (o.route_id = 0 OR r.is_enabled = 1)"
)
_HASTEN = statement("UPDATE route_outbox SET due_ms = ?, tries = 0 WHERE route_id = ? AND due_ms > ?")
# The epoch grows: who is trying now must not put it back to where it was.
_HASTEN_MAIL = statement(
    "UPDATE route_outbox SET due_ms = ?, tries = 0, epoch = epoch + 1 WHERE inbound_id = ? RETURNING route_id"
)
_DROP = statement(
    sqlite="DELETE FROM route_outbox WHERE route_id = ? AND inbound_id IN "
    "(SELECT inbound_id FROM route_outbox WHERE route_id = ? LIMIT ?) RETURNING inbound_id",
    postgresql="DELETE FROM route_outbox WHERE route_id = ? AND inbound_id = ANY(ARRAY("
    "SELECT inbound_id FROM route_outbox WHERE route_id = ? LIMIT ? FOR UPDATE SKIP LOCKED)) RETURNING inbound_id",
)
_WITHOUT_ROUTE = orphans("route_id", "route_outbox", "route")


class Key(NamedTuple):
    """A claimed row."""

    inbound_id: int
    route_id: int
    epoch: int


def schedule(tx: Tx, row: RouteOutboxRow) -> None:
    """Have a mail handed on. A mail that waits for this route already is left as it is."""
    tx.add(row)
    tx.wake(WAKE, row.route_id)


def due_routes(conn: Conn, now_ms: int) -> list[int]:
    """Return the enabled routes that have something due; 0 among them for what belongs to none."""
    return [row[0] for row in conn.all(_DUE_ROUTES, (now_ms, now_ms))]


def claim(tx: Tx, route_id: int, *, now_ms: int, until_ms: int, limit: int) -> list[RouteOutboxRow]:
    """Take up to `limit` mails that are due of a route until `until_ms`, in the order in which they came."""
    rows = tx.run(_CLAIM_ROWS, (until_ms, route_id, route_id, now_ms, limit))
    return sorted(RouteOutboxRow._make(row) for row in rows)


def settle(tx: Tx, key: Key) -> bool:
    """Take a mail out of the outbox for good; tell whether the claim still held."""
    return bool(tx.run(_DONE, key))


def retry_later(tx: Tx, key: Key, due_ms: int) -> bool:
    """Have a mail tried again at `due_ms`; tell whether the claim still held."""
    return bool(tx.run(_LATER, (due_ms, *key)))


def give_back(tx: Tx, keys: Sequence[Key], due_ms: int) -> None:
    """Return claims that were not used: they are due at `due_ms` and count as no try."""
    for key in keys:
        tx.run(_GIVE_BACK, (due_ms, *key))


def hold(tx: Tx) -> None:
    """Hand nothing on of what waits: it may have gone since the backup. `hasten` does again what belongs to a route."""
    tx.run(_HOLD, (HELD_MS,))


def waiting_of(conn: Conn, inbound_id: int) -> list[RouteOutboxRow]:
    """Return what is still to become of a mail."""
    return [RouteOutboxRow._make(row) for row in conn.all(_WAITING, (inbound_id,))]


def next_try_ms(conn: Conn, inbound_id: int) -> int | None:
    """Return when a mail is tried next; None where nothing is left, its route is off, or it waits since a restore."""
    row = conn.one(_NEXT_TRY, (inbound_id, HELD_MS))
    return row[0] if row else None


def hasten(tx: Tx, route_id: int, now_ms: int) -> None:
    """Make everything due that waits for a route, with all its tries: it has a new target."""
    tx.run(_HASTEN, (now_ms, route_id, now_ms))
    tx.wake(WAKE, route_id)


def hasten_mail(tx: Tx, inbound_id: int, now_ms: int) -> bool:
    """Make due what waits of a mail, with all its tries; tell whether something waited."""
    waiting = tx.run(_HASTEN_MAIL, (now_ms, inbound_id))
    for (route_id,) in waiting:
        tx.wake(WAKE, route_id)
    return bool(waiting)


def drop(tx: Tx, route_id: int, limit: int) -> int:
    """Delete up to `limit` rows of a route; return how many."""
    return len(tx.run(_DROP, (route_id, route_id, limit)))


def without_route(conn: Conn, most: int) -> list[int]:
    """Return up to `most` routes that have rows and are deleted."""
    # One more, for NO_ROUTE, which is none.
    return [row[0] for row in conn.all(_WITHOUT_ROUTE, (most + 1,)) if row[0] != NO_ROUTE][:most]
