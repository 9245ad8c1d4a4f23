"""Claims due recipients, has them tried, and settles what came of it.

Three loops: one claims (transactional before bulk, round the workspaces, as
many as the sites have room for), one settles outcomes in batches, one renews
the leases and asks the store what other nodes accepted. A claimed recipient
whose process dies is resolved by `recover`, never by its lease alone.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from postroom.base.clock import Clock
from postroom.base.errors import TryLater
from postroom.base.ids import IdSource
from postroom.ledger.outcomes import OutcomeKind
from postroom.ledger.rows import MessageRow, SandboxCopyRow
from postroom.ledger.states import RecipientState, Stream
from postroom.outbound.attempt import Attempted, Work
from postroom.outbound.claims import Claims, claim_turns
from postroom.outbound.hops import Hop
from postroom.outbound.lanes import Lanes
from postroom.outbound.messages import Messages
from postroom.outbound.notifications import Notifications
from postroom.outbound.retry import RetrySchedule
from postroom.outbound.settle import Decision, Tried, decide, write
from postroom.outbound.sites import Sites
from postroom.store import queue
from postroom.store.database import Database
from postroom.store.queue import Claimed, DueLane

_log = structlog.get_logger(__name__)

LEASE_MS = 300_000
_RENEW_SECONDS = 60.0
_POLL_SECONDS = 1.0
_IDLE_SECONDS = 5.0
_SETTLE_BATCH = 100
_LATER_SECONDS = 1.0


class Attempts(Protocol):
    """Who makes the tries: this process, or helpers beside it."""

    def start(self, work: Work, done: Callable[[Attempted], None]) -> None:
        """Try one recipient; `done` is called once, whatever happens."""
        ...

    def renewed(self, keys: Sequence[tuple[int, int]], lease_ms: int) -> None:
        """Learn that the leases of these (recipient, epoch) hold until `lease_ms`."""
        ...

    def settled(self, keys: Sequence[tuple[int, int]]) -> None:
        """Learn that these tries are settled in the store: the journal may forget them."""
        ...

    async def drain(self, seconds: float) -> None:
        """Let running tries end; cut what is not beyond its final dot after `seconds`."""
        ...


class Hops(Protocol):
    """Where the mail of a lane goes next."""

    def known(self, lane: DueLane) -> Hop | None:
        """Return the hop of a lane, or None while it is being looked up; a wake-up follows."""
        ...


@dataclass(slots=True)
class _InFlight:
    claimed: Claimed
    message: MessageRow
    hop: Hop
    stream: Stream


class Worker:
    """Delivers the due mail of one node. `run` until cancelled; `stop` before."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: IdSource,
        sites: Sites,
        hops: Hops,
        attempts: Attempts,
        messages: Messages,
        notifications: Notifications,
        schedule: RetrySchedule,
        retries_in_doubt: Callable[[int, str], bool],
        jitter: Callable[[], float],
    ) -> None:
        """`retries_in_doubt` answers a workspace's policy for a stream, `jitter` gives 0.0 to 1.0."""
        self._database = database
        self._clock = clock
        self._ids = ids
        self._sites = sites
        self._hops = hops
        self._attempts = attempts
        self._messages = messages
        self._notifications = notifications
        self._schedule = schedule
        self._retries_in_doubt = retries_in_doubt
        self._jitter = jitter
        self.lanes = Lanes()
        self._in_flight: dict[int, _InFlight] = {}
        self._tried: list[Tried] = []
        self._work_waits = asyncio.Event()
        self._outcomes_wait = asyncio.Event()
        self._nothing_in_flight = asyncio.Event()
        self._nothing_in_flight.set()
        self._stopping = False

    def note(self, lanes: Iterable[DueLane]) -> None:
        """Learn of mail that was just accepted, released or retried, and look at once."""
        now = self._clock.now_ms()
        for lane in lanes:
            self.lanes.note(lane, now)
        self._work_waits.set()

    def wake(self) -> None:
        """Look at once: a slot, a hop or a pause has changed."""
        self._work_waits.set()

    @property
    def in_flight(self) -> int:
        """How many recipients are claimed and not settled."""
        return len(self._in_flight)

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._claim_loop(), name="claim")
            tasks.create_task(self._settle_loop(), name="settle")
            tasks.create_task(self._poll_loop(), name="poll")
            tasks.create_task(self._renew_loop(), name="renew")

    async def stop(self, seconds: float) -> None:
        """Claim nothing more, let running tries end or cut them, and settle what came of them."""
        self._stopping = True
        await self._attempts.drain(seconds)
        try:
            async with asyncio.timeout(10):
                await self._nothing_in_flight.wait()
        except TimeoutError:
            _log.warning("stopped with unsettled tries; the next start resolves them", recipients=self.in_flight)

    async def _claim_loop(self) -> None:
        while True:
            await self._wait_for_work()
            if self._stopping:
                return
            try:
                await self._claim_once()
            except TryLater as error:
                _log.warning("cannot claim now", reason=str(error))
                await self._clock.sleep(_LATER_SECONDS)
                self._work_waits.set()

    async def _wait_for_work(self) -> None:
        now_ms, now = self._clock.now_ms(), self._clock.monotonic()
        wait = _IDLE_SECONDS
        if (due_ms := self.lanes.next_due_ms()) is not None:
            wait = min(wait, max(0.0, (due_ms - now_ms) / 1000))
        if (resume := self._sites.next_resume()) is not None:
            wait = min(wait, max(0.0, resume - now))
        try:
            async with asyncio.timeout(wait + 0.001):
                await self._work_waits.wait()
        except TimeoutError:
            return
        finally:
            self._work_waits.clear()

    async def _claim_once(self) -> None:
        now_ms = self._clock.now_ms()
        turns = self.lanes.plan(now_ms, self._site_of, self._sites.free)
        if not turns:
            return
        for turn in turns:
            self._sites.take(turn.site, Stream(turn.lane.stream), turn.count)
        claims = Claims({})
        try:
            claims = await self._database.write(
                lambda tx: claim_turns(
                    tx,
                    turns,
                    node=self._ids.node,
                    now_ms=now_ms,
                    lease_ms=now_ms + LEASE_MS,
                    next_id=self._ids.next,
                )
            )
        finally:
            for turn in turns:
                got = claims.got(turn.lane.id)
                for _ in range(turn.count - got):
                    self._sites.give_back(turn.site, Stream(turn.lane.stream), busy=False, delivered=False)
                if got + claims.suppressed(turn.lane.id) < turn.count:
                    self.lanes.exhausted(turn)
        await self._start(claims)

    async def _start(self, claims: Claims) -> None:
        messages = await self._messages_of(claims.all())
        for lane, claimed in claims.by_lane():
            hop = self._hops.known(lane)
            for one in claimed:
                self._start_one(one, messages[one.message_id], hop or Hop.unknown(lane.domain), Stream(lane.stream))

    async def _messages_of(self, claimed: Sequence[Claimed]) -> Mapping[int, MessageRow]:
        while True:
            try:
                return await self._messages.get([one.message_id for one in claimed])
            except TryLater as error:
                # They are claimed already: nobody else can try them, so wait for the store.
                _log.warning("cannot read claimed messages now", reason=str(error))
                await self._clock.sleep(_LATER_SECONDS)

    def _start_one(self, claimed: Claimed, message: MessageRow, hop: Hop, stream: Stream) -> None:
        self._in_flight[claimed.id] = _InFlight(claimed, message, hop, stream)
        self._nothing_in_flight.clear()
        if hop.failure is not None or hop.next_hop is None:
            self._ended(claimed.id, Attempted(hop.outcome()))
            return
        work = Work(claimed, message, hop.next_hop, self._clock.now_ms() + LEASE_MS)
        self._attempts.start(work, lambda attempted: self._ended(claimed.id, attempted))

    def _ended(self, recipient_id: int, attempted: Attempted) -> None:
        flight = self._in_flight[recipient_id]
        outcome = attempted.outcome
        self._sites.give_back(
            flight.hop.site, flight.stream, busy=outcome.site_busy, delivered=outcome.kind is OutcomeKind.DELIVERED
        )
        now = self._clock.now_ms()
        claimed = flight.claimed
        kept = None
        if attempted.kept is not None:
            kept = SandboxCopyRow(claimed.id, claimed.workspace_id, attempted.reverse_path, attempted.kept, now)
        retry = self._retries_in_doubt(claimed.workspace_id, flight.message.stream)
        self._tried.append(Tried(claimed, flight.message, outcome, self._ids.next(), now, retry, kept))
        self._outcomes_wait.set()
        self._work_waits.set()

    def _site_of(self, lane: DueLane) -> str | None:
        hop = self._hops.known(lane)
        return hop.site if hop is not None else None

    async def _settle_loop(self) -> None:
        while True:
            await self._outcomes_wait.wait()
            self._outcomes_wait.clear()
            while self._tried:
                batch, self._tried = self._tried[:_SETTLE_BATCH], self._tried[_SETTLE_BATCH:]
                await self._settle(batch)

    async def _settle(self, batch: list[Tried]) -> None:
        decisions = [decide(tried, self._schedule, self._jitter()) for tried in batch]
        while True:
            try:
                notices = await self._notifications.prepare(decisions)
                ours = await self._database.write(lambda tx: write(tx, notices.decisions, notices.write))  # noqa: B023
                break
            except TryLater as error:
                # The outcome is kept until it can be written: the journal has it too.
                _log.warning("cannot settle now", reason=str(error), recipients=len(batch))
                await self._clock.sleep(_LATER_SECONDS)
        self._forget(decisions, ours)
        self._notifications.written(notices, ours)

    def _forget(self, decisions: Sequence[Decision], ours: set[int]) -> None:
        now = self._clock.now_ms()
        for decision in decisions:
            claimed = decision.tried.claimed
            flight = self._in_flight.pop(claimed.id)
            if claimed.id not in ours:
                _log.warning("another process settled this recipient", recipient=claimed.id)
            elif decision.state in (RecipientState.DEFERRED, RecipientState.QUEUED):
                due = decision.settlement.due_ms
                lane = DueLane(claimed.lane_id, claimed.workspace_id, flight.message.stream, claimed.domain, due)
                self.lanes.note(lane, now)
        self._attempts.settled([(one.tried.claimed.id, one.tried.claimed.epoch) for one in decisions])
        if not self._in_flight:
            self._nothing_in_flight.set()
        self._work_waits.set()

    async def _poll_loop(self) -> None:
        # Other nodes accept mail too, and an operator may have moved some.
        while True:
            started = self._clock.monotonic()
            try:
                lanes = await self._database.read(queue.due_lanes)
            except TryLater:
                lanes = []
            self.lanes.learn(lanes, self._clock.now_ms())
            if lanes:
                self._work_waits.set()
            # A poll that takes long is made less often: a hundredth of the time at the most.
            took = self._clock.monotonic() - started
            await self._clock.sleep(max(_POLL_SECONDS * (0.75 + 0.5 * self._jitter()), took * 100))

    async def _renew_loop(self) -> None:
        while True:
            await self._clock.sleep(_RENEW_SECONDS)
            recipients = list(self._in_flight)
            if not recipients:
                continue
            lease_ms = self._clock.now_ms() + LEASE_MS
            node = self._ids.node
            try:
                held = await self._database.write(
                    lambda tx: queue.renew(tx, recipients, node=node, lease_ms=lease_ms)  # noqa: B023 - run in this turn
                )
            except TryLater as error:
                _log.warning("cannot renew leases now", reason=str(error))
                continue
            self._attempts.renewed(held, lease_ms)
