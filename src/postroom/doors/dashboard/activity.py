"""`/w/NAME/activity`: recipients and events, found by one line of text that is also the page's address."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from litestar import Response, get
from litestar.response import Stream as StreamResponse

from postroom.base.ids import made_at_ms, parse_id, show_id
from postroom.doors.dashboard.event_words import EventWords, address_of_event, path_of_event, words_of
from postroom.doors.dashboard.first_mail import first_mail
from postroom.doors.dashboard.page import address_of, render, workspace_of
from postroom.doors.dashboard.reasons import Reason, reason_of
from postroom.doors.dashboard.search import OF_EVENTS, SUBJECT_DAYS, WORD, Search, Term, parse_search, span_of
from postroom.doors.dashboard.services import PageRequest, Services, services_of
from postroom.doors.dashboard.times import utc
from postroom.doors.dashboard.walk import Found, walk
from postroom.ledger.rows import WorkspaceRow
from postroom.mail.address import address_key, domain_key
from postroom.store import activity
from postroom.store.activity import (
    ADDRESS_RECIPIENTS,
    NEWEST,
    ActivityFilter,
    FoundEvent,
    FoundRecipient,
    Position,
)

PAGE = 50
EXPORT_PAGE = 1_000
_MAX_ID = (1 << 63) - 1
_ANY = "any"

QUICK = (
    ("Waiting for another try", "state:deferred"),
    ("Failed", "state:failed"),
    ("Held", "state:held"),
    ("In doubt", "state:in_doubt"),
    ("Clicked", "event:clicked"),
    ("Unsubscribed", "event:unsubscribed"),
    ("Last 24 hours", "since:24h"),
)
"""Searches to begin with."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the list, a recipient or an event."""

    path: str
    """Of the story below the workspace; empty where there is none."""
    state: str
    """For the badge's colour."""
    label: str
    address: str
    subject: str
    at_ms: int
    sentence: str
    next_try_ms: int | None


@dataclass(frozen=True, slots=True)
class Listing:
    """What the page shows of one search."""

    search: Search
    lines: tuple[Line, ...]
    newer: str | None
    """Cursor of the page before, as the address has it."""
    older: str | None
    searched_back_ms: int | None
    """How far was looked, where the time was over before the page was full."""
    examined: int
    is_first: bool
    notes: tuple[str, ...]


def filter_of(search: Search, now_ms: int) -> ActivityFilter:
    """Return what a search asks of the store."""
    ids = search.values("id")
    span = span_of(search, now_ms)
    return ActivityFilter(
        address_keys=tuple(map(address_key, search.values("to"))),
        domains=tuple(map(domain_key, search.values("domain"))),
        states=search.values("state"),
        tags=search.values("tag"),
        providers=search.values("provider"),
        causes=search.values("reason"),
        streams=search.values("stream"),
        recipient_ids=tuple(one for text in ids if (one := parse_id("rcp", text)) is not None),
        message_ids=tuple(one for text in ids if (one := parse_id("msg", text)) is not None),
        words=search.values(WORD),
        kinds=tuple(kind for kind in search.values("event") if kind != _ANY),
        labels=search.values("label"),
        least_id=span.least_id,
        before_id=span.before_id,
    )


def notes_of(search: Search) -> tuple[str, ...]:
    """Return what the reader of a result has to know about how it was found."""
    notes = []
    if search.values(WORD) and not search.values("since"):
        notes.append(f"Words are looked for in the subjects of {SUBJECT_DAYS} days; since: reaches farther back.")
    if search.is_of_events and search.values("to"):
        notes.append(f"Events of the newest {ADDRESS_RECIPIENTS} mails to this address.")
    return tuple(notes)


def recipient_line(found: FoundRecipient) -> Line:
    """Return a recipient as a row."""
    row = found.recipient
    reason: Reason = reason_of(row)
    return Line(
        f"recipients/{show_id('rcp', row.id)}",
        row.state,
        row.state.replace("_", " "),
        row.address,
        found.subject,
        made_at_ms(row.id),
        reason.sentence,
        reason.next_try_ms,
    )


def event_line(found: FoundEvent) -> Line:
    """Return an event as a row."""
    event = found.event
    words: EventWords = words_of(event, found.provider, found.domain)
    return Line(
        path_of_event(event),
        words.tone,
        words.title,
        found.address or address_of_event(event),
        found.subject,
        event.at_ms,
        words.sentence,
        None,
    )


@get("/w/{workspace:str}/activity")
async def show(request: PageRequest) -> Response[bytes]:
    """List what a search finds, newest first."""
    workspace = await workspace_of(request)
    search = parse_search(request.query_params.get("q", ""))
    older, newer = request.query_params.get("older", ""), request.query_params.get("newer", "")
    listing = await _listing(services_of(request), workspace, search, older, newer)
    base = f"{address_of(workspace)}activity"
    return render(
        request,
        "activity.html",
        title="Activity",
        at="activity",
        listing=listing,
        text=request.query_params.get("q", "") if search.problems else str(search),
        chips=[(_chip(term), _address(base, search.without(term))) for term in search.terms],
        kinds=_kinds(base, search),
        quick=[(label, f"{base}?{urlencode({'q': query})}") for label, query in QUICK],
        newer=_address(base, search, newer=listing.newer) if listing.newer else None,
        older=_address(base, search, older=listing.older) if listing.older else None,
        first=None if listing.is_first else _address(base, search),
        export=_address(f"{base}.csv", search),
        first_mail=first_mail(services_of(request).facts),
    )


@get("/w/{workspace:str}/activity.csv")
async def export(request: PageRequest) -> StreamResponse:
    """Send everything that a search finds as CSV, a page of rows at a time."""
    workspace = await workspace_of(request)
    services = services_of(request)
    search = parse_search(request.query_params.get("q", ""))
    pages = _pages(services, workspace, search)
    # The first page is read before the answer begins: a database that is away is a 503, not half a file.
    first = await anext(pages)

    async def body() -> AsyncIterator[bytes]:
        yield first
        async for page in pages:
            yield page

    return StreamResponse(
        body(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="activity.csv"', "Cache-Control": "no-store"},
    )


async def _listing(services: Services, workspace: WorkspaceRow, search: Search, older: str, newer: str) -> Listing:
    asked = filter_of(search, services.clock.now_ms())
    of_events = search.is_of_events
    line_of = event_line if of_events else recipient_line

    async def page(start: Position, *, is_older: bool) -> Found[FoundEvent | FoundRecipient]:
        return await walk(
            services.database, services.clock, workspace.id, asked, start,
            older=is_older, limit=PAGE, of_events=of_events,
        )  # fmt: skip

    start = await _start(services, workspace, asked, newer, older=False) if newer else None
    if start is not None:
        found = await page(start, is_older=False)
        rows = found.rows[::-1]
        if found.more or found.reached is not None:
            onward = _cursor(rows[0]) if found.more else _show_position(found.reached, asked, of_events=of_events)
            return Listing(
                search, tuple(map(line_of, rows)), onward, _cursor(rows[-1]) if rows else newer,  # type: ignore[arg-type]
                None, found.examined, False, notes_of(search),
            )  # fmt: skip
        # These are the newest: shown as the first page is, and full where there is enough.
    start = await _start(services, workspace, asked, older, older=True) if older else None
    found = await page(start or NEWEST, is_older=True)
    rows = found.rows
    further, back_ms = None, None
    if found.more:
        further = _cursor(rows[-1])
    elif found.reached is not None:
        further = _show_position(found.reached, asked, of_events=of_events)
        back_ms = made_at_ms(found.reached.group)
    return Listing(
        search,
        tuple(map(line_of, rows)),  # type: ignore[arg-type]
        _cursor(rows[0]) if rows and start is not None else None,
        further,
        back_ms,
        found.examined,
        start is None,
        notes_of(search),
    )


async def _start(
    services: Services, workspace: WorkspaceRow, asked: ActivityFilter, cursor: str, *, older: bool
) -> Position | None:
    """Return where a cursor stands; None for one that is none, so that a cut address shows the newest."""
    event = parse_id("evt", cursor)
    if event is not None:
        return Position(event, event)
    message = parse_id("msg", cursor)
    if message is not None:
        return Position(message, 0 if older else _MAX_ID)
    recipient = parse_id("rcp", cursor)
    if recipient is None:
        return None
    if not asked.is_by_tag:
        return Position(recipient, recipient)
    return await services.database.read(lambda conn: activity.position_of(conn, workspace.id, recipient))


def _show_position(position: Position | None, asked: ActivityFilter, *, of_events: bool) -> str | None:
    if position is None:
        return None
    if of_events:
        return show_id("evt", position.id)
    return show_id("msg", position.group) if asked.is_by_tag else show_id("rcp", position.id)


def _cursor(row: FoundEvent | FoundRecipient) -> str:
    if isinstance(row, FoundEvent):
        return show_id("evt", row.event.id)
    return show_id("rcp", row.recipient.id)


def _address(base: str, search: Search, **more: str) -> str:
    query = {**({"q": str(search)} if search.terms else {}), **more}
    return f"{base}?{urlencode(query)}" if query else base


def _chip(term: Term) -> str:
    return f"subject has “{term.value}”" if term.key == WORD else f"{term.key}: {term.value}"


def _kinds(base: str, search: Search) -> list[tuple[str, str, bool]]:
    """Return the two lists as tabs: recipients, or events of whatever kind."""
    recipients = Search(tuple(term for term in search.terms if term.key not in OF_EVENTS))
    events = search if search.is_of_events else search.with_term("event", _ANY)
    return [
        (_address(base, recipients), "Recipients", not search.is_of_events),
        (_address(base, events), "Events", search.is_of_events),
    ]


# The export

_RECIPIENT_COLUMNS = (
    "recipient", "message", "address", "domain", "provider", "state", "why", "reply", "next_hop", "tries", "subject",
    "stream", "accepted_at", "settled_at", "opened_at", "clicked_at", "unsubscribed_at",
)  # fmt: skip
_EVENT_COLUMNS = ("event", "at", "kind", "what", "more", "address", "subject", "message", "recipient")


async def _pages(services: Services, workspace: WorkspaceRow, search: Search) -> AsyncIterator[bytes]:
    asked = filter_of(search, services.clock.now_ms())
    of_events = search.is_of_events
    at: Position | None = NEWEST
    head: Sequence[object] | None = _EVENT_COLUMNS if of_events else _RECIPIENT_COLUMNS
    while at is not None:
        found = await walk(
            services.database, services.clock, workspace.id, asked, at, older=True, limit=EXPORT_PAGE,
            of_events=of_events,
        )  # fmt: skip
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        if head is not None:
            writer.writerow(head)
            head = None
        writer.writerows([_harmless(value) for value in _values(row)] for row in found.rows)
        yield text.getvalue().encode("utf-8", "replace")
        at = found.reached
        if found.more:
            last = found.rows[-1]
            at = last.position if asked.is_by_tag and not of_events else Position(_id_of(last), _id_of(last))


def _id_of(row: FoundEvent | FoundRecipient) -> int:
    return row.event.id if isinstance(row, FoundEvent) else row.recipient.id


def _values(found: FoundEvent | FoundRecipient) -> list[object]:
    if isinstance(found, FoundEvent):
        event = found.event
        words = words_of(event, found.provider, found.domain)
        return [
            show_id("evt", event.id), utc(event.at_ms), event.kind, words.title, words.sentence,
            found.address or address_of_event(event), found.subject,
            show_id("msg", event.message_id) if event.message_id is not None else "",
            show_id("rcp", event.recipient_id) if event.recipient_id is not None else "",
        ]  # fmt: skip
    row = found.recipient
    return [
        show_id("rcp", row.id), show_id("msg", row.message_id), row.address, row.domain, row.provider, row.state,
        reason_of(row).sentence, row.reason, row.next_hop, row.tries, found.subject, found.stream,
        utc(made_at_ms(row.id)), *map(_time, (row.settled_ms, row.human_opened_ms, row.human_clicked_ms)),
        _time(row.unsubscribed_ms),
    ]  # fmt: skip


def _time(at_ms: int | None) -> str:
    return "" if at_ms is None else utc(at_ms)


def _harmless(value: object) -> object:
    # A spreadsheet runs what begins like a formula; a quote in front makes it text (OWASP: CSV injection).
    if isinstance(value, str) and (value[:1] in ("\t", "\r") or value.lstrip()[:1] in ("=", "+", "-", "@", "|", "%")):
        return f"'{value}"
    return value


HANDLERS = (show, export)
