"""What waited when its backup was made is held, and what was being sent is in doubt."""

from collections.abc import Sequence

from postroom.events.record import Facts, record_in_doubt, record_moved, tags_of
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.states import RecipientState, may_move
from postroom.store import recipients, restorations
from postroom.store.database import Tx
from postroom.store.recipients import Movable

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
        record_moved(tx, _facts(workspace_id, row), next(given), EventKind.HELD, now_ms, row.state, BY, reason)
    for row in sending:
        record_in_doubt(tx, _facts(workspace_id, row), next(given), now_ms, reason)
    return len(waiting), len(sending)


def _facts(workspace_id: int, row: Movable) -> Facts:
    return Facts(
        workspace_id,
        row.message_id,
        row.id,
        row.address_key,
        row.stream,
        row.author_domain,
        tags_of(row.tags),
        row.provider,
    )
