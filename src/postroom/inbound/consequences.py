"""What follows from a mail that is understood: one transaction, from the kind of mail to its events and counters."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import msgspec

from postroom.inbound import bounces
from postroom.inbound.work import Step, Work
from postroom.ledger.inbound_rows import InboundRow, InboundState
from postroom.ledger.rows import RecipientRow
from postroom.ledger.states import RecipientState
from postroom.mail.verdict import MailKind
from postroom.store import answers, inbound
from postroom.store.database import Tx
from postroom.store.inbound import Finished

IDS_A_COPY = 6
"""New ids that the consequences for one copy may need."""
IDS_A_MAIL = 4

_MOST_SHOWN = 20
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Written:
    """What a transaction came to."""

    is_ours: bool
    """False: another worker has the mail by now, and nothing was written."""
    in_flight: bool = False
    """A copy is being sent at this moment: nothing was written, come again."""
    failed: frozenset[int] = frozenset()
    """The recipients that failed by it."""


def write(tx: Tx, work: Work, ids: Sequence[int], *, waits: bool) -> Written:
    """Write everything that follows from a mail, and that it is done.

    `waits`: a copy that is being sent is waited for. `ids` holds IDS_A_MAIL
    and IDS_A_COPY for each copy that the mail is about.
    """
    about, verdict = work.origin.about, work.verdict
    now = answers.lock(tx, work.row.workspace_id, [one.recipient.id for one in about]) if about else {}
    if waits and verdict.kind is MailKind.BOUNCE and _in_flight(now.values()):
        return Written(True, in_flight=True)
    if not inbound.finish(tx, _finished(work)):
        return Written(False)
    given = iter(ids)
    failed = set()
    for one in about:
        stands = now.get(one.recipient.id)
        if stands is not None and _copy(tx, Step(work, replace(one, recipient=stands), given)):
            failed.add(stands.id)
    return Written(True, failed=frozenset(failed))


def _copy(tx: Tx, step: Step) -> bool:
    """Draw the consequences for one copy; return whether its recipient failed by it."""
    match step.work.verdict.kind:
        case MailKind.BOUNCE:
            return bounces.bounced(step, step.about.recipient, tx)
        case MailKind.DELAY:
            bounces.delayed(step, tx)
    return False


def _in_flight(recipients: Iterable[RecipientRow]) -> bool:
    return any(one.state == RecipientState.SENDING.value for one in recipients)


def _finished(work: Work) -> Finished:
    row, about, message = work.row, work.origin.about, work.origin.message
    return Finished(
        row.id,
        row.epoch,
        InboundState.DONE,
        work.verdict.kind.value,
        detail_of(work),
        about[0].recipient.id if about else None,
        message.id if message is not None else None,
    )


def given_up(row: InboundRow, why: str) -> Finished:
    """Return the end of a mail that could not be worked on."""
    return Finished(row.id, row.epoch, InboundState.FAILED, row.kind, _encode({"why": why[:1000]}).decode())


def detail_of(work: Work) -> str:
    """Return what is kept beside a mail, for its page and the API."""
    verdict, about = work.verdict, work.origin.about
    told: dict[str, object] = {"rule": verdict.rule, "evidence": verdict.evidence}
    if verdict.recipients:
        told["recipients"] = [
            {
                "address": one.address,
                "reason": one.reason.value,
                "hard": one.is_hard,
                "status": one.status,
                "reply_code": one.reply_code,
                "evidence": one.evidence,
                "rule": one.rule,
            }
            for one in verdict.recipients[:_MOST_SHOWN]
        ]
    if about:
        told["found_by"] = about[0].found_by
    return _encode(told).decode()
