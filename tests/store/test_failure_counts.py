"""Why mail failed, from the counters of one workspace."""

from typing import Any

from postroom.ledger.rows import CounterKey
from postroom.store.database import Database
from postroom.store.failure_counts import Failures, failures


async def test_failures_are_summed_by_bucket_provider_and_reason(database: Database) -> None:
    def write(tx: Any) -> None:
        for hour, key, amount in (
            (5, "google no_such_user", 100), (6, "google no_such_user", 1), (7, "google no_such_user", 2),
            (12, "google no_such_user", 4), (12, "google rate", 8), (12, "other rate", 16), (13, "other rate", 32),
        ):  # fmt: skip
            tx.count(CounterKey(1, hour, "provider_reason", key), "failed", amount)
        tx.count(CounterKey(1, 12, "reason", "rate"), "failed", 24)
        tx.count(CounterKey(2, 12, "provider_reason", "google rate"), "failed", 1000)
        # Taken back: it was tried again.
        tx.count(CounterKey(1, 8, "provider_reason", "gmx spam"), "failed", 1)

    await database.write(write)
    await database.write(lambda tx: tx.count(CounterKey(1, 9, "provider_reason", "gmx spam"), "failed", -1))

    found = await database.read(lambda conn: failures(conn, 1, 6, 13, 6))

    assert found == [
        Failures(6, "google", "no_such_user", 3),
        Failures(12, "google", "no_such_user", 4),
        Failures(12, "google", "rate", 8),
        Failures(12, "other", "rate", 16),
    ]
