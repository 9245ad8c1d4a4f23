"""`/routes`: which mail that comes in goes where, and the tester."""

from typing import TypeVar

from litestar import Response, delete, get, patch, post
from msgspec import UnsetType

from postroom.base.errors import WrongInput
from postroom.base.ids import parse_id, show_id
from postroom.doors.http.fields import Errors, read_object, read_query
from postroom.doors.http.lists import id_or_none
from postroom.doors.http.operation import Operation, described
from postroom.doors.http.problems import FieldError, Problem, not_found
from postroom.doors.http.requests import answer, body_of, cut_page, read_json
from postroom.doors.http.route_models import (
    HandOnPage,
    HandOnQuery,
    RouteCreated,
    RouteIn,
    RouteOrder,
    RouteOut,
    RoutePage,
    RoutePatch,
    RouteSecret,
    RouteTestIn,
    RouteTestOut,
    hand_on_view,
    route_view,
    test_view,
)
from postroom.doors.http.services import ApiRequest, services_of
from postroom.doors.http.words import read_path_id
from postroom.inbound.routes import Asked, TooManyRoutes, asked_of
from postroom.ledger.route_rows import RouteAction, RouteRow
from postroom.store import routes

_T = TypeVar("_T")
_NEWEST = (1 << 63) - 1
_NOT_OWNED = "not_owned"


@get("/routes", opt=described(Operation("List routes", answers=RoutePage)))
async def list_routes(request: ApiRequest) -> Response[bytes]:
    """Return the routes of the workspace in the order in which they are asked."""
    return await _answer_all(request)


@post(
    "/routes",
    status_code=201,
    opt=described(Operation("Add a route", answers=RouteCreated, status=201, body=RouteIn, conflicts=True)),
)
async def add_route(request: ApiRequest) -> Response[bytes]:
    """Make a route, the last in order. The secret of a webhook is in this answer and nowhere else.

    409 where its domain is not a proved one of the workspace, or where the workspace has 200 routes.
    """
    errors = Errors()
    async with body_of(request) as body:
        given = read_object(await body.json(), RouteIn, errors)
    asked = _check(request, given, Asked("*", RouteAction.STORE), errors)
    try:
        row, secret = await services_of(request).routes.create(request.user.id, asked)
    except TooManyRoutes as error:
        raise Problem(409, "too-many-routes", str(error)) from error
    return answer(RouteCreated(route_view(row), secret or None), 201)


@post(
    "/routes/test",
    status_code=200,
    opt=described(Operation("Test routes", answers=RouteTestOut, body=RouteTestIn)),
)
async def test_routes(request: ApiRequest) -> Response[bytes]:
    """Tell which route would take a mail, and why the others would not. Nothing is stored or sent."""
    given = await read_json(request, RouteTestIn)
    tested = await services_of(request).routes.test(request.user.id, given.recipient, given.sender, given.kind)
    return answer(test_view(tested))


@post(
    "/routes/order",
    status_code=200,
    opt=described(Operation("Put routes in order", answers=RoutePage, body=RouteOrder, conflicts=True)),
)
async def order_routes(request: ApiRequest) -> Response[bytes]:
    """Have the routes asked in this order. 409 unless every route of the workspace is named once."""
    given = await read_json(request, RouteOrder)
    ids = [parse_id("rte", text) or 0 for text in given.routes]
    try:
        await services_of(request).routes.put_in_order(request.user.id, ids)
    except WrongInput as error:
        raise Problem(409, "other-routes", str(error), [FieldError(error.field, error.code, str(error))]) from error
    return await _answer_all(request)


@get("/routes/{id:str}", opt=described(Operation("Show a route", answers=RouteOut)))
async def get_route(request: ApiRequest) -> Response[bytes]:
    """Return a route."""
    return answer(route_view(await _existing(request)))


@patch(
    "/routes/{id:str}",
    opt=described(Operation("Change a route", answers=RouteCreated, body=RoutePatch, conflicts=True)),
)
async def change_route(request: ApiRequest) -> Response[bytes]:
    """Change a route, or turn it off and on. What waits for it goes to a new target at once, with all its tries.

    Where it becomes a webhook, the answer has its secret.
    """
    row, errors = await _existing(request), Errors()
    async with body_of(request) as body:
        given = read_object(await body.json(), RoutePatch, errors)
    asked = _check(request, given, asked_of(row), errors)
    found, secret = await services_of(request).routes.update(row, asked)
    if not found:
        raise not_found("route")
    return answer(RouteCreated(route_view(await _existing(request)), secret or None))


@delete(
    "/routes/{id:str}",
    status_code=204,
    opt=described(Operation("Delete a route", answers=None, status=204)),
)
async def delete_route(request: ApiRequest) -> Response[None]:
    """Delete a route with everything that it was still to hand on. The mails stay."""
    route_id = read_path_id("rte", request.path_params["id"])
    if not await services_of(request).routes.delete(request.user.id, route_id):
        raise not_found("route")
    return Response(None, status_code=204)


@post(
    "/routes/{id:str}/rotate",
    status_code=200,
    opt=described(Operation("Replace a route's secret", answers=RouteSecret, conflicts=True)),
)
async def rotate_route(request: ApiRequest) -> Response[bytes]:
    """Give a webhook a new secret; the old one signs nothing from now on. 409 for a route that is no webhook."""
    row = await _existing(request)
    try:
        secret = await services_of(request).routes.rotate(row)
    except WrongInput as error:
        raise Problem(409, "no-webhook", str(error)) from error
    if secret is None:
        raise not_found("route")
    return answer(RouteSecret(secret))


@get(
    "/routes/{id:str}/attempts",
    opt=described(Operation("List what a route handed on", answers=HandOnPage, query=HandOnQuery)),
)
async def attempts_of_route(request: ApiRequest) -> Response[bytes]:
    """Return the tries of a route to hand mail on in the last 30 days, newest first."""
    query = read_query(request.scope["query_string"], HandOnQuery)
    row = await _existing(request)
    before_id = id_or_none("rta", query.cursor) or _NEWEST
    rows = await services_of(request).database.read(
        lambda conn: routes.attempts_of_route(conn, row.workspace_id, row.id, before_id, query.limit + 1)
    )
    shown, more = cut_page(rows, query.limit)
    return answer(HandOnPage([hand_on_view(one) for one in shown], show_id("rta", shown[-1].id) if more else None))


async def _existing(request: ApiRequest) -> RouteRow:
    route_id = read_path_id("rte", request.path_params["id"])
    row = await services_of(request).routes.get(request.user.id, route_id)
    if row is None:
        raise not_found("route")
    return row


async def _answer_all(request: ApiRequest) -> Response[bytes]:
    rows = await services_of(request).routes.list(request.user.id)
    return answer(RoutePage([route_view(row) for row in rows], None))


def _check(request: ApiRequest, given: RouteIn | RoutePatch, before: Asked, errors: Errors) -> Asked:
    """Return what a route shall be: `before`, and what was given.

    Raises Problem, naming every wrong field; 409 where only the domain is in the way: it may be proved later.
    """

    def said(name: str, value: _T | UnsetType, otherwise: _T) -> _T:
        return otherwise if isinstance(value, UnsetType) or name in errors else value

    action = said("action", given.action, before.action)
    # What stores or refuses has no target, so nobody need say that it goes.
    had = before.target if action in (RouteAction.WEBHOOK, RouteAction.FORWARD) else ""
    asked = Asked(
        recipient=said("recipient", given.recipient, before.recipient),
        action=action,
        target=said("target", given.target, had),
        sender=said("sender", given.sender, before.sender),
        kinds=tuple(said("kinds", given.kinds, before.kinds)),
        is_enabled=said("enabled", given.enabled, before.is_enabled),
        description=said("description", given.description, before.description),
    )
    for problem in services_of(request).routes.problems(request.user.id, asked, before.recipient):
        # What a target must be follows from the action.
        if problem.field not in errors and not (problem.field == "target" and "action" in errors):
            errors.add(problem.field, problem.code, str(problem))
    if [item.code for item in errors.items] == [_NOT_OWNED]:
        raise Problem(409, "domain-not-owned", errors.items[0].message, errors.items)
    errors.end()
    return asked
