"""`/w/NAME/routes`: which mail goes where, in which order routes are asked, and which one takes an address."""

from dataclasses import dataclass, replace

from litestar import Response, get, post

from postroom.base.errors import WrongInput
from postroom.base.ids import parse_id, show_id
from postroom.doors.dashboard.forms import Form, read_form, sentence
from postroom.doors.dashboard.inbound_views import KIND_LOOKS, ROUTE_DOES, author_of
from postroom.doors.dashboard.noted import noted
from postroom.doors.dashboard.page import address_of, done, not_found, render, workspace_of
from postroom.doors.dashboard.services import PageRequest, Services, services_of
from postroom.inbound.route_rules import AtRcpt
from postroom.inbound.route_view import Tested
from postroom.inbound.routes import Asked, asked_of
from postroom.ledger.inbound_rows import InboundRow
from postroom.ledger.route_rows import RouteAction, RouteAttemptRow, RouteRow
from postroom.ledger.rows import WorkspaceRow
from postroom.mail.verdict import MailKind
from postroom.store import inbound, routes
from postroom.store.database import Conn

_PATH = "/w/{workspace:str}/routes"
_ONE = _PATH + "/{route:str}"
_PAGE = 50
_NEWEST = (1 << 63) - 1
_FIELDS = ("recipient", "sender", "action", "target", "description")
_MOST_TEXT = 1000
ACTIONS = (
    (RouteAction.WEBHOOK.value, "Tell a webhook"),
    (RouteAction.FORWARD.value, "Forward it"),
    (RouteAction.STORE.value, "Store it"),
    (RouteAction.REFUSE.value, "Refuse it"),
)
_KINDS = [(kind.value, f"{label[:1].upper()}{label[1:]}") for kind, (label, _) in KIND_LOOKS.items()]
_AT_RCPT = {
    AtRcpt.TAKEN: "It is accepted at RCPT.",
    AtRcpt.REFUSED: "It is refused at RCPT with 550 5.7.1, before its content.",
    AtRcpt.UNKNOWN: "No route is for this address: it is refused at RCPT with 550 5.1.1.",
}


@dataclass(frozen=True, slots=True)
class RouteLine:
    """A route in the list."""

    id: str
    recipient: str
    only: str
    """Which senders and kinds it asks for, in words; empty: any."""
    does: str
    target: str
    is_enabled: bool
    description: str


@dataclass(frozen=True, slots=True)
class TestLine:
    """What a route says to the mail that is asked about."""

    id: str
    recipient: str
    tone: str
    label: str
    why: str


# The list, its order, and the tester


@get(_PATH)
async def list_routes(request: PageRequest) -> Response[bytes]:
    """Show the routes in the order in which they are asked; with `recipient` also which one takes such a mail."""
    workspace = await workspace_of(request)
    services, query = services_of(request), request.query_params
    rows = await services.routes.list(workspace.id)
    last = await services.database.read(lambda conn: routes.last_attempts(conn, workspace.id, [row.id for row in rows]))
    form = Form({name: query.get(name, "").strip()[:_MOST_TEXT].replace("\x00", "") for name in _TEST_FIELDS})
    tested = await _test(services, workspace, form)
    return render(
        request,
        "routes.html",
        status=200 if form.ok else 422,
        title="Routes",
        at="routes",
        lines=[(route_line(row), last.get(row.id)) for row in rows],
        form=form,
        kinds=[("", "Any kind"), *_KINDS],
        tested=_tested_lines(tested) if tested is not None else (),
        verdict=verdict_of(tested) if tested is not None else "",
        is_ours=tested is not None and not tested.not_ours,
        taker=show_id("rte", tested.route.id) if tested is not None and tested.route is not None else "",
        curl=_curl(services),
    )


@post(_PATH + "/order")
async def move_route(request: PageRequest) -> Response[bytes]:
    """Have a route asked earlier or later."""
    workspace = await workspace_of(request)
    services, form = services_of(request), await read_form(request)
    rows = await services.routes.list(workspace.id)
    ids = [row.id for row in rows]
    chosen = parse_id("rte", form.get("route"))
    if chosen is None or chosen not in ids:
        raise not_found("route")
    at = ids.index(chosen)
    to = min(max(at + (-1 if form.get("move") == "up" else 1), 0), len(ids) - 1)
    ids.insert(to, ids.pop(at))
    back = address_of(workspace, "routes")
    try:
        note = noted(request, workspace, "route.order", rows[at].recipient)
        await services.routes.put_in_order(workspace.id, ids, in_transaction=note)
    except WrongInput:
        return done(request, back, "Somebody changed the routes meanwhile. Look again, and repeat it.", problem=True)
    return done(request, back, f"The route for {rows[at].recipient} is asked as number {to + 1}.")


# One route


@get(_PATH + "/new")
async def new_route(request: PageRequest) -> Response[bytes]:
    """Show the form that makes a route."""
    workspace = await workspace_of(request)
    address = request.query_params.get("recipient", "")[:_MOST_TEXT]
    form = Form({"recipient": address, "sender": "*", "action": RouteAction.WEBHOOK.value})
    return _form_page(request, workspace, form)


@post(_PATH)
async def create_route(request: PageRequest) -> Response[bytes]:
    """Make a route, the last in order, and show a webhook's secret once."""
    workspace = await workspace_of(request)
    services, form = services_of(request), await read_form(request)
    asked = _read(services, workspace, form)
    if asked is not None:
        try:
            note = noted(request, workspace, "route.create", asked.recipient)
            row, secret = await services.routes.create(workspace.id, asked, in_transaction=note)
        except WrongInput as error:
            form.wrong(error, known=_FIELDS)
        else:
            return done(request, _address(workspace, row), "The route is made, the last in order.", once=_once(secret))
    return _form_page(request, workspace, form, status=422)


@get(_ONE)
async def show_route(request: PageRequest) -> Response[bytes]:
    """Show a route, and what was handed on by it; `before` for the page behind a try."""
    workspace = await workspace_of(request)
    row = await _existing(request, workspace)
    before = parse_id("rta", request.query_params.get("before", ""))

    def read(conn: Conn) -> tuple[list[RouteAttemptRow], dict[int, InboundRow]]:
        attempts = routes.attempts_of_route(conn, workspace.id, row.id, before or _NEWEST, _PAGE + 1)
        return attempts, inbound.by_ids(conn, workspace.id, [one.inbound_id for one in attempts])

    attempts, mails = await services_of(request).database.read(read)
    here = _address(workspace, row)
    return render(
        request,
        "route.html",
        title=row.recipient,
        at="routes",
        here=here,
        line=route_line(row),
        is_webhook=row.action == RouteAction.WEBHOOK,
        attempts=[(one, show_id("inb", one.inbound_id), mails.get(one.inbound_id)) for one in attempts[:_PAGE]],
        author_of=author_of,
        older=f"{here}?before={show_id('rta', attempts[_PAGE - 1].id)}" if len(attempts) > _PAGE else None,
        first=here if before is not None else None,
    )


@get(_ONE + "/edit")
async def edit_route(request: PageRequest) -> Response[bytes]:
    """Show the form that changes a route."""
    workspace = await workspace_of(request)
    row = await _existing(request, workspace)
    asked = asked_of(row)
    form = Form({name: getattr(row, name) for name in _FIELDS}, {"kinds": [kind.value for kind in asked.kinds]})
    return _form_page(request, workspace, form, row)


@post(_ONE + "/edit")
async def change_route(request: PageRequest) -> Response[bytes]:
    """Change what a route takes, and where that goes."""
    workspace = await workspace_of(request)
    services, form = services_of(request), await read_form(request)
    row = await _existing(request, workspace)
    asked = _read(services, workspace, form, row)
    if asked is not None:
        try:
            note = noted(request, workspace, "route.update", asked.recipient)
            found, secret = await services.routes.update(row, asked, in_transaction=note)
        except WrongInput as error:
            form.wrong(error, known=_FIELDS)
        else:
            if not found:
                raise not_found("route")
            return done(request, _address(workspace, row), "The route is changed.", once=_once(secret))
    return _form_page(request, workspace, form, row, status=422)


@post(_ONE + "/switch")
async def switch_route(request: PageRequest) -> Response[bytes]:
    """Turn a route on or off."""
    workspace = await workspace_of(request)
    row = await _existing(request, workspace)
    on = (await read_form(request)).get("on") == "1"
    asked = asked_of(row)
    note = noted(request, workspace, "route.update", row.recipient, detail="on" if on else "off")
    try:
        found, _ = await services_of(request).routes.update(row, replace(asked, is_enabled=on), in_transaction=note)
    except WrongInput as error:
        return done(request, _address(workspace, row), sentence(str(error)), problem=True)
    if not found:
        raise not_found("route")
    told = "The route is on." if on else "The route is off: mail passes it by."
    return done(request, address_of(workspace, "routes"), told)


@post(_ONE + "/rotate")
async def rotate_secret(request: PageRequest) -> Response[bytes]:
    """Make a new secret of a webhook and show it once."""
    workspace = await workspace_of(request)
    row = await _existing(request, workspace)
    note = noted(request, workspace, "route.rotate", row.recipient)
    try:
        secret = await services_of(request).routes.rotate(row, in_transaction=note)
    except WrongInput as error:
        return done(request, _address(workspace, row), sentence(str(error)), problem=True)
    if secret is None:
        raise not_found("route")
    told = "There is a new secret; the old one signs nothing more."
    return done(request, _address(workspace, row), told, once=_once(secret))


@post(_ONE + "/delete")
async def delete_route(request: PageRequest) -> Response[bytes]:
    """Delete a route with what it was still to hand on."""
    workspace = await workspace_of(request)
    row = await _existing(request, workspace)
    note = noted(request, workspace, "route.delete", row.recipient)
    if not await services_of(request).routes.delete(workspace.id, row.id, in_transaction=note):
        raise not_found("route")
    return done(request, address_of(workspace, "routes"), f"The route for {row.recipient} is deleted.")


HANDLERS = (
    list_routes,
    move_route,
    new_route,
    create_route,
    show_route,
    edit_route,
    change_route,
    switch_route,
    rotate_secret,
    delete_route,
)


# What pages say of routes


def route_line(row: RouteRow) -> RouteLine:
    """Return a route as the list shows it."""
    asked = asked_of(row)
    labels = [KIND_LOOKS[kind][0] for kind in asked.kinds if kind in KIND_LOOKS]
    only = [f"from {row.sender}"] if row.sender != "*" else []
    if labels:
        only.append(f"of the kind {', '.join(labels)}")
    does = ROUTE_DOES.get(row.action, row.action)
    return RouteLine(
        show_id("rte", row.id), row.recipient, ", ".join(only), does, row.target, bool(row.is_enabled), row.description
    )


def verdict_of(tested: Tested) -> str:
    """Return which route takes a mail, as a sentence."""
    if tested.not_ours:
        return sentence(tested.not_ours)
    if tested.route is None:
        return _AT_RCPT[tested.at_rcpt] if tested.at_rcpt is AtRcpt.UNKNOWN else "No route takes it: it is kept only."
    row = tested.route
    target = f" {row.target}" if row.target else ""
    return (
        f"The route for {row.recipient} takes it: it is {ROUTE_DOES.get(row.action, row.action)}{target}. "
        + (_AT_RCPT[tested.at_rcpt])
    )


def _tested_lines(tested: Tested) -> tuple[TestLine, ...]:
    lines = []
    for one in tested.routes:
        takes = tested.route is not None and one.row.id == tested.route.id
        tone, label = ("good", "takes it") if takes else ("idle", "no" if one.why_not else "would, later")
        why = one.why_not or ("" if takes else "an earlier route has it" if not tested.not_ours else "")
        lines.append(TestLine(show_id("rte", one.row.id), one.row.recipient, tone, label, sentence(why) if why else ""))
    return tuple(lines)


# Reading forms


_TEST_FIELDS = ("recipient", "sender", "kind")


async def _test(services: Services, workspace: WorkspaceRow, form: Form) -> Tested | None:
    recipient, sender, word = (form.get(name) for name in _TEST_FIELDS)
    if not recipient:
        return None
    if "@" not in recipient:
        form.errors["recipient"] = "Write a whole address, such as support@example.com."
        return None
    kind = next((kind for kind in MailKind if kind.value == word), None)
    try:
        return await services.routes.test(workspace.id, recipient, sender, kind)
    except WrongInput as error:
        form.errors[error.field] = sentence(str(error))
        return None


def _read(services: Services, workspace: WorkspaceRow, form: Form, row: RouteRow | None = None) -> Asked | None:
    """Return what a form asks for; None, and the errors beside their fields, where something is wrong.

    `row` is the route that is there already.
    """
    action = next((one for one in RouteAction if one.value == form.get("action")), None)
    if action is None:
        form.errors["action"] = "Choose what becomes of the mail."
        return None
    has_target = action in (RouteAction.WEBHOOK, RouteAction.FORWARD)
    asked = Asked(
        recipient=form.text("recipient", "Say which address it is for."),
        action=action,
        # What stands there from another choice is not what is asked for.
        target=form.text("target", most=2000) if has_target else "",
        sender=form.text("sender") or "*",
        kinds=tuple(kind for kind in MailKind if kind.value in form.all("kinds")),
        is_enabled=row is None or bool(row.is_enabled),
        description=form.text("description", most=200),
    )
    for problem in services.routes.problems(workspace.id, asked, "" if row is None else row.recipient):
        form.wrong(problem, known=_FIELDS)
    return asked if form.ok else None


def _form_page(
    request: PageRequest, workspace: WorkspaceRow, form: Form, row: RouteRow | None = None, status: int = 200
) -> Response[bytes]:
    return render(
        request,
        "route_form.html",
        status=status,
        title="Change the route" if row else "New route",
        at="routes",
        form=form,
        actions=ACTIONS,
        kinds=_KINDS,
        action=f"{_address(workspace, row)}/edit" if row else address_of(workspace, "routes"),
        back=_address(workspace, row) if row else address_of(workspace, "routes"),
        submit="Save" if row else "Make the route",
    )


def _once(secret: str) -> dict[str, str] | None:
    return {"Signing secret": secret} if secret else None


async def _existing(request: PageRequest, workspace: WorkspaceRow) -> RouteRow:
    route_id = parse_id("rte", request.path_params["route"])
    found = None if route_id is None else await services_of(request).routes.get(workspace.id, route_id)
    if found is None:
        raise not_found("route")
    return found


def _address(workspace: WorkspaceRow, row: RouteRow) -> str:
    return address_of(workspace, f"routes/{show_id('rte', row.id)}")


def _curl(services: Services) -> str:
    return (
        f"curl {services.facts.http_url}/api/v1/routes \\\n"
        "  -H \"Authorization: Bearer $POSTROOM_KEY\" -H 'Content-Type: application/json' \\\n"
        '  -d \'{"recipient": "support@example.com", "action": "webhook",\n'
        '       "target": "https://app.example.com/mail"}\''
    )
