"""Appending an event and putting it into the outbox of every webhook endpoint that asks for it.

Both are in the caller's transaction: an event that is stored will be told, and
none is told that is not stored. Only the modules of `events` call this.
"""

from postroom.ledger.rows import EventRow
from postroom.store.database import Tx
from postroom.store.webhook_outbox import schedule


def append(tx: Tx, event: EventRow, stream: str) -> None:
    """Append an event. `stream` is that of its mail; empty where it belongs to none."""
    tx.add(event)
    schedule(tx, event, stream)
