"""`/inbound`: mail that came in, what it was taken for, and what became of it."""

import contextlib
from contextlib import AbstractAsyncContextManager
from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.response import Stream
from msgspec import Meta, Struct

from postroom.base.ids import show_id
from postroom.doors.http.fields import read_query
from postroom.doors.http.lists import Limit, TimeText, id_or_none, lower, span_of_ids
from postroom.doors.http.operation import Operation, described, id_pattern
from postroom.doors.http.problems import Problem, not_found
from postroom.doors.http.requests import answer, cut_page
from postroom.doors.http.route_models import HandOnOut, hand_on_view
from postroom.doors.http.services import ApiRequest, services_of
from postroom.doors.http.views import Time
from postroom.doors.http.words import read_path_id, show_time
from postroom.inbound.onward import hand_on_again, onward_of
from postroom.inbound.told import InboundLine, ToldMail, line_of, told_mail
from postroom.ledger.inbound_rows import InboundRow, InboundState
from postroom.mail.address import address_key
from postroom.mail.reading import part_bytes
from postroom.mail.verdict import MailKind
from postroom.net.download import disposition
from postroom.store import inbound, route_outbox, routes
from postroom.store.database import Conn
from postroom.store.inbound import InboundFilter

_RAW_TYPE = "message/rfc822"
_FILE_TYPE = "application/octet-stream"
_MOST_TRIES = 100
_LARGE_BYTES = 256 * 1024
_ANSWERS_FORM = f"{id_pattern('rcp')}|{id_pattern('msg')}"
InboundCursor = Annotated[str, Meta(pattern=id_pattern("inb"), description="`next` of the page before.")]


class InboundQuery(Struct, frozen=True, rename={"since": "from", "until": "to"}):
    """Which mails; conditions are joined by *and*."""

    kind: MailKind | None = None
    state: InboundState | None = None
    recipient: Annotated[str, Meta(description="The envelope recipient.")] | None = None
    sender: Annotated[str, Meta(description="The author's address.")] | None = None
    answers: (
        Annotated[str, Meta(pattern=_ANSWERS_FORM, description="The recipient or message of ours that it answers.")]
        | None
    ) = None
    counted: Annotated[bool, Meta(description="Only what counts as inbound.")] = False
    since: TimeText | None = None
    until: TimeText | None = None
    cursor: InboundCursor | None = None
    limit: Limit = 100


class InboundPage(Struct, frozen=True):
    """Mails that came in, newest first."""

    items: list[InboundLine]
    next: str | None


class InboundOut(ToldMail, frozen=True, kw_only=True):
    """A mail that came in, whole, and what became of it."""

    handed_on: list[HandOnOut]
    """Tries to hand it on, oldest first."""
    next_try_at: Time | None
    """When it is tried next; null: nothing is left to be done, or its route is off."""


class Reviewed(Struct, frozen=True):
    """That somebody looked at a mail."""

    reviewed_at: Time


class Retried(Struct, frozen=True):
    """That a mail is handed on once more."""

    next_try_at: Time


@get("/inbound", opt=described(Operation("List mail that came in", answers=InboundPage, query=InboundQuery)))
async def list_inbound(request: ApiRequest) -> Response[bytes]:
    """Return mails that came in, newest first. Addresses are found in whatever letter case they were written."""
    query, workspace_id = read_query(request.scope["query_string"], InboundQuery), request.user.id
    least_id, end_id = span_of_ids(query.since, query.until)
    asked = InboundFilter(
        kinds=None if query.kind is None else (query.kind.value,),
        state=None if query.state is None else query.state.value,
        recipient_key=None if query.recipient is None else address_key(query.recipient),
        counted_only=query.counted,
        author_key=None if query.sender is None else address_key(query.sender),
        answers_recipient_id=id_or_none("rcp", query.answers),
        answers_message_id=id_or_none("msg", query.answers),
        least_id=least_id,
    )
    before = lower(end_id, id_or_none("inb", query.cursor))
    rows = await services_of(request).database.read(
        lambda conn: inbound.page(conn, workspace_id, asked, query.limit + 1, before)
    )
    shown, more = cut_page(rows, query.limit)
    return answer(InboundPage([line_of(row) for row in shown], show_id("inb", shown[-1].id) if more else None))


@get("/inbound/{id:str}", opt=described(Operation("Show a mail that came in", answers=InboundOut)))
async def get_inbound(request: ApiRequest) -> Response[bytes]:
    """Return a mail that came in: its texts, attachments, verdicts, what it was taken for, and what became of it."""
    services, row = services_of(request), await _existing(request)

    def read(conn: Conn) -> tuple[list[HandOnOut], int | None]:
        tries = routes.attempts_of_inbound(conn, row.workspace_id, row.id, _MOST_TRIES)
        return [hand_on_view(one) for one in tries], route_outbox.next_try_ms(conn, row.id)

    handed_on, due_ms = await services.database.read(read)
    async with _room_for(request, row):
        raw = await inbound.load(services.database, row.workspace_id, row.content_id)
        told = await services.slow.run(lambda: told_mail(row, raw))
    next_try_at = show_time(due_ms) if due_ms is not None else None
    return answer(InboundOut(**msgspec.structs.asdict(told), handed_on=handed_on, next_try_at=next_try_at))


@get(
    "/inbound/{id:str}/raw",
    opt=described(Operation("Get the bytes of a mail that came in", answers=None, media_type=_RAW_TYPE)),
)
async def get_inbound_raw(request: ApiRequest) -> Stream:
    """Return a mail as it is stored: as it came, behind our own trace fields. 404 where retention took it."""
    services, row = services_of(request), await _existing(request)
    content = await services.database.read(lambda conn: inbound.load_content(conn, row.workspace_id, row.content_id))
    if content is None or (content.upload_id is None and content.body is None):
        raise not_found("content")
    pieces = inbound.content_pieces(services.database, content)
    return Stream(pieces, media_type=_RAW_TYPE, headers=_download_fields(f"{show_id('inb', row.id)}.eml"))


@get(
    "/inbound/{id:str}/attachments/{number:str}",
    opt=described(Operation("Get a file of a mail that came in", answers=None, media_type=_FILE_TYPE)),
)
async def get_inbound_attachment(request: ApiRequest) -> Response[bytes]:
    """Return the decoded bytes of an attached file or shown image by its `number`. 404 where there is no such."""
    services, row = services_of(request), await _existing(request)
    number = request.path_params["number"]
    if not (number.isascii() and number.isdigit() and len(number) < 6):
        raise not_found("file in this mail")
    async with _room_for(request, row):
        raw = await inbound.load(services.database, row.workspace_id, row.content_id)
        found = await services.slow.run(lambda: part_bytes(raw, int(number))) if raw is not None else None
    if found is None:
        raise not_found("file in this mail")
    file, content = found
    return Response(content, media_type=_FILE_TYPE, headers=_download_fields(file.name))


@post(
    "/inbound/{id:str}/retry",
    status_code=200,
    opt=described(Operation("Hand a mail that came in on once more", answers=Retried, conflicts=True)),
)
async def retry_inbound(request: ApiRequest) -> Response[bytes]:
    """Have a mail handed on at once, with all its tries: what waits, else to its route's target again.

    One in state `failed` is worked on from the beginning. 409 where there is nobody to hand it to, its route is off,
    or its content is kept no longer.
    """
    services, row = services_of(request), await _existing(request)
    onward = await services.database.read(lambda conn: onward_of(conn, row))
    if onward.is_gone:
        raise Problem(409, "content-gone", "The content of this mail is kept no longer: the row alone is left.")
    if row.state == InboundState.FAILED:
        at_ms = services.clock.now_ms()
        await services.database.write(lambda tx: inbound.take_up_again(tx, row.workspace_id, row.id, at_ms))
        return answer(Retried(show_time(at_ms)))
    if onward.is_for_nobody:
        raise Problem(409, "for-nobody", "No route hands this mail on, and it was forwarded to nobody.")
    if onward.is_off:
        raise Problem(409, "route-is-off", "The route that took this mail is off: turn it on first.")
    now_ms = services.clock.now_ms()
    await services.database.write(lambda tx: hand_on_again(tx, row, onward, now_ms))
    return answer(Retried(show_time(now_ms)))


@post(
    "/inbound/{id:str}/review",
    status_code=200,
    opt=described(Operation("Mark a mail that came in as reviewed", answers=Reviewed)),
)
async def review_inbound(request: ApiRequest) -> Response[bytes]:
    """Note that somebody looked at a mail; of an earlier review the time stays."""
    services, row = services_of(request), await _existing(request)
    now_ms = services.clock.now_ms()
    await services.database.write(lambda tx: inbound.mark_reviewed(tx, row.workspace_id, row.id, now_ms))
    after = await _existing(request)
    return answer(Reviewed(show_time(after.reviewed_ms or now_ms)))


async def _existing(request: ApiRequest) -> InboundRow:
    row_id, workspace_id = read_path_id("inb", request.path_params["id"]), request.user.id
    row = await services_of(request).database.read(lambda conn: inbound.by_id(conn, workspace_id, row_id))
    if row is None:
        raise not_found("mail that came in")
    return row


def _room_for(request: ApiRequest, row: InboundRow) -> AbstractAsyncContextManager[object]:
    """Return what a mail is read within: of large ones, few are in memory at a time."""
    return services_of(request).large_mails if row.size_bytes > _LARGE_BYTES else contextlib.nullcontext()


def _download_fields(name: str) -> dict[str, str]:
    # What strangers wrote is nothing that a browser should show.
    return {
        "Content-Disposition": disposition(name),
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
