"""`/w/NAME/messages/MSGID` and `/w/NAME/recipients/RCPID`: what happened to a mail, to the last line of SMTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response, get, post

from postroom.access import audit
from postroom.base.ids import parse_id, show_id
from postroom.doors.dashboard.activity import Line, recipient_line
from postroom.doors.dashboard.noted import noted
from postroom.doors.dashboard.page import address_of, done, not_found, render, workspace_of
from postroom.doors.dashboard.reasons import provider_name
from postroom.doors.dashboard.services import PageRequest, Services, services_of
from postroom.doors.dashboard.session import actor_of
from postroom.doors.dashboard.story_views import (
    curl_of,
    header_text,
    message_facts,
    metadata_of,
    tags_of,
    timeline,
)
from postroom.events import suppression
from postroom.events.erased import is_erased
from postroom.events.moves import PAGE as MOVE_PAGE
from postroom.events.moves import Move, move_page, states_before
from postroom.ledger.rows import EventRow, HitRow, MessageRow, RecipientRow, SuppressionRow, WorkspaceRow
from postroom.ledger.states import RecipientState, SuppressionScope
from postroom.mail.reading import Reading, read_mail
from postroom.outbound.watch import Watch
from postroom.store import domains, events, messages, recipients, story, suppressions
from postroom.store.activity import FoundRecipient
from postroom.store.database import Conn, Tx
from postroom.store.recipients import RecipientFilter
from postroom.store.story import HEADER_BYTES, MOST_COUNTED, Head

RECIPIENTS = 50
EVENTS = 200
_READ_BYTES = 256 * 1024
"""Of a content: enough for nearly every mail; the curl line of a larger one has no text."""

_LABELS = {
    Move.RETRY: "Try again now",
    Move.HOLD: "Hold",
    Move.RELEASE: "Release",
    Move.CANCEL: "Cancel",
}
_DONE = {
    Move.RETRY: "It is tried again at once.",
    Move.HOLD: "It is held until you release it.",
    Move.RELEASE: "It may go.",
    Move.CANCEL: "It is cancelled and will not be sent.",
}


@dataclass(frozen=True, slots=True)
class Button:
    """What can be done now."""

    move: str
    label: str
    needs_question: bool
    """It cannot be taken back."""


@dataclass(frozen=True, slots=True)
class _Message:
    """A message with what both pages show of it."""

    row: MessageRow
    states: dict[str, int]
    head: Head | None
    signed_by: str
    """The domain and selector of DKIM, or why there is none."""


@dataclass(frozen=True, slots=True)
class _Recipient:
    """A recipient with what its page shows."""

    message: _Message
    row: RecipientRow
    events: Sequence[EventRow]
    hits: Sequence[HitRow]
    suppressions: Sequence[SuppressionRow]
    has_copy: bool


@get("/w/{workspace:str}/messages/{message:str}")
async def show_message(request: PageRequest) -> Response[bytes]:
    """Tell what became of a message, and list its recipients."""
    workspace = await workspace_of(request)
    message_id = _id(request, "message", "msg")
    services = services_of(request)
    after_id = parse_id("rcp", request.query_params.get("after", "")) or 0

    def read(conn: Conn) -> tuple[_Message, list[RecipientRow]]:
        found = _message(conn, workspace, message_id)
        return found, recipients.of_message(conn, workspace.id, message_id, after_id, RECIPIENTS + 1)

    found, rows = await services.database.read(read)
    if len(rows) == 1 and not after_id:
        # One recipient: its story is the message's.
        return await _recipient_page(request, workspace, rows[0].id, at_message=True)
    shown = rows[:RECIPIENTS]
    here = f"{address_of(workspace, 'messages')}/{show_id('msg', message_id)}"
    return render(
        request,
        "story_message.html",
        title=found.row.subject or "(no subject)",
        at="activity",
        lines=[_line(row, found.row) for row in shown],
        first=here if after_id else None,
        further=f"{here}?after={show_id('rcp', shown[-1].id)}" if len(rows) > RECIPIENTS else None,
        buttons=_buttons(found.states),
        here=here,
        **await _of_message(services, found, shown[0].address if shown else "ada@example.net"),
    )


@get("/w/{workspace:str}/recipients/{recipient:str}")
async def show_recipient(request: PageRequest) -> Response[bytes]:
    """Tell what became of one recipient of a message."""
    workspace = await workspace_of(request)
    return await _recipient_page(request, workspace, _id(request, "recipient", "rcp"))


@post("/w/{workspace:str}/recipients/{recipient:str}/{move:str}")
async def move_recipient(request: PageRequest) -> Response[bytes]:
    """Retry, hold, release or cancel one recipient, or suppress its address."""
    workspace = await workspace_of(request)
    recipient_id = _id(request, "recipient", "rcp")
    here = f"{address_of(workspace, 'recipients')}/{show_id('rcp', recipient_id)}"
    services = services_of(request)
    row = await services.database.read(lambda conn: recipients.recipient_by_id(conn, workspace.id, recipient_id))
    if row is None:
        raise not_found("recipient")
    if request.path_params["move"] == "suppress":
        await _suppress(request, workspace, row)
        return done(request, here, f"{row.address} gets no more mail from this workspace.")
    move = _move(request)
    if await _move_all(request, workspace, move, [recipient_id], show_id("rcp", recipient_id)):
        return done(request, here, _DONE[move])
    return done(request, here, "Nothing was changed: meanwhile it is in another state.", problem=True)


@post("/w/{workspace:str}/messages/{message:str}/{move:str}")
async def move_message(request: PageRequest) -> Response[bytes]:
    """Retry, hold, release or cancel all recipients of a message that may."""
    workspace = await workspace_of(request)
    message_id = _id(request, "message", "msg")
    services, move = services_of(request), _move(request)
    here = f"{address_of(workspace, 'messages')}/{show_id('msg', message_id)}"
    await services.database.read(lambda conn: _existing(conn, workspace, message_id))
    states = tuple(state.value for state in states_before(move))
    asked, moved = RecipientFilter(states=states, message_id=message_id), 0
    for _ in range(MOST_COUNTED // MOVE_PAGE):
        ids = await services.database.read(lambda conn: recipients.ids_of(conn, workspace.id, asked, MOVE_PAGE))
        if not ids:
            break
        now_moved = await _move_all(request, workspace, move, ids, show_id("msg", message_id))
        moved += now_moved
        if not now_moved or len(ids) < MOVE_PAGE:
            break
    if not moved:
        return done(request, here, "Nothing was changed: no recipient is in such a state.", problem=True)
    return done(request, here, f"{moved:,} recipient{'' if moved == 1 else 's'}: {_LABELS[move].lower()}.")


async def _recipient_page(
    request: PageRequest, workspace: WorkspaceRow, recipient_id: int, *, at_message: bool = False
) -> Response[bytes]:
    services = services_of(request)
    after_id = 0 if at_message else parse_id("evt", request.query_params.get("after", "")) or 0
    found = await services.database.read(lambda conn: _recipient(conn, workspace, recipient_id, after_id))
    now, row = services.clock.now_ms(), found.row
    shown = found.events[:EVENTS]
    more = len(found.events) > EVENTS
    here = f"{address_of(workspace, 'recipients')}/{show_id('rcp', row.id)}"
    return render(
        request,
        "story_recipient.html",
        title=found.message.row.subject or "(no subject)",
        at="activity",
        recipient=row,
        recipient_id=show_id("rcp", row.id),
        provider=provider_name(row.provider),
        entries=timeline(
            found.message.row,
            row,
            shown,
            found.hits,
            now,
            is_first=not after_id,
            is_last=not more,
            waits_for=_waits_for(services.watch, row),
        ),
        later=f"{here}?after={show_id('evt', shown[-1].id)}" if more else None,
        earlier=here if after_id else None,
        buttons=[] if is_erased(row.address_key) else _buttons({row.state: 1}),
        suppressions=[one for one in found.suppressions if one.expires_ms is None or one.expires_ms > now],
        has_copy=found.has_copy,
        others=sum(found.message.states.values()) - 1,
        here=here,
        **await _of_message(services, found.message, row.address),
    )


async def _of_message(services: Services, found: _Message, address: str) -> dict[str, Any]:
    """Return what both templates show of the message."""
    row, head = found.row, found.head
    reading: Reading | None = None
    if head is not None and head.is_whole:
        reading = await services.slow.run(lambda: read_mail(head.data))
    total = sum(found.states.values())
    return {
        "row": row,
        "message_id": show_id("msg", row.id),
        "facts_of_message": [*message_facts(row), ("Signed by", found.signed_by)],
        "tags": tags_of(row),
        "metadata": metadata_of(row),
        "states": sorted(found.states.items(), key=lambda pair: -pair[1]),
        "total": f"more than {MOST_COUNTED:,}" if total > MOST_COUNTED else f"{total:,}",
        "header": header_text(head.data[:HEADER_BYTES]) if head is not None else None,
        "curl": curl_of(row, address, reading, services.facts.http_url),
    }


def _message(conn: Conn, workspace: WorkspaceRow, message_id: int) -> _Message:
    row = _existing(conn, workspace, message_id)
    signed_by = "nobody: the From domain is not one of this workspace"
    if row.domain_id is not None:
        domain = domains.domain_by_id(conn, row.domain_id)
        if domain is None or domain.workspace_id != workspace.id:
            signed_by = "nobody any more: the domain was deleted"
        else:
            signed_by = f"{domain.name} (selector {domain.selector})"
    return _Message(
        row,
        story.states_of(conn, workspace.id, message_id),
        story.content_head(conn, workspace.id, row.content_key, _READ_BYTES),
        signed_by,
    )


def _existing(conn: Conn, workspace: WorkspaceRow, message_id: int) -> MessageRow:
    row = messages.message_by_id(conn, workspace.id, message_id)
    if row is None:
        raise not_found("message")
    return row


def _recipient(conn: Conn, workspace: WorkspaceRow, recipient_id: int, after_id: int) -> _Recipient:
    row = recipients.recipient_by_id(conn, workspace.id, recipient_id)
    if row is None:
        raise not_found("recipient")
    return _Recipient(
        _message(conn, workspace, row.message_id),
        row,
        events.of_recipient(conn, workspace.id, recipient_id, after_id, EVENTS + 1),
        story.hits_of(conn, workspace.id, recipient_id, EVENTS),
        suppressions.of_address(conn, workspace.id, row.address_key),
        story.has_copy(conn, workspace.id, recipient_id),
    )


def _waits_for(watch: Watch, row: RecipientRow) -> str:
    """Return why a recipient that is due is not being tried yet, as far as this node knows."""
    if not watch.delivers:
        return ""
    site = watch.site_of(row.workspace_id, row.domain)
    if site is None:
        return f"the way to {row.domain} is being looked up"
    view = watch.look_at(site)
    if view.pause_seconds > 0:
        return f"{site} is left alone for {view.pause_seconds:.0f} s more, because it had no room"
    if view.in_flight and view.in_flight >= view.slots:
        return f"all {view.slots} connections to {site} are in use"
    return ""


def _line(row: RecipientRow, message: MessageRow) -> Line:
    return recipient_line(FoundRecipient(row, message.subject, message.stream))


def _buttons(states: dict[str, int]) -> list[Button]:
    """Return the moves that at least one recipient may make."""
    there = {RecipientState(state) for state in states}
    return [
        Button(move.value, label, move is Move.CANCEL)
        for move, label in _LABELS.items()
        if there & set(states_before(move))
    ]


def _id(request: PageRequest, name: str, kind: str) -> int:
    row_id = parse_id(kind, request.path_params[name])
    if row_id is None:
        raise not_found(name)
    return row_id


def _move(request: PageRequest) -> Move:
    try:
        return Move(request.path_params["move"])
    except ValueError:
        raise not_found("button") from None


async def _move_all(request: PageRequest, workspace: WorkspaceRow, move: Move, ids: Sequence[int], subject: str) -> int:
    """Move recipients, with the operator's name in the audit log; return how many moved."""
    services, actor = services_of(request), actor_of(request)
    event_ids = [services.ids.next() for _ in ids]
    note_id, now = services.ids.next(), services.clock.now_ms()

    def write(tx: Tx) -> int:
        moved = move_page(tx, workspace.id, move, ids, event_ids, now, "operator")
        if moved:
            audit.note(
                tx, note_id, now, actor, f"queue.{move.value}", subject=subject, workspace_id=workspace.id,
                detail=f"{moved} recipient{'' if moved == 1 else 's'}",
            )  # fmt: skip
        return moved

    return await services.database.write(write)


async def _suppress(request: PageRequest, workspace: WorkspaceRow, row: RecipientRow) -> None:
    services = services_of(request)
    now, note = services.clock.now_ms(), noted(request, workspace, "suppression.add", row.address_key)
    stands = SuppressionRow(
        services.ids.next(), workspace.id, row.address_key, SuppressionScope.ALL.value, "asked for on its story",
        "operator", show_id("rcp", row.id), None, now,
    )  # fmt: skip
    event_id = services.ids.next()

    def write(tx: Tx) -> None:
        suppression.add(tx, stands, event_id, message_id=row.message_id, recipient_id=row.id)
        note(tx)

    await services.database.write(write)


HANDLERS = (show_message, show_recipient, move_recipient, move_message)
