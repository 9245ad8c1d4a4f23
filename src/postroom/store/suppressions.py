"""Table `suppression`: one row for each address and scope of a workspace."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from postroom.ledger.rows import SuppressionRow
from postroom.ledger.states import SuppressionScope
from postroom.store.database import Conn, RowsStatement, Tx, statement

_COLUMNS = "id, workspace_id, address_key, scope, reason, source, evidence, expires_ms, created_ms"

_PUT = statement(
    f"INSERT INTO suppression ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (workspace_id, address_key, scope) DO UPDATE SET reason = excluded.reason, "
    "source = excluded.source, evidence = excluded.evidence, expires_ms = excluded.expires_ms "
    f"RETURNING {_COLUMNS}"
)

# WHERE true: without it SQLite reads ON CONFLICT as the condition of a join.
_PUT_ALL = RowsStatement(
    f"INSERT INTO suppression ({_COLUMNS}) SELECT {_COLUMNS} FROM v WHERE true "
    "ON CONFLICT (workspace_id, address_key, scope) DO UPDATE SET reason = excluded.reason, "
    "source = excluded.source, evidence = excluded.evidence, expires_ms = excluded.expires_ms RETURNING suppression.id",
    id="int",
    workspace_id="int",
    address_key="text",
    scope="text",
    reason="text",
    source="text",
    evidence="text",
    expires_ms="int",
    created_ms="int",
)

_DELETE_SCOPE = statement(
    f"DELETE FROM suppression WHERE workspace_id = ? AND address_key = ? AND scope = ? RETURNING {_COLUMNS}"
)

_DELETE_ALL = statement(f"DELETE FROM suppression WHERE workspace_id = ? AND address_key = ? RETURNING {_COLUMNS}")

# Which of many addresses are suppressed, over several workspaces at once: the index on
# (workspace_id, address_key, scope) is asked for each pair; pairs that nobody asked for are dropped by the reader.
_STANDING = statement(
    sqlite="SELECT workspace_id, address_key, scope, reason FROM suppression "
    "WHERE workspace_id IN (SELECT value FROM json_each(?)) AND address_key IN (SELECT value FROM json_each(?)) "
    "AND (expires_ms IS NULL OR expires_ms > ?)",
    postgresql="SELECT workspace_id, address_key, scope, reason FROM suppression "
    "WHERE workspace_id = ANY(?) AND address_key = ANY(?) AND (expires_ms IS NULL OR expires_ms > ?)",
)

# The same for one address and its keyed hash, which stands in its place after it was erased.
_STANDING_OR_HIDDEN = statement(
    "SELECT workspace_id, address_key, scope, reason FROM suppression "
    "WHERE workspace_id = ? AND address_key IN (?, ?) AND (expires_ms IS NULL OR expires_ms > ?)"
)

# The same for one address, without the lists: most mails have one recipient, and this takes a fifth of the time.
_STANDING_ONE = statement(
    "SELECT workspace_id, address_key, scope, reason FROM suppression "
    "WHERE workspace_id = ? AND address_key = ? AND (expires_ms IS NULL OR expires_ms > ?)"
)

_OF_ADDRESS = statement(f"SELECT {_COLUMNS} FROM suppression WHERE workspace_id = ? AND address_key = ? ORDER BY scope")

_PAGE = statement(f"SELECT {_COLUMNS} FROM suppression WHERE workspace_id = ? AND id < ? ORDER BY id DESC LIMIT ?")

# By the index of the list alone: where so many of its rows end.
_END = statement("SELECT id FROM suppression WHERE workspace_id = ? AND id < ? ORDER BY id DESC LIMIT 1 OFFSET ?")
_OF_SOURCES = statement(
    sqlite=f"SELECT {_COLUMNS} FROM suppression WHERE workspace_id = ? AND id < ? AND id >= ? "
    "AND source IN (SELECT value FROM json_each(?)) ORDER BY id DESC LIMIT ?",
    postgresql=f"SELECT {_COLUMNS} FROM suppression WHERE workspace_id = ? AND id < ? AND id >= ? "
    "AND source = ANY(?) ORDER BY id DESC LIMIT ?",
)


class Window(NamedTuple):
    """What of a piece of the list was looked for."""

    rows: list[SuppressionRow]
    reached: int | None
    """The lowest id that was looked at; None: nothing is behind it."""


def put(tx: Tx, row: SuppressionRow) -> SuppressionRow:
    """Insert the row, or renew that of the same address and scope; return the row that stands."""
    return SuppressionRow._make(tx.run(_PUT, row)[0])


def put_all(tx: Tx, rows: Sequence[SuppressionRow]) -> int:
    """Put many rows as `put` does, no two of one address and scope; return how many were not there before."""
    # In the order of their keys, so that two nodes that import the same list wait for one another, and no more.
    ordered = sorted(rows, key=lambda row: (row.workspace_id, row.address_key, row.scope))
    ids = {row.id for row in ordered}
    return sum(row[0] in ids for row in tx.run_rows(_PUT_ALL, ordered))


def delete(tx: Tx, workspace_id: int, address_key: str, scope: str | None) -> list[SuppressionRow]:
    """Delete the rows of an address, of one scope or (None) of all; return them."""
    if scope is None:
        rows = tx.run(_DELETE_ALL, (workspace_id, address_key))
    else:
        rows = tx.run(_DELETE_SCOPE, (workspace_id, address_key, scope))
    return [SuppressionRow._make(row) for row in rows]


def suppressed(
    reader: Tx | Conn, workspace_id: int, asked: Iterable[tuple[str, str]], now_ms: int, hidden: Sequence[str] = ()
) -> dict[tuple[str, str], tuple[str, str]]:
    """Return which of the asked (address_key, stream) are suppressed, as scope and reason. One statement.

    `hidden` holds the keyed hash of each asked address (`TokenKeys.hide`): by it suppressions go on to hold for
    people who were erased.
    """
    questions = list(asked)
    if not hidden:
        found = suppressed_among(reader, [(workspace_id, key, stream) for key, stream in questions], now_ms)
        return {(key, stream): why for (_, key, stream), why in found.items()}
    standing = _standing(reader, workspace_id, [key for key, _ in questions], hidden, now_ms)
    stopped = {}
    for (key, stream), other in zip(questions, hidden, strict=True):
        for scope in (SuppressionScope.ALL.value, stream):
            reason = standing.get((key, scope), standing.get((other, scope))) if standing else None
            if reason is not None:
                stopped[(key, stream)] = (scope, reason)
                break
    return stopped


def _standing(
    reader: Tx | Conn, workspace_id: int, keys: Sequence[str], hidden: Sequence[str], now_ms: int
) -> dict[tuple[str, str], str]:
    parameters: tuple[object, ...]
    if len(keys) == 1:
        asked_of, parameters = _STANDING_OR_HIDDEN, (workspace_id, keys[0], hidden[0], now_ms)
    else:
        asked_of = _STANDING
        parameters = (reader.many([workspace_id]), reader.many(list({*keys, *hidden})), now_ms)
    rows = reader.run(asked_of, parameters) if isinstance(reader, Tx) else reader.all(asked_of, parameters)
    return {(row[1], row[2]): row[3] for row in rows}


def suppressed_among(
    reader: Tx | Conn, asked: Iterable[tuple[int, str, str]], now_ms: int
) -> dict[tuple[int, str, str], tuple[str, str]]:
    """Like `suppressed`, for (workspace id, address_key, stream) of several workspaces. One statement.

    Where several scopes stop the same mail, `all` is named.
    """
    questions = list(asked)
    if not questions:
        return {}
    parameters: tuple[object, object, int]
    if len(questions) == 1:
        asked_of, parameters = _STANDING_ONE, (questions[0][0], questions[0][1], now_ms)
    else:
        workspaces = reader.many(list({workspace_id for workspace_id, _, _ in questions}))
        addresses = reader.many(list({key for _, key, _ in questions}))
        asked_of, parameters = _STANDING, (workspaces, addresses, now_ms)
    rows = reader.run(asked_of, parameters) if isinstance(reader, Tx) else reader.all(asked_of, parameters)
    if not rows:
        return {}
    standing = {(row[0], row[1], row[2]): row[3] for row in rows}
    found = {}
    for workspace_id, key, stream in questions:
        for scope in (SuppressionScope.ALL.value, stream):
            reason = standing.get((workspace_id, key, scope))
            if reason is not None:
                found[(workspace_id, key, stream)] = (scope, reason)
                break
    return found


def of_address(conn: Conn, workspace_id: int, address_key: str) -> list[SuppressionRow]:
    """Return all rows of one address, expired ones too."""
    return [SuppressionRow._make(row) for row in conn.all(_OF_ADDRESS, (workspace_id, address_key))]


def page(conn: Conn, workspace_id: int, before_id: int, limit: int) -> list[SuppressionRow]:
    """Return up to `limit` rows with an id below `before_id`, newest first."""
    return [SuppressionRow._make(row) for row in conn.all(_PAGE, (workspace_id, before_id, limit))]


def window(conn: Conn, workspace_id: int, before_id: int, sources: Sequence[str], size: int, limit: int) -> Window:
    """Return up to `limit` rows with these sources among the next `size` of the list, newest first."""
    end = conn.one(_END, (workspace_id, before_id, size - 1))
    reached = end[0] if end is not None else None
    parameters = (workspace_id, before_id, reached or 0, conn.many(list(sources)), limit)
    return Window([SuppressionRow._make(row) for row in conn.all(_OF_SOURCES, parameters)], reached)
