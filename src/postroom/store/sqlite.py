"""SQLite: one connection that writes, some that read, in one file.

Only the writer's connection commits and checkpoints. SQLite before 3.51.3 can
corrupt a WAL database when one connection checkpoints while another commits,
so readers are `query_only` and are closed before the writer.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.sql.selectable import Select

from postroom.store.faults import CopyFailed, Fault, StoreBusy, StoreConflict
from postroom.store.insert import Insert
from postroom.store.statement import RowsStatement, Statement
from postroom.store.transaction import Batch, Engine, Row

_BUSY_SECONDS = 0.5
"""How long the writer waits for a lock that another process holds before its callers are told."""

_BLOCK_ROWS = 32
"""Rows of one INSERT. More save nothing: from here on the cost is that of binding and of the B-trees."""

_STATEMENTS = 400
"""Prepared statements kept: the tables of a group in the few sizes that `_blocks` makes, and the named ones."""

_JOURNAL_BYTES = 64 << 20
"""The WAL file is cut to this after a checkpoint that could reset it."""

_COMMITS_BETWEEN_LOOKS = 256
"""How often the size of the WAL is looked at."""

_COPY_PAGES = 256
"""A mebibyte: the longest that a commit waits for a backup."""

_CHECKPOINT_PAGES = 2000
"""8 MB of WAL. Each checkpoint costs an fsync of the database, and hot pages are written once for all groups."""

_LARGE_CHECKPOINT_BYTES = 2 << 20
"""Of contents: none of their pages is written twice, and a checkpoint that moves 8 MB at once holds a commit up for
20 to 40 ms."""

_DIALECT = sqlite_dialect(paramstyle="qmark")

_UNUSABLE = {
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOTADB,
}


def connect(path: Path, *, create: bool = False) -> sqlite3.Connection:
    """Open the file for writing, with everything that makes a commit durable.

    Raises sqlite3.OperationalError where the file does not exist and `create` is false.
    """
    uri = f"file:{quote(str(path))}?mode={'rwc' if create else 'rw'}"
    connection = sqlite3.connect(
        uri,
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        cached_statements=_STATEMENTS,
        check_same_thread=False,
    )
    try:
        # Has to come before the first table of a new file.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute("PRAGMA mmap_size = 0")
        # What is deleted is overwritten where that costs no write of its own.
        connection.execute("PRAGMA secure_delete = FAST")
        connection.execute("PRAGMA cache_size = -16384")
        connection.execute("PRAGMA temp_store = MEMORY")
    except BaseException:
        connection.close()
        raise
    return connection


def many(values: Sequence[int | str | bytes]) -> str:
    """Return a list as JSON text for `json_each`. Raises TypeError for bytes."""
    if any(isinstance(value, bytes) for value in values):
        raise TypeError("a list of bytes is no parameter on SQLite")
    return msgspec.json.encode(list(values)).decode()


class SqliteWriter:
    """The only connection that writes. Used by one thread."""

    engine: Engine = "sqlite"

    def __init__(self, path: Path) -> None:
        self._connection = connect(path)
        self._execute = self._connection.execute
        self._texts: dict[tuple[str, bool, int], str] = {}
        self._failed: Exception | None = None
        self._wal = path.with_name(path.name + "-wal")
        self._commits = 0
        self._large_bytes = 0
        """Of contents since the last checkpoint of ours."""

    def begin(self) -> None:
        """Take the write lock. Waits at most half a second for another process."""
        self._failed = None
        self._execute("BEGIN IMMEDIATE")

    def insert(self, batches: Sequence[Batch]) -> None:
        """Write these rows now, in blocks of one statement each."""
        self._refuse_after_failure()
        try:
            for insert, rows in batches:
                short = insert.is_short(rows)
                if short:
                    width = insert.short_width
                    rows = [row[:width] for row in rows]
                for block in _blocks(rows):
                    text = self._text(insert, short, len(block))
                    self._execute(text, tuple(chain.from_iterable(block)))
        except sqlite3.Error as error:
            self._failed = error
            raise

    def run(self, statement: Statement, parameters: Sequence[object]) -> list[Row]:
        """Execute a statement now and return its rows."""
        self._refuse_after_failure()
        try:
            cursor = self._execute(statement.sqlite, tuple(parameters))
            # Each fetch lets the interpreter go and has to get it back: none where there is nothing to fetch.
            return cursor.fetchall() if cursor.description is not None else []
        except sqlite3.Error as error:
            self._failed = error
            raise

    def run_rows(self, statement: RowsStatement, rows: Sequence[Row]) -> list[Row]:
        """Execute a statement over these rows now, a block at a time, and return what it gives back."""
        self._refuse_after_failure()
        found: list[Row] = []
        try:
            for block in _blocks(rows):
                cursor = self._execute(statement.sqlite(len(block)), tuple(chain.from_iterable(block)))
                if cursor.description is not None:
                    found += cursor.fetchall()
        except sqlite3.Error as error:
            self._failed = error
            raise
        return found

    def commit(self, batches: Sequence[Batch], number: int, size_bytes: int) -> None:
        """Write these rows, with `size_bytes` of contents among them, and commit.

        `number` is not needed here: a COMMIT that fails has not happened.
        """
        self.insert(batches)
        self._execute("COMMIT")
        self._commits += 1
        self._large_bytes += size_bytes

    def tidy(self) -> None:
        """Do after a commit, and after its answers, what nobody has to wait for. Raises nothing."""
        if self._large_bytes > _LARGE_CHECKPOINT_BYTES:
            self._large_bytes = 0
            self._try_checkpoint("PASSIVE")
        if not self._commits % _COMMITS_BETWEEN_LOOKS and self._is_wal_large():
            # What SQLite does by itself never waits for readers: where reads follow one another
            # without a gap, it can never begin the WAL anew.
            self._try_checkpoint("RESTART")

    def rollback(self) -> None:
        """End the transaction, if SQLite has not done so by itself. Raises nothing."""
        try:
            if self._connection.in_transaction:
                self._execute("ROLLBACK")
        except sqlite3.Error:
            # The next BEGIN fails then, and the connection is made anew.
            self._failed = None

    def many(self, values: Sequence[int | str | bytes]) -> object:
        """Return a list as one parameter."""
        return many(values)

    def give_back(self, pages: int, keep_percent: int) -> int:
        """Cut unused pages off the file; return how many."""
        self._refuse_after_failure()
        try:
            spare = self._number_of("freelist_count") - self._number_of("page_count") * keep_percent // 100
            if spare <= 0:
                return 0
            # A page a step, and only fetching makes the steps: there are rows, although without columns.
            self._execute(f"PRAGMA incremental_vacuum({min(pages, spare)})").fetchall()
        except sqlite3.Error as error:
            self._failed = error
            raise
        return min(pages, spare)

    def fault(self, error: Exception) -> Fault:
        """Tell what an error of this session means."""
        if isinstance(error, sqlite3.Error):
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                return Fault.LOCKED
            if code in _UNUSABLE:
                return Fault.UNUSABLE
        return Fault.FUNCTION

    def explain(self, error: Exception) -> Exception:
        """Return the error that the caller of a function sees."""
        if isinstance(error, sqlite3.IntegrityError):
            # "UNIQUE constraint failed: smtp_login.username"
            return StoreConflict(str(error), str(error).rpartition(": ")[2].partition(".")[0])
        return error

    def copy_to(self, path: Path, between: Callable[[int, int], None]) -> None:
        """Copy the database into a new file, a mebibyte a step; `between` is called after each step.

        What this connection commits between two steps is in the copy too, because SQLite
        writes pages that were copied already a second time; so no step is ever lost, and
        since each step reads for itself, the WAL can be moved into the file between them.
        The copy is not synced. Raises CopyFailed and what `between` raised.
        """
        try:
            target = sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, isolation_level=None)
        except sqlite3.Error as error:
            raise CopyFailed(f"{path} cannot be written: {error}") from error
        try:
            target.execute("PRAGMA journal_mode = OFF")
            target.execute("PRAGMA synchronous = OFF")

            def step(status: int, remaining: int, whole: int) -> None:
                if remaining:
                    between(whole - remaining, whole)

            self._connection.backup(target, pages=_COPY_PAGES, progress=step, sleep=0.01)
        except sqlite3.Error as error:
            raise CopyFailed(f"{path} cannot be written: {error}") from error
        finally:
            target.close()

    def checkpoint(self) -> bool:
        """Move the WAL into the file and cut it to nothing; tell whether no reader was in the way."""
        return int(self._execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]) == 0

    def compact(self) -> None:
        """Write the file anew without its unused parts. Raises CopyFailed where the disk is full."""
        try:
            self._execute("VACUUM")
        except sqlite3.Error as error:
            raise CopyFailed(f"the database cannot be written anew: {error}") from error

    def probe(self) -> None:
        """Prove that a commit goes through. Raises sqlite3.Error."""
        self._execute("BEGIN IMMEDIATE")
        try:
            self._execute(
                "INSERT INTO writer VALUES (0, 0, 0) ON CONFLICT (id) DO UPDATE SET group_number = group_number + 1"
            )
            self._execute("COMMIT")
        except sqlite3.Error:
            self.rollback()
            raise

    def has_committed(self, number: int) -> bool:
        """Tell whether a group is durable; here an error always means that it is not."""
        return False

    def close(self, *, clean: bool) -> None:
        """Close; `clean` moves the WAL into the file first. Raises nothing."""
        try:
            if clean:
                self._execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error:
            # The WAL stays and the next start reads it.
            clean = False
        finally:
            self._connection.close()

    def _number_of(self, pragma: str) -> int:
        return int(self._execute(f"PRAGMA {pragma}").fetchone()[0])

    def _is_wal_large(self) -> bool:
        try:
            return self._wal.stat().st_size > _JOURNAL_BYTES
        except OSError:
            return False

    def _try_checkpoint(self, mode: str) -> None:
        # What was committed stays committed; the next one moves what this one could not.
        with contextlib.suppress(sqlite3.Error):
            self._execute(f"PRAGMA wal_checkpoint({mode})")

    def _refuse_after_failure(self) -> None:
        # After some errors SQLite has rolled back by itself: what a function that swallowed
        # the error runs next would stand outside of any transaction.
        if self._failed is not None:
            raise self._failed

    def _text(self, insert: Insert, short: bool, count: int) -> str:
        text = self._texts.get((insert.table, short, count))
        if text is None:
            columns = insert.columns[: insert.short_width] if short else insert.columns
            row = f"({','.join('?' * len(columns))})"
            head = f"INSERT INTO {insert.table} ({','.join(columns)}) VALUES "
            text = head + ",".join([row] * count) + " " + insert.on_conflict
            self._texts[insert.table, short, count] = text
        return text


class SqliteReader:
    """A connection that reads. Used by one thread; only `interrupt` comes from another."""

    engine: Engine = "sqlite"

    def __init__(self, path: Path) -> None:
        uri = f"file:{quote(str(path))}?mode=rw"
        self._connection = sqlite3.connect(
            uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, cached_statements=256, check_same_thread=False
        )
        self._connection.execute("PRAGMA query_only = ON")
        self._connection.execute("PRAGMA wal_autocheckpoint = 0")
        self._connection.execute("PRAGMA mmap_size = 0")
        self._connection.execute("PRAGMA cache_size = -4096")
        self._connection.execute("PRAGMA temp_store = MEMORY")

    def begin(self) -> None:
        """Begin a read transaction; its moment is that of the first statement."""
        self._connection.execute("BEGIN")

    def end(self) -> None:
        """End the transaction, so that a checkpoint may reset the WAL."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def all(self, statement: Statement, parameters: Sequence[object]) -> list[Row]:
        """Return all rows."""
        return self._connection.execute(statement.sqlite, tuple(parameters)).fetchall()

    def select(self, query: Select[Any]) -> list[Row]:
        """Return all rows of a Core query."""
        compiled = query.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        names = compiled.positiontup or []
        values = compiled.params
        return self._connection.execute(str(compiled), tuple(values[name] for name in names)).fetchall()

    def many(self, values: Sequence[int | str | bytes]) -> object:
        """Return a list as one parameter."""
        return many(values)

    def interrupt(self) -> None:
        """End what the connection runs now, from another thread."""
        self._connection.interrupt()

    def explain(self, error: Exception) -> Exception:
        """Return the error that the caller of a function sees."""
        if isinstance(error, sqlite3.OperationalError):
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_INTERRUPT:
                return StoreBusy("the read took too long and was ended")
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                return StoreBusy("the database is locked")
        return error

    def is_lost(self, error: Exception) -> bool:
        """Tell whether the connection has to be made anew; a file does not go away."""
        return False

    def close(self) -> None:
        """Close the connection. Raises nothing."""
        self._connection.close()


def _blocks(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Cut rows into blocks of 32, 16 and 1 to 8, so that few different statements are prepared."""
    start, left = 0, len(rows)
    while left:
        size = _BLOCK_ROWS if left >= _BLOCK_ROWS else 16 if left >= 16 else min(left, 8)
        yield rows[start : start + size]
        start, left = start + size, left - size
