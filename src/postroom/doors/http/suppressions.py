"""`/suppressions`: addresses that get no mail."""

from typing import Annotated

from litestar import Response, delete, get, post
from msgspec import Meta, Struct

from postroom.base.errors import WrongInput
from postroom.base.ids import show_id
from postroom.doors.http.fields import Errors, read_object, read_query
from postroom.doors.http.lists import Limit, SuppressionCursor, id_or_none
from postroom.doors.http.operation import Operation, described
from postroom.doors.http.problems import not_found
from postroom.doors.http.requests import answer, body_of, cut_page
from postroom.doors.http.services import ApiRequest, services_of
from postroom.doors.http.views import Time
from postroom.doors.http.words import read_time, show_time, show_time_or_none
from postroom.events import suppression
from postroom.events.evidence import named_in, quoted_line
from postroom.ledger.rows import SuppressionRow
from postroom.ledger.states import SuppressionScope
from postroom.mail.address import address_key, check_address
from postroom.store import suppressions
from postroom.store.database import Conn, Tx

_MAX_ID = (1 << 63) - 1


class SuppressionOut(Struct, frozen=True):
    """An address that gets no mail of a scope."""

    id: str
    address: str
    """As it is compared: local-part case-folded, domain as lower-case A-labels."""
    scope: str
    reason: str
    source: str
    evidence: str
    recipient: str | None
    """Recipient of ours whose answer, bounce, complaint or wish caused it; null where none did."""
    inbound: str | None
    """Mail that came in and caused it; null where none did."""
    active: bool
    """False once `expires_at` is reached."""
    expires_at: Time | None
    created_at: Time


class SuppressionPage(Struct, frozen=True):
    """Suppressions, newest first."""

    items: list[SuppressionOut]
    next: str | None


class SuppressionIn(Struct, frozen=True, forbid_unknown_fields=True):
    """An address to suppress. One row an address and scope: a second request renews it."""

    address: Annotated[str, Meta(extra_json_schema={"format": "email"})]
    scope: Annotated[SuppressionScope, Meta(description="`all` stops every mail, the others one stream.")] = (
        SuppressionScope.ALL
    )
    reason: Annotated[str, Meta(max_length=500)] = ""
    evidence: Annotated[str, Meta(max_length=10_000, description="What it rests on.")] = ""
    expires_at: (
        Annotated[str, Meta(description="RFC 3339 with offset.", extra_json_schema={"format": "date-time"})] | None
    ) = None


class SuppressionsQuery(Struct, frozen=True):
    """Which suppressions."""

    address: str | None = None
    cursor: SuppressionCursor | None = None
    limit: Limit = 100


class ScopeQuery(Struct, frozen=True):
    """Which of an address's suppressions; without it all."""

    scope: SuppressionScope | None = None


@get("/suppressions", opt=described(Operation("List suppressions", answers=SuppressionPage, query=SuppressionsQuery)))
async def list_suppressions(request: ApiRequest) -> Response[bytes]:
    """Return suppressions, newest first; with `address` those of one address."""
    query = read_query(request.scope["query_string"], SuppressionsQuery)
    services, workspace_id = services_of(request), request.user.id
    before_id = id_or_none("sup", query.cursor) or _MAX_ID
    if query.address is not None:
        rows = await _of_address(request, address_key(query.address))
        rows = sorted((row for row in rows if row.id < before_id), key=lambda row: -row.id)[: query.limit + 1]
    else:
        rows = await services.database.read(
            lambda conn: suppressions.page(conn, workspace_id, before_id, query.limit + 1)
        )
    shown, more = cut_page(rows, query.limit)
    now_ms = services.clock.now_ms()
    items = [_view(row, now_ms) for row in shown]
    return answer(SuppressionPage(items, items[-1].id if more else None))


@post(
    "/suppressions",
    status_code=201,
    opt=described(Operation("Suppress an address", answers=SuppressionOut, status=201, body=SuppressionIn)),
)
async def add_suppression(request: ApiRequest) -> Response[bytes]:
    """Put an address on the list. Mail to it that is queued already is stopped at its next try."""
    services, workspace_id = services_of(request), request.user.id
    errors = Errors()
    async with body_of(request) as body:
        given = read_object(await body.json(), SuppressionIn, errors)
    address, expires_ms = _checked(given, errors)
    errors.end()
    now_ms = services.clock.now_ms()
    row = SuppressionRow(
        services.ids.next(),
        workspace_id,
        address_key(address),
        given.scope.value,
        given.reason,
        "api",
        given.evidence,
        expires_ms,
        now_ms,
    )
    event_id = services.ids.next()
    stands = await services.database.write(lambda tx: suppression.add(tx, row, event_id))
    return answer(_view(stands, now_ms), 201)


@get("/suppressions/{address:str}", opt=described(Operation("Show an address", answers=SuppressionPage)))
async def get_suppression(request: ApiRequest) -> Response[bytes]:
    """Return the suppressions of an address, one a scope. 404 where it has none."""
    rows = await _of_address(request, _path_key(request))
    if not rows:
        raise not_found("suppression")
    now_ms = services_of(request).clock.now_ms()
    return answer(SuppressionPage([_view(row, now_ms) for row in rows], None))


@delete(
    "/suppressions/{address:str}",
    status_code=204,
    opt=described(Operation("Take an address off", answers=None, status=204, query=ScopeQuery)),
)
async def remove_suppression(request: ApiRequest) -> Response[None]:
    """Take an address off the list: one scope, or all. 404 where it is not on it."""
    query = read_query(request.scope["query_string"], ScopeQuery)
    services, workspace_id = services_of(request), request.user.id
    key = _path_key(request)
    event_ids, now_ms = (services.ids.next(), services.ids.next()), services.clock.now_ms()
    scope = None if query.scope is None else query.scope.value
    keys = (key, services.erasure.hidden(key))

    def write(tx: Tx) -> bool:
        gone = [
            suppression.remove(tx, workspace_id, one, scope, event_id, now_ms, "api")
            for one, event_id in zip(keys, event_ids, strict=True)
        ]
        return any(gone)

    if not await services.database.write(write):
        raise not_found("suppression")
    return Response(None, status_code=204)


async def _of_address(request: ApiRequest, key: str) -> list[SuppressionRow]:
    """Return the suppressions of an address, those that hold on by its keyed hash among them."""
    services, workspace_id = services_of(request), request.user.id
    hidden = services.erasure.hidden(key)

    def read(conn: Conn) -> list[SuppressionRow]:
        return [row for one in (key, hidden) for row in suppressions.of_address(conn, workspace_id, one)]

    return await services.database.read(read)


def _path_key(request: ApiRequest) -> str:
    address: str = request.path_params["address"]
    if "\0" in address:
        raise not_found("suppression")
    return address_key(address)


def _checked(given: SuppressionIn, errors: Errors) -> tuple[str, int | None]:
    address, expires_ms = "", None
    if "address" not in errors:
        try:
            address = check_address(given.address)
        except WrongInput as error:
            errors.add("address", "invalid_address", str(error))
    if given.expires_at is not None and "expires_at" not in errors:
        expires_ms = read_time(given.expires_at)
        if expires_ms is None:
            errors.add("expires_at", "invalid_time", "write 2026-01-31T08:00:00Z, with Z or an offset")
    return address, expires_ms


def _view(row: SuppressionRow, now_ms: int) -> SuppressionOut:
    # What the API was given stands as it was given.
    is_ours = row.source != "api"
    recipient, inbound = named_in(row.evidence) if is_ours else ("", "")
    return SuppressionOut(
        id=show_id("sup", row.id),
        address=row.address_key,
        scope=row.scope,
        reason=row.reason,
        source=row.source,
        evidence=quoted_line(row.evidence) if is_ours else row.evidence,
        recipient=recipient or None,
        inbound=inbound or None,
        active=row.expires_ms is None or row.expires_ms > now_ms,
        expires_at=show_time_or_none(row.expires_ms),
        created_at=show_time(row.created_ms),
    )
