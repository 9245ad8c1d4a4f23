"""`/w/NAME/inbound`: the list of mail that came in, by kind, author and envelope recipient."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from litestar import Response, get

from postroom.base.ids import made_at_ms, parse_id, show_id
from postroom.doors.dashboard import inbound_views as views
from postroom.doors.dashboard.inbound_search import Pieces, look
from postroom.doors.dashboard.page import address_of, address_with, render, workspace_of
from postroom.doors.dashboard.services import Facts, PageRequest, services_of
from postroom.ledger.inbound_rows import InboundRow, InboundState
from postroom.ledger.rows import RecipientRow, WorkspaceRow
from postroom.mail.address import address_key
from postroom.mail.verdict import MailKind
from postroom.store import recipients
from postroom.store.database import Conn
from postroom.store.inbound import InboundFilter
from postroom.store.recipients import RecipientFilter

_PAGE = 50
_WAITING, _FAILED = "waiting", "failed"
_GROUPS = {
    "bounces": (MailKind.BOUNCE, MailKind.DELAY),
    "replies": (MailKind.REPLY,),
    "machines": (MailKind.AUTO_REPLY, MailKind.CHALLENGE, MailKind.RECEIPT, MailKind.LIST),
    "complaints": (MailKind.COMPLAINT, MailKind.UNSUBSCRIBE),
}
_TABS = (
    ("", "All"),
    ("replies", "Replies"),
    (MailKind.OTHER.value, "Mail"),
    ("bounces", "Bounces"),
    ("complaints", "Complaints"),
    ("machines", "Machines"),
)


@get("/w/{workspace:str}/inbound")
async def show_list(request: PageRequest) -> Response[bytes]:
    """Show what came in, newest first: of a `kind` or group of them, `before` a mail.

    `from` and `to` are addresses or pieces of such, `subject` words of it.
    """
    workspace = await workspace_of(request)
    services, query = services_of(request), request.query_params
    kind = query.get("kind", "")
    author, to, subject = (query.get(name, "").strip()[:1000].replace("\x00", "") for name in ("from", "to", "subject"))
    before = parse_id("inb", query.get("before", ""))
    asked, pieces = _filter(kind, author, to), _pieces(author, to, subject)
    chosen = {"from": author, "to": to, "subject": subject}
    found = await look(services.database, services.clock, workspace.id, asked, pieces, _PAGE, before)
    shown = found.rows
    about = await services.database.read(lambda conn: _about(conn, workspace, shown))
    reached = found.reached if found.reached is not None else shown[-1].id if found.more else None
    base = address_of(workspace, "inbound")
    return render(
        request,
        "inbound.html",
        title="Inbound",
        at="inbound",
        lines=[views.inbound_line(row) for row in shown],
        addresses={show_id("rcp", row.id): row.address for row in about.values()},
        kind=kind,
        author=author,
        to=to,
        tabs=[(address_with(base, kind=key, **chosen), words, key == kind) for key, words in _TABS],
        kinds=_kind_choices(),
        subject=subject,
        older=address_with(base, kind=kind, **chosen, before=show_id("inb", reached)) if reached is not None else None,
        searched_back_ms=made_at_ms(found.reached) if found.reached is not None else None,
        examined=found.examined,
        first=address_with(base, kind=kind, **chosen) if before is not None else None,
        door=door_lines(services.facts),
    )


HANDLERS = (show_list,)


@dataclass(frozen=True, slots=True)
class DoorLines:
    """How mail gets in: what pages show before any has come."""

    mx: str
    pipe: str
    swaks: str
    """Empty where this installation has no inbound door."""


def door_lines(facts: Facts) -> DoorLines:
    """Return the lines that lead mail here."""
    mx = f"example.com.     MX  10 {facts.hostname}.\nrp.example.com.  MX  10 {facts.hostname}."
    pipe = '# /etc/aliases of Postfix\nsupport: "|postroom receive"'
    letter = "--from ada@example.net --to support@example.com --header 'Subject: Hello'"
    swaks = f"swaks --server {facts.inbound} \\\n  {letter}"
    return DoorLines(mx, pipe, swaks if facts.inbound else "")


def _filter(kind: str, author: str, to: str) -> InboundFilter:
    whole_to, whole_author = (address_key(one) if _is_whole(one) else None for one in (to, author))
    keys = InboundFilter(recipient_key=whole_to, author_key=whole_author)
    if kind in _GROUPS:
        return replace(keys, kinds=tuple(one.value for one in _GROUPS[kind]))
    if kind in (_WAITING, _FAILED):
        return replace(keys, state=InboundState(kind).value)
    return replace(keys, kinds=(kind,) if kind in {one.value for one in MailKind} else None)


def _pieces(author: str, to: str, subject: str) -> Pieces:
    """Return what is looked for word by word: everything but whole addresses, which an index finds."""
    piece_of_author, piece_of_to = ("" if _is_whole(one) else one.casefold() for one in (author, to))
    return Pieces(piece_of_author, piece_of_to, tuple(subject.casefold().split()))


def _is_whole(address: str) -> bool:
    local, _, domain = address.rpartition("@")
    return bool(local) and "." in domain.strip(".")


def _kind_choices() -> list[tuple[str, str]]:
    words = [(kind.value, f"{label[:1].upper()}{label[1:]}") for kind, (label, _) in views.KIND_LOOKS.items()]
    return [("", "Every kind"), *words, (_WAITING, "Waiting to be understood"), (_FAILED, "Not understood")]


def _about(conn: Conn, workspace: WorkspaceRow, rows: Sequence[InboundRow]) -> dict[int, RecipientRow]:
    ids = tuple({row.answers_recipient_id for row in rows if row.answers_recipient_id is not None})
    if not ids:
        return {}
    return {one.id: one for one in recipients.page(conn, workspace.id, RecipientFilter(ids=ids), len(ids))}
