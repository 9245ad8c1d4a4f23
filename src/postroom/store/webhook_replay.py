"""How many events a replay would tell: counted a bounded way into the log of events."""

from collections.abc import Sequence
from typing import NamedTuple

from postroom.store.database import Conn, statement

MOST_LOOKED_AT = 10_000
"""Events of one count; a span with more of them is not counted to its end."""

_SPAN = "SELECT kind FROM event WHERE workspace_id = ? AND id > ? AND id < ? ORDER BY id LIMIT ?"
_COUNT = statement(
    sqlite=f"SELECT count(*), COALESCE(sum(kind IN (SELECT value FROM json_each(?))), 0) FROM ({_SPAN}) AS span",
    postgresql=f"SELECT count(*), COALESCE(sum(CAST(kind = ANY(CAST(? AS text[])) AS int)), 0) FROM ({_SPAN}) AS span",
)


class SpanCount(NamedTuple):
    """What lies between two event ids."""

    events: int
    """Of the kinds that were asked for, among those looked at."""
    is_all: bool
    """The whole span was looked at."""


def count_span(conn: Conn, workspace_id: int, after_id: int, before_id: int, kinds: Sequence[str]) -> SpanCount:
    """Count the events of a workspace between two ids, both excluded; `kinds` empty: of every kind."""
    row = conn.one(_COUNT, (conn.many(kinds), workspace_id, after_id, before_id, MOST_LOOKED_AT + 1))
    looked_at, of_kinds = row or (0, 0)
    found = of_kinds if kinds else looked_at
    return SpanCount(min(found, MOST_LOOKED_AT), looked_at <= MOST_LOOKED_AT)
