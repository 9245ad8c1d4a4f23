"""`/w/NAME/keys`: the API keys and SMTP logins of a workspace."""

import shlex
from dataclasses import dataclass

from litestar import Response, get, post

from postroom.base.errors import WrongInput
from postroom.base.ids import parse_id, show_id
from postroom.doors.dashboard.forms import Form, read_form
from postroom.doors.dashboard.page import address_of, done, not_found, render, workspace_of
from postroom.doors.dashboard.services import Facts, PageRequest, services_of
from postroom.doors.dashboard.session import actor_of
from postroom.ledger.rows import ApiKeyRow, SmtpLoginRow, WorkspaceRow
from postroom.ledger.states import Stream

_PATH = "/w/{workspace:str}/keys"
STREAMS = (
    ("", "Any: each mail says it"),
    (Stream.TRANSACTIONAL.value, "Transactional only"),
    (Stream.BULK.value, "Bulk only"),
)


@dataclass(frozen=True, slots=True)
class KeyView:
    """An API key without its secret."""

    id: str
    name: str
    hint: str
    created_ms: int

    @classmethod
    def of(cls, row: ApiKeyRow) -> "KeyView":
        """Return what is shown of a row."""
        return cls(show_id("key", row.id), row.name, row.hint, row.created_ms)


@dataclass(frozen=True, slots=True)
class LoginView:
    """An SMTP login without its password."""

    id: str
    username: str
    stream: str
    created_ms: int

    @classmethod
    def of(cls, row: SmtpLoginRow) -> "LoginView":
        """Return what is shown of a row."""
        return cls(show_id("log", row.id), row.username, row.stream, row.created_ms)


@get(_PATH)
async def show_keys(request: PageRequest) -> Response[bytes]:
    """List keys and logins."""
    return await _page(request, await workspace_of(request))


@post(_PATH, status_code=200)
async def create_key(request: PageRequest) -> Response[bytes]:
    """Make an API key and show it once."""
    workspace = await workspace_of(request)
    services, form = services_of(request), await read_form(request)
    name = form.text("name", "Give the key a name, such as that of the program that uses it.", most=100)
    if not form.ok:
        return await _page(request, workspace, key_form=form)
    made = await services.api_keys.create(workspace, name, by=actor_of(request))
    return done(
        request,
        address_of(workspace, "keys"),
        f"The API key “{name}” is made. Copy it now: it is not shown again.",
        once={"API key": made.secret, "Try it": curl_line(services.facts, made.secret)},
    )


@post(_PATH + "/delete")
async def delete_key(request: PageRequest) -> Response[bytes]:
    """Delete an API key."""
    workspace = await workspace_of(request)
    form = await read_form(request)
    key_id = parse_id("key", form.get("id"))
    deleted = key_id is not None and await services_of(request).api_keys.delete(workspace, key_id, by=actor_of(request))
    if not deleted:
        raise not_found("API key")
    return done(request, address_of(workspace, "keys"), "The API key is deleted. It stops working within 15 seconds.")


@post(_PATH + "/logins", status_code=200)
async def create_login(request: PageRequest) -> Response[bytes]:
    """Make an SMTP login and show its password once."""
    workspace = await workspace_of(request)
    services, form = services_of(request), await read_form(request)
    username = form.text("username", "Give the login a user name.", most=100)
    stream = form.get("stream")
    if stream not in dict(STREAMS):
        form.errors["stream"] = "Choose one of the list."
    if form.ok:
        try:
            fixed = Stream(stream) if stream else None
            made = await services.smtp_logins.create(workspace, username, fixed, by=actor_of(request))
        except WrongInput as error:
            form.wrong(error, known=("username",))
        else:
            return done(
                request,
                address_of(workspace, "keys"),
                f"The SMTP login “{username}” is made. Copy its password now: it is not shown again.",
                once={
                    "User name": made.name,
                    "Password": made.secret,
                    "Try it": swaks_line(services.facts, made.name, made.secret),
                },
            )
    return await _page(request, workspace, login_form=form)


@post(_PATH + "/logins/delete")
async def delete_login(request: PageRequest) -> Response[bytes]:
    """Delete an SMTP login."""
    workspace = await workspace_of(request)
    form = await read_form(request)
    login_id = parse_id("log", form.get("id"))
    deleted = login_id is not None and await services_of(request).smtp_logins.delete(
        workspace, login_id, by=actor_of(request)
    )
    if not deleted:
        raise not_found("SMTP login")
    return done(
        request, address_of(workspace, "keys"), "The SMTP login is deleted. It stops working within 15 seconds."
    )


def curl_line(facts: Facts, key: str) -> str:
    """Return a line that sends a mail by HTTP."""
    body = (
        '{"from": "you@example.com", "to": ["ada@example.net"], "subject": "Hello",\n'
        '       "html": "<p>Look at <a href=\\"https://example.org/\\">this</a>.</p>"}'
    )
    return (
        f"curl {facts.http_url}/api/v1/messages \\\n"
        f"  -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\\n"
        f"  -d '{body}'"
    )


def swaks_line(facts: Facts, username: str, password: str) -> str:
    """Return a line that sends a mail by SMTP."""
    return (
        f"swaks --server {facts.smtp or 'HOST:PORT'} --tls-optional --auth PLAIN \\\n"
        f"  --auth-user {shlex.quote(username)} --auth-password {password} \\\n"
        "  --from you@example.com --to ada@example.net --header 'Subject: Hello'"
    )


async def _page(
    request: PageRequest, workspace: WorkspaceRow, *, key_form: Form | None = None, login_form: Form | None = None
) -> Response[bytes]:
    services = services_of(request)
    return render(
        request,
        "keys.html",
        status=422 if key_form or login_form else 200,
        title="Keys",
        at="keys",
        keys=[KeyView.of(row) for row in await services.api_keys.list(workspace)],
        logins=[LoginView.of(row) for row in await services.smtp_logins.list(workspace)],
        key_form=key_form or Form(),
        login_form=login_form or Form(),
        streams=STREAMS,
        curl=curl_line(services.facts, "KEY"),
        swaks=swaks_line(services.facts, "USER", "PASSWORD"),
    )


HANDLERS = (show_keys, create_key, delete_key, create_login, delete_login)
