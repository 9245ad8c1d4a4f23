"""Attempts in this process: what a helper does, and the owner where there is no helper."""

import asyncio
from collections.abc import Callable, Sequence

from postroom.base.clock import Clock
from postroom.base.nursery import Nursery
from postroom.ledger.outcomes import Outcome, OutcomeKind
from postroom.mail.smtp_reply import SmtpReply
from postroom.outbound.attempt import Attempted, Tools, Work, attempt
from postroom.outbound.journal import Journal

_STOPPED = Outcome(OutcomeKind.RETURNED, SmtpReply(451, "4.3.0", "stopped before this try began"))
_CUT = Outcome(OutcomeKind.IN_DOUBT, SmtpReply(451, "4.4.2", "stopped after the content was sent and before a reply"))


class Flight:
    """One try on its way: what the final dot asks before it goes out."""

    __slots__ = ("_clock", "_journal", "dotted", "epoch", "lease_ms", "recipient_id")

    def __init__(self, work: Work, clock: Clock, journal: Journal) -> None:
        self.recipient_id = work.claimed.id
        self.epoch = work.claimed.epoch
        self.lease_ms = work.lease_ms
        self.dotted = False
        self._clock = clock
        self._journal = journal

    def before_final_dot(self) -> bool:
        """Note the dot in the journal. False where the lease is lost or it cannot be noted."""
        if self._clock.now_ms() >= self.lease_ms:
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
        self._journal.after_reply(self.recipient_id, self.epoch, Outcome(kind, reply))


class LocalAttempts:
    """Runs attempts as tasks on this event loop."""

    def __init__(self, tools: Tools, journal: Journal, clock: Clock) -> None:
        self._tools = tools
        self._journal = journal
        self._clock = clock
        self._nursery = Nursery("attempts")
        self._flights: dict[int, Flight] = {}

    def start(self, work: Work, done: Callable[[Attempted], None]) -> None:
        """Try one recipient; `done` is called once, whatever happens."""
        flight = Flight(work, self._clock, self._journal)
        self._flights[work.claimed.id] = flight
        self._nursery.start(self._run(work, flight, done), str(work.claimed.id))

    def renewed(self, keys: Sequence[tuple[int, int]], lease_ms: int) -> None:
        """Let these tries go on until `lease_ms`."""
        for recipient_id, epoch in keys:
            flight = self._flights.get(recipient_id)
            if flight is not None and flight.epoch == epoch:
                flight.lease_ms = lease_ms

    def settled(self, keys: Sequence[tuple[int, int]]) -> None:
        """Let the journal forget these tries."""
        for recipient_id, epoch in keys:
            self._journal.settled(recipient_id, epoch)

    async def drain(self, seconds: float) -> None:
        """Let running tries end for `seconds`, then cut them; what is beyond its final dot is in doubt."""
        await self._nursery.drain(seconds)

    async def _run(self, work: Work, flight: Flight, done: Callable[[Attempted], None]) -> None:
        attempted = Attempted(_STOPPED)
        try:
            attempted = await attempt(work, self._tools, flight)
        except asyncio.CancelledError:
            attempted = Attempted(_CUT if flight.dotted else _STOPPED)
            raise
        except Exception as error:
            # Whatever went wrong, the recipient has to come back: later, and the log tells why.
            reply = SmtpReply(451, "4.3.0", f"this try failed on our side: {type(error).__name__}")
            kind = OutcomeKind.IN_DOUBT if flight.dotted else OutcomeKind.DEFERRED
            attempted = Attempted(Outcome(kind, reply))
            raise
        finally:
            self._flights.pop(work.claimed.id, None)
            done(attempted)
