"""`/w/NAME/accounts/ID`: one watched account: its events by number, its mailboxes, its server, and what can be done."""

import json
from dataclasses import dataclass

from litestar import Response, get, post

from postroom.accounts.changes import AccountChange, mailboxes_of
from postroom.accounts.providers import Providers, server_of
from postroom.base.errors import WrongInput
from postroom.base.ids import parse_id, show_id
from postroom.doors.dashboard.account_views import (
    event_line,
    mailbox_view,
    server_view,
    silence,
    state_view,
    title_of,
    tracer_views,
)
from postroom.doors.dashboard.forms import read_form, sentence
from postroom.doors.dashboard.noted import noted
from postroom.doors.dashboard.page import address_of, done, not_found, render, workspace_of
from postroom.doors.dashboard.services import PageRequest, services_of
from postroom.ledger.account_rows import AccountState, TracerRow
from postroom.ledger.rows import WorkspaceRow
from postroom.store import account_events, tracers, webhooks
from postroom.store.account_audit import MailboxAudit, audit_mailboxes
from postroom.store.account_events import AccountEvent, ToldCount
from postroom.store.accounts import AccountView
from postroom.store.accounts import begin_sweep as begin
from postroom.store.database import Conn, Tx

_ONE = "/w/{workspace:str}/accounts/{account:str}"
_PAGE = 25
_TRACERS = 10
_MOST_GAPS = 1_000
_MOST_REPLAYED = 1_000
_NEWEST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class _Seen:
    events: list[AccountEvent]
    """Oldest first."""
    told: ToldCount
    mailboxes: list[MailboxAudit]
    tracers: list[TracerRow]
    heard: frozenset[str]
    """Kinds that a webhook in SuperIMAP's form asks for."""


@get(_ONE)
async def show_account(request: PageRequest) -> Response[bytes]:
    """Show an account; `before` for the page of events behind a number."""
    workspace = await workspace_of(request)
    services = services_of(request)
    view = await existing(request, workspace)
    account, owner, status = view.account, view.owner, view.status
    top = _number(request.query_params.get("before", "")) or owner.last_number + 1
    after = max(0, top - 1 - _PAGE)
    here = address(workspace, account.id)
    seen = await services.database.read(lambda conn: _read(conn, workspace.id, account.id, after, top - 1 - after))
    # Retention takes the oldest: behind them there is nothing more.
    is_last = after == 0 or len(seen.events) < top - 1 - after
    is_connected = status.state not in (AccountState.UNCONNECTED, AccountState.ARCHIVED)
    return render(
        request,
        "account_watched.html",
        title=account.email or account.tag,
        at="accounts",
        here=here,
        account=account,
        account_id=show_id("acc", account.id),
        state=state_view(status.state, status.why, has_events=owner.last_number > 0),
        going=status,
        owner=owner,
        node=services.ids.node,
        silent=silence(services.silent_seconds(account.id)),
        facts_of_it=_facts(view, services.accounts.providers),
        is_connected=is_connected,
        is_refused=status.state == AccountState.REFUSED,
        connect_url=services.links.connect_url(account.id),
        disconnect_url=services.links.disconnect_url(account.id) if is_connected else "",
        events=[
            event_line(one, account.id, workspace.id, is_heard=one.kind in seen.heard) for one in reversed(seen.events)
        ],
        told=seen.told,
        is_told=bool(seen.heard),
        mailboxes=[mailbox_view(one) for one in seen.mailboxes],
        watched_names=mailboxes_of(account),
        tracers=tracer_views(seen.tracers, {account.id: account.email}),
        server=server_view(status.server),
        can_sweep=not account.is_archived and any(_has_old_mail(one) for one in seen.mailboxes),
        older=None if is_last else f"{here}?before={after + 1}#events",
        first=f"{here}#events" if top <= owner.last_number else None,
    )


@post(_ONE + "/again")
async def tell_again(request: PageRequest) -> Response[bytes]:
    """Tell the event of a number again, or with `all` those that were given up."""
    workspace = await workspace_of(request)
    services, form = services_of(request), await read_form(request)
    view = await existing(request, workspace)
    account_id, now = view.account.id, services.clock.now_ms()
    note = noted(request, workspace, "account.replay", view.account.tag)
    number = _number(form.get("number"))
    if form.get("all") == "1":
        numbers = await services.database.read(
            lambda conn: account_events.given_up_after(conn, workspace.id, account_id, 0, _MOST_REPLAYED)
        )
    else:
        numbers = [number] if number else []

    def write(tx: Tx) -> int:
        note(tx)
        return account_events.tell_again(tx, workspace.id, account_id, numbers, now)

    told = await services.database.write(write) if numbers else 0
    if not told:
        text = "Nothing is told again: no webhook in SuperIMAP's form asks for it, or there is nothing."
        return done(request, address(workspace, account_id) + "#events", text, problem=True)
    more = " There are more: repeat it once these are told." if len(numbers) == _MOST_REPLAYED else ""
    text = f"{told:,} event{' is' if told == 1 else 's are'} told again, in the order of their numbers.{more}"
    return done(request, address(workspace, account_id) + "#events", text)


@post(_ONE + "/reconnect")
async def reconnect(request: PageRequest) -> Response[bytes]:
    """Have whoever watches the account begin with it anew at once."""
    return await _change(request, "account.reconnect", AccountChange(), "It is connected anew within seconds.")


@post(_ONE + "/tracer")
async def switch_tracers(request: PageRequest) -> Response[bytes]:
    """Send tracers to an account from now on, or no more."""
    on = (await read_form(request)).get("on") == "1"
    told = "Tracers are sent to it from now on." if on else "No more tracers are sent to it."
    return await _change(request, "account.update", AccountChange(is_tracer=on), told)


@post(_ONE + "/sweep")
async def begin_sweep(request: PageRequest) -> Response[bytes]:
    """Tell of the mail that was there before watching began."""
    workspace = await workspace_of(request)
    services = services_of(request)
    view = await existing(request, workspace)
    account_id, now = view.account.id, services.clock.now_ms()
    note = noted(request, workspace, "account.sweep", view.account.tag)

    def write(tx: Tx) -> int:
        swept = begin(tx, workspace.id, account_id, now)
        note(tx)
        return len(swept or ())

    here = address(workspace, account_id) + "#mailboxes"
    if view.account.is_archived or not await services.database.write(write):
        return done(request, here, "There is no mail from before, or nobody watches the account.", problem=True)
    return done(request, here, "The sweep begins: mail from before is told, oldest first, beside what arrives now.")


@post(_ONE + "/archive")
async def archive_account(request: PageRequest) -> Response[bytes]:
    """Watch an account no more, and keep everything."""
    workspace = await workspace_of(request)
    view = await existing(request, workspace)
    note = noted(request, workspace, "account.archive", view.account.tag)
    await services_of(request).accounts.archive(view.account, in_transaction=note)
    return done(request, address(workspace, view.account.id), "It is archived: nobody watches it any more.")


@post(_ONE + "/restore")
async def restore_account(request: PageRequest) -> Response[bytes]:
    """Watch an archived account again."""
    told = "It is watched again, from where it was: what arrived meanwhile is told now."
    return await _change(request, "account.restore", AccountChange(is_archived=False), told)


@post(_ONE + "/disconnect")
async def disconnect_account(request: PageRequest) -> Response[bytes]:
    """Forget an account's credentials."""
    change = AccountChange(email="", username="", password="", refresh_token="")
    return await _change(request, "account.disconnect", change, "Its credentials are forgotten.")


@post(_ONE + "/delete")
async def delete_account(request: PageRequest) -> Response[bytes]:
    """Delete an account with all that was found."""
    workspace = await workspace_of(request)
    view = await existing(request, workspace)
    note = noted(request, workspace, "account.delete", view.account.tag)
    if not await services_of(request).accounts.delete(view.account, in_transaction=note):
        raise not_found("account")
    return done(request, address_of(workspace, "accounts"), f"The account {view.account.tag} is deleted.")


HANDLERS = (
    show_account,
    tell_again,
    reconnect,
    switch_tracers,
    begin_sweep,
    archive_account,
    restore_account,
    disconnect_account,
    delete_account,
)


async def existing(request: PageRequest, workspace: WorkspaceRow) -> AccountView:
    """Return the account that the address names. Raises PageError 404."""
    account_id = parse_id("acc", request.path_params["account"])
    found = None if account_id is None else await services_of(request).accounts.get(workspace.id, account_id)
    if found is None:
        raise not_found("account")
    return found


def address(workspace: WorkspaceRow, account_id: int) -> str:
    """Return the address of an account's page."""
    return address_of(workspace, f"accounts/{show_id('acc', account_id)}")


async def _change(request: PageRequest, action: str, change: AccountChange, told: str) -> Response[bytes]:
    workspace = await workspace_of(request)
    view = await existing(request, workspace)
    note = noted(request, workspace, action, view.account.tag)
    here = address(workspace, view.account.id)
    try:
        await services_of(request).accounts.update(view.account, view.connection, change, in_transaction=note)
    except WrongInput as error:
        return done(request, here, sentence(str(error)), problem=True)
    return done(request, here, told)


def _read(conn: Conn, workspace_id: int, account_id: int, after: int, limit: int) -> _Seen:
    endpoints = [one for one in webhooks.endpoints_of(conn, workspace_id) if one.form == "superimap"]
    return _Seen(
        account_events.events_after(conn, workspace_id, account_id, after, limit),
        account_events.count_told(conn, workspace_id, account_id),
        audit_mailboxes(conn, workspace_id, account_id, _MOST_GAPS),
        tracers.tracers_of_account(conn, workspace_id, account_id, _NEWEST, _TRACERS),
        frozenset(kind for one in endpoints for kind in json.loads(one.kinds)),
    )


def _has_old_mail(audit: MailboxAudit) -> bool:
    """Tell whether there may be mail from before that nobody was told of, nor will be."""
    row = audit.mailbox
    return row.first_uid > 1 and row.sweep_next is None and all(one.first >= row.first_uid for one in audit.outcomes)


def _facts(view: AccountView, providers: Providers) -> list[tuple[str, str]]:
    account, provider = view.account, providers.get(view.connection.provider)
    server = server_of(provider, view.connection, account) if provider is not None else None
    pairs = [
        ("Tag", account.tag),
        ("Provider", title_of(view.connection.provider, providers)),
        ("Logs in as", account.username or account.email),
        ("IMAP server", f"{server.imap} ({server.imap.security.value})" if server and server.imap else ""),
        ("SMTP server", f"{server.smtp} ({server.smtp.security.value})" if server and server.smtp else ""),
    ]
    return [(name, value) for name, value in pairs if value]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else 0
