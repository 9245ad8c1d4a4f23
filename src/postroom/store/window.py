"""The rows of a window with what belongs to them, one by one and in no other order. For `store.activity`.

From each row of the window to its own, and nothing else: PostgreSQL would
rather read whole tables for a window of some thousands, SQLite go through an
index of a condition. On PostgreSQL each look-up is fenced (LATERAL, OFFSET 0).
"""

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, FromClause, Subquery, join, select, true

from postroom.store import schema
from postroom.store.database import Conn

_R = schema.mail.recipient.c
_M = schema.mail.message.c
_E = schema.facts.event.c


class Looked(NamedTuple):
    """The rows of a window with what is asked of them."""

    source: FromClause
    recipient: Any
    """Columns, as are the other two."""
    message: Any
    event: Any = None


def recipients_by(conn: Conn, inside: Subquery, column: ColumnElement[int]) -> Looked:
    """Return the recipients whose `column` (id or message_id) is in a window, with their messages."""
    if conn.engine == "sqlite":
        source = join(inside, schema.mail.recipient, inside.c.id == column)
        return Looked(source.join(schema.mail.message, _M.id == _R.message_id), _R, _M)
    recipient = select(schema.mail.recipient).where(column == inside.c.id).offset(0).lateral("r")
    message = _message_of(recipient.c.message_id)
    source = join(inside, recipient, true()).join(message, true())
    return Looked(source, recipient.c, message.c)


def events_by(conn: Conn, inside: Subquery) -> Looked:
    """Return the events of a window, with recipient and message where they have one."""
    if conn.engine == "sqlite":
        source = join(inside, schema.facts.event, inside.c.id == _E.id)
        source = source.outerjoin(schema.mail.recipient, _R.id == _E.recipient_id)
        return Looked(source.outerjoin(schema.mail.message, _M.id == _E.message_id), _R, _M, _E)
    event = select(schema.facts.event).where(_E.id == inside.c.id).offset(0).lateral("e")
    recipient = select(schema.mail.recipient).where(_R.id == event.c.recipient_id).offset(0).lateral("r")
    message = _message_of(event.c.message_id)
    source = join(inside, event, true()).outerjoin(recipient, true()).outerjoin(message, true())
    return Looked(source, recipient.c, message.c, event.c)


def _message_of(message_id: ColumnElement[int]) -> FromClause:
    return select(_M.id, _M.subject, _M.stream).where(_M.id == message_id).offset(0).lateral("m")
