"""Which addresses get no mail of which scope, and how they get on and off that list.

`all` stops every mail, `bulk` and `transactional` only that stream. A
suppression holds until it is taken off or `expires_ms` is reached.
"""

from collections.abc import Sequence

import msgspec

from postroom.events.append import append
from postroom.events.erased import is_erased, origin_alone
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.rows import EventRow, SuppressionRow
from postroom.store import causes, suppressions
from postroom.store.database import Tx

_encode = msgspec.json.Encoder().encode


def suppress(tx: Tx, row: SuppressionRow) -> SuppressionRow:
    """Put an address on the list without an event of its own, for a cause that has one. Return the row that stands.

    That of an erased address quotes nothing.
    """
    if is_erased(row.address_key):
        row = row._replace(evidence=origin_alone(row.evidence))
    return suppressions.put(tx, row)


def add(
    tx: Tx, row: SuppressionRow, event_id: int, *, message_id: int | None = None, recipient_id: int | None = None
) -> SuppressionRow:
    """Put an address on the list and record `suppression_added`; return the row that stands.

    Where the address already has a row of this scope, that row stays (with
    its id) and gets the new reason, source, evidence and expiry. The two ids
    name the mail that caused it, where one did.
    """
    stands = suppressions.put(tx, row)
    append(tx, _added(row, event_id, message_id, recipient_id), "")
    return stands


def add_all(tx: Tx, rows: Sequence[SuppressionRow], event_ids: Sequence[int]) -> int:
    """Do what `add` does for up to 250 rows, no two of one address and scope; return how many were not there before.

    `event_ids` has one id for each.
    """
    new = suppressions.put_all(tx, rows)
    for row, event_id in zip(rows, event_ids, strict=True):
        append(tx, _added(row, event_id, None, None), "")
    return new


def remove(
    tx: Tx, workspace_id: int, address_key: str, scope: str | None, event_id: int, at_ms: int, source: str
) -> list[SuppressionRow]:
    """Take an address off the list and record `suppression_removed`; return the rows that stood.

    `scope` None means every scope. An address that is not on the list is
    left alone: no event, an empty answer.
    """
    gone = suppressions.delete(tx, workspace_id, address_key, scope)
    if gone:
        # Whoever takes it off wants to try again: what failed before must not put it back at the next failure.
        causes.forget_soft(tx, workspace_id, address_key)
        detail = {"address": address_key, "scopes": [row.scope for row in gone], "source": source}
        event = EventRow(
            event_id,
            workspace_id,
            None,
            None,
            EventKind.SUPPRESSION_REMOVED.value,
            at_ms,
            _encode(detail).decode(),
        )
        append(tx, event, "")
    return gone


def _added(row: SuppressionRow, event_id: int, message_id: int | None, recipient_id: int | None) -> EventRow:
    detail = {"address": row.address_key, "scope": row.scope, "reason": row.reason, "source": row.source}
    return EventRow(
        event_id,
        row.workspace_id,
        message_id,
        recipient_id,
        EventKind.SUPPRESSION_ADDED.value,
        row.created_ms,
        _encode(detail).decode(),
    )
