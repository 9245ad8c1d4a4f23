"""What follows from opened copies: the hit, the first times, the event and its counters."""

from collections.abc import Mapping, Sequence

from postroom.events.record import Fetched, record_opened
from postroom.store.database import Tx
from postroom.store.hits import HitFacts, mark_first
from postroom.tracking.firsts import firsts_of, marks_of
from postroom.tracking.hit import Labelled
from postroom.tracking.network import network_of


def record_opens(tx: Tx, opens: Sequence[Labelled], facts: Mapping[int, HitFacts]) -> None:
    """Store opens that are not stored yet, in order of time, and what follows from them."""
    marks = marks_of(opens, lambda recipient_id: (facts[recipient_id].opened_ms, facts[recipient_id].human_opened_ms))
    mark_first(tx, "opened", firsts_of(opens, marks))
    fetched = []
    for hit, mark in zip(opens, marks, strict=True):
        row = hit.row
        tx.add(row)
        detail = {"label": row.label, "first": mark.is_first, "user_agent": row.user_agent}
        if network := network_of(row.address):
            detail["network"] = network
        fetched.append(Fetched(hit.facts, hit.event_id, row.at_ms, mark.is_first, mark.is_first_human, detail))
    record_opened(tx, fetched)
