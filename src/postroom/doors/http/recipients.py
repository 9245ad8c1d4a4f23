"""`GET /recipients…`: the ledger, one envelope recipient at a time."""

from litestar import Response, get
from msgspec import Struct

from postroom.doors.http.fields import read_query
from postroom.doors.http.lists import Limit, MessageCursor, RecipientCursor, TimeText, id_or_none, lower, span_of_ids
from postroom.doors.http.message_models import Tag
from postroom.doors.http.messages import EventPage, EventsOfQuery, RecipientPage, event_page
from postroom.doors.http.operation import Operation, described
from postroom.doors.http.problems import not_found
from postroom.doors.http.requests import answer, cut_page
from postroom.doors.http.services import ApiRequest, services_of
from postroom.doors.http.views import RecipientOut, recipient_view
from postroom.doors.http.words import read_path_id
from postroom.ledger.rows import RecipientRow
from postroom.ledger.states import RecipientState, Stream
from postroom.mail.address import address_key, domain_key
from postroom.store import events, recipients, sandbox
from postroom.store.recipients import RecipientFilter

_COPY_TYPE = "message/rfc822"


class RecipientsQuery(Struct, frozen=True, rename={"since": "from", "until": "to"}):
    """Which recipients; conditions are joined by *and*."""

    state: RecipientState | None = None
    address: str | None = None
    domain: str | None = None
    message: MessageCursor | None = None
    tag: Tag | None = None
    stream: Stream | None = None
    provider: str | None = None
    since: TimeText | None = None
    until: TimeText | None = None
    cursor: RecipientCursor | None = None
    limit: Limit = 100


@get("/recipients", opt=described(Operation("List recipients", answers=RecipientPage, query=RecipientsQuery)))
async def list_recipients(request: ApiRequest) -> Response[bytes]:
    """Return recipients, newest first. An address is found in whatever letter case it was written."""
    query = read_query(request.scope["query_string"], RecipientsQuery)
    states = None if query.state is None else (query.state.value,)
    return await answer_page(request, query, states)


@get("/recipients/{id:str}", opt=described(Operation("Show a recipient", answers=RecipientOut)))
async def get_recipient(request: ApiRequest) -> Response[bytes]:
    """Return a recipient with its state, why it is there, and when the next try comes."""
    row = await _existing(request, read_path_id("rcp", request.path_params["id"]))
    return answer(recipient_view(row, services_of(request).clock.now_ms()))


@get(
    "/recipients/{id:str}/events",
    opt=described(Operation("List the events of a recipient", answers=EventPage, query=EventsOfQuery)),
)
async def events_of_recipient(request: ApiRequest) -> Response[bytes]:
    """Return what happened to a recipient, oldest first, with the reply of each try."""
    recipient_id = read_path_id("rcp", request.path_params["id"])
    query = read_query(request.scope["query_string"], EventsOfQuery)
    after_id = id_or_none("evt", query.cursor) or 0
    workspace_id = request.user.id
    await _existing(request, recipient_id)
    rows = await services_of(request).database.read(
        lambda conn: events.of_recipient(conn, workspace_id, recipient_id, after_id, query.limit + 1)
    )
    return answer(event_page(rows, query.limit))


@get(
    "/recipients/{id:str}/copy",
    opt=described(Operation("Show the copy in the sandbox", answers=None, media_type=_COPY_TYPE)),
)
async def get_copy(request: ApiRequest) -> Response[bytes]:
    """Return the copy that the sandbox keeps of a recipient: what would have left, byte for byte. 404 without one."""
    recipient_id, workspace_id = read_path_id("rcp", request.path_params["id"]), request.user.id
    services = services_of(request)
    row = await services.database.read(lambda conn: sandbox.sandbox_copy(conn, workspace_id, recipient_id))
    if row is None:
        raise not_found("copy in the sandbox")
    return Response(await services.slow.run(lambda: sandbox.wire_copy(row)), media_type=_COPY_TYPE)


async def answer_page(request: ApiRequest, query: RecipientsQuery, states: tuple[str, ...] | None) -> Response[bytes]:
    """Answer a page of the recipients that are in one of `states` (None: in any)."""
    services, workspace_id = services_of(request), request.user.id
    least_id, end_id = span_of_ids(query.since, query.until)
    asked = RecipientFilter(
        states=states,
        address_key=None if query.address is None else address_key(query.address),
        domain=None if query.domain is None else domain_key(query.domain),
        message_id=id_or_none("msg", query.message),
        stream=query.stream,
        tag=query.tag,
        provider=query.provider,
        least_id=least_id,
        before_id=lower(end_id, id_or_none("rcp", query.cursor)),
    )
    rows = await services.database.read(lambda conn: recipients.page(conn, workspace_id, asked, query.limit + 1))
    shown, more = cut_page(rows, query.limit)
    now_ms = services.clock.now_ms()
    items = [recipient_view(row, now_ms) for row in shown]
    return answer(RecipientPage(items, items[-1].id if more else None))


async def _existing(request: ApiRequest, recipient_id: int) -> RecipientRow:
    workspace_id = request.user.id
    row = await services_of(request).database.read(
        lambda conn: recipients.recipient_by_id(conn, workspace_id, recipient_id)
    )
    if row is None:
        raise not_found("recipient")
    return row
