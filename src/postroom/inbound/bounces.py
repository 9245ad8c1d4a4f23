"""Bounces and delay reports: what a report that came back does to the recipient that it names.

| state | a bounce |
|---|---|
| delivered | failed: it counts as failed from now on, and no longer as sent |
| in doubt | failed: that there is a report says that the peer had taken the copy |
| queued, deferred | failed where the address is dead: an earlier copy told it; else it is tried as planned |
| sending | waits until its try is settled: a fast peer reports before we have written that it took the copy |
| held | stays held: an operator has it; a dead address is suppressed, so a release finds that |
| failed | stays; a dead address is suppressed where no failure of this copy did that: somebody may have taken it back |
| suppressed, cancelled | stays: the report is only told |

A delay report changes nothing; nor does a report about another mailbox that came to a reply address.
"""

from postroom.events.failures import judge_address
from postroom.events.record import record_bounced, tell
from postroom.inbound.origin import About
from postroom.inbound.work import Step
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.inbound_rows import Destination
from postroom.ledger.outcomes import BOUNCED
from postroom.ledger.rows import RecipientRow
from postroom.ledger.states import RecipientState, may_move
from postroom.mail.address import address_key, domain_of
from postroom.mail.bounce_rules import Judged
from postroom.mail.reasons import Reason
from postroom.mail.smtp_reply import SmtpReply
from postroom.mail.verdict import Reported
from postroom.store import answers
from postroom.store.database import Tx

_S = RecipientState
_GONE_OUT = (_S.DELIVERED, _S.IN_DOUBT)
_WHY_CHARACTERS = 1000


def judged_of(about: About) -> Judged:
    """Return why a bounce says that a recipient failed.

    The report of another mailbox, to which this one forwards, condemns that
    one: this address did take the mail.
    """
    reported = about.reported
    if reported is None:
        return Judged(Reason.UNDETERMINED, False, "", "")
    is_hard = reported.is_hard and speaks_of_address(about)
    return Judged(reported.reason, is_hard, reported.evidence, reported.rule)


def speaks_of_address(about: About) -> bool:
    """Tell whether a bounce may have consequences for the address, now or after weeks of its like.

    Not what anybody could have written, and not what is about a mailbox behind an alias.
    """
    return about.is_proved and about.reported is not None and not _is_elsewhere(about.reported, about.recipient)


def may_fail(about: About) -> bool:
    """Tell whether a bounce may move its recipient to failed, perhaps from a state that it has not reached yet."""
    return may_move(_S(about.recipient.state), _S.FAILED)


def moves(state: RecipientState, judged: Judged) -> bool:
    """Tell whether a bounce moves a recipient from this state to failed."""
    if state is _S.SENDING or not may_move(state, _S.FAILED):
        return False
    return judged.is_hard or state in _GONE_OUT


def bounced(tx: Tx, step: Step) -> bool:
    """Do what a bounce does to a recipient, which is locked; return whether it failed by it."""
    judged, facts, at_ms, now = judged_of(step.about), step.facts, step.work.now_ms, step.about.recipient
    state = RecipientState(now.state)
    detail = {**step.detail, "hard": judged.is_hard, "reason": judged.reason.value, "from": state.value}
    has_failed = moves(state, judged) and not _is_somebody_elses(step)
    if has_failed:
        reply = reply_of(step.about)
        why, code = f"{BOUNCED}{reply.text}"[:_WHY_CHARACTERS], _told_code(step.about)
        cause = judged.reason.value
        answers.fail(tx, now.id, why=why, code=code, status=reply.enhanced, cause=cause, at_ms=at_ms)
    if speaks_of_address(step.about) and (has_failed or (judged.is_hard and _is_news(tx, now))):
        suppressed = judge_address(tx, facts, judged, "bounce", at_ms, next(step.ids), str(detail["inbound_id"]))
        if suppressed:
            detail["suppressed"] = suppressed
    event_id = next(step.ids)
    if has_failed:
        sent_hour = now.sent_hour if state is _S.DELIVERED else None
        record_bounced(tx, facts, event_id, at_ms, judged.reason, detail, sent_hour=sent_hour)
    else:
        tell(tx, facts, event_id, EventKind.BOUNCED, at_ms, detail)
    return has_failed


def _is_news(tx: Tx, now: RecipientRow) -> bool:
    """Tell whether a report of a dead address still says something that the ledger has not acted upon.

    A copy may have failed before over something that passes, or by a report that anybody could have written.
    """
    state = RecipientState(now.state)
    return state is _S.HELD or (state is _S.FAILED and not answers.has_suppressed(tx, now.id))


def delayed(tx: Tx, step: Step) -> None:
    """Tell that a copy is late."""
    tell(tx, step.facts, next(step.ids), EventKind.DELAY_REPORTED, step.work.now_ms, step.detail)


def reply_of(about: About) -> SmtpReply:
    """Return what a bounce tells as the reply that it is about, for the ledger and for the author's report."""
    reported = about.reported
    if reported is None:
        return SmtpReply(550, "", "a report came back that names no reason")
    text = reported.evidence or reported.reason.meaning
    code = 450 if reported.status.startswith("4") else 550
    return SmtpReply(reported.reply_code or code, reported.status, text)


def _told_code(about: About) -> int | None:
    return about.reported.reply_code if about.reported is not None else None


def _is_elsewhere(reported: Reported, recipient: RecipientRow) -> bool:
    """Tell whether a report is about another mailbox: neither local-part nor domain are the recipient's."""
    # A report that names the original recipient too may be about one of many behind an alias.
    return any(_is_another(address, recipient) for address in (reported.address, reported.final) if "@" in address)


def _is_somebody_elses(step: Step) -> bool:
    """Tell whether a report came where people answer and is about another mailbox: somebody may have pasted it."""
    reported, is_answer = step.about.reported, step.work.row.destination == Destination.REPLY.value
    return is_answer and reported is not None and _is_elsewhere(reported, step.about.recipient)


def _is_another(address: str, recipient: RecipientRow) -> bool:
    key = address_key(address)
    mine, theirs = recipient.address_key.rpartition("@")[0], key.rpartition("@")[0]
    same_person = mine.partition("+")[0] == theirs.partition("+")[0]
    return not same_person and domain_of(key) != recipient.domain
