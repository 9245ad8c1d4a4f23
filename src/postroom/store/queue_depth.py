"""How much waits, of mail, of webhooks and of mail that came in, at a cost that does not grow with it."""

from collections.abc import Sequence

from postroom.ledger.inbound_rows import InboundState
from postroom.ledger.states import RecipientState
from postroom.store.database import Conn, statement

MOST_COUNTED = 100_000
"""A count ends here: over an index it takes milliseconds."""

WAITING_STATES = (
    RecipientState.QUEUED,
    RecipientState.HELD,
    RecipientState.SENDING,
    RecipientState.DEFERRED,
    RecipientState.IN_DOUBT,
)

# The state stands in the text: for a parameter PostgreSQL plans once for all states, and then looks through the
# whole table for a state that nobody is in.
_DEPTH = {
    state: statement(
        sqlite=f"""SELECT count(*) FROM (SELECT 1 FROM recipient
                   WHERE workspace_id IN (SELECT value FROM json_each(?)) AND state = '{state.value}'
                   LIMIT {MOST_COUNTED})""",
        postgresql=f"""SELECT count(*) FROM (SELECT 1 FROM recipient
                       WHERE workspace_id = ANY(?) AND state = '{state.value}'
                       LIMIT {MOST_COUNTED}) AS counted""",
    )
    for state in WAITING_STATES
}


def queue_depth(conn: Conn, workspace_ids: Sequence[int]) -> dict[str, int]:
    """Return how many recipients are in each state that waits, each counted up to `MOST_COUNTED`."""
    found = {}
    for state in WAITING_STATES:
        row = conn.one(_DEPTH[state], (conn.many(workspace_ids),))
        found[state.value] = int(row[0]) if row else 0
    return found


_OUTBOX = statement(f"SELECT count(*) FROM (SELECT 1 FROM webhook_outbox LIMIT {MOST_COUNTED}) AS counted")
_HAND_ON = statement(f"SELECT count(*) FROM (SELECT 1 FROM route_outbox LIMIT {MOST_COUNTED}) AS counted")
_ENDPOINTS = statement("SELECT state, count(*) FROM webhook_endpoint GROUP BY state")


def outbox_depth(conn: Conn) -> int:
    """Return how many events wait to be told to webhook endpoints, up to `MOST_COUNTED`."""
    row = conn.one(_OUTBOX)
    return int(row[0]) if row else 0


def hand_on_depth(conn: Conn) -> int:
    """Return how many mails wait to be handed on by routes, up to `MOST_COUNTED`."""
    row = conn.one(_HAND_ON)
    return int(row[0]) if row else 0


def endpoints_by_state(conn: Conn) -> dict[str, int]:
    """Return how many webhook endpoints are in each state."""
    return {str(state): int(count) for state, count in conn.all(_ENDPOINTS)}


# The states stand in the text, for the partial indexes on them.
_INBOUND = {
    state: statement(
        f"SELECT count(*) FROM (SELECT 1 FROM inbound WHERE state = '{state.value}' LIMIT {MOST_COUNTED}) AS counted"
    )
    for state in (InboundState.WAITING, InboundState.FAILED)
}


def inbound_depth(conn: Conn) -> dict[str, int]:
    """Return how many mails that came in wait to be worked on, and how many were given up, up to `MOST_COUNTED`."""
    found = {}
    for state, asked in _INBOUND.items():
        row = conn.one(asked)
        found[state.value] = int(row[0]) if row else 0
    return found
