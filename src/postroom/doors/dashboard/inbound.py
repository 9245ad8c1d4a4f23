"""`/w/NAME/inbound/ID`: one mail that came in, what it was taken for and why, and what followed.

What stands in a mail is a stranger's: its text comes first, its HTML goes into
a frame that can do nothing and loads nothing from elsewhere, its files leave
as downloads.
"""

from dataclasses import dataclass

from litestar import Response, get, post

from postroom.base.ids import first_id_at, parse_id, show_id
from postroom.doors.dashboard import inbound_views as views
from postroom.doors.dashboard import mail_frame
from postroom.doors.dashboard.event_words import EventWords, size_in_words, words_of
from postroom.doors.dashboard.noted import noted
from postroom.doors.dashboard.page import address_of, address_with, done, not_found, render, workspace_of
from postroom.doors.dashboard.sandbox_views import pieces_of, source_of
from postroom.doors.dashboard.services import PageRequest, Services, services_of
from postroom.doors.dashboard.suppression_views import stopped_words
from postroom.inbound.onward import Onward, hand_on_again, onward_of
from postroom.ledger.inbound_rows import InboundRow, InboundState
from postroom.ledger.route_rows import RouteAttemptRow, RouteRow
from postroom.ledger.rows import EventRow, RecipientRow, WorkspaceRow
from postroom.ledger.states import Stream
from postroom.mail.quoted_text import Reply, read_reply
from postroom.mail.reading import Reading, part_bytes, read_mail
from postroom.mail.received import Received
from postroom.mail.verdict import MailKind
from postroom.store import events, inbound, recipients, routes
from postroom.store.database import Conn, Tx
from postroom.store.route_outbox import next_try_ms
from postroom.store.suppressions import suppressed
from postroom.store.together import if_done

_EVENTS = 200
_ATTEMPTS = 50
_CLOCKS_DIFFER_MS = 60_000
_VIEWS = ("text", "html", "source", "files")
_LABELS = {"text": "Text", "html": "HTML", "source": "Source", "files": "Files"}
_HUMAN = frozenset({MailKind.REPLY.value, MailKind.UNSUBSCRIBE.value, MailKind.OTHER.value})


@dataclass(frozen=True, slots=True)
class Followed:
    """Something that followed from a mail."""

    at_ms: int
    words: EventWords


@dataclass(frozen=True, slots=True)
class _Whole:
    """A mail with what belongs to it."""

    row: InboundRow
    about: RecipientRow | None
    followed: tuple[Followed, ...]
    route: RouteRow | None
    attempts: tuple[RouteAttemptRow, ...]
    onward: Onward
    next_try_ms: int | None
    stopped: tuple[str, ...]
    """Which mail the recipient that it is about gets no more, in words."""


@dataclass(frozen=True, slots=True)
class _Content:
    """The content of a mail, read to be shown."""

    raw: bytes
    reading: Reading
    reply: Reply


@get("/w/{workspace:str}/inbound/{mail:str}")
async def show_mail(request: PageRequest) -> Response[bytes]:
    """Show one mail: what it is taken for, where it comes from, what followed, and its content by `view`."""
    workspace = await workspace_of(request)
    services, query = services_of(request), request.query_params
    whole = await _whole(request, workspace)
    row = whole.row
    content = await _content(services, row)
    here = f"{address_of(workspace, 'inbound')}/{show_id('inb', row.id)}"
    view = query.get("view", "")
    if view not in _VIEWS or content is None:
        view = "text"
    reading = content.reading if content is not None else None
    return render(
        request,
        "inbound_mail.html",
        title=row.subject or "(no subject)",
        at="inbound",
        here=here,
        row=row,
        mail_id=show_id("inb", row.id),
        line=views.inbound_line(row),
        author=views.author_of(row),
        destination=views.destination_words(row),
        thought=views.thought_of(row),
        why_failed=str(views.detail_of(row).get("why", "")),
        checks=views.checks_of(row),
        about=whole.about,
        about_id=show_id("rcp", whole.about.id) if whole.about is not None else "",
        message_id=show_id("msg", row.answers_message_id) if row.answers_message_id is not None else "",
        followed=whole.followed,
        stopped=whole.stopped,
        route=whole.route,
        route_id=show_id("rte", whole.route.id) if whole.route is not None else "",
        route_does=views.ROUTE_DOES.get(whole.route.action, whole.route.action) if whole.route is not None else "",
        attempts=whole.attempts,
        forward_id=lambda attempt: show_id("msg", attempt.message_id),
        onward=whole.onward,
        next_try_ms=whole.next_try_ms,
        needs_review=views.needs_review(row),
        view=view,
        tabs=[
            (address_with(here, view=one), _tab_label(one, reading), one == view)
            for one in _VIEWS
            if _has(one, reading)
        ],
        content=content,
        written=pieces_of(_written(row, content)) if content is not None else ((), False),
        is_reply=row.kind in _HUMAN,
        source=source_of(content.raw, content.reading.body_start) if content is not None and view == "source" else None,
        size=size_in_words,
        frame_sandbox=mail_frame.SANDBOX,
        with_pictures=query.get("pictures") == "1",
    )


@get("/w/{workspace:str}/inbound/{mail:str}/html")
async def show_frame(request: PageRequest) -> Response[bytes]:
    """Answer the HTML of a mail for its frame; only with `pictures` it may load them from elsewhere."""
    workspace = await workspace_of(request)
    services = services_of(request)
    row = await _row(services, workspace, request)
    content = await _content(services, row)
    if content is None or content.reading.html is None:
        raise not_found("HTML in this mail")
    html, raw, files = content.reading.html.text, content.raw, content.reading.files
    body = await services.slow.run(lambda: mail_frame.frame_html(html, mail_frame.own_pictures(raw, files)))
    closed = request.query_params.get("pictures") != "1"
    return mail_frame.answer(body, "text/html", mail_frame.CLOSED_CSP if closed else mail_frame.CSP)


@get("/w/{workspace:str}/inbound/{mail:str}/files/{number:int}")
async def download_file(request: PageRequest) -> Response[bytes]:
    """Hand out an attached file as a download that no browser opens by itself."""
    workspace = await workspace_of(request)
    services = services_of(request)
    number: int = request.path_params["number"]
    row = await _row(services, workspace, request)
    raw = await inbound.load(services.database, workspace.id, row.content_id)
    found = None if raw is None else await services.slow.run(lambda: part_bytes(raw, number))
    if found is None:
        raise not_found("file in this mail")
    file, content = found
    return mail_frame.download(content, file.name)


@get("/w/{workspace:str}/inbound/{mail:str}/source")
async def download_source(request: PageRequest) -> Response[bytes]:
    """Hand out the mail, byte for byte as it is kept."""
    workspace = await workspace_of(request)
    services = services_of(request)
    row = await _row(services, workspace, request)
    raw = await inbound.load(services.database, workspace.id, row.content_id)
    if raw is None:
        raise not_found("content of this mail")
    return mail_frame.download(raw, f"{show_id('inb', row.id)}.eml")


@post("/w/{workspace:str}/inbound/{mail:str}/review")
async def review(request: PageRequest) -> Response[bytes]:
    """Mark a complaint, or a request to get no more mail, as looked at."""
    workspace = await workspace_of(request)
    services = services_of(request)
    row = await _row(services, workspace, request)
    now, note = services.clock.now_ms(), noted(request, workspace, "inbound.review", show_id("inb", row.id))

    def write(tx: Tx) -> bool:
        return if_done(inbound.mark_reviewed(tx, workspace.id, row.id, now), tx, note)

    changed = await services.database.write(write)
    back = "complaints" if request.query_params.get("from") == "complaints" else f"inbound/{show_id('inb', row.id)}"
    told = "It is marked as reviewed." if changed else "Somebody had reviewed it already."
    return done(request, address_of(workspace, back), told)


@post("/w/{workspace:str}/inbound/{mail:str}/retry")
async def retry(request: PageRequest) -> Response[bytes]:
    """Hand a mail on once more, at once; one that was given up is worked on from the beginning."""
    workspace = await workspace_of(request)
    services = services_of(request)
    row = await _row(services, workspace, request)
    back = address_of(workspace, f"inbound/{show_id('inb', row.id)}")
    now, note = services.clock.now_ms(), noted(request, workspace, "inbound.retry", show_id("inb", row.id))
    onward = await services.database.read(lambda conn: onward_of(conn, row))
    if onward.is_gone:
        return done(request, back, "Its content is kept no longer, so there is nothing to hand on.", problem=True)
    if row.state == InboundState.FAILED:

        def again(tx: Tx) -> bool:
            return if_done(inbound.take_up_again(tx, workspace.id, row.id, now), tx, note)

        await services.database.write(again)
        return done(request, back, "It is worked on once more; load this page again to see what it is.")
    if onward.is_for_nobody:
        return done(request, back, "There is nobody to hand it to: no route hands it on.", problem=True)
    if onward.is_off:
        return done(request, back, "The route that took it is off: turn it on first.", problem=True)

    def write(tx: Tx) -> None:
        hand_on_again(tx, row, onward, now)
        note(tx)

    await services.database.write(write)
    return done(request, back, "It is handed on once more; load this page again to see the answer.")


HANDLERS = (show_mail, show_frame, download_file, download_source, review, retry)


async def _row(services: Services, workspace: WorkspaceRow, request: PageRequest) -> InboundRow:
    row_id = parse_id("inb", request.path_params["mail"])
    row = None
    if row_id is not None:
        row = await services.database.read(lambda conn: inbound.by_id(conn, workspace.id, row_id))
    if row is None:
        raise not_found("mail")
    return row


async def _whole(request: PageRequest, workspace: WorkspaceRow) -> _Whole:
    services = services_of(request)
    row = await _row(services, workspace, request)

    now_ms = services.clock.now_ms()

    def read(conn: Conn) -> _Whole:
        about, followed, stopped = None, [], []
        if row.answers_recipient_id is not None:
            about = recipients.recipient_by_id(conn, workspace.id, row.answers_recipient_id)
            stopped = _stopped(conn, about, now_ms) if about is not None else []
            # What follows from a mail is told after it came, by a node whose clock may be a little behind.
            after_id = first_id_at(row.received_ms - _CLOCKS_DIFFER_MS)
            found = events.of_recipient(conn, workspace.id, row.answers_recipient_id, after_id, _EVENTS)
            followed = [_followed(event, about) for event in found if _is_of(event, row)]
        route = routes.route_by_id(conn, workspace.id, row.route_id) if row.route_id is not None else None
        attempts = routes.attempts_of_inbound(conn, workspace.id, row.id, _ATTEMPTS)
        return _Whole(
            row,
            about,
            tuple(followed),
            route,
            tuple(attempts),
            onward_of(conn, row),
            next_try_ms(conn, row.id),
            tuple(stopped),
        )

    return await services.database.read(read)


def _stopped(conn: Conn, about: RecipientRow, now_ms: int) -> list[str]:
    asked = [(about.address_key, stream.value) for stream in Stream]
    return stopped_words(about.address_key, suppressed(conn, about.workspace_id, asked, now_ms))


def _is_of(event: EventRow, row: InboundRow) -> bool:
    return f'"{show_id("inb", row.id)}"' in event.detail


def _followed(event: EventRow, about: RecipientRow | None) -> Followed:
    return Followed(event.at_ms, words_of(event, *((about.provider, about.domain) if about is not None else ())))


async def _content(services: Services, row: InboundRow) -> _Content | None:
    """Return the content, None where retention took it."""
    raw = await inbound.load(services.database, row.workspace_id, row.content_id)
    if raw is None:
        return None

    def read() -> _Content:
        return _Content(raw, read_mail(raw), read_reply(Received(raw)))

    return await services.slow.run(read)


def _written(row: InboundRow, content: _Content) -> str:
    """Return the text that is shown: of what a person wrote only that, else all."""
    if row.kind in _HUMAN and content.reply.written:
        return content.reply.written
    return content.reading.plain.text if content.reading.plain is not None else content.reply.written


def _has(view: str, reading: Reading | None) -> bool:
    if reading is None:
        return view == "text"
    return {"html": reading.html is not None, "files": bool(reading.files)}.get(view, True)


def _tab_label(view: str, reading: Reading | None) -> str:
    return f"Files ({len(reading.files)})" if view == "files" and reading is not None else _LABELS[view]
