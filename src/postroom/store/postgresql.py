"""PostgreSQL through psycopg 3: a group goes out as one pipeline.

BEGIN, one INSERT a table from arrays, the group's number and COMMIT are sent
together and cost one round trip. Arrays are packed here (`store.arrays`):
psycopg dumps lists element by element in Python.
"""

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.sql.selectable import Select

from postroom.store.arrays import Array, ByteaArray, Int8Array, TextArray, array_of, column_array
from postroom.store.faults import Fault, StoreBusy, StoreConflict, StoreLost, WrongEngine
from postroom.store.insert import Insert
from postroom.store.statement import ARRAY_TYPES, ColumnKind, RowsStatement, Statement
from postroom.store.transaction import Batch, Engine, Row

_Cursor = psycopg.Cursor[Row]

_CONNECT_SECONDS = 5
_READ_MS = 2_000
_LOCK_MS = 5_000
"""A writer waits this long for rows that another node has locked."""
_WRITE_MS = 30_000
_STATEMENTS = 300
"""Prepared statements kept a connection."""

_DIALECT = PGDialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]

_NOW_MS = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
_MARK = f"UPDATE writer SET group_number = $1, used_ms = {_NOW_MS} WHERE id = $2"
_HAS_MARK = "SELECT id FROM writer WHERE id = $1"
_FIRST_MARK = f"INSERT INTO writer VALUES ($1, 0, {_NOW_MS}) ON CONFLICT DO NOTHING"
_OLD_MARKS = f"DELETE FROM writer WHERE used_ms < {_NOW_MS} - 2592000000"
_READ_MARK = "SELECT group_number FROM writer WHERE id = $1 FOR UPDATE"


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Array) -> Buffer:
        return obj.packed


class _Int8ArrayDumper(_ArrayDumper):
    oid = 1016


class _TextArrayDumper(_ArrayDumper):
    oid = 1009


class _ByteaArrayDumper(_ArrayDumper):
    oid = 1001


class _IntDumper(Dumper):
    """All ints (and truth values) as bigint: psycopg's own picks a type by value, and prepares once for each."""

    format = Format.BINARY
    oid = 20

    def dump(self, obj: int) -> Buffer:
        return obj.to_bytes(8, "big", signed=True)


def new_writer_id() -> int:
    """Return a random key for a writer's row in table `writer`."""
    return secrets.randbits(62) | 1


def connect(url: str) -> psycopg.Connection[Row]:
    """Connect in autocommit mode, with our own dumpers. Raises psycopg.Error."""
    connection: psycopg.Connection[Row] = psycopg.Connection.connect(
        url,
        autocommit=True,
        connect_timeout=_CONNECT_SECONDS,
        cursor_factory=psycopg.RawCursor,
        application_name="postroom",
        # A peer that vanished is noticed within half a minute.
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
    )
    connection.prepare_threshold = 2
    connection.prepared_max = _STATEMENTS
    adapters = connection.adapters
    adapters.register_dumper(int, _IntDumper)
    adapters.register_dumper(bool, _IntDumper)
    adapters.register_dumper(Int8Array, _Int8ArrayDumper)
    adapters.register_dumper(TextArray, _TextArrayDumper)
    adapters.register_dumper(ByteaArray, _ByteaArrayDumper)
    return connection


class PostgresqlWriter:
    """The connection that writes for this node. Used by one thread."""

    engine: Engine = "postgresql"

    def __init__(self, url: str, writer_id: int) -> None:
        self._writer_id = writer_id
        self._connection = connect(url)
        self._cursors: dict[str, _Cursor] = {}
        self._texts: dict[tuple[str, bool], str] = {}
        self._failed: Exception | None = None
        self._to_begin = False
        self._to_insert: list[Batch] = []
        try:
            self._execute(f"SET lock_timeout = {_LOCK_MS}")
            self._execute(f"SET statement_timeout = {_WRITE_MS}")
            self._execute(f"SET idle_in_transaction_session_timeout = {_WRITE_MS}")
            self._execute(_OLD_MARKS)
            # Asked first: an INSERT would wait for an old transaction of ours that still holds the row.
            if not self._execute(_HAS_MARK, (writer_id,)).fetchall():
                self._execute(_FIRST_MARK, (writer_id,))
        except BaseException:
            self._connection.close()
            raise

    def begin(self) -> None:
        """Begin with the first statement that goes out."""
        self._failed = None
        self._to_begin = True
        self._to_insert = []

    def insert(self, batches: Sequence[Batch]) -> None:
        """Send these rows with the next statement."""
        self._to_insert.extend(batches)

    def run(self, statement: Statement, parameters: Sequence[object]) -> list[Row]:
        """Execute a statement, and what waits to be sent, in one round trip; return its rows."""
        self._refuse_after_failure()
        return self._run(
            statement.postgresql, [array_of(value) if isinstance(value, list) else value for value in parameters]
        )

    def run_rows(self, statement: RowsStatement, rows: Sequence[Row]) -> list[Row]:
        """Execute a statement over these rows now and return what it gives back."""
        self._refuse_after_failure()
        return self._run(statement.postgresql, _columns(statement.kinds, rows))

    def _run(self, text: str, values: Sequence[object]) -> list[Row]:
        try:
            if self._to_begin or self._to_insert:
                with self._connection.pipeline():
                    self._send_waiting()
                    cursor = self._execute(text, values)
            else:
                cursor = self._execute(text, values)
            return cursor.fetchall() if cursor.description is not None else []
        except psycopg.Error as error:
            self._failed = error
            raise

    def commit(self, batches: Sequence[Batch], number: int, size_bytes: int) -> None:
        """Write these rows and the group's number and commit, in one round trip. `size_bytes` is not needed here."""
        self._refuse_after_failure()
        self._to_insert.extend(batches)
        with self._connection.pipeline():
            self._send_waiting()
            self._execute(_MARK, (number, self._writer_id))
            self._execute("COMMIT")

    def rollback(self) -> None:
        """End the transaction. Raises nothing."""
        self._to_begin, self._to_insert = False, []
        try:
            self._execute("ROLLBACK")
        except psycopg.Error:
            # The next group finds the connection broken and makes a new one.
            self._failed = None

    def many(self, values: Sequence[int | str | bytes]) -> object:
        """Return a list as one parameter."""
        return array_of(values)

    def tidy(self) -> None:
        """Do nothing: the server's own processes move its log."""

    def give_back(self, pages: int, keep_percent: int) -> int:
        """Do nothing: autovacuum sees to it."""
        return 0

    def fault(self, error: Exception) -> Fault:
        """Tell what an error of this session means."""
        if self._connection.closed or self._connection.broken:
            return Fault.CONNECTION
        if isinstance(error, errors.SerializationFailure | errors.DeadlockDetected):
            return Fault.REPEAT
        if isinstance(error, errors.LockNotAvailable | errors.QueryCanceled):
            return Fault.LOCKED
        if isinstance(error, psycopg.Error) and (
            # Insufficient resources (disk full), operator intervention, read-only, damaged.
            (error.sqlstate or "")[:2] in ("53", "57", "58", "XX") or isinstance(error, errors.ReadOnlySqlTransaction)
        ):
            return Fault.UNUSABLE
        if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
            return Fault.CONNECTION
        return Fault.FUNCTION

    def explain(self, error: Exception) -> Exception:
        """Return the error that the caller of a function sees."""
        if isinstance(error, psycopg.IntegrityError):
            return StoreConflict(str(error), error.diag.table_name or "")
        return error

    def copy_to(self, path: Path, between: Callable[[int, int], None]) -> None:
        """Refuse: pg_dump does this. Raises WrongEngine."""
        raise WrongEngine("a PostgreSQL database is copied by pg_dump")

    def checkpoint(self) -> bool:
        """Do nothing: the server sees to it."""
        return True

    def compact(self) -> None:
        """Do nothing: VACUUM FULL is the operator's to say."""

    def probe(self) -> None:
        """Prove that a commit goes through. Raises psycopg.Error."""
        self._execute(_MARK, (0, self._writer_id))

    def has_committed(self, number: int) -> bool:
        """Tell whether a group is durable, waiting for the end of its old transaction. Raises psycopg.Error."""
        self._execute("BEGIN")
        found = self._execute(_READ_MARK, (self._writer_id,)).fetchone()
        self._execute("COMMIT")
        return found == (number,)

    def close(self, *, clean: bool) -> None:
        """Close; `clean` removes this writer's row first. Raises nothing."""
        try:
            if clean:
                self._execute("DELETE FROM writer WHERE id = $1", (self._writer_id,))
        except psycopg.Error:
            # It is removed when it is old.
            clean = False
        finally:
            self._connection.close()

    def _execute(self, text: str, parameters: Sequence[object] = ()) -> _Cursor:
        # A cursor that meets its own statement again keeps what it knows about the parameters' types,
        # and in a pipeline each result stays with its cursor.
        cursor = self._cursors.get(text)
        if cursor is None:
            if len(self._cursors) >= _STATEMENTS:
                self._cursors.clear()
            cursor = self._cursors[text] = self._connection.cursor()
        return cursor.execute(text, parameters)

    def _refuse_after_failure(self) -> None:
        # PostgreSQL turns the COMMIT of a failed transaction into a ROLLBACK without an error:
        # a function that swallowed one must not make its group believe that it was stored.
        if self._failed is not None:
            raise self._failed

    def _send_waiting(self) -> None:
        """Send BEGIN and rows; inside a pipeline."""
        if self._to_begin:
            self._execute("BEGIN")
            self._to_begin = False
        batches, self._to_insert = self._to_insert, []
        for insert, rows in batches:
            short = insert.is_short(rows)
            width = insert.short_width if short else len(insert.columns)
            self._execute(self._text(insert, short), _columns(insert.kinds[:width], rows))

    def _text(self, insert: Insert, short: bool) -> str:
        text = self._texts.get((insert.table, short))
        if text is None:
            width = insert.short_width if short else len(insert.columns)
            arrays = ", ".join(f"${at + 1}::{ARRAY_TYPES[kind]}" for at, kind in enumerate(insert.kinds[:width]))
            head = f"INSERT INTO {insert.table} ({', '.join(insert.columns[:width])})"
            text = head + f" SELECT * FROM unnest({arrays}) " + insert.on_conflict
            self._texts[insert.table, short] = text
        return text


class PostgresqlReader:
    """A connection that reads. Used by one thread."""

    engine: Engine = "postgresql"

    def __init__(self, url: str) -> None:
        self._connection = connect(url)
        self._cursor = self._connection.cursor()
        self._to_begin = False
        try:
            self._cursor.execute(f"SET statement_timeout = {_READ_MS}")
            self._cursor.execute(f"SET idle_in_transaction_session_timeout = {_WRITE_MS}")
        except BaseException:
            self._connection.close()
            raise

    def begin(self) -> None:
        """Begin a read transaction with the first statement; all see the same moment."""
        self._to_begin = True

    def end(self) -> None:
        """End the transaction."""
        if not self._to_begin:
            self._cursor.execute("ROLLBACK")
        self._to_begin = False

    def all(self, statement: Statement, parameters: Sequence[object]) -> list[Row]:
        """Return all rows."""
        return self._all(statement.postgresql, parameters)

    def select(self, query: Select[Any]) -> list[Row]:
        """Return all rows of a Core query."""
        compiled = query.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        names = compiled.positiontup or []
        values = compiled.params
        return self._all(str(compiled), [values[name] for name in names])

    def many(self, values: Sequence[int | str | bytes]) -> object:
        """Return a list as one parameter."""
        return array_of(values)

    def interrupt(self) -> None:
        """Do nothing: `statement_timeout` ends the query, and the caller has gone already."""

    def explain(self, error: Exception) -> Exception:
        """Return the error that the caller of a function sees."""
        if isinstance(error, errors.QueryCanceled):
            return StoreBusy("the read took too long and was ended")
        if isinstance(error, psycopg.OperationalError):
            return StoreLost(f"the database cannot be read: {error}")
        return error

    def is_lost(self, error: Exception) -> bool:
        """Tell whether the connection has to be made anew."""
        return self._connection.closed or self._connection.broken

    def close(self) -> None:
        """Close the connection. Raises nothing."""
        self._connection.close()

    def _all(self, text: str, parameters: Sequence[object]) -> list[Row]:
        cursor = self._cursor
        if not self._to_begin:
            return cursor.execute(text, parameters).fetchall()
        self._to_begin = False
        with self._connection.pipeline():
            self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute(text, parameters)
        return cursor.fetchall()


def _columns(kinds: Sequence[ColumnKind], rows: Sequence[Row]) -> list[Array]:
    """Turn rows into one array a column; columns behind `kinds` are left out."""
    return [column_array(kind, column) for kind, column in zip(kinds, zip(*rows, strict=True), strict=False)]
