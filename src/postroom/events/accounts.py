"""The only way to append an event of a watched account, with its number and what it is made of.

Every event of `NUMBERED` has a number in its account, from 1 and without a gap.
The number is given by an UPDATE of the account's row in the caller's transaction,
so a second transaction waits for the end of the first, and one that is rolled
back leaves no hole. What is found by watching names the epoch under which the
account is watched: where the account has moved, nothing of the transaction stays.

An event's id is made after its number, and greater than the id of the number
before, whatever node made that: webhooks tell an account's events by id.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from postroom.base.ids import IdSource
from postroom.events.append import append
from postroom.ledger.account_rows import AccountContentRow, AccountEventRow, AccountMailRow
from postroom.ledger.event_kinds import NUMBERED, EventKind
from postroom.ledger.rows import EventRow
from postroom.store.account_events import LostEpoch, take_numbers
from postroom.store.database import Tx

__all__ = ["AccountFacts", "Found", "LostEpoch", "NewEvent", "append_events", "append_mails", "append_unnumbered"]

_encode = msgspec.json.Encoder().encode


class AccountFacts(NamedTuple):
    """What every event tells of its account."""

    account_id: int
    workspace_id: int
    tag: str
    provider: str
    """Code of its connection's provider."""
    email: str


class NewEvent(NamedTuple):
    """An event that is to be numbered."""

    kind: EventKind
    at_ms: int
    """When it is recorded."""
    detail: Mapping[str, object]
    """What docs/events.md tells of its kind, without number, tag, provider and email."""
    body: bytes | None = None
    """The bytes of the mail that it tells of, in the form of `base.packing`: whoever calls packs them before."""


class Found(NamedTuple):
    """What became of one UID."""

    row: AccountMailRow
    """Its `number` is set here."""
    event: NewEvent | None
    """None of a tracer, and of a mail that is gone."""


def append_events(
    tx: Tx, account: AccountFacts, events: Sequence[NewEvent], ids: IdSource, *, epoch: int | None
) -> list[int]:
    """Append events in their order and put them into the outboxes; return their numbers.

    `epoch` None: of a change that somebody made by the API or on a page, on whatever node.
    Raises LostEpoch: leave the transaction by it.
    """
    taken = take_numbers(tx, account.account_id, len(events), epoch)
    last_id = taken.after_event
    for number, event in enumerate(events, taken.first):
        last_id = ids.next(after=last_id)
        _append(tx, account, number, last_id, event)
    return list(range(taken.first, taken.first + len(events)))


def append_mails(tx: Tx, account: AccountFacts, found: Sequence[Found], ids: IdSource, *, epoch: int) -> list[int]:
    """Write what became of mails, in the order of their UIDs, and tell of those that have an event; return numbers.

    The caller moves the mailbox's cursor in the same transaction. Raises LostEpoch as `append_events` does.
    """
    events = [one.event for one in found if one.event is not None]
    numbers = append_events(tx, account, events, ids, epoch=epoch)
    given = iter(numbers)
    for one in found:
        tx.add(one.row._replace(number=None if one.event is None else next(given)))
    return numbers


def append_unnumbered(
    tx: Tx, account: AccountFacts, kind: EventKind, at_ms: int, detail: Mapping[str, object], ids: IdSource
) -> None:
    """Append an event of an account that has no number: `tracer_lost`."""
    if kind in NUMBERED:
        raise ValueError(f"{kind} has a number")
    append(tx, _event(account, ids.next(), kind, at_ms, {**_told(account), **detail}), "")


def _append(tx: Tx, account: AccountFacts, number: int, event_id: int, event: NewEvent) -> None:
    if event.kind not in NUMBERED:
        raise ValueError(f"{event.kind} has no number")
    account_id, workspace_id = account.account_id, account.workspace_id
    detail = {"number": number, **_told(account), **event.detail}
    tx.add(AccountEventRow(account_id, number, workspace_id, event_id, event.kind.value, event.at_ms))
    if event.body is not None:
        tx.add(AccountContentRow(account_id, number, workspace_id, event.body, event.at_ms))
    append(tx, _event(account, event_id, event.kind, event.at_ms, detail), "")


def _told(account: AccountFacts) -> dict[str, object]:
    return {"tag": account.tag, "provider": account.provider, "email": account.email}


def _event(account: AccountFacts, event_id: int, kind: EventKind, at_ms: int, detail: Mapping[str, object]) -> EventRow:
    text = _encode(detail).decode()
    return EventRow(event_id, account.workspace_id, None, None, kind.value, at_ms, text, account.account_id)
