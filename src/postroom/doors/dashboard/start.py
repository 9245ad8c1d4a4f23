"""`/`: leads to the workspace that was looked at last."""

from litestar import Response, get

from postroom.doors.dashboard.page import address_of, last_workspace, see_other
from postroom.doors.dashboard.services import PageRequest, services_of


@get("/")
async def start(request: PageRequest) -> Response[bytes]:
    """Go to the overview of the last workspace, else of the first; without any to where one is made."""
    workspace = last_workspace(request)
    if workspace is None:
        await services_of(request).workspaces.refresh()
        workspace = last_workspace(request)
    return see_other(address_of(workspace) if workspace else "/workspaces")


HANDLERS = (start,)
