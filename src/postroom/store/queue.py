"""The queue: lanes, claims, settlements and what a crash left behind.

A lane is one workspace's mail of one stream to one domain. A worker asks which
lanes have mail that is due and claims some recipients of each; a claim sets a
lease and raises the epoch, and only who names that epoch can settle. Times come
from the caller's clock; on PostgreSQL several nodes share these tables, so each
claim skips rows that another transaction holds.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from postroom.ledger.rows import MessageRow
from postroom.store.database import Conn, RowsStatement, Tx, statement


def lane_id(workspace_id: int, stream: str, domain: str) -> int:
    """Return the id of a lane: 63 bits of a hash, so that two nodes that make it agree."""
    digest = hashlib.sha256(f"{workspace_id}/{stream}/{domain}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


class DueLane(NamedTuple):
    """A lane and when its first recipient is due."""

    id: int
    workspace_id: int
    stream: str
    domain: str
    due_ms: int


class Claimed(NamedTuple):
    """A claimed recipient with what an attempt needs of its message."""

    id: int
    epoch: int
    lane_id: int
    workspace_id: int
    message_id: int
    address: str
    address_key: str
    domain: str
    provider: str
    notify: int
    original: str
    merge: str
    tries: int
    first_tried_ms: int | None
    doubt_retried: int
    delayed_told: int


_DUE_LANES = statement(
    """
    SELECT l.id, l.workspace_id, l.stream, l.domain,
           (SELECT r.due_ms FROM recipient r WHERE r.lane_id = l.id AND r.state IN ('queued', 'deferred')
            ORDER BY r.due_ms LIMIT 1) AS due_ms
    FROM lane l
    """
)

_CLAIMED = """id, epoch, lane_id, workspace_id, message_id, address, address_key, domain, provider, notify,
    original, merge, tries, first_tried_ms, doubt_retried, delayed_told"""

_CLAIM = statement(
    sqlite=f"""
    UPDATE recipient SET state = 'sending', epoch = epoch + 1, node = ?, lease_ms = ?
    WHERE id IN (SELECT id FROM recipient WHERE lane_id = ? AND state IN ('queued', 'deferred') AND due_ms <= ?
                 ORDER BY due_ms, id LIMIT ?)
    RETURNING {_CLAIMED}
    """,
    postgresql=f"""
    UPDATE recipient SET state = 'sending', epoch = epoch + 1, node = ?, lease_ms = ?
    WHERE id IN (SELECT id FROM recipient WHERE lane_id = ? AND state IN ('queued', 'deferred') AND due_ms <= ?
                 ORDER BY due_ms, id LIMIT ? FOR UPDATE SKIP LOCKED)
      AND state IN ('queued', 'deferred')
    RETURNING {_CLAIMED}
    """,
)

_RENEW = statement(
    sqlite="""UPDATE recipient SET lease_ms = ? WHERE node = ? AND state = 'sending'
              AND id IN (SELECT value FROM json_each(?)) RETURNING id, epoch""",
    postgresql="""UPDATE recipient SET lease_ms = ? WHERE node = ? AND state = 'sending'
                  AND id = ANY(?) RETURNING id, epoch""",
)


def due_lanes(conn: Conn) -> list[DueLane]:
    """Return all lanes that hold waiting recipients, each with the time its first one is due."""
    return [DueLane(*row) for row in conn.all(_DUE_LANES) if row[4] is not None]


def claim(tx: Tx, lane: int, *, limit: int, node: int, now_ms: int, lease_ms: int) -> list[Claimed]:
    """Claim up to `limit` due recipients of a lane for `node` until `lease_ms` (a time)."""
    rows = [Claimed(*row) for row in tx.run(_CLAIM, (node, lease_ms, lane, now_ms, limit))]
    rows.sort()
    return rows


def renew(tx: Tx, recipient_ids: Sequence[int], *, node: int, lease_ms: int) -> list[tuple[int, int]]:
    """Lengthen this node's leases; return (id, epoch) of those that it still holds."""
    return [(row[0], row[1]) for row in tx.run(_RENEW, (lease_ms, node, tx.many(recipient_ids)))]


class Settlement(NamedTuple):
    """What becomes of a claimed recipient. Fields that stay as they are repeat the claim's values."""

    id: int
    epoch: int
    state: str
    due_ms: int
    tries: int
    first_tried_ms: int | None
    reason: str
    reply_code: int | None
    reply_status: str
    next_hop: str
    settled_ms: int | None
    sent_hour: int | None
    delayed_told: int
    doubt_retried: int


# Who names an epoch that has moved on, or a recipient that is no longer `sending`, changes nothing.
_SETTLE = RowsStatement(
    """
    UPDATE recipient SET state = v.state, due_ms = v.due_ms, tries = v.tries, first_tried_ms = v.first_tried_ms,
        reason = v.reason, reply_code = v.reply_code, reply_status = v.reply_status, next_hop = v.next_hop,
        settled_ms = v.settled_ms, sent_hour = v.sent_hour, delayed_told = v.delayed_told,
        doubt_retried = v.doubt_retried, node = NULL, lease_ms = NULL
    FROM v WHERE recipient.id = v.id AND recipient.epoch = v.epoch AND recipient.state = 'sending'
    RETURNING recipient.id
    """,
    id="int",
    epoch="int",
    state="text",
    due_ms="int",
    tries="int",
    first_tried_ms="int",
    reason="text",
    reply_code="int",
    reply_status="text",
    next_hop="text",
    settled_ms="int",
    sent_hour="int",
    delayed_told="int",
    doubt_retried="int",
)


def settle(tx: Tx, settlements: Sequence[Settlement]) -> set[int]:
    """Write what became of claimed recipients; return the ids that were still ours to settle.

    A recipient whose epoch has moved on, or that is no longer `sending`, is left alone.
    """
    # In the order of their ids: pages of the table are then visited one after the other.
    return {row[0] for row in tx.run_rows(_SETTLE, sorted(settlements))} if settlements else set()


_MINE = statement(
    f"""SELECT {_CLAIMED}, node FROM recipient WHERE state = 'sending' AND node = ? ORDER BY id LIMIT ?"""
)


def in_flight_of(conn: Conn, node: int, *, limit: int = 500) -> list[Claimed]:
    """Return recipients that `node` has claimed and not settled, oldest first."""
    return [Claimed(*row[:-1]) for row in conn.all(_MINE, (node, limit))]


_COUNT_WAITING = statement("SELECT count(*) FROM recipient WHERE state IN ('queued', 'deferred', 'sending')")


def waiting_count(conn: Conn) -> int:
    """Return how many recipients wait or are being tried, over all workspaces."""
    row = conn.one(_COUNT_WAITING)
    return int(row[0]) if row else 0


_MESSAGES = statement(
    sqlite=f"SELECT {', '.join(MessageRow._fields)} FROM message WHERE id IN (SELECT value FROM json_each(?))",
    postgresql=f"SELECT {', '.join(MessageRow._fields)} FROM message WHERE id = ANY(?)",
)


def messages_in(reader: Conn | Tx, message_ids: Sequence[int]) -> list[MessageRow]:
    """Return the messages of claimed recipients, over all workspaces."""
    parameters = (reader.many(message_ids),)
    rows = reader.run(_MESSAGES, parameters) if isinstance(reader, Tx) else reader.all(_MESSAGES, parameters)
    return [MessageRow(*row) for row in rows]
