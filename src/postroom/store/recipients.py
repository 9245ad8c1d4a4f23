"""Table `recipient`: looking recipients up, the depth of the queue, and moves that people ask for.

Claims and settlements are in `store.queue`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Select, select

from postroom.ledger.rows import RecipientRow
from postroom.store import restorations, schema
from postroom.store.database import Conn, Tx, statement
from postroom.store.messages import has_tag

_COLUMNS = ", ".join(RecipientRow._fields)
_M = schema.mail.message.c
_R = schema.mail.recipient.c

_BY_ID = statement(f"SELECT {_COLUMNS} FROM recipient WHERE workspace_id = ? AND id = ?")
_OF_MESSAGE = statement(
    f"SELECT {_COLUMNS} FROM recipient WHERE message_id = ? AND workspace_id = ? AND id > ? ORDER BY id LIMIT ?"
)

# What is not settled, by lane and state, with the earliest next try and the site as far as it is known.
_DEPTH = statement(
    """
    SELECT q.domain, l.stream, d.site, q.state, q.amount, q.due_ms, q.due_last_ms, q.oldest_id
    FROM (SELECT lane_id, domain, state, COUNT(*) AS amount, MIN(due_ms) AS due_ms, MAX(due_ms) AS due_last_ms,
                 MIN(id) AS oldest_id
          FROM recipient
          WHERE workspace_id = ? AND state IN ('queued', 'held', 'sending', 'deferred', 'in_doubt')
          GROUP BY lane_id, domain, state) q
    JOIN lane l ON l.id = q.lane_id
    LEFT JOIN destination d ON d.domain = q.domain
    ORDER BY q.amount DESC, q.domain, l.stream, q.state LIMIT ? OFFSET ?
    """
)

_MOVABLE = (
    "SELECT r.id, r.message_id, r.address_key, r.provider, r.state, r.settled_ms, r.first_tried_ms, r.cause, "
    "m.stream, m.author_domain, m.tags FROM recipient r JOIN message m ON m.id = r.message_id "
)
# The rows of a page that may still move, locked until COMMIT so that no worker claims them meanwhile.
_LOCK = statement(
    sqlite=_MOVABLE + "WHERE r.workspace_id + 0 = ? AND r.id IN (SELECT value FROM json_each(?)) "
    "AND r.state IN (SELECT value FROM json_each(?)) ORDER BY r.id",
    postgresql=_MOVABLE + "WHERE r.workspace_id = ? AND r.id = ANY(?) AND r.state = ANY(?) "
    "ORDER BY r.id FOR UPDATE OF r",
)

# A higher epoch: whoever still holds a claim of before cannot settle it any more.
_SET_STATE = statement(
    sqlite="UPDATE recipient SET state = ?, reason = ?, settled_ms = ?, epoch = epoch + 1, node = NULL, "
    "lease_ms = NULL WHERE id IN (SELECT value FROM json_each(?)) RETURNING id",
    postgresql="UPDATE recipient SET state = ?, reason = ?, settled_ms = ?, epoch = epoch + 1, node = NULL, "
    "lease_ms = NULL WHERE id = ANY(?) RETURNING id",
)
_DUE_NOW = statement(
    sqlite="UPDATE recipient SET due_ms = ? WHERE id IN (SELECT value FROM json_each(?))",
    postgresql="UPDATE recipient SET due_ms = ? WHERE id = ANY(?)",
)
# Somebody who asks for another try of a failed one gets the whole schedule again.
_BEGIN_AGAIN = statement(
    sqlite="UPDATE recipient SET tries = 0, first_tried_ms = NULL, sent_hour = NULL, delayed_told = 0, cause = '' "
    "WHERE id IN (SELECT value FROM json_each(?))",
    postgresql="UPDATE recipient SET tries = 0, first_tried_ms = NULL, sent_hour = NULL, delayed_told = 0, cause = '' "
    "WHERE id = ANY(?)",
)


@dataclass(frozen=True, slots=True)
class RecipientFilter:
    """Which recipients are asked for; None asks nothing."""

    states: tuple[str, ...] | None = None
    address_key: str | None = None
    domain: str | None = None
    message_id: int | None = None
    stream: str | None = None
    tag: str | None = None
    provider: str | None = None
    ids: tuple[int, ...] | None = None
    least_id: int | None = None
    before_id: int | None = None
    """Only ids below: the cursor, or the end of a time."""
    restored: bool = False
    """Only those that came back from a backup and were not moved since."""


class Depth(NamedTuple):
    """One line of the queue: what a lane holds in one state."""

    domain: str
    stream: str
    site: str | None
    """The site that serves the domain, None before the first look-up."""
    state: str
    recipients: int
    due_ms: int
    """When the first of them is due."""
    due_last_ms: int
    oldest_id: int


class Movable(NamedTuple):
    """A locked recipient with what its event needs."""

    id: int
    message_id: int
    address_key: str
    provider: str
    state: str
    settled_ms: int | None
    first_tried_ms: int | None
    cause: str
    stream: str
    author_domain: str
    tags: str


def recipient_by_id(conn: Conn, workspace_id: int, recipient_id: int) -> RecipientRow | None:
    """Return a recipient of this workspace, or None."""
    row = conn.one(_BY_ID, (workspace_id, recipient_id))
    return RecipientRow._make(row) if row else None


def of_message(conn: Conn, workspace_id: int, message_id: int, after_id: int, limit: int) -> list[RecipientRow]:
    """Return up to `limit` recipients of a message with an id above `after_id`, in the order of the envelope."""
    rows = conn.all(_OF_MESSAGE, (message_id, workspace_id, after_id, limit))
    return [RecipientRow._make(row) for row in rows]


def page(conn: Conn, workspace_id: int, asked: RecipientFilter, limit: int) -> list[RecipientRow]:
    """Return up to `limit` recipients, newest first."""
    query = _filtered(select(schema.mail.recipient), workspace_id, asked)
    rows = conn.select(query.order_by(_R.id.desc()).limit(limit))
    return [RecipientRow._make(row) for row in rows]


def ids_of(conn: Conn, workspace_id: int, asked: RecipientFilter, limit: int) -> list[int]:
    """Return up to `limit` ids, newest first."""
    query = _filtered(select(_R.id), workspace_id, asked)
    return [row[0] for row in conn.select(query.order_by(_R.id.desc()).limit(limit))]


def depth(conn: Conn, workspace_id: int, *, limit: int, offset: int = 0) -> list[Depth]:
    """Return what waits, by lane and state, the largest first."""
    return [Depth._make(row) for row in conn.all(_DEPTH, (workspace_id, limit, offset))]


def lock_movable(tx: Tx, workspace_id: int, ids: Sequence[int], states: Sequence[str]) -> list[Movable]:
    """Return those of `ids` that are in one of `states`, locked until COMMIT."""
    rows = tx.run(_LOCK, (workspace_id, tx.many(list(ids)), tx.many(list(states))))
    return [Movable._make(row) for row in rows]


def set_state(tx: Tx, ids: Sequence[int], state: str, reason: str, settled_ms: int | None) -> None:
    """Put locked recipients into a state; the caller has checked that they may move."""
    tx.run(_SET_STATE, (state, reason, settled_ms, tx.many(list(ids))))


def set_due(tx: Tx, ids: Sequence[int], due_ms: int) -> None:
    """Make locked recipients due at a time."""
    tx.run(_DUE_NOW, (due_ms, tx.many(list(ids))))


def begin_again(tx: Tx, ids: Sequence[int]) -> None:
    """Forget the tries of locked recipients, so that their schedule begins anew."""
    tx.run(_BEGIN_AGAIN, (tx.many(list(ids)),))


def _filtered(query: Select[Any], workspace_id: int, asked: RecipientFilter) -> Select[Any]:
    # `+ 0` keeps SQLite from walking through the workspace where few rows are named.
    is_named = asked.ids is not None or asked.message_id is not None
    query = query.where((_R.workspace_id + 0 if is_named else _R.workspace_id) == workspace_id)
    if asked.states is not None:
        query = query.where(_R.state.in_(asked.states))
    if asked.address_key is not None:
        query = query.where(_R.address_key == asked.address_key)
    if asked.domain is not None:
        query = query.where(_R.domain == asked.domain)
    if asked.message_id is not None:
        query = query.where(_R.message_id == asked.message_id)
    if asked.provider is not None:
        query = query.where(_R.provider == asked.provider)
    if asked.ids is not None:
        query = query.where(_R.id.in_(asked.ids))
    if asked.restored:
        query = query.where(_R.reason.startswith(restorations.REASON, autoescape=True))
    if asked.least_id is not None:
        query = query.where(_R.id >= asked.least_id)
    if asked.before_id is not None:
        query = query.where(_R.id < asked.before_id)
    if asked.stream is not None or asked.tag is not None:
        query = query.join(schema.mail.message, _M.id == _R.message_id)
        if asked.stream is not None:
            query = query.where(_M.stream == asked.stream)
        if asked.tag is not None:
            query = query.where(has_tag(workspace_id, asked.tag))
    return query
