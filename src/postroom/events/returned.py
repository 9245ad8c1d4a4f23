"""What came back by mail and is counted: complaints, replies, and mail for people, routes and roles.

Bounces are recorded by `events.record`, beside the failures that they are
counted with. Complaints count recipients; inbound counts mails, in the hour in
which each came in: a reply under everything that the mail it answers is counted
under, other mail under its workspace and the domain that it was sent to.
"""

from collections.abc import Mapping

import msgspec

from postroom.events.append import append
from postroom.events.record import Facts, count, hour_of, tell
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.inbound_rows import InboundRow
from postroom.ledger.rows import CounterKey, EventRow
from postroom.mail.address import domain_of
from postroom.store.database import Tx

_encode = msgspec.json.Encoder().encode


def record_complained(
    tx: Tx, facts: Facts, event_id: int, at_ms: int, detail: Mapping[str, object], *, first: bool
) -> None:
    """The recipient or its provider called the mail spam; counts only the `first` time."""
    if first:
        count(tx, facts, hour_of(at_ms), "complaints")
    tell(tx, facts, event_id, EventKind.COMPLAINED, at_ms, detail)


def record_replied(
    tx: Tx, facts: Facts, event_id: int, at_ms: int, received_ms: int, detail: Mapping[str, object]
) -> None:
    """Somebody answered the mail: counts as inbound in the hour of `received_ms`."""
    count(tx, facts, hour_of(received_ms), "inbound")
    tell(tx, facts, event_id, EventKind.REPLIED, at_ms, detail)


def record_received(
    tx: Tx, row: InboundRow, event_id: int, at_ms: int, detail: Mapping[str, object], *, counts: bool
) -> None:
    """Mail came in for a route or a role. Counts as inbound unless a machine wrote it, or a reply counted already."""
    if counts:
        hour = hour_of(row.received_ms)
        tx.count(CounterKey(row.workspace_id, hour, "total", ""), "inbound")
        tx.count(CounterKey(row.workspace_id, hour, "domain", domain_of(row.recipient_key)), "inbound")
    text = _encode(detail).decode()
    append(tx, EventRow(event_id, row.workspace_id, None, None, EventKind.RECEIVED.value, at_ms, text), "")
