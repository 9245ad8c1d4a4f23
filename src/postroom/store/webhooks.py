"""Tables `webhook_endpoint`, `webhook_progress` and `webhook_attempt`: endpoints, their health, the log of requests.

What endpoints are still to be told is in `store.webhook_outbox`.
"""

import heapq
from typing import NamedTuple

from postroom.base.ids import made_at_ms
from postroom.ledger.webhook_rows import WebhookAttemptRow, WebhookEndpointRow, WebhookProgressRow
from postroom.store.database import Conn, Tx, statement
from postroom.store.webhook_outbox import forget_listeners

MOST_COUNTED = 1_000
"""Waiting events are counted up to this; one more means that there are more."""

_ENDPOINT_COLUMNS = ", ".join(WebhookEndpointRow._fields)
_PROGRESS_COLUMNS = ", ".join(WebhookProgressRow._fields)
_ATTEMPT_COLUMNS = ", ".join(WebhookAttemptRow._fields)


class EndpointHealth(NamedTuple):
    """An endpoint and how it fares."""

    endpoint: WebhookEndpointRow
    progress: WebhookProgressRow
    """Among others the last success, the last failure with its words, and since when it fails."""
    waiting: int
    """Events that it is still to be told; MOST_COUNTED + 1: more than that."""
    oldest_waiting_ms: int | None
    """When the oldest of them was recorded; None: nothing waits."""


class AttemptLine(NamedTuple):
    """A request as lists show it."""

    id: int
    endpoint_id: int
    at_ms: int
    duration_ms: int
    succeeded: int
    status: int | None
    why: str
    is_test: int
    request_id: str
    event_count: int


_BY_ID = statement(f"SELECT {_ENDPOINT_COLUMNS} FROM webhook_endpoint WHERE workspace_id = ? AND id = ?")
_OF_WORKSPACE = statement(f"SELECT {_ENDPOINT_COLUMNS} FROM webhook_endpoint WHERE workspace_id = ? ORDER BY id")
_COUNT = statement("SELECT count(*) FROM webhook_endpoint WHERE workspace_id = ? AND form = 'standard'")
_PROGRESS = statement(f"SELECT {_PROGRESS_COLUMNS} FROM webhook_progress WHERE endpoint_id = ?")
_WAITING = statement(
    "SELECT count(*) FROM (SELECT event_id FROM webhook_outbox WHERE endpoint_id = ? LIMIT ?) AS waiting"
)
_OLDEST = statement("SELECT min(event_id) FROM webhook_outbox WHERE endpoint_id = ?")

_UPDATE = statement(
    "UPDATE webhook_endpoint SET url = ?, description = ?, kinds = ?, stream = ?, batch = ? "
    "WHERE workspace_id = ? AND id = ? RETURNING id"
)
_SET_STATE = statement(
    "UPDATE webhook_endpoint SET state = ?, why = ?, state_ms = ? WHERE id = ? AND state = ? RETURNING id"
)
# A new beginning: failures before it are forgotten, and a worker that still holds the lease asks again.
_RESUME = statement(
    "UPDATE webhook_progress SET failures = 0, quiet_until_ms = 0, failing_since_ms = NULL, resumed_ms = ? "
    "WHERE endpoint_id = ?"
)
_SET_SECRETS = statement(
    "UPDATE webhook_endpoint SET secret = ?, old_secret = ?, old_secret_until_ms = ? "
    "WHERE workspace_id = ? AND id = ? RETURNING id"
)
_DELETE = statement("DELETE FROM webhook_endpoint WHERE workspace_id = ? AND id = ? RETURNING id")
_DELETE_PROGRESS = statement("DELETE FROM webhook_progress WHERE endpoint_id = ?")
_PAUSED_BEFORE = statement(
    "SELECT id FROM webhook_endpoint WHERE state = 'paused' AND state_ms < ? ORDER BY id LIMIT ?"
)

_LINE_COLUMNS = ", ".join(AttemptLine._fields)
_ATTEMPTS = statement(
    f"SELECT {_LINE_COLUMNS} FROM webhook_attempt WHERE workspace_id = ? AND endpoint_id = ? AND id < ? "
    "ORDER BY id DESC LIMIT ?"
)
_FAILED_ATTEMPTS = statement(
    f"SELECT {_LINE_COLUMNS} FROM webhook_attempt WHERE workspace_id = ? AND endpoint_id = ? AND id < ? "
    "AND succeeded = 0 ORDER BY id DESC LIMIT ?"
)
_ATTEMPT = statement(f"SELECT {_ATTEMPT_COLUMNS} FROM webhook_attempt WHERE workspace_id = ? AND id = ?")
_PURGE_ATTEMPTS = statement(
    sqlite="DELETE FROM webhook_attempt WHERE id IN (SELECT id FROM webhook_attempt WHERE id < ? ORDER BY id LIMIT ?) "
    "RETURNING id",
    # An array, so that the choice is made once; rows that another node deletes are left to it.
    postgresql="DELETE FROM webhook_attempt WHERE id = ANY(ARRAY(SELECT id FROM webhook_attempt WHERE id < ? "
    "ORDER BY id LIMIT ? FOR UPDATE SKIP LOCKED)) RETURNING id",
)


def endpoints_of(reader: Conn | Tx, workspace_id: int) -> list[WebhookEndpointRow]:
    """Return the endpoints of a workspace, oldest first."""
    parameters = (workspace_id,)
    rows = reader.run(_OF_WORKSPACE, parameters) if isinstance(reader, Tx) else reader.all(_OF_WORKSPACE, parameters)
    return [_endpoint(row) for row in rows]


def endpoint_by_id(conn: Conn, workspace_id: int, endpoint_id: int) -> WebhookEndpointRow | None:
    """Return an endpoint of a workspace, or None."""
    row = conn.one(_BY_ID, (workspace_id, endpoint_id))
    return None if row is None else _endpoint(row)


def healths_of(conn: Conn, workspace_id: int) -> list[EndpointHealth]:
    """Return the endpoints of a workspace with how each fares, oldest first."""
    return [_health(conn, endpoint) for endpoint in endpoints_of(conn, workspace_id)]


def health_of(conn: Conn, workspace_id: int, endpoint_id: int) -> EndpointHealth | None:
    """Return an endpoint of a workspace with how it fares, or None."""
    endpoint = endpoint_by_id(conn, workspace_id, endpoint_id)
    return None if endpoint is None else _health(conn, endpoint)


def count_endpoints(tx: Tx, workspace_id: int) -> int:
    """Return how many endpoints of the standard form a workspace has."""
    count: int = tx.run(_COUNT, (workspace_id,))[0][0]
    return count


def create(tx: Tx, row: WebhookEndpointRow) -> None:
    """Make an endpoint; what is recorded after this in the same transaction is told to it."""
    tx.add(row)
    tx.add(WebhookProgressRow(row.id))
    forget_listeners(tx)


def update(tx: Tx, row: WebhookEndpointRow) -> bool:
    """Write address, description, filters and batch of an endpoint; tell whether there is one."""
    values = (row.url, row.description, row.kinds, row.stream, row.batch, row.workspace_id, row.id)
    forget_listeners(tx)
    return bool(tx.run(_UPDATE, values))


def set_state(tx: Tx, endpoint_id: int, before: str, after: str, why: str, now_ms: int) -> bool:
    """Move an endpoint from one state to another; tell whether it was in the first."""
    forget_listeners(tx)
    return bool(tx.run(_SET_STATE, (after, why, now_ms, endpoint_id, before)))


def begin_again(tx: Tx, endpoint_id: int, now_ms: int) -> None:
    """Forget that an endpoint failed, because somebody resumes it."""
    tx.run(_RESUME, (now_ms, endpoint_id))


def set_secrets(tx: Tx, row: WebhookEndpointRow) -> bool:
    """Write the secrets of an endpoint; tell whether there is one."""
    values = (row.secret, row.old_secret, row.old_secret_until_ms, row.workspace_id, row.id)
    return bool(tx.run(_SET_SECRETS, values))


def delete(tx: Tx, workspace_id: int, endpoint_id: int) -> bool:
    """Delete an endpoint; tell whether there was one. Its outbox goes by `webhook_outbox.drop`, in pieces."""
    forget_listeners(tx)
    if not tx.run(_DELETE, (workspace_id, endpoint_id)):
        return False
    tx.run(_DELETE_PROGRESS, (endpoint_id,))
    return True


def paused_before(conn: Conn, before_ms: int, limit: int) -> list[int]:
    """Return endpoints of all workspaces that are paused since before a time."""
    return [row[0] for row in conn.all(_PAUSED_BEFORE, (before_ms, limit))]


def attempts(
    conn: Conn, workspace_id: int, endpoint_id: int | None, before_id: int, limit: int, *, failed: bool = False
) -> list[AttemptLine]:
    """Return up to `limit` requests with an id below `before_id`, newest first.

    `endpoint_id` None: of all endpoints of the workspace. `failed`: only those that failed.
    """
    asked = _FAILED_ATTEMPTS if failed else _ATTEMPTS
    if endpoint_id is not None:
        return [AttemptLine._make(row) for row in conn.all(asked, (workspace_id, endpoint_id, before_id, limit))]
    # A workspace has few endpoints, and each has its index.
    pages = [conn.all(asked, (workspace_id, one.id, before_id, limit)) for one in endpoints_of(conn, workspace_id)]
    newest = heapq.merge(*pages, key=lambda row: -row[0])
    return [AttemptLine._make(row) for row, _ in zip(newest, range(limit), strict=False)]


def attempt_by_id(conn: Conn, workspace_id: int, attempt_id: int) -> WebhookAttemptRow | None:
    """Return a request of a workspace whole, or None."""
    row = conn.one(_ATTEMPT, (workspace_id, attempt_id))
    return None if row is None else WebhookAttemptRow._make(row)


def purge_attempts(tx: Tx, before_id: int, limit: int) -> int:
    """Delete up to `limit` requests of all workspaces with an id below `before_id`, oldest first; return how many."""
    return len(tx.run(_PURGE_ATTEMPTS, (before_id, limit)))


def _health(conn: Conn, endpoint: WebhookEndpointRow) -> EndpointHealth:
    progress = conn.one(_PROGRESS, (endpoint.id,))
    counted = conn.one(_WAITING, (endpoint.id, MOST_COUNTED + 1))
    oldest = conn.one(_OLDEST, (endpoint.id,))
    return EndpointHealth(
        endpoint,
        WebhookProgressRow._make(progress) if progress else WebhookProgressRow(endpoint.id),
        counted[0] if counted else 0,
        made_at_ms(oldest[0]) if oldest and oldest[0] is not None else None,
    )


def _endpoint(row: tuple[object, ...]) -> WebhookEndpointRow:
    endpoint = WebhookEndpointRow._make(row)
    old = endpoint.old_secret
    return endpoint._replace(secret=bytes(endpoint.secret), old_secret=None if old is None else bytes(old))
