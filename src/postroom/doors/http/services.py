"""What the API door is given, and the interfaces that it asks for."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from litestar import Request
from litestar.datastructures import State

from postroom.access.audit import Actor
from postroom.base.clock import Clock
from postroom.base.ids import IdSource
from postroom.base.threads import Threads
from postroom.doors.http.body import Bodies
from postroom.inbound.routes import Routes
from postroom.ledger.rows import DomainRow, WorkspaceRow
from postroom.outbound.once import Once
from postroom.outbound.submission import Accepted, Submission
from postroom.store.database import Database, Tx
from postroom.upkeep.erase import Erased
from postroom.webhooks.endpoints import Webhooks

ApiRequest = Request[WorkspaceRow, None, State]
"""A request whose `user` is the workspace that its key opens."""


class ApiKeys(Protocol):
    """Who may call (`access.keys.ApiKeys`)."""

    async def check(self, key: str) -> WorkspaceRow | None:
        """Return the workspace that a key opens, or None. Raises TryLater."""
        ...


class Accept(Protocol):
    """The only way in (`outbound.accept`)."""

    async def accept(
        self, submission: Submission, *, in_transaction: Callable[[Tx, Accepted], None] | None = None
    ) -> Accepted:
        """Store a submission and return after the commit; `in_transaction` runs in the same transaction."""
        ...


class Uploads(Protocol):
    """Large content on its way in, stored in pieces by small transactions."""

    async def begin(self) -> int:
        """Return the id of a new upload."""
        ...

    async def add(self, upload_id: int, number: int, data: bytes) -> None:
        """Store piece `number` (from 0). Raises TryLater."""
        ...

    async def drop(self, upload_id: int) -> None:
        """Remove the pieces of an upload that will not be accepted."""
        ...


class DnsRecord(Protocol):
    """One record that a domain's owner publishes (`domains.records.DnsRecord`)."""

    @property
    def purpose(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def value(self) -> str: ...


class CheckedRecord(Protocol):
    """A record and whether DNS holds it (`domains.checks.CheckedRecord`)."""

    @property
    def record(self) -> DnsRecord: ...
    @property
    def seen(self) -> bool: ...
    @property
    def problem(self) -> str: ...


class DomainView(Protocol):
    """A domain after a look at DNS (`domains.registry.DomainView`)."""

    @property
    def row(self) -> DomainRow: ...
    @property
    def records(self) -> tuple[CheckedRecord, ...]: ...


class Domains(Protocol):
    """The domains of workspaces (`domains.registry.Domains`)."""

    async def list(self, workspace: WorkspaceRow) -> list[DomainRow]:
        """Return the domains of a workspace by name."""
        ...

    async def get(self, workspace: WorkspaceRow, name: str) -> DomainRow | None:
        """Return a workspace's domain, or None."""
        ...

    async def create(self, workspace: WorkspaceRow, name: str) -> DomainRow:
        """Make a domain with its keys. Raises WrongInput."""
        ...

    async def delete(self, workspace: WorkspaceRow, name: str) -> bool:
        """Delete a domain; tell whether there was one."""
        ...

    def records(self, row: DomainRow) -> tuple[DnsRecord, ...]:
        """Return the records that the domain's owner publishes."""
        ...

    async def check(self, row: DomainRow) -> DomainView:
        """Look all records up and remember what was seen."""
        ...


class Erasure(Protocol):
    """Erases people (`app.erasing.Erasure`)."""

    def hidden(self, address: str) -> str:
        """Return the keyed hash by which suppressions of an erased address hold on."""
        ...

    async def erase(self, address: str, workspace_ids: Iterable[int], by: Actor, *, as_author: bool = False) -> Erased:
        """Erase an address in these workspaces. Raises WrongInput and TryLater."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that the handlers use."""

    database: Database
    ids: IdSource
    clock: Clock
    api_keys: ApiKeys
    accept: Accept
    uploads: Uploads
    domains: Domains
    slow: Threads
    """Where work is done that would hold the loop up."""
    bodies: Bodies
    once: Once
    webhooks: Webhooks
    erasure: Erasure
    routes: Routes
    large_mails: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    """How many large mails that came in are read at a time."""
    version: str = "0"
    """Of Postroom, for the OpenAPI document."""
    not_ready: Callable[[], str | None] = lambda: None
    """Why no mail is taken in now although the store can be written, or None."""


def services_of(request: Request[Any, Any, State]) -> Services:
    """Return what `create_api` was given."""
    services: Services = request.app.state["services"]
    return services
