"""Complaints: who calls our mail spam gets no more of its stream, and no more bulk mail.

Feedback reports of providers, with or without the address (RFC 5965, RFC 6590),
mail to postmaster or abuse that carries our marks, and replies that say so.
"""

from postroom.events.evidence import evidence_of
from postroom.events.returned import record_complained
from postroom.events.suppression import suppress
from postroom.inbound.work import Step
from postroom.ledger.rows import SuppressionRow
from postroom.ledger.states import SuppressionScope
from postroom.store import answers
from postroom.store.database import Tx

SOURCE = "complaint"
"""`suppression.source` of what is written here."""


def complained(tx: Tx, step: Step) -> None:
    """Record a complaint about a copy. The first one of its recipient counts and suppresses.

    Where nothing that we signed names the recipient, anybody could have
    written it: it is told and left to an operator.
    """
    facts, at_ms, detail = step.facts, step.work.now_ms, dict(step.detail)
    first = step.about.is_proved and answers.mark_complained(tx, facts.recipient_id, at_ms)
    if first:
        evidence = evidence_of(str(detail["evidence"]), facts.recipient_id, str(detail["inbound_id"]))
        # Both streams have a word of their own for their scope.
        scopes = list(dict.fromkeys((facts.stream, SuppressionScope.BULK.value)))
        for scope in scopes:
            row = SuppressionRow(
                next(step.ids),
                facts.workspace_id,
                facts.address_key,
                scope,
                "complained",
                SOURCE,
                evidence,
                None,
                at_ms,
            )
            suppress(tx, row)
        detail["suppressed"] = scopes
    record_complained(tx, facts, next(step.ids), at_ms, detail, first=first)
