"""Suppressions: scopes, expiry, tenants."""

import pytest

from postroom.events import suppression
from postroom.ledger.rows import SuppressionRow
from postroom.store import suppressions
from postroom.store.database import Database, statement


def row(row_id: int, key: str, scope: str, *, workspace_id: int = 1, expires_ms: int | None = None) -> SuppressionRow:
    return SuppressionRow(row_id, workspace_id, key, scope, f"because {row_id}", "api", "", expires_ms, 1_000)


async def test_scope_all_stops_both_streams_and_a_stream_only_itself(database: Database) -> None:
    await database.write(lambda tx: suppressions.put(tx, row(1, "dead@example.com", "all")))
    await database.write(lambda tx: suppressions.put(tx, row(2, "left@example.com", "bulk")))
    asked = [(key, stream) for key in ("dead@example.com", "left@example.com") for stream in ("bulk", "transactional")]
    found = await database.read(lambda conn: suppressions.suppressed(conn, 1, asked, 5_000))
    assert found == {
        ("dead@example.com", "bulk"): ("all", "because 1"),
        ("dead@example.com", "transactional"): ("all", "because 1"),
        ("left@example.com", "bulk"): ("bulk", "because 2"),
    }


async def test_a_writer_gets_the_same_answer_as_a_reader(database: Database) -> None:
    await database.write(lambda tx: suppressions.put(tx, row(1, "dead@example.com", "all")))
    asked = [(1, "dead@example.com", "bulk"), (2, "dead@example.com", "bulk")]
    read = await database.read(lambda conn: suppressions.suppressed_among(conn, asked, 0))
    written = await database.write(lambda tx: suppressions.suppressed_among(tx, asked, 0))
    assert read == written == {(1, "dead@example.com", "bulk"): ("all", "because 1")}


async def test_nobody_asked_costs_no_statement_and_finds_nobody(database: Database) -> None:
    assert await database.read(lambda conn: suppressions.suppressed(conn, 1, [], 0)) == {}


async def test_a_suppression_ends_when_it_expires(database: Database) -> None:
    await database.write(lambda tx: suppressions.put(tx, row(1, "a@example.com", "all", expires_ms=5_000)))
    for now_ms, stops in ((4_999, True), (5_000, False)):
        asked = [("a@example.com", "bulk")]
        found = await database.read(lambda conn, at=now_ms, q=asked: suppressions.suppressed(conn, 1, q, at))
        assert bool(found) is stops


async def test_a_second_row_of_address_and_scope_renews_the_first(database: Database) -> None:
    await database.write(lambda tx: suppressions.put(tx, row(1, "a@example.com", "all")))
    stands = await database.write(lambda tx: suppressions.put(tx, row(2, "a@example.com", "all", expires_ms=9)))
    assert (stands.id, stands.reason, stands.expires_ms) == (1, "because 2", 9)
    assert len(await database.read(lambda conn: suppressions.page(conn, 1, 1 << 62, 10))) == 1


@pytest.mark.parametrize(("scope", "left"), [("bulk", ["all"]), (None, [])])
async def test_one_scope_or_all_are_taken_off(database: Database, scope: str | None, left: list[str]) -> None:
    await database.write(lambda tx: suppressions.put(tx, row(1, "a@example.com", "all")))
    await database.write(lambda tx: suppressions.put(tx, row(2, "a@example.com", "bulk")))
    await database.write(lambda tx: suppressions.delete(tx, 1, "a@example.com", scope))
    rows = await database.read(lambda conn: suppressions.of_address(conn, 1, "a@example.com"))
    assert [one.scope for one in rows] == left


async def test_another_workspace_neither_sees_nor_deletes_a_suppression(database: Database) -> None:
    await database.write(lambda tx: suppressions.put(tx, row(1, "a@example.com", "all")))
    assert await database.read(lambda conn: suppressions.of_address(conn, 2, "a@example.com")) == []
    assert await database.read(lambda conn: suppressions.page(conn, 2, 1 << 62, 10)) == []
    assert await database.write(lambda tx: suppressions.delete(tx, 2, "a@example.com", None)) == []
    assert await database.read(lambda conn: suppressions.suppressed(conn, 2, [("a@example.com", "bulk")], 0)) == {}


async def test_many_are_put_at_once_and_those_that_stand_are_renewed(database: Database) -> None:
    await database.write(lambda tx: suppressions.put(tx, row(1, "a@example.com", "all")))
    rows = [row(2, "c@example.com", "all"), row(3, "a@example.com", "bulk"), row(4, "a@example.com", "all")]
    new = await database.write(lambda tx: suppression.add_all(tx, rows, [101, 102, 103]))
    assert new == 2
    found = await database.read(lambda conn: suppressions.page(conn, 1, 1 << 62, 10))
    assert [(one.id, one.scope, one.reason) for one in found] == [
        (3, "bulk", "because 3"),
        (2, "all", "because 2"),
        (1, "all", "because 4"),
    ]
    told = await database.read(lambda conn: conn.all(statement("SELECT id, kind, detail FROM event ORDER BY id")))
    assert [one[:2] for one in told] == [(number, "suppression_added") for number in (101, 102, 103)]
    assert '"address":"c@example.com","scope":"all","reason":"because 2"' in told[0][2]


async def test_a_window_holds_rows_of_the_sources_that_are_asked_for_and_says_where_it_ends(database: Database) -> None:
    sources = ("api", "bounce", "api", "delivery", "api")
    for number, source in enumerate(sources, 1):
        one = row(number, f"{number}@example.com", "all")._replace(source=source)
        await database.write(lambda tx, one=one: suppressions.put(tx, one))
    await database.write(lambda tx: suppressions.put(tx, row(9, "x@example.com", "all", workspace_id=2)))
    dead = ("bounce", "delivery")

    first = await database.read(lambda conn: suppressions.window(conn, 1, 1 << 62, dead, 3, 10))
    second = await database.read(lambda conn: suppressions.window(conn, 1, 3, dead, 3, 10))

    assert ([one.id for one in first.rows], first.reached) == ([4], 3)
    assert ([one.id for one in second.rows], second.reached) == ([2], None)
