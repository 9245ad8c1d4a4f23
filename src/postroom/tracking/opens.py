"""What follows from opened copies: the hit, the event, the first times, the counters."""

from collections.abc import Mapping, Sequence

import msgspec

from postroom.events.record import record
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.rows import EventRow
from postroom.store.database import Tx
from postroom.store.hits import HitFacts, mark_first
from postroom.tracking.firsts import count_hits, firsts_of, marks_of
from postroom.tracking.hit import Labelled

_OPENED = EventKind.OPENED.value
_encode = msgspec.json.Encoder().encode


def record_opens(tx: Tx, opens: Sequence[Labelled], facts: Mapping[int, HitFacts]) -> None:
    """Store opens that are not stored yet, in order of time, and what follows from them."""
    marks = marks_of(opens, lambda recipient_id: (facts[recipient_id].opened_ms, facts[recipient_id].human_opened_ms))
    mark_first(tx, "opened", firsts_of(opens, marks))
    count_hits(tx, "opens", opens, marks)
    for hit, mark in zip(opens, marks, strict=True):
        row, told = hit.row, hit.facts
        detail = {"label": row.label, "first": mark.is_first, "user_agent": row.user_agent}
        tx.add(row)
        record(
            tx,
            EventRow(
                hit.event_id,
                told.workspace_id,
                told.message_id,
                told.recipient_id,
                _OPENED,
                row.at_ms,
                _encode(detail).decode(),
            ),
        )
