"""What an outcome makes of a recipient, and its writing with event and counters.

`decide` is pure; `write` runs in one transaction for many recipients. The
update comes first: only the recipients that were still ours get an event.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from postroom.events import record
from postroom.events.failures import judge_address
from postroom.ledger.claimed import Claimed
from postroom.ledger.outcomes import Outcome, OutcomeKind
from postroom.ledger.rows import MessageRow, SandboxCopyRow
from postroom.ledger.states import RecipientState, Stream
from postroom.mail.bounce_rules import UNDETERMINED, Judged, reason_of_reply
from postroom.mail.reasons import Reason
from postroom.mail.smtp_reply import SmtpReply
from postroom.outbound.retry import RetrySchedule, next_attempt_ms
from postroom.store import causes, queue
from postroom.store.database import Tx
from postroom.store.queue import Settlement

_REASON_CHARACTERS = 1000
_RETURNED_PAUSE_MS = 1000
"""Before a returned recipient is claimed again: what kept it from being tried may last, and must not spin."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A claimed recipient after its attempt."""

    claimed: Claimed
    message: MessageRow
    outcome: Outcome
    event_id: int
    """For the event that tells the outcome."""
    ended_ms: int
    retry_in_doubt: bool
    """The workspace's policy for this stream: one more try for a recipient in doubt."""
    kept: SandboxCopyRow | None = None
    """The copy that the sandbox keeps."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one recipient: the columns to write and the outcome to tell."""

    tried: Tried
    settlement: Settlement
    outcome: Outcome
    """That of the attempt, or a failure where a deferred recipient is given up."""
    judged: Judged = UNDETERMINED
    """Why it failed, where it did."""

    @property
    def state(self) -> RecipientState:
        """The state that the recipient gets."""
        return RecipientState(self.settlement.state)


def retries_in_doubt(stream: str, *, transactional: str, bulk: str) -> bool:
    """Tell what a workspace's policy (`retry` or `hold` for each stream) says for `stream`."""
    return (bulk if stream == Stream.BULK.value else transactional) == "retry"


def decide(tried: Tried, schedule: RetrySchedule, jitter: float) -> Decision:
    """Return what becomes of a recipient. `jitter` is 0.0 to 1.0, see `retry`."""
    claimed, outcome, now = tried.claimed, tried.outcome, tried.ended_ms
    if outcome.kind is OutcomeKind.RETURNED:
        state = RecipientState.DEFERRED if claimed.tries else RecipientState.QUEUED
        return Decision(
            tried, _settlement(tried, outcome, state, due_ms=now + _RETURNED_PAUSE_MS, counted=False), outcome
        )
    if outcome.kind is OutcomeKind.IN_DOUBT:
        return _in_doubt(tried)
    if outcome.kind is OutcomeKind.DELIVERED:
        return Decision(tried, _settlement(tried, outcome, RecipientState.DELIVERED), outcome)
    if outcome.kind is OutcomeKind.DEFERRED:
        first = claimed.first_tried_ms if claimed.first_tried_ms is not None else now
        due = next_attempt_ms(schedule, claimed.tries + 1, first, now, jitter=jitter)
        if due is not None:
            return Decision(tried, _settlement(tried, outcome, RecipientState.DEFERRED, due_ms=due), outcome)
        outcome = _given_up(outcome, schedule)
    return Decision(tried, _settlement(tried, outcome, RecipientState.FAILED), outcome, _why(tried.outcome))


def write(tx: Tx, decisions: Sequence[Decision], report: Callable[[Tx, int], None] | None = None) -> set[int]:
    """Settle many recipients with their events and counters; return the ids that were still ours.

    `report` is called for each of these, to store what is owed to its author.
    """
    ours = queue.settle(tx, [decision.settlement for decision in decisions])
    causes.stamp(
        tx,
        [
            causes.Cause(decision.tried.claimed.id, decision.judged.reason.value)
            for decision in decisions
            if decision.state is RecipientState.FAILED and decision.tried.claimed.id in ours
        ],
    )
    for decision in decisions:
        if decision.tried.claimed.id in ours:
            _tell(tx, decision)
            if report is not None:
                report(tx, decision.tried.claimed.id)
    return ours


def _tell(tx: Tx, decision: Decision) -> None:
    tried, settlement = decision.tried, decision.settlement
    facts = facts_of_claimed(tried.claimed, tried.message)
    event_id, at_ms, outcome, tries = tried.event_id, tried.ended_ms, decision.outcome, settlement.tries
    match outcome.kind:
        case OutcomeKind.DELIVERED:
            record.record_delivered(tx, facts, event_id, at_ms, outcome, tries)
            if tried.kept is not None:
                tx.add(tried.kept)
        case OutcomeKind.FAILED:
            suppressed = judge_address(tx, facts, decision.judged, "delivery", at_ms, event_id)
            record.record_failed(tx, facts, event_id, at_ms, outcome, tries, decision.judged, suppressed)
        case OutcomeKind.DEFERRED:
            record.record_deferred(tx, facts, event_id, at_ms, outcome, tries, settlement.due_ms)
        case OutcomeKind.IN_DOUBT:
            again = settlement.state == RecipientState.QUEUED.value
            why = outcome.reply.text + ("; tried once more" if again else "; left to the operator")
            record.record_in_doubt(tx, facts, event_id, at_ms, why)
        case OutcomeKind.RETURNED:
            pass


def facts_of_claimed(claimed: Claimed, message: MessageRow) -> record.Facts:
    """Return what events are recorded under."""
    return record.Facts(
        claimed.workspace_id,
        claimed.message_id,
        claimed.id,
        claimed.address_key,
        message.stream,
        message.author_domain,
        record.tags_of(message.tags),
        claimed.provider,
    )


def _why(outcome: Outcome) -> Judged:
    judged = reason_of_reply(outcome.reply, host=outcome.next_hop, command=outcome.command)
    if outcome.kind is OutcomeKind.DEFERRED and judged.reason in (Reason.ON_HOLD, Reason.UNDETERMINED):
        return replace(judged, reason=Reason.EXPIRED)
    return judged


def _in_doubt(tried: Tried) -> Decision:
    # Once more and marked, or left to the operator; never a second time by itself.
    if tried.retry_in_doubt and not tried.claimed.doubt_retried:
        again = _settlement(tried, tried.outcome, RecipientState.QUEUED, due_ms=tried.ended_ms)
        return Decision(tried, again._replace(doubt_retried=1), tried.outcome)
    return Decision(tried, _settlement(tried, tried.outcome, RecipientState.IN_DOUBT), tried.outcome)


def _settlement(
    tried: Tried, outcome: Outcome, state: RecipientState, *, due_ms: int | None = None, counted: bool = True
) -> Settlement:
    claimed, now = tried.claimed, tried.ended_ms
    final = state in (RecipientState.DELIVERED, RecipientState.FAILED)
    first = claimed.first_tried_ms
    return Settlement(
        id=claimed.id,
        epoch=claimed.epoch,
        state=state.value,
        due_ms=now if due_ms is None else due_ms,
        tries=claimed.tries + counted,
        first_tried_ms=now if counted and first is None else first,
        reason=str(outcome.reply)[:_REASON_CHARACTERS],
        reply_code=outcome.reply.code,
        reply_status=outcome.reply.enhanced,
        next_hop=outcome.next_hop,
        settled_ms=now if final else None,
        sent_hour=record.hour_of(now) if state is RecipientState.DELIVERED else None,
        delayed_told=claimed.delayed_told,
        doubt_retried=claimed.doubt_retried,
    )


def _given_up(outcome: Outcome, schedule: RetrySchedule) -> Outcome:
    # RFC 3463 3.5: X.4.7, delivery time expired.
    days = schedule.give_up_after.total_seconds() / 86_400
    reply = SmtpReply(554, "5.4.7", f"given up after {days:g} days; the last answer was: {outcome.reply}")
    return Outcome(
        OutcomeKind.FAILED,
        reply,
        next_hop=outcome.next_hop,
        tls=outcome.tls,
        duration_ms=outcome.duration_ms,
        transcript=outcome.transcript,
    )
