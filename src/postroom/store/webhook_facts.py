"""What a request to an endpoint is made of: the endpoint as it is now, and events with their message and recipient."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from postroom.base.ids import parse_id
from postroom.base.packing import unpack
from postroom.ledger.account_rows import PartnerKeyRow
from postroom.ledger.event_kinds import EventKind
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


class InboundFacts(NamedTuple):
    """A mail that came in and that an event tells of."""

    id: int
    size_bytes: int
    raw: bytes | None
    """Its bytes; None where they are many, or gone."""


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
    inbound: InboundFacts | None = None
    """The mail that somebody wrote, of an event that tells of one."""
    account_id: int | None = None
    """The watched account that it tells of."""
    packed: bytes | None = None
    """The bytes of the mail that was found in it, in the form of `base.packing`; None where they are many, or gone."""


class PartnerFacts(NamedTuple):
    """What a request in SuperIMAP's form needs of its workspace."""

    key: PartnerKeyRow | None
    """The newest, which signs."""
    retries: int
    """Most tries of an event; 0: for three days."""


class _Detail(msgspec.Struct):
    inbound_id: str = ""


class _Found(msgspec.Struct):
    number: int = 0
    size_bytes: int = 0
    truncated: bool = False


_SELECT = (
    "SELECT e.id, e.message_id, e.recipient_id, e.kind, e.at_ms, e.detail, e.account_id, "
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

_INBOUND = statement(
    "SELECT i.id, i.size_bytes, CASE WHEN i.size_bytes <= ? THEN c.body END FROM inbound i "
    "LEFT JOIN inbound_content c ON c.id = i.content_id WHERE i.workspace_id = ? AND i.id = ?"
)
_WITH_INBOUND = (EventKind.REPLIED.value, EventKind.RECEIVED.value)
MOST_RAW_BYTES = 64 << 10
"""Of a mail whose bytes stand in an event: three of them fit into a batch."""
_MOST_TOGETHER = 512 << 10
"""Twice what a batch holds."""
SUPERIMAP_RETRIES = 6
"""SuperIMAP's own number of tries, where a workspace set none."""

_PARTNER = statement("SELECT retries FROM partner WHERE workspace_id = ?")
_NEWEST_KEY = statement(
    f"SELECT {', '.join(PartnerKeyRow._fields)} FROM partner_key WHERE workspace_id = ? ORDER BY id DESC LIMIT 1"
)
_CONTENT = statement("SELECT body FROM account_content WHERE account_id = ? AND number = ? AND workspace_id = ?")

_decode_inbound_id = msgspec.json.Decoder(_Detail).decode
_decode_found = msgspec.json.Decoder(_Found).decode
_FACTS_AT, _RECIPIENT_AT = 7, 13


def told_events(conn: Conn, workspace_id: int, event_ids: Sequence[int]) -> list[ToldEvent]:
    """Return those of the events that the workspace has, by id.

    Once bytes of mails have filled a request, those of later events are left out: they go into the next one.
    """
    events, room = [], _MOST_TOGETHER
    for row in conn.all(_EVENTS, (workspace_id, conn.many(event_ids))):
        event = _told(row)
        if room > 0:
            event = _with_bytes(conn, workspace_id, event)
            room -= len(event.packed or b"") + len(event.inbound.raw or b"" if event.inbound else b"")
        events.append(event)
    return events


def is_large(event: ToldEvent) -> bool:
    """Tell whether an event tells of a mail in a watched account whose bytes were not read with it: they are many."""
    found = _decode_found(event.detail) if event.kind == EventKind.MAIL_ARRIVED else _Found()
    return found.size_bytes > MOST_RAW_BYTES and not found.truncated


def with_bytes_of_mail(conn: Conn, workspace_id: int, event: ToldEvent) -> ToldEvent:
    """Return the event of a mail in a watched account with its bytes, however many, where they are still kept."""
    number = _decode_found(event.detail).number
    row = conn.one(_CONTENT, (event.account_id, number, workspace_id))
    return event if row is None else event._replace(packed=bytes(row[0]))


def partner_facts(conn: Conn, workspace_id: int) -> PartnerFacts:
    """Return what requests in SuperIMAP's form are signed with, and how often each event is tried."""
    partner, key = conn.one(_PARTNER, (workspace_id,)), conn.one(_NEWEST_KEY, (workspace_id,))
    return PartnerFacts(
        PartnerKeyRow._make(key)._replace(sealed=bytes(key[-2])) if key else None,
        partner[0] if partner else SUPERIMAP_RETRIES,
    )


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
    *fields, account_id = row[:_FACTS_AT]
    return ToldEvent._make((*fields, message, recipient, None, account_id, None))


def _with_bytes(conn: Conn, workspace_id: int, event: ToldEvent) -> ToldEvent:
    if event.kind in _WITH_INBOUND:
        return _with_inbound(conn, workspace_id, event)
    if event.kind != EventKind.MAIL_ARRIVED or is_large(event):
        return event
    return with_bytes_of_mail(conn, workspace_id, event)


def _with_inbound(conn: Conn, workspace_id: int, event: ToldEvent) -> ToldEvent:
    row_id = parse_id("inb", _decode_inbound_id(event.detail).inbound_id)
    row = None if row_id is None else conn.one(_INBOUND, (MOST_RAW_BYTES, workspace_id, row_id))
    if row is None:
        return event
    return event._replace(inbound=InboundFacts(row[0], row[1], None if row[2] is None else unpack(row[2])))
