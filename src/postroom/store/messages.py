"""Table `message`: submissions, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, exists, select

from postroom.ledger.rows import MessageRow, MessageTagRow
from postroom.store import schema
from postroom.store.database import Conn, Tx, statement

_COLUMNS = ", ".join(MessageRow._fields)
_M = schema.mail.message.c
_R = schema.mail.recipient.c
_T = schema.mail.message_tag.c

_decode_tags = msgspec.json.Decoder(list[str]).decode

_BY_ID = statement(f"SELECT {_COLUMNS} FROM message WHERE workspace_id = ? AND id = ?")

# How many recipients of each message are in which state.
_STATES = statement(
    sqlite="SELECT message_id, state, COUNT(*) FROM recipient "
    "WHERE message_id IN (SELECT value FROM json_each(?)) AND workspace_id + 0 = ? GROUP BY message_id, state",
    postgresql="SELECT message_id, state, COUNT(*) FROM recipient "
    "WHERE message_id = ANY(?) AND workspace_id = ? GROUP BY message_id, state",
)


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which messages are asked for; None asks nothing."""

    tag: str | None = None
    stream: str | None = None
    state: str | None = None
    """At least one recipient is in this state."""
    message_id: str | None = None
    """Value of the Message-ID field with angle brackets."""
    least_id: int | None = None
    before_id: int | None = None
    """Only ids below: the cursor, or the end of a time."""


def add(tx: Tx, row: MessageRow) -> None:
    """Write a message, and what finds it by its tags."""
    tx.add(row)
    if row.tags != "[]":
        for tag in dict.fromkeys(_decode_tags(row.tags)):
            tx.add(MessageTagRow(row.workspace_id, tag, row.id))


def message_by_id(conn: Conn, workspace_id: int, message_id: int) -> MessageRow | None:
    """Return a message of this workspace, or None."""
    row = conn.one(_BY_ID, (workspace_id, message_id))
    return MessageRow._make(row) if row else None


def page(conn: Conn, workspace_id: int, asked: MessageFilter, limit: int) -> list[MessageRow]:
    """Return up to `limit` messages, newest first."""
    query = select(schema.mail.message).where(_M.workspace_id == workspace_id)
    id_column = _M.id
    if asked.tag is not None:
        # The index of tags gives the order: what is tagged seldom is found without walking through the rest.
        query = query.join(schema.mail.message_tag, _T.message_id == _M.id)
        query = query.where(_T.workspace_id == workspace_id, _T.tag == asked.tag)
        id_column = _T.message_id
    if asked.least_id is not None:
        query = query.where(id_column >= asked.least_id)
    if asked.before_id is not None:
        query = query.where(id_column < asked.before_id)
    if asked.stream is not None:
        query = query.where(_M.stream == asked.stream)
    if asked.message_id is not None:
        query = query.where(_M.message_id == asked.message_id)
    if asked.state is not None:
        query = query.where(exists().where(_R.message_id == _M.id, _R.state == asked.state))
    rows = conn.select(query.order_by(id_column.desc()).limit(limit))
    return [MessageRow._make(row) for row in rows]


def states_of(conn: Conn, workspace_id: int, message_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """Return for each message how many of its recipients are in which state. One statement."""
    found: dict[int, dict[str, int]] = {message_id: {} for message_id in message_ids}
    if message_ids:
        for message_id, state, count in conn.all(_STATES, (conn.many(list(message_ids)), workspace_id)):
            found[message_id][state] = count
    return found


def has_tag(workspace_id: int, tag: str, message_id: ColumnElement[int] = _M.id) -> ColumnElement[Any]:
    """Return the condition that the message that `message_id` names has a tag."""
    return exists().where(_T.workspace_id == workspace_id, _T.tag == tag, _T.message_id == message_id)
