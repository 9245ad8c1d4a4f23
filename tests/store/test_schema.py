"""The tables, the row types and the migrations tell the same."""

import sqlite3
import threading
import types
import typing
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from peers.postgres import Databases
from sqlalchemy import LargeBinary, Text

from postroom.base.clock import ManualClock
from postroom.ledger.rows import COUNTERS, CounterKey
from postroom.store import migrate, postgresql_source, schema, sqlite_source, upgrade
from postroom.store.database import NewerDatabase, open_database


@pytest.mark.parametrize("row_type", schema.ROWS, ids=lambda row_type: row_type.__name__)
def test_a_table_has_the_columns_of_its_row_type(row_type: type) -> None:
    table = schema.ROWS[row_type]
    hints = typing.get_type_hints(row_type)

    assert tuple(column.name for column in table.c) == row_type._fields
    for column in table.c:
        hint = hints[column.name]
        kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        assert column.nullable == (type(None) in kinds), column
        expected = str if isinstance(column.type, Text) else bytes if isinstance(column.type, LargeBinary) else int
        assert expected in kinds, column
        default = row_type._field_defaults.get(column.name)
        stored = None if column.server_default is None else str(column.server_default.arg).strip("'")
        assert stored == (None if default is None else str(default)), column


def test_the_counter_table_has_a_key_a_node_and_the_counters() -> None:
    assert tuple(c.name for c in schema.facts.counter.c) == (*CounterKey._fields, "node", *COUNTERS)


def test_migrations_make_the_tables_of_the_schema_on_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "postroom.db"
    sqlite_source.migrate_sqlite(path)
    engine = upgrade.sqlite_engine(path)

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()


def test_migrations_make_the_tables_of_the_schema_on_postgresql(postgresql_url: str) -> None:
    engine = upgrade.postgresql_engine(postgresql_url)

    with engine.connect() as connection:
        options = {
            "compare_server_default": True,
            "include_name": lambda name, kind, parents: name != "migration_lock",
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()


def test_head_is_the_newest_migration() -> None:
    assert ScriptDirectory(str(upgrade._SCRIPTS)).get_current_head() == migrate.HEAD


async def test_a_sqlite_database_of_a_newer_version_is_refused(sqlite_url: str) -> None:
    path = sqlite_url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    with pytest.raises(NewerDatabase, match="9999"):
        await open_database(sqlite_url, clock=ManualClock())


async def test_a_postgresql_database_of_a_newer_version_is_refused(postgresql_url: str) -> None:
    with psycopg.connect(postgresql_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(NewerDatabase, match="9999"):
        await open_database(postgresql_url, clock=ManualClock())


def test_two_nodes_that_start_at_once_migrate_once(postgres: Databases) -> None:
    url = postgres.fresh_database()
    failures: list[Exception] = []

    def start() -> None:
        try:
            postgresql_source.migrate_postgresql(url)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(migrate.HEAD,)]
    postgres.drop_database(url)


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "postroom.db"

    def fail(connection: object) -> None:
        connection.exec_driver_sql("CREATE TABLE half (id INTEGER)")  # type: ignore[attr-defined]
        raise RuntimeError("half way")

    monkeypatch.setattr(upgrade, "upgrade", fail)
    with pytest.raises(RuntimeError):
        sqlite_source.migrate_sqlite(path)

    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)
    connection.close()
