"""`GET /messages…` and cancelling: what became of submissions."""

from collections.abc import Sequence

from litestar import Response, get, post
from msgspec import Struct

from postroom.base.ids import show_id
from postroom.doors.http.fields import read_query
from postroom.doors.http.lists import (
    EventCursor,
    Limit,
    MessageCursor,
    RecipientCursor,
    TimeText,
    id_or_none,
    lower,
    span_of_ids,
)
from postroom.doors.http.message_models import Tag
from postroom.doors.http.operation import Operation, described
from postroom.doors.http.problems import not_found
from postroom.doors.http.requests import answer, cut_page
from postroom.doors.http.services import ApiRequest, services_of
from postroom.doors.http.views import EventOut, MessageOut, RecipientOut, event_view, message_view, recipient_view
from postroom.doors.http.words import read_path_id
from postroom.events.moves import Move, move_selected
from postroom.ledger.rows import EventRow, MessageRow
from postroom.ledger.states import RecipientState, Stream
from postroom.store import events, messages, recipients
from postroom.store.database import Conn
from postroom.store.messages import MessageFilter
from postroom.store.recipients import RecipientFilter


class MessagesQuery(Struct, frozen=True, rename={"since": "from", "until": "to"}):
    """Which messages; conditions are joined by *and*."""

    tag: Tag | None = None
    stream: Stream | None = None
    state: RecipientState | None = None
    message_id: str | None = None
    since: TimeText | None = None
    until: TimeText | None = None
    cursor: MessageCursor | None = None
    limit: Limit = 50


class MessagePage(Struct, frozen=True):
    """Messages, newest first."""

    items: list[MessageOut]
    next: str | None


class RecipientPage(Struct, frozen=True):
    """Recipients."""

    items: list[RecipientOut]
    next: str | None


class EventPage(Struct, frozen=True):
    """Events, oldest first."""

    items: list[EventOut]
    next: str | None


def event_page(rows: Sequence[EventRow], limit: int) -> EventPage:
    """Return a page of the `limit + 1` events that were read."""
    shown, more = cut_page(rows, limit)
    return EventPage([event_view(row) for row in shown], show_id("evt", shown[-1].id) if more else None)


class RecipientsOfQuery(Struct, frozen=True):
    """Which page."""

    cursor: RecipientCursor | None = None
    limit: Limit = 100


class EventsOfQuery(Struct, frozen=True):
    """Which page."""

    cursor: EventCursor | None = None
    limit: Limit = 100


class MovedOut(Struct, frozen=True):
    """How many recipients moved."""

    moved: int
    more: bool
    """There may be more to move: ask again."""


@get("/messages", opt=described(Operation("List messages", answers=MessagePage, query=MessagesQuery)))
async def list_messages(request: ApiRequest) -> Response[bytes]:
    """Return messages, newest first. `state` asks for at least one recipient in it."""
    query = read_query(request.scope["query_string"], MessagesQuery)
    least_id, end_id = span_of_ids(query.since, query.until)
    asked = MessageFilter(
        tag=query.tag,
        stream=query.stream,
        state=query.state,
        message_id=query.message_id,
        least_id=least_id,
        before_id=lower(end_id, id_or_none("msg", query.cursor)),
    )
    workspace_id = request.user.id

    def read(conn: Conn) -> tuple[list[MessageRow], dict[int, dict[str, int]]]:
        rows = messages.page(conn, workspace_id, asked, query.limit + 1)
        return rows, messages.states_of(conn, workspace_id, [row.id for row in rows])

    rows, states = await services_of(request).database.read(read)
    shown, more = cut_page(rows, query.limit)
    items = [message_view(row, states[row.id]) for row in shown]
    return answer(MessagePage(items, items[-1].id if more else None))


@get("/messages/{id:str}", opt=described(Operation("Show a message", answers=MessageOut)))
async def get_message(request: ApiRequest) -> Response[bytes]:
    """Return a message with the states of its recipients."""
    message_id = read_path_id("msg", request.path_params["id"])
    workspace_id = request.user.id

    def read(conn: Conn) -> tuple[MessageRow | None, dict[int, dict[str, int]]]:
        row = messages.message_by_id(conn, workspace_id, message_id)
        return row, messages.states_of(conn, workspace_id, [message_id]) if row else {}

    row, states = await services_of(request).database.read(read)
    if row is None:
        raise not_found("message")
    return answer(message_view(row, states[message_id]))


@get(
    "/messages/{id:str}/recipients",
    opt=described(Operation("List the recipients of a message", answers=RecipientPage, query=RecipientsOfQuery)),
)
async def recipients_of_message(request: ApiRequest) -> Response[bytes]:
    """Return the recipients of a message in the order of its envelope, each with its state and why."""
    message_id = read_path_id("msg", request.path_params["id"])
    query = read_query(request.scope["query_string"], RecipientsOfQuery)
    after_id = id_or_none("rcp", query.cursor) or 0
    services, workspace_id = services_of(request), request.user.id
    await _must_exist(request, message_id)
    rows = await services.database.read(
        lambda conn: recipients.of_message(conn, workspace_id, message_id, after_id, query.limit + 1)
    )
    shown, more = cut_page(rows, query.limit)
    items = [recipient_view(row, services.clock.now_ms()) for row in shown]
    return answer(RecipientPage(items, items[-1].id if more else None))


@get(
    "/messages/{id:str}/events",
    opt=described(Operation("List the events of a message", answers=EventPage, query=EventsOfQuery)),
)
async def events_of_message(request: ApiRequest) -> Response[bytes]:
    """Return what happened to a message and its recipients, oldest first."""
    message_id = read_path_id("msg", request.path_params["id"])
    query = read_query(request.scope["query_string"], EventsOfQuery)
    after_id = id_or_none("evt", query.cursor) or 0
    workspace_id = request.user.id
    await _must_exist(request, message_id)
    rows = await services_of(request).database.read(
        lambda conn: events.of_message(conn, workspace_id, message_id, after_id, query.limit + 1)
    )
    return answer(event_page(rows, query.limit))


@post(
    "/messages/{id:str}/cancel",
    status_code=200,
    opt=described(Operation("Cancel a message", answers=MovedOut)),
)
async def cancel_message(request: ApiRequest) -> Response[bytes]:
    """Take back every recipient that is not sent yet. What is being sent at this moment stays."""
    message_id = read_path_id("msg", request.path_params["id"])
    services = services_of(request)
    await _must_exist(request, message_id)
    moved = await move_selected(
        services.database,
        services.ids,
        services.clock,
        request.user.id,
        Move.CANCEL,
        RecipientFilter(message_id=message_id),
        "api",
    )
    return answer(MovedOut(moved.recipients, moved.more))


async def _must_exist(request: ApiRequest, message_id: int) -> None:
    workspace_id = request.user.id
    row = await services_of(request).database.read(lambda conn: messages.message_by_id(conn, workspace_id, message_id))
    if row is None:
        raise not_found("message")
