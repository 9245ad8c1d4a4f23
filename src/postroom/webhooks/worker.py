"""Finds endpoints that have something to be told, and has this node's runners tell it.

Several nodes share the endpoints: one node holds an endpoint's lease, renews
it while it works, and gives it back when nothing comes for a while. A commit of
this process wakes the endpoint at once; what other nodes record, and what
becomes due, is found by looking every second. The endpoints of a node that dies
are free as soon as it is out, 30 seconds after its last heartbeat; what it had
told without writing so is told a second time, with the same event ids.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from postroom.base.clock import Clock, set_or_after
from postroom.base.errors import TryLater
from postroom.base.ids import IdSource
from postroom.base.nursery import Nursery
from postroom.base.secrets import Sealer
from postroom.base.threads import Threads
from postroom.net.http_client import HttpClient
from postroom.net.slots import Slots
from postroom.store import webhook_outbox as outbox
from postroom.store.database import Database
from postroom.webhooks.runner import Runner
from postroom.webhooks.tools import Tools

_log = structlog.get_logger(__name__)

LEASE_MS = 60_000
"""Longer than a request may take by 25 seconds: who cannot renew it begins none before others take him for dead."""
_RENEW_SECONDS = 10.0
_LOOK_SECONDS = 1.0
_IDLE_SECONDS = 5.0
REQUESTS = 64
"""Requests at a time of endpoints that answer soon, and as many of those that do not."""
LARGE_REQUESTS = 3
"""As `REQUESTS`, of those whose bodies are some megabytes."""
_LATE_SECONDS = 0.5


class Worker:
    """Tells the webhooks of one node. `run` until cancelled; `stop` before."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: IdSource,
        sealer: Sealer,
        client: HttpClient,
        chance: Callable[[], float],
        slow: Threads,
        requests: int = REQUESTS,
    ) -> None:
        """`chance` gives 0.0 to 1.0; `requests` is how many run at a time of brisk and of slow endpoints each.

        `slow` are threads for bodies that take some milliseconds to make.
        """
        self._tools = Tools(
            database=database,
            clock=clock,
            ids=ids,
            sealer=sealer,
            client=client,
            slots=Slots(requests, _LATE_SECONDS),
            chance=chance,
            large=Slots(LARGE_REQUESTS, _LATE_SECONDS),
            slow=slow,
        )
        self._runners: dict[int, Runner] = {}
        self._nursery = Nursery("webhook endpoint")
        self._awake = asyncio.Event()
        self._stopping = False
        database.on_commit(outbox.WAKE, self._recorded)

    @property
    def endpoints(self) -> int:
        """How many endpoints this node works on."""
        return len(self._runners)

    @property
    def requests(self) -> int:
        """How many requests are under way."""
        return sum(runner.requests for runner in self._runners.values())

    async def run(self) -> None:
        """Tell until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look_loop(), name="look")
            tasks.create_task(self._renew_loop(), name="renew")

    async def stop(self, seconds: float) -> None:
        """Begin no more requests, let those under way end for `seconds`, and give the endpoints back."""
        self._stopping = True
        for runner in self._runners.values():
            runner.end()
        cut = await self._nursery.drain(seconds)
        if cut:
            _log.warning("webhook requests were cut; their events are told again", endpoints=cut)

    def _recorded(self, endpoint_ids: set[int]) -> None:
        for endpoint_id in endpoint_ids:
            runner = self._runners.get(endpoint_id)
            if runner is not None:
                runner.wake()
            else:
                self._awake.set()

    async def _look_loop(self) -> None:
        while not self._stopping:
            self._awake.clear()
            await self._went_well("look for webhooks", self._look())
            pause = _LOOK_SECONDS * (0.75 + 0.5 * self._tools.chance())
            await set_or_after(self._awake, self._tools.clock, pause)

    async def _look(self) -> None:
        tools = self._tools
        node, now_ms = tools.ids.node, tools.clock.now_ms()
        found = await tools.database.read(partial(outbox.due_endpoints, node=node, now_ms=now_ms))
        free = []
        for endpoint_id in found:
            runner = self._runners.get(endpoint_id)
            if runner is None:
                free.append(endpoint_id)
            else:
                runner.wake()
        if free:
            lease_ms = now_ms + LEASE_MS
            held = await tools.database.write(
                lambda tx: outbox.lease(tx, free, node=node, now_ms=now_ms, lease_ms=lease_ms)
            )
            for endpoint_id, epoch in held.items():
                self._start(Runner(tools, endpoint_id, epoch, lease_ms))
        for runner in self._runners.values():
            if runner.idle_seconds() > _IDLE_SECONDS:
                runner.end()

    def _start(self, runner: Runner) -> None:
        if self._stopping:
            runner.end()
        self._runners[runner.endpoint_id] = runner
        self._nursery.start(self._run(runner), str(runner.endpoint_id))

    async def _run(self, runner: Runner) -> None:
        try:
            await runner.run()
        finally:
            del self._runners[runner.endpoint_id]
            # Something may have been recorded after its last look.
            self._awake.set()

    async def _renew_loop(self) -> None:
        while True:
            await self._tools.clock.sleep(_RENEW_SECONDS)
            await self._went_well("renew the leases of webhooks", self._renew())

    async def _renew(self) -> None:
        runners = dict(self._runners)
        if not runners:
            return
        lease_ms = self._tools.clock.now_ms() + LEASE_MS
        held = [(runner.endpoint_id, runner.epoch) for runner in runners.values()]
        still = await self._tools.database.write(lambda tx: outbox.renew(tx, held, lease_ms))
        for endpoint_id, runner in runners.items():
            if endpoint_id in still:
                runner.lease_ms = lease_ms
                runner.wake()
            else:
                runner.end()

    async def _went_well(self, what: str, work: Awaitable[None]) -> None:
        try:
            await work
        except TryLater as error:
            _log.warning(f"cannot {what} now", reason=str(error))
        except Exception:
            # The edge of a loop: a fault in one turn must not end the others.
            _log.exception(f"cannot {what}")
