"""`/webhooks`: addresses that the events of a workspace are told to, the log of requests, and telling again."""

from litestar import Response, delete, get, patch, post
from msgspec import UNSET

from postroom.base.ids import parse_id, show_id
from postroom.doors.http.fields import Errors, read_object, read_query
from postroom.doors.http.lists import id_or_none
from postroom.doors.http.operation import Operation, described
from postroom.doors.http.problems import Problem, not_found
from postroom.doors.http.requests import answer, body_of, cut_page, read_json
from postroom.doors.http.services import ApiRequest, services_of
from postroom.doors.http.webhook_models import (
    AttemptPage,
    AttemptsQuery,
    AttemptWhole,
    ReplayIn,
    ReplayOut,
    RotateIn,
    RotateOut,
    WebhookCreated,
    WebhookIn,
    WebhookOut,
    WebhookPage,
    WebhookPatch,
    attempt_view,
    attempt_whole,
    endpoint_view,
)
from postroom.doors.http.words import read_path_id, read_time, show_time_or_none
from postroom.ledger.webhook_rows import WebhookAttemptRow, WebhookEndpointRow
from postroom.store import webhooks
from postroom.store.webhooks import EndpointHealth
from postroom.webhooks.endpoints import Asked, Disabled, Replayed, TooManyEndpoints, asked_of

_NEWEST = (1 << 63) - 1
_TIME = "write 2026-01-31T08:00:00Z, with Z or an offset"


@get("/webhooks", opt=described(Operation("List webhook endpoints", answers=WebhookPage)))
async def list_webhooks(request: ApiRequest) -> Response[bytes]:
    """Return the endpoints of the workspace with how each fares, oldest first."""
    services = services_of(request)
    now_ms = services.clock.now_ms()
    found = await services.webhooks.list(request.user.id)
    return answer(WebhookPage([endpoint_view(one, now_ms) for one in found], None))


@post(
    "/webhooks",
    status_code=201,
    opt=described(
        Operation("Add a webhook endpoint", answers=WebhookCreated, status=201, body=WebhookIn, conflicts=True)
    ),
)
async def add_webhook(request: ApiRequest) -> Response[bytes]:
    """Make an endpoint. Its secret is in this answer and nowhere else; 409 where the workspace has ten already."""
    services, errors = services_of(request), Errors()
    async with body_of(request) as body:
        given = read_object(await body.json(), WebhookIn, errors)
    _check_url(request, given.url, errors)
    errors.end()
    asked = Asked(given.url, given.description, tuple(given.kinds), given.stream, given.batch)
    try:
        made, secret = await services.webhooks.create(request.user.id, asked)
    except TooManyEndpoints as error:
        raise Problem(409, "too-many-endpoints", str(error)) from error
    return answer(WebhookCreated(endpoint_view(made, services.clock.now_ms()), secret), 201)


@get("/webhooks/{id:str}", opt=described(Operation("Show a webhook endpoint", answers=WebhookOut)))
async def get_webhook(request: ApiRequest) -> Response[bytes]:
    """Return an endpoint with how it fares."""
    return answer(endpoint_view(await _existing(request), services_of(request).clock.now_ms()))


@patch(
    "/webhooks/{id:str}",
    opt=described(Operation("Change a webhook endpoint", answers=WebhookOut, body=WebhookPatch)),
)
async def change_webhook(request: ApiRequest) -> Response[bytes]:
    """Change an endpoint. At a new address everything that waits is tried at once."""
    row, errors = (await _existing(request)).endpoint, Errors()
    async with body_of(request) as body:
        given = read_object(await body.json(), WebhookPatch, errors)
    if given.url is not UNSET:
        _check_url(request, given.url, errors)
    errors.end()
    before = asked_of(row)
    asked = Asked(
        url=before.url if given.url is UNSET else given.url,
        description=before.description if given.description is UNSET else given.description,
        kinds=before.kinds if given.kinds is UNSET else tuple(given.kinds),
        stream=before.stream if given.stream is UNSET else given.stream,
        batch=before.batch if given.batch is UNSET else given.batch,
    )
    if not await services_of(request).webhooks.update(row, asked):
        raise not_found("webhook endpoint")
    return await _shown(request)


@delete(
    "/webhooks/{id:str}",
    status_code=204,
    opt=described(Operation("Delete a webhook endpoint", answers=None, status=204)),
)
async def delete_webhook(request: ApiRequest) -> Response[None]:
    """Delete an endpoint with everything that it was still to be told."""
    endpoint_id = read_path_id("whk", request.path_params["id"])
    if not await services_of(request).webhooks.delete(request.user.id, endpoint_id):
        raise not_found("webhook endpoint")
    return Response(None, status_code=204)


@post(
    "/webhooks/{id:str}/rotate",
    status_code=200,
    opt=described(Operation("Replace a secret", answers=RotateOut, body=RotateIn)),
)
async def rotate_webhook(request: ApiRequest) -> Response[bytes]:
    """Give an endpoint a new secret; for some hours requests carry a signature of the old one too."""
    row = (await _existing(request)).endpoint
    given = await read_json(request, RotateIn)
    secret = await services_of(request).webhooks.rotate(row, given.overlap_hours)
    if secret is None:
        raise not_found("webhook endpoint")
    after = (await _existing(request)).endpoint
    return answer(RotateOut(secret, show_time_or_none(after.old_secret_until_ms)))


@post(
    "/webhooks/{id:str}/pause",
    status_code=200,
    opt=described(Operation("Pause a webhook endpoint", answers=WebhookOut)),
)
async def pause_webhook(request: ApiRequest) -> Response[bytes]:
    """Tell an endpoint nothing until it is resumed. Its events wait, for 30 days at most."""
    await services_of(request).webhooks.pause((await _existing(request)).endpoint, "the API")
    return await _shown(request)


@post(
    "/webhooks/{id:str}/resume",
    status_code=200,
    opt=described(Operation("Resume a webhook endpoint", answers=WebhookOut)),
)
async def resume_webhook(request: ApiRequest) -> Response[bytes]:
    """Tell an endpoint everything that waits for it, at once, and what comes."""
    await services_of(request).webhooks.resume((await _existing(request)).endpoint)
    return await _shown(request)


@post(
    "/webhooks/{id:str}/test",
    status_code=200,
    opt=described(Operation("Send a test event", answers=AttemptWhole)),
)
async def send_test_event(request: ApiRequest) -> Response[bytes]:
    """Send an event of type `test` now, and answer what came of it."""
    row = (await _existing(request)).endpoint
    return await _answer_attempt(request, await services_of(request).webhooks.test(row))


@get(
    "/webhooks/{id:str}/attempts",
    opt=described(Operation("List requests", answers=AttemptPage, query=AttemptsQuery)),
)
async def list_attempts(request: ApiRequest) -> Response[bytes]:
    """Return the requests to an endpoint in the last 7 days, newest first."""
    query = read_query(request.scope["query_string"], AttemptsQuery)
    row = (await _existing(request)).endpoint
    before_id = id_or_none("wha", query.cursor) or _NEWEST
    lines = await services_of(request).database.read(
        lambda conn: webhooks.attempts(conn, row.workspace_id, row.id, before_id, query.limit + 1, failed=query.failed)
    )
    shown, more = cut_page(lines, query.limit)
    items = [attempt_view(line) for line in shown]
    return answer(AttemptPage(items, items[-1].id if more else None))


@get(
    "/webhooks/{id:str}/attempts/{attempt:str}",
    opt=described(Operation("Show a request", answers=AttemptWhole)),
)
async def get_attempt(request: ApiRequest) -> Response[bytes]:
    """Return a request to an endpoint whole: what was sent, and what came back."""
    row = (await _existing(request)).endpoint
    attempt_id = read_path_id("wha", request.path_params["attempt"])
    return await _answer_attempt(request, await _attempt(request, row, attempt_id))


@post(
    "/webhooks/{id:str}/replay",
    status_code=200,
    opt=described(Operation("Tell again", answers=ReplayOut, body=ReplayIn, conflicts=True)),
)
async def replay_webhook(request: ApiRequest) -> Response[bytes]:
    """Tell an endpoint again: the events of a request, these events, or a span of time. The ids stay the same.

    A span is of the time when events were recorded, and of the kinds that the
    endpoint asks for unless `kinds` says otherwise. One call looks through
    50,000 events at most; `next` says where to go on.
    """
    row, errors = (await _existing(request)).endpoint, Errors()
    async with body_of(request) as body:
        given = read_object(await body.json(), ReplayIn, errors)
    named = [name for name in ("attempt", "events", "since") if getattr(given, name) is not UNSET]
    if not errors.items and len(named) != 1:
        errors.add("body", "one_of", "name one of attempt, events and since")
    since_ms = _time(given.since, "since", errors)
    until_ms = _time(given.until, "until", errors)
    for name in ("until", "kinds", "after"):
        if given.since is UNSET and getattr(given, name) is not UNSET:
            errors.add(name, "without_since", "goes with since only")
    errors.end()
    try:
        replayed = await _replay(request, row, given, since_ms, until_ms)
    except Disabled as error:
        raise Problem(409, "endpoint-disabled", str(error)) from error
    next_id = None if replayed.next_id is None else show_id("evt", replayed.next_id)
    return answer(ReplayOut(replayed.events, next_id))


async def _replay(
    request: ApiRequest, row: WebhookEndpointRow, given: ReplayIn, since_ms: int | None, until_ms: int | None
) -> Replayed:
    services = services_of(request)
    room = services.webhooks
    if given.attempt is not UNSET:
        return await room.replay_attempt(row, await _attempt(request, row, parse_id("wha", given.attempt) or 0))
    if given.events is not UNSET:
        ids = [parse_id("evt", text) for text in given.events]
        return await room.replay_events(row, [event_id for event_id in ids if event_id is not None])
    kinds = () if given.kinds is UNSET else given.kinds
    after_id = 0 if given.after is UNSET else parse_id("evt", given.after) or 0
    until_ms = services.clock.now_ms() if until_ms is None else until_ms
    return await room.replay_span(row, since_ms or 0, until_ms, kinds, after_id)


async def _existing(request: ApiRequest) -> EndpointHealth:
    endpoint_id = read_path_id("whk", request.path_params["id"])
    found = await services_of(request).webhooks.get(request.user.id, endpoint_id)
    if found is None:
        raise not_found("webhook endpoint")
    return found


async def _shown(request: ApiRequest) -> Response[bytes]:
    return answer(endpoint_view(await _existing(request), services_of(request).clock.now_ms()))


async def _attempt(request: ApiRequest, row: WebhookEndpointRow, attempt_id: int) -> WebhookAttemptRow:
    found = await services_of(request).database.read(
        lambda conn: webhooks.attempt_by_id(conn, row.workspace_id, attempt_id)
    )
    if found is None or found.endpoint_id != row.id:
        raise not_found("request")
    return found


async def _answer_attempt(request: ApiRequest, row: WebhookAttemptRow) -> Response[bytes]:
    return answer(attempt_whole(row, await services_of(request).webhooks.body_of(row)))


def _check_url(request: ApiRequest, url: str, errors: Errors) -> None:
    if "url" not in errors:
        problem = services_of(request).webhooks.url_problem(url)
        if problem is not None:
            errors.add("url", "invalid_url", problem)


def _time(text: object, name: str, errors: Errors) -> int | None:
    if not isinstance(text, str) or name in errors:
        return None
    at_ms = read_time(text)
    if at_ms is None:
        errors.add(name, "invalid_time", _TIME)
    return at_ms
