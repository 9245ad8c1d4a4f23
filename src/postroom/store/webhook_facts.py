"""What a request to an endpoint is made of: the endpoint as it is now, and events with their message and recipient."""

from collections.abc import Sequence
from typing import NamedTuple

from postroom.ledger.webhook_rows import WebhookEndpointRow, WebhookProgressRow
from postroom.store.database import Conn, statement


class MessageFacts(NamedTuple):
    """What never changes of a message."""

    message_id: str
    author_address: str
    subject: str
    stream: str
    tags: str
    """JSON list."""
    metadata: str
    """JSON object."""


class RecipientFacts(NamedTuple):
    """What never changes of a recipient."""

    address: str
    domain: str
    provider: str


class ToldEvent(NamedTuple):
    """An event with what is told beside it."""

    id: int
    message_id: int | None
    recipient_id: int | None
    kind: str
    at_ms: int
    detail: str
    """JSON object."""
    message: MessageFacts | None
    """None: it belongs to no message, or the message is purged."""
    recipient: RecipientFacts | None


_SELECT = (
    "SELECT e.id, e.message_id, e.recipient_id, e.kind, e.at_ms, e.detail, "
    "m.message_id, m.author_address, m.subject, m.stream, m.tags, m.metadata, r.address, r.domain, r.provider "
    "FROM event e LEFT JOIN message m ON m.id = e.message_id LEFT JOIN recipient r ON r.id = e.recipient_id "
    "WHERE e.workspace_id = ? AND e.id "
)
_EVENTS = statement(
    sqlite=_SELECT + "IN (SELECT value FROM json_each(?)) ORDER BY e.id",
    postgresql=_SELECT + "= ANY(?) ORDER BY e.id",
)
_ENDPOINT = statement(f"SELECT {', '.join(WebhookEndpointRow._fields)} FROM webhook_endpoint WHERE id = ?")
_PROGRESS = statement(f"SELECT {', '.join(WebhookProgressRow._fields)} FROM webhook_progress WHERE endpoint_id = ?")

_FACTS_AT, _RECIPIENT_AT = 6, 12


def told_events(conn: Conn, workspace_id: int, event_ids: Sequence[int]) -> list[ToldEvent]:
    """Return those of the events that the workspace has, by id."""
    return [_told(row) for row in conn.all(_EVENTS, (workspace_id, conn.many(event_ids)))]


def endpoint_now(conn: Conn, endpoint_id: int) -> WebhookEndpointRow | None:
    """Return an endpoint of any workspace, for the worker; None: it is deleted."""
    row = conn.one(_ENDPOINT, (endpoint_id,))
    return None if row is None else WebhookEndpointRow._make(row)


def progress_now(conn: Conn, endpoint_id: int) -> WebhookProgressRow | None:
    """Return how an endpoint fares, for the worker; None: it is deleted."""
    row = conn.one(_PROGRESS, (endpoint_id,))
    return None if row is None else WebhookProgressRow._make(row)


def _told(row: tuple[object, ...]) -> ToldEvent:
    message = None if row[_FACTS_AT] is None else MessageFacts._make(row[_FACTS_AT:_RECIPIENT_AT])
    recipient = None if row[_RECIPIENT_AT] is None else RecipientFacts._make(row[_RECIPIENT_AT:])
    return ToldEvent._make((*row[:_FACTS_AT], message, recipient))
