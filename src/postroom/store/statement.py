"""SQL as text, with `?` where a parameter goes.

A statement is made once, at import, and handed to `Tx.run`, `Conn.all` and
`Conn.one`. It knows which tables its text names: what a transaction has
collected for other tables need not be written before it runs.
"""

import re

from postroom.store import schema

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
