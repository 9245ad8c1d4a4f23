"""The HTTP API over a real store, with doubles for what stands behind it: accept, uploads, keys, domains."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
from webhook_world import LOOPBACK, SEALER, Literals

from postroom.access.audit import Actor
from postroom.base.clock import Clock, ManualClock
from postroom.base.errors import TryLater, WrongInput
from postroom.base.ids import IdSource
from postroom.base.threads import Threads
from postroom.base.tokens import TokenKeys
from postroom.doors.http.api import create_api
from postroom.doors.http.body import Bodies
from postroom.doors.http.services import Services
from postroom.events.record import record_accepted
from postroom.inbound.routes import Routes
from postroom.ledger.rows import ContentRow, DomainRow, LaneRow, MessageRow, RecipientRow, WorkspaceRow
from postroom.ledger.states import RecipientState
from postroom.mail.address import address_key, domain_of
from postroom.net.http_client import HttpClient
from postroom.outbound.once import Once
from postroom.outbound.submission import Accepted, AcceptedRecipient, StagedContent, Submission
from postroom.store import messages
from postroom.store.database import Database, Tx, statement
from postroom.store.queue import lane_id
from postroom.upkeep.erase import Erased, Erasing
from postroom.webhooks.endpoints import Webhooks

KEY = "pr_key_of_one"
OTHER_KEY = "pr_key_of_two"
WORKSPACE = WorkspaceRow(1, "one", 0)
OTHER_WORKSPACE = WorkspaceRow(2, "two", 0)
_MAKE_WORKSPACE = statement("INSERT INTO workspace (id, name, created_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")


class OwnDomains:
    """One proved domain of each workspace."""

    def owners(self) -> dict[str, int]:
        return {"example.com": WORKSPACE.id, "two.example": OTHER_WORKSPACE.id}


class KnownKeys:
    """Two keys of two workspaces."""

    async def check(self, key: str) -> WorkspaceRow | None:
        return {KEY: WORKSPACE, OTHER_KEY: OTHER_WORKSPACE}.get(key)


@dataclass
class StoringAccept:
    """Stores rows as the real accept does, without compiling the content."""

    database: Database
    ids: IdSource
    clock: Clock
    refusal: Exception | None = None
    accepted: list[Submission] = field(default_factory=list)
    running: asyncio.Event | None = None
    """Where it is set: accept waits for it before it commits."""

    async def accept(
        self, submission: Submission, *, in_transaction: Callable[[Tx, Accepted], None] | None = None
    ) -> Accepted:
        if self.refusal is not None:
            raise self.refusal
        if self.running is not None:
            await self.running.wait()
        rows, recipients, message = self._rows(submission)
        event_id = self.ids.next()
        accepted = Accepted(
            message.id,
            tuple(AcceptedRecipient(row.id, row.address, RecipientState(row.state)) for row in recipients),
        )

        def write(tx: Tx) -> None:
            for row in rows:
                if isinstance(row, MessageRow):
                    messages.add(tx, row)
                else:
                    tx.add(row)
            record_accepted(tx, message, [row.provider for row in recipients], event_id)
            if in_transaction is not None:
                in_transaction(tx, accepted)

        await self.database.write(write)
        self.accepted.append(submission)
        return accepted

    def _rows(self, submission: Submission) -> tuple[list[Any], list[RecipientRow], MessageRow]:
        workspace_id, now = submission.workspace.id, self.clock.now_ms()
        message_id = self.ids.next()
        author = submission.envelope.reverse_path
        message = MessageRow(
            id=message_id, workspace_id=workspace_id, content_key=message_id.to_bytes(16, "big"), kind="shared",
            stream=submission.stream.value, source=submission.source, reverse_path=author, author_address=author,
            author_domain=domain_of(author), domain_id=None, subject="", message_id=f"<{message_id}@example.com>",
            tags=msgspec.json.encode(submission.tags).decode(),
            metadata=msgspec.json.encode(dict(submission.metadata)).decode(), track=submission.track.value,
            token_key_id=0, return_path_host="rp.example.com", tracking_url="http://go.example.com", smtputf8=0,
            ret="", envid="", size_bytes=1, send_at_ms=submission.send_at_ms, created_ms=now,
        )  # fmt: skip
        content = ContentRow(workspace_id, message.content_key, 1, None, b"", b"", b"", now)
        rows: list[Any] = [content, message]
        recipients = []
        for one in submission.envelope.recipients:
            domain = domain_of(one.address)
            lane = LaneRow(lane_id(workspace_id, message.stream, domain), workspace_id, message.stream, domain)
            recipient = RecipientRow(
                id=self.ids.next(), workspace_id=workspace_id, message_id=message_id, lane_id=lane.id,
                address=one.address, address_key=address_key(one.address), domain=domain, state="queued",
                due_ms=submission.send_at_ms or now, provider="other", notify=one.notify.value, original="", merge="",
            )  # fmt: skip
            rows += [lane, recipient]
            recipients.append(recipient)
        return rows, recipients, message


@dataclass
class HeldUploads:
    """Large content in memory."""

    pieces: dict[int, list[bytes]] = field(default_factory=dict)

    async def begin(self) -> int:
        upload_id = len(self.pieces) + 1
        self.pieces[upload_id] = []
        return upload_id

    async def add(self, upload_id: int, number: int, data: bytes) -> None:
        assert number == len(self.pieces[upload_id])
        self.pieces[upload_id].append(data)

    async def drop(self, upload_id: int) -> None:
        del self.pieces[upload_id]

    def content(self, submission: Submission) -> bytes:
        """Return the content of a submission, however it came."""
        if isinstance(submission.content, StagedContent):
            return b"".join(self.pieces[submission.content.upload_id])
        return submission.content


@dataclass(frozen=True)
class Record:
    """A DNS record to publish."""

    purpose: str
    name: str
    type: str
    value: str


@dataclass(frozen=True)
class SeenRecord:
    """A record and whether DNS holds it."""

    record: Record
    seen: bool
    problem: str


@dataclass(frozen=True)
class SeenDomain:
    """A domain after a look at DNS."""

    row: DomainRow
    records: tuple[SeenRecord, ...]


@dataclass
class HeldDomains:
    """Domains in memory, with the promises of `domains.registry.Domains`."""

    rows: dict[tuple[int, str], DomainRow] = field(default_factory=dict)

    async def list(self, workspace: WorkspaceRow) -> list[DomainRow]:
        return sorted(row for (owner, _), row in self.rows.items() if owner == workspace.id)

    async def get(self, workspace: WorkspaceRow, name: str) -> DomainRow | None:
        return self.rows.get((workspace.id, name.lower()))

    async def create(self, workspace: WorkspaceRow, name: str) -> DomainRow:
        if (workspace.id, name) in self.rows:
            raise WrongInput("name", "is there already")
        row = DomainRow(
            len(self.rows) + 1, workspace.id, name, "proof", 0, None, "postroom1", b"", "", None, None, None, None, 0
        )
        self.rows[workspace.id, name] = row
        return row

    async def delete(self, workspace: WorkspaceRow, name: str) -> bool:
        return self.rows.pop((workspace.id, name), None) is not None

    def records(self, row: DomainRow) -> tuple[Record, ...]:
        return (Record("proof", f"_postroom.{row.name}", "TXT", "postroom-proof=proof"),)

    async def check(self, row: DomainRow) -> SeenDomain:
        return SeenDomain(row, tuple(SeenRecord(one, seen=False, problem="no TXT record") for one in self.records(row)))


@dataclass
class Api:
    """The API and what stands behind it."""

    client: httpx.AsyncClient
    """Sends the key of WORKSPACE."""
    other: httpx.AsyncClient
    """Sends the key of OTHER_WORKSPACE."""
    services: Services
    accept: StoringAccept
    uploads: HeldUploads
    clock: Clock
    app: Any


@dataclass(frozen=True, slots=True)
class TableErasure:
    """Erases from the tables, as `app.erasing.Erasure` does, and looks into no file."""

    erasing: Erasing

    def hidden(self, address: str) -> str:
        return self.erasing.hidden(address)

    async def erase(self, address: str, workspace_ids: Iterable[int], by: Actor, *, as_author: bool = False) -> Erased:
        return await self.erasing.erase(address, workspace_ids, everywhere=False, as_author=as_author)


def letter(**fields: Any) -> dict[str, Any]:
    """Return the JSON of a small message."""
    return {"from": "ada@example.com", "to": "bob@example.net", "subject": "Hello", "text": "Hello Bob", **fields}


def _make_workspaces(tx: Tx) -> None:
    for workspace in (WORKSPACE, OTHER_WORKSPACE):
        tx.run(_MAKE_WORKSPACE, workspace[:3])


@asynccontextmanager
async def running_api(database: Database, clock: Clock | None = None) -> AsyncIterator[Api]:
    """Run the API over `database` without a socket."""
    clock = clock or ManualClock()
    ids = IdSource(1, clock)
    accept, uploads = StoringAccept(database, ids, clock), HeldUploads()
    slow = Threads("slow", 1)
    once, bodies = Once(database, clock), Bodies(slow)
    receivers = HttpClient(Literals(), allow_private=LOOPBACK)
    webhooks = Webhooks(database, ids, clock, SEALER, receivers, LOOPBACK)
    routes = Routes(database, ids, clock, SEALER, OwnDomains(), LOOPBACK)
    erasure = TableErasure(Erasing(database, ids, clock, lambda: TokenKeys({0: b"k" * 32}), slow))
    services = Services(
        database, ids, clock, KnownKeys(), accept, uploads, HeldDomains(), slow, bodies, once, webhooks, erasure, routes
    )
    app = create_api(services)
    await database.write(_make_workspaces)

    def client(key: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False),  # type: ignore[arg-type]
            base_url="http://postroom.test",
            headers={"authorization": f"Bearer {key}"},
            timeout=30,
        )

    async with client(KEY) as first, client(OTHER_KEY) as second:
        yield Api(first, second, services, accept, uploads, clock, app)
    await receivers.close()
    slow.close()


__all__ = ["KEY", "OTHER_KEY", "OTHER_WORKSPACE", "WORKSPACE", "Api", "TryLater", "letter", "running_api"]
