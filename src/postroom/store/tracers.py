"""Table `tracer`: marked mails that were sent to watched accounts, and how long they took by stage.

The row is there before the mail is sent, so that no tracer arrives unknown.
"""

import json
from typing import NamedTuple

from postroom.base.ids import first_id_at
from postroom.ledger.account_rows import TracerRow
from postroom.store.database import Conn, Tx, statement

STAGES = ("provider", "notify", "fetch", "queue")
"""What a tracer passes, in order: sending up to INTERNALDATE, up to when we knew, up to its bytes, up to COMMIT."""

BEING_SENT = "It is being sent."
"""`why` of a tracer whose server has not taken it yet. Should the process die now, it is not counted as lost."""

_COLUMNS = ", ".join(TracerRow._fields)
_OWN = statement(
    "SELECT a.id FROM account_owner o JOIN account a ON a.id = o.account_id WHERE o.node = ? "
    "AND a.is_tracer = 1 AND a.is_archived = 0 AND a.connected_ms IS NOT NULL ORDER BY a.id LIMIT ?"
)
_FIND = statement(f"SELECT {_COLUMNS} FROM tracer WHERE account_id = ? AND code = ?")
_ARRIVE = statement("UPDATE tracer SET arrived_ms = ?, stages = ?, why = '' WHERE id = ?")
_TELL = statement("UPDATE tracer SET why = ? WHERE id = ? AND arrived_ms IS NULL")
_LATE = statement(
    f"SELECT {_COLUMNS} FROM tracer WHERE id > ? AND id < ? AND arrived_ms IS NULL AND lost_ms IS NULL AND why = '' "
    "ORDER BY id LIMIT ?"
)
_LOSE = statement("UPDATE tracer SET lost_ms = ? WHERE id = ? AND arrived_ms IS NULL AND lost_ms IS NULL RETURNING id")
_OF_WORKSPACE = statement(f"SELECT {_COLUMNS} FROM tracer WHERE workspace_id = ? AND id < ? ORDER BY id DESC LIMIT ?")
_OF_ACCOUNT = statement(
    f"SELECT {_COLUMNS} FROM tracer WHERE workspace_id = ? AND account_id = ? AND id < ? ORDER BY id DESC LIMIT ?"
)
_LOST_SINCE = statement("SELECT count(*) FROM tracer WHERE id > ? AND lost_ms IS NOT NULL AND arrived_ms IS NULL")
_LOST_OF = statement(
    "SELECT count(*) FROM tracer WHERE workspace_id = ? AND id > ? AND lost_ms IS NOT NULL AND arrived_ms IS NULL"
)
_MARKED = statement("SELECT count(*) FROM account WHERE workspace_id = ? AND is_tracer = 1 AND is_archived = 0")
_PURGE = statement(
    sqlite="DELETE FROM tracer WHERE id IN (SELECT id FROM tracer WHERE id < ? ORDER BY id LIMIT ?) RETURNING id",
    postgresql="DELETE FROM tracer WHERE id = ANY(ARRAY(SELECT id FROM tracer WHERE id < ? "
    "ORDER BY id LIMIT ? FOR UPDATE SKIP LOCKED)) RETURNING id",
)


class Times(NamedTuple):
    """When a tracer passed which stage."""

    internal_ms: int | None
    """INTERNALDATE, which has whole seconds; None: the server did not say."""
    noticed_ms: int
    fetched_ms: int
    recorded_ms: int


def tracer_accounts(conn: Conn, node: int, limit: int) -> list[int]:
    """Return the ids of up to `limit` connected accounts that a node watches and that tracers are sent to."""
    return [row[0] for row in conn.all(_OWN, (node, limit))]


def add_tracer(tx: Tx, row: TracerRow) -> None:
    """Write the row of a tracer that will be sent, with BEING_SENT as its `why`."""
    tx.add(row)


def tell_sending(tx: Tx, tracer_id: int, why: str) -> None:
    """Note how the sending of a tracer ended; empty: its server took it. One that has arrived stays as it is."""
    tx.run(_TELL, (why, tracer_id))


def arrived(tx: Tx, account_id: int, code: str, times: Times) -> bool:
    """Take the times of a tracer that was found; False where none with this code was sent to the account.

    For the watcher, in the transaction that moves the cursor: True means Outcome.TRACER and no event. A tracer
    that is found twice, in two mailboxes, keeps its first times; one that was told as lost has arrived after all.
    """
    rows = tx.run(_FIND, (account_id, code))
    if not rows:
        return False
    row = TracerRow._make(rows[0])
    if row.arrived_ms is None:
        tx.run(_ARRIVE, (times.recorded_ms, json.dumps(stages_of(row.sent_ms, times)), row.id))
    return True


def stages_of(sent_ms: int, times: Times) -> dict[str, int]:
    """Return the milliseconds of each stage; together they are the time from sending to COMMIT.

    Clocks differ and INTERNALDATE has whole seconds: no stage is below 0, what cannot be told apart is the provider's.
    """
    noticed = max(sent_ms, times.noticed_ms)
    internal = noticed if times.internal_ms is None else min(max(sent_ms, times.internal_ms), noticed)
    fetched = max(noticed, times.fetched_ms)
    recorded = max(fetched, times.recorded_ms)
    marks = (sent_ms, internal, noticed, fetched, recorded)
    return {stage: marks[at + 1] - marks[at] for at, stage in enumerate(STAGES)}


def lose(tx: Tx, sent_after_ms: int, sent_before_ms: int, now_ms: int, limit: int) -> list[TracerRow]:
    """Mark up to `limit` tracers as lost that were sent in this time and have not arrived; return them.

    Each is returned to one caller only, whichever node asks.
    """
    late = tx.run(_LATE, (first_id_at(sent_after_ms), first_id_at(sent_before_ms), limit))
    rows = [TracerRow._make(row) for row in late]
    return [row._replace(lost_ms=now_ms) for row in rows if tx.run(_LOSE, (now_ms, row.id))]


def tracers_of(conn: Conn, workspace_id: int, before_id: int, limit: int) -> list[TracerRow]:
    """Return up to `limit` tracers of a workspace with an id below `before_id`, newest first."""
    return [TracerRow._make(row) for row in conn.all(_OF_WORKSPACE, (workspace_id, before_id, limit))]


def tracers_of_account(conn: Conn, workspace_id: int, account_id: int, before_id: int, limit: int) -> list[TracerRow]:
    """Return up to `limit` tracers of an account with an id below `before_id`, newest first."""
    rows = conn.all(_OF_ACCOUNT, (workspace_id, account_id, before_id, limit))
    return [TracerRow._make(row) for row in rows]


def count_lost(conn: Conn, since_ms: int, workspace_id: int | None = None) -> int:
    """Return how many tracers of a workspace (None: of all) sent since then are lost and have not come late."""
    since_id = first_id_at(since_ms)
    if workspace_id is None:
        return int(conn.all(_LOST_SINCE, (since_id,))[0][0])
    return int(conn.all(_LOST_OF, (workspace_id, since_id))[0][0])


def count_marked(conn: Conn, workspace_id: int) -> int:
    """Return how many accounts of a workspace tracers are sent to."""
    return int(conn.all(_MARKED, (workspace_id,))[0][0])


def purge_tracers(tx: Tx, before_id: int, limit: int) -> int:
    """Delete up to `limit` tracers of all workspaces with an id below `before_id`, oldest first; return how many."""
    return len(tx.run(_PURGE, (before_id, limit)))
