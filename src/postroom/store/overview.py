"""The sums that the overview shows, looked up hour by hour.

The key of table `counter` begins with workspace and hour, and an hour may hold
hundreds of tags. So each hour is looked up by itself, and summed where it is
found: 60 days are 1,440 short look-ups, however much else was counted then.
"""

from collections.abc import Sequence

from postroom.ledger.rows import COUNTERS
from postroom.store.database import Conn, Statement, statement

_NAMES = ", ".join(COUNTERS)
_SUMS = ", ".join(f"SUM(c.{name})" for name in COUNTERS)


def _sums(group: str, dimension: str, condition: str = "") -> Statement:
    """Counters of a dimension for the hours from ? up to and without ?, of workspace ?, by `group`.

    CROSS JOIN and OFFSET 0 fix the order: from each hour to its few rows.
    """
    found = f"c.workspace_id = ? AND c.hour = hours.hour AND c.dimension = '{dimension}' {condition}"
    return statement(
        sqlite=f"""
        WITH RECURSIVE hours (hour) AS (SELECT ? UNION ALL SELECT hour + 1 FROM hours WHERE hour + 1 < ?)
        SELECT {group} AS what, {_SUMS} FROM hours CROSS JOIN counter c WHERE {found} GROUP BY what
        """,
        postgresql=f"""
        WITH hours (hour) AS (SELECT generate_series(?::bigint, ?::bigint - 1))
        SELECT {group} AS what, {_SUMS}
        FROM hours CROSS JOIN LATERAL (SELECT c.key, {_NAMES} FROM counter c WHERE {found} OFFSET 0) c GROUP BY what
        """,
    )


_BUCKETS = {hours: _sums(f"hours.hour / {hours}", "total", "AND c.key = ''") for hours in (1, 6, 24)}
_PROVIDERS = _sums("c.key", "provider")
_TOTAL = _sums("''", "total", "AND c.key = ''")


def buckets(
    conn: Conn, workspace_id: int, first_hour: int, end_hour: int, bucket_hours: int
) -> dict[int, dict[str, int]]:
    """Return the counters by the first hour of their bucket; `bucket_hours` is 1, 6 or 24, counted from the epoch.

    The first and the last bucket may lie outside the asked hours in part. Buckets without any count are left out.
    """
    rows = conn.all(_BUCKETS[bucket_hours], (first_hour, end_hour, workspace_id))
    return {row[0] * bucket_hours: _amounts(row[1:]) for row in rows}


def total(conn: Conn, workspace_id: int, first_hour: int, end_hour: int) -> dict[str, int]:
    """Return the sums of the hours from `first_hour` up to and without `end_hour`."""
    row = conn.one(_TOTAL, (first_hour, end_hour, workspace_id))
    return _amounts(row[1:]) if row else dict.fromkeys(COUNTERS, 0)


def by_provider(conn: Conn, workspace_id: int, first_hour: int, end_hour: int) -> dict[str, dict[str, int]]:
    """Return the sums of those hours by receiving provider."""
    return {row[0]: _amounts(row[1:]) for row in conn.all(_PROVIDERS, (first_hour, end_hour, workspace_id))}


def _amounts(sums: Sequence[int]) -> dict[str, int]:
    # SUM over BIGINT is NUMERIC on PostgreSQL.
    return {name: int(amount) for name, amount in zip(COUNTERS, sums, strict=True)}
