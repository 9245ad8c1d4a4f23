"""What the transaction that understands a mail writes so that it is handed on; `inbound.hand_on` does it later."""

from postroom.ledger.inbound_rows import InboundRow
from postroom.ledger.route_rows import RouteAction, RouteOutboxRow, RouteRow
from postroom.store import restorations, route_outbox
from postroom.store.database import Tx

_GOES_ON = (RouteAction.WEBHOOK, RouteAction.FORWARD)


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
