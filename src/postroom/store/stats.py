"""Reading the counters as time series."""

from typing import NamedTuple

from postroom.ledger.rows import COUNTERS
from postroom.store.database import Conn, statement

_SUMS = ", ".join(f"SUM({name})" for name in COUNTERS)

# Counters of one dimension, summed over nodes and over buckets of ? hours (a bucket begins at a multiple of it).
# SUM over BIGINT is NUMERIC on PostgreSQL, so the sums are made integers again by the reader.
_SERIES = statement(
    f"""
    SELECT hour - hour % ? AS bucket, key, {_SUMS}
    FROM counter WHERE workspace_id = ? AND dimension = ? AND hour >= ? AND hour < ?
    GROUP BY bucket, key ORDER BY bucket, key LIMIT ? OFFSET ?
    """
)
_TOTALS = statement(
    f"""
    SELECT CAST(? AS BIGINT) AS bucket, key, {_SUMS}
    FROM counter WHERE workspace_id = ? AND dimension = ? AND hour >= ? AND hour < ?
    GROUP BY key ORDER BY key LIMIT ? OFFSET ?
    """
)


class Sums(NamedTuple):
    """Counters of one bucket of time and one key."""

    hour: int
    """First hour of the bucket, since the epoch."""
    key: str
    amounts: dict[str, int]
    """By the words of `ledger.rows.COUNTERS`."""


def series(
    conn: Conn,
    workspace_id: int,
    dimension: str,
    first_hour: int,
    end_hour: int,
    bucket_hours: int | None,
    *,
    limit: int,
    offset: int,
) -> list[Sums]:
    """Return the counters from `first_hour` up to and without `end_hour`, by time and key.

    `bucket_hours` is 1 for hours, 24 for UTC days, None for one sum over all.
    Buckets without any count are left out.
    """
    asked = _TOTALS if bucket_hours is None else _SERIES
    first = first_hour if bucket_hours is None else bucket_hours
    rows = conn.all(asked, (first, workspace_id, dimension, first_hour, end_hour, limit, offset))
    return [Sums(row[0], row[1], {name: int(row[2 + at]) for at, name in enumerate(COUNTERS)}) for row in rows]
