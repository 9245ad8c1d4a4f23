"""What is known of domains."""

from postroom.ledger.rows import DestinationRow
from postroom.store import sites
from postroom.store.database import Database


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
