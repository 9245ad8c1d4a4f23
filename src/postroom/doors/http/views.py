"""How messages, recipients and events look in answers."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from postroom.base.ids import made_at_ms, show_id
from postroom.doors.http.words import next_try, show_time, show_time_or_none, why
from postroom.ledger.rows import EventRow, MessageRow, RecipientRow
from postroom.ledger.states import RecipientState
from postroom.outbound.submission import Track

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]

_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_decode_tags = msgspec.json.Decoder(list[str]).decode
_decode_metadata = msgspec.json.Decoder(dict[str, str]).decode


class Tracked(Struct, frozen=True):
    """What is tracked of a message."""

    opens: bool
    clicks: bool
    replies: bool
    text_clicks: bool


class MessageOut(Struct, frozen=True):
    """One submission."""

    id: str
    subject: str
    author: str
    """Address of From."""
    reverse_path: str
    message_id: str
    """Value of the Message-ID field."""
    stream: str
    source: str
    tags: list[str]
    metadata: dict[str, str]
    track: Tracked
    size_bytes: int
    send_at: Time | None
    created_at: Time
    states: dict[str, int]
    """How many recipients are in which state."""


class Reply(Struct, frozen=True):
    """The last reply of the peer."""

    code: int
    status: str


class RecipientOut(Struct, frozen=True):
    """One envelope recipient."""

    id: str
    message: str
    address: str
    domain: str
    provider: str
    state: str
    why: str
    next_try: str
    """When the next try comes, in words; empty where none is planned."""
    next_try_at: Time | None
    tries: int
    reply: Reply | None
    next_hop: str
    created_at: Time
    first_tried_at: Time | None
    settled_at: Time | None
    opened_at: Time | None
    human_opened_at: Time | None
    clicked_at: Time | None
    human_clicked_at: Time | None
    unsubscribed_at: Time | None
    complained_at: Time | None
    reason: str | None
    """Why it failed, one of docs/reasons.md; null unless it failed."""


class EventOut(Struct, frozen=True):
    """Something that happened."""

    id: str
    kind: str
    at: Time
    message: str | None
    recipient: str | None
    detail: dict[str, Any]


def message_view(row: MessageRow, states: dict[str, int]) -> MessageOut:
    """Return a message as the API shows it."""
    track = Track(row.track)
    return MessageOut(
        id=show_id("msg", row.id),
        subject=row.subject,
        author=row.author_address,
        reverse_path=row.reverse_path,
        message_id=row.message_id,
        stream=row.stream,
        source=row.source,
        tags=_decode_tags(row.tags),
        metadata=_decode_metadata(row.metadata),
        track=Tracked(Track.OPENS in track, Track.CLICKS in track, Track.REPLIES in track, Track.TEXT_CLICKS in track),
        size_bytes=row.size_bytes,
        send_at=show_time_or_none(row.send_at_ms),
        created_at=show_time(row.created_ms),
        states=states,
    )


def recipient_view(row: RecipientRow, now_ms: int) -> RecipientOut:
    """Return a recipient as the API shows it at `now_ms`."""
    waits = row.state in (RecipientState.QUEUED, RecipientState.DEFERRED)
    return RecipientOut(
        id=show_id("rcp", row.id),
        message=show_id("msg", row.message_id),
        address=row.address,
        domain=row.domain,
        provider=row.provider,
        state=row.state,
        why=why(row, now_ms),
        next_try=next_try(row.state, row.due_ms, now_ms),
        next_try_at=show_time(row.due_ms) if waits else None,
        tries=row.tries,
        reply=None if row.reply_code is None else Reply(row.reply_code, row.reply_status),
        next_hop=row.next_hop,
        created_at=show_time(made_at_ms(row.id)),
        first_tried_at=show_time_or_none(row.first_tried_ms),
        settled_at=show_time_or_none(row.settled_ms),
        opened_at=show_time_or_none(row.opened_ms),
        human_opened_at=show_time_or_none(row.human_opened_ms),
        clicked_at=show_time_or_none(row.clicked_ms),
        human_clicked_at=show_time_or_none(row.human_clicked_ms),
        unsubscribed_at=show_time_or_none(row.unsubscribed_ms),
        complained_at=show_time_or_none(row.complained_ms),
        reason=row.cause or None,
    )


def event_view(row: EventRow) -> EventOut:
    """Return an event as the API shows it."""
    detail = _decode_object(row.detail) if row.detail else {}
    next_try_ms = detail.pop("next_try_ms", None)
    if isinstance(next_try_ms, int):
        detail["next_try_at"] = show_time(next_try_ms)
    return EventOut(
        id=show_id("evt", row.id),
        kind=row.kind,
        at=show_time(row.at_ms),
        message=None if row.message_id is None else show_id("msg", row.message_id),
        recipient=None if row.recipient_id is None else show_id("rcp", row.recipient_id),
        detail=detail,
    )
