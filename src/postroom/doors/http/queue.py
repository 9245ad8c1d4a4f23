"""`/queue`: what waits and why, and moving it by hand."""

from typing import Annotated, Any, ClassVar

from litestar import Response, get, post
from msgspec import UNSET, Meta, Struct, UnsetType

from postroom.base.ids import made_at_ms, parse_id
from postroom.doors.http.fields import Errors, read_object, read_query
from postroom.doors.http.lists import Limit, Offset
from postroom.doors.http.message_models import Tag
from postroom.doors.http.messages import MovedOut, RecipientPage
from postroom.doors.http.operation import Operation, described, id_pattern
from postroom.doors.http.problems import FieldError, wrong_fields
from postroom.doors.http.recipients import RecipientsQuery, answer_page
from postroom.doors.http.requests import answer, body_of, cut_page
from postroom.doors.http.services import ApiRequest, services_of
from postroom.doors.http.views import Time
from postroom.doors.http.words import next_try, show_time
from postroom.events.moves import Move, move_selected
from postroom.ledger.states import SETTLED, RecipientState, Stream
from postroom.mail.address import address_key, domain_key
from postroom.store import recipients
from postroom.store.recipients import Depth, RecipientFilter

UNSETTLED = tuple(state for state in RecipientState if state not in SETTLED)


class QueueLine(Struct, frozen=True):
    """What one lane (a stream's mail to one domain) holds in one state."""

    domain: str
    stream: str
    site: str | None
    """Which destination serves the domain; null before the first look-up."""
    state: str
    recipients: int
    next_try: str
    """When the first of them is tried next, in words; empty where no try is planned."""
    next_try_at: Time | None
    last_try_at: Time | None
    """When the last of them is due."""
    oldest_at: Time
    """When the oldest of them was accepted."""


class QueuePage(Struct, frozen=True):
    """The queue, the largest lanes first."""

    items: list[QueueLine]
    next: str | None


class QueueQuery(Struct, frozen=True):
    """Which page."""

    cursor: Offset | None = None
    limit: Limit = 100


class Selection(Struct, frozen=True, forbid_unknown_fields=True):
    """Which recipients to move; conditions are joined by *and*, at least one is needed."""

    schema_extra: ClassVar[dict[str, Any]] = {"minProperties": 1}

    recipients: Annotated[list[Annotated[str, Meta(pattern=id_pattern("rcp"))]], Meta(max_length=1000)] | UnsetType = (
        UNSET
    )
    message: Annotated[str, Meta(pattern=id_pattern("msg"))] | UnsetType = UNSET
    address: Annotated[str, Meta(max_length=1000)] | UnsetType = UNSET
    domain: Annotated[str, Meta(max_length=1000, description="The recipients' domain.")] | UnsetType = UNSET
    state: RecipientState | UnsetType = UNSET
    stream: Stream | UnsetType = UNSET
    tag: Tag | UnsetType = UNSET
    provider: Annotated[str, Meta(max_length=100)] | UnsetType = UNSET
    everything: Annotated[bool, Meta(description="Selects all.", extra_json_schema={"const": True})] | UnsetType = UNSET


@get("/queue", opt=described(Operation("Show the queue", answers=QueuePage, query=QueueQuery)))
async def show_queue(request: ApiRequest) -> Response[bytes]:
    """Return how much waits for which domain in which state, and when it is tried next."""
    query = read_query(request.scope["query_string"], QueueQuery)
    services, workspace_id = services_of(request), request.user.id
    offset = int(query.cursor or 0)
    rows = await services.database.read(
        lambda conn: recipients.depth(conn, workspace_id, limit=query.limit + 1, offset=offset)
    )
    shown, more = cut_page(rows, query.limit)
    now_ms = services.clock.now_ms()
    return answer(QueuePage([_line(row, now_ms) for row in shown], str(offset + query.limit) if more else None))


@get("/queue/recipients", opt=described(Operation("List what waits", answers=RecipientPage, query=RecipientsQuery)))
async def list_queue(request: ApiRequest) -> Response[bytes]:
    """Return the recipients that are not settled, newest first, each with why it waits and its next try in words."""
    query = read_query(request.scope["query_string"], RecipientsQuery)
    states = UNSETTLED if query.state is None else tuple(state for state in UNSETTLED if state is query.state)
    return await answer_page(request, query, tuple(state.value for state in states))


@post(
    "/queue/hold",
    status_code=200,
    opt=described(Operation("Hold recipients back", answers=MovedOut, body=Selection)),
)
async def hold(request: ApiRequest) -> Response[bytes]:
    """Hold queued and deferred recipients back until they are released."""
    return await _move(request, Move.HOLD)


@post(
    "/queue/release",
    status_code=200,
    opt=described(Operation("Release held recipients", answers=MovedOut, body=Selection)),
)
async def release(request: ApiRequest) -> Response[bytes]:
    """Let held recipients go."""
    return await _move(request, Move.RELEASE)


@post(
    "/queue/cancel",
    status_code=200,
    opt=described(Operation("Cancel recipients", answers=MovedOut, body=Selection)),
)
async def cancel(request: ApiRequest) -> Response[bytes]:
    """Take queued, held, deferred and in-doubt recipients back for good."""
    return await _move(request, Move.CANCEL)


@post(
    "/queue/retry",
    status_code=200,
    opt=described(Operation("Try again now", answers=MovedOut, body=Selection)),
)
async def retry(request: ApiRequest) -> Response[bytes]:
    """Have deferred recipients tried at once; where ids, message or state are named, failed and in-doubt ones too.

    One in doubt may then arrive twice.
    """
    return await _move(request, Move.RETRY)


async def _move(request: ApiRequest, move: Move) -> Response[bytes]:
    services = services_of(request)
    errors = Errors()
    async with body_of(request) as body:
        given = read_object(await body.json(), Selection, errors)
    if given.everything is False:
        errors.add("everything", "invalid", "must be true, or be left out")
    errors.end()
    if all(getattr(given, name) is UNSET for name in given.__struct_fields__):
        raise wrong_fields([FieldError("body", "empty", "select something; `everything` selects all")])
    moved = await move_selected(
        services.database, services.ids, services.clock, request.user.id, move, _filter(given), "api"
    )
    return answer(MovedOut(moved.recipients, moved.more))


def _filter(given: Selection) -> RecipientFilter:
    return RecipientFilter(
        states=None if given.state is UNSET else (given.state.value,),
        address_key=None if given.address is UNSET else address_key(given.address),
        domain=None if given.domain is UNSET else domain_key(given.domain),
        message_id=None if given.message is UNSET else parse_id("msg", given.message),
        stream=None if given.stream is UNSET else given.stream.value,
        tag=None if given.tag is UNSET else given.tag,
        provider=None if given.provider is UNSET else given.provider,
        ids=None
        if given.recipients is UNSET
        else tuple(one for text in given.recipients if (one := parse_id("rcp", text)) is not None),
    )


def _line(row: Depth, now_ms: int) -> QueueLine:
    waits = row.state in (RecipientState.QUEUED, RecipientState.DEFERRED)
    return QueueLine(
        domain=row.domain,
        stream=row.stream,
        site=row.site,
        state=row.state,
        recipients=row.recipients,
        next_try=next_try(row.state, row.due_ms, now_ms),
        next_try_at=show_time(row.due_ms) if waits else None,
        last_try_at=show_time(row.due_last_ms) if waits else None,
        oldest_at=show_time(made_at_ms(row.oldest_id)),
    )
