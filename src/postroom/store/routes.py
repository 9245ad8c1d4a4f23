"""Tables `route` and `route_attempt`: which mail goes where, and the log of what was handed on.

What is still to be handed on is in `store.route_outbox`.
"""

from collections.abc import Sequence

from postroom.ledger.route_rows import RouteAttemptRow, RouteRow
from postroom.store.database import Conn, Tx, statement

_COLUMNS = ", ".join(RouteRow._fields)
_ATTEMPT_COLUMNS = ", ".join(RouteAttemptRow._fields)

_ALL = statement(f"SELECT {_COLUMNS} FROM route ORDER BY workspace_id, position, id")
_OF_WORKSPACE = statement(f"SELECT {_COLUMNS} FROM route WHERE workspace_id = ? ORDER BY position, id")
_BY_ID = statement(f"SELECT {_COLUMNS} FROM route WHERE workspace_id = ? AND id = ?")
_COUNT = statement("SELECT count(*), COALESCE(max(position), 0) FROM route WHERE workspace_id = ?")
_UPDATE = statement(
    "UPDATE route SET recipient = ?, sender = ?, kinds = ?, action = ?, target = ?, secret = ?, is_enabled = ?, "
    "description = ? WHERE workspace_id = ? AND id = ? RETURNING id"
)
_PLACE = statement("UPDATE route SET position = ? WHERE workspace_id = ? AND id = ?")
_DELETE = statement("DELETE FROM route WHERE workspace_id = ? AND id = ? RETURNING id")

_OF_INBOUND = statement(
    f"SELECT {_ATTEMPT_COLUMNS} FROM route_attempt WHERE workspace_id = ? AND inbound_id = ? ORDER BY id LIMIT ?"
)
_OF_ROUTE = statement(
    f"SELECT {_ATTEMPT_COLUMNS} FROM route_attempt WHERE workspace_id = ? AND route_id = ? AND id < ? "
    "ORDER BY id DESC LIMIT ?"
)
_PURGE_ATTEMPTS = statement(
    sqlite="DELETE FROM route_attempt WHERE id IN (SELECT id FROM route_attempt WHERE id < ? ORDER BY id LIMIT ?) "
    "RETURNING id",
    # An array, so that the choice is made once; rows that another node deletes are left to it.
    postgresql="DELETE FROM route_attempt WHERE id = ANY(ARRAY(SELECT id FROM route_attempt WHERE id < ? "
    "ORDER BY id LIMIT ? FOR UPDATE SKIP LOCKED)) RETURNING id",
)


def all_routes(conn: Conn) -> list[RouteRow]:
    """Return the routes of all workspaces, those of each in the order in which they are asked."""
    return [_route(row) for row in conn.all(_ALL)]


def routes_of(reader: Conn | Tx, workspace_id: int) -> list[RouteRow]:
    """Return the routes of a workspace in the order in which they are asked."""
    parameters = (workspace_id,)
    rows = reader.run(_OF_WORKSPACE, parameters) if isinstance(reader, Tx) else reader.all(_OF_WORKSPACE, parameters)
    return [_route(row) for row in rows]


def route_by_id(conn: Conn, workspace_id: int, route_id: int) -> RouteRow | None:
    """Return a route of a workspace, or None."""
    row = conn.one(_BY_ID, (workspace_id, route_id))
    return None if row is None else _route(row)


def count_routes(tx: Tx, workspace_id: int) -> tuple[int, int]:
    """Return how many routes a workspace has, and the position of the last one (0: there is none)."""
    count, last = tx.run(_COUNT, (workspace_id,))[0]
    return count, last


def update_route(tx: Tx, row: RouteRow) -> bool:
    """Write everything of a route but its place; tell whether there is one."""
    values = (row.recipient, row.sender, row.kinds, row.action, row.target, row.secret, row.is_enabled, row.description)
    return bool(tx.run(_UPDATE, (*values, row.workspace_id, row.id)))


def place_routes(tx: Tx, workspace_id: int, route_ids: Sequence[int]) -> None:
    """Give routes of a workspace the positions 1, 2, … in this order."""
    for position, route_id in enumerate(route_ids, 1):
        tx.run(_PLACE, (position, workspace_id, route_id))


def delete_route(tx: Tx, workspace_id: int, route_id: int) -> bool:
    """Delete a route; tell whether there was one. Its outbox goes by `route_outbox.drop`, in pieces."""
    return bool(tx.run(_DELETE, (workspace_id, route_id)))


def attempts_of_inbound(conn: Conn, workspace_id: int, inbound_id: int, limit: int) -> list[RouteAttemptRow]:
    """Return up to `limit` tries to hand a mail on, oldest first."""
    return [RouteAttemptRow._make(row) for row in conn.all(_OF_INBOUND, (workspace_id, inbound_id, limit))]


def attempts_of_route(
    conn: Conn, workspace_id: int, route_id: int, before_id: int, limit: int
) -> list[RouteAttemptRow]:
    """Return up to `limit` tries of a route with an id below `before_id`, newest first."""
    rows = conn.all(_OF_ROUTE, (workspace_id, route_id, before_id, limit))
    return [RouteAttemptRow._make(row) for row in rows]


def last_attempts(conn: Conn, workspace_id: int, route_ids: Sequence[int]) -> dict[int, RouteAttemptRow]:
    """Return the last try of each of these routes that has one, by route. One read of an index each."""
    return {
        row.route_id: row
        for route_id in route_ids
        for row in attempts_of_route(conn, workspace_id, route_id, (1 << 63) - 1, 1)
    }


def purge_attempts(tx: Tx, before_id: int, limit: int) -> int:
    """Delete up to `limit` tries of all workspaces with an id below `before_id`, oldest first; return how many."""
    return len(tx.run(_PURGE_ATTEMPTS, (before_id, limit)))


def _route(row: tuple[object, ...]) -> RouteRow:
    route = RouteRow._make(row)
    return route if route.secret is None else route._replace(secret=bytes(route.secret))
