"""`/settings/keeping`: how long each workspace keeps what, and changing it."""

from dataclasses import dataclass
from urllib.parse import quote

from litestar import Response, get, post

from postroom.base.errors import WrongInput
from postroom.doors.dashboard.forms import Form, read_form
from postroom.doors.dashboard.noted import noted
from postroom.doors.dashboard.page import done, render, workspace_of
from postroom.doors.dashboard.services import PageRequest, services_of
from postroom.ledger.rows import WorkspaceRow
from postroom.upkeep.keeping import KEPT, change_periods, keeping_periods
from postroom.upkeep.periods import DEFAULTS, Periods, show_period

_PATH = "/settings/keeping"
LABELS = {
    "bodies": ("Contents", "after the last recipient settled"),
    "hits": ("Hits", "with network address and agent; what they mean stays in the ledger"),
    "ledger": ("Ledger", "messages, recipients and events, after the last thing that happened"),
    "sandbox": ("Sandbox", "copies that the sandbox kept"),
}
"""What has a period, in words."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A workspace with its periods."""

    name: str
    href: str
    periods: tuple[str, ...]
    """In words, in the order of LABELS."""


@get(_PATH)
async def show_keeping(request: PageRequest) -> Response[bytes]:
    """Show how long each workspace keeps what."""
    services = services_of(request)
    rows = sorted(services.workspaces.rows.values(), key=lambda row: row.name.casefold())
    periods = await keeping_periods(services.database, [row.id for row in rows])
    views = [Kept(row.name, _address(row), _in_words(periods[row.id])) for row in rows]
    return render(request, "keeping.html", title="Keeping", at="/settings", workspaces_kept=views, labels=LABELS)


@get(_PATH + "/{workspace:str}")
async def show_periods(request: PageRequest) -> Response[bytes]:
    """Show the form of one workspace."""
    workspace = await workspace_of(request)
    periods = await keeping_periods(services_of(request).database, [workspace.id])
    return _form(request, workspace, Form(_shown(periods[workspace.id])))


@post(_PATH + "/{workspace:str}")
async def set_periods(request: PageRequest) -> Response[bytes]:
    """Change how long one workspace keeps what."""
    workspace, services, form = await workspace_of(request), services_of(request), await read_form(request)
    asked = {name: form.text(name, "Write a time such as 30d or 36h.", most=20) for name in KEPT}
    if form.ok:
        detail = ", ".join(f"{name} {text}" for name, text in asked.items())
        note = noted(request, workspace, "workspace.keep", workspace.name, detail)
        try:
            await change_periods(services.database, workspace.id, asked, note)
        except WrongInput as error:
            form.wrong(error, known=KEPT)
        else:
            return done(request, _PATH, f"{workspace.name} keeps its things as long as that from now on.")
    return _form(request, workspace, form)


HANDLERS = (show_keeping, show_periods, set_periods)


def _form(request: PageRequest, workspace: WorkspaceRow, form: Form) -> Response[bytes]:
    return render(
        request,
        "keeping_form.html",
        status=200 if form.ok else 422,
        title=f"What {workspace.name} keeps",
        at="/settings",
        action=_address(workspace),
        form=form,
        labels=LABELS,
        defaults=_shown(DEFAULTS),
    )


def _address(workspace: WorkspaceRow) -> str:
    return f"{_PATH}/{quote(workspace.name, safe='')}"


def _in_words(periods: Periods) -> tuple[str, ...]:
    told = []
    for text in _shown(periods).values():
        count, unit = text[:-1], {"d": "day", "h": "hour"}[text[-1]]
        told.append(f"{count} {unit}{'' if count == '1' else 's'}")
    return tuple(told)


def _shown(periods: Periods) -> dict[str, str]:
    return {name: show_period(getattr(periods, f"{name}_ms")) for name in LABELS}
