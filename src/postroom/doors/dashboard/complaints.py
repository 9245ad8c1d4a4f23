"""`/w/NAME/complaints`: who called mail spam or asked to get no more, and what an operator has still to look at."""

from litestar import Response, get

from postroom.base.ids import parse_id, show_id
from postroom.doors.dashboard import inbound_views as views
from postroom.doors.dashboard.page import address_of, render, workspace_of
from postroom.doors.dashboard.services import PageRequest, services_of
from postroom.doors.dashboard.suppression_views import Stopped, stopped_words
from postroom.ledger.inbound_rows import InboundRow
from postroom.ledger.rows import RecipientRow
from postroom.ledger.states import Stream
from postroom.mail.verdict import MailKind
from postroom.store import inbound, recipients
from postroom.store.database import Conn
from postroom.store.inbound import InboundFilter
from postroom.store.recipients import RecipientFilter
from postroom.store.suppressions import suppressed

_PAGE = 50
LOOKED_AT = 500
"""Newest of the log that are looked through for those to review."""
_KINDS = (MailKind.COMPLAINT.value, MailKind.UNSUBSCRIBE.value)


@get("/w/{workspace:str}/complaints")
async def show(request: PageRequest) -> Response[bytes]:
    """Show complaints and requests to get no more mail, newest first; `show=review`: those to look at."""
    workspace = await workspace_of(request)
    services, query = services_of(request), request.query_params
    only_review = query.get("show") == "review"
    before = parse_id("inb", query.get("before", ""))

    now_ms = services.clock.now_ms()

    def read(conn: Conn) -> tuple[list[InboundRow], list[InboundRow], dict[int, RecipientRow], Stopped]:
        newest = inbound.page(conn, workspace.id, InboundFilter(kinds=_KINDS), LOOKED_AT)
        waiting = [row for row in newest if views.needs_review(row)]
        if only_review:
            found = [row for row in waiting if before is None or row.id < before]
        elif before is None:
            found = newest
        else:
            found = inbound.page(conn, workspace.id, InboundFilter(kinds=_KINDS), _PAGE + 1, before)
        found = found[: _PAGE + 1]
        ids = tuple({row.answers_recipient_id for row in found if row.answers_recipient_id is not None})
        about = recipients.page(conn, workspace.id, RecipientFilter(ids=ids), len(ids)) if ids else []
        asked = [(one.address_key, stream.value) for one in about for stream in Stream]
        return found, waiting, {one.id: one for one in about}, suppressed(conn, workspace.id, asked, now_ms)

    found, waiting, about, stopped = await services.database.read(read)
    shown = found[:_PAGE]
    base = address_of(workspace, "complaints")
    of_tab = f"{base}?show=review&" if only_review else f"{base}?"
    return render(
        request,
        "complaints.html",
        title="Complaints",
        at="complaints",
        lines=[(views.inbound_line(row), views.thought_of(row), views.needs_review(row)) for row in shown],
        addresses={show_id("rcp", row.id): row.address for row in about.values()},
        stopped={show_id("rcp", row.id): stopped_words(row.address_key, stopped) for row in about.values()},
        waiting=len(waiting),
        only_review=only_review,
        tabs=[
            (base, "All", not only_review),
            (f"{base}?show=review", f"To review ({len(waiting)})" if waiting else "To review", only_review),
        ],
        older=f"{of_tab}before={show_id('inb', shown[-1].id)}" if len(found) > _PAGE else None,
        first=of_tab.rstrip("?&") if before is not None else None,
    )


HANDLERS = (show,)
