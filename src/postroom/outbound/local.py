"""Attempts in this process: what a helper does, and the owner where there is no helper."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from postroom.base.clock import Clock
from postroom.base.errors import TryLater
from postroom.base.nursery import Nursery
from postroom.ledger.outcomes import Outcome, OutcomeKind
from postroom.mail.smtp_reply import SmtpReply
from postroom.outbound.attempt import Attempted, ContentGone, Tools, Work, attempt
from postroom.outbound.journal import Journal

REPLY_SECONDS = 5.0
"""How long a try beyond its final dot may wait for the reply when the rest is cut: each reply spares a doubt."""

_STOPPED = Outcome(OutcomeKind.RETURNED, SmtpReply(451, "4.3.0", "stopped before this try began"))
_CUT = Outcome(OutcomeKind.IN_DOUBT, SmtpReply(451, "4.4.2", "stopped after the content was sent and before a reply"))
GONE = Outcome(OutcomeKind.FAILED, SmtpReply(554, "5.6.0", "the content of this message was removed before this try"))


class Flight:
    """One try on its way: what the final dot asks before it goes out."""

    __slots__ = ("_clock", "_journal", "_may_send", "dotted", "epoch", "lease_ms", "recipient_id", "replied")

    def __init__(self, work: Work, clock: Clock, journal: Journal, may_send: Callable[[], bool]) -> None:
        self.recipient_id = work.claimed.id
        self.epoch = work.claimed.epoch
        self.lease_ms = work.lease_ms
        self.dotted = False
        self.replied: Outcome | None = None
        self._clock = clock
        self._journal = journal
        self._may_send = may_send

    def before_final_dot(self) -> bool:
        """Note the dot in the journal. False where the lease is lost or it cannot be noted."""
        if self._clock.now_ms() >= self.lease_ms or not self._may_send():
            return False
        try:
            self._journal.before_dot(self.recipient_id, self.epoch)
        except OSError:
            # A dot that no journal tells of could be sent twice after a crash.
            return False
        self.dotted = True
        return True

    def after_reply(self, reply: SmtpReply) -> None:
        """Note the reply to the final dot in the journal."""
        kind = OutcomeKind.DELIVERED if reply.is_success else OutcomeKind.FAILED
        if reply.is_transient:
            kind = OutcomeKind.DEFERRED
        self.replied = Outcome(kind, reply)
        self._journal.after_reply(self.recipient_id, self.epoch, self.replied)

    def broken_off(self, error: BaseException | None) -> Outcome:
        """Return the outcome of a try that did not come to its own end; `error` None means that it was cut."""
        if self.replied is not None:
            return self.replied
        if isinstance(error, ContentGone):
            return GONE
        if error is None or isinstance(error, TryLater):
            return _CUT if self.dotted else _STOPPED
        # Whatever went wrong, the recipient has to come back: later, and the log tells why.
        reply = SmtpReply(451, "4.3.0", f"this try failed on our side: {type(error).__name__}")
        return Outcome(OutcomeKind.IN_DOUBT if self.dotted else OutcomeKind.DEFERRED, reply)


class LocalAttempts:
    """Runs attempts as tasks on this event loop."""

    def __init__(
        self, tools: Tools, journal: Journal, clock: Clock, *, may_send: Callable[[], bool] = lambda: True
    ) -> None:
        """`may_send` is asked before each final dot: a helper whose owner is gone sends none."""
        self._tools = tools
        self._journal = journal
        self._clock = clock
        self._may_send = may_send
        self._nursery = Nursery("attempts")
        self._flights: dict[tuple[int, int], tuple[Flight, asyncio.Task[None]]] = {}

    def start(self, work: Work, done: Callable[[Attempted], None]) -> None:
        """Try one recipient; `done` is called once, whatever happens."""
        flight = Flight(work, self._clock, self._journal, self._may_send)
        key = (flight.recipient_id, flight.epoch)
        result: list[Attempted] = []
        task = self._nursery.start(self._run(work, flight, result), str(flight.recipient_id))
        self._flights[key] = (flight, task)

        def ended(task: asyncio.Task[None]) -> None:
            # Here and not in the task: one that is cancelled before its first step never runs.
            del self._flights[key]
            error = None if task.cancelled() else task.exception()
            done(result[0] if result else Attempted(flight.broken_off(error)))

        task.add_done_callback(ended)

    def renewed(self, keys: Sequence[tuple[int, int]], lease_ms: int) -> None:
        """Let these tries go on until `lease_ms`."""
        for key in keys:
            if key in self._flights:
                self._flights[key][0].lease_ms = lease_ms

    def settled(self, keys: Sequence[tuple[int, int]]) -> None:
        """Let the journal forget these tries."""
        for recipient_id, epoch in keys:
            self._journal.settled(recipient_id, epoch)

    async def drain(self, seconds: float) -> None:
        """Let running tries end, and cut the rest in time: before the final dot at once, behind it 5 s later.

        Returns after about `seconds`, at least after the 5 s where a dot waits for its reply.
        """
        tasks = {task for _, task in self._flights.values()}
        if tasks and seconds > REPLY_SECONDS:
            await asyncio.wait(tasks, timeout=seconds - REPLY_SECONDS)
        waiting = set(self._cut(task for flight, task in self._flights.values() if not flight.dotted))
        waiting |= {task for _, task in self._flights.values()}
        if waiting:
            await asyncio.wait(waiting, timeout=REPLY_SECONDS)
        await self._nursery.drain(0)

    def _cut(self, tasks: Iterable[asyncio.Task[None]]) -> list[asyncio.Task[None]]:
        cut = list(tasks)
        for task in cut:
            task.cancel()
        return cut

    async def _run(self, work: Work, flight: Flight, result: list[Attempted]) -> None:
        try:
            result.append(await attempt(work, self._tools, flight))
        except (TryLater, ContentGone) as error:
            result.append(Attempted(flight.broken_off(error)))
