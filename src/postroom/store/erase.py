"""What erasing a person reads and writes: in slices by id, a few hundred rows at a time.

Rows stay where a state or a counter rests on them; what names the person in
them goes. `mail.mention` decides what does; the `LIKE` here only finds rows
that are worth being looked at.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from postroom.ledger.rows import COUNTERS
from postroom.ledger.states import SETTLED
from postroom.mail.mention import CUT
from postroom.store.database import Conn, RowsStatement, Statement, Tx, statement

SLICE = 4_000
"""Rows of a table that one read looks through."""

_SETTLED = ", ".join(f"'{state.value}'" for state in SETTLED)


class Swept(NamedTuple):
    """A table whose text may name somebody."""

    table: str
    columns: tuple[str, ...]
    key: str = "id"
    workspace: str = "workspace_id"


SWEPT = (
    Swept("event", ("detail",)),
    Swept("recipient", ("original", "merge", "reason")),
    Swept("hit", ("user_agent", "evidence")),
    Swept("suppression", ("reason", "evidence")),
    Swept("webhook_attempt", ("why", "request_header", "response_header", "response_body")),
    Swept("webhook_progress", ("last_error",), "endpoint_id", ""),
    Swept("audit", ("subject", "detail")),
    Swept(
        "inbound",
        ("reverse_path", "recipient", "author", "author_key", "author_name", "subject", "message_id", "detail", "helo"),
    ),
    Swept("route_attempt", ("target", "why", "response_body")),
    Swept("account_status", ("why", "server"), "account_id"),
    Swept("tracer", ("why",)),
)
"""Where an address is cut out of the text; messages are swept apart, because a waiting one still needs its columns."""

REPORTED = (
    Swept("smtp_login", ("username",)),
    Swept("api_key", ("name",)),
    Swept("webhook_endpoint", ("url", "description", "why")),
    Swept("route", ("recipient", "sender", "target", "description")),
    Swept("connection", ("client_id", "server")),
    Swept("partner", ("success_url", "failure_url", "redirects"), "workspace_id"),
    Swept("mailbox", ("name",)),
    Swept("workspace", ("name",), workspace="id"),
    Swept("operator", ("name", "name_key"), workspace=""),
)
"""What somebody chose as a name: it is told, not changed."""

MESSAGES = Swept(
    "message",
    ("subject", "reverse_path", "author_address", "message_id", "tags", "metadata", "envid", "unsubscribe"),
)


class Named(NamedTuple):
    """A row that may name somebody."""

    id: int
    workspace_id: int
    texts: tuple[str, ...]
    """By the columns of its table."""


class OwnRecipient(NamedTuple):
    """A recipient that is the person."""

    id: int
    message_id: int
    state: str


class StoredContent(NamedTuple):
    """A content with what can be searched."""

    key: bytes
    upload_id: int | None
    body: bytes | None
    links: bytes


_OWN = statement(
    "SELECT id, message_id, state FROM recipient WHERE workspace_id = ? AND address_key = ? AND id > ? "
    "ORDER BY id LIMIT ?"
)
_CONTENTS = statement(
    "SELECT key, upload_id, body, links FROM content WHERE workspace_id = ? AND key > ? ORDER BY key LIMIT ?"
)
_USERS = statement("SELECT id, content_key FROM message WHERE workspace_id = ? AND id > ? ORDER BY id LIMIT ?")
_WAITING = statement(
    sqlite="SELECT message_id, count(*) FROM recipient WHERE message_id IN (SELECT value FROM json_each(?)) "
    f"AND state NOT IN ({_SETTLED}) GROUP BY message_id",
    postgresql="SELECT message_id, count(*) FROM recipient WHERE message_id = ANY(?) "
    f"AND state NOT IN ({_SETTLED}) GROUP BY message_id",
)
_OTHERS = statement(
    sqlite="SELECT DISTINCT message_id FROM recipient WHERE message_id IN (SELECT value FROM json_each(?)) "
    "AND address_key <> ?",
    postgresql="SELECT DISTINCT message_id FROM recipient WHERE message_id = ANY(?) AND address_key <> ?",
)
_NEW_USER = statement("SELECT id FROM message WHERE workspace_id = ? AND id > ? AND content_key = ? LIMIT 1")
_DROP_BODY = statement(
    "UPDATE content SET body = NULL, upload_id = NULL, plan = ?, links = ? WHERE workspace_id = ? AND key = ?"
)
_EVENTS_OF = statement("SELECT id, detail FROM event WHERE recipient_id = ? AND id > ? ORDER BY id LIMIT ?")
_SET_DETAILS = RowsStatement(
    "UPDATE event SET detail = v.detail FROM v WHERE event.id = v.id RETURNING event.id", id="int", detail="text"
)
_HITS_OF = statement("DELETE FROM hit WHERE id IN (SELECT id FROM hit WHERE recipient_id = ? LIMIT ?) RETURNING id")
_COPIES_OF = statement(
    "DELETE FROM sandbox_copy WHERE recipient_id IN (SELECT c.recipient_id FROM recipient r "
    "JOIN sandbox_copy c ON c.recipient_id = r.id WHERE r.message_id = ? LIMIT ?) RETURNING recipient_id"
)
_ERASE_SET = f"UPDATE recipient SET address = '{CUT}', address_key = ?, original = '', merge = '', reason = '{CUT}' "
_ERASE = statement(
    sqlite=f"{_ERASE_SET} WHERE id IN (SELECT value FROM json_each(?)) AND state IN ({_SETTLED}) RETURNING id",
    postgresql=f"{_ERASE_SET} WHERE id = ANY(?) AND state IN ({_SETTLED}) RETURNING id",
)

_SUPPRESSIONS = statement("SELECT id, scope FROM suppression WHERE workspace_id = ? AND address_key = ?")
_HIDE_SUPPRESSION = statement(
    f"UPDATE suppression SET address_key = ?, reason = CASE WHEN source = 'api' THEN '{CUT}' ELSE reason END, "
    "evidence = '' WHERE id = ?"
)
_DROP_SUPPRESSION = statement("DELETE FROM suppression WHERE id = ?")

_ANSWERS = statement(
    "SELECT workspace_id, key, answer FROM idempotency WHERE (workspace_id, key) > (?, ?) "
    "ORDER BY workspace_id, key LIMIT ?"
)
_SET_ANSWER = statement("UPDATE idempotency SET key = ?, answer = ? WHERE workspace_id = ? AND key = ?")

_ADD_TAG = statement("INSERT INTO message_tag (workspace_id, tag, message_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
_DROP_TAGS = statement(
    sqlite="DELETE FROM message_tag WHERE workspace_id = ? AND message_id = ? "
    "AND tag IN (SELECT value FROM json_each(?))",
    postgresql="DELETE FROM message_tag WHERE workspace_id = ? AND message_id = ? AND tag = ANY(?)",
)
_COUNTER_COLUMNS = ", ".join(COUNTERS)
_MOVE_COUNTERS = statement(
    f"INSERT INTO counter (workspace_id, hour, dimension, key, node, {_COUNTER_COLUMNS}) "
    f"SELECT workspace_id, hour, dimension, ?, node, {_COUNTER_COLUMNS} FROM counter "
    "WHERE workspace_id = ? AND dimension = 'tag' AND key = ? "
    "ON CONFLICT (workspace_id, hour, dimension, key, node) DO UPDATE SET "
    + ", ".join(f"{name} = counter.{name} + excluded.{name}" for name in COUNTERS)
)
_DROP_COUNTERS = statement("DELETE FROM counter WHERE workspace_id = ? AND dimension = 'tag' AND key = ?")


def own_recipients(conn: Conn, workspace_id: int, address_key: str, after: int, limit: int) -> list[OwnRecipient]:
    """Return the recipients of a workspace that are the person, with ids above `after`."""
    return [OwnRecipient._make(row) for row in conn.all(_OWN, (workspace_id, address_key, after, limit))]


def contents_after(conn: Conn, workspace_id: int, after: bytes, limit: int) -> list[StoredContent]:
    """Return the next contents of a workspace by key."""
    rows = conn.all(_CONTENTS, (workspace_id, after, limit))
    return [
        StoredContent(bytes(row[0]), row[1], None if row[2] is None else bytes(row[2]), bytes(row[3])) for row in rows
    ]


def users_after(conn: Conn, workspace_id: int, after: int, limit: int) -> list[tuple[int, bytes]]:
    """Return the next messages of a workspace with the keys of their contents."""
    return [(row[0], bytes(row[1])) for row in conn.all(_USERS, (workspace_id, after, limit))]


def waiting_of(reader: Conn | Tx, message_ids: Sequence[int]) -> dict[int, int]:
    """Return how many recipients of each of these messages are not settled; those without any are missing."""
    parameters = (reader.many(list(message_ids)),)
    rows = reader.run(_WAITING, parameters) if isinstance(reader, Tx) else reader.all(_WAITING, parameters)
    return {row[0]: row[1] for row in rows}


def shared_among(conn: Conn, message_ids: Sequence[int], address_key: str) -> set[int]:
    """Return those of these messages that have other recipients too."""
    return {row[0] for row in conn.all(_OTHERS, (conn.many(list(message_ids)), address_key))}


def drop_content(tx: Tx, workspace_id: int, key: bytes, users: Sequence[int], after: int, links: bytes) -> bool:
    """Delete the body of a content, leaving these links.

    False where one of the messages that use it waits: `users`, or one with an id above `after`.
    """
    if waiting_of(tx, users) or tx.run(_NEW_USER, (workspace_id, after, key)):
        return False
    tx.run(_DROP_BODY, (b"", links, workspace_id, key))
    return True


def events_of(conn: Conn, recipient_id: int, after: int, limit: int) -> list[tuple[int, str]]:
    """Return id and detail of a recipient's events with ids above `after`."""
    return [(row[0], row[1]) for row in conn.all(_EVENTS_OF, (recipient_id, after, limit))]


def set_details(tx: Tx, details: Sequence[tuple[int, str]]) -> None:
    """Store other details of events."""
    tx.run_rows(_SET_DETAILS, details)


def drop_hits_of(tx: Tx, recipient_id: int, limit: int) -> int:
    """Delete up to `limit` hits of a recipient; return how many."""
    return len(tx.run(_HITS_OF, (recipient_id, limit)))


def drop_copies_of(tx: Tx, message_id: int, limit: int) -> int:
    """Delete up to `limit` copies that the sandbox kept of a message; return how many."""
    return len(tx.run(_COPIES_OF, (message_id, limit)))


def erase_recipients(tx: Tx, recipient_ids: Sequence[int], hidden_key: str) -> int:
    """Take address, merge values and reason from settled recipients; return from how many."""
    return len(tx.run(_ERASE, (hidden_key, tx.many(list(recipient_ids)))))


def hide_suppressions(tx: Tx, workspace_id: int, address_key: str, hidden_key: str) -> int:
    """Let suppressions of an address hold for its keyed hash instead; return how many."""
    taken = {scope for _, scope in tx.run(_SUPPRESSIONS, (workspace_id, hidden_key))}
    found = tx.run(_SUPPRESSIONS, (workspace_id, address_key))
    for row_id, scope in found:
        if scope in taken:
            tx.run(_DROP_SUPPRESSION, (row_id,))
        else:
            tx.run(_HIDE_SUPPRESSION, (hidden_key, row_id))
    return len(found)


def answers_after(conn: Conn, workspace_id: int, key: str, limit: int) -> list[tuple[int, str, bytes]]:
    """Return the next answers to Idempotency-Keys, over all workspaces."""
    return [(row[0], row[1], bytes(row[2])) for row in conn.all(_ANSWERS, (workspace_id, key, limit))]


def set_answer(tx: Tx, workspace_id: int, key: str, new_key: str, answer: bytes) -> None:
    """Store another answer to a key, and the key itself."""
    tx.run(_SET_ANSWER, (new_key, answer, workspace_id, key))


def set_tags(tx: Tx, workspace_id: int, message_id: int, old: Sequence[str], new: Sequence[str]) -> None:
    """Find a message by other tags, and count what was counted under the old ones under the new ones."""
    tx.run(_DROP_TAGS, (workspace_id, message_id, tx.many(list(old))))
    for before, after in zip(old, new, strict=True):
        tx.run(_ADD_TAG, (workspace_id, after, message_id))
        if before != after:
            tx.run(_MOVE_COUNTERS, (after, workspace_id, before))
            tx.run(_DROP_COUNTERS, (workspace_id, before))


class Sweep:
    """Reads and rewrites the rows of one table whose text holds one of some forms."""

    def __init__(self, swept: Swept, forms: Sequence[str]) -> None:
        self.swept = swept
        self._likes = [f"%{_escaped(form)}%" for form in forms]
        table, key, columns = swept.table, swept.key, swept.columns
        self._top = statement(
            f"SELECT max(k), count(*) FROM (SELECT {key} AS k FROM {table} WHERE {key} > ? ORDER BY {key} LIMIT ?) AS s"
        )
        self._find: dict[bool, Statement] = {}
        for with_workspace in (False, True):
            limit = f" AND {swept.workspace} = ?" if with_workspace and swept.workspace else ""
            head = f"SELECT {key}, {swept.workspace or 0}, {', '.join(columns)} FROM {table} "
            head += f"WHERE {key} > ? AND {key} <= ?"
            self._find[with_workspace] = statement(
                sqlite=f"{head}{limit} AND ({self._any('LIKE')})",
                postgresql=f"{head}{limit} AND ({self._any('ILIKE')})",
            )
        self._set = statement(f"UPDATE {table} SET {', '.join(f'{name} = ?' for name in columns)} WHERE {key} = ?")

    def next(self, conn: Conn, workspace_id: int | None, after: int) -> tuple[int | None, list[Named]]:
        """Return where the next slice behind `after` ends (None: there is none) and which of its rows may name it."""
        top = (conn.one(self._top, (after, SLICE)) or (None,))[0]
        if top is None:
            return None, []
        limited = workspace_id is not None and bool(self.swept.workspace)
        given: tuple[Any, ...] = (
            after,
            top,
            *((workspace_id,) if limited else ()),
            *self._likes * len(self.swept.columns),
        )
        rows = conn.all(self._find[limited], given)
        return int(top), [Named(row[0], row[1] or 0, tuple(row[2:])) for row in rows]

    def rewrite(self, tx: Tx, row_id: int, texts: Sequence[str]) -> None:
        """Store other texts of a row."""
        tx.run(self._set, (*texts, row_id))

    def _any(self, operator: str) -> str:
        one = [f"{{0}} {operator} ? ESCAPE '\\'" for _ in self._likes]
        return " OR ".join(" OR ".join(one).format(column) for column in self.swept.columns)


def _escaped(form: str) -> str:
    return form.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
