"""SQL as text, with `?` where a parameter goes.

A statement is made once, at import, and handed to `Tx.run`, `Conn.all` and
`Conn.one`. It knows which tables its text names: what a transaction has
collected for other tables need not be written before it runs.
"""

import re
from typing import Literal

from postroom.store import schema

ColumnKind = Literal["int", "text", "blob"]

ARRAY_TYPES: dict[ColumnKind, str] = {"int": "bigint[]", "text": "text[]", "blob": "bytea[]"}
"""What a column of a kind is sent as to PostgreSQL."""

_TOKENS = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|\?|[A-Za-z_][A-Za-z_0-9]*")


class Statement:
    """One statement in the words of both engines."""

    __slots__ = ("postgresql", "sqlite", "tables")

    def __init__(self, *, sqlite: str, postgresql: str) -> None:
        """Both texts have `?` placeholders; one inside quotes or behind `--` is none."""
        self.sqlite = sqlite
        self.postgresql = _numbered(postgresql)
        """With `$1`, `$2`… in place of `?`."""
        self.tables = _tables(sqlite) | _tables(postgresql)
        """Every table whose name stands anywhere in a text; some may be mere column names."""


class RowsStatement:
    """A statement over a table `v` of values that it is given, the same text for both engines.

    One execution for many rows: on SQLite each costs a turn of the interpreter
    lock, on PostgreSQL a round trip. Run with `Tx.run_rows`.
    """

    __slots__ = ("_sqlite", "columns", "kinds", "postgresql", "tables", "text")

    def __init__(self, text: str, **columns: ColumnKind) -> None:
        """`text` reads from `v`, whose columns have these names and kinds, in this order. It has no `?`.

        `UPDATE recipient SET state = v.state FROM v WHERE recipient.id = v.id RETURNING recipient.id`
        """
        self.text = text
        self.columns = tuple(columns)
        self.kinds = tuple(columns.values())
        self.tables = _tables(text)
        arrays = ", ".join(f"${at + 1}::{ARRAY_TYPES[kind]}" for at, kind in enumerate(self.kinds))
        self.postgresql = f"WITH v({', '.join(columns)}) AS (SELECT * FROM unnest({arrays})) {text}"
        self._sqlite: dict[int, str] = {}

    def sqlite(self, count: int) -> str:
        """Return the text for this many rows."""
        text = self._sqlite.get(count)
        if text is None:
            row = f"({','.join('?' * len(self.columns))})"
            values = ",".join([row] * count)
            text = self._sqlite[count] = f"WITH v({', '.join(self.columns)}) AS (VALUES {values}) {self.text}"
        return text


def statement(text: str | None = None, *, sqlite: str | None = None, postgresql: str | None = None) -> Statement:
    """Return a statement: `text` for both engines, or a text for each where they differ."""
    for_sqlite = sqlite if sqlite is not None else text
    for_postgresql = postgresql if postgresql is not None else text
    if for_sqlite is None or for_postgresql is None:
        raise ValueError("a statement needs a text for each engine")
    return Statement(sqlite=for_sqlite, postgresql=for_postgresql)


def _numbered(text: str) -> str:
    count = 0

    def number(match: re.Match[str]) -> str:
        nonlocal count
        if match[0] != "?":
            return match[0]
        count += 1
        return f"${count}"

    return _TOKENS.sub(number, text)


def _tables(text: str) -> frozenset[str]:
    words = {match[0].strip('"').lower() for match in _TOKENS.finditer(text)}
    named = words & schema.metadata.tables.keys()
    # Rows of a parent must be there before a statement writes a child.
    parents = {key.column.table.name for name in named for key in schema.metadata.tables[name].foreign_keys}
    return frozenset(named | parents)
