"""Operators, their sessions, recovery codes and first links, and the audit log."""

from typing import Any

from postroom.ledger.operator_rows import AuditRow, FirstLinkRow, OperatorRow, OperatorSessionRow, RecoveryCodeRow
from postroom.store.database import Conn, Tx, statement
from postroom.store.statement import Statement

_OPERATOR = ", ".join(OperatorRow._fields)
_SESSION = ", ".join(OperatorSessionRow._fields)
_AUDIT = ", ".join(AuditRow._fields)

_ANY = statement("SELECT 1 FROM operator LIMIT 1")
_ALL = statement(f"SELECT {_OPERATOR} FROM operator ORDER BY id")
_BY_ID = statement(f"SELECT {_OPERATOR} FROM operator WHERE id = ?")
_BY_NAME = statement(f"SELECT {_OPERATOR} FROM operator WHERE name_key = ?")
# A try is counted before it is checked, so that of many side by side no more than three are.
_FORGET_LOCK = statement(
    "UPDATE operator SET failures = 0, locked_until_ms = 0 "
    "WHERE id = ? AND locked_until_ms <> 0 AND locked_until_ms <= ?"
)
_TRY = statement("UPDATE operator SET failures = failures + 1 WHERE id = ? AND locked_until_ms = 0 RETURNING failures")
_LOCK = statement("UPDATE operator SET locked_until_ms = ? WHERE id = ?")
_TAKE_BACK = statement("UPDATE operator SET failures = failures - 1, locked_until_ms = 0 WHERE id = ? AND failures > 0")
_UNLOCK = statement("UPDATE operator SET failures = 0, locked_until_ms = 0 WHERE id = ? RETURNING id")
_PASSWORD = statement("UPDATE operator SET password_hash = ?, password_ms = ? WHERE id = ? RETURNING id")
_TOTP = statement("UPDATE operator SET totp_secret = ?, totp_step = ? WHERE id = ? RETURNING id")
# A code's step is taken once, also by two logins side by side.
_TOTP_STEP = statement("UPDATE operator SET totp_step = ? WHERE id = ? AND totp_step < ? RETURNING id")
_DELETE = statement("DELETE FROM operator WHERE id = ? RETURNING id")
# Two operators who delete each other at once would leave nobody: rows are locked in the order of their ids.
_LOCK_ALL = statement(
    sqlite="SELECT id FROM operator ORDER BY id", postgresql="SELECT id FROM operator ORDER BY id FOR UPDATE"
)

_SESSION_BY_HASH = statement(f"SELECT {_SESSION} FROM operator_session WHERE hash = ?")
_SESSIONS = statement(f"SELECT {_SESSION} FROM operator_session WHERE operator_id = ? ORDER BY seen_ms DESC, id")
_SEEN = statement("UPDATE operator_session SET seen_ms = ? WHERE id = ? AND seen_ms < ?")
_END = statement("DELETE FROM operator_session WHERE operator_id = ? AND id = ? RETURNING id")
_END_OTHERS = statement("DELETE FROM operator_session WHERE operator_id = ? AND id <> ? RETURNING id")
_PURGE_SESSIONS = statement(
    "DELETE FROM operator_session WHERE id IN "
    "(SELECT id FROM operator_session WHERE seen_ms <= ? OR created_ms <= ? ORDER BY id LIMIT ?) RETURNING id"
)

_USE_CODE = statement(
    "UPDATE recovery_code SET used_ms = ? WHERE operator_id = ? AND hash = ? AND used_ms IS NULL RETURNING id"
)
_CODES_LEFT = statement("SELECT count(*) FROM recovery_code WHERE operator_id = ? AND used_ms IS NULL")
_DELETE_CODES = statement("DELETE FROM recovery_code WHERE operator_id = ?")

_FIRST_LINK = statement("SELECT hash, created_ms, expires_ms FROM first_link WHERE hash = ? AND expires_ms > ?")
_PURGE_LINKS = statement("DELETE FROM first_link WHERE expires_ms <= ? RETURNING expires_ms")
_FORGET_LINK = statement("DELETE FROM first_link WHERE hash = ?")
_TAKE_FIRST_LINKS = statement("DELETE FROM first_link RETURNING hash, created_ms, expires_ms")

_PURGE_AUDIT = statement(
    "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE id < ? ORDER BY id LIMIT ?) RETURNING id"
)
_AUDIT_PAGE = statement(f"SELECT {_AUDIT} FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?")


def has_operators(reader: Conn | Tx) -> bool:
    """Tell whether there is any operator."""
    return bool(reader.run(_ANY) if isinstance(reader, Tx) else reader.one(_ANY))


def all_operators(conn: Conn) -> list[OperatorRow]:
    """Return every operator, oldest first."""
    return [OperatorRow(*row) for row in conn.all(_ALL)]


def operator_by_id(reader: Conn | Tx, operator_id: int) -> OperatorRow | None:
    """Return the operator of this id, or None."""
    rows = _rows(reader, _BY_ID, operator_id)
    return OperatorRow(*rows[0]) if rows else None


def operator_by_name(reader: Conn | Tx, name_key: str) -> OperatorRow | None:
    """Return the operator of this name with letter case folded, or None."""
    rows = _rows(reader, _BY_NAME, name_key)
    return OperatorRow(*rows[0]) if rows else None


def begin_try(tx: Tx, operator_id: int, now_ms: int, most: int, lock_until_ms: int) -> int | None:
    """Count a try before it is checked; return which it is, or None where the operator is locked (or gone).

    The try of number `most` locks at once; `take_back_try` or `unlock` take that back where it was right.
    """
    tx.run(_FORGET_LOCK, (operator_id, now_ms))
    rows = tx.run(_TRY, (operator_id,))
    if not rows:
        return None
    number = int(rows[0][0])
    if number >= most:
        tx.run(_LOCK, (lock_until_ms, operator_id))
    return number


def take_back_try(tx: Tx, operator_id: int) -> None:
    """Count a try as not made: the password was right, and the code is still to come."""
    tx.run(_TAKE_BACK, (operator_id,))


def unlock(tx: Tx, operator_id: int) -> bool:
    """Forget wrong passwords and a lock; tell whether the operator exists."""
    return bool(tx.run(_UNLOCK, (operator_id,)))


def set_password(tx: Tx, operator_id: int, password_hash: str, now_ms: int) -> bool:
    """Set a password; tell whether the operator exists."""
    return bool(tx.run(_PASSWORD, (password_hash, now_ms, operator_id)))


def set_totp(tx: Tx, operator_id: int, sealed: bytes | None, step: int) -> bool:
    """Set or take away (None) the second factor; no code up to `step` is taken. Tell whether the operator exists."""
    return bool(tx.run(_TOTP, (sealed, step, operator_id)))


def take_totp_step(tx: Tx, operator_id: int, step: int) -> bool:
    """Take the code of a time step; tell whether it was still to be had."""
    return bool(tx.run(_TOTP_STEP, (step, operator_id, step)))


def delete_operator(tx: Tx, operator_id: int) -> bool:
    """Delete an operator with sessions and recovery codes; tell whether there was one."""
    end_other_sessions(tx, operator_id, 0)
    delete_recovery_codes(tx, operator_id)
    return bool(tx.run(_DELETE, (operator_id,)))


def lock_all_operators(tx: Tx) -> list[int]:
    """Return the ids of all operators, none of whom another transaction deletes meanwhile."""
    return [int(row[0]) for row in tx.run(_LOCK_ALL)]


def session_by_hash(conn: Conn, secret_hash: bytes) -> tuple[OperatorSessionRow, OperatorRow] | None:
    """Return the session whose cookie has this hash, with its operator, or None."""
    row = conn.one(_SESSION_BY_HASH, (secret_hash,))
    if row is None:
        return None
    session = OperatorSessionRow(*row)
    operator = operator_by_id(conn, session.operator_id)
    return (session, operator) if operator else None


def sessions(conn: Conn, operator_id: int) -> list[OperatorSessionRow]:
    """Return an operator's sessions, the last used first."""
    return [OperatorSessionRow(*row) for row in conn.all(_SESSIONS, (operator_id,))]


def session_seen(tx: Tx, session_id: int, now_ms: int) -> None:
    """Note that a session is used."""
    tx.run(_SEEN, (now_ms, session_id, now_ms))


def end_session(tx: Tx, operator_id: int, session_id: int) -> bool:
    """End a session; tell whether there was one."""
    return bool(tx.run(_END, (operator_id, session_id)))


def end_other_sessions(tx: Tx, operator_id: int, kept_id: int) -> int:
    """End all sessions of an operator but one (0: all); return how many."""
    return len(tx.run(_END_OTHERS, (operator_id, kept_id)))


def purge_sessions(tx: Tx, seen_until_ms: int, made_until_ms: int, limit: int) -> int:
    """Delete up to `limit` sessions that were last used, or made, at these times or before; return how many."""
    return len(tx.run(_PURGE_SESSIONS, (seen_until_ms, made_until_ms, limit)))


def add_recovery_codes(tx: Tx, rows: list[RecoveryCodeRow]) -> None:
    """Put new recovery codes in the place of an operator's old ones."""
    if rows:
        delete_recovery_codes(tx, rows[0].operator_id)
    for row in rows:
        tx.add(row)


def use_recovery_code(tx: Tx, operator_id: int, secret_hash: bytes, now_ms: int) -> bool:
    """Use a recovery code up; tell whether it was there and unused."""
    return bool(tx.run(_USE_CODE, (now_ms, operator_id, secret_hash)))


def recovery_codes_left(conn: Conn, operator_id: int) -> int:
    """Return how many recovery codes are unused."""
    row = conn.one(_CODES_LEFT, (operator_id,))
    return int(row[0]) if row else 0


def delete_recovery_codes(tx: Tx, operator_id: int) -> None:
    """Delete an operator's recovery codes."""
    tx.run(_DELETE_CODES, (operator_id,))


def purge_first_links(tx: Tx, now_ms: int) -> int:
    """Delete first links that have expired; return how many."""
    return len(tx.run(_PURGE_LINKS, (now_ms,)))


def write_as_if(tx: Tx, secret_hash: bytes) -> None:
    """Write and leave nothing: a try for a name that nobody has takes as long as one for an operator."""
    tx.add(FirstLinkRow(secret_hash, 0, 0))
    tx.run(_FORGET_LINK, (secret_hash,))


def first_link_is_good(conn: Conn, secret_hash: bytes, now_ms: int) -> bool:
    """Tell whether a first link is there and has not expired."""
    return conn.one(_FIRST_LINK, (secret_hash, now_ms)) is not None


def take_first_links(tx: Tx) -> list[FirstLinkRow]:
    """Delete all first links and return them: of two transactions only one gets any."""
    return [FirstLinkRow(bytes(row[0]), row[1], row[2]) for row in tx.run(_TAKE_FIRST_LINKS)]


def audit_page(conn: Conn, before_id: int, limit: int) -> list[AuditRow]:
    """Return what was done before an id, newest first."""
    return [AuditRow(*row) for row in conn.all(_AUDIT_PAGE, (before_id, limit))]


def purge_audit(tx: Tx, before_id: int, limit: int) -> int:
    """Delete up to `limit` lines of the audit log with ids below `before_id`; return how many."""
    return len(tx.run(_PURGE_AUDIT, (before_id, limit)))


def _rows(reader: Conn | Tx, query: Statement, value: object) -> list[tuple[Any, ...]]:
    return reader.run(query, (value,)) if isinstance(reader, Tx) else reader.all(query, (value,))
