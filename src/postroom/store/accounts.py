"""Tables `partner`, `connection`, `account` and the rows made with an account: who is to be watched, and how.

What is found in them is in `store.watching` and `store.account_events`.
"""

from typing import Any, NamedTuple

from postroom.ledger.account_rows import (
    AccountOwnerRow,
    AccountRow,
    AccountStatusRow,
    ConnectionRow,
    PartnerKeyRow,
    PartnerRow,
)
from postroom.store.database import Conn, Tx, statement
from postroom.store.statement import Statement

WAKE = "accounts"
"""What `Database.on_commit` is told once accounts were changed by somebody; its subjects are accounts."""

_NOW_MS = "(extract(epoch FROM now()) * 1000)::bigint"
"""The database's clock: nodes look for changes by it (`store.watching.changed_lately`), because theirs differ."""
_CHANGES = "changed_ms = {greatest}(changed_ms + 1, {now})"


def _changing(sql: str) -> Statement:
    """Return a statement with a time for `{changed}`: later than the row's own, and on PostgreSQL than the database's.

    What reads the row sees by it that it is another.
    """
    return statement(
        sqlite=sql.format(changed=_CHANGES.format(greatest="max", now="?")),
        postgresql=sql.format(changed=_CHANGES.format(greatest="greatest", now=f"?, {_NOW_MS}")),
    )


_PARTNER = ", ".join(PartnerRow._fields)
_KEY = ", ".join(PartnerKeyRow._fields)
_CONNECTION = ", ".join(ConnectionRow._fields)
_ACCOUNT = ", ".join(AccountRow._fields)
_OWNER = ", ".join(AccountOwnerRow._fields)
_STATUS = ", ".join(AccountStatusRow._fields)


class ConnectionView(NamedTuple):
    """A connection and how many accounts it has."""

    connection: ConnectionRow
    accounts: int


class AccountView(NamedTuple):
    """An account with its connection, who watches it and how that goes."""

    account: AccountRow
    connection: ConnectionRow
    owner: AccountOwnerRow
    status: AccountStatusRow


_PARTNER_OF = statement(f"SELECT {_PARTNER} FROM partner WHERE workspace_id = ?")
_PUT_PARTNER = statement(
    f"INSERT INTO partner ({_PARTNER}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (workspace_id) DO UPDATE SET "
    "success_url = excluded.success_url, failure_url = excluded.failure_url, redirects = excluded.redirects, "
    "retries = excluded.retries"
)

_KEY_BY_HASH = statement(f"SELECT {_KEY} FROM partner_key WHERE hash = ?")
_KEYS_OF = statement(f"SELECT {_KEY} FROM partner_key WHERE workspace_id = ? ORDER BY id DESC")
_DELETE_KEY = statement("DELETE FROM partner_key WHERE workspace_id = ? AND id = ? RETURNING hint")

_CONNECTIONS_OF = statement(
    f"SELECT {_CONNECTION}, (SELECT count(*) FROM account WHERE account.connection_id = connection.id) "
    "FROM connection WHERE workspace_id = ? ORDER BY id"
)
_CONNECTION_OF_PROVIDER = statement(
    f"SELECT {_CONNECTION}, (SELECT count(*) FROM account WHERE account.connection_id = connection.id) "
    "FROM connection WHERE workspace_id = ? AND provider = ?"
)
_CONNECTION_BY_ID = statement(f"SELECT {_CONNECTION} FROM connection WHERE id = ?")
_HOLD = "SELECT id FROM connection WHERE workspace_id = ? AND id = ?"
_HOLD_TO_ADD = statement(sqlite=_HOLD, postgresql=f"{_HOLD} FOR SHARE")
_HOLD_TO_DELETE = statement(sqlite=_HOLD, postgresql=f"{_HOLD} FOR UPDATE")
_UPDATE_CONNECTION = statement(
    "UPDATE connection SET client_id = ?, client_secret = ?, server = ? WHERE workspace_id = ? AND id = ? RETURNING id"
)
_DELETE_CONNECTION = statement("DELETE FROM connection WHERE workspace_id = ? AND id = ? RETURNING id")
_TOUCH_ACCOUNTS = _changing("UPDATE account SET {changed} WHERE connection_id = ? RETURNING id")

_ACCOUNTS_OF = statement(
    f"SELECT {_ACCOUNT} FROM account WHERE workspace_id = ? AND connection_id = ? ORDER BY email, id"
)
_ACCOUNT_BY_TAG = statement(
    f"SELECT {_ACCOUNT} FROM account WHERE workspace_id = ? AND connection_id = ? AND tag_key = ?"
)
_ACCOUNT_BY_ID = statement(f"SELECT {_ACCOUNT} FROM account WHERE workspace_id = ? AND id = ?")
_ANY_ACCOUNT = statement(f"SELECT {_ACCOUNT} FROM account WHERE id = ?")
_UPDATE_ACCOUNT = _changing(
    "UPDATE account SET tag = ?, tag_key = ?, email = ?, username = ?, password = ?, refresh_token = ?, server = ?, "
    "mailboxes = ?, is_tracer = ?, is_archived = ?, connected_ms = ?, {changed} "
    "WHERE workspace_id = ? AND id = ? RETURNING id"
)
_REFRESH_TOKEN = statement("UPDATE account SET refresh_token = ? WHERE id = ? AND refresh_token = ? RETURNING id")
_ARCHIVE = _changing(
    "UPDATE account SET is_archived = 1, {changed} WHERE workspace_id = ? AND id = ? AND is_archived = 0 RETURNING id"
)
_OWNER_OF = statement(f"SELECT {_OWNER} FROM account_owner WHERE account_id = ?")
_STATUS_OF = statement(f"SELECT {_STATUS} FROM account_status WHERE account_id = ?")
_SET_STATE = statement(
    "UPDATE account_status SET state = ?, why = '', since_ms = ?, failures = 0, retry_ms = NULL, "
    "auth_failed_ms = NULL WHERE account_id = ?"
)
# The holder of the epoch before must write no more; who takes the account next finds no cursor.
_LET_GO = statement("UPDATE account_owner SET node = NULL, epoch = epoch + 1 WHERE account_id = ?")
_FORGET_MAILBOXES = statement("DELETE FROM mailbox WHERE account_id = ?")

_HAS_MAILBOX = statement("SELECT count(*) FROM mailbox WHERE account_id = ? AND workspace_id = ?")
_SWEEP = statement(
    "UPDATE mailbox SET sweep_next = 1 WHERE account_id = ? AND workspace_id = ? AND first_uid > 1 "
    "RETURNING name, first_uid"
)
_TOUCH = _changing("UPDATE account SET {changed} WHERE workspace_id = ? AND id = ?")

_CLOSE = _changing(
    "UPDATE account SET is_archived = 1, password = NULL, refresh_token = NULL, connected_ms = NULL, {changed} "
    "WHERE workspace_id = ? AND id = ? RETURNING id"
)
_DELETE_ACCOUNT = statement("DELETE FROM account WHERE workspace_id = ? AND id = ? RETURNING id")
_DELETE_BESIDE = tuple(
    statement(f"DELETE FROM {table} WHERE account_id = ?")
    for table in ("account_owner", "account_status", "mailbox", "connect_dance", "tracer")
)
_ACCOUNT_IDS_OF = statement("SELECT id FROM account WHERE workspace_id = ? AND connection_id = ? ORDER BY id LIMIT ?")


# Partners


def partner_of(reader: Conn | Tx, workspace_id: int) -> PartnerRow | None:
    """Return what a workspace set for its accounts; None: nothing yet."""
    rows = _all(reader, _PARTNER_OF, workspace_id)
    return PartnerRow._make(rows[0]) if rows else None


def put_partner(tx: Tx, row: PartnerRow) -> None:
    """Write what a workspace set; the time of the first setting stays."""
    tx.run(_PUT_PARTNER, row)


def partner_key_by_hash(conn: Conn, secret_hash: bytes) -> PartnerKeyRow | None:
    """Return the SuperIMAP key with this hash, of whatever workspace."""
    row = conn.one(_KEY_BY_HASH, (secret_hash,))
    return _partner_key(row) if row else None


def partner_keys(conn: Conn, workspace_id: int) -> list[PartnerKeyRow]:
    """Return the SuperIMAP keys of a workspace, newest first: the first signs."""
    return [_partner_key(row) for row in conn.all(_KEYS_OF, (workspace_id,))]


def delete_partner_key(tx: Tx, workspace_id: int, key_id: int) -> str | None:
    """Delete a SuperIMAP key and return its hint, or None where there is none."""
    rows = tx.run(_DELETE_KEY, (workspace_id, key_id))
    return str(rows[0][0]) if rows else None


# Connections


def connections_of(conn: Conn, workspace_id: int) -> list[ConnectionView]:
    """Return the connections of a workspace, oldest first."""
    return [_connection_view(row) for row in conn.all(_CONNECTIONS_OF, (workspace_id,))]


def connection_of_provider(conn: Conn, workspace_id: int, provider: str) -> ConnectionView | None:
    """Return a workspace's connection to a provider, or None."""
    row = conn.one(_CONNECTION_OF_PROVIDER, (workspace_id, provider))
    return _connection_view(row) if row else None


def connection_by_id(reader: Conn | Tx, connection_id: int) -> ConnectionRow | None:
    """Return a connection of whatever workspace: where an account names it."""
    rows = _all(reader, _CONNECTION_BY_ID, connection_id)
    return _connection(rows[0]) if rows else None


def hold_connection(tx: Tx, workspace_id: int, connection_id: int, *, to_delete: bool = False) -> bool:
    """Keep a connection as it is until the transaction ends; tell whether there is one.

    Nobody deletes it while accounts are added to it, and nobody adds one while it is deleted.
    """
    return bool(tx.run(_HOLD_TO_DELETE if to_delete else _HOLD_TO_ADD, (workspace_id, connection_id)))


def update_connection(tx: Tx, row: ConnectionRow, now_ms: int) -> bool:
    """Write a connection; those who watch its accounts read them again. Tell whether there is one."""
    values = (row.client_id, row.client_secret, row.server, row.workspace_id, row.id)
    if not tx.run(_UPDATE_CONNECTION, values):
        return False
    for (account_id,) in tx.run(_TOUCH_ACCOUNTS, (now_ms, row.id)):
        tx.wake(WAKE, account_id)
    return True


def delete_connection(tx: Tx, workspace_id: int, connection_id: int) -> bool:
    """Delete a connection that has no account any more; tell whether there was one."""
    return bool(tx.run(_DELETE_CONNECTION, (workspace_id, connection_id)))


# Accounts


def create_account(tx: Tx, row: AccountRow, state: str) -> None:
    """Make an account with the rows of who watches it and how that goes."""
    tx.add(row)
    tx.add(AccountOwnerRow(row.id, row.workspace_id))
    tx.add(AccountStatusRow(row.id, row.workspace_id, state, since_ms=row.created_ms))
    tx.wake(WAKE, row.id)


def accounts_of(conn: Conn, workspace_id: int, connection_id: int) -> list[AccountRow]:
    """Return the accounts of a connection by their email address."""
    return [_account(row) for row in conn.all(_ACCOUNTS_OF, (workspace_id, connection_id))]


def account_ids_of(tx: Tx, workspace_id: int, connection_id: int, limit: int) -> list[int]:
    """Return up to `limit` ids of a connection's accounts, oldest first."""
    return [row[0] for row in tx.run(_ACCOUNT_IDS_OF, (workspace_id, connection_id, limit))]


def account_by_tag(reader: Conn | Tx, workspace_id: int, connection_id: int, tag_key: str) -> AccountRow | None:
    """Return a connection's account by its case-folded tag, archived ones too, or None."""
    rows = _all(reader, _ACCOUNT_BY_TAG, workspace_id, connection_id, tag_key)
    return _account(rows[0]) if rows else None


def account_by_id(reader: Conn | Tx, workspace_id: int, account_id: int) -> AccountRow | None:
    """Return an account of a workspace, or None."""
    rows = _all(reader, _ACCOUNT_BY_ID, workspace_id, account_id)
    return _account(rows[0]) if rows else None


def any_account(reader: Conn | Tx, account_id: int) -> AccountRow | None:
    """Return an account of whatever workspace: for those who watch."""
    rows = _all(reader, _ANY_ACCOUNT, account_id)
    return _account(rows[0]) if rows else None


def account_view(conn: Conn, workspace_id: int, account_id: int) -> AccountView | None:
    """Return an account of a workspace with all that stands beside it, or None."""
    account = account_by_id(conn, workspace_id, account_id)
    connection = connection_by_id(conn, account.connection_id) if account else None
    if account is None or connection is None:
        return None
    owner, status = conn.one(_OWNER_OF, (account_id,)), conn.one(_STATUS_OF, (account_id,))
    return AccountView(
        account,
        connection,
        AccountOwnerRow._make(owner) if owner else AccountOwnerRow(account_id, workspace_id),
        AccountStatusRow._make(status) if status else AccountStatusRow(account_id, workspace_id),
    )


def update_account(tx: Tx, row: AccountRow) -> bool:
    """Write everything of an account that may change; tell whether there is one."""
    values = (
        row.tag,
        row.tag_key,
        row.email,
        row.username,
        row.password,
        row.refresh_token,
        row.server,
        row.mailboxes,
        row.is_tracer,
        row.is_archived,
        row.connected_ms,
        row.changed_ms,
    )
    if not tx.run(_UPDATE_ACCOUNT, (*values, row.workspace_id, row.id)):
        return False
    tx.wake(WAKE, row.id)
    return True


def replace_refresh_token(tx: Tx, account_id: int, before: bytes, after: bytes) -> bool:
    """Keep the refresh token that a token endpoint gave in place of another; tell whether that one was still kept.

    Nobody reads the account again for it: who asked for it has it.
    """
    return bool(tx.run(_REFRESH_TOKEN, (after, account_id, before)))


def archive_account(tx: Tx, workspace_id: int, account_id: int, now_ms: int) -> bool:
    """Have an account watched no more; tell whether it was."""
    if not tx.run(_ARCHIVE, (now_ms, workspace_id, account_id)):
        return False
    set_account_state(tx, account_id, "archived", now_ms)
    tx.wake(WAKE, account_id)
    return True


def set_account_state(tx: Tx, account_id: int, state: str, now_ms: int) -> None:
    """Say how an account is watched after somebody changed it; failures before are forgotten."""
    tx.run(_SET_STATE, (state, now_ms, account_id))


def begin_anew(tx: Tx, account_id: int) -> None:
    """Forget an account's cursors, because it is another mailbox now; whoever watches it lets go."""
    tx.run(_LET_GO, (account_id,))
    tx.run(_FORGET_MAILBOXES, (account_id,))


def begin_sweep(tx: Tx, workspace_id: int, account_id: int, now_ms: int) -> list[tuple[str, int]] | None:
    """Have whoever watches an account tell of what came before watching began, in each of its mailboxes.

    Return the mailboxes that have such mail, each with the UID up to which it goes; None: none was opened yet.
    """
    if not tx.run(_HAS_MAILBOX, (account_id, workspace_id))[0][0]:
        return None
    swept = [(name, first_uid) for name, first_uid in tx.run(_SWEEP, (account_id, workspace_id))]
    tx.run(_TOUCH, (now_ms, workspace_id, account_id))
    tx.wake(WAKE, account_id)
    return sorted(swept)


def close_account(tx: Tx, workspace_id: int, account_id: int, now_ms: int) -> bool:
    """Begin to delete an account: nobody watches it from now on, and its credentials are gone. Tell whether it exists.

    What was found goes by `store.purge_accounts`, in pieces, and `delete_account` ends it.
    """
    if not tx.run(_CLOSE, (now_ms, workspace_id, account_id)):
        return False
    tx.run(_LET_GO, (account_id,))
    set_account_state(tx, account_id, "archived", now_ms)
    tx.wake(WAKE, account_id)
    return True


def delete_account(tx: Tx, workspace_id: int, account_id: int) -> bool:
    """Delete an account with its cursors; tell whether there was one."""
    if not tx.run(_DELETE_ACCOUNT, (workspace_id, account_id)):
        return False
    for beside in _DELETE_BESIDE:
        tx.run(beside, (account_id,))
    tx.wake(WAKE, account_id)
    return True


def _all(reader: Conn | Tx, asked: Statement, *parameters: object) -> list[tuple[Any, ...]]:
    return reader.run(asked, parameters) if isinstance(reader, Tx) else reader.all(asked, parameters)


def _partner_key(row: tuple[object, ...]) -> PartnerKeyRow:
    key = PartnerKeyRow._make(row)
    return key._replace(hash=bytes(key.hash), sealed=bytes(key.sealed))


def _connection_view(row: tuple[Any, ...]) -> ConnectionView:
    *columns, accounts = row
    return ConnectionView(_connection(tuple(columns)), accounts)


def _connection(row: tuple[object, ...]) -> ConnectionRow:
    connection = ConnectionRow._make(row)
    secret = connection.client_secret
    return connection if secret is None else connection._replace(client_secret=bytes(secret))


def _account(row: tuple[object, ...]) -> AccountRow:
    account = AccountRow._make(row)
    password, token = account.password, account.refresh_token
    return account._replace(
        password=None if password is None else bytes(password), refresh_token=None if token is None else bytes(token)
    )
