"""Another master key: every sealed column is known, and is sealed anew while others write."""

import pytest
from sqlalchemy import LargeBinary, Table

from postroom.base.secrets import CannotOpen, Sealer
from postroom.ledger.account_rows import ConnectDanceRow
from postroom.store import schema
from postroom.store.database import Database, Tx, statement
from postroom.store.sealed import SEALED, SealedColumn, older_in_page, reseal_page

OLD, NEW = b"o" * 32, b"n" * 32
ROWS = 120
NOT_SEALED = {
    ("account_content", "body"),
    ("api_key", "hash"),
    ("connect_dance", "state"),
    ("content", "body"),
    ("content", "key"),
    ("content", "links"),
    ("content", "plan"),
    ("content_chunk", "data"),
    ("first_link", "hash"),
    ("idempotency", "answer"),
    ("idempotency", "body_hash"),
    ("inbound_content", "body"),
    ("operator_session", "hash"),
    ("partner_key", "hash"),
    ("recovery_code", "hash"),
    ("sandbox_copy", "copy"),
    ("smtp_login", "hash"),
}
"""Bytes that nobody has to open: mail, hashes, what is made of them."""


def test_every_column_of_bytes_is_sealed_or_known_not_to_be() -> None:
    sealed = {(one.table, one.column) for one in SEALED}
    found = {
        (table.name, column.name)
        for table in schema.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }

    assert sealed <= found
    assert not sealed & NOT_SEALED
    unknown = found - sealed - NOT_SEALED
    assert not {one for one in unknown if one[1] != "content_key"}, "add it to store.sealed or here"


def test_a_value_names_its_key_and_values_of_before_had_no_name() -> None:
    old, ring, new = Sealer(OLD), Sealer(NEW, OLD), Sealer(NEW)
    value = old.seal(b"secret", "a/1/b")
    # The form before there was a ring.
    unnamed = b"\x01" + value[5:]

    assert [ring.open(one, "a/1/b") for one in (value, unnamed, ring.seal(b"secret", "a/1/b"))] == [b"secret"] * 3
    assert new.open(ring.seal(b"x", "a/1/b"), "a/1/b") == b"x"
    assert [ring.is_of_newest(one) for one in (value, unnamed, new.seal(b"", "a/1/b"))] == [False, False, True]
    for sealed, row in ((value, "a/2/b"), (b"\x02" + value[1:9], "a/1/b"), (b"", "a/1/b"), (b"\x07x", "a/1/b")):
        with pytest.raises(CannotOpen):
            ring.open(sealed, row)
    with pytest.raises(CannotOpen):
        new.open(value, "a/1/b")


async def test_all_columns_are_sealed_anew_in_pages_and_a_second_run_changes_nothing(database: Database) -> None:
    old, ring, new = Sealer(OLD), Sealer(NEW, OLD), Sealer(NEW)
    for column in SEALED:
        await database.write(lambda tx, column=column: _fill(tx, old, column, ROWS if column.table == "account" else 3))  # type: ignore[misc]

    changed = {column: await _reseal(database, ring, column) for column in SEALED}
    again = [await _reseal(database, ring, column) for column in SEALED]

    assert all(count >= (ROWS if column.table == "account" else 3) for column, count in changed.items())
    assert again == [0] * len(SEALED)
    for column in SEALED:
        values = statement(
            f"SELECT {column.key}, {column.column} FROM {column.table} WHERE {column.column} IS NOT NULL"
        )
        for key, value in await database.read(lambda conn, values=values: conn.all(values)):  # type: ignore[misc]
            assert new.open(bytes(value), column.row(key)) == b"planted"
        assert await database.read(lambda conn, column=column: older_in_page(conn, ring, column, column.first)[1]) == 0  # type: ignore[misc]


async def test_what_somebody_changes_meanwhile_stays_and_what_no_key_opens_is_told(database: Database) -> None:
    column = next(one for one in SEALED if (one.table, one.column) == ("route", "secret"))
    ring = Sealer(NEW, OLD)
    lost = Sealer(b"l" * 32).seal(b"lost", column.row(2))

    def write(tx: Tx) -> tuple[str, ...]:
        _fill(tx, Sealer(OLD), column, 3)
        tx.run(statement("UPDATE route SET secret = ? WHERE id = 2"), (lost,))
        return reseal_page(tx, ring, column, column.first).unreadable

    unreadable = await database.write(write)

    assert unreadable == ("route/2/secret",)
    rows = await database.read(lambda conn: conn.all(statement("SELECT secret FROM route ORDER BY id")))
    assert bytes(rows[1][0]) == lost
    assert await database.read(lambda conn: older_in_page(conn, ring, column, column.first)) == (None, 1)


def test_the_dance_is_sealed_for_the_row_that_the_list_names() -> None:
    row = ConnectDanceRow(b"\xab" * 32, 1, 2, b"", "", "", 3)
    column = next(one for one in SEALED if one.table == "connect_dance")
    assert column.row(row.state) == f"connect_dance/{row.state.hex()}/verifier"


async def _reseal(database: Database, ring: Sealer, column: SealedColumn) -> int:
    after, changed = column.first, 0
    while after is not None:
        done = await database.write(lambda tx, at=after: reseal_page(tx, ring, column, at))  # type: ignore[misc]
        after, changed = done.last, changed + done.changed
    return changed


def _fill(tx: Tx, sealer: Sealer, column: SealedColumn, count: int) -> None:
    """Make rows of a table where they are not there yet, and seal a value into each."""
    table = schema.metadata.tables[column.table]
    if "workspace_id" in table.columns:
        tx.run(
            statement(
                "INSERT INTO workspace (id, name, transport, created_ms) VALUES (1, 'w', '', 1) ON CONFLICT DO NOTHING"
            )
        )
    for number in range(1, count + 1):
        key: object = {"name": f"token_key/{number}", "state": bytes((number,)) * 32}.get(column.key, number)
        names = [one.name for one in table.columns]
        values = [key if one == column.key else _dummy(table, one, number) for one in names]
        marks = ", ".join("?" * len(names))
        tx.run(
            statement(f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks}) ON CONFLICT DO NOTHING"), values
        )
        sealed = sealer.seal(b"planted", column.row(key))
        tx.run(statement(f"UPDATE {table.name} SET {column.column} = ? WHERE {column.key} = ?"), (sealed, key))


def _dummy(table: Table, name: str, number: int) -> object:
    column = table.columns[name]
    if name == "workspace_id":
        return 1
    if column.nullable:
        return None
    if isinstance(column.type, LargeBinary):
        return b"%d" % number
    return f"{number}" if column.type.python_type is str else number
