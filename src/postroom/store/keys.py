"""API keys and SMTP logins, by the hash of their secret."""

from postroom.ledger.rows import ApiKeyRow, SmtpLoginRow
from postroom.store.database import Conn, Tx, statement

_KEY_COLUMNS = ", ".join(ApiKeyRow._fields)
_LOGIN_COLUMNS = ", ".join(SmtpLoginRow._fields)

_KEY_BY_HASH = statement(f"SELECT {_KEY_COLUMNS} FROM api_key WHERE hash = ?")
_KEYS = statement(f"SELECT {_KEY_COLUMNS} FROM api_key WHERE workspace_id = ? ORDER BY id")
_DELETE_KEY = statement("DELETE FROM api_key WHERE workspace_id = ? AND id = ? RETURNING name")
_LOGIN_BY_NAME = statement(f"SELECT {_LOGIN_COLUMNS} FROM smtp_login WHERE username = ?")
_LOGINS = statement(f"SELECT {_LOGIN_COLUMNS} FROM smtp_login WHERE workspace_id = ? ORDER BY id")
_DELETE_LOGIN = statement("DELETE FROM smtp_login WHERE workspace_id = ? AND id = ? RETURNING username")


def api_key_by_hash(conn: Conn, secret_hash: bytes) -> ApiKeyRow | None:
    """Return the key whose secret has this hash, of whatever workspace."""
    row = conn.one(_KEY_BY_HASH, (secret_hash,))
    return ApiKeyRow(*row) if row else None


def api_keys(conn: Conn, workspace_id: int) -> list[ApiKeyRow]:
    """Return the keys of a workspace, oldest first."""
    return [ApiKeyRow(*row) for row in conn.all(_KEYS, (workspace_id,))]


def delete_api_key(tx: Tx, workspace_id: int, key_id: int) -> str | None:
    """Delete a key and return its name, or None where there is none."""
    rows = tx.run(_DELETE_KEY, (workspace_id, key_id))
    return str(rows[0][0]) if rows else None


def smtp_login_by_username(conn: Conn, username: str) -> SmtpLoginRow | None:
    """Return the login of this name, of whatever workspace: user names are unique."""
    row = conn.one(_LOGIN_BY_NAME, (username,))
    return SmtpLoginRow(*row) if row else None


def smtp_logins(conn: Conn, workspace_id: int) -> list[SmtpLoginRow]:
    """Return the logins of a workspace, oldest first."""
    return [SmtpLoginRow(*row) for row in conn.all(_LOGINS, (workspace_id,))]


def delete_smtp_login(tx: Tx, workspace_id: int, login_id: int) -> str | None:
    """Delete a login and return its user name, or None where there is none."""
    rows = tx.run(_DELETE_LOGIN, (workspace_id, login_id))
    return str(rows[0][0]) if rows else None
