"""How rows of each type are inserted: columns, their kinds, and what a key that exists means."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import LargeBinary, Table, Text

from postroom.base.clock import HOUR_MS
from postroom.ledger import rows
from postroom.ledger.route_rows import RouteOutboxRow
from postroom.ledger.webhook_rows import WebhookOutboxRow
from postroom.store import schema
from postroom.store.statement import ColumnKind

_IGNORED = (
    rows.ContentChunkRow,
    rows.LaneRow,
    rows.HitRow,
    rows.SandboxCopyRow,
    rows.SandboxShowingRow,
    WebhookOutboxRow,
    RouteOutboxRow,
)
"""A row whose key exists is left as it is: it tells the same."""

_REPLACED = (rows.DestinationRow,)
"""A row whose key exists is overwritten."""


@dataclass(frozen=True, slots=True, eq=False)
class Insert:
    """What the engines need to write rows of one table."""

    table: str
    columns: tuple[str, ...]
    kinds: tuple[ColumnKind, ...]
    key: tuple[int, ...]
    """Positions of the primary key where rows of one group may share it, else empty."""
    on_conflict: str
    """What follows the rows in the statement, or empty: then an existing key is an error."""
    default_tail: tuple[object, ...]
    """What the last columns hold in a new row."""

    @property
    def short_width(self) -> int:
        """How many columns a row has without its default tail."""
        return len(self.columns) - len(self.default_tail)

    def tidy(self, collected: Sequence[tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
        """Return the rows without repeated keys, in key order where nodes may meet at a key.

        All nodes lock rows in the same order then, so they rarely deadlock.
        """
        if not self.key:
            return collected
        first = self.key
        if len(first) == 1:
            position = first[0]
            unique = {row[position]: row for row in collected}
        else:
            unique = {tuple([row[position] for position in first]): row for row in collected}
        return [unique[key] for key in sorted(unique)]

    def is_short(self, batch: Sequence[tuple[Any, ...]]) -> bool:
        """Tell whether all rows end with the default tail, so that it need not be sent."""
        tail, width = self.default_tail, self.short_width
        return bool(tail) and all(row[width:] == tail for row in batch)


def _kinds(table: Table) -> tuple[ColumnKind, ...]:
    def kind(type_: object) -> ColumnKind:
        if isinstance(type_, LargeBinary):
            return "blob"
        return "text" if isinstance(type_, Text) else "int"

    return tuple(kind(column.type) for column in table.c)


def _key(table: Table) -> tuple[int, ...]:
    names = [column.name for column in table.c]
    return tuple(names.index(column.name) for column in table.primary_key)


_USED_STEP_MS = HOUR_MS
"""How exactly `content.used_ms` is kept: what is sent a thousand times a minute is not updated as often."""

_GONE = "content.body IS NULL AND content.upload_id IS NULL"
_BACK = ("size_bytes", "upload_id", "body", "plan", "links")
_USED_AGAIN = (
    "ON CONFLICT (workspace_id, key) DO UPDATE SET used_ms = excluded.created_ms, "
    + ", ".join(f"{name} = CASE WHEN {_GONE} THEN excluded.{name} ELSE content.{name} END" for name in _BACK)
    + f" WHERE ({_GONE}) OR (content.used_ms <= excluded.created_ms - {_USED_STEP_MS} "
    f"AND content.created_ms <= excluded.created_ms - {_USED_STEP_MS})"
)
"""A content that is there stays, unless retention took its body: the new message needs it again.

That it was used again is noted, so that retention does not take it from the newer message.
"""


def _on_conflict(row_type: type[NamedTuple], table: Table) -> str:
    if row_type is rows.ContentRow:
        return _USED_AGAIN
    if row_type in _IGNORED:
        return "ON CONFLICT DO NOTHING"
    if row_type in _REPLACED:
        keys = [column.name for column in table.primary_key]
        sets = ", ".join(f"{c.name} = excluded.{c.name}" for c in table.c if c.name not in keys)
        return f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {sets}"
    return ""


def _insert(row_type: type[NamedTuple], table: Table) -> Insert:
    defaults = row_type._field_defaults
    return Insert(
        table=table.name,
        columns=tuple(row_type._fields),
        kinds=_kinds(table),
        key=_key(table) if row_type in (rows.ContentRow, *_IGNORED, *_REPLACED) else (),
        on_conflict=_on_conflict(row_type, table),
        default_tail=tuple(defaults[name] for name in row_type._fields if name in defaults),
    )


INSERTS: dict[type[NamedTuple], Insert] = {
    row_type: _insert(row_type, table) for row_type, table in schema.ROWS.items()
}
"""One for each row type, in the order in which a group is written."""

_COUNTER_KEY = ("workspace_id", "hour", "dimension", "key", "node")

COUNTER_INSERT = Insert(
    table="counter",
    columns=(*_COUNTER_KEY, *rows.COUNTERS),
    kinds=_kinds(schema.facts.counter),
    key=(),
    on_conflict=f"ON CONFLICT ({', '.join(_COUNTER_KEY)}) DO UPDATE SET "
    + ", ".join(f"{name} = counter.{name} + excluded.{name}" for name in rows.COUNTERS),
    default_tail=(),
)
"""Adds to the counters of a key; its rows are summed and in key order when they come here."""
