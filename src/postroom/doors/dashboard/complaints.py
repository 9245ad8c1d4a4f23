"""`/w/NAME/complaints`: who called mail spam or asked to get no more, and what an operator has still to look at."""

from dataclasses import dataclass

from litestar import Response, get

from postroom.base.clock import HOUR_MS
from postroom.base.ids import parse_id, show_id
from postroom.doors.dashboard import inbound_views as views
from postroom.doors.dashboard.page import address_of, render, workspace_of
from postroom.doors.dashboard.reasons import provider_name
from postroom.doors.dashboard.services import PageRequest, services_of
from postroom.doors.dashboard.suppression_views import Stopped, stopped_words
from postroom.ledger.inbound_rows import InboundRow
from postroom.ledger.rows import RecipientRow
from postroom.ledger.states import Stream
from postroom.mail.verdict import MailKind
from postroom.store import inbound, overview, recipients
from postroom.store.database import Conn
from postroom.store.inbound import InboundFilter
from postroom.store.recipients import RecipientFilter
from postroom.store.suppressions import suppressed

_PAGE = 50
LOOKED_AT = 500
"""Newest of the log that are looked through for those to review."""
_KINDS = (MailKind.COMPLAINT.value, MailKind.UNSUBSCRIBE.value)


DAYS = 30
"""Over which complaints are set against what was sent."""
_TOO_MANY, _FAR_TOO_MANY = 0.001, 0.003
"""Google and Yahoo ask senders to stay below 0.1 %, and never to reach 0.3 %."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Complaints of all that was sent, in all or to one receiving provider."""

    provider: str
    complaints: int
    sent: int

    @property
    def words(self) -> str:
        """The rate as people read it."""
        return f"{100 * self.complaints / self.sent:.2f} %" if self.sent else "\u2013"

    @property
    def tone(self) -> str:
        """How providers see it."""
        rate = self.complaints / self.sent if self.sent else 0
        return "bad" if rate >= _FAR_TOO_MANY else "warn" if rate >= _TOO_MANY else "good"


@get("/w/{workspace:str}/complaints")
async def show(request: PageRequest) -> Response[bytes]:
    """Show complaints and requests to get no more mail, newest first; `show=review`: those to look at."""
    workspace = await workspace_of(request)
    services, query = services_of(request), request.query_params
    only_review = query.get("show") == "review"
    before = parse_id("inb", query.get("before", ""))

    now_ms = services.clock.now_ms()
    is_whole = before is None and not only_review

    def read(conn: Conn) -> tuple[list[InboundRow], list[InboundRow], dict[int, RecipientRow], Stopped, list[Rate]]:
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
        stopped = suppressed(conn, workspace.id, asked, now_ms)
        rates = _rates(conn, workspace.id, now_ms // HOUR_MS + 1) if is_whole else []
        return found, waiting, {one.id: one for one in about}, stopped, rates

    found, waiting, about, stopped, rates = await services.database.read(read)
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
        keys={show_id("rcp", row.id): row.address_key for row in about.values()},
        stopped={show_id("rcp", row.id): stopped_words(row.address_key, stopped) for row in about.values()},
        rate=rates[0] if rates else None,
        by_provider=rates[1:],
        days=DAYS,
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


def _rates(conn: Conn, workspace_id: int, end_hour: int) -> list[Rate]:
    """Return the rate of all that was sent, then those of the providers that complained, the most first."""
    first = end_hour - DAYS * 24
    whole = overview.total(conn, workspace_id, first, end_hour)
    by_provider = overview.by_provider(conn, workspace_id, first, end_hour)
    rates = [
        Rate(provider_name(name), one["complaints"], one["sent"])
        for name, one in by_provider.items()
        if one["complaints"] > 0
    ]
    rates.sort(key=lambda one: (-one.complaints, one.provider))
    return [Rate("", whole["complaints"], whole["sent"]), *rates]
