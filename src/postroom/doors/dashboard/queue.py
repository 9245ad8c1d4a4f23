"""`/w/NAME/queue`: what waits for whom, since when and why, and moving it by hand.

Moves are those of the API (`events.moves`), in pages of a transaction each.
"""

from collections.abc import Sequence
from urllib.parse import urlencode

from litestar import Response, get, post

from postroom.base.ids import parse_id
from postroom.doors.dashboard import queue_views as views
from postroom.doors.dashboard.first_mail import first_mail
from postroom.doors.dashboard.forms import Form, read_form
from postroom.doors.dashboard.noted import noted
from postroom.doors.dashboard.page import PageError, address_of, done, render, workspace_of
from postroom.doors.dashboard.services import PageRequest, Services, services_of
from postroom.doors.dashboard.times import utc
from postroom.doors.dashboard.ways_out import transport_words
from postroom.events.moves import Move, move_destination, move_selected
from postroom.ledger.rows import RecipientRow, WorkspaceRow
from postroom.ledger.states import RecipientState
from postroom.mail.address import domain_key
from postroom.outbound.transport import TransportKind
from postroom.store import queue_view, sites
from postroom.store.database import Conn
from postroom.store.queue_view import Behind, Found, Waiting
from postroom.store.recipients import RecipientFilter

_PAGE = 50
_IN_DOUBT = 10
"""Recipients in doubt on the first page."""
_MOST_SELECTED = 500
_WAITING = "waiting"
_RESTORED = "restored"
_MOVING = {_WAITING: ("queued", "deferred"), _RESTORED: ("held",)}
"""Filters that are no state of their own, and the states behind them."""
_STATES = {state.value: state for state in queue_view.IN_QUEUE}


@get("/w/{workspace:str}/queue")
async def show_queue(request: PageRequest) -> Response[bytes]:
    """Show what waits by destination."""
    workspace = await workspace_of(request)
    services = services_of(request)
    kind = services.transport_of(workspace.id).kind

    def read(conn: Conn) -> tuple[list[Waiting], bool, dict[str, str], dict[int, int], Found, int]:
        waiting, more = queue_view.destinations(conn, workspace.id)
        known = (
            sites.destinations(conn, sorted({one.domain for one in waiting})[:1000])
            if kind is TransportKind.DIRECT
            else {}
        )
        in_doubt = queue_view.in_state(conn, workspace.id, RecipientState.IN_DOUBT, None, 0, _IN_DOUBT)
        by_domain = {domain: row.site for domain, row in known.items()}
        restored = queue_view.count_restored(conn, workspace.id)
        return waiting, more, by_domain, queue_view.sending_nodes(conn, workspace.id), in_doubt, restored

    waiting, more, known, sending, in_doubt, restored = await services.database.read(read)
    now = services.clock.now_ms()
    watch = services.watch

    def site_of(domain: str) -> str | None:
        # The sandbox takes everything at once: there is no site to wait for.
        if kind is TransportKind.SANDBOX:
            return None
        return watch.site_of(workspace.id, domain) or known.get(domain)

    lines = views.destinations(waiting, site_of, now)
    at_sites = views.site_lines(lines, watch.look_at, now, _time_of_day) if watch.delivers else ()
    return render(
        request,
        "queue.html",
        title="Queue",
        at="queue",
        figures=views.figures(waiting, queue_view.MOST_LOOKED_AT),
        is_empty=not waiting,
        destinations=lines[: views.MOST_DESTINATIONS],
        further=max(0, len(lines) - views.MOST_DESTINATIONS),
        bars=lines[: views.MOST_BARS],
        more=more,
        most_looked_at=queue_view.MOST_LOOKED_AT,
        sites=at_sites,
        pauses={line.name: line.paused_until_ms for line in at_sites if line.paused_until_ms is not None},
        sending=sending,
        nodes=watch.nodes(),
        node=services.facts.node,
        delivers=watch.delivers,
        in_doubt=[views.recipient_line(row, now) for row in in_doubt.rows],
        restored=views.counted(restored, queue_view.MOST_LOOKED_AT) if restored else "",
        in_doubt_more=in_doubt.after_id is not None,
        transport=transport_words(services, workspace.id),
        curl=first_mail(services.facts).curl,
        list_of=lambda **asked: _with(address_of(workspace, "queue/recipients"), asked),
    )


@get("/w/{workspace:str}/queue/recipients")
async def show_recipients(request: PageRequest) -> Response[bytes]:
    """Show the recipients in the queue: of a `domain`, in a `state`; state `restored`: held by a restore."""
    workspace = await workspace_of(request)
    services = services_of(request)
    domain, state = _asked(request)
    rows, after = await _listed(services, workspace, domain, state, request.query_params.get("after", ""))
    now = services.clock.now_ms()
    here = address_of(workspace, "queue/recipients")
    names = [_WAITING, "held", "sending", "in_doubt"] if domain else [one.value for one in queue_view.IN_QUEUE]
    if state == _RESTORED:
        names.append(_RESTORED)
    return render(
        request,
        "queue_recipients.html",
        title=domain or ("Held by a restore" if state == _RESTORED else views.STATE_WORDS[_STATES[state]]),
        at="queue",
        domain=domain,
        state=state,
        rows=[views.recipient_line(row, now) for row in rows],
        tabs=[
            (_with(here, {"domain": domain, "state": name}), name.replace("_", " ").capitalize(), name == state)
            for name in names
        ],
        moves=views.moves_of(_MOVING.get(state, (state,))),
        older=_with(here, {"domain": domain, "state": state, "after": after}) if after else None,
        first=_with(here, {"domain": domain, "state": state}) if request.query_params.get("after") else None,
        site=services.watch.site_of(workspace.id, domain) if domain else None,
        nodes=services.watch.nodes(),
    )


@post("/w/{workspace:str}/queue/move")
async def move(request: PageRequest) -> Response[bytes]:
    """Hold, release, cancel or retry: some (`recipient`), or all that wait for a `domain` or are `restored`."""
    workspace = await workspace_of(request)
    services = services_of(request)
    form = await read_form(request)
    asked = form.get("move")
    if asked not in {one.value for one in Move}:
        raise PageError(400, "Nothing was moved", "Choose what is to be done: hold, release, cancel or retry.")
    which = Move(asked)
    domain = domain_key(form.get("domain"))
    chosen = [found for text in form.all("recipient")[:_MOST_SELECTED] if (found := parse_id("rcp", text)) is not None]
    back = _back(workspace, form)
    if form.get("all") == "1" and domain:
        moved = await move_destination(
            services.database, services.ids, services.clock, workspace.id, which, domain, "operator"
        )
        if which is Move.RETRY and (site := services.watch.site_of(workspace.id, domain)) is not None:
            services.watch.resume([site])
        told = domain
    elif form.get("all") == "1" and form.get("state") == _RESTORED:
        stream = form.get("stream") or None
        moved = await move_selected(
            services.database, services.ids, services.clock, workspace.id, which,
            RecipientFilter(restored=True, stream=stream, states=("held",)), "operator",
        )  # fmt: skip
        told = f"{stream or 'all'} mail that a restore held"
    elif chosen:
        asked_for = RecipientFilter(ids=tuple(chosen))
        moved = await move_selected(
            services.database, services.ids, services.clock, workspace.id, which, asked_for, "operator"
        )
        told = f"{len(chosen)} recipients"
    else:
        return done(request, back, "Nothing was chosen: tick the recipients first.", problem=True)
    note = noted(request, workspace, f"queue.{which.value}", told, f"{moved.recipients} moved")
    await services.database.write(note)
    words = views.moved_words(which, moved.recipients, moved.more)
    return done(request, back, words, problem=not moved.recipients)


HANDLERS = (show_queue, show_recipients, move)


def _asked(request: PageRequest) -> tuple[str, str]:
    query = request.query_params
    domain = domain_key(query.get("domain", "").strip()[:1000].replace("\x00", ""))
    state = query.get("state", "")
    if state == _RESTORED:
        return "", state
    if state in _STATES and not (domain and state in ("queued", "deferred")):
        return domain, state
    return domain, _WAITING if domain else RecipientState.QUEUED.value


async def _listed(
    services: Services, workspace: WorkspaceRow, domain: str, state: str, cursor: str
) -> tuple[Sequence[RecipientRow], str]:
    """Return a page of recipients, and the cursor of the next; empty at the end."""
    if state == _WAITING:
        behind = _behind(cursor)
        rows = await services.database.read(
            lambda conn: queue_view.waiting_for(conn, workspace.id, domain, behind, _PAGE + 1)
        )
        shown = rows[:_PAGE]
        return shown, f"{shown[-1].due_ms}.{shown[-1].id}" if len(rows) > _PAGE else ""
    after_id = int(cursor) if cursor.isascii() and cursor.isdecimal() and len(cursor) < 19 else 0
    if state == _RESTORED:
        found = await services.database.read(lambda conn: queue_view.restored(conn, workspace.id, after_id, _PAGE))
        return found.rows, "" if found.after_id is None else str(found.after_id)
    found = await services.database.read(
        lambda conn: queue_view.in_state(conn, workspace.id, _STATES[state], domain or None, after_id, _PAGE)
    )
    return found.rows, "" if found.after_id is None else str(found.after_id)


def _behind(cursor: str) -> Behind:
    due, _, row_id = cursor.partition(".")
    if all(text.isascii() and text.isdecimal() and len(text) < 19 for text in (due, row_id)):
        return Behind(int(due), int(row_id))
    return Behind()


def _back(workspace: WorkspaceRow, form: Form) -> str:
    """Return the page that a move was asked from."""
    if form.get("from") != "recipients":
        return address_of(workspace, "queue")
    asked = {"domain": domain_key(form.get("domain")), "state": form.get("state")}
    return _with(address_of(workspace, "queue/recipients"), asked)


def _with(address: str, asked: dict[str, str]) -> str:
    given = {name: value for name, value in asked.items() if value}
    return f"{address}?{urlencode(given)}" if given else address


def _time_of_day(at_ms: int) -> str:
    return f"{utc(at_ms)[11:19]} UTC"
