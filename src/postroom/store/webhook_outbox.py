"""Table `webhook_outbox`: what endpoints are still to be told, and which node tells it.

A row is written in the transaction of its event. One node at a time works on
an endpoint: it holds the endpoint's lease, whose epoch grows each time it
changes hands. So the order of a recipient's events is kept in that node's
memory, and taking a row up costs no write. A row that was told is deleted.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec

from postroom.ledger.rows import EventRow
from postroom.ledger.webhook_rows import WebhookEndpointRow, WebhookOutboxRow
from postroom.store.database import Conn, RowsStatement, Tx, statement
from postroom.store.nodes import last_beat_ms
from postroom.store.orphans import orphans

WAKE = "webhooks"
"""What `Database.on_commit` is told once rows were written; its subjects are endpoints."""

_MOST_LISTENERS = 200
"""With more endpoints than this in the installation, only those of the workspaces in the group are read."""
_MEMO = "webhook listeners"
_ALL = 0
"""Key of a memo that holds the listeners of every workspace."""

_decode_kinds = msgspec.json.Decoder(frozenset[str]).decode


class Listener(NamedTuple):
    """An endpoint, as far as it decides what is written for it."""

    endpoint_id: int
    kinds: frozenset[str]
    """Empty: all."""
    stream: str
    """Empty: both."""

    def hears(self, kind: str, stream: str) -> bool:
        """Tell whether an event is for this endpoint; `stream` is empty for one that belongs to none."""
        return (not self.kinds or kind in self.kinds) and (not self.stream or not stream or self.stream == stream)


_Known = dict[int, tuple[Listener, ...]]

_LISTENERS = statement("SELECT workspace_id, id, kinds, stream FROM webhook_endpoint WHERE state <> 'disabled' LIMIT ?")
_LISTENERS_OF = statement(
    "SELECT workspace_id, id, kinds, stream FROM webhook_endpoint WHERE workspace_id = ? AND state <> 'disabled'"
)


def schedule(tx: Tx, event: EventRow, stream: str) -> None:
    """Write an outbox row for each endpoint that asks for this event.

    `stream` is that of its mail; empty for an event that belongs to none, which
    every endpoint is told. The endpoints are read once a transaction group:
    another node may have made one a moment ago.
    """
    known: _Known | None = tx.memo.get(_MEMO)
    if known is None:
        known = tx.memo[_MEMO] = _read_listeners(tx)
    listeners = known.get(event.workspace_id)
    if listeners is None:
        if _ALL in known:
            return
        listeners = known[event.workspace_id] = _listeners(tx.run(_LISTENERS_OF, (event.workspace_id,)))
    for listener in listeners:
        if listener.hears(event.kind, stream):
            tx.add(WebhookOutboxRow(listener.endpoint_id, event.id, in_line_with(event), event.at_ms))
            tx.wake(WAKE, listener.endpoint_id)


def in_line_with(event: EventRow) -> int:
    """Return whose events keep their order with this one: its recipient's or its account's; 0: nobody's."""
    return event.recipient_id or event.account_id or 0


def listener_of(row: WebhookEndpointRow) -> Listener:
    """Return what an endpoint asks for."""
    return Listener(row.id, _decode_kinds(row.kinds), row.stream)


def forget_listeners(tx: Tx) -> None:
    """Have the endpoints read again for what is recorded after this in the same group."""
    tx.memo.pop(_MEMO, None)


def _read_listeners(tx: Tx) -> _Known:
    rows = tx.run(_LISTENERS, (_MOST_LISTENERS + 1,))
    if not rows:
        return {_ALL: ()}
    if len(rows) > _MOST_LISTENERS:
        return {}
    workspaces = {row[0] for row in rows}
    return {_ALL: (), **{one: _listeners([row for row in rows if row[0] == one]) for one in workspaces}}


def _listeners(rows: Sequence[tuple[int, int, str, str]]) -> tuple[Listener, ...]:
    return tuple(Listener(endpoint_id, _decode_kinds(kinds), stream) for _, endpoint_id, kinds, stream in rows)


# Leases

# A lease ends with its node: one whose heartbeat has stopped for so long begins no request any more.
_FREE = "(lease_ms <= ? OR node = ? OR node NOT IN (SELECT number FROM node WHERE seen_ms > ?))"
_DUE_ENDPOINTS = statement(
    f"""
    SELECT e.id FROM webhook_endpoint e JOIN webhook_progress p ON p.endpoint_id = e.id
    WHERE e.state = 'active' AND p.quiet_until_ms <= ? AND {_FREE}
      AND EXISTS (SELECT 1 FROM webhook_outbox o WHERE o.endpoint_id = e.id AND o.due_ms <= ?)
    ORDER BY e.id
    """
)
_LEASE = statement(
    sqlite="UPDATE webhook_progress SET node = ?, lease_ms = ?, epoch = epoch + 1 "
    f"WHERE endpoint_id IN (SELECT value FROM json_each(?)) AND {_FREE} RETURNING endpoint_id, epoch",
    postgresql="UPDATE webhook_progress SET node = ?, lease_ms = ?, epoch = epoch + 1 "
    f"WHERE endpoint_id = ANY(?) AND {_FREE} RETURNING endpoint_id, epoch",
)
_RENEW = RowsStatement(
    "UPDATE webhook_progress SET lease_ms = v.lease_ms FROM v "
    "WHERE webhook_progress.endpoint_id = v.endpoint_id AND webhook_progress.epoch = v.epoch "
    # Given back while the renewal was on its way: it would be nobody's, and kept from all.
    "AND webhook_progress.node IS NOT NULL RETURNING webhook_progress.endpoint_id",
    endpoint_id="int",
    epoch="int",
    lease_ms="int",
)
_RELEASE = statement("UPDATE webhook_progress SET node = NULL, lease_ms = 0 WHERE endpoint_id = ? AND epoch = ?")


def due_endpoints(conn: Conn, node: int, now_ms: int) -> list[int]:
    """Return active endpoints with something due that no other live node holds."""
    return [row[0] for row in conn.all(_DUE_ENDPOINTS, (now_ms, now_ms, node, last_beat_ms(conn, now_ms), now_ms))]


def lease(tx: Tx, endpoint_ids: Sequence[int], *, node: int, now_ms: int, lease_ms: int) -> dict[int, int]:
    """Take those of the endpoints that are free until `lease_ms` (a time); return their epochs.

    Free is also what a dead node holds, and what this one held before a restart: it runs alone on its data folder.
    """
    rows = tx.run(_LEASE, (node, lease_ms, tx.many(endpoint_ids), now_ms, node, last_beat_ms(tx, now_ms)))
    return {row[0]: row[1] for row in rows}


def renew(tx: Tx, held: Sequence[tuple[int, int]], lease_ms: int) -> set[int]:
    """Lengthen leases, named by endpoint and epoch; return the endpoints that are still held."""
    return {row[0] for row in tx.run_rows(_RENEW, [(*one, lease_ms) for one in sorted(held)])}


def release(tx: Tx, endpoint_id: int, epoch: int) -> None:
    """Give an endpoint back, where its lease is still the one of this epoch."""
    tx.run(_RELEASE, (endpoint_id, epoch))


# What is due


class Waiting(NamedTuple):
    """A row of the outbox."""

    event_id: int
    recipient_id: int
    """0: of no recipient."""
    due_ms: int
    tries: int
    first_tried_ms: int | None


class Due(NamedTuple):
    """What an endpoint may be told now."""

    rows: list[Waiting]
    """By event id; of a recipient also its first waiting event, so that none overtakes it."""
    blocked: list[tuple[int, int]]
    """Event id and time: due, but the recipient's first event waits until then."""


_COLUMNS = ", ".join(Waiting._fields)
_DUE = f"SELECT {_COLUMNS} FROM webhook_outbox WHERE endpoint_id = ? AND due_ms <= ? AND recipient_id"
_DUE_ROWS = statement(
    sqlite=f"{_DUE} NOT IN (SELECT value FROM json_each(?)) ORDER BY due_ms, event_id LIMIT ?",
    postgresql=f"{_DUE} <> ALL(?) ORDER BY due_ms, event_id LIMIT ?",
)
# One look into the index for each recipient, however many of its events wait.
_FIRST = "(SELECT min(event_id) FROM webhook_outbox WHERE endpoint_id = ? AND recipient_id <> 0 AND recipient_id = "
_FIRSTS = statement(
    sqlite=f"SELECT {_FIRST}value) FROM json_each(?)",
    postgresql=f"SELECT {_FIRST}r) FROM unnest(?) AS r",
)
_ROWS = statement(
    sqlite=f"SELECT {_COLUMNS} FROM webhook_outbox WHERE endpoint_id = ? "
    "AND event_id IN (SELECT value FROM json_each(?))",
    postgresql=f"SELECT {_COLUMNS} FROM webhook_outbox WHERE endpoint_id = ? AND event_id = ANY(?)",
)
_PUT_OFF = RowsStatement(
    "UPDATE webhook_outbox SET due_ms = v.due_ms FROM v "
    "WHERE webhook_outbox.endpoint_id = v.endpoint_id AND webhook_outbox.event_id = v.event_id",
    endpoint_id="int",
    event_id="int",
    due_ms="int",
)


def due(conn: Conn, endpoint_id: int, now_ms: int, skip: Sequence[int], limit: int) -> Due:
    """Return what is due of an endpoint, the longest due first, at most `limit` of it; not of recipients in `skip`."""
    found = [Waiting._make(row) for row in conn.all(_DUE_ROWS, (endpoint_id, now_ms, conn.many(skip), limit))]
    recipients = list({row.recipient_id for row in found if row.recipient_id})
    if not recipients:
        return Due(sorted(found), [])
    known = {row.event_id for row in found}
    firsts = [row[0] for row in conn.all(_FIRSTS, (endpoint_id, conn.many(recipients)))]
    missing = [event_id for event_id in firsts if event_id is not None and event_id not in known]
    if not missing:
        return Due(sorted(found), [])
    heads = [Waiting._make(row) for row in conn.all(_ROWS, (endpoint_id, conn.many(missing)))]
    late = {head.recipient_id: head.due_ms for head in heads if head.due_ms > now_ms}
    rows = [row for row in found if row.recipient_id not in late]
    rows += [head for head in heads if head.due_ms <= now_ms]
    return Due(sorted(rows), [(row.event_id, late[row.recipient_id]) for row in found if row.recipient_id in late])


def put_off(tx: Tx, endpoint_id: int, rows: Sequence[tuple[int, int]]) -> None:
    """Set when events (event id, time) are due: those of a recipient whose first event waits."""
    tx.run_rows(_PUT_OFF, [(endpoint_id, *row) for row in rows])


# What came of it

_DELETE = statement(
    sqlite="DELETE FROM webhook_outbox WHERE endpoint_id = ? AND event_id IN (SELECT value FROM json_each(?))",
    postgresql="DELETE FROM webhook_outbox WHERE endpoint_id = ? AND event_id = ANY(?)",
)
_RETRY = RowsStatement(
    "UPDATE webhook_outbox SET due_ms = v.due_ms, tries = v.tries, first_tried_ms = v.first_tried_ms FROM v "
    "WHERE webhook_outbox.endpoint_id = v.endpoint_id AND webhook_outbox.event_id = v.event_id",
    endpoint_id="int",
    event_id="int",
    due_ms="int",
    tries="int",
    first_tried_ms="int",
)
_SUCCEEDED = statement(
    "UPDATE webhook_progress SET failures = 0, quiet_until_ms = 0, failing_since_ms = NULL, last_success_ms = ? "
    "WHERE endpoint_id = ?"
)
_FAILED = statement(
    "UPDATE webhook_progress SET failures = failures + 1, failing_since_ms = COALESCE(failing_since_ms, ?), "
    "last_failure_ms = ?, last_error = ? WHERE endpoint_id = ? AND epoch = ? "
    "RETURNING failures, failing_since_ms, resumed_ms, last_success_ms"
)
_QUIET = statement("UPDATE webhook_progress SET quiet_until_ms = ? WHERE endpoint_id = ?")
_LATER = "SELECT event_id FROM webhook_outbox WHERE endpoint_id = ? AND due_ms > ? ORDER BY due_ms, event_id LIMIT ?"
# Their tries count as one: that a receiver was away says nothing against an event.
_HASTEN = statement(
    sqlite="UPDATE webhook_outbox SET due_ms = ?, tries = min(tries, 1) WHERE endpoint_id = ? "
    f"AND event_id IN ({_LATER}) RETURNING event_id",
    postgresql="UPDATE webhook_outbox SET due_ms = ?, tries = least(tries, 1) WHERE endpoint_id = ? "
    f"AND event_id = ANY(ARRAY({_LATER})) RETURNING event_id",
)


class Failing(NamedTuple):
    """How long an endpoint has failed."""

    failures: int
    failing_since_ms: int
    resumed_ms: int
    last_success_ms: int | None


def succeeded(tx: Tx, endpoint_id: int, event_ids: Sequence[int], now_ms: int) -> None:
    """Take events that were told out of the outbox. Told is told: this needs no lease."""
    tx.run(_DELETE, (endpoint_id, tx.many(event_ids)))
    tx.run(_SUCCEEDED, (now_ms, endpoint_id))


def failed(tx: Tx, endpoint_id: int, epoch: int, now_ms: int, error: str) -> Failing | None:
    """Note a failure; None where the lease is another's by now, who will find out for himself."""
    rows = tx.run(_FAILED, (now_ms, now_ms, error, endpoint_id, epoch))
    return Failing._make(rows[0]) if rows else None


def retry_later(tx: Tx, endpoint_id: int, rows: Sequence[Waiting]) -> None:
    """Write due time and tries of events that could not be told."""
    tx.run_rows(_RETRY, [(endpoint_id, row.event_id, row.due_ms, row.tries, row.first_tried_ms) for row in rows])


def give_up(tx: Tx, endpoint_id: int, event_ids: Sequence[int]) -> None:
    """Take events out of the outbox that will not be told."""
    tx.run(_DELETE, (endpoint_id, tx.many(event_ids)))


def be_quiet(tx: Tx, endpoint_id: int, until_ms: int) -> None:
    """Tell an endpoint nothing before a time."""
    tx.run(_QUIET, (until_ms, endpoint_id))


def hasten(tx: Tx, endpoint_id: int, now_ms: int, limit: int) -> int:
    """Make up to `limit` events due that wait for a later try, the next ones first; return how many.

    Their pauses begin anew, and batches of them are a quarter of what the endpoint takes.
    """
    tx.wake(WAKE, endpoint_id)
    return len(tx.run(_HASTEN, (now_ms, endpoint_id, endpoint_id, now_ms, limit)))


# Replay and upkeep

_SPAN = statement(
    "SELECT e.id, COALESCE(e.recipient_id, e.account_id, 0), e.kind, COALESCE(m.stream, '') FROM event e "
    "LEFT JOIN message m ON m.id = e.message_id WHERE e.workspace_id = ? AND e.id > ? AND e.id < ? "
    "ORDER BY e.id LIMIT ?"
)
_AMONG = "SELECT id, COALESCE(recipient_id, account_id, 0), kind FROM event WHERE workspace_id = ? AND id"
_EVENTS = statement(
    sqlite=f"{_AMONG} IN (SELECT value FROM json_each(?)) ORDER BY id",
    postgresql=f"{_AMONG} = ANY(?) ORDER BY id",
)
_DUE_NOW = statement(
    # By the primary key (+ takes due_ms away from the other index): much may wait for later.
    sqlite="UPDATE webhook_outbox SET due_ms = ? WHERE endpoint_id = ? AND +due_ms > ? "
    "AND event_id IN (SELECT value FROM json_each(?))",
    postgresql="UPDATE webhook_outbox SET due_ms = ? WHERE endpoint_id = ? AND due_ms > ? AND event_id = ANY(?)",
)
_DROP = statement(
    sqlite="DELETE FROM webhook_outbox WHERE endpoint_id = ? AND event_id IN "
    "(SELECT event_id FROM webhook_outbox WHERE endpoint_id = ? LIMIT ?) RETURNING event_id",
    postgresql="DELETE FROM webhook_outbox WHERE endpoint_id = ? AND event_id = ANY(ARRAY("
    "SELECT event_id FROM webhook_outbox WHERE endpoint_id = ? LIMIT ? FOR UPDATE SKIP LOCKED)) RETURNING event_id",
)
_WITHOUT_LISTENER = orphans("endpoint_id", "webhook_outbox", "webhook_endpoint", of="o.state <> 'disabled'")


class PastEvent(NamedTuple):
    """An event that may be told again."""

    id: int
    recipient_id: int
    kind: str
    stream: str


def past_events(conn: Conn, workspace_id: int, after_id: int, before_id: int, limit: int) -> list[PastEvent]:
    """Return up to `limit` events of a workspace between two ids, both excluded, oldest first."""
    return [PastEvent._make(row) for row in conn.all(_SPAN, (workspace_id, after_id, before_id, limit))]


def existing_events(
    conn: Conn, workspace_id: int, event_ids: Sequence[int], kinds: Collection[str] = ()
) -> list[tuple[int, int]]:
    """Return id and line (`in_line_with`) of those of the events that the workspace has; `kinds` empty: of any kind."""
    rows = conn.all(_EVENTS, (workspace_id, conn.many(event_ids)))
    return [(row[0], row[1]) for row in rows if not kinds or row[2] in kinds]


def tell_again(tx: Tx, endpoint_id: int, events: Sequence[tuple[int, int]], now_ms: int) -> None:
    """Put events (id, recipient id) into the outbox; those that wait there already are due now."""
    for event_id, recipient_id in events:
        tx.add(WebhookOutboxRow(endpoint_id, event_id, recipient_id, now_ms))
    tx.run(_DUE_NOW, (now_ms, endpoint_id, now_ms, tx.many([event_id for event_id, _ in events])))
    tx.wake(WAKE, endpoint_id)


def drop(tx: Tx, endpoint_id: int, limit: int) -> int:
    """Delete up to `limit` rows of an endpoint; return how many."""
    return len(tx.run(_DROP, (endpoint_id, endpoint_id, limit)))


def without_listener(conn: Conn, most: int) -> list[int]:
    """Return up to `most` endpoints that have rows and are deleted or disabled."""
    return [row[0] for row in conn.all(_WITHOUT_LISTENER, (most,))]
