"""What a transaction writes so that a mail is handed on; `inbound.hand_on` does it later.

That is the one that understands the mail, and one in which somebody asks for it once more.
"""

from dataclasses import dataclass

from postroom.ledger.inbound_rows import InboundRow
from postroom.ledger.route_rows import RouteAction, RouteOutboxRow, RouteRow
from postroom.store import inbound, restorations, route_outbox, routes
from postroom.store.database import Conn, Tx

_GOES_ON = (RouteAction.WEBHOOK, RouteAction.FORWARD)
_MOST_TRIES = 100


@dataclass(frozen=True, slots=True)
class Onward:
    """To whom a mail goes, or went: who may get it once more."""

    waiting: tuple[RouteOutboxRow, ...]
    """What is still to be done."""
    route: RouteRow | None
    """The route that took it, where that hands mail on."""
    reply_to: str
    """Whom it was forwarded to without a route, or empty."""
    is_gone: bool
    """Its content is kept no longer, so nobody can get it."""

    @property
    def is_for_nobody(self) -> bool:
        """There is nobody to hand it to."""
        return not (self.waiting or self.reply_to or self.route)

    @property
    def is_off(self) -> bool:
        """Its route is switched off, so nothing goes."""
        return self.route is not None and not self.route.is_enabled

    @property
    def is_held(self) -> bool:
        """It may have gone since the backup that was restored: it goes when somebody asks for it."""
        return any(one.due_ms == route_outbox.HELD_MS for one in self.waiting)


def onward_of(conn: Conn, row: InboundRow) -> Onward:
    """Return to whom a mail goes, or went."""
    route = routes.route_by_id(conn, row.workspace_id, row.route_id) if row.route_id is not None else None
    tries = routes.attempts_of_inbound(conn, row.workspace_id, row.id, _MOST_TRIES)
    without = [one.target for one in tries if one.route_id == route_outbox.NO_ROUTE]
    content = inbound.load_content(conn, row.workspace_id, row.content_id)
    return Onward(
        tuple(route_outbox.waiting_of(conn, row.id)),
        route if route is not None and route.action in _GOES_ON else None,
        without[-1] if without else "",
        content is None or (content.body is None and content.upload_id is None),
    )


def hand_on_again(tx: Tx, row: InboundRow, onward: Onward, now_ms: int) -> None:
    """Have a mail handed on once more, at once and with all its tries: what waits, else to all who got it before."""
    if route_outbox.hasten_mail(tx, row.id, now_ms):
        return
    if onward.route is not None:
        route_outbox.schedule(tx, RouteOutboxRow(row.id, onward.route.id, row.workspace_id, "", now_ms))
    if onward.reply_to:
        none = route_outbox.NO_ROUTE
        route_outbox.schedule(tx, RouteOutboxRow(row.id, none, row.workspace_id, onward.reply_to, now_ms))


def hand_on(tx: Tx, row: InboundRow, route: RouteRow, now_ms: int) -> None:
    """Have a mail handed on by the route that took it. One that stores or refuses hands nothing on."""
    if route.action in _GOES_ON:
        route_outbox.schedule(tx, RouteOutboxRow(row.id, route.id, row.workspace_id, "", _due_ms(tx, row, now_ms)))


def forward_to(tx: Tx, row: InboundRow, address: str, now_ms: int) -> None:
    """Have a mail forwarded to an address without a route: a reply, to the author of what it answers."""
    due_ms = _due_ms(tx, row, now_ms)
    route_outbox.schedule(tx, RouteOutboxRow(row.id, route_outbox.NO_ROUTE, row.workspace_id, address, due_ms))


def _due_ms(tx: Tx, row: InboundRow, now_ms: int) -> int:
    # What waited when a backup was made may have gone on since: after a restore nothing leaves by itself.
    return route_outbox.HELD_MS if restorations.was_in_backup(tx, row.received_ms) else now_ms
