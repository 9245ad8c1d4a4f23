"""Writing and reading: what a function is promised, on both engines."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from postroom.base.clock import ManualClock
from postroom.base.errors import SettingsError
from postroom.ledger.rows import (
    ContentRow,
    CounterKey,
    DestinationRow,
    EventRow,
    LaneRow,
    RecipientRow,
    WorkspaceRow,
)
from postroom.store import arrays, schema
from postroom.store.database import (
    Conn,
    Database,
    RowsStatement,
    StoreBusy,
    StoreConflict,
    StoreLost,
    Tx,
    open_database,
    statement,
)

ALL_EVENTS = statement("SELECT id, kind FROM event ORDER BY id")
COUNT_EVENTS = statement("SELECT count(*) FROM event")


def event(number: int, kind: str = "accepted") -> EventRow:
    return EventRow(number, 1, None, None, kind, 5, "{}")


def recipient(number: int, state: str = "queued") -> RecipientRow:
    return RecipientRow(number, 1, 1, 9, "A@x.example", "a@x.example", "x.example", state, 5, "other", 0, "", "")


async def test_a_row_is_there_after_write_has_returned(database: Database) -> None:
    await database.write(lambda tx: tx.add(event(7)))

    assert await database.read(lambda conn: conn.all(ALL_EVENTS)) == [(7, "accepted")]


async def test_write_returns_what_the_function_returns(database: Database) -> None:
    assert await database.write(lambda tx: tx.run(statement("SELECT CAST(? AS BIGINT)"), (2**62,))) == [(2**62,)]


async def test_every_kind_of_value_comes_back_as_it_was_stored(database: Database) -> None:
    row = ContentRow(1, bytes(range(16)), 2**62, None, b"", b"\x00\xff", "ünï'\"\\{}".encode(), 0)
    words = EventRow(1, 1, None, 2**62, "ü'\"\\{},NULL\n", -5, '{"a": null}')

    await database.write(lambda tx: (tx.add(row), tx.add(words)))

    found = await database.read(
        lambda conn: (conn.select(select(schema.mail.content)), conn.select(select(schema.facts.event)))
    )
    assert found == ([tuple(row)], [tuple(words)])


@given(
    st.one_of(
        st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))),
        st.lists(st.one_of(st.none(), st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))),
        st.lists(st.one_of(st.none(), st.binary())),
    )
)
def test_an_array_never_fails_to_pack(values: list[int | str | bytes | None]) -> None:
    packed = arrays.array_of(values).packed

    assert int.from_bytes(packed[:4], "big") == (1 if values else 0)


@pytest.mark.parametrize("values", [[], [1, -(2**62)], [None, 3], ["a", "", None, 'q"\\{'], ["x", "x"], [b"", b"\0"]])
async def test_an_array_arrives_as_it_was_sent(
    postgresql_url: str, clock: ManualClock, values: Sequence[int | str | bytes]
) -> None:
    database = await open_database(postgresql_url, clock=clock)
    try:
        assert await database.read(lambda conn: conn.one(statement("SELECT ?"), (conn.many(values),))) == (
            list(values),
        )
    finally:
        await database.close()


async def test_run_sees_what_was_collected_before_it(database: Database) -> None:
    def function(tx: Tx) -> object:
        tx.add(event(1))
        return tx.run(COUNT_EVENTS)[0][0]

    assert await database.write(function) == 1


async def test_run_sees_the_counts_before_it(database: Database) -> None:
    def function(tx: Tx) -> object:
        tx.count(CounterKey(1, 5, "total", ""), "sent", 3)
        return tx.run(statement("SELECT sent FROM counter"))[0][0]

    assert await database.write(function) == 3


async def test_a_statement_may_name_a_table_in_a_string(database: Database) -> None:
    asked = statement("SELECT count(*) FROM event WHERE kind = ? AND detail <> '?' -- really?")

    assert await database.write(lambda tx: (tx.add(event(1)), tx.run(asked, ("accepted",)))[1]) == [(1,)]


async def test_counts_of_one_key_are_summed(database: Database) -> None:
    key, other = CounterKey(1, 5, "domain", "x.example"), CounterKey(1, 5, "total", "")

    def function(tx: Tx) -> None:
        tx.count(key, "outbound", 2)
        tx.count(other, "sent")
        tx.count(key, "outbound")
        tx.count(key, "sent", -1)

    await asyncio.gather(*(database.write(function) for _ in range(10)))

    found = await database.read(
        lambda conn: conn.all(statement("SELECT key, outbound, sent FROM counter ORDER BY key"))
    )
    assert found == [("", 0, 10), ("x.example", 30, -10)]


async def test_counts_are_kept_by_node(database: Database) -> None:
    key = CounterKey(1, 5, "total", "")
    await database.write(lambda tx: tx.count(key, "sent"))
    database.use_node(7)
    await database.write(lambda tx: tx.count(key, "sent", 2))

    found = await database.read(lambda conn: conn.all(statement("SELECT node, sent FROM counter ORDER BY node")))
    assert found == [(0, 1), (7, 2)]


async def test_an_unknown_counter_or_row_type_is_an_error(database: Database) -> None:
    with pytest.raises(ValueError, match="opened"):
        await database.write(lambda tx: tx.count(CounterKey(1, 5, "total", ""), "opened"))
    with pytest.raises(TypeError, match="CounterKey"):
        await database.write(lambda tx: tx.add(CounterKey(1, 5, "total", "")))


async def test_a_lane_that_exists_stays_and_a_destination_is_overwritten(database: Database) -> None:
    async def put(lane: LaneRow, destination: DestinationRow) -> None:
        await database.write(lambda tx: (tx.add(lane), tx.add(lane), tx.add(destination), tx.add(destination)))

    await put(LaneRow(1, 1, "bulk", "a.example"), DestinationRow("a.example", "one", "other", 1))
    await put(LaneRow(1, 1, "bulk", "b.example"), DestinationRow("a.example", "two", "google", 2))

    found = await database.read(
        lambda conn: (conn.select(select(schema.mail.lane)), conn.select(select(schema.mail.destination)))
    )
    assert found == ([(1, 1, "bulk", "a.example")], [("a.example", "two", "google", 2)])


async def test_a_content_whose_body_is_gone_is_stored_again(database: Database) -> None:
    row = ContentRow(1, b"k" * 16, 3, None, b"body", b"plan", b"links", 5)
    await database.write(lambda tx: tx.add(row))
    await database.write(lambda tx: tx.add(row._replace(body=b"other")))
    body = statement("SELECT body FROM content")
    assert await database.read(lambda conn: conn.one(body)) == (b"body",)

    await database.write(lambda tx: tx.run(statement("UPDATE content SET body = NULL")))
    await database.write(lambda tx: tx.add(row))

    assert await database.read(lambda conn: conn.one(body)) == (b"body",)


async def test_a_key_that_exists_is_a_conflict(database: Database) -> None:
    await database.write(lambda tx: tx.add(WorkspaceRow(1, "one", 5)))

    with pytest.raises(StoreConflict) as caught:
        await database.write(lambda tx: tx.add(WorkspaceRow(2, "one", 5)))

    assert caught.value.table == "workspace"


@pytest.mark.parametrize("count", [0, 1, 8, 9, 31, 32, 33, 300])
async def test_any_number_of_rows_is_written(database: Database, count: int) -> None:
    def function(tx: Tx) -> None:
        for number in range(count):
            tx.add(event(number))
            tx.add(recipient(number) if number % 7 else recipient(number)._replace(reason="why", tries=2))

    await database.write(function)

    found = await database.read(lambda conn: (conn.all(ALL_EVENTS), conn.select(select(schema.mail.recipient.c.id))))
    assert (len(found[0]), len(found[1])) == (count, count)


async def test_rows_without_their_defaults_and_with_them_are_the_same(database: Database) -> None:
    rows = [recipient(1), recipient(2)._replace(reason="held by the operator", state="held")]

    await database.write(lambda tx: tx.add(rows[0]))
    await database.write(lambda tx: (tx.add(rows[1]), tx.add(recipient(3))))

    found = await database.read(
        lambda conn: conn.select(select(schema.mail.recipient).order_by(schema.mail.recipient.c.id))
    )
    assert found == [*(tuple(row) for row in rows), tuple(recipient(3))]


async def test_a_rows_statement_changes_many_rows_and_tells_which(database: Database) -> None:
    settle = RowsStatement(
        "UPDATE recipient SET state = v.state, settled_ms = v.settled_ms FROM v "
        "WHERE recipient.id = v.id AND recipient.epoch = v.epoch RETURNING recipient.id",
        id="int",
        epoch="int",
        state="text",
        settled_ms="int",
    )

    def function(tx: Tx) -> list[int]:
        for number in range(50):
            tx.add(recipient(number))
        rows = [(number, number % 2, "delivered", None) for number in range(50)]
        return sorted(row[0] for row in tx.run_rows(settle, rows))

    assert await database.write(function) == list(range(0, 50, 2))
    assert await database.write(lambda tx: tx.run_rows(settle, [])) == []


async def test_a_list_is_one_parameter(database: Database) -> None:
    await database.write(lambda tx: [tx.add(event(number, f"k{number}")) for number in range(5)])
    by_id = statement(
        sqlite="SELECT id FROM event WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
        postgresql="SELECT id FROM event WHERE id = ANY(?) ORDER BY id",
    )
    by_kind = statement(
        sqlite="SELECT id FROM event WHERE kind IN (SELECT value FROM json_each(?)) ORDER BY id",
        postgresql="SELECT id FROM event WHERE kind = ANY(?) ORDER BY id",
    )

    assert await database.read(lambda conn: conn.all(by_id, (conn.many([3, 1, 99]),))) == [(1,), (3,)]
    assert await database.read(lambda conn: conn.all(by_kind, (conn.many(["k2", "k'"]),))) == [(2,)]
    assert await database.read(lambda conn: conn.all(by_id, (conn.many([]),))) == []
    assert await database.write(lambda tx: tx.run(by_id, (tx.many([4]),))) == [(4,)]


async def test_a_core_query_takes_its_values(database: Database) -> None:
    await database.write(lambda tx: [tx.add(event(number)) for number in range(5)])
    table = schema.facts.event
    query = select(table.c.id).where(table.c.id.in_([1, 2, 3]), table.c.kind == "accepted", table.c.id > 1)

    found = await database.read(lambda conn: conn.select(query.order_by(table.c.id).limit(1)))

    assert found == [(2,)]


async def test_one_returns_none_where_nothing_is_found(database: Database) -> None:
    assert await database.read(lambda conn: conn.one(ALL_EVENTS)) is None


async def test_a_read_cannot_write(database: Database) -> None:
    with pytest.raises(Exception, match=r"readonly|read-only"):
        await database.read(lambda conn: conn.all(statement("DELETE FROM event RETURNING id")))


async def test_a_read_function_sees_one_moment(database: Database) -> None:
    loop = asyncio.get_running_loop()

    def function(conn: Conn) -> tuple[object, object]:
        before = conn.one(COUNT_EVENTS)
        asyncio.run_coroutine_threadsafe(database.write(lambda tx: tx.add(event(1))), loop).result(10)
        return before, conn.one(COUNT_EVENTS)

    assert await database.read(function) == ((0,), (0,))
    assert await database.read(lambda conn: conn.one(COUNT_EVENTS)) == (1,)


async def test_a_read_that_takes_too_long_ends(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroom.store.database.READ_SECONDS", 0.1)
    endless = statement(
        sqlite="WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        postgresql="SELECT pg_sleep(60)",
    )

    with pytest.raises(StoreBusy):
        await database.read(lambda conn: conn.all(endless))

    assert await database.read(lambda conn: conn.one(COUNT_EVENTS)) == (0,)


async def test_an_error_of_a_read_function_reaches_its_caller(database: Database) -> None:
    with pytest.raises(KeyError):
        await database.read(lambda conn: {}["missing"])


async def test_a_closed_database_refuses_work(database: Database) -> None:
    await database.close()

    with pytest.raises(StoreLost):
        await database.write(lambda tx: None)
    with pytest.raises(StoreLost):
        await database.read(lambda conn: None)


async def test_close_finishes_what_waits(database_url: str, clock: ManualClock) -> None:
    database = await open_database(database_url, clock=clock)
    writes = [asyncio.ensure_future(database.write(lambda tx, n=n: tx.add(event(n)))) for n in range(50)]
    await asyncio.sleep(0)

    await database.close()
    await asyncio.gather(*writes)

    again = await open_database(database_url, clock=clock)
    assert await again.read(lambda conn: conn.one(COUNT_EVENTS)) == (50,)
    await again.close()


async def test_an_url_of_another_kind_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="POSTROOM_DATABASE_URL"):
        await open_database("mysql://x", clock=ManualClock())
