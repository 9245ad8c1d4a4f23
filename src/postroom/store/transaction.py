"""What store functions are given: `Tx` to write, `Conn` to read.

A write function collects rows and counts, which go out as one statement a
table before COMMIT, together with those of the other functions of its group
(`store.group`). It touches nothing but its `Tx`, because it may be run again.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol

from sqlalchemy.sql.selectable import Select

from postroom.ledger.rows import COUNTERS, CounterKey
from postroom.store.insert import COUNTER_INSERT, INSERTS, Insert
from postroom.store.statement import RowsStatement, Statement

Engine = Literal["sqlite", "postgresql"]
Row = tuple[Any, ...]
Batch = tuple[Insert, Sequence[Row]]

_COUNTER_POSITION = {name: position for position, name in enumerate(COUNTERS)}


class WriteSession(Protocol):
    """The writer's connection to one engine."""

    @property
    def engine(self) -> Engine: ...

    def insert(self, batches: Sequence[Batch]) -> None:
        """Write these rows now, one statement a batch."""

    def run(self, statement: Statement, parameters: Sequence[object]) -> list[Row]:
        """Execute a statement now and return its rows."""

    def run_rows(self, statement: RowsStatement, rows: Sequence[Row]) -> list[Row]:
        """Execute a statement over these rows now and return what it gives back."""

    def many(self, values: Sequence[int | str | bytes]) -> object:
        """Return a list as one parameter."""

    def give_back(self, pages: int, keep_percent: int) -> int:
        """Give unused pages of the file back to the system; return how many."""


class ReadSession(Protocol):
    """A reader's connection to one engine."""

    @property
    def engine(self) -> Engine: ...

    def all(self, statement: Statement, parameters: Sequence[object]) -> list[Row]:
        """Return all rows."""

    def select(self, query: Select[Any]) -> list[Row]:
        """Return all rows of a Core query."""

    def many(self, values: Sequence[int | str | bytes]) -> object:
        """Return a list as one parameter."""


class Tx:
    """The only way to write. One for each group; nothing is durable before `Database.write` returns."""

    __slots__ = ("_counts", "_node", "_rows", "_session", "engine", "memo", "words")

    def __init__(self, session: WriteSession, node: int) -> None:
        self.engine: Engine = session.engine
        self._session = session
        self._node = node
        self._rows: dict[type, list[Row]] = {}
        self._counts: dict[tuple[CounterKey, str], int] = {}
        self.memo: dict[str, Any] = {}
        """What a store function has read for all functions of the group, under a name of its own."""
        self.words: dict[str, set[int]] = {}
        """What `Database.on_commit` is told after COMMIT."""

    def add(self, row: NamedTuple) -> None:
        """Insert a row of `ledger.rows` before COMMIT.

        Where its key exists: content_chunk, lane, hit, sandbox_copy and sandbox_showing
        stay as they are, so does content unless its body is gone, destination is
        overwritten, the rest raises StoreConflict for the function that added it.
        """
        collected = self._rows.get(type(row))
        if collected is None:
            if type(row) not in INSERTS:
                raise TypeError(f"{type(row).__name__} is no row type of ledger.rows")
            self._rows[type(row)] = [row]
        else:
            collected.append(row)

    def count(self, key: CounterKey, counter: str, amount: int = 1) -> None:
        """Add `amount` (may be negative) to a counter, a word of `ledger.rows.COUNTERS`, in this node's row."""
        if counter not in _COUNTER_POSITION:
            raise ValueError(f"{counter} is no counter")
        counts = self._counts
        counts[key, counter] = counts.get((key, counter), 0) + amount

    def wake(self, word: str, subject: int) -> None:
        """Have those who asked for this word (`Database.on_commit`) called with its subjects after COMMIT."""
        self.words.setdefault(word, set()).add(subject)

    def run(self, statement: Statement, parameters: Sequence[object] = ()) -> list[Row]:
        """Execute a statement now; return the rows of a SELECT or RETURNING.

        It sees what was collected before it, by this function and by those
        that share its group. Give few rows back: each costs a turn of the
        interpreter lock on SQLite.
        """
        self._write_collected(statement.tables)
        return self._session.run(statement, parameters)

    def run_rows(self, statement: RowsStatement, rows: Sequence[Row]) -> list[Row]:
        """Execute a statement over many rows at once, now; return what it gives back, in no order.

        Each row names what it changes at most once in one call.
        """
        if not rows:
            return []
        self._write_collected(statement.tables)
        return self._session.run_rows(statement, rows)

    def many(self, values: Sequence[int | str | bytes]) -> object:
        """Return a list as one parameter.

        JSON text on SQLite, for `IN (SELECT value FROM json_each(?))`, ints and
        str only; an array on PostgreSQL, for `= ANY(?)`.
        """
        return self._session.many(values)

    def give_back(self, pages: int, keep_percent: int) -> int:
        """Give up to `pages` unused pages of the file back to the system; return how many.

        So many percent of the file stay unused for what is written next. 0 on
        PostgreSQL, whose autovacuum does this.
        """
        return self._session.give_back(pages, keep_percent)

    def take_batches(self, tables: frozenset[str] | None = None) -> list[Batch]:
        """Return what was collected for `tables` (None: for all) and forget it; for the group only."""
        if tables is None:
            batches = [
                (insert, insert.tidy(self._rows[kind])) for kind, insert in INSERTS.items() if kind in self._rows
            ]
            self._rows = {}
        else:
            batches = [
                (insert, insert.tidy(self._rows.pop(kind)))
                for kind, insert in INSERTS.items()
                if kind in self._rows and insert.table in tables
            ]
        if self._counts and (tables is None or "counter" in tables):
            batches.append((COUNTER_INSERT, self._counter_rows()))
            self._counts = {}
        return batches

    def _write_collected(self, tables: frozenset[str]) -> None:
        if self._rows or self._counts:
            batches = self.take_batches(tables)
            if batches:
                self._session.insert(batches)

    def _counter_rows(self) -> list[Row]:
        amounts: dict[CounterKey, list[int]] = {}
        for (key, counter), amount in self._counts.items():
            row = amounts.get(key)
            if row is None:
                row = amounts[key] = [0] * len(COUNTERS)
            row[_COUNTER_POSITION[counter]] += amount
        node = self._node
        return [(*key, node, *amounts[key]) for key in sorted(amounts)]


class Conn:
    """What a read function is given; all its reads see the same moment."""

    __slots__ = ("_session", "engine")

    def __init__(self, session: ReadSession) -> None:
        self.engine: Engine = session.engine
        self._session = session

    def all(self, statement: Statement, parameters: Sequence[object] = ()) -> list[Row]:
        """Return all rows of a query."""
        return self._session.all(statement, parameters)

    def one(self, statement: Statement, parameters: Sequence[object] = ()) -> Row | None:
        """Return the first row of a query, or None where it has none."""
        found = self._session.all(statement, parameters)
        return found[0] if found else None

    def select(self, query: Select[Any]) -> list[Row]:
        """Return all rows of a SQLAlchemy Core query, for reads that pages build up."""
        return self._session.select(query)

    def many(self, values: Sequence[int | str | bytes]) -> object:
        """Return a list as one parameter, as `Tx.many` does."""
        return self._session.many(values)
