"""Claims due recipients, has them tried, and settles what came of it.

Four loops: one claims (transactional before bulk, round the workspaces, as
many as the sites have room for), one settles outcomes in batches, one asks the
store what other nodes accepted, one renews the leases and gives back what was
claimed and got lost on the way (a COMMIT whose answer never came). A claimed
recipient whose process dies is resolved by `recover`, never by its lease alone.
A fault in one turn of a loop is logged and the loop goes on.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol

import structlog

from postroom.base.clock import Clock
from postroom.base.errors import TryLater
from postroom.base.ids import IdSource
from postroom.ledger.claimed import Claimed
from postroom.ledger.outcomes import Outcome, OutcomeKind
from postroom.ledger.rows import MessageRow, SandboxCopyRow
from postroom.ledger.states import RecipientState, Stream
from postroom.mail.smtp_reply import SmtpReply
from postroom.outbound.attempt import Attempted, Work
from postroom.outbound.claims import Claims, claim_turns
from postroom.outbound.flights import LEASE_MS, Flight, Flights, Key
from postroom.outbound.hops import Hop
from postroom.outbound.lanes import Lanes, Turn
from postroom.outbound.messages import Messages
from postroom.outbound.settle import Tried
from postroom.outbound.settler import Settled, Settler
from postroom.outbound.sites import Sites
from postroom.store import queue
from postroom.store.database import Database
from postroom.store.queue import DueLane

_log = structlog.get_logger(__name__)

BELIEVED_MS = 60_000
"""A claim that could not begin within this is given back: whether its address is suppressed is asked again then."""
_RENEW_SECONDS = 60.0
_POLL_SECONDS = 1.0
_POLL_LANES = 1000
_IDLE_SECONDS = 5.0
_SETTLE_BATCH = 100
_LATER_SECONDS = 1.0
_CLAIM_END_SECONDS = 2.0
_FLUSH_SECONDS = 5.0

_NO_HOP = Outcome(OutcomeKind.RETURNED, SmtpReply(451, "4.4.3", "the next hop is being looked up"))
_STOPPED = Outcome(OutcomeKind.RETURNED, SmtpReply(451, "4.3.0", "stopped before this try began"))
_TOO_LATE = Outcome(OutcomeKind.RETURNED, SmtpReply(451, "4.3.0", "not begun within a minute of its claim"))


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
        settler: Settler,
        give_back: Callable[[Sequence[int]], Awaitable[int]],
        retries_in_doubt: Callable[[int, str], bool],
        jitter: Callable[[], float],
    ) -> None:
        """`retries_in_doubt` answers a workspace's policy for a stream, `jitter` gives 0.0 to 1.0.

        `give_back` returns recipients that this node has claimed and never tried (`recover.Recovery`).
        """
        self._database = database
        self._clock = clock
        self._ids = ids
        self._sites = sites
        self._hops = hops
        self._attempts = attempts
        self._messages = messages
        self._settler = settler
        self._retries_in_doubt = retries_in_doubt
        self._jitter = jitter
        self.lanes = Lanes()
        self._flights = Flights(database, clock, lambda: ids.node, give_back)
        self._tried: list[Tried] = []
        self._unsettled: list[Tried] = []
        self._work_waits = asyncio.Event()
        self._outcomes_wait = asyncio.Event()
        self._claims_ended = asyncio.Event()
        self._stopping = False
        self.signatures = 0
        """DKIM signatures of tries that have ended, since the start."""

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
        return len(self._flights)

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._claim_loop(), name="claim")
            tasks.create_task(self._settle_loop(), name="settle")
            tasks.create_task(self._poll_loop(), name="poll")
            tasks.create_task(self._renew_loop(), name="renew")

    async def stop(self, seconds: float) -> None:
        """Claim nothing more, let running tries end or cut them, and settle what came of them.

        Takes about `seconds`; 0 cuts at once, and flushes. May be called again.
        """
        self._stopping = True
        self._work_waits.set()
        # What is being claimed at this moment still has to be handed out before the tries are drained.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLAIM_END_SECONDS):
                await self._claims_ended.wait()
        await self._attempts.drain(max(0.0, seconds - _CLAIM_END_SECONDS - _FLUSH_SECONDS))
        try:
            async with asyncio.timeout(_FLUSH_SECONDS):
                await self._flights.wait_for_the_last()
        except TimeoutError:
            _log.warning("stopped with unsettled tries; the next start resolves them", recipients=self.in_flight)

    # Claiming

    async def _claim_loop(self) -> None:
        try:
            while not self._stopping:
                await self._wait_for_work()
                if not self._stopping and not await self._went_well("claim", self._claim_once()):
                    await self._clock.sleep(_LATER_SECONDS)
                    self._work_waits.set()
        finally:
            self._claims_ended.set()

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
        turns = self.lanes.plan(now_ms, self._site_of, self._sites)
        if not turns:
            return
        for turn in turns:
            self._sites.take(turn.site, Stream(turn.lane.stream), turn.count)
        claims = Claims({})
        try:
            claims = await self._database.write(
                partial(
                    claim_turns,
                    turns=turns,
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
                    self._free_slot(turn)
                if got + claims.suppressed(turn.lane.id) < turn.count:
                    self.lanes.exhausted(turn)
        self._flights.about_to_begin(claims.all())
        try:
            await self._start(claims, {turn.lane.id: turn for turn in turns}, now_ms)
        finally:
            self._flights.about_to_begin(())

    async def _start(self, claims: Claims, turns: Mapping[int, Turn], claimed_ms: int) -> None:
        messages = await self._messages_of(claims.all())
        for lane, claimed in claims.by_lane():
            turn = turns[lane.id]
            for one in claimed:
                message = messages.get(one.message_id)
                if message is None:
                    # A stop came before the store answered: the next start, or the look for strays, gives it back.
                    self._free_slot(turn)
                else:
                    self._start_one(one, message, turn, claimed_ms)

    async def _messages_of(self, claimed: Sequence[Claimed]) -> Mapping[int, MessageRow]:
        while True:
            try:
                return await self._messages.get([one.message_id for one in claimed])
            except TryLater as error:
                # They are claimed already: nobody else can try them, so wait for the store.
                _log.warning("cannot read claimed messages now", reason=str(error))
                if self._stopping:
                    return {}
                await self._clock.sleep(_LATER_SECONDS)

    def _start_one(self, claimed: Claimed, message: MessageRow, turn: Turn, claimed_ms: int) -> None:
        key = self._flights.begin(Flight(claimed, message, turn.site, Stream(turn.lane.stream)))
        hop = self._hops.known(turn.lane)
        if self._stopping:
            self._ended(key, Attempted(_STOPPED))
        elif self._clock.now_ms() - claimed_ms > BELIEVED_MS:
            self._ended(key, Attempted(_TOO_LATE))
        elif hop is None:
            self._ended(key, Attempted(_NO_HOP))
        elif hop.failure is not None or hop.next_hop is None:
            self._ended(key, Attempted(hop.outcome()))
        else:
            work = Work(claimed, message, hop.next_hop, claimed_ms + LEASE_MS)
            self._attempts.start(work, partial(self._ended, key))

    def _ended(self, key: Key, attempted: Attempted) -> None:
        flight = self._flights.end(key)
        if flight is None:
            _log.error("a try has ended twice", recipient=key[0])
            return
        self.signatures += attempted.signatures
        outcome = attempted.outcome
        self._sites.give_back(
            flight.site, flight.stream, busy=outcome.site_busy, delivered=outcome.kind is OutcomeKind.DELIVERED
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

    def _free_slot(self, turn: Turn) -> None:
        self._sites.give_back(turn.site, Stream(turn.lane.stream), busy=False, delivered=False)

    def _site_of(self, lane: DueLane) -> str | None:
        hop = self._hops.known(lane)
        return hop.site if hop is not None else None

    # Settling

    async def _settle_loop(self) -> None:
        while True:
            await self._outcomes_wait.wait()
            self._outcomes_wait.clear()
            while self._tried:
                batch, self._tried = self._tried[:_SETTLE_BATCH], self._tried[_SETTLE_BATCH:]
                await self._settle(batch)

    async def _settle(self, batch: list[Tried]) -> None:
        while True:
            try:
                settled = await self._settler.settle(batch)
                break
            except TryLater as error:
                # The outcomes are kept until they can be written: the journal has them too.
                _log.warning("cannot settle now", reason=str(error), recipients=len(batch))
                await self._clock.sleep(_LATER_SECONDS)
        # These stay claimed, with their leases renewed: their outcome is known, so nobody may try them again.
        self._unsettled += settled.failed
        self._forget(settled)

    def _forget(self, settled: Settled) -> None:
        now = self._clock.now_ms()
        keys = []
        for decision in settled.decisions:
            claimed = decision.tried.claimed
            keys.append((claimed.id, claimed.epoch))
            if not self._flights.settled(keys[-1]) or claimed.id not in settled.ours:
                _log.warning("another process settled this recipient", recipient=claimed.id)
            elif decision.state in (RecipientState.DEFERRED, RecipientState.QUEUED):
                due, stream = decision.settlement.due_ms, decision.tried.message.stream
                self.lanes.note(DueLane(claimed.lane_id, claimed.workspace_id, stream, claimed.domain, due), now)
        self._attempts.settled(keys)
        self._work_waits.set()

    # Looking

    async def _poll_loop(self) -> None:
        # Other nodes accept mail too, and an operator may have moved some.
        while True:
            started = self._clock.monotonic()
            await self._went_well("look for mail", self._poll())
            # A poll that takes long is made less often: a hundredth of the time at the most.
            took = self._clock.monotonic() - started
            await self._clock.sleep(max(_POLL_SECONDS * (0.75 + 0.5 * self._jitter()), took * 100))

    async def _poll(self) -> None:
        after = -1
        while True:
            lanes = await self._database.read(partial(queue.waiting_lanes, after=after, limit=_POLL_LANES))
            self.lanes.learn(lanes, self._clock.now_ms())
            if lanes:
                self._work_waits.set()
            if len(lanes) < _POLL_LANES:
                return
            after = lanes[-1].id

    async def _renew_loop(self) -> None:
        while True:
            await self._clock.sleep(_RENEW_SECONDS)
            await self._went_well("renew leases", self.renew())
            await self._went_well("look for strays", self.find_strays())

    async def renew(self) -> None:
        """Lengthen the leases of what is in flight, and try again to settle what could not be. Raises TryLater."""
        self._tried += self._unsettled
        self._unsettled = []
        if self._tried:
            self._outcomes_wait.set()
        keys, lease_ms = await self._flights.renew()
        if keys:
            self._attempts.renewed(keys, lease_ms)

    async def find_strays(self) -> None:
        """Give back what two looks in a row find claimed by this node and nobody is trying. Raises TryLater.

        A claim whose COMMIT was made although its answer got lost leaves such recipients.
        """
        await self._flights.find_strays()

    async def _went_well(self, what: str, work: Awaitable[None]) -> bool:
        try:
            await work
        except TryLater as error:
            _log.warning(f"cannot {what} now", reason=str(error))
        except Exception:
            # A fault of ours must not end the delivery of everything else.
            _log.exception(f"cannot {what}")
        else:
            return True
        return False
