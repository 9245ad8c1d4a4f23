"""Tables `account_owner`, `account_event`, `account_content` and `account_mail`: what was found, under its number.

They are written by `events.accounts` only, which gives the numbers.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from postroom.base.errors import PostroomError
from postroom.base.packing import unpack
from postroom.store import webhook_outbox
from postroom.store.database import Conn, RowsStatement, Tx, statement


class LostEpoch(PostroomError):
    """The account is watched by another node by now, or it is gone: nothing may be written for it."""


_NUMBER = "UPDATE account_owner SET last_number = last_number + ? WHERE account_id = ?"
_TAKE = statement(f"{_NUMBER} RETURNING last_number")
_TAKE_AS_OWNER = statement(f"{_NUMBER} AND epoch = ? RETURNING last_number")
_EVENT_ID = statement("SELECT event_id FROM account_event WHERE account_id = ? AND number = ?")


class Numbers(NamedTuple):
    """Numbers that were taken for events of one account."""

    first: int
    after_event: int
    """The event before the first of them; 0: none, or retention took it."""


def take_numbers(tx: Tx, account_id: int, count: int, epoch: int | None) -> Numbers:
    """Take `count` numbers, maybe none, and hold the account's row until the transaction ends.

    `epoch` is the one under which the account is watched; None for what is not found by watching.
    Raises LostEpoch.
    """
    asked = (count, account_id)
    rows = tx.run(_TAKE, asked) if epoch is None else tx.run(_TAKE_AS_OWNER, (*asked, epoch))
    if not rows:
        raise LostEpoch("the account is watched by another node by now, or it is gone")
    first = rows[0][0] - count + 1
    before = tx.run(_EVENT_ID, (account_id, first - 1)) if count and first > 1 else []
    return Numbers(first, before[0][0] if before else 0)


# Reading


class AccountEvent(NamedTuple):
    """An event of an account as the API shows it."""

    number: int
    event_id: int
    kind: str
    at_ms: int
    detail: str
    """JSON object; empty where the person that it tells of was erased together with it."""
    told_ms: int | None
    given_up_ms: int | None
    is_waiting: bool
    """A webhook in SuperIMAP's form is still to be told of it."""
    has_content: bool
    """The bytes of its mail are there."""


_WAITS = (
    "EXISTS (SELECT 1 FROM webhook_endpoint p JOIN webhook_outbox o ON o.endpoint_id = p.id "
    "WHERE p.workspace_id = a.workspace_id AND p.form = 'superimap' AND o.event_id = a.event_id)"
)
_HAS_CONTENT = "EXISTS (SELECT 1 FROM account_content c WHERE c.account_id = a.account_id AND c.number = a.number)"
_EVENT = (
    "SELECT a.number, a.event_id, a.kind, a.at_ms, COALESCE(e.detail, ''), a.told_ms, a.given_up_ms, "
    f"{_WAITS}, {_HAS_CONTENT} FROM account_event a LEFT JOIN event e ON e.id = a.event_id "
    "WHERE a.account_id = ? AND a.workspace_id = ? "
)
_PAGE = statement(_EVENT + "AND a.number > ? ORDER BY a.number LIMIT ?")
_ONE = statement(_EVENT + "AND a.number = ?")
_RAW = statement("SELECT body FROM account_content WHERE account_id = ? AND workspace_id = ? AND number = ?")
_LAST = statement("SELECT last_number FROM account_owner WHERE account_id = ? AND workspace_id = ?")
_GIVEN_UP = statement(
    "SELECT number FROM account_event WHERE account_id = ? AND workspace_id = ? AND number > ? "
    "AND given_up_ms IS NOT NULL AND told_ms IS NULL ORDER BY number LIMIT ?"
)
_TOLD = statement(
    "SELECT count(*), count(told_ms), count(CASE WHEN told_ms IS NULL THEN given_up_ms END) FROM account_event "
    "WHERE account_id = ? AND workspace_id = ?"
)


class ToldCount(NamedTuple):
    """How many events an account has, and what became of telling them in SuperIMAP's form."""

    events: int
    told: int
    given_up: int


def events_after(conn: Conn, workspace_id: int, account_id: int, after: int, limit: int) -> list[AccountEvent]:
    """Return up to `limit` events of an account with a number above `after`, in order."""
    return [_event(row) for row in conn.all(_PAGE, (account_id, workspace_id, after, limit))]


def event_of(conn: Conn, workspace_id: int, account_id: int, number: int) -> AccountEvent | None:
    """Return the event of a number, or None."""
    row = conn.one(_ONE, (account_id, workspace_id, number))
    return None if row is None else _event(row)


def last_number(conn: Conn, workspace_id: int, account_id: int) -> int:
    """Return the number of the last event of an account; 0: it has none."""
    row = conn.one(_LAST, (account_id, workspace_id))
    return row[0] if row else 0


def raw_of(conn: Conn, workspace_id: int, account_id: int, number: int) -> bytes | None:
    """Return the bytes of the mail that an event tells of, as its server gave them; None: they are not kept."""
    row = conn.one(_RAW, (account_id, workspace_id, number))
    return None if row is None else unpack(bytes(row[0]))


def given_up_after(conn: Conn, workspace_id: int, account_id: int, after: int, limit: int) -> list[int]:
    """Return up to `limit` numbers above `after` of events that were given up and are not told since, in order."""
    return [row[0] for row in conn.all(_GIVEN_UP, (account_id, workspace_id, after, limit))]


def count_told(conn: Conn, workspace_id: int, account_id: int) -> ToldCount:
    """Return what became of the events of an account that are in the ledger."""
    row = conn.one(_TOLD, (account_id, workspace_id))
    return ToldCount._make(row) if row else ToldCount(0, 0, 0)


def _event(row: tuple[Any, ...]) -> AccountEvent:
    return AccountEvent._make((*row[:-2], bool(row[-2]), bool(row[-1])))


# What came of telling

_SET_TOLD = statement("UPDATE account_event SET told_ms = ? WHERE account_id = ? AND number = ? AND told_ms IS NULL")
_SET_GIVEN_UP = statement(
    "UPDATE account_event SET given_up_ms = ? WHERE account_id = ? AND number = ? AND told_ms IS NULL"
)
_SET_ALL_GIVEN_UP = RowsStatement(
    "UPDATE account_event SET given_up_ms = v.at_ms FROM v "
    "WHERE account_event.account_id = v.account_id AND account_event.number = v.number "
    "AND account_event.told_ms IS NULL",
    account_id="int",
    number="int",
    at_ms="int",
)
_PARTNER_ENDPOINTS = statement(
    "SELECT id, kinds FROM webhook_endpoint WHERE workspace_id = ? AND form = 'superimap' AND state <> 'disabled' "
    "ORDER BY id"
)
_DROP = statement(
    # A line of an account has an index of its own, so this is a look-up however many wait.
    sqlite="DELETE FROM webhook_outbox WHERE endpoint_id = ? AND event_id IN (SELECT event_id FROM webhook_outbox "
    "WHERE endpoint_id = ? AND recipient_id = ? AND recipient_id <> 0 ORDER BY event_id LIMIT ?) RETURNING event_id",
    postgresql="DELETE FROM webhook_outbox WHERE endpoint_id = ? AND event_id = ANY(ARRAY(SELECT event_id FROM "
    "webhook_outbox WHERE endpoint_id = ? AND recipient_id = ? AND recipient_id <> 0 ORDER BY event_id LIMIT ?)) "
    "RETURNING event_id",
)
_DETAILS = statement(
    sqlite="SELECT detail FROM event WHERE id IN (SELECT value FROM json_each(?))",
    postgresql="SELECT detail FROM event WHERE id = ANY(?)",
)
_AGAIN = statement(
    sqlite="UPDATE account_event SET given_up_ms = NULL WHERE account_id = ? AND workspace_id = ? "
    "AND number IN (SELECT value FROM json_each(?)) RETURNING event_id, kind",
    postgresql="UPDATE account_event SET given_up_ms = NULL WHERE account_id = ? AND workspace_id = ? "
    "AND number = ANY(?) RETURNING event_id, kind",
)


class _Numbered(msgspec.Struct):
    number: int = 0


_decode_number = msgspec.json.Decoder(_Numbered).decode
_decode_kinds = msgspec.json.Decoder(frozenset[str]).decode


def set_told(tx: Tx, account_id: int, number: int, now_ms: int) -> None:
    """A receiver of a webhook in SuperIMAP's form took an event; the first time counts."""
    tx.run(_SET_TOLD, (now_ms, account_id, number))


def set_given_up(tx: Tx, account_id: int, number: int, now_ms: int) -> None:
    """An event will not be told any more, unless somebody asks for it."""
    tx.run(_SET_GIVEN_UP, (now_ms, account_id, number))


def drop_queue(tx: Tx, workspace_id: int, account_id: int, now_ms: int, limit: int) -> int:
    """Give up to `limit` events of an account up that wait for webhooks in SuperIMAP's form; return how many."""
    gone: list[int] = []
    for endpoint_id, _ in tx.run(_PARTNER_ENDPOINTS, (workspace_id,)):
        if len(gone) < limit:
            asked = (endpoint_id, endpoint_id, account_id, limit - len(gone))
            gone += [row[0] for row in tx.run(_DROP, asked)]
    if gone:
        numbers = {_decode_number(row[0]).number for row in tx.run(_DETAILS, (tx.many(gone),))}
        tx.run_rows(_SET_ALL_GIVEN_UP, [(account_id, number, now_ms) for number in sorted(numbers)])
    return len(gone)


def tell_again(tx: Tx, workspace_id: int, account_id: int, numbers: Sequence[int], now_ms: int) -> int:
    """Tell events of an account again to the webhooks in SuperIMAP's form; return how many of them will be told.

    Those that nothing hears, because the workspace has no webhook of their kind, are left out.
    """
    endpoints = [(row[0], _decode_kinds(row[1])) for row in tx.run(_PARTNER_ENDPOINTS, (workspace_id,))]
    found = sorted((row[0], row[1]) for row in tx.run(_AGAIN, (account_id, workspace_id, tx.many(numbers))))
    told: set[int] = set()
    for endpoint_id, kinds in endpoints:
        heard = [(event_id, account_id) for event_id, kind in found if not kinds or kind in kinds]
        if heard:
            webhook_outbox.tell_again(tx, endpoint_id, heard, now_ms)
            told.update(event_id for event_id, _ in heard)
    return len(told)
