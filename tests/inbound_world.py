"""The inbound door over a store, for tests: domains, keys and routes of two workspaces, a clock that never waits."""

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeVar, cast

from postroom.base.clock import DAY_MS, ManualClock
from postroom.base.ids import IdSource, first_id_at
from postroom.base.threads import Threads
from postroom.base.tokens import TokenKeys, TokenKind
from postroom.doors.smtp.guessers import Guessers
from postroom.doors.smtp.inbound import InboundDoor, InboundVisit
from postroom.inbound.receive import Receiver
from postroom.inbound.recipients import OwnHosts, Recipients
from postroom.inbound.route_view import RouteView
from postroom.ledger.inbound_rows import InboundRow
from postroom.ledger.route_rows import RouteAction, RouteRow
from postroom.ledger.rows import DomainRow, WorkspaceRow
from postroom.mail.return_path import machine_address
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp.door import Peer
from postroom.store import inbound
from postroom.store.content import Uploads
from postroom.store.database import Conn, Database, Tx, open_database, statement
from postroom.store.inbound import InboundFilter

HERE = "mail.postroom.test"
OWN_RP = f"rp.{HERE}"
SHOP, OTHER = "shop.test", "other.test"
KEY_ID = 3
PEER = Peer("192.0.2.7", 25, local=False)
_T = TypeVar("_T")


class EagerClock(ManualClock):
    """A clock on which waiting takes no time: it moves on by what is waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float] = []

    async def sleep(self, seconds: float) -> None:
        """Move on."""
        self.waited.append(seconds)
        self.advance(seconds=seconds)


class CountingDatabase:
    """A database that counts what is asked of it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.asked = 0

    async def read(self, function: Callable[[Conn], _T]) -> _T:
        """Count and read."""
        self.asked += 1
        return await self.database.read(function)

    async def write(self, function: Callable[[Tx], _T], *, size_bytes: int = 0) -> _T:
        """Count and write."""
        self.asked += 1
        return await self.database.write(function, size_bytes=size_bytes)


class _Owned:
    def owners(self) -> Mapping[str, int]:
        return {SHOP: 1, OTHER: 2}


class InboundWorld:
    """The door and everything behind it. Workspace 1 owns `shop.test`, workspace 2 `other.test`."""

    def __init__(self, database: Database, slow: Threads) -> None:
        self.clock = EagerClock()
        self.database = CountingDatabase(database)
        self.keys = TokenKeys({KEY_ID: b"k" * 32})
        self.ids = IdSource(1, self.clock)
        counted = cast(Database, self.database)
        self.routes = RouteView(counted, _Owned())
        self.recipients = recipients_of(self.keys, self.clock, self.routes)
        self.uploads = Uploads(counted, self.ids, self.clock)
        self.receiver = Receiver(counted, self.ids, self.clock, slow, self.uploads, HERE)
        self.guessers = Guessers()
        self.door = InboundDoor(self.recipients, self.receiver, self.uploads, self.clock, self.guessers)

    async def prepare(self) -> None:
        """Store workspaces, domains, and three routes of `shop.test`."""
        domains = [_domain(10, 1, SHOP), _domain(11, 2, OTHER)]
        routes = [
            _route(20, "support@shop.test", RouteAction.STORE),
            _route(21, "nobody@shop.test", RouteAction.REFUSE),
            _route(22, "post*@shop.test", RouteAction.REFUSE),
            _route(23, "support@other.test", RouteAction.STORE),
        ]

        def write(tx: Tx) -> None:
            for row in (WorkspaceRow(1, "one", 0), WorkspaceRow(2, "two", 0)):
                tx.add(row)
            for row in (*domains, *routes):
                tx.add(row)

        await self.database.write(write)
        await self.routes.refresh()

    def address(self, kind: TokenKind, host: str = f"rp.{SHOP}", *, days_old: float = 0, number: int = 1) -> str:
        """Return a machine address of a recipient that was accepted so many days ago."""
        made = first_id_at(round(self.clock.now_ms() - days_old * DAY_MS)) + number
        return machine_address(self.keys, kind, KEY_ID, made, host)

    def visit(self, peer: Peer = PEER) -> InboundVisit:
        """Return a session's visit."""
        return self.door.open(peer)

    async def rows(self, workspace_id: int = 1) -> list[InboundRow]:
        """Return what was taken for a workspace, newest first."""
        return await self.database.database.read(lambda conn: inbound.page(conn, workspace_id, InboundFilter(), 100))

    async def chunks(self) -> int:
        """Return how many pieces of large contents are stored."""
        asked = statement("SELECT count(*) FROM content_chunk")
        return int((await self.database.database.read(lambda conn: conn.all(asked)))[0][0])

    async def bytes_of(self, row: InboundRow) -> bytes | None:
        """Return a stored mail."""
        return await inbound.load(self.database.database, row.workspace_id, row.content_id)


def recipients_of(keys: TokenKeys, clock: ManualClock, routes: RouteView | None = None) -> Recipients:
    """Return who decides about recipients; without routes it needs no store."""
    return Recipients(
        OwnHosts(HERE, OWN_RP), _Owned(), lambda: keys, clock.now_ms, give_up_after=timedelta(days=5),
        first_workspace=lambda: 1, routes=routes,
    )  # fmt: skip


@asynccontextmanager
async def inbound_world(url: str) -> AsyncIterator[InboundWorld]:
    """Give the world over a fresh database."""
    database, slow = await open_database(url, clock=ManualClock()), Threads("slow", 1)
    try:
        world = InboundWorld(database, slow)
        await world.prepare()
        world.database.asked = 0
        yield world
    finally:
        slow.close()
        await database.close()


def at_once(answer: SmtpReply | Awaitable[SmtpReply]) -> SmtpReply:
    """Return an answer of the door, which waits on an EagerClock at most."""
    if isinstance(answer, SmtpReply):
        return answer
    try:
        cast(Generator[Any, Any, SmtpReply], answer).send(None)
    except StopIteration as end:
        reply: SmtpReply = end.value
        return reply
    raise AssertionError("it waits for something else than the clock")


def _domain(row_id: int, workspace_id: int, name: str) -> DomainRow:
    return DomainRow(
        id=row_id, workspace_id=workspace_id, name=name, proof="", vouched=0, proved_ms=1, selector="s", rsa_key=b"",
        ed25519_selector="", ed25519_key=None, return_path_seen_ms=1, tracking_seen_ms=None, checked_ms=1, created_ms=1,
    )  # fmt: skip


def _route(row_id: int, recipient: str, action: RouteAction) -> RouteRow:
    return RouteRow(
        id=row_id, workspace_id=1, position=row_id, recipient=recipient, sender="*", kinds="[]", action=action.value,
        target="", secret=None, is_enabled=1, description="", created_ms=1,
    )  # fmt: skip
