"""Forms of `/w/NAME/accounts`: a connection to a provider, and an account."""

from collections.abc import Mapping

from litestar import Response, get, post

from postroom.accounts.changes import AccountChange, ConnectionChange, mailboxes_of
from postroom.accounts.providers import Kind, overrides_of
from postroom.base.errors import WrongInput
from postroom.base.ids import parse_id, show_id
from postroom.doors.dashboard.account_story import address, existing
from postroom.doors.dashboard.account_views import title_of
from postroom.doors.dashboard.forms import Form, read_form
from postroom.doors.dashboard.noted import noted
from postroom.doors.dashboard.page import address_of, done, not_found, render, workspace_of
from postroom.doors.dashboard.services import PageRequest, Services, services_of
from postroom.ledger.account_rows import AccountRow, ConnectionRow, Security
from postroom.ledger.rows import WorkspaceRow
from postroom.store.accounts import AccountView, ConnectionView

_PATH = "/w/{workspace:str}/accounts"
_CONNECTIONS = _PATH + "/connections"
_CONNECTION = _CONNECTIONS + "/{connection:str}"
_SERVER_FIELDS = ("imap_host", "imap_port", "imap_security", "smtp_host", "smtp_port", "smtp_security")
_OAUTH_FIELDS = ("authorize_url", "token_url", "revoke_url", "userinfo_url", "scope")
_CONNECTION_FIELDS = (
    "imap_provider_code", "oauth2_client_id", "oauth2_client_secret", *_SERVER_FIELDS, *_OAUTH_FIELDS,
)  # fmt: skip
_ACCOUNT_FIELDS = ("connection", "tag", "email", "login_username", "login_password", "mailboxes", *_SERVER_FIELDS)
_SECURITIES = (
    ("", "As usual"),
    (Security.TLS.value, "TLS from the first octet"),
    (Security.STARTTLS.value, "STARTTLS"),
    (Security.PLAIN.value, "None (allowed private networks only)"),
)


# Connections


@get(_CONNECTIONS + "/new")
async def new_connection(request: PageRequest) -> Response[bytes]:
    """Show the form that makes a connection."""
    workspace = await workspace_of(request)
    code = request.query_params.get("provider", "PLAIN")[:100]
    return await _connection_page(request, workspace, Form({"imap_provider_code": code}))


@post(_CONNECTIONS, status_code=200)
async def create_connection(request: PageRequest) -> Response[bytes]:
    """Make a connection to a provider."""
    workspace = await workspace_of(request)
    services, form = services_of(request), await read_form(request)
    provider = services.accounts.providers.get(form.get("imap_provider_code"))
    change = _connection_change(form)
    if provider is None:
        form.errors["imap_provider_code"] = "Choose one of the list."
    if form.ok and provider is not None:
        try:
            note = noted(request, workspace, "connection.create", provider.code)
            await services.accounts.create_connection(workspace.id, provider, change, in_transaction=note)
        except WrongInput as error:
            _wrong(form, error, _CONNECTION_FIELDS)
        else:
            told = f"The connection to {provider.title} is made. Now make an account."
            return done(request, address_of(workspace, "accounts/new") + f"?provider={provider.code}", told)
    return await _connection_page(request, workspace, form, status=422)


@get(_CONNECTION)
async def edit_connection(request: PageRequest) -> Response[bytes]:
    """Show the form that changes a connection."""
    workspace = await workspace_of(request)
    view = await _connection(request, workspace)
    row = view.connection
    values = {"imap_provider_code": row.provider, "oauth2_client_id": row.client_id, **_server_values(row.server)}
    return await _connection_page(request, workspace, Form(values), view)


@post(_CONNECTION, status_code=200)
async def change_connection(request: PageRequest) -> Response[bytes]:
    """Change a connection; a secret that is left empty stays."""
    workspace = await workspace_of(request)
    view, form = await _connection(request, workspace), await read_form(request)
    row = view.connection
    form.values["imap_provider_code"] = row.provider
    change = _connection_change(form, keeps_secret=True)
    if form.ok:
        try:
            note = noted(request, workspace, "connection.update", row.provider)
            await services_of(request).accounts.update_connection(row, change, in_transaction=note)
        except WrongInput as error:
            _wrong(form, error, _CONNECTION_FIELDS)
        else:
            here = address_of(workspace, "accounts") + "#connections"
            return done(request, here, "The connection is changed. Its accounts are watched with it within seconds.")
    return await _connection_page(request, workspace, form, view, status=422)


@post(_CONNECTION + "/delete")
async def delete_connection(request: PageRequest) -> Response[bytes]:
    """Delete a connection with its accounts."""
    workspace = await workspace_of(request)
    row = (await _connection(request, workspace)).connection
    note = noted(request, workspace, "connection.delete", row.provider)
    if not await services_of(request).accounts.delete_connection(row, in_transaction=note):
        raise not_found("connection")
    return done(request, address_of(workspace, "accounts"), "The connection is deleted with its accounts.")


# Accounts


@get(_PATH + "/new")
async def new_account(request: PageRequest) -> Response[bytes]:
    """Show the form that makes an account."""
    workspace = await workspace_of(request)
    form = Form({"connection": request.query_params.get("provider", "")[:100]})
    return await _account_page(request, workspace, form)


@post(_PATH, status_code=200)
async def create_account(request: PageRequest) -> Response[bytes]:
    """Make an account; with a password it is connected at once."""
    workspace = await workspace_of(request)
    services, form = services_of(request), await read_form(request)
    provider = services.accounts.providers.get(form.get("connection"))
    found = await services.accounts.connection(workspace.id, provider) if provider is not None else None
    if found is None:
        form.errors["connection"] = "Choose one of the list."
    change = _account_change(form)
    if form.ok and found is not None:
        try:
            note = noted(request, workspace, "account.create", change.tag or "")
            row = await services.accounts.create(found.connection, change, in_transaction=note)
        except WrongInput as error:
            _wrong(form, error, _ACCOUNT_FIELDS)
        else:
            link = "Its link to connect is below." if row.connected_ms is None else "It is connected within seconds."
            return done(request, address(workspace, row.id), f"The account is made. {link}")
    return await _account_page(request, workspace, form, status=422)


@get(_PATH + "/{account:str}/edit")
async def edit_account(request: PageRequest) -> Response[bytes]:
    """Show the form that changes an account."""
    workspace = await workspace_of(request)
    view = await existing(request, workspace)
    return await _account_page(request, workspace, _form_of(view.account, view.connection), view)


@post(_PATH + "/{account:str}/edit", status_code=200)
async def change_account(request: PageRequest) -> Response[bytes]:
    """Change an account; a password that is left empty stays."""
    workspace = await workspace_of(request)
    view, form = await existing(request, workspace), await read_form(request)
    form.values["connection"] = view.connection.provider
    change = _account_change(form, keeps_secret=True)
    if form.ok:
        try:
            note = noted(request, workspace, "account.update", view.account.tag)
            await services_of(request).accounts.update(view.account, view.connection, change, in_transaction=note)
        except WrongInput as error:
            _wrong(form, error, _ACCOUNT_FIELDS)
        else:
            return done(request, address(workspace, view.account.id), "The account is changed.")
    return await _account_page(request, workspace, form, view, status=422)


HANDLERS = (
    new_connection,
    create_connection,
    edit_connection,
    change_connection,
    delete_connection,
    new_account,
    create_account,
    edit_account,
    change_account,
)


# Reading forms


def _connection_change(form: Form, *, keeps_secret: bool = False) -> ConnectionChange:
    secret = form.get("oauth2_client_secret").strip()
    server = {**_server(form), **{name: form.text(name, most=2000) for name in _OAUTH_FIELDS}}
    return ConnectionChange(
        client_id=form.text("oauth2_client_id"),
        client_secret=None if keeps_secret and not secret else secret,
        server=server,
    )


def _account_change(form: Form, *, keeps_secret: bool = False) -> AccountChange:
    password = form.get("login_password")
    return AccountChange(
        tag=form.text("tag", "Give it the name that your application knows the person by."),
        email=form.text("email"),
        username=form.text("login_username"),
        password=None if keeps_secret and not password else password,
        server=_server(form),
        mailboxes=tuple(form.get("mailboxes").splitlines()),
        is_tracer=form.get("is_tracer") == "1",
    )


def _server(form: Form) -> Mapping[str, object]:
    said: dict[str, object] = {}
    for prefix in ("imap", "smtp"):
        said[f"{prefix}_host"] = form.text(f"{prefix}_host", most=253)
        port = form.text(f"{prefix}_port", most=5)
        is_port = port.isascii() and port.isdecimal() and 0 < int(port) < 65_536
        if port and not is_port:
            form.errors.setdefault(f"{prefix}_port", "A port is a number from 1 to 65535.")
        said[f"{prefix}_port"] = int(port) if is_port else 0
        security = form.get(f"{prefix}_security")
        said[f"{prefix}_security"] = security if security in set(Security) else None
    return said


def _wrong(form: Form, error: WrongInput, known: tuple[str, ...]) -> None:
    # The API has the OAuth addresses under a longer name.
    short = error.field.removeprefix("oauth2_")
    form.wrong(WrongInput(short, str(error)) if short in _OAUTH_FIELDS else error, known=known)


def _server_values(text: str) -> dict[str, str]:
    said = overrides_of(text)
    found = {name: getattr(said, name) for name in (*_SERVER_FIELDS, *_OAUTH_FIELDS)}
    return {name: str(value) if value else "" for name, value in found.items()}


def _form_of(account: AccountRow, connection: ConnectionRow) -> Form:
    values = {
        "connection": connection.provider,
        "tag": account.tag,
        "email": account.email,
        "login_username": account.username,
        "mailboxes": "\n".join(mailboxes_of(account)) if account.mailboxes else "",
        "is_tracer": str(account.is_tracer),
        **_server_values(account.server),
    }
    return Form(values, {"is_tracer": [str(account.is_tracer)]})


# Pages


async def _connection_page(
    request: PageRequest, workspace: WorkspaceRow, form: Form, view: ConnectionView | None = None, status: int = 200
) -> Response[bytes]:
    services = services_of(request)
    row = view.connection if view is not None else None
    providers = services.accounts.providers
    there = {one.connection.provider for one in await services.accounts.connections(workspace.id)}
    choices = [(one.code, one.title) for one in providers.all() if one.code not in there]
    here = address_of(workspace, "accounts/connections")
    provider = providers.get(row.provider) if row is not None else None
    return render(
        request,
        "account_connection.html",
        status=status,
        title=f"Connection to {title_of(row.provider, providers)}" if row is not None else "New connection",
        at="accounts",
        form=form,
        choices=choices,
        row=row,
        is_oauth=provider is None or provider.kind is Kind.OAUTH2,
        has_secret=row is not None and row.client_secret is not None,
        accounts=view.accounts if view is not None else 0,
        securities=_SECURITIES,
        callback_url=services.links.callback_url,
        server_open=any(form.get(name) for name in (*_SERVER_FIELDS, *_OAUTH_FIELDS)) or _has_error(form),
        action=f"{here}/{show_id('con', row.id)}" if row is not None else here,
        back=address_of(workspace, "accounts"),
    )


async def _account_page(
    request: PageRequest, workspace: WorkspaceRow, form: Form, view: AccountView | None = None, status: int = 200
) -> Response[bytes]:
    services = services_of(request)
    connections = await services.accounts.connections(workspace.id)
    codes = [one.connection.provider for one in connections]
    account = view.account if view is not None else None
    here = address_of(workspace, "accounts")
    return render(
        request,
        "account_form.html",
        status=status,
        title=f"Change {account.email or account.tag}" if account is not None else "New account",
        at="accounts",
        form=form,
        account=account,
        choices=[(code, title_of(code, services.accounts.providers)) for code in codes],
        is_oauth=_is_oauth(services, view),
        has_password=account is not None and account.password is not None,
        securities=_SECURITIES,
        server_open=any(form.get(name) for name in _SERVER_FIELDS) or _has_error(form),
        action=f"{address(workspace, account.id)}/edit" if account is not None else here,
        back=address(workspace, account.id) if account is not None else here,
    )


def _is_oauth(services: Services, view: AccountView | None) -> bool:
    provider = None if view is None else services.accounts.providers.get(view.connection.provider)
    return provider is not None and provider.kind is Kind.OAUTH2


def _has_error(form: Form) -> bool:
    return any(name in form.errors for name in (*_SERVER_FIELDS, *_OAUTH_FIELDS))


async def _connection(request: PageRequest, workspace: WorkspaceRow) -> ConnectionView:
    connection_id = parse_id("con", request.path_params["connection"])
    all_of_them = await services_of(request).accounts.connections(workspace.id)
    found = next((one for one in all_of_them if one.connection.id == connection_id), None)
    if found is None:
        raise not_found("connection")
    return found
