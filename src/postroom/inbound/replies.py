"""Replies: what people and machines answer to a copy, and mail that is for nobody but a route or a role.

A person's reply is told and counts as inbound; where Reply-To was ours, it goes
on to who would have got it. What a machine answers is told, counts nothing and
stays here: the author sees it in the story, and no two machines talk.
"""

from postroom.events.erased import trimmed
from postroom.events.record import tell
from postroom.events.returned import record_received, record_replied
from postroom.inbound.onward import forward_to, hand_on
from postroom.inbound.origin import answers_go_to
from postroom.inbound.work import Step, Work
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.inbound_rows import Destination
from postroom.ledger.route_rows import RouteAction
from postroom.mail.authentication import Verdicts
from postroom.mail.verdict import MailKind
from postroom.outbound.submission import Track
from postroom.store.database import Tx

WRITTEN_KINDS = frozenset({MailKind.REPLY, MailKind.OTHER, MailKind.LIST})
"""What counts as inbound: mail that somebody wrote."""
BY_PEOPLE = frozenset({MailKind.REPLY, MailKind.OTHER, MailKind.UNSUBSCRIBE, MailKind.COMPLAINT})
"""What a person may have written, and its author should read."""


def replied(tx: Tx, step: Step) -> None:
    """Tell a person's reply."""
    detail = {**_envelope(step.work), "found_by": step.about.found_by, **_written(step.work)}
    now_ms = step.work.now_ms
    record_replied(tx, step.facts, next(step.ids), now_ms, step.work.row.received_ms, detail)


def auto_replied(tx: Tx, step: Step) -> None:
    """Tell what a machine answered."""
    detail = {**_envelope(step.work), **step.detail, "kind": step.work.verdict.kind.value}
    tell(tx, step.facts, next(step.ids), EventKind.AUTO_REPLIED, step.work.now_ms, detail)


def receipt(tx: Tx, step: Step) -> None:
    """Tell that the mail was delivered or shown."""
    tell(tx, step.facts, next(step.ids), EventKind.RECEIPT_REPORTED, step.work.now_ms, step.detail)


def received(tx: Tx, work: Work, event_id: int, *, counts: bool, is_to_go: bool) -> None:
    """Tell mail for a route or a role, and have its route hand it on. A route that refuses it lets nobody know.

    `is_to_go`: it is about somebody who was erased. It stays here, and what it says is not told.
    """
    if work.route is not None:
        if not is_to_go:
            hand_on(tx, work.row, work.route, work.now_ms)
        if work.route.action == RouteAction.REFUSE:
            return
    detail = {**_envelope(work), "to": work.row.recipient, "kind": work.verdict.kind.value, **_written(work)}
    told = trimmed(detail) if is_to_go else detail
    record_received(tx, work.row, event_id, work.now_ms, told, counts=counts)


def forwarded(tx: Tx, work: Work) -> None:
    """Have a person's reply sent on to who would have got it, where Reply-To was ours. The author has his own."""
    message = None if work.origin.is_passed_on else work.origin.message
    is_ours = message is not None and Track.REPLIES in Track(message.track)
    if message is None or not is_ours or work.row.destination != Destination.REPLY.value or work.is_by_author:
        return
    if work.verdict.kind in BY_PEOPLE:
        forward_to(tx, work.row, answers_go_to(message), work.now_ms)


def _envelope(work: Work) -> dict[str, object]:
    row = work.row
    told = {**work.detail(), "author": row.author, "subject": row.subject}
    if row.author_name:
        told["author_name"] = row.author_name
    if row.verdicts:
        # Who is named in From may not have written it.
        told["dmarc"] = Verdicts.from_json(row.verdicts).dmarc.result.value
    return told


def _written(work: Work) -> dict[str, object]:
    return work.written.told if work.written is not None else {}
