"""Pages: templates, what every page has, messages shown once, and answers after a change.

```python
@get("/w/{workspace:str}/keys")
async def show(request: PageRequest) -> Response[bytes]:
    workspace = await workspace_of(request)
    return render(request, "keys.html", title="Keys", at="keys", keys=…)

@post("/w/{workspace:str}/keys")
async def create(request: PageRequest) -> Response[bytes]:
    form = await read_form(request)      # the token was checked before
    …
    return done(request, address_of(workspace, "keys"), "The key is made.", once={"API key": secret})
```
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Response

from postroom.base.secrets import CannotOpen, secret_hash
from postroom.doors.dashboard import times
from postroom.doors.dashboard.assets import Assets
from postroom.doors.dashboard.forms import Form
from postroom.doors.dashboard.services import PageRequest, services_of
from postroom.doors.dashboard.session import TOKEN_FIELD, CookieNames, cookies_of, visit_of
from postroom.ledger.rows import WorkspaceRow

HTML = "text/html"
_TEMPLATES = Path(__file__).parent / "templates"
_MESSAGE_SECONDS = 60
_LONGEST_MESSAGE = 500
"""A browser drops a cookie of more than 4 kB, and with it the secrets that the message carries."""
_MOST_MESSAGES = 5
"""Of changes that were made one right after the other, and whose pages were not shown yet."""
_WORKSPACE_SECONDS = 365 * 86400


@dataclass(frozen=True, slots=True)
class Section:
    """A page of a workspace in the navigation."""

    path: str
    """Below `/w/NAME/`; empty: the overview. `at=` of a page names it."""
    label: str
    icon: str
    group: str = ""
    """What the pages from here on have in common."""


SECTIONS = (
    Section("", "Overview", "overview"),
    Section("activity", "Activity", "activity"),
    Section("inbound", "Inbound", "inbound"),
    Section("sandbox", "Sandbox", "sandbox"),
    Section("queue", "Queue", "queue"),
    Section("bounces", "Bounces", "bounces"),
    Section("complaints", "Complaints", "complaints"),
    Section("suppressions", "Suppressions", "suppressions"),
    Section("routes", "Routes", "routes"),
    Section("webhooks", "Webhooks", "webhooks"),
    Section("domains", "Domains", "domains"),
    Section("keys", "Keys", "keys"),
    Section("accounts", "Accounts", "accounts", group="Mailboxes"),
    Section("tracers", "Tracers", "tracers"),
    Section("partner", "Partner", "partner"),
)


class PageError(Exception):
    """Ends a request with a page that says what is wrong."""

    def __init__(self, status: int, title: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.title = title


@dataclass(frozen=True, slots=True)
class Message:
    """What a page says once, after a change."""

    text: str
    kind: str = "done"
    """`done` or `problem`."""
    once: Mapping[str, str] | None = None
    """Secrets that are shown this once, by their label."""


class Pages:
    """Templates and files, made once for an application."""

    def __init__(self, names: CookieNames) -> None:
        self.assets = Assets()
        self.names = names
        self.environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self.environment.globals.update(asset=self.assets.address, TOKEN_FIELD=TOKEN_FIELD)
        self.environment.filters.update(number=times.number, duration=times.duration, utc=times.utc, iso=times.iso)


def render(request: PageRequest, template: str, *, status: int = 200, **values: Any) -> Response[bytes]:
    """Return a page.

    Every template has: `operator` (or None), `workspace` (or None), `workspaces`,
    `home` (the workspace of the navigation), `sections`, `token`, `messages`, `now_ms`,
    `facts`, `url(path)` (an address below the workspace). Give `title`; `at` names
    the section of the navigation. `form` is empty where none is given.
    """
    pages = pages_of(request)
    visit = visit_of(request)
    services = services_of(request)
    workspace: WorkspaceRow | None = request.state.get("workspace")
    cookies = cookies_of(request.scope)
    carried = sorted((name for name in cookies if name.startswith(pages.names.message)), reverse=True)
    now = services.clock.now_ms()
    context: dict[str, Any] = {
        "operator": visit.operator,
        "workspace": workspace,
        "workspaces": sorted(services.workspaces.rows.values(), key=lambda row: row.name.casefold()),
        "sections": SECTIONS,
        "token": visit.token,
        "home": workspace or last_workspace(request),
        "messages": _messages(request, [cookies[name] for name in carried]),
        "now_ms": now,
        "facts": services.facts,
        "url": lambda path="": address_of(workspace, path) if workspace else "/",
        "workspace_url": address_of,
        "when": lambda at_ms: times.when(at_ms, now),
        "lasting": lambda since_ms: times.lasting(since_ms, now),
        "path": request.url.path,
        "title": "",
        "at": None,
        "form": Form(),
        **values,
    }
    body = pages.environment.get_template(template).render(context).encode()
    response = Response(body, status_code=status, media_type=HTML, headers={"Cache-Control": "no-store"})
    response.cookies += [pages.names.cookie(name, "", 0) for name in carried]
    if workspace is not None and cookies.get(pages.names.workspace) != str(workspace.id):
        response.cookies.append(pages.names.cookie(pages.names.workspace, str(workspace.id), _WORKSPACE_SECONDS))
    return response


def done(
    request: PageRequest,
    location: str,
    text: str,
    *,
    once: Mapping[str, str] | None = None,
    problem: bool = False,
    cookie: str | None = None,
) -> Response[bytes]:
    """Answer a change: 303 to `location` (a path), where the page says `text` once.

    `once` are secrets that this page shows and no other ever will. `cookie`: the
    session's, where it was just made.
    """
    response = see_other(location)
    pages = pages_of(request)
    bound_to = visit_of(request).cookie if cookie is None else cookie
    value = json.dumps(
        [text[:_LONGEST_MESSAGE], "problem" if problem else "done", dict(once) if once else None]
    ).encode()
    sealed = services_of(request).sealer.seal(value, _message_row(bound_to))
    encoded = base64.urlsafe_b64encode(sealed).decode()
    # A cookie of its own: two changes at once, in two windows, keep what each has to say. The name orders them.
    name = f"{pages.names.message}_{services_of(request).ids.next():019d}"
    response.cookies.append(pages.names.cookie(name, encoded, _MESSAGE_SECONDS))
    return response


def see_other(location: str) -> Response[bytes]:
    """Answer 303 to `location` without a message."""
    return Response(b"", status_code=303, headers={"Location": location}, media_type=HTML)


async def workspace_of(request: PageRequest) -> WorkspaceRow:
    """Return the workspace that the address names. Raises PageError 404."""
    name = request.path_params["workspace"]
    workspaces = services_of(request).workspaces
    found = _named(workspaces.rows.values(), name)
    if found is None:
        # Another node, or a command, may have made it a moment ago.
        await workspaces.refresh()
        found = _named(workspaces.rows.values(), name)
    if found is None:
        raise not_found("workspace")
    request.state["workspace"] = found
    return found


def last_workspace(request: PageRequest) -> WorkspaceRow | None:
    """Return the workspace that this browser looked at last, else the first; None where there is none."""
    rows = services_of(request).workspaces.rows
    last = cookies_of(request.scope).get(pages_of(request).names.workspace, "")
    row = rows.get(int(last)) if last.isascii() and last.isdecimal() and len(last) < 20 else None
    return row or next(iter(rows.values()), None)


def address_of(workspace: WorkspaceRow, path: str = "") -> str:
    """Return the address of a page of a workspace."""
    return f"/w/{quote(workspace.name, safe='')}/{path}"


def address_with(address: str, **values: str) -> str:
    """Return the address with those `values` as its query that are not empty."""
    given = {name: value for name, value in values.items() if value}
    return f"{address}?{urlencode(given)}" if given else address


def not_found(what: str) -> PageError:
    """Return the answer for something that is not there, or not in this workspace: the two look alike."""
    return PageError(
        404, f"There is no such {what}", f"The address names a {what} that is not here. It may be deleted."
    )


def pages_of(request: PageRequest) -> Pages:
    """Return templates and files."""
    pages: Pages = request.app.state["pages"]
    return pages


def _messages(request: PageRequest, carried: Sequence[str]) -> list[Message]:
    """Open what cookies carry, the newest first."""
    row, sealer, found = _message_row(visit_of(request).cookie), services_of(request).sealer, []
    for encoded in carried[:_MOST_MESSAGES]:
        try:
            found.append(Message(*json.loads(sealer.open(base64.urlsafe_b64decode(encoded), row))))
        except (binascii.Error, CannotOpen, ValueError, TypeError):
            # Of another session, or nobody's.
            continue
    return found


def _message_row(cookie: str) -> str:
    return f"message/{secret_hash(cookie).hex()}"


def _named(rows: Any, name: str) -> WorkspaceRow | None:
    return next((row for row in rows if row.name == name), None)
