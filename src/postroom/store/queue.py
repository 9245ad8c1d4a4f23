"""The queue: lanes, claims, settlements and what a crash left behind.

A lane is one workspace's mail of one stream to one domain. A worker asks which
lanes have waiting mail and claims some recipients of each; a claim sets a
lease and raises the epoch, and only who names that epoch can settle. Times come
from the caller's clock; on PostgreSQL several nodes share these tables, so each
claim skips rows that another transaction holds.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from postroom.ledger.claimed import Claimed
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


# From one waiting lane to the next by the queue's index: what it costs depends on the lanes that
# have waiting mail, not on all that there ever were, nor on how much waits in each.
_WAITING_LANES = statement(
    """
    WITH RECURSIVE waiting (lane_id, number) AS (
        SELECT (SELECT min(r.lane_id) FROM recipient r WHERE r.state IN ('queued', 'deferred') AND r.lane_id > ?), 1
        UNION ALL
        SELECT (SELECT min(r.lane_id) FROM recipient r
                WHERE r.state IN ('queued', 'deferred') AND r.lane_id > w.lane_id), w.number + 1
        FROM waiting w WHERE w.lane_id IS NOT NULL AND w.number < ?
    )
    SELECT l.id, l.workspace_id, l.stream, l.domain,
           (SELECT min(r.due_ms) FROM recipient r WHERE r.lane_id = l.id AND r.state IN ('queued', 'deferred'))
    FROM waiting w JOIN lane l ON l.id = w.lane_id ORDER BY l.id
    """
)

_CLAIMED = """id, epoch, lane_id, workspace_id, message_id, address, address_key, domain, provider, notify,
    original, merge, tries, first_tried_ms, doubt_retried, delayed_told"""

# PostgreSQL: the choice stands in a materialised CTE because a subquery with LIMIT may be run
# more than once by a join, and would then claim more than was asked for.
_CLAIM = statement(
    sqlite=f"""
    UPDATE recipient SET state = 'sending', epoch = epoch + 1, node = ?, lease_ms = ?
    WHERE id IN (SELECT id FROM recipient WHERE lane_id = ? AND state IN ('queued', 'deferred') AND due_ms <= ?
                 ORDER BY due_ms, id LIMIT ?)
    RETURNING {_CLAIMED}
    """,
    postgresql=f"""
    WITH claim (node, lease_ms) AS (VALUES (?::bigint, ?::bigint)),
         chosen AS MATERIALIZED (
            SELECT id AS chosen_id FROM recipient
            WHERE lane_id = ? AND state IN ('queued', 'deferred') AND due_ms <= ?
            ORDER BY due_ms, id LIMIT ? FOR UPDATE SKIP LOCKED)
    UPDATE recipient SET state = 'sending', epoch = epoch + 1, node = claim.node, lease_ms = claim.lease_ms
    FROM chosen, claim WHERE recipient.id = chosen.chosen_id
    RETURNING {", ".join(f"recipient.{name}" for name in Claimed._fields)}
    """,
)

_RENEW = statement(
    sqlite="""UPDATE recipient SET lease_ms = ? WHERE node = ? AND state = 'sending'
              AND id IN (SELECT value FROM json_each(?)) RETURNING id, epoch""",
    postgresql="""UPDATE recipient SET lease_ms = ? WHERE node = ? AND state = 'sending'
                  AND id = ANY(?) RETURNING id, epoch""",
)


def waiting_lanes(conn: Conn, *, after: int = -1, limit: int = 1000) -> list[DueLane]:
    """Return up to `limit` lanes with waiting recipients and ids above `after`, by id, each with its first due time."""
    return [DueLane(*row) for row in conn.all(_WAITING_LANES, (after, limit))]


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


_SENDING = statement(
    f"SELECT {_CLAIMED} FROM recipient WHERE state = 'sending' AND node = ? AND id > ? AND lease_ms < ? "
    "ORDER BY id LIMIT ?"
)
_SENDING_KEYS = statement("SELECT id, epoch FROM recipient WHERE state = 'sending' AND node = ?")
_SENDING_IDS = statement(
    sqlite=f"""SELECT {_CLAIMED} FROM recipient WHERE state = 'sending' AND node = ?
               AND id IN (SELECT value FROM json_each(?))""",
    postgresql=f"SELECT {_CLAIMED} FROM recipient WHERE state = 'sending' AND node = ? AND id = ANY(?)",
)
_SENDING_NODES = statement("SELECT DISTINCT node FROM recipient WHERE state = 'sending' AND lease_ms < ?")
_FOREVER_MS = 1 << 62


def sending_of(
    conn: Conn, node: int, *, after: int = 0, leased_before_ms: int = _FOREVER_MS, limit: int = 200
) -> list[Claimed]:
    """Return recipients that `node` has claimed and not settled, with ids above `after`, by id.

    `leased_before_ms`: only those whose lease ended before this time.
    """
    return [Claimed(*row) for row in conn.all(_SENDING, (node, after, leased_before_ms, limit))]


def sending_keys(conn: Conn, node: int) -> set[tuple[int, int]]:
    """Return (id, epoch) of all recipients that `node` has claimed and not settled."""
    return {(row[0], row[1]) for row in conn.all(_SENDING_KEYS, (node,))}


def sending_among(conn: Conn, node: int, recipient_ids: Sequence[int]) -> list[Claimed]:
    """Return those of these recipients that `node` has claimed and not settled."""
    return [Claimed(*row) for row in conn.all(_SENDING_IDS, (node, conn.many(recipient_ids)))]


def nodes_with_old_leases(conn: Conn, leased_before_ms: int) -> set[int]:
    """Return the nodes that hold recipients whose lease ended before a time."""
    return {row[0] for row in conn.all(_SENDING_NODES, (leased_before_ms,)) if row[0] is not None}


_MESSAGES = statement(
    sqlite=f"SELECT {', '.join(MessageRow._fields)} FROM message WHERE id IN (SELECT value FROM json_each(?))",
    postgresql=f"SELECT {', '.join(MessageRow._fields)} FROM message WHERE id = ANY(?)",
)


def messages_in(reader: Conn | Tx, message_ids: Sequence[int]) -> list[MessageRow]:
    """Return the messages of claimed recipients, over all workspaces."""
    parameters = (reader.many(message_ids),)
    rows = reader.run(_MESSAGES, parameters) if isinstance(reader, Tx) else reader.all(_MESSAGES, parameters)
    return [MessageRow(*row) for row in rows]
