"""When the author is told about a recipient by mail, and that mail (RFC 3461 5.2, 6).

Pure: the decision and the report. `accept` takes the report in as mail of our own.
"""

from dataclasses import dataclass
from typing import Protocol

from postroom.ledger.outcomes import OutcomeKind
from postroom.ledger.rows import MessageRow
from postroom.mail.dsn import Action, Report, ReportedRecipient, compose_report
from postroom.mail.envelope import BodyType, Envelope, EnvelopeRecipient, Notify
from postroom.mail.message_id import make_message_id
from postroom.mail.smtp_reply import SmtpReply


@dataclass(frozen=True, slots=True)
class Notification:
    """A report to hand in: null reverse-path, NOTIFY=NEVER, stream transactional, nothing tracked."""

    envelope: Envelope
    content: bytes


class Told(Protocol):
    """The recipient that a report is about: its row, or what a claim holds of it."""

    @property
    def address(self) -> str: ...
    @property
    def original(self) -> str: ...


def due_notification(
    notify: Notify,
    outcome: OutcomeKind,
    reverse_path: str,
    *,
    deferred_for_ms: int = 0,
    delay_notice_after_ms: int = 0,
    delayed_told: bool = False,
) -> Action | None:
    """Return what the author is to be told about a recipient now, or None for nothing.

    `outcome` is what was settled, so FAILED also means given up. A delay is told once, `delay_notice_after_ms`
    after the first try. A success is always told by us as *relayed*: the next hop knows our reverse-path only,
    so a DSN of its own would not reach the author (RFC 3461 5.2.1).
    """
    # RFC 5321 4.5.5 and RFC 3461 6.1: a report about a report would never end.
    if not reverse_path or notify == Notify.NEVER:
        return None
    if outcome is OutcomeKind.FAILED:
        return Action.FAILED if Notify.FAILURE in notify else None
    if outcome is OutcomeKind.DEFERRED:
        is_due = Notify.DELAY in notify and not delayed_told and deferred_for_ms >= delay_notice_after_ms
        return Action.DELAYED if is_due else None
    if outcome is OutcomeKind.DELIVERED and Notify.SUCCESS in notify:
        return Action.RELAYED
    return None


def compose_notification(
    message: MessageRow,
    recipient: Told,
    action: Action,
    reply: SmtpReply,
    original: bytes,
    *,
    reporting_mta: str,
    report_id: int,
    now_ms: int,
    next_hop: str = "",
    will_retry_until_ms: int | None = None,
) -> Notification:
    """Return the report about one recipient to `message.reverse_path`, which is not null.

    `reply` and `next_hop` are those of the outcome, `original` the stored content (CRLF), `report_id` the id of
    the message row that the report will be. `will_retry_until_ms` is for a delayed one.
    """
    report = Report(
        reporting_mta=reporting_mta,
        to=message.reverse_path,
        recipients=(
            ReportedRecipient(
                address=recipient.address,
                action=action,
                status=_status(action, reply),
                diagnostic=str(reply),
                remote_mta=_host(next_hop),
                original=recipient.original,
                last_attempt_ms=now_ms,
                will_retry_until_ms=will_retry_until_ms if action is Action.DELAYED else None,
            ),
        ),
        original=original,
        subject=message.subject,
        arrival_ms=message.created_ms,
        envid=message.envid,
        return_full=message.ret.upper() == "FULL",
    )
    composed = compose_report(report, message_id=make_message_id("msg", report_id, reporting_mta), date_ms=now_ms)
    envelope = Envelope(
        reverse_path="",
        recipients=(EnvelopeRecipient(message.reverse_path, Notify.NEVER),),
        body=BodyType.EIGHT_BIT if composed.needs_8bitmime else BodyType.SEVEN_BIT,
        smtputf8=composed.needs_smtputf8,
    )
    return Notification(envelope, composed.content)


def _status(action: Action, reply: SmtpReply) -> str:
    """Return the reply's enhanced status code in the class that the action asks for (RFC 3464 2.3.4)."""
    wanted = {Action.FAILED: "5", Action.DELAYED: "4"}.get(action, "2")
    status = reply.status
    # We give up after replies of class 4: the same subject and detail, now permanent.
    return status if status.startswith(wanted) else wanted + status[1:]


def _host(next_hop: str) -> str:
    """Return the host's name out of `mx1.example.net [192.0.2.1]:25`."""
    return next_hop.partition(" ")[0]
