"""The room of routes over a store, with two workspaces that own a domain each."""

from collections.abc import Mapping
from ipaddress import ip_network

from postroom.base.clock import Clock
from postroom.base.ids import IdSource
from postroom.base.secrets import Sealer
from postroom.inbound.routes import Asked, Routes
from postroom.ledger.route_rows import RouteAction, RouteRow
from postroom.ledger.rows import WorkspaceRow
from postroom.store.database import Database, Tx

WORKSPACE, OTHER = 1, 2
STORE = RouteAction.STORE


class Owners:
    """Who owns which domain."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {"example.com": WORKSPACE, "other.example": OTHER}

    def owners(self) -> Mapping[str, int]:
        return self.names


async def routes_room(database: Database, clock: Clock, owners: Owners) -> Routes:
    """Return the room, its workspaces made."""

    def write(tx: Tx) -> None:
        tx.add(WorkspaceRow(WORKSPACE, "one", 0))
        tx.add(WorkspaceRow(OTHER, "two", 0))

    await database.write(write)
    return Routes(database, IdSource(1, clock), clock, Sealer(b"k" * 32), owners, (ip_network("127.0.0.0/8"),))


async def made(room: Routes, recipient: str, action: RouteAction = STORE, **fields: object) -> RouteRow:
    """Make a route; its secret is of no matter."""
    return (await room.create(WORKSPACE, Asked(recipient, action, **fields)))[0]  # type: ignore[arg-type]
