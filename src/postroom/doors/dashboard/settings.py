"""`/settings`: the installation, its operators, and the log of what they did."""

from dataclasses import dataclass

from litestar import Response, get, post

from postroom.base.errors import WrongInput
from postroom.base.ids import parse_id, show_id
from postroom.base.secrets import new_secret
from postroom.doors.dashboard.forms import Form, read_form
from postroom.doors.dashboard.page import done, not_found, render
from postroom.doors.dashboard.services import PageRequest, services_of
from postroom.doors.dashboard.session import actor_of, operator_of
from postroom.ledger.operator_rows import AuditRow, OperatorRow
from postroom.store import nodes, operators

_AUDIT_ROWS = 50
_NEWEST = (1 << 63) - 1

ACTIONS = {
    "login": "logged in",
    "logout": "logged out",
    "login.failed": "a wrong password or code",
    "login.locked": "locked after three wrong tries",
    "session.end": "ended a session",
    "session.end_others": "ended all other sessions",
    "operator.create": "made an operator",
    "operator.password": "set a password",
    "operator.unlock": "unlocked an operator",
    "operator.delete": "deleted an operator",
    "totp.on": "set an authenticator up",
    "totp.off": "took an authenticator away",
    "totp.codes": "made new recovery codes",
    "api_key.create": "made an API key",
    "api_key.delete": "deleted an API key",
    "smtp_login.create": "made an SMTP login",
    "smtp_login.delete": "deleted an SMTP login",
    "workspace.create": "made a workspace",
    "workspace.keep": "changed how long a workspace keeps what",
    "domain.create": "added a domain",
    "domain.delete": "deleted a domain",
    "suppression.add": "suppressed an address",
    "suppression.remove": "lifted a suppression",
    "suppression.import": "imported suppressions",
    "queue.hold": "held mail in the queue",
    "queue.release": "released mail in the queue",
    "queue.cancel": "cancelled mail in the queue",
    "queue.retry": "had mail in the queue tried again",
    "webhook.create": "made a webhook endpoint",
    "webhook.update": "changed a webhook endpoint",
    "webhook.delete": "deleted a webhook endpoint",
    "webhook.pause": "paused a webhook endpoint",
    "webhook.resume": "let a webhook endpoint go on",
    "webhook.replay": "had events told again",
    "webhook.rotate": "changed the secret of a webhook endpoint",
    "route.create": "made a route",
    "route.update": "changed a route",
    "route.order": "changed the order of routes",
    "route.rotate": "changed the secret of a route",
    "route.delete": "deleted a route",
    "inbound.retry": "handed a mail that came in on once more",
    "inbound.review": "marked a mail that came in as reviewed",
    "connection.create": "made a connection to a provider",
    "connection.update": "changed a connection to a provider",
    "connection.delete": "deleted a connection to a provider",
    "account.create": "made an account",
    "account.update": "changed an account",
    "account.reconnect": "had an account connected anew",
    "account.archive": "archived an account",
    "account.restore": "restored an account",
    "account.disconnect": "disconnected an account",
    "account.delete": "deleted an account",
    "account.sweep": "had mail from before told",
    "account.replay": "had events of an account told again",
    "partner.update": "changed what a partner sets",
    "partner_key.create": "made a SuperIMAP key",
    "partner_key.delete": "deleted a SuperIMAP key",
    "person.erase": "erased a person",
}
"""What the audit log's words say; a word without is shown as it is."""


@dataclass(frozen=True, slots=True)
class OperatorView:
    """An operator as the list shows one."""

    id: str
    name: str
    created_ms: int
    has_code: bool
    locked_until_ms: int
    """0: not locked."""
    is_self: bool


@dataclass(frozen=True, slots=True)
class AuditView:
    """A line of the audit log."""

    at_ms: int
    who: str
    did: str
    subject: str
    detail: str
    workspace: str
    address: str


@get("/settings")
async def show_settings(request: PageRequest) -> Response[bytes]:
    """Show what this installation is."""
    services = services_of(request)
    now = services.clock.now_ms()
    live = await services.database.read(lambda conn: nodes.live_nodes(conn, now))
    return render(request, "settings.html", title="Settings", at="/settings", running=len(live))


@get("/settings/operators")
async def show_operators(request: PageRequest) -> Response[bytes]:
    """List the operators."""
    return await _operators_page(request, Form())


@post("/settings/operators", status_code=200)
async def create_operator(request: PageRequest) -> Response[bytes]:
    """Make an operator with a password that is shown once."""
    form = await read_form(request)
    name, password = form.text("name", "Give the operator a name or e-mail address."), new_secret()
    if form.ok:
        try:
            row = await services_of(request).operators.create(name, password, actor_of(request))
        except WrongInput as error:
            form.wrong(error, known=("name",))
        else:
            text = f"{row.name} is an operator now. Hand the password over; it is changed under “My account”."
            return done(request, "/settings/operators", text, once={"Name": row.name, "Password": password})
    return await _operators_page(request, form)


@post("/settings/operators/unlock")
async def unlock_operator(request: PageRequest) -> Response[bytes]:
    """Let a locked operator log in again."""
    row = await _asked(request)
    await services_of(request).operators.unlock(row, actor_of(request))
    return done(request, "/settings/operators", f"{row.name} may log in again.")


@post("/settings/operators/password")
async def reset_password(request: PageRequest) -> Response[bytes]:
    """Give an operator a new password, shown once; a lost authenticator goes too."""
    services, row, password, by = services_of(request), await _asked(request), new_secret(), actor_of(request)
    if row.id == operator_of(request).id:
        return done(request, "/settings/account", "Your own password is changed here, with the old one.", problem=True)
    await services.operators.set_password(row.id, password, by)
    if row.totp_secret is not None:
        await services.authenticators.remove(row, by)
    text = f"{row.name} has a new password and is logged out everywhere; an authenticator is taken away."
    return done(request, "/settings/operators", text, once={"Name": row.name, "Password": password})


@post("/settings/operators/delete")
async def delete_operator(request: PageRequest) -> Response[bytes]:
    """Delete an operator."""
    row = await _asked(request)
    try:
        await services_of(request).operators.delete(row, actor_of(request))
    except WrongInput as error:
        return done(request, "/settings/operators", str(error) + ".", problem=True)
    return done(request, "/settings/operators", f"{row.name} is deleted and logged out everywhere.")


@get("/settings/audit")
async def show_audit(request: PageRequest) -> Response[bytes]:
    """Show who did what, newest first."""
    services = services_of(request)
    before = request.query_params.get("before", "")
    before_id = parse_id("aud", before) if before else _NEWEST
    if before_id is None:
        raise not_found("page of the log")
    rows = await services.database.read(lambda conn: operators.audit_page(conn, before_id, _AUDIT_ROWS + 1))
    shown, more = rows[:_AUDIT_ROWS], len(rows) > _AUDIT_ROWS
    names = {row.id: row.name for row in services.workspaces.rows.values()}
    return render(
        request,
        "audit.html",
        title="Audit log",
        at="/settings",
        lines=[_line(row, names) for row in shown],
        older=f"/settings/audit?before={show_id('aud', shown[-1].id)}" if more else None,
        first="/settings/audit" if before else None,
    )


def _line(row: AuditRow, workspaces: dict[int, str]) -> AuditView:
    workspace = workspaces.get(row.workspace_id, "") if row.workspace_id is not None else ""
    did = ACTIONS.get(row.action, row.action)
    return AuditView(row.at_ms, row.operator, did, row.subject, row.detail, workspace, row.address)


async def _operators_page(request: PageRequest, form: Form) -> Response[bytes]:
    services = services_of(request)
    now, own = services.clock.now_ms(), operator_of(request).id
    views = [
        OperatorView(
            show_id("opr", row.id),
            row.name,
            row.created_ms,
            row.totp_secret is not None,
            row.locked_until_ms if row.locked_until_ms > now else 0,
            row.id == own,
        )
        for row in await services.operators.list()
    ]
    status = 200 if form.ok else 422
    return render(
        request, "operators.html", status=status, title="Operators", at="/settings", operators=views, form=form
    )


async def _asked(request: PageRequest) -> OperatorRow:
    """Return the operator that a form names. Raises PageError 404."""
    operator_id = parse_id("opr", (await read_form(request)).get("id"))
    row = await services_of(request).operators.get(operator_id) if operator_id is not None else None
    if row is None:
        raise not_found("operator")
    return row


HANDLERS = (
    show_settings,
    show_operators,
    create_operator,
    unlock_operator,
    reset_password,
    delete_operator,
    show_audit,
)
