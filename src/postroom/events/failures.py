"""What a failure says about its address: dead for good, or only now.

A dead address is suppressed for all mail, with the line that says so. Failures
of a mailbox that may pass are noted by day; when they have lasted for weeks,
and nothing was taken between, they suppress too.
"""

from postroom.base.clock import DAY_MS
from postroom.events.evidence import evidence_of
from postroom.events.record import Facts
from postroom.events.suppression import suppress
from postroom.ledger.cause_rows import SoftFailureRow
from postroom.ledger.rows import SuppressionRow
from postroom.ledger.states import SuppressionScope
from postroom.mail.bounce_rules import Judged
from postroom.mail.bounce_rules.soft_failures import COUNTED, has_lasted
from postroom.store import causes
from postroom.store.database import Tx

KEPT_DAYS = 400
"""How long soft failures are kept: as long as the ledger that tells of them."""

_SCOPE = SuppressionScope.ALL.value
_COUNTED = {reason.value: reason for reason in COUNTED}


def judge_address(
    tx: Tx, facts: Facts, judged: Judged, source: str, at_ms: int, new_id: int, inbound_id: str = ""
) -> str:
    """Draw the consequence of a failure for its address; return the scope that it suppressed, or nothing.

    `source` is `delivery` for an answer to our try and `bounce` for a report, whose public id is `inbound_id`.
    `new_id` is for the suppression.
    """
    if judged.is_hard:
        reason = "failed" if source == "delivery" else "bounced"
    elif judged.reason in COUNTED and _has_lasted(tx, facts, judged, at_ms // DAY_MS):
        reason = "failed for weeks"
    else:
        return ""
    evidence = evidence_of(judged.evidence, facts.recipient_id, inbound_id)
    row = SuppressionRow(new_id, facts.workspace_id, facts.address_key, _SCOPE, reason, source, evidence, None, at_ms)
    suppress(tx, row)
    return _SCOPE


def _has_lasted(tx: Tx, facts: Facts, judged: Judged, day: int) -> bool:
    """Note a soft failure, and tell whether such failures of the address have lasted long enough."""
    at, key = facts.workspace_id, facts.address_key
    causes.note_soft(tx, SoftFailureRow(at, key, day, judged.reason.value))
    days = causes.soft_days(tx, at, key, day - KEPT_DAYS)
    taken_ms = causes.last_taken_ms(tx, at, key)
    failures = [(one.day, _COUNTED[one.reason]) for one in days if one.reason in _COUNTED]
    return has_lasted(failures, taken_ms // DAY_MS if taken_ms is not None else None)
