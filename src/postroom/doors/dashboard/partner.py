"""`/w/NAME/partner`: what SuperIMAP calls a partner: its keys, its webhooks, and where people come back to."""

from dataclasses import dataclass

from litestar import Response, get, post

from postroom.accounts.partners import Partner
from postroom.base.errors import WrongInput
from postroom.base.ids import parse_id, show_id
from postroom.doors.dashboard.forms import Form, read_form
from postroom.doors.dashboard.noted import noted
from postroom.doors.dashboard.page import address_of, done, not_found, render, workspace_of
from postroom.doors.dashboard.services import PageRequest, Services, services_of
from postroom.doors.dashboard.session import actor_of
from postroom.ledger.account_rows import PartnerKeyRow
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.rows import WorkspaceRow
from postroom.ledger.webhook_rows import EndpointForm, WebhookEndpointRow
from postroom.store import webhooks
from postroom.store.database import Conn, Tx
from postroom.webhooks.partner_hooks import KINDS

_PATH = "/w/{workspace:str}/partner"
HOOK_LABELS = {
    "new_mail_webhook": ("New mail", "Each mail that arrives, with its bytes."),
    "user_connected_webhook": ("Connected", EventKind.ACCOUNT_CONNECTED.meaning),
    "user_disconnected_webhook": ("Disconnected", EventKind.ACCOUNT_DISCONNECTED.meaning),
    "user_auth_failed_webhook": ("Login refused", EventKind.ACCOUNT_AUTH_FAILED.meaning),
    "mailbox_reset_webhook": ("Mailbox reset", EventKind.MAILBOX_RESET.meaning),
}


@dataclass(frozen=True, slots=True)
class KeyLine:
    """A SuperIMAP key without its secret."""

    id: str
    hint: str
    created_ms: int
    signs: bool


@dataclass(frozen=True, slots=True)
class HookLine:
    """A webhook in SuperIMAP's form, with the way to its log."""

    name: str
    label: str
    meaning: str
    endpoint: str
    """Public id; empty: none is set."""
    state: str


@get(_PATH)
async def show_partner(request: PageRequest) -> Response[bytes]:
    """Show keys, webhooks and addresses."""
    return await _page(request, await workspace_of(request))


@post(_PATH, status_code=200)
async def change_partner(request: PageRequest) -> Response[bytes]:
    """Set webhooks, addresses and the number of tries together: all of it or nothing."""
    workspace = await workspace_of(request)
    services, form = services_of(request), await read_form(request)
    retries = form.text("retries", "Say how often a webhook is tried.", most=3)
    if not retries.isascii() or not retries.isdecimal():
        form.errors.setdefault("retries", "A whole number, such as 6; 0 is for three days.")
    if form.ok:
        partner = Partner(
            form.text("success_url", most=2000),
            form.text("failure_url", most=2000),
            tuple(line for line in form.get("redirects").splitlines() if line.strip()),
            int(retries),
        )
        try:
            hooks = services.partner_hooks.prepare(workspace.id, {name: form.text(name, most=2000) for name in KINDS})
            note = noted(request, workspace, "partner.update")

            def write(tx: Tx) -> None:
                hooks.write(tx)
                note(tx)

            await services.partners.put(workspace.id, partner, in_transaction=write)
        except WrongInput as error:
            form.wrong(error, known=("success_url", "failure_url", "redirects", "retries", *KINDS))
        else:
            secrets = {f"{HOOK_LABELS[name][0]}: Standard Webhooks secret": one for name, one in hooks.secrets.items()}
            return done(request, address_of(workspace, "partner"), "The settings are saved.", once=secrets or None)
    return await _page(request, workspace, form)


@post(_PATH + "/keys")
async def create_key(request: PageRequest) -> Response[bytes]:
    """Make a SuperIMAP key and show it once."""
    workspace = await workspace_of(request)
    here = address_of(workspace, "partner")
    try:
        made = await services_of(request).partner_keys.create(workspace, by=actor_of(request))
    except WrongInput as error:
        return done(request, here, str(error), problem=True)
    told = "The key is made, and signs from now on. Copy it now: it is not shown again."
    return done(request, here, told, once={"SuperIMAP key": made.secret})


@post(_PATH + "/keys/delete")
async def delete_key(request: PageRequest) -> Response[bytes]:
    """Delete a SuperIMAP key."""
    workspace = await workspace_of(request)
    key_id = parse_id("pky", (await read_form(request)).get("id"))
    keys = services_of(request).partner_keys
    if key_id is None or not await keys.delete(workspace, key_id, by=actor_of(request)):
        raise not_found("SuperIMAP key")
    return done(request, address_of(workspace, "partner"), "The key is deleted. It stops working within 15 seconds.")


HANDLERS = (show_partner, change_partner, create_key, delete_key)


async def _page(request: PageRequest, workspace: WorkspaceRow, form: Form | None = None) -> Response[bytes]:
    services = services_of(request)
    partner = await services.partners.get(workspace.id)
    keys = await services.partner_keys.list(workspace)

    def read(conn: Conn) -> list[WebhookEndpointRow]:
        return webhooks.endpoints_of(conn, workspace.id)

    rows = await services.database.read(read)
    urls = await services.partner_hooks.urls(workspace.id)
    values = {
        **urls,
        "success_url": partner.success_url,
        "failure_url": partner.failure_url,
        "redirects": "\n".join(partner.redirects),
        "retries": str(partner.retries),
    }
    return render(
        request,
        "partner.html",
        status=422 if form is not None else 200,
        title="Partner",
        at="partner",
        form=form or Form(values),
        keys=_key_lines(keys),
        hooks=_hook_lines(urls, rows),
        curl=_curl(services),
    )


def _key_lines(keys: list[PartnerKeyRow]) -> list[KeyLine]:
    newest = max((row.id for row in keys), default=0)
    return [KeyLine(show_id("pky", row.id), row.hint, row.created_ms, row.id == newest) for row in keys]


def _hook_lines(urls: dict[str, str], rows: list[WebhookEndpointRow]) -> list[HookLine]:
    found = []
    for name, kind in KINDS.items():
        row = next((one for one in rows if one.form == EndpointForm.SUPERIMAP and f'"{kind.value}"' in one.kinds), None)
        label, meaning = HOOK_LABELS[name]
        here = row is not None and name in urls
        found.append(
            HookLine(
                name,
                label,
                meaning,
                show_id("whk", row.id) if row is not None and here else "",
                row.state if row is not None and here else "",
            )
        )
    return found


def _curl(services: Services) -> str:
    return f"curl '{services.facts.http_url}/api/v1/connections?api_key=KEY'"
