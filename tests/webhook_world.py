"""Webhooks over a real store and real HTTP on loopback, with a clock that tests move."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network

import httpcore2
from peers.http_receiver import HttpReceiver

from postroom.base.clock import ManualClock
from postroom.base.ids import IdSource
from postroom.base.secrets import Sealer
from postroom.base.threads import Threads
from postroom.events.append import append
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.rows import EventRow, MessageRow, NodeRow, RecipientRow, WorkspaceRow
from postroom.ledger.webhook_rows import WebhookEndpointRow
from postroom.net.dns import Answer, Status
from postroom.net.http_client import Addresses, HttpClient, HttpLimits
from postroom.store import webhook_outbox as outbox
from postroom.store import webhooks
from postroom.store.database import Database, Tx
from postroom.store.webhooks import AttemptLine, EndpointHealth
from postroom.webhooks.endpoints import Asked, Webhooks
from postroom.webhooks.worker import REQUESTS, Worker

WORKSPACE, OTHER = 1, 2
OTHER_NODE = 9
_ALIVE_MS = 1 << 45
"""PostgreSQL says by its own clock who is alive."""
SEALER = Sealer(b"k" * 32)
LOOPBACK = (ip_network("127.0.0.0/8"),)
_WAIT_SECONDS = 20.0


class Literals:
    """Knows addresses only."""

    async def host_addresses(self, name: str) -> Answer[str]:
        return Answer(Status.FOUND, (name,), 60.0)


class CountingBackend(httpcore2.AnyIOBackend):
    """Notes every address that is dialled."""

    def __init__(self) -> None:
        self.dialled: list[str] = []

    async def connect_tcp(self, host, *rest) -> httpcore2.AsyncNetworkStream:  # type: ignore[no-untyped-def]
        self.dialled.append(host)
        return await super().connect_tcp(host, *rest)


class World:
    """One store, one receiver, any number of workers."""

    def __init__(
        self, database: Database, clock: ManualClock, receiver: HttpReceiver, limits: HttpLimits, addresses: Addresses
    ) -> None:
        self.database = database
        self.clock = clock
        self.receiver = receiver
        self.ids = IdSource(1, clock)
        self.slow = Threads("slow", 2)
        self.backend = CountingBackend()
        self.client = HttpClient(addresses, allow_private=LOOPBACK, limits=limits, backend=self.backend)
        self.room = Webhooks(database, self.ids, clock, SEALER, self.client, LOOPBACK)
        self.worker = self.make_worker(database, 1)
        self._tasks: list[asyncio.Task[None]] = []

    def make_worker(self, database: Database, node: int, requests: int = REQUESTS) -> Worker:
        """Return a worker of a node."""
        return Worker(
            database=database,
            clock=self.clock,
            ids=self.ids if node == 1 else IdSource(node, self.clock),
            sealer=SEALER,
            client=self.client,
            chance=lambda: 0.5,
            slow=self.slow,
            requests=requests,
        )

    def start(self, worker: Worker | None = None) -> asyncio.Task[None]:
        """Have a worker run until the end of the test."""
        task = asyncio.create_task((worker or self.worker).run())
        self._tasks.append(task)
        return task

    async def close(self) -> None:
        """End everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.client.close()
        self.slow.close()

    # What is done

    async def endpoint(self, path: str = "/", *, workspace_id: int = WORKSPACE, url: str = "", **asked: object) -> int:
        """Make an endpoint at a path of the receiver; return its id."""
        made, _ = await self.room.create(workspace_id, Asked(url or self.receiver.url(path), **asked))  # type: ignore[arg-type]
        return made.endpoint.id

    async def record(
        self, *recipients: int, kind: EventKind = EventKind.DELIVERED, workspace_id: int = WORKSPACE, detail: str = "{}"
    ) -> list[int]:
        """Record an event for each recipient (0: for none) in one transaction; return their ids."""
        rows = [
            EventRow(self.ids.next(), workspace_id, 5, recipient or None, kind.value, self.clock.now_ms(), detail)
            for recipient in recipients
        ]

        def write(tx: Tx) -> None:
            for row in rows:
                append(tx, row, "transactional")

        await self.database.write(write)
        return [row.id for row in rows]

    async def mail(self, message_id: int, recipient_id: int) -> None:
        """Store a message with a recipient, for what events tell of them."""
        message = MessageRow(
            message_id, WORKSPACE, b"k", "shared", "transactional", "http", "a@example.com", "a@example.com",
            "example.com", None, "Your order", "<1@example.com>", '["order","eu"]', '{"order":"17"}', 0, 0, "rp", "go",
            0, "", "", 1, None, 0,
        )  # fmt: skip
        recipient = RecipientRow(
            recipient_id, WORKSPACE, message_id, 1, "Zoë@example.net", "zoë@example.net", "example.net", "delivered",
            0, "google", 0, "", "",
        )  # fmt: skip

        def write(tx: Tx) -> None:
            tx.add(message)
            tx.add(recipient)

        await self.database.write(write)

    # What is seen

    async def row(self, endpoint_id: int) -> WebhookEndpointRow:
        """Return an endpoint."""
        return (await self.health(endpoint_id)).endpoint

    async def health(self, endpoint_id: int) -> EndpointHealth:
        """Return an endpoint with how it fares."""
        found = await self.room.get(WORKSPACE, endpoint_id)
        assert found is not None
        return found

    async def log(self, endpoint_id: int) -> Sequence[AttemptLine]:
        """Return the requests of an endpoint, newest first."""
        return await self.database.read(lambda conn: webhooks.attempts(conn, WORKSPACE, endpoint_id, 1 << 62, 500))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something has come true."""
        await until(condition)

    async def quiet(self) -> None:
        """Wait until nothing can be told at this moment of the clock."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while time.monotonic() < deadline:
            now_ms = self.clock.now_ms()
            due = await self.database.read(lambda conn, now_ms=now_ms: outbox.due_endpoints(conn, 1, now_ms))  # type: ignore[misc]
            if not due and not self.worker.requests:
                return
            self.clock.advance(ms=50)
            await asyncio.sleep(0.002)
        raise AssertionError("something is still due")

    async def pass_time(self, *, hours: float, step_minutes: float = 30) -> None:
        """Move the clock on in steps, each until nothing more can be told."""
        for _ in range(round(hours * 60 / step_minutes)):
            self.clock.advance(seconds=step_minutes * 60)
            await self.quiet()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something has come true."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        await asyncio.sleep(0.002)


@asynccontextmanager
async def webhook_world(
    database: Database,
    clock: ManualClock,
    *,
    limits: HttpLimits | None = None,
    addresses: Addresses | None = None,
) -> AsyncIterator[World]:
    """Run a receiver and everything that tells it."""

    def write(tx: Tx) -> None:
        tx.add(WorkspaceRow(WORKSPACE, "one", 0))
        tx.add(WorkspaceRow(OTHER, "two", 0))
        for number in (1, 2, OTHER_NODE):
            tx.add(NodeRow(number, f"folder {number}", "boot", _ALIVE_MS, "all"))

    await database.write(write)
    with HttpReceiver() as receiver:
        world = World(
            database, clock, receiver, limits or HttpLimits(connect_seconds=2, whole_seconds=5), addresses or Literals()
        )
        try:
            yield world
        finally:
            await world.close()
