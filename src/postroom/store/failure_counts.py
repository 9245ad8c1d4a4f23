"""How many recipients failed and why, from the counters: looked up hour by hour, as `store.overview` does."""

from typing import NamedTuple

from postroom.store.database import Conn, Statement, statement


class Failures(NamedTuple):
    """How many failed in a piece of time for one reason at one provider."""

    bucket_hour: int
    """The first hour of the piece."""
    provider: str
    reason: str
    """A word of `mail.reasons.Reason`."""
    failed: int


def _by_bucket(hours: int) -> Statement:
    """Failures by reason and provider for the hours from ? up to and without ?, of workspace ?."""
    found = "c.workspace_id = ? AND c.hour = hours.hour AND c.dimension = 'provider_reason'"
    grouped = f"SELECT hours.hour / {hours} AS bucket, c.key, SUM(c.failed) FROM hours CROSS JOIN"
    return statement(
        sqlite=f"""
        WITH RECURSIVE hours (hour) AS (SELECT ? UNION ALL SELECT hour + 1 FROM hours WHERE hour + 1 < ?)
        {grouped} counter c WHERE {found} GROUP BY bucket, c.key
        """,
        postgresql=f"""
        WITH hours (hour) AS (SELECT generate_series(?::bigint, ?::bigint - 1))
        {grouped} LATERAL (SELECT c.key, c.failed FROM counter c WHERE {found} OFFSET 0) c GROUP BY bucket, c.key
        """,
    )


_BUCKETS = {hours: _by_bucket(hours) for hours in (1, 6, 24)}


def failures(conn: Conn, workspace_id: int, first_hour: int, end_hour: int, bucket_hours: int) -> list[Failures]:
    """Return what failed from `first_hour` up to and without `end_hour`; what was taken back is not in it.

    `bucket_hours` is 1, 6 or 24, counted from the epoch; the first and the last may lie outside in part.
    """
    rows = conn.all(_BUCKETS[bucket_hours], (first_hour, end_hour, workspace_id))
    found = [(bucket, key.rpartition(" "), int(failed)) for bucket, key, failed in rows]
    return [
        Failures(bucket * bucket_hours, provider, reason, failed)
        for bucket, (provider, _, reason), failed in sorted(found)
        if failed
    ]
