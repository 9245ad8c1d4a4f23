"""Why recipients failed (`recipient.cause`), and table `soft_failure`: failures that may pass, by address and day.

What is delivered writes nothing here: whether an address took mail since it failed is asked when it fails again.
"""

from collections.abc import Sequence
from typing import NamedTuple

from postroom.ledger.cause_rows import SoftFailureRow
from postroom.store.database import RowsStatement, Tx, statement

_STAMP = RowsStatement(
    "UPDATE recipient SET cause = v.cause FROM v WHERE recipient.id = v.id RETURNING recipient.id",
    id="int",
    cause="text",
)
_NOTE = statement(
    f"INSERT INTO soft_failure ({', '.join(SoftFailureRow._fields)}) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (workspace_id, address_key, day) DO UPDATE SET reason = excluded.reason, "
    "failures = soft_failure.failures + excluded.failures"
)
_DAYS = statement(
    f"SELECT {', '.join(SoftFailureRow._fields)} FROM soft_failure "
    "WHERE workspace_id = ? AND address_key = ? AND day >= ? ORDER BY day"
)
_FORGET = statement("DELETE FROM soft_failure WHERE workspace_id = ? AND address_key = ?")
# The index on (workspace_id, address_key, id) is walked from its end: only the last few mails to the address count.
_LAST_TAKEN = statement(
    "SELECT max(settled_ms) FROM (SELECT state, settled_ms FROM recipient WHERE workspace_id = ? AND address_key = ? "
    "ORDER BY id DESC LIMIT ?) AS latest WHERE state = 'delivered'"
)
_LOOKED_AT = 50


class Cause(NamedTuple):
    """Why a recipient failed."""

    recipient_id: int
    cause: str
    """A word of `mail.reasons.Reason`."""


def stamp(tx: Tx, causes: Sequence[Cause]) -> None:
    """Write on failed recipients why they failed."""
    tx.run_rows(_STAMP, causes)


def note_soft(tx: Tx, row: SoftFailureRow) -> None:
    """Add a failure to the day of its address."""
    tx.run(_NOTE, row)


def soft_days(tx: Tx, workspace_id: int, address_key: str, first_day: int) -> list[SoftFailureRow]:
    """Return the days since `first_day` on which an address failed softly, in order."""
    return [SoftFailureRow._make(row) for row in tx.run(_DAYS, (workspace_id, address_key, first_day))]


def last_taken_ms(tx: Tx, workspace_id: int, address_key: str) -> int | None:
    """Return when the next hop last took one of the latest mails to an address, and no bounce came since."""
    value = tx.run(_LAST_TAKEN, (workspace_id, address_key, _LOOKED_AT))[0][0]
    return None if value is None else int(value)


def forget_soft(tx: Tx, workspace_id: int, address_key: str) -> None:
    """Forget the soft failures of an address."""
    tx.run(_FORGET, (workspace_id, address_key))
