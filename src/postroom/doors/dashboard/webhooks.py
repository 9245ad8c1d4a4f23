"""`/w/NAME/webhooks`: the endpoints of a workspace, the log of requests to one, and telling again."""

import json
from urllib.parse import urlencode

from litestar import Response, get, post

from postroom.base.errors import WrongInput
from postroom.base.ids import first_id_at, parse_id, show_id
from postroom.doors.dashboard.forms import Form, read_form, sentence
from postroom.doors.dashboard.noted import noted
from postroom.doors.dashboard.page import address_of, done, not_found, render, see_other, workspace_of
from postroom.doors.dashboard.services import PageRequest, services_of
from postroom.doors.dashboard.session import actor_of
from postroom.doors.dashboard.webhook_forms import (
    Replay,
    chosen_words,
    form_of,
    read_endpoint,
    read_replay,
    span_form,
    span_words,
)
from postroom.doors.dashboard.webhook_views import KINDS, attempt_view, attempt_whole, endpoint_view, pretty
from postroom.ledger.rows import WorkspaceRow
from postroom.ledger.webhook_rows import EndpointForm, WebhookAttemptRow, WebhookEndpointRow
from postroom.store import webhooks
from postroom.store.database import Conn
from postroom.store.webhook_replay import count_span
from postroom.store.webhooks import EndpointHealth
from postroom.webhooks.endpoints import MOST_REPLAYED, OVERLAP_HOURS

_PATH = "/w/{workspace:str}/webhooks"
_ONE = _PATH + "/{endpoint:str}"
_PAGE = 50
_NEWEST = (1 << 63) - 1
_FIELDS = ("url", "description", "stream", "batch", "kinds")
_MOST_BODY = 100_000
"""Characters of a body that a page shows."""


# The list, and making one


@get(_PATH)
async def list_endpoints(request: PageRequest) -> Response[bytes]:
    """Show the endpoints with how each fares."""
    workspace = await workspace_of(request)
    services = services_of(request)
    now = services.clock.now_ms()
    endpoints = [endpoint_view(one, now) for one in await services.webhooks.list(workspace.id)]
    curl = (
        f"curl {services.facts.http_url}/api/v1/webhooks \\\n"
        "  -H \"Authorization: Bearer $POSTROOM_KEY\" -H 'Content-Type: application/json' \\\n"
        '  -d \'{"url": "https://app.example.com/hooks/mail", "kinds": ["delivered", "failed"]}\''
    )
    return render(request, "webhooks.html", title="Webhooks", at="webhooks", endpoints=endpoints, curl=curl)


@get(_PATH + "/new")
async def new_endpoint(request: PageRequest) -> Response[bytes]:
    """Show the form that makes an endpoint."""
    return _form_page(request, await workspace_of(request), Form({"batch": "1"}))


@post(_PATH)
async def create_endpoint(request: PageRequest) -> Response[bytes]:
    """Make an endpoint and show its secret once."""
    workspace = await workspace_of(request)
    services, form = services_of(request), await read_form(request)
    asked = read_endpoint(form)
    if form.ok:
        try:
            note = noted(request, workspace, "webhook.create", asked.url)
            health, secret = await services.webhooks.create(workspace.id, asked, in_transaction=note)
        except WrongInput as error:
            form.wrong(error, known=_FIELDS)
        else:
            return done(
                request,
                _address(workspace, health.endpoint),
                "The endpoint is made. Put its secret into your application now: it is not shown again.",
                once={"Signing secret": secret},
            )
    return _form_page(request, workspace, form, status=422)


# One endpoint


@get(_ONE)
async def show_endpoint(request: PageRequest) -> Response[bytes]:
    """Show how an endpoint fares, and its log: `failed` for failures only, `before` for the page behind a request."""
    workspace = await workspace_of(request)
    health = await _existing(request, workspace)
    services = services_of(request)
    row, failed = health.endpoint, request.query_params.get("failed") == "1"
    before_id = parse_id("wha", request.query_params.get("before", ""))
    from_id = _NEWEST if before_id is None else before_id
    lines = await services.database.read(
        lambda conn: webhooks.attempts(conn, workspace.id, row.id, from_id, _PAGE + 1, failed=failed)
    )
    now, shown = services.clock.now_ms(), lines[:_PAGE]
    query = {"failed": "1"} if failed else {}
    older = urlencode({**query, "before": show_id("wha", shown[-1].id)}) if len(lines) > _PAGE else ""
    address = _address(workspace, row)
    return render(
        request,
        "webhook.html",
        title=row.url,
        at="webhooks",
        here=f"webhooks/{show_id('whk', row.id)}",
        endpoint=endpoint_view(health, now),
        attempts=[attempt_view(line) for line in shown],
        failed=failed,
        older=f"{address}?{older}#log" if older else None,
        first=f"{address}?{urlencode(query)}#log" if before_id is not None else None,
        kinds=KINDS,
        form=span_form(now),
        overlap_hours=OVERLAP_HOURS,
    )


@get(_ONE + "/edit")
async def edit_endpoint(request: PageRequest) -> Response[bytes]:
    """Show the form that changes an endpoint."""
    workspace = await workspace_of(request)
    row = (await _existing(request, workspace)).endpoint
    if row.form == EndpointForm.SUPERIMAP:
        return see_other(address_of(workspace, "partner"))
    return _form_page(request, workspace, form_of(row), row)


@post(_ONE + "/edit")
async def change_endpoint(request: PageRequest) -> Response[bytes]:
    """Change what an endpoint is told, and where."""
    workspace = await workspace_of(request)
    row = (await _existing(request, workspace)).endpoint
    if row.form == EndpointForm.SUPERIMAP:
        # One address for each kind: another choice of kinds would make it nobody's.
        return see_other(address_of(workspace, "partner"))
    form = await read_form(request)
    asked = read_endpoint(form)
    if form.ok:
        try:
            note = noted(request, workspace, "webhook.update", asked.url)
            if not await services_of(request).webhooks.update(row, asked, in_transaction=note):
                raise not_found("endpoint")
        except WrongInput as error:
            form.wrong(error, known=_FIELDS)
        else:
            return done(request, _address(workspace, row), "The endpoint is changed.")
    return _form_page(request, workspace, form, row, status=422)


@post(_ONE + "/pause")
async def pause_endpoint(request: PageRequest) -> Response[bytes]:
    """Tell an endpoint nothing until it is resumed."""
    workspace = await workspace_of(request)
    row = (await _existing(request, workspace)).endpoint
    note = noted(request, workspace, "webhook.pause", row.url)
    await services_of(request).webhooks.pause(row, actor_of(request).name, in_transaction=note)
    return done(
        request, _address(workspace, row), "The endpoint is paused. What it asks for waits until you resume it."
    )


@post(_ONE + "/resume")
async def resume_endpoint(request: PageRequest) -> Response[bytes]:
    """Tell an endpoint everything that waits, and what comes."""
    workspace = await workspace_of(request)
    row = (await _existing(request, workspace)).endpoint
    note = noted(request, workspace, "webhook.resume", row.url)
    await services_of(request).webhooks.resume(row, in_transaction=note)
    return done(request, _address(workspace, row), "The endpoint is resumed. What waited is told now.")


@post(_ONE + "/test")
async def send_test_event(request: PageRequest) -> Response[bytes]:
    """Send a test event now and say what came of it."""
    workspace = await workspace_of(request)
    row = (await _existing(request, workspace)).endpoint
    attempt = await services_of(request).webhooks.test(row)
    address = f"{_address(workspace, row)}/attempts/{show_id('wha', attempt.id)}"
    if attempt.succeeded:
        return done(request, address, f"The endpoint took the test event in {attempt.duration_ms} ms.")
    return done(request, address, f"The test event failed: {sentence(attempt.why)}", problem=True)


@post(_ONE + "/rotate")
async def rotate_secret(request: PageRequest) -> Response[bytes]:
    """Make a new secret and show it once."""
    workspace = await workspace_of(request)
    row = (await _existing(request, workspace)).endpoint
    note = noted(request, workspace, "webhook.rotate", row.url)
    secret = await services_of(request).webhooks.rotate(row, in_transaction=note)
    if secret is None:
        raise not_found("endpoint")
    told = f"There is a new secret. For {OVERLAP_HOURS} hours requests are signed with the old one too."
    return done(request, _address(workspace, row), told, once={"Signing secret": secret})


@post(_ONE + "/delete")
async def delete_endpoint(request: PageRequest) -> Response[bytes]:
    """Delete an endpoint."""
    workspace = await workspace_of(request)
    row = (await _existing(request, workspace)).endpoint
    note = noted(request, workspace, "webhook.delete", row.url)
    if not await services_of(request).webhooks.delete(workspace.id, row.id, in_transaction=note):
        raise not_found("endpoint")
    return done(request, address_of(workspace, "webhooks"), f"The endpoint {row.url} is deleted.")


# One request, and telling again


@get(_ONE + "/attempts/{attempt:str}")
async def show_attempt(request: PageRequest) -> Response[bytes]:
    """Show a request whole: what was sent, and what came back."""
    workspace = await workspace_of(request)
    services = services_of(request)
    health = await _existing(request, workspace)
    attempt = await _attempt(request, workspace, health.endpoint)
    body = await services.webhooks.body_of(attempt)
    text = "" if body is None else pretty(body)
    return render(
        request,
        "webhook_attempt.html",
        title="Request",
        at="webhooks",
        here=f"webhooks/{show_id('whk', health.endpoint.id)}",
        endpoint=endpoint_view(health, services.clock.now_ms()),
        attempt=attempt_whole(attempt),
        body=text[:_MOST_BODY],
        is_gone=body is None,
        is_cut=len(text) > _MOST_BODY,
    )


@get(_ONE + "/replay")
async def ask_replay(request: PageRequest) -> Response[bytes]:
    """Say how many events would be told again, and ask whether they shall."""
    workspace = await workspace_of(request)
    health = await _existing(request, workspace)
    replay, services = read_replay(_query_form(request)), services_of(request)
    words = problem = ""
    if isinstance(replay, str):
        problem = replay
    else:
        replay = _until_now(replay, services.clock.now_ms())
        words = await services.database.read(lambda conn: _count_words(conn, health.endpoint, replay))
    fields = [] if isinstance(replay, str) else replay.fields()
    return render(
        request,
        "webhook_replay.html",
        status=422 if problem else 200,
        title="Tell again?",
        at="webhooks",
        here=f"webhooks/{show_id('whk', health.endpoint.id)}",
        endpoint=endpoint_view(health, services.clock.now_ms()),
        words=words,
        problem=problem,
        fields=[*fields, *(("attempt", one) for one in _query_form(request).all("attempt"))],
    )


@post(_ONE + "/replay")
async def tell_again(request: PageRequest) -> Response[bytes]:
    """Tell events again."""
    workspace = await workspace_of(request)
    row = (await _existing(request, workspace)).endpoint
    replay, room = read_replay(await read_form(request)), services_of(request).webhooks
    address = _address(workspace, row)
    if isinstance(replay, str):
        return done(request, address, replay, problem=True)
    events, is_all = 0, True
    try:
        if replay.attempt_ids:
            for attempt in await _attempts(request, workspace, row, replay):
                events += (await room.replay_attempt(row, attempt)).events
        else:
            replay = _until_now(replay, services_of(request).clock.now_ms())
            found = await room.replay_span(row, replay.since_ms, replay.until_ms, replay.kinds)
            events, is_all = found.events, found.next_id is None
    except WrongInput as error:
        return done(request, address, sentence(str(error)), problem=True)
    # Of many transactions: the note says what came of them all.
    await services_of(request).database.write(
        noted(request, workspace, "webhook.replay", row.url, detail=f"{events} events")
    )
    if not events:
        return done(request, address, "There was nothing to tell.")
    more = "" if is_all else " There are more in this time: ask again from where these end."
    return done(request, address, f"{events:,} event{' is' if events == 1 else 's are'} told again.{more}")


HANDLERS = (
    list_endpoints,
    new_endpoint,
    create_endpoint,
    show_endpoint,
    edit_endpoint,
    change_endpoint,
    pause_endpoint,
    resume_endpoint,
    send_test_event,
    rotate_secret,
    delete_endpoint,
    show_attempt,
    ask_replay,
    tell_again,
)


def _form_page(
    request: PageRequest, workspace: WorkspaceRow, form: Form, row: WebhookEndpointRow | None = None, status: int = 200
) -> Response[bytes]:
    return render(
        request,
        "webhook_form.html",
        status=status,
        title="Change the endpoint" if row else "New endpoint",
        at="webhooks",
        form=form,
        kinds=KINDS,
        action=f"{_address(workspace, row)}/edit" if row else address_of(workspace, "webhooks"),
        back=_address(workspace, row) if row else address_of(workspace, "webhooks"),
        submit="Save" if row else "Make the endpoint",
    )


def _count_words(conn: Conn, row: WebhookEndpointRow, replay: Replay) -> str:
    if replay.attempt_ids:
        found = [webhooks.attempt_by_id(conn, row.workspace_id, one) for one in replay.attempt_ids]
        of_this = [one for one in found if one is not None and one.endpoint_id == row.id]
        return chosen_words(len(of_this), sum(one.event_count for one in of_this))
    asked_for: list[str] = json.loads(row.kinds)
    kinds = [kind.value for kind in replay.kinds] or asked_for
    after_id, before_id = first_id_at(replay.since_ms) - 1, first_id_at(replay.until_ms)
    count = count_span(conn, row.workspace_id, after_id, before_id, kinds)
    return span_words(replay, count, MOST_REPLAYED, asked_for)


def _until_now(replay: Replay, now_ms: int) -> Replay:
    # A time far ahead has no id.
    return replay if replay.attempt_ids else replay.until(now_ms + 1000)


def _query_form(request: PageRequest) -> Form:
    form = Form()
    for name, value in request.query_params.multi_items():
        form.values.setdefault(name, value)
        form.lists.setdefault(name, []).append(value)
    return form


async def _existing(request: PageRequest, workspace: WorkspaceRow) -> EndpointHealth:
    endpoint_id = parse_id("whk", request.path_params["endpoint"])
    found = None if endpoint_id is None else await services_of(request).webhooks.get(workspace.id, endpoint_id)
    if found is None:
        raise not_found("endpoint")
    return found


async def _attempt(request: PageRequest, workspace: WorkspaceRow, row: WebhookEndpointRow) -> WebhookAttemptRow:
    attempt_id = parse_id("wha", request.path_params["attempt"])
    found = await _attempts(request, workspace, row, Replay((attempt_id or 0,)))
    if not found:
        raise not_found("request")
    return found[0]


async def _attempts(
    request: PageRequest, workspace: WorkspaceRow, row: WebhookEndpointRow, replay: Replay
) -> list[WebhookAttemptRow]:
    def read(conn: Conn) -> list[WebhookAttemptRow]:
        found = [webhooks.attempt_by_id(conn, workspace.id, one) for one in replay.attempt_ids]
        return [one for one in found if one is not None and one.endpoint_id == row.id]

    return await services_of(request).database.read(read)


def _address(workspace: WorkspaceRow, row: WebhookEndpointRow) -> str:
    return address_of(workspace, f"webhooks/{show_id('whk', row.id)}")
