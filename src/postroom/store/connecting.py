"""Table `connect_dance`, and what connecting and disconnecting changes beside an account's own row."""

from postroom.ledger.account_rows import ConnectDanceRow
from postroom.store.database import Tx, statement

MOST_DANCES = 20
"""Of one account at a time: somebody who presses a link again and again writes no more than that."""

_DANCE = ", ".join(ConnectDanceRow._fields)
_TAKE = statement(f"DELETE FROM connect_dance WHERE state = ? RETURNING {_DANCE}")
_COUNT = statement("SELECT count(*) FROM connect_dance WHERE account_id = ? AND expires_ms > ?")
_FORGET = statement("DELETE FROM connect_dance WHERE account_id = ?")
_FORGET_OLD = statement("DELETE FROM connect_dance WHERE expires_ms <= ? RETURNING account_id")
_TOKEN_END = statement("UPDATE account_status SET token_expires_ms = ? WHERE account_id = ?")


def forget_old_dances(tx: Tx, now_ms: int) -> int:
    """Forget dances whose time is over; return how many."""
    return len(tx.run(_FORGET_OLD, (now_ms,)))


def begin_dance(tx: Tx, row: ConnectDanceRow, now_ms: int) -> bool:
    """Remember that a person is on the way to a provider; False: too many are, for this account. Old ones go."""
    tx.run(_FORGET_OLD, (now_ms,))
    if tx.run(_COUNT, (row.account_id, now_ms))[0][0] >= MOST_DANCES:
        return False
    tx.add(row)
    return True


def take_dance(tx: Tx, state: bytes, now_ms: int) -> ConnectDanceRow | None:
    """Take a dance by the hash of its `state`, so that nobody takes it again; None: there is none, or it is too old."""
    rows = tx.run(_TAKE, (state,))
    if not rows:
        return None
    row = ConnectDanceRow._make(rows[0])
    row = row._replace(state=bytes(row.state), verifier=bytes(row.verifier))
    return row if row.expires_ms > now_ms else None


def forget_dances(tx: Tx, account_id: int) -> None:
    """Forget everybody who is on the way: the account was disconnected meanwhile."""
    tx.run(_FORGET, (account_id,))


def set_token_end(tx: Tx, account_id: int, ends_ms: int | None) -> None:
    """Say when an account's access token ends; None: that is not known, or it has none."""
    tx.run(_TOKEN_END, (ends_ms, account_id))
