"""`/w/NAME/sandbox`: the copies that the sandbox kept, read as in a mail program.

Looking at a copy notes that it was shown (docs/decisions/0015); that is all a
GET leaves behind. What stands in a mail is somebody else's: its HTML goes into
a frame that can do nothing (`mail_frame`), its files leave as downloads.
"""

from dataclasses import dataclass
from urllib.parse import urlencode

import structlog
from litestar import Response, get

from postroom.base.errors import TryLater
from postroom.base.ids import parse_id, show_id
from postroom.base.tokens import TokenKeys, TokenKind
from postroom.doors.dashboard import mail_frame
from postroom.doors.dashboard.first_mail import first_mail
from postroom.doors.dashboard.page import address_of, not_found, render, workspace_of
from postroom.doors.dashboard.sandbox_views import links_of, pieces_of, signatures_of, source_of
from postroom.doors.dashboard.services import PageRequest, Services, services_of
from postroom.doors.dashboard.session import PUBLIC
from postroom.doors.dashboard.ways_out import is_sandbox, transport_words
from postroom.ledger.rows import MessageRow, RecipientRow, SandboxCopyRow, WorkspaceRow
from postroom.mail.address import address_key
from postroom.mail.reading import File, Reading, part_bytes, read_mail
from postroom.store import hits, messages, recipients, sandbox
from postroom.store.database import Conn
from postroom.store.sandbox import InboxRow, wire_copy

_log = structlog.get_logger(__name__)

_PAGE = 50
_BESIDE = 20
"""Copies that are listed beside the one that is read, itself among them."""
_NEWER_BESIDE = 5
_VIEWS = ("html", "text", "source", "links", "files")
_LABELS = {"html": "Mail", "text": "Plain text", "source": "Source", "links": "Links and header", "files": "Files"}


@dataclass(frozen=True, slots=True)
class _Kept:
    """A copy with what belongs to it."""

    raw: bytes
    reading: Reading
    recipient: RecipientRow
    message: MessageRow
    reverse_path: str
    targets: tuple[str, ...]


@get("/w/{workspace:str}/sandbox")
async def show_inbox(request: PageRequest) -> Response[bytes]:
    """Show the copies, newest first; `to` asks for one address, `before` for the page behind a copy."""
    workspace = await workspace_of(request)
    asked, before_id = _asked(request)
    rows = await _inbox(services_of(request), workspace, asked, before_id, _PAGE + 1)
    shown = rows[:_PAGE]
    base = address_of(workspace, "sandbox")
    older = _with(base, to=asked, before=show_id("rcp", shown[-1].recipient_id)) if len(rows) > _PAGE else None
    return render(
        request,
        "sandbox.html",
        title="Sandbox",
        at="sandbox",
        rows=[_line(row, base, asked) for row in shown],
        asked=asked,
        older=older,
        first=_with(base, to=asked) if before_id is not None else None,
        is_sandbox=is_sandbox(services_of(request), workspace.id),
        transport=transport_words(services_of(request), workspace.id),
        curl=first_mail(services_of(request).facts).curl,
    )


@get("/w/{workspace:str}/sandbox/{copy:str}")
async def show_copy(request: PageRequest) -> Response[bytes]:
    """Show one copy; `view` names the tab, `width` and `dark` how the frame shows it."""
    workspace = await workspace_of(request)
    services = services_of(request)
    recipient_id = _copy_id(request)
    kept = await _kept(services, workspace, recipient_id)
    await _note_showing(request, workspace, recipient_id)
    asked, _ = _asked(request)
    query = request.query_params
    view = query.get("view", "")
    if view not in _VIEWS:
        view = "html" if kept.reading.html is not None or kept.reading.plain is None else "text"
    width = "phone" if query.get("width") == "phone" else ""
    dark = "1" if query.get("dark") == "1" else ""
    here = f"{address_of(workspace, 'sandbox')}/{show_id('rcp', recipient_id)}"
    beside = await _beside(services, workspace, asked, recipient_id)
    keys = services.token_keys()
    links = await services.slow.run(lambda: links_of(kept.reading, recipient_id, keys, kept.targets))
    reading = kept.reading
    return render(
        request,
        "sandbox_copy.html",
        title=kept.message.subject or "(no subject)",
        at="sandbox",
        rows=[_line(row, address_of(workspace, "sandbox"), asked) for row in beside],
        asked=asked,
        inbox=_with(address_of(workspace, "sandbox"), to=asked),
        here=here,
        view=view,
        width=width,
        dark=dark,
        copy_id=show_id("rcp", recipient_id),
        tabs=[
            (_with(here, to=asked, view=one), _tab_label(one, reading), one == view)
            for one in _VIEWS
            if not (one == "text" and reading.plain is None and reading.html is not None)
        ],
        look=lambda **changed: _with(here, to=asked, **{"width": width, "dark": dark, **changed}),
        has_dark_style=reading.html is not None and mail_frame.has_dark_style(reading.html.text),
        frame_sandbox=mail_frame.SANDBOX,
        recipient=kept.recipient,
        message_id=show_id("msg", kept.message.id),
        reverse_path=kept.reverse_path,
        envelope=_envelope(kept),
        reading=reading,
        size_bytes=len(kept.raw),
        links=links,
        signatures=signatures_of(reading),
        pieces=pieces_of(reading.plain.text) if view == "text" and reading.plain is not None else ((), False),
        source=source_of(kept.raw, reading.body_start) if view == "source" else None,
        header_facts=_header_facts(reading),
    )


@get("/w/{workspace:str}/sandbox/{copy:str}/html")
async def show_frame(request: PageRequest) -> Response[bytes]:
    """Answer the HTML of a copy for its frame."""
    workspace = await workspace_of(request)
    services = services_of(request)
    recipient_id = _copy_id(request)
    kept = await _kept(services, workspace, recipient_id)
    await _note_showing(request, workspace, recipient_id)
    html = kept.reading.html
    if html is None:
        raise not_found("HTML in this copy")
    images = {
        file.content_id: _part_address(services.token_keys(), workspace, kept, file)
        for file in kept.reading.files
        if file.content_id and file.media_type in mail_frame.IMAGES
    }
    body = await services.slow.run(lambda: mail_frame.frame_html(html.text, images.get))
    return mail_frame.answer(body, "text/html", mail_frame.CSP)


@get("/w/{workspace:str}/sandbox/{copy:str}/files/{number:int}")
async def download_file(request: PageRequest) -> Response[bytes]:
    """Hand out an attached file as a download that no browser opens by itself."""
    workspace = await workspace_of(request)
    number: int = request.path_params["number"]
    kept = await _kept(services_of(request), workspace, _copy_id(request))
    found = await services_of(request).slow.run(lambda: part_bytes(kept.raw, number))
    if found is None:
        raise not_found("file in this copy")
    file, content = found
    return mail_frame.download(content, file.name)


@get("/w/{workspace:str}/sandbox/{copy:str}/source")
async def download_source(request: PageRequest) -> Response[bytes]:
    """Hand out the copy, byte for byte."""
    workspace = await workspace_of(request)
    recipient_id = _copy_id(request)
    kept = await _kept(services_of(request), workspace, recipient_id)
    return mail_frame.download(kept.raw, f"{show_id('rcp', recipient_id)}.eml")


@get("/w/{workspace:str}/sandbox-parts/{token:str}", opt=PUBLIC)
async def show_part(request: PageRequest) -> Response[bytes]:
    """Answer an image that a copy shows from its own parts.

    The frame has no cookies, so a token in the address says that we made it.
    """
    workspace = await workspace_of(request)
    services = services_of(request)
    token = services.token_keys().check_url_text(TokenKind.PART, request.path_params["token"])
    if token is None:
        raise not_found("image")
    row = await services.database.read(lambda conn: sandbox.sandbox_copy(conn, workspace.id, token.recipient_id))
    found = None
    if row is not None:
        found = await services.slow.run(lambda: part_bytes(wire_copy(row), token.position))
    if found is None or found[0].media_type not in mail_frame.IMAGES:
        raise not_found("image")
    return mail_frame.answer(found[1], found[0].media_type, mail_frame.PART_CSP)


HANDLERS = (show_inbox, show_copy, show_frame, download_file, download_source, show_part)


def _line(row: InboxRow, base: str, asked: str) -> dict[str, object]:
    return {"row": row, "href": _with(f"{base}/{show_id('rcp', row.recipient_id)}", to=asked), "id": row.recipient_id}


async def _inbox(
    services: Services, workspace: WorkspaceRow, asked: str, before_id: int | None, limit: int
) -> list[InboxRow]:
    key = address_key(asked) if asked else None
    return await services.database.read(
        lambda conn: sandbox.inbox(conn, workspace.id, address_key=key, before_id=before_id, limit=limit)
    )


async def _beside(services: Services, workspace: WorkspaceRow, asked: str, recipient_id: int) -> list[InboxRow]:
    """Return a copy between those that came before and after it, the newest first."""
    key = address_key(asked) if asked else None

    def read(conn: Conn) -> list[InboxRow]:
        after = sandbox.newer(conn, workspace.id, recipient_id, address_key=key, limit=_NEWER_BESIDE)
        return after + sandbox.inbox(conn, workspace.id, address_key=key, before_id=recipient_id + 1, limit=_BESIDE)

    return await services.database.read(read)


async def _kept(services: Services, workspace: WorkspaceRow, recipient_id: int) -> _Kept:
    def read(conn: Conn) -> tuple[SandboxCopyRow, RecipientRow, MessageRow, tuple[str, ...]] | None:
        copy = sandbox.sandbox_copy(conn, workspace.id, recipient_id)
        recipient = recipients.recipient_by_id(conn, workspace.id, recipient_id)
        message = messages.message_by_id(conn, workspace.id, recipient.message_id) if recipient else None
        if copy is None or recipient is None or message is None:
            return None
        targets = hits.links_of(conn, hits.LinkFacts(workspace.id, message.content_key))
        return copy, recipient, message, targets or ()

    found = await services.database.read(read)
    if found is None:
        raise not_found("copy in the sandbox")
    copy, recipient, message, targets = found

    def open_copy() -> tuple[bytes, Reading]:
        raw = wire_copy(copy)
        return raw, read_mail(raw)

    raw, reading = await services.slow.run(open_copy)
    return _Kept(raw, reading, recipient, message, copy.reverse_path, targets)


async def _note_showing(request: PageRequest, workspace: WorkspaceRow, recipient_id: int) -> None:
    """Note that a copy is shown to a person, before its pixel can be fetched."""
    # A browser that fetches a page ahead says so, and nobody has looked yet.
    if request.method != "GET" or "prefetch" in request.headers.get("sec-purpose", ""):
        return
    services = services_of(request)
    try:
        shown = await services.database.read(lambda conn: sandbox.first_shown_ms(conn, workspace.id, recipient_id))
        if shown is None:
            now = services.clock.now_ms()
            await services.database.write(lambda tx: sandbox.note_showing(tx, workspace.id, recipient_id, now))
    except TryLater as error:
        # The copy can be read all the same; its opening may then be taken for a machine's.
        _log.warning("a showing could not be noted", recipient=recipient_id, reason=str(error))


def _asked(request: PageRequest) -> tuple[str, int | None]:
    query = request.query_params
    asked = query.get("to", "").strip()[:1000].replace("\x00", "")
    return asked, parse_id("rcp", query.get("before", ""))


def _copy_id(request: PageRequest) -> int:
    recipient_id = parse_id("rcp", request.path_params["copy"])
    if recipient_id is None:
        raise not_found("copy in the sandbox")
    return recipient_id


def _part_address(keys: TokenKeys, workspace: WorkspaceRow, kept: _Kept, file: File) -> str:
    token = keys.url_text(TokenKind.PART, keys.signs_with, kept.recipient.id, file.number)
    return f"{address_of(workspace, 'sandbox-parts')}/{token}"


def _envelope(kept: _Kept) -> list[tuple[str, str]]:
    reading = kept.reading
    told = [(name, reading.value(name.lower())) for name in ("From", "To", "Cc", "Reply-To", "Date")]
    return [(name, value) for name, value in told if value]


def _header_facts(reading: Reading) -> list[tuple[str, str]]:
    shown = ("List-Unsubscribe", "List-Unsubscribe-Post", "List-Id", "Message-ID", "Feedback-ID", "Auto-Submitted")
    told = [(name, reading.value(name.lower())) for name in shown]
    return [(name, value) for name, value in told if value]


def _tab_label(view: str, reading: Reading) -> str:
    return f"Files ({len(reading.files)})" if view == "files" and reading.files else _LABELS[view]


def _with(address: str, **values: str) -> str:
    given = {name: value for name, value in values.items() if value}
    return f"{address}?{urlencode(given)}" if given else address
