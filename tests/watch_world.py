"""Watched accounts over a real store: an IMAP double, a clock that tests move, nodes that share the work."""

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from imap_double import ImapDouble
from webhook_world import LOOPBACK, Literals

from postroom.accounts.credentials import Password
from postroom.accounts.pace import Buckets, Hands
from postroom.accounts.providers import Provider, Providers
from postroom.accounts.supervisor import Supervisor
from postroom.accounts.tools import Tools
from postroom.base.clock import Clock, ManualClock, SystemClock
from postroom.base.errors import PostroomError
from postroom.base.ids import IdSource
from postroom.base.threads import Threads
from postroom.cluster.nodes import Nodes
from postroom.ledger.account_rows import AccountRow, AccountStatusRow, ConnectionRow
from postroom.ledger.rows import WorkspaceRow
from postroom.net.imap.client import ImapDialler
from postroom.net.tls import ClientContexts
from postroom.store import accounts
from postroom.store.database import Database, Statement, Tx, open_database, statement

WORKSPACE = 1
CONNECTION = ConnectionRow(5, WORKSPACE, "PLAIN", "", None, '{"imap_host": "imap.test"}', 0)
_WAIT_SECONDS = 20.0

_STORES_OWN = SystemClock()
"""By it the store measures how long writes wait: a step of the tests' clock is no wait."""


class NoSecrets:
    """Credentials of any account."""

    def __init__(self) -> None:
        self.error: PostroomError | None = None

    async def open(self, account: AccountRow, connection: ConnectionRow, provider: Provider) -> Password:
        """Return a password."""
        if self.error is not None:
            raise self.error
        return Password(account.username, "secret")

    def forget(self, account_id: int) -> None:
        """Nothing is kept."""


class SteadyNodes(Nodes):
    """A node whose heartbeat goes on while a test moves the clock in large steps."""

    lets_go = False
    sees_only_itself = False

    @property
    def numbers(self) -> tuple[int, ...]:
        return (self.number,) if self.sees_only_itself else super().numbers

    def numbers_with(self, role: str) -> tuple[int, ...]:
        return self.numbers if self.sees_only_itself else super().numbers_with(role)

    @property
    def must_let_go(self) -> bool:
        return self.lets_go and super().must_let_go


class Node:
    """A process that watches."""

    def __init__(self, world: "WatchWorld", database: Database, name: str, most_accounts: int, roles: str) -> None:
        self.database = database
        self.nodes = SteadyNodes(database, world.clock, name, "boot", roles)
        self.credentials = NoSecrets()
        self._world = world
        self._most = most_accounts
        self._tasks: list[asyncio.Task[None]] = []
        self.supervisor: Supervisor
        self.tools: Tools

    async def start(self) -> None:
        """Join and watch."""
        world = self._world
        number = await self.nodes.join()
        self.tools = Tools(
            database=self.database,
            clock=world.clock,
            ids=IdSource(number, world.clock),
            slow=world.slow,
            dialler=world.dialler,
            credentials=self.credentials,
            providers=Providers(),
            buckets=Buckets(world.clock, math.inf),
            hands=Hands(5),
            chance=lambda: 0.5,
            node=lambda: self.nodes.number,
            is_live=lambda other: other in self.nodes.numbers,
            most_bytes=world.most_bytes,
        )
        self.supervisor = Supervisor(self.tools, self.nodes, self._most)
        self._tasks = [asyncio.create_task(self.supervisor.run()), asyncio.create_task(self.nodes.run())]

    async def kill(self) -> None:
        """End without a word."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.supervisor.stop(0)

    async def leave(self) -> None:
        """Stop as a server does."""
        await self.supervisor.stop(10)
        await self.kill()
        await self.nodes.leave()


class Peer(NamedTuple):
    """A real server."""

    dialler: Any
    server: str
    """JSON of the connection."""


class WatchWorld:
    """A store, a server, nodes."""

    def __init__(self, url: str, database: Database, clock: Any, slow: Threads, peer: "Peer | None" = None) -> None:
        self.url = url
        self.database = database
        self.clock = clock
        self.slow = slow
        self.server = ImapDouble(clock)
        self.dialler: Any = self.server if peer is None else peer.dialler
        self.connection = CONNECTION if peer is None else CONNECTION._replace(server=peer.server)
        self.most_bytes = 1 << 20
        self.nodes: list[Node] = []
        self._databases: list[Database] = []

    async def node(self, name: str = "one", *, most_accounts: int = 500, roles: str = "api,watch") -> Node:
        """Start a node; the second has a connection of its own, so PostgreSQL only."""
        database = self.database
        if self.nodes:
            database = await open_database(self.url, clock=_STORES_OWN)
            self._databases.append(database)
        node = Node(self, database, name, most_accounts, roles)
        await node.start()
        self.nodes.append(node)
        return node

    async def account(self, number: int = 1, *, mailboxes: str = "", provider: str = "PLAIN") -> int:
        """Make a connected account and return its id."""
        now = self.clock.now_ms()
        row = AccountRow(
            100 + number,
            WORKSPACE,
            CONNECTION.id,
            f"tag{number}",
            f"tag{number}",
            f"user{number}@imap.test",
            f"user{number}",
            b"sealed",
            None,
            "",
            mailboxes,
            0,
            0,
            now,
            now,
            now,
        )

        def make(tx: Tx) -> None:
            if accounts.connection_by_id(tx, CONNECTION.id) is None:
                tx.add(WorkspaceRow(WORKSPACE, "shop", now))
                tx.add(self.connection._replace(provider=provider))
            accounts.create_account(tx, row, "unconnected")

        await self.database.write(make)
        return row.id

    async def change(self, account_id: int, **facts: Any) -> None:
        """Change an account as the API does."""
        row = await self.database.read(lambda conn: accounts.any_account(conn, account_id))
        assert row is not None
        changed = row._replace(changed_ms=row.changed_ms + 1, **facts)
        await self.database.write(lambda tx: accounts.update_account(tx, changed))

    async def rows(self, sql: str | Statement, *parameters: object) -> list[tuple[Any, ...]]:
        """Read the store."""
        asked = statement(sql) if isinstance(sql, str) else sql
        return await self.database.read(lambda conn: conn.all(asked, parameters))

    async def act(self, sql: str, *parameters: object) -> None:
        """Execute a statement."""
        await self.database.write(lambda tx: tx.run(statement(sql), parameters))

    async def told(self, kind: str = "mail_arrived") -> list[tuple[int, int]]:
        """Return (account, number) of the events of a kind, by number."""
        asked = "SELECT account_id, number FROM account_event WHERE kind = ? ORDER BY account_id, number"
        return [(row[0], row[1]) for row in await self.rows(asked, kind)]

    async def outcomes(self) -> list[tuple[int, str]]:
        """Return (UID, outcome) of all mails."""
        found = await self.rows("SELECT uid, outcome FROM account_mail ORDER BY mailbox_id, uid_validity, uid")
        return [(row[0], row[1]) for row in found]

    async def status(self, account_id: int) -> AccountStatusRow:
        """Return how an account goes."""
        names = ", ".join(AccountStatusRow._fields)
        rows = await self.rows(f"SELECT {names} FROM account_status WHERE account_id = ?", account_id)
        return AccountStatusRow._make(rows[0])

    async def until(
        self, met: Callable[[], Any], *, step: float = 0.0, most: int = 4_000, seconds: float = _WAIT_SECONDS
    ) -> None:
        """Wait until `met` (maybe a coroutine function) is true; the clock goes on by `step` seconds each turn."""
        deadline = time.monotonic() + seconds
        for _ in range(most):
            found = met()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            assert time.monotonic() < deadline, "it did not come to that in time"
            if step:
                await self._calm()
                self.clock.advance(seconds=step)
            else:
                await asyncio.sleep(0.002)
        raise AssertionError("it did not come to that")

    async def _calm(self) -> None:
        """Let the loop turn, and what waits for the stores be answered: on a slow machine too no time passes for it."""
        calm = 0
        while calm < 2:
            await asyncio.sleep(0.001)
            databases = {self.database, *self._databases}
            calm = 0 if any(one.waiting or one._reads for one in databases) else calm + 1

    async def until_told(self, count: int, kind: str = "mail_arrived", *, step: float = 0.0) -> None:
        """Wait until so many events of a kind are recorded."""

        async def met() -> bool:
            return len(await self.told(kind)) >= count

        await self.until(met, step=step)

    async def until_state(self, account_id: int, state: str, *, step: float = 0.0) -> None:
        """Wait until an account is in a state."""

        async def met() -> bool:
            return (await self.status(account_id)).state == state

        await self.until(met, step=step)

    async def pass_time(self, seconds: float, *, step: float = 1.0) -> None:
        """Let time pass in steps, with turns of the loop and of the store between."""
        until = self.clock.monotonic() + seconds
        while self.clock.monotonic() < until:
            self.clock.advance(seconds=min(step, until - self.clock.monotonic()))
            await self._calm()

    async def close(self) -> None:
        """End everything."""
        for node in self.nodes:
            await node.kill()
        for database in self._databases:
            await database.close()


def peer_at(port: int, clock: Clock) -> Peer:
    """Return a server on a loopback port that is spoken to in clear text."""
    dialler = ImapDialler(Literals(), ClientContexts(), LOOPBACK, clock)  # type: ignore[arg-type]
    return Peer(dialler, json.dumps({"imap_host": "127.0.0.1", "imap_port": port, "imap_security": "plain"}))


@asynccontextmanager
async def watch_world(url: str, *, clock: Clock | None = None, peer: Peer | None = None) -> AsyncIterator[WatchWorld]:
    """Open a world on a fresh database; without `clock` tests move time, without `peer` the server is a double."""
    clock = clock or ManualClock()
    database = await open_database(url, clock=_STORES_OWN)
    slow = Threads("slow", 2, waiting=64)
    world = WatchWorld(url, database, clock, slow, peer)
    yield world
    await world.close()
    await database.close()
    slow.close()
