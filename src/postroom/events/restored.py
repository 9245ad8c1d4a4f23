"""What waited when its backup was made is held, and what was being sent is in doubt."""

from collections.abc import Sequence

from postroom.events.moves import facts_of_movable
from postroom.events.record import record_in_doubt, record_moved
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.states import RecipientState, may_move
from postroom.store import recipients, restorations
from postroom.store.database import Tx

_S = RecipientState
_WAITING = (_S.QUEUED, _S.DEFERRED)
BY = "restore"


def hold_back(
    tx: Tx, workspace_id: int, ids: Sequence[int], event_ids: Sequence[int], now_ms: int, reason: str
) -> tuple[int, int]:
    """Hold those of `ids` that wait, put in doubt those that were being sent, with an event each; return how many.

    `reason` begins with `restorations.REASON`, so that they are found again. `event_ids` has one id for each.
    """
    states = [state.value for state in (*_WAITING, _S.SENDING)]
    rows = recipients.lock_movable(tx, workspace_id, ids, states)
    sending = [row for row in rows if row.state == _S.SENDING.value and may_move(_S.SENDING, _S.IN_DOUBT)]
    waiting = [row for row in rows if row.state != _S.SENDING.value and may_move(_S(row.state), _S.HELD)]
    given = iter(event_ids)
    if waiting:
        recipients.set_state(tx, [row.id for row in waiting], _S.HELD.value, reason, None)
    if sending:
        told = f"{reason}: it was being sent then, and may have arrived"
        recipients.set_state(tx, [row.id for row in sending], _S.IN_DOUBT.value, told, None)
    restorations.raise_epochs(tx, [row.id for row in rows])
    for row in waiting:
        facts = facts_of_movable(workspace_id, row)
        record_moved(tx, facts, next(given), EventKind.HELD, now_ms, row.state, BY, reason)
    for row in sending:
        record_in_doubt(tx, facts_of_movable(workspace_id, row), next(given), now_ms, reason)
    return len(waiting), len(sending)
