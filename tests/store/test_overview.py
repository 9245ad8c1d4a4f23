"""Sums by bucket of time and by provider, over nodes, of one workspace."""

from typing import Any

from postroom.ledger.rows import CounterKey
from postroom.store import overview
from postroom.store.database import Database, statement


async def test_sums_are_by_bucket_and_by_provider_of_one_workspace(database: Database) -> None:
    def write(tx: Any) -> None:
        for hour, amount in ((10, 1), (11, 2), (12, 4), (13, 8)):
            tx.count(CounterKey(1, hour, "total", ""), "outbound", amount)
            tx.count(CounterKey(1, hour, "provider", "google"), "sent", amount)
            tx.count(CounterKey(1, hour, "tag", "welcome"), "outbound", amount)
            tx.count(CounterKey(2, hour, "total", ""), "outbound", 100)
        tx.count(CounterKey(1, 12, "provider", "other"), "opens_human", 3)

    await database.write(write)

    hours = await database.read(lambda conn: overview.buckets(conn, 1, 11, 13, 1))
    sixes = await database.read(lambda conn: overview.buckets(conn, 1, 11, 14, 6))
    total = await database.read(lambda conn: overview.total(conn, 1, 10, 13))
    providers = await database.read(lambda conn: overview.by_provider(conn, 1, 11, 13))

    assert {hour: one["outbound"] for hour, one in hours.items()} == {11: 2, 12: 4}
    assert {hour: one["outbound"] for hour, one in sixes.items()} == {6: 2, 12: 12}
    assert (total["outbound"], total["sent"]) == (7, 0)
    assert {key: (one["sent"], one["opens_human"]) for key, one in providers.items()} == {
        "google": (6, 0),
        "other": (0, 3),
    }


async def test_nodes_are_summed_and_nothing_is_zero(database: Database) -> None:
    key = CounterKey(1, 11, "total", "")
    await database.write(lambda tx: tx.count(key, "sent", 2))
    columns = "workspace_id, hour, dimension, key, node, sent"
    from_another_node = statement(f"INSERT INTO counter ({columns}) VALUES (1, 11, 'total', '', 900, 5)")
    await database.write(lambda tx: tx.run(from_another_node))

    assert (await database.read(lambda conn: overview.total(conn, 1, 0, 20)))["sent"] == 7
    assert not any((await database.read(lambda conn: overview.total(conn, 1, 12, 20))).values())
