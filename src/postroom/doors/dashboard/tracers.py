"""`/w/NAME/tracers`: mails that accounts sent to themselves, how long each took, and which were lost."""

from litestar import Response, get

from postroom.base.ids import parse_id, show_id
from postroom.doors.dashboard.account_views import STAGE_WORDS, tracer_views
from postroom.doors.dashboard.page import address_of, render, workspace_of
from postroom.doors.dashboard.services import PageRequest, services_of
from postroom.ledger.account_rows import TracerRow
from postroom.store import accounts
from postroom.store.database import Conn
from postroom.store.tracers import STAGES, count_marked, tracers_of

_PAGE = 50
_NEWEST = (1 << 63) - 1


@get("/w/{workspace:str}/tracers")
async def list_tracers(request: PageRequest) -> Response[bytes]:
    """Show tracers, newest first; `before` for the page behind one."""
    workspace = await workspace_of(request)
    services = services_of(request)
    before = parse_id("trc", request.query_params.get("before", ""))

    def read(conn: Conn) -> tuple[list[TracerRow], dict[int, str], int]:
        rows = tracers_of(conn, workspace.id, before or _NEWEST, _PAGE + 1)
        names = {}
        for account_id in {row.account_id for row in rows}:
            account = accounts.account_by_id(conn, workspace.id, account_id)
            names[account_id] = (account.email or account.tag) if account is not None else "deleted"
        return rows, names, count_marked(conn, workspace.id)

    rows, names, marked = await services.database.read(read)
    page, here = rows[:_PAGE], address_of(workspace, "tracers")
    lost = sum(1 for row in page if row.lost_ms is not None and row.arrived_ms is None)
    took = sorted(row.arrived_ms - row.sent_ms for row in page if row.arrived_ms is not None)
    return render(
        request,
        "tracers.html",
        title="Tracers",
        at="tracers",
        tracers=tracer_views(page, names),
        stages=[(stage, *STAGE_WORDS[stage]) for stage in STAGES],
        marked=marked,
        lost=lost,
        count=len(page),
        middle_ms=took[len(took) // 2] if took else None,
        slowest_ms=took[-1] if took else None,
        older=f"{here}?before={show_id('trc', page[-1].id)}" if len(rows) > _PAGE else None,
        first=here if before is not None else None,
    )


HANDLERS = (list_tracers,)
