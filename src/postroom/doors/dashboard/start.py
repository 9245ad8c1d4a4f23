"""`/`: leads to the workspace that was looked at last."""

from litestar import Response, get

from postroom.doors.dashboard.page import address_of, pages_of, see_other
from postroom.doors.dashboard.services import PageRequest, services_of
from postroom.doors.dashboard.session import cookies_of


@get("/")
async def start(request: PageRequest) -> Response[bytes]:
    """Go to the overview of the last workspace, else of the first; without any to where one is made."""
    services = services_of(request)
    rows = services.workspaces.rows
    if not rows:
        await services.workspaces.refresh()
        rows = services.workspaces.rows
    last = cookies_of(request.scope).get(pages_of(request).names.workspace, "")
    workspace = rows.get(int(last)) if last.isascii() and last.isdecimal() and len(last) < 20 else None
    workspace = workspace or next(iter(rows.values()), None)
    return see_other(address_of(workspace) if workspace else "/workspaces")


HANDLERS = (start,)
