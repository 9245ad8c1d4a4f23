"""What follows from opened copies: the hit, the event, the first times, the counters."""

from collections.abc import Sequence

from postroom.events.record import record_opened
from postroom.store.database import Tx
from postroom.store.hits import HitFacts, mark_first
from postroom.tracking.hit import Labelled
from postroom.tracking.machines import Label


def record_opens(tx: Tx, opens: Sequence[Labelled], facts: dict[int, HitFacts]) -> None:
    """Store opens that are not stored yet, in order of time, and what follows from them."""
    anybody: dict[int, int] = {}
    humans: dict[int, int] = {}
    for row, _, _, _ in opens:
        recipient_id = row.recipient_id
        if facts[recipient_id].opened_ms is None:
            anybody.setdefault(recipient_id, row.at_ms)
        if row.label == Label.HUMAN.value and facts[recipient_id].human_opened_ms is None:
            humans.setdefault(recipient_id, row.at_ms)
    first = mark_first(tx, "opened_ms", list(anybody.items()))
    first_human = mark_first(tx, "human_opened_ms", list(humans.items()))
    for row, told, event_id, _ in opens:
        recipient_id = row.recipient_id
        is_first = recipient_id in first
        is_first_human = row.label == Label.HUMAN.value and recipient_id in first_human
        tx.add(row)
        record_opened(tx, told, event_id, row.at_ms, row.label, first=is_first, first_human=is_first_human)
        if is_first:
            first.discard(recipient_id)
        if is_first_human:
            first_human.discard(recipient_id)
