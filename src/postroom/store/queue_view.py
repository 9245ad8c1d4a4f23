"""The queue as its page shows it: by destination, and the recipients of one, at a cost that does not grow with it.

Counting everything that waits would read a million rows. So a page looks at
the oldest `MOST_LOOKED_AT` recipients of each state: a smaller queue is told
exactly, of a larger one what has waited longest, which is what somebody who
looks at a queue came for. Of one domain, what waits is read by the lanes'
index in the order of the next try; held, sending and in-doubt recipients,
which that index leaves out, are read in windows of their state.
"""

from typing import NamedTuple

from postroom.ledger.rows import RecipientRow
from postroom.ledger.states import RecipientState, Stream
from postroom.store import restorations
from postroom.store.database import Conn, Statement, statement
from postroom.store.queue import lane_id

MOST_LOOKED_AT = 5_000
"""Recipients of each state that one page looks at: ten to twenty milliseconds a state on both engines."""
WINDOW = 2_000
"""Recipients of a state that are looked through at a time for those of a domain."""
WINDOWS = 5

IN_QUEUE = (
    RecipientState.QUEUED,
    RecipientState.DEFERRED,
    RecipientState.HELD,
    RecipientState.SENDING,
    RecipientState.IN_DOUBT,
)

_COLUMNS = ", ".join(RecipientRow._fields)

_OF_LANE = statement(
    f"""
    SELECT {_COLUMNS} FROM recipient
    WHERE lane_id = ? AND workspace_id = ? AND state IN ('queued', 'deferred') AND (due_ms, id) > (?, ?)
    ORDER BY due_ms, id LIMIT ?
    """
)
# As `_OfState.in_window`: those that a restore held and nobody has moved since.
_RESTORED = statement(
    f"SELECT {_COLUMNS} FROM (SELECT {_COLUMNS} FROM recipient WHERE workspace_id = ? AND state = 'held' AND id > ? "
    f"ORDER BY id LIMIT ?) looked WHERE substr(reason, 1, {len(restorations.REASON)}) = ? ORDER BY id LIMIT ?"
)
_COUNT_RESTORED = statement(
    "SELECT COUNT(*) FROM (SELECT reason FROM recipient WHERE workspace_id = ? AND state = 'held' ORDER BY id LIMIT ?) "
    f"looked WHERE substr(reason, 1, {len(restorations.REASON)}) = ?"
)
_SENDING_NODES = statement(
    "SELECT node, COUNT(*) FROM "
    "(SELECT node FROM recipient WHERE workspace_id = ? AND state = 'sending' ORDER BY id LIMIT ?) looked "
    "GROUP BY node ORDER BY node"
)


class _OfState(NamedTuple):
    """What is asked of one state.

    The state stands in the text: for a parameter PostgreSQL plans once for all
    states, as if each had many recipients, and then looks through the whole
    table for one that has few.
    """

    by_domain: Statement
    rows: Statement
    in_window: Statement
    window_end: Statement


def _of_state(state: str) -> _OfState:
    those = f"FROM recipient WHERE workspace_id = ? AND state = '{state}'"
    return _OfState(
        statement(
            "SELECT q.domain, COUNT(*), MIN(q.id), MIN(q.due_ms) "
            f"FROM (SELECT id, domain, due_ms {those} ORDER BY id LIMIT ?) q GROUP BY q.domain"
        ),
        statement(f"SELECT {_COLUMNS} {those} AND id > ? ORDER BY id LIMIT ?"),
        # The LIMIT inside keeps both engines from reading the domain's settled recipients instead of the state's.
        statement(
            f"SELECT {_COLUMNS} FROM (SELECT {_COLUMNS} {those} AND id > ? ORDER BY id LIMIT ?) looked "
            "WHERE domain = ? ORDER BY id LIMIT ?"
        ),
        statement(f"SELECT COUNT(*), MAX(id) FROM (SELECT id {those} AND id > ? ORDER BY id LIMIT ?) looked"),
    )


_STATES = {state: _of_state(state.value) for state in IN_QUEUE}


class Waiting(NamedTuple):
    """What waits for one domain in one state, as far as it was looked at."""

    domain: str
    state: str
    recipients: int
    oldest_id: int
    due_ms: int
    """When the first of them is due."""


class Behind(NamedTuple):
    """Where a list of waiting recipients goes on: in the order of the next try."""

    due_ms: int = -1
    id: int = -1


class Found(NamedTuple):
    """Recipients of a list, and behind which id it goes on; None at its end."""

    rows: list[RecipientRow]
    after_id: int | None


def destinations(conn: Conn, workspace_id: int) -> tuple[list[Waiting], bool]:
    """Return what is in the queue by domain and state, and whether more than was looked at is there."""
    found: list[Waiting] = []
    more = False
    for state in IN_QUEUE:
        rows = conn.all(_STATES[state].by_domain, (workspace_id, MOST_LOOKED_AT))
        found += [Waiting(row[0], state.value, row[1], row[2], row[3]) for row in rows]
        more = more or sum(row[1] for row in rows) >= MOST_LOOKED_AT
    return found, more


def waiting_for(conn: Conn, workspace_id: int, domain: str, behind: Behind, limit: int) -> list[RecipientRow]:
    """Return up to `limit` queued and deferred recipients of a domain, those that are tried next first."""
    rows: list[RecipientRow] = []
    for stream in Stream:
        asked = (lane_id(workspace_id, stream.value, domain), workspace_id, behind.due_ms, behind.id, limit)
        rows += [RecipientRow._make(row) for row in conn.all(_OF_LANE, asked)]
    rows.sort(key=lambda row: (row.due_ms, row.id))
    return rows[:limit]


def in_state(
    conn: Conn, workspace_id: int, state: RecipientState, domain: str | None, after_id: int, limit: int
) -> Found:
    """Return up to `limit` recipients in a state, oldest first, of one domain or (None) of all.

    Of a domain that is rare among them fewer may be found than there are; then `after_id` says where to go on.
    """
    asked = _STATES[state]
    if domain is None:
        rows = [RecipientRow._make(row) for row in conn.all(asked.rows, (workspace_id, after_id, limit))]
        return Found(rows, rows[-1].id if len(rows) == limit else None)
    return _in_windows(conn, workspace_id, asked.in_window, asked.window_end, domain, after_id, limit)


def restored(conn: Conn, workspace_id: int, after_id: int, limit: int) -> Found:
    """Return up to `limit` recipients that a restore held and nobody has moved since, as `in_state` does."""
    end = _STATES[RecipientState.HELD].window_end
    return _in_windows(conn, workspace_id, _RESTORED, end, restorations.REASON, after_id, limit)


def count_restored(conn: Conn, workspace_id: int) -> int:
    """Return how many of the `MOST_LOOKED_AT` oldest held recipients a restore held; 0 where none ever was."""
    if restorations.last_restoration(conn) is None:
        return 0
    row = conn.one(_COUNT_RESTORED, (workspace_id, MOST_LOOKED_AT, restorations.REASON))
    return row[0] if row else 0


def _in_windows(
    conn: Conn, workspace_id: int, in_window: Statement, window_end: Statement, value: str, after_id: int, limit: int
) -> Found:
    rows: list[RecipientRow] = []
    for _ in range(WINDOWS):
        window = (workspace_id, after_id, WINDOW)
        missing = limit - len(rows)
        seen = [RecipientRow._make(row) for row in conn.all(in_window, (*window, value, missing))]
        rows += seen
        if len(seen) == missing:
            return Found(rows, rows[-1].id)
        looked, last = conn.all(window_end, window)[0]
        if looked < WINDOW:
            return Found(rows, None)
        after_id = last
    return Found(rows, after_id)


def sending_nodes(conn: Conn, workspace_id: int) -> dict[int, int]:
    """Return how many recipients each node is trying now, each workspace up to `MOST_LOOKED_AT`."""
    rows = conn.all(_SENDING_NODES, (workspace_id, MOST_LOOKED_AT))
    return {row[0]: row[1] for row in rows if row[0] is not None}
