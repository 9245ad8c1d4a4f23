"""What a failure says about its address: dead for good, or only now.

A dead address is suppressed for all mail, with the line that says so. A
failure that may pass is noted under its day.
"""

from postroom.base.clock import DAY_MS
from postroom.events.record import Facts
from postroom.events.suppression import suppress
from postroom.ledger.cause_rows import SoftFailureRow
from postroom.ledger.rows import SuppressionRow
from postroom.ledger.states import SuppressionScope
from postroom.mail.bounce_rules import Judged
from postroom.store import causes
from postroom.store.database import Tx


def judge_address(tx: Tx, facts: Facts, judged: Judged, source: str, at_ms: int, new_id: int) -> str:
    """Draw the consequence of a failure for its address; return the scope that is suppressed now, or nothing.

    `source` is `delivery` for an answer to our try and `bounce` for a report. `new_id` is for the suppression.
    """
    if judged.is_hard:
        return _suppress(tx, facts, "bounced", judged.evidence, source, at_ms, new_id)
    day = at_ms // DAY_MS
    note = SoftFailureRow(facts.workspace_id, facts.address_key, day, judged.reason.value, judged.evidence)
    causes.note_soft(tx, note)
    return ""


def _suppress(tx: Tx, facts: Facts, reason: str, evidence: str, source: str, at_ms: int, new_id: int) -> str:
    scope = SuppressionScope.ALL.value
    suppress(
        tx, SuppressionRow(new_id, facts.workspace_id, facts.address_key, scope, reason, source, evidence, None, at_ms)
    )
    return scope
