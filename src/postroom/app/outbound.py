"""Wiring of the way out: acceptance, hops, attempts, the worker; and what a crash left."""

import asyncio
import os
import random
from collections.abc import Awaitable, Iterable

from postroom.app.delivery import (
    Attempting,
    HelperProcesses,
    KeyMaterials,
    local_tools,
)
from postroom.app.services import Services
from postroom.app.transports import make_transports
from postroom.cluster.nodes import read_boot_id
from postroom.ledger.rows import WorkspaceRow
from postroom.net.smtp.pool import SmtpPool
from postroom.outbound.accept import Acceptance
from postroom.outbound.compilation import Compilation
from postroom.outbound.compile import CompileOptions
from postroom.outbound.destinations import Destinations
from postroom.outbound.helpers import HelperAttempts
from postroom.outbound.hops import LaneHops
from postroom.outbound.journal import Journal, read_folder, remove_journals, stamp_boot
from postroom.outbound.local import LocalAttempts
from postroom.outbound.next_hop import DirectSettings, NextHops
from postroom.outbound.notifications import Notifications
from postroom.outbound.recover import Recovery
from postroom.outbound.retry import RetrySchedule
from postroom.outbound.sandbox import SandboxTransport
from postroom.outbound.settle import retries_in_doubt
from postroom.outbound.settler import Settler
from postroom.outbound.sites import Sites
from postroom.outbound.transport import TransportKind, TransportSetting
from postroom.outbound.watch import Watch
from postroom.outbound.worker import Worker
from postroom.store.queue import DueLane

_OWN_NAME_SECONDS = 3.0


class Outbound:
    """Acceptance and, where this process delivers, its worker with all that it uses."""

    def __init__(self, services: Services) -> None:
        settings = services.settings
        self._services = services
        self._journals = settings.data / "journal"
        self._boot_id = read_boot_id()
        self._journal: Journal | None = None
        self._pool: SmtpPool | None = None
        self._hops: LaneHops | None = None
        self._attempting: Attempting | None = None
        self._helpers: HelperAttempts | None = None
        self._processes: HelperProcesses | None = None
        self.worker: Worker | None = None
        self._told_ring = services.token_keys().items()
        self.schedule = RetrySchedule(give_up_after=settings.give_up_days)
        self.sites = Sites(services.clock, settings.site_connections, self._place)
        self._destinations = Destinations(services.database, services.clock)
        self.acceptance = Acceptance(
            database=services.database,
            ids=services.ids,
            clock=services.clock,
            token_keys=services.token_keys,
            senders=services.domains,
            needs_proof=services.needs_proof,
            names=services.names,
            contents=services.contents,
            messages=services.messages,
            slow=services.slow,
            wake=self._wake,
            provider_of=self._destinations.provider_of,
            compile_aside=self._compile,
            metrics=services.metrics,
        )
        self.notifications = Notifications(
            self.acceptance,
            services.contents,
            lambda workspace_id: services.workspaces.rows.get(workspace_id),
            self.schedule,
            services.ids,
            services.clock,
            settings.hostname,
        )
        self._settler = Settler(services.database, self.notifications, self.schedule, random.random, services.metrics)
        self.recovery = Recovery(services.database, self._settler, self._retries_in_doubt, services.ids, services.clock)

    @property
    def watch(self) -> Watch:
        """A look at what this process delivers."""
        return Watch(self.sites, lambda: self._hops, self._delivering, self._look_again)

    async def open(self) -> Worker:
        """Resolve what a crash left, start the helpers, and return the worker, ready to run."""
        services, settings = self._services, self._services.settings
        self._journals.mkdir(exist_ok=True)
        await self._recover()
        await self._destinations.open()
        self._pool, transports = make_transports(
            settings.hostname, settings.site_connections, services.clock, SandboxTransport(services.slow.run)
        )
        self._journal = Journal(self._journals, f"owner-{os.getpid()}", self._boot_id)
        local = LocalAttempts(local_tools(services, transports), self._journal, services.clock)
        if settings.helpers and self._sends():
            connections = -(-settings.site_connections // settings.helpers)
            processes = self._processes = HelperProcesses(services, self._journals, self._boot_id, connections)
            self._helpers = HelperAttempts(
                processes.spawn, settings.helpers, services.contents, KeyMaterials(services), processes.flights_of
            )
            await self._helpers.open()
        self._attempting = Attempting(local, self._helpers)
        self._hops = LaneHops(
            await self._lookup(), self._transport_of, services.clock, self._look_again, self._destinations.learn
        )
        self.worker = Worker(
            database=services.database,
            clock=services.clock,
            ids=services.ids,
            sites=self.sites,
            hops=self._hops,
            attempts=self._attempting,
            messages=services.messages,
            settler=self._settler,
            give_back=lambda ids: self.recovery.give_back(services.ids.node, ids),
            retries_in_doubt=self._retries_in_doubt,
            jitter=random.random,
        )
        return self.worker

    @property
    def helper_processes(self) -> tuple[int, ...]:
        """The process ids of the helpers that run now."""
        return tuple(sorted(self._processes.running)) if self._processes is not None else ()

    @property
    def helpers_started(self) -> int:
        """How many helpers were started so far; more than there are means that some died."""
        return self._processes.started if self._processes is not None else 0

    def refresh(self) -> None:
        """Have the helpers sign with the token keys that there are now."""
        ring = self._services.token_keys().items()
        if self._helpers is not None and ring != self._told_ring:
            self._helpers.take_token_keys(ring)
        self._told_ring = ring

    async def close(self) -> None:
        """Close connections and the journal; the worker has stopped."""
        if self._hops is not None:
            await self._hops.close()
        await self._destinations.close()
        if self._attempting is not None:
            await self._attempting.close()
        if self._pool is not None:
            await self._pool.close()
        if self._journal is not None:
            self._journal.close()

    async def _recover(self) -> None:
        services = self._services
        flights = await services.slow.run(lambda: read_folder(self._journals, self._boot_id))
        await self.recovery.recover(services.ids.node, flights)
        await services.slow.run(lambda: remove_journals(self._journals))
        await services.slow.run(lambda: stamp_boot(self._journals, self._boot_id))

    async def _lookup(self) -> NextHops:
        settings = self._services.settings
        direct = DirectSettings(
            own_names=frozenset({settings.hostname.lower()}),
            own_addresses=await self._own_addresses(),
            allow_private=settings.allow_private,
            port=settings.direct_port,
        )
        return NextHops(self._services.resolver, direct, random.Random())  # noqa: S311 - order of equal MX hosts

    async def _own_addresses(self) -> frozenset[str]:
        if self._services.default_transport.kind is not TransportKind.DIRECT:
            return frozenset()
        try:
            async with asyncio.timeout(_OWN_NAME_SECONDS):
                answer = await self._services.resolver.addresses(self._services.settings.hostname)
        except TimeoutError:
            return frozenset()
        return frozenset(answer.records)

    def _sends(self) -> bool:
        # The sandbox keeps copies in this process, so helpers would idle.
        rows = self._services.workspaces.rows
        kinds = {self._services.transport_of(row.id).kind for row in rows.values()}
        return bool((kinds | {self._services.default_transport.kind}) - {TransportKind.SANDBOX})

    def _retries_in_doubt(self, workspace_id: int, stream: str) -> bool:
        row = self._services.workspaces.rows.get(workspace_id, WorkspaceRow(workspace_id, "", 0))
        return retries_in_doubt(stream, transactional=row.in_doubt_transactional, bulk=row.in_doubt_bulk)

    def _transport_of(self, workspace_id: int) -> TransportSetting | None:
        # One that another node has just made may have a transport of its own.
        known = workspace_id in self._services.workspaces.rows
        return self._services.transport_of(workspace_id) if known else None

    def _place(self) -> tuple[int, int]:
        nodes, delivering = self._services.nodes, self._delivering()
        place = delivering.index(nodes.number) if nodes.number in delivering else 0
        return place, max(1, len(delivering))

    def _delivering(self) -> list[int]:
        return [row.number for row in self._services.nodes.live if "deliver" in row.roles]

    def _compile(self, workspace_id: int, raw: bytes, options: CompileOptions) -> Awaitable[Compilation] | None:
        return self._helpers.compile(workspace_id, raw, options) if self._helpers is not None else None

    def _wake(self, lanes: Iterable[DueLane]) -> None:
        if self.worker is not None:
            self.worker.note(lanes)

    def _look_again(self) -> None:
        if self.worker is not None:
            self.worker.wake()
