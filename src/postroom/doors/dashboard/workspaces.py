"""`/workspaces`: all workspaces, and making one."""

from litestar import Response, get, post

from postroom.base.errors import WrongInput
from postroom.doors.dashboard.forms import Form, read_form
from postroom.doors.dashboard.page import address_of, done, render
from postroom.doors.dashboard.services import PageRequest, services_of
from postroom.doors.dashboard.session import actor_of
from postroom.outbound.transport import parse_transport


@get("/workspaces")
async def show_workspaces(request: PageRequest) -> Response[bytes]:
    """List all workspaces."""
    await services_of(request).workspaces.refresh()
    return _page(request, Form())


@post("/workspaces", status_code=200)
async def create_workspace(request: PageRequest) -> Response[bytes]:
    """Make a workspace."""
    form = await read_form(request)
    name = form.text("name", "Give the workspace a name.", most=100)
    transport = form.text("transport")
    if form.ok:
        try:
            if transport:
                parse_transport(transport)
            row = await services_of(request).workspaces.create(name, transport, by=actor_of(request))
        except WrongInput as error:
            form.wrong(error, known=("name", "transport"))
        else:
            text = f"The workspace “{row.name}” is made. It needs a key before it can send."
            return done(request, address_of(row, "keys"), text)
    return _page(request, form)


def _page(request: PageRequest, form: Form) -> Response[bytes]:
    return render(request, "workspaces.html", status=200 if form.ok else 422, title="Workspaces", form=form)


HANDLERS = (show_workspaces, create_workspace)
