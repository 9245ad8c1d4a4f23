"""What follows from a mail that is understood: one transaction, from the kind of mail to its events and counters.

| what came | about a copy of ours |
|---|---|
| bounce, delay report | `inbound.bounces` |
| complaint | `inbound.complaints`; without a mark of ours as a request |
| mail to a `u-` address, a request for no more mail | `inbound.unsubscribe_mail` |
| reply; auto-reply, challenge; receipt | `inbound.replies` |

Mail for a route or a role is told as received and handed on by its route, whatever it is. That is all where it is
a mail which came in before, and which we forwarded to an address that is ours too.

What comes about a copy to somebody who was erased moves, counts and suppresses as ever, and leaves nothing to be read:
what a machine wrote goes with its content in the same transaction. What a person writes anew is new mail.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from postroom.events.erased import is_erased
from postroom.inbound import bounces, complaints, replies, unsubscribe_mail
from postroom.inbound.origin import About
from postroom.inbound.work import Step, Work
from postroom.ledger.inbound_rows import Destination, InboundRow, InboundState
from postroom.ledger.route_rows import RouteAction
from postroom.ledger.rows import RecipientRow
from postroom.ledger.states import RecipientState
from postroom.mail.auto_reply import SAYS_SO_ITSELF
from postroom.mail.verdict import MailKind, Reported, Verdict
from postroom.outbound.prepared import Prepared
from postroom.store import answers, erase_inbound, inbound
from postroom.store.database import Tx
from postroom.store.inbound import Finished

IDS_A_COPY = 4
"""New ids that the consequences for one copy may need."""

FOR_ROUTES = (Destination.ROUTE.value, Destination.ROLE.value)
"""Destinations of mail that is for nobody but a route or a role."""

_SAY_MORE = frozenset(
    {MailKind.BOUNCE, MailKind.DELAY, MailKind.AUTO_REPLY, MailKind.CHALLENGE, MailKind.RECEIPT, MailKind.COMPLAINT}
)
"""Kinds that say more than that the mail was sent to an unsubscribe address."""
_MOST_SHOWN = 20
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Followed:
    """What a transaction came to."""

    is_ours: bool = True
    """False: another worker has the mail by now, and nothing was written."""
    in_flight: bool = False
    """A copy is being sent at this moment: nothing was written, come again."""
    failed: frozenset[int] = field(default_factory=frozenset)
    """The recipients that failed by it and were not erased: their authors are told."""


def follow(
    tx: Tx, work: Work, ids: Sequence[int], reports: Mapping[int, Prepared], *, waits_for_flights: bool
) -> Followed:
    """Write everything that follows from a mail, and that it is done.

    `ids` holds IDS_A_COPY for each copy that the mail is about, and as many
    again. `reports` holds, by recipient, what its author is told should it fail.
    """
    work = _locked(tx, work)
    if waits_for_flights and work.verdict.kind is MailKind.BOUNCE and _is_in_flight(work):
        return Followed(in_flight=True)
    if work.is_reply and inbound.has_counted(tx, work.row, work.origin.about[0].recipient.id):
        work = replace(work, is_repeated=True)
    if not inbound.finish(tx, _finished(work)):
        return Followed(is_ours=False)
    given = iter(ids)
    fell = [one.recipient for one in work.origin.about if _copy(tx, Step(work, one, given))]
    failed = {one.id for one in fell if not is_erased(one.address_key)}
    for recipient_id in failed & reports.keys():
        reports[recipient_id].write(tx)
    replies.forwarded(tx, work)
    if work.row.destination in FOR_ROUTES:
        counts = _counts(work) and not work.is_reply
        replies.received(tx, work, next(given), counts=counts, is_to_go=_is_to_go(work))
    if _is_to_go(work):
        erase_inbound.erase_mails(tx, [work.row.id])
        # Where it came to several, and another one waits: that takes the content along.
        erase_inbound.drop_content(tx, work.row.workspace_id, work.row.content_id)
    return Followed(failed=frozenset(failed))


def taken_for(row: InboundRow, verdict: Verdict) -> Verdict:
    """Return what a mail is taken for, where it was sent to says more than what it says.

    Who writes to an unsubscribe address has said enough: words that would be
    doubtful elsewhere do not matter there. Nor does it that a program wrote:
    mail programs unsubscribe their users with a text that says so.
    """
    kind = verdict.kind
    if row.destination == Destination.UNSUBSCRIBE.value:
        says_more = kind in _SAY_MORE and not verdict.is_doubtful and verdict.rule != SAYS_SO_ITSELF
        return verdict if says_more else replace(verdict, kind=MailKind.UNSUBSCRIBE, is_doubtful=False)
    if row.destination == Destination.REPLY.value and (
        kind is MailKind.OTHER
        # Programs of sales people write the fields of lists into answers that they send one by one.
        or (kind is MailKind.LIST and verdict.answers)
    ):
        return replace(verdict, kind=MailKind.REPLY)
    return verdict


def given_up(row: InboundRow, why: str) -> Finished:
    """Return the end of a mail that could not be worked on."""
    return Finished(row.id, row.epoch, InboundState.FAILED, row.kind, _encode({"why": why[:1000]}).decode())


def _copy(tx: Tx, step: Step) -> bool:
    """Draw the consequences for one copy; return whether its recipient failed by it."""
    if step.work.origin.is_passed_on or (step.work.is_by_author and step.work.verdict.kind in replies.BY_PEOPLE):
        return False
    if step.work.is_reply:
        if step.about is step.work.origin.about[0]:
            # One mail counts once, also where it could answer several copies.
            replies.replied(tx, step)
        return False
    if step.work.is_doubtful:
        return False
    match step.work.verdict.kind:
        case MailKind.BOUNCE:
            return bounces.bounced(tx, step)
        case MailKind.DELAY:
            bounces.delayed(tx, step)
        case MailKind.COMPLAINT:
            complaints.complained(tx, step)
            if not step.about.is_proved and not step.work.is_disowned:
                # It suppresses nothing then; but who complains himself wants no more, as who only asks.
                unsubscribe_mail.unsubscribed(tx, step)
        case MailKind.UNSUBSCRIBE:
            unsubscribe_mail.unsubscribed(tx, step)
        case MailKind.AUTO_REPLY | MailKind.CHALLENGE:
            replies.auto_replied(tx, step)
        case MailKind.RECEIPT:
            replies.receipt(tx, step)
    return False


def _locked(tx: Tx, work: Work) -> Work:
    """Return the work with its recipients as they are now, locked until COMMIT; those that are gone are left out."""
    about = work.origin.about
    if not about:
        return work
    now = answers.lock(tx, work.row.workspace_id, [one.recipient.id for one in about])
    there = tuple(_as_now(one, now[one.recipient.id]) for one in about if one.recipient.id in now)
    return replace(work, origin=replace(work.origin, about=there))


def _as_now(about: About, recipient: RecipientRow) -> About:
    """Return what a report says about a recipient as it is now; nothing that is quoted of one who was erased."""
    reported = about.reported
    if reported is not None and is_erased(recipient.address_key):
        reported = replace(reported, evidence="")
    return replace(about, recipient=recipient, reported=reported)


def _is_to_go(work: Work) -> bool:
    """Tell whether a mail is about somebody who was erased, and nobody wrote it for others to read."""
    if work.is_doubtful or work.verdict.kind in replies.WRITTEN_KINDS:
        return False
    if work.row.destination == Destination.REPLY.value and work.verdict.kind in replies.BY_PEOPLE:
        return False
    return any(is_erased(one.recipient.address_key) for one in work.origin.about)


def _is_in_flight(work: Work) -> bool:
    return any(one.recipient.state == RecipientState.SENDING.value for one in work.origin.about)


def _counts(work: Work) -> bool:
    """Tell whether a mail counts as inbound: somebody wrote it, and for somebody. It counts where it came in first."""
    if work.origin.is_passed_on or work.is_repeated:
        return False
    if work.is_reply:
        return True
    if work.row.destination not in FOR_ROUTES or work.verdict.kind not in replies.WRITTEN_KINDS or work.verdict.facts:
        return False
    return work.route is None or work.route.action != RouteAction.REFUSE


def _finished(work: Work) -> Finished:
    row, origin = work.row, work.origin
    # A mail that only quotes a copy is not about it, unless it was sent to the copy's own address.
    is_about = row.own_recipient_id is not None or work.verdict.kind not in (MailKind.OTHER, MailKind.LIST)
    about, message = (origin.about, origin.message) if is_about else ((), None)
    if work.verdict.kind is MailKind.REPLY and work.is_from_author and not work.is_by_author:
        about = ()  # he goes on in his own thread: that is about the message, and no answer of its reader
    return Finished(
        row.id,
        row.epoch,
        InboundState.DONE,
        work.verdict.kind.value,
        _detail_of(work),
        about[0].recipient.id if about else None,
        message.id if message is not None else None,
        work.route.id if work.route is not None else None,
        _counts(work),
    )


def _detail_of(work: Work) -> str:
    """Return what is kept beside a mail, for its page and the API."""
    verdict, about = work.verdict, work.origin.about
    told: dict[str, object] = {"rule": verdict.rule, "evidence": verdict.evidence}
    if verdict.recipients:
        told["recipients"] = [_shown(one) for one in verdict.recipients[:_MOST_SHOWN]]
    if len(verdict.recipients) > _MOST_SHOWN:
        told["named_further"] = len(verdict.recipients) - _MOST_SHOWN
    if work.is_doubtful:
        told["doubtful"] = True
    if about:
        told["found_by"] = about[0].found_by
    return _encode(told).decode()


def _shown(one: Reported) -> dict[str, object]:
    return {
        "address": one.address,
        "reason": one.reason.value,
        "hard": one.is_hard,
        "status": one.status,
        "reply_code": one.reply_code,
        "evidence": one.evidence,
        "rule": one.rule,
    }
