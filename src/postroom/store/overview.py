"""The sums that the overview shows, read hour by hour.

The key of table `counter` begins with workspace and hour, and an hour may hold
hundreds of tags. So each hour is looked up by itself: 60 days are 1,440 short
look-ups, however much else was counted then.
"""

from typing import NamedTuple

from postroom.ledger.rows import COUNTERS
from postroom.store.database import Conn, Statement, statement

_SUMS = ", ".join(f"SUM(c.{name}) AS {name}" for name in COUNTERS)
_NAMES = ", ".join(f"s.{name}" for name in COUNTERS)


class HourSums(NamedTuple):
    """The counters of one hour."""

    hour: int
    """Since the epoch, UTC."""
    amounts: dict[str, int]
    """By the words of `ledger.rows.COUNTERS`."""


def _by_hour(dimension: str, key: str) -> Statement:
    """Counters of a dimension for the hours from ? up to and without ?, of workspace ?; CROSS JOIN fixes the order."""
    return statement(
        sqlite=f"""
        WITH RECURSIVE hours (hour) AS (
            SELECT ? UNION ALL SELECT hour + 1 FROM hours WHERE hour + 1 < ?)
        SELECT hours.hour, c.key, {_SUMS} FROM hours CROSS JOIN counter c
        WHERE c.workspace_id = ? AND c.hour = hours.hour AND c.dimension = '{dimension}' {key}
        GROUP BY hours.hour, c.key
        """,
        postgresql=f"""
        SELECT hours.hour, s.key, {_NAMES}
        FROM generate_series(?::bigint, ?::bigint - 1) AS hours (hour)
        CROSS JOIN LATERAL (
            SELECT c.key, {_SUMS} FROM counter c
            WHERE c.workspace_id = ? AND c.hour = hours.hour AND c.dimension = '{dimension}' {key}
            GROUP BY c.key) s
        """,
    )


_TOTALS = _by_hour("total", "AND c.key = ''")
_PROVIDERS = _by_hour("provider", "")


def totals(conn: Conn, workspace_id: int, first_hour: int, end_hour: int) -> list[HourSums]:
    """Return the counters from `first_hour` up to and without `end_hour`, by hour; hours without any are left out."""
    rows = conn.all(_TOTALS, (first_hour, end_hour, workspace_id))
    return sorted((HourSums(row[0], _amounts(row[2:])) for row in rows), key=lambda one: one.hour)


def by_provider(conn: Conn, workspace_id: int, first_hour: int, end_hour: int) -> dict[str, dict[str, int]]:
    """Return the counters of those hours by receiving provider."""
    found: dict[str, dict[str, int]] = {}
    for _, key, *sums in conn.all(_PROVIDERS, (first_hour, end_hour, workspace_id)):
        amounts = found.setdefault(key, dict.fromkeys(COUNTERS, 0))
        for name, amount in zip(COUNTERS, sums, strict=True):
            amounts[name] += int(amount)
    return found


def _amounts(sums: tuple[int, ...]) -> dict[str, int]:
    # SUM over BIGINT is NUMERIC on PostgreSQL.
    return {name: int(amount) for name, amount in zip(COUNTERS, sums, strict=True)}
