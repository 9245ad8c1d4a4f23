"""Tables `account_owner`, `account_event`, `account_content` and `account_mail`: what was found, under its number.

They are written by `events.accounts` only, which gives the numbers.
"""

from typing import NamedTuple

from postroom.base.errors import PostroomError
from postroom.store.database import Tx, statement


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
