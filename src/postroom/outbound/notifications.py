"""The reports that settlements owe to authors, written in the same transaction (RFC 3461 5.2).

A failed recipient and the mail that tells its author are one commit: a crash
loses neither and doubles neither.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from postroom.base.clock import Clock
from postroom.base.errors import PostroomError, TryLater
from postroom.base.ids import IdSource
from postroom.events.erased import is_erased
from postroom.ledger.outcomes import OutcomeKind
from postroom.ledger.rows import MessageRow, RecipientRow, WorkspaceRow
from postroom.ledger.states import Stream
from postroom.mail.dsn import Action
from postroom.mail.envelope import Notify
from postroom.mail.smtp_reply import SmtpReply
from postroom.outbound.accept import OWN_SOURCE, Acceptance
from postroom.outbound.attempt import ContentGone
from postroom.outbound.contents import Contents
from postroom.outbound.notify import Told, compose_notification, due_notification
from postroom.outbound.prepared import Prepared
from postroom.outbound.retry import RetrySchedule
from postroom.outbound.settle import Decision
from postroom.outbound.submission import Submission, Track
from postroom.store.database import Tx

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Notices:
    """Decisions with the reports that some of them owe."""

    decisions: Sequence[Decision]
    prepared: Mapping[int, Prepared] = field(default_factory=dict)
    """Report by recipient id."""

    def write(self, tx: Tx, recipient_id: int) -> None:
        """Store the report about a recipient that was just settled, where one is due."""
        prepared = self.prepared.get(recipient_id)
        if prepared is not None:
            prepared.write(tx)


class Notifications:
    """Prepares reports."""

    def __init__(
        self,
        acceptance: Acceptance,
        contents: Contents,
        workspace_of: Callable[[int], WorkspaceRow | None],
        schedule: RetrySchedule,
        ids: IdSource,
        clock: Clock,
        reporting_mta: str,
    ) -> None:
        """`workspace_of` answers None for one that is not known here; `reporting_mta` is our host name."""
        self._acceptance = acceptance
        self._contents = contents
        self._workspace_of = workspace_of
        self._schedule = schedule
        self._ids = ids
        self._clock = clock
        self._reporting_mta = reporting_mta

    async def prepare(self, decisions: Sequence[Decision]) -> Notices:
        """Return the decisions with their reports. Raises TryLater where a content or workspace cannot be read now."""
        prepared: dict[int, Prepared] = {}
        noted: list[Decision] = []
        for decision in decisions:
            action = self._due(decision)
            if action is not None:
                report = await self._of_decision(decision, action)
                if report is not None:
                    prepared[decision.tried.claimed.id] = report
                if action is Action.DELAYED:
                    decision = replace(decision, settlement=decision.settlement._replace(delayed_told=1))
            noted.append(decision)
        return Notices(noted, prepared)

    async def of_bounce(self, message: MessageRow, recipient: RecipientRow, reply: SmtpReply) -> Prepared | None:
        """Return what the author is told when a bounce of a copy came back; None where he did not ask for it.

        None too where the recipient was erased: a report would name him. Copies carry our reverse-path, so nobody
        else tells the author (RFC 3461 6.3). Raises TryLater.
        """
        if is_erased(recipient.address_key):
            return None
        if due_notification(Notify(recipient.notify), OutcomeKind.FAILED, message.reverse_path) is None:
            return None
        return await self._report(message, recipient, Action.FAILED, reply)

    def told(self, prepared: Prepared) -> None:
        """Tell the queue about a report that a commit has stored."""
        self._acceptance.written(prepared)

    def written(self, notices: Notices, ours: set[int]) -> None:
        """Tell the queue about the reports that a commit has stored."""
        for recipient_id, prepared in notices.prepared.items():
            if recipient_id in ours:
                self._acceptance.written(prepared)

    def _due(self, decision: Decision) -> Action | None:
        claimed, message = decision.tried.claimed, decision.tried.message
        if not message.reverse_path:
            return None
        first = decision.settlement.first_tried_ms
        return due_notification(
            Notify(claimed.notify),
            decision.outcome.kind,
            message.reverse_path,
            deferred_for_ms=decision.tried.ended_ms - first if first is not None else 0,
            delay_notice_after_ms=round(self._schedule.delay_notice_after.total_seconds() * 1000),
            delayed_told=bool(claimed.delayed_told),
        )

    async def _of_decision(self, decision: Decision, action: Action) -> Prepared | None:
        tried, outcome, first_ms = decision.tried, decision.outcome, decision.settlement.first_tried_ms
        until = None
        if first_ms is not None and outcome.kind is OutcomeKind.DEFERRED:
            until = first_ms + round(self._schedule.give_up_after.total_seconds() * 1000)
        return await self._report(
            tried.message, tried.claimed, action, outcome.reply, next_hop=outcome.next_hop, will_retry_until_ms=until
        )

    async def _report(
        self,
        message: MessageRow,
        recipient: Told,
        action: Action,
        reply: SmtpReply,
        *,
        next_hop: str = "",
        will_retry_until_ms: int | None = None,
    ) -> Prepared | None:
        workspace = self._workspace_of(message.workspace_id)
        if workspace is None:
            # Another node has just made it: it is read again every few seconds.
            raise TryLater(f"workspace {message.workspace_id} is not known here yet")
        try:
            original = (await self._contents.load(message.workspace_id, message.content_key)).raw
        except ContentGone:
            original = b""
        try:
            notification = compose_notification(
                message,
                recipient,
                action,
                reply,
                original,
                reporting_mta=self._reporting_mta,
                report_id=self._ids.next(),
                now_ms=self._clock.now_ms(),
                next_hop=next_hop,
                will_retry_until_ms=will_retry_until_ms,
            )
            submission = Submission(
                workspace=workspace,
                envelope=notification.envelope,
                content=notification.content,
                source=OWN_SOURCE,
                stream=Stream.TRANSACTIONAL,
                track=Track.NOTHING,
            )
            return await self._acceptance.prepare(submission)
        except TryLater:
            raise
        except (PostroomError, ValueError) as error:
            # A report that cannot be written or sent must not keep its recipient from being settled.
            _log.warning("no report to the author", message=message.id, reason=str(error))
            return None
