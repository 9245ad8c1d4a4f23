"""What is known of domains, and connections leased to nodes."""

from postroom.ledger.rows import DestinationRow, SiteSlotRow
from postroom.store import sites
from postroom.store.database import Database

MINUTE = 60_000


async def test_what_is_known_of_a_domain_is_renewed_and_forgotten(database: Database) -> None:
    rows = [DestinationRow("a.test", "google", "google", 1000), DestinationRow("b.test", "b", "other", 2000)]
    for row in rows:
        await database.write(lambda tx, row=row: sites.remember_destination(tx, row))  # type: ignore[misc]
    found = await database.read(lambda conn: sites.destinations(conn, ["a.test", "b.test", "c.test"]))
    assert found == {row.domain: row for row in rows}
    renewed = DestinationRow("a.test", "microsoft", "microsoft", 9000)
    await database.write(lambda tx: sites.remember_destination(tx, renewed))
    assert (await database.read(lambda conn: sites.destinations(conn, ["a.test"]))) == {"a.test": renewed}
    assert await database.write(lambda tx: sites.purge_destinations(tx, 5000)) == 1
    assert set(await database.read(lambda conn: sites.destinations(conn, ["a.test", "b.test"]))) == {"a.test"}


async def test_nodes_share_the_connections_of_a_site(database: Database) -> None:
    async def lease(node: int, wanted: int, now_ms: int) -> int:
        return await database.write(
            lambda tx: sites.lease_slots(
                tx, "google", node, wanted=wanted, limit=20, now_ms=now_ms, lease_ms=now_ms + MINUTE
            )
        )

    assert await lease(1, 15, 0) == 15
    assert await lease(2, 15, 0) == 5
    assert await lease(3, 1, 0) == 0
    # Who asks for less gives back; who is dead loses its lease.
    assert await lease(1, 4, 1000) == 4
    assert await lease(2, 30, 1000) == 16
    assert await lease(2, 30, 1000 + MINUTE) == 20
    held = await database.read(lambda conn: sites.slots_of_site(conn, "google", 1000 + MINUTE))
    assert held == [SiteSlotRow("google", 2, 20, 1000 + 2 * MINUTE)]
    await database.write(lambda tx: sites.give_back_slots(tx, 2))
    await database.write(lambda tx: sites.sweep_slots(tx, 1000 + 2 * MINUTE))
    assert await database.read(lambda conn: sites.slots_of_site(conn, "google", 0)) == []
