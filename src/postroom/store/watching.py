"""Tables `account_owner`, `account_status` and `mailbox`: who watches an account, how that goes, and how far it is.

An account belongs to the node that its `account_owner` row names. The row is
written when the account moves and with each numbered event, never to say that
a node is alive: for that there is the node's heartbeat. What is found is written
under the epoch only (`events.accounts`), and a cursor moves only from where the
writer read it, so two who watch one account by mistake cannot both tell a mail.
"""

from collections.abc import Sequence
from typing import NamedTuple

from postroom.base.errors import PostroomError
from postroom.ledger.account_rows import AccountOwnerRow, AccountRow, AccountStatusRow, ConnectionRow, MailboxRow
from postroom.store.account_events import take_numbers
from postroom.store.accounts import any_account, connection_by_id
from postroom.store.database import Conn, Tx, statement
from postroom.store.nodes import database_now_ms

PAGE = 2_000
"""Accounts that are read at a time."""
_LATELY_MS = 70_000
"""Several looks and a transaction that took long."""


class LostCursor(PostroomError):
    """The cursor is not where it was read: somebody else has moved it. Read it again."""


class Watchable(NamedTuple):
    """An account that is to be watched, and by whom it is."""

    account_id: int
    changed_ms: int
    node: int | None
    epoch: int


class Loaded(NamedTuple):
    """All that watching an account needs to know."""

    account: AccountRow
    connection: ConnectionRow
    owner: AccountOwnerRow
    status: AccountStatusRow
    mailboxes: tuple[MailboxRow, ...]
    """Those that were opened before, whether they are still to be watched or not."""


_OWNER = ", ".join(AccountOwnerRow._fields)
_STATUS = ", ".join(AccountStatusRow._fields)
_MAILBOX = ", ".join(MailboxRow._fields)

_WATCHABLE = (
    "SELECT a.id, a.changed_ms, o.node, o.epoch FROM account a JOIN account_owner o ON o.account_id = a.id "
    "WHERE a.connected_ms IS NOT NULL AND a.is_archived = 0"
)
_WATCHABLE_PAGE = statement(f"{_WATCHABLE} AND a.id > ? ORDER BY a.id LIMIT ?")
_WATCHABLE_OF = statement(
    sqlite=f"{_WATCHABLE} AND a.id IN (SELECT value FROM json_each(?))", postgresql=f"{_WATCHABLE} AND a.id = ANY(?)"
)
_TAKE = statement(
    "UPDATE account_owner SET node = ?, epoch = epoch + 1 WHERE account_id = ? AND epoch = ? RETURNING epoch"
)
_OF_NODE = statement(
    "SELECT count(*) FROM account_owner o JOIN account a ON a.id = o.account_id "
    "WHERE o.node = ? AND a.connected_ms IS NOT NULL AND a.is_archived = 0"
)
_NOBODYS = statement(
    sqlite=f"{_WATCHABLE} AND (o.node IS NULL OR o.node NOT IN (SELECT value FROM json_each(?))) ORDER BY a.id LIMIT ?",
    postgresql=f"{_WATCHABLE} AND (o.node IS NULL OR o.node <> ALL(?)) ORDER BY a.id LIMIT ?",
)
_CHANGED = statement("SELECT id FROM account WHERE changed_ms >= ? ORDER BY changed_ms, id LIMIT ?")
_OWNER_OF = statement(f"SELECT {_OWNER} FROM account_owner WHERE account_id = ?")
_STATUS_OF = statement(f"SELECT {_STATUS} FROM account_status WHERE account_id = ?")
_MAILBOXES_OF = statement(f"SELECT {_MAILBOX} FROM mailbox WHERE account_id = ? ORDER BY id")


# Who watches


def watchable(conn: Conn, after_id: int, limit: int = PAGE) -> list[Watchable]:
    """Return up to `limit` accounts that are to be watched, with ids above `after_id`, by id."""
    return [Watchable._make(row) for row in conn.all(_WATCHABLE_PAGE, (after_id, limit))]


def watchable_of(conn: Conn, account_ids: Sequence[int]) -> list[Watchable]:
    """Return those of the accounts that are to be watched."""
    return [Watchable._make(row) for row in conn.all(_WATCHABLE_OF, (conn.many(account_ids),))]


def take(tx: Tx, account_id: int, node: int, epoch: int) -> int | None:
    """Take an account whose epoch is still `epoch` for a node; return the new epoch, None where others were first."""
    rows = tx.run(_TAKE, (node, account_id, epoch))
    return int(rows[0][0]) if rows else None


def accounts_of_node(conn: Conn, node: int) -> int:
    """Return how many accounts that are to be watched a node has taken, and nobody else since."""
    row = conn.one(_OF_NODE, (node,))
    return int(row[0]) if row else 0


def nobodys(conn: Conn, live: Sequence[int], limit: int = PAGE) -> list[Watchable]:
    """Return up to `limit` accounts that are to be watched and that none of the live nodes has."""
    return [Watchable._make(row) for row in conn.all(_NOBODYS, (conn.many(live), limit))]


def changed_lately(conn: Conn, now_ms: int, limit: int = PAGE) -> list[int]:
    """Return up to `limit` accounts, watched or not, that somebody has changed in the last minute or so.

    `now_ms` counts on SQLite only: PostgreSQL's own clock is that of the changes.
    """
    since_ms = database_now_ms(conn, now_ms) - _LATELY_MS
    return [int(row[0]) for row in conn.all(_CHANGED, (since_ms, limit))]


def load(conn: Conn, account_id: int) -> Loaded | None:
    """Return what watching an account needs, or None where it is gone."""
    account = any_account(conn, account_id)
    connection = connection_by_id(conn, account.connection_id) if account else None
    owner = conn.one(_OWNER_OF, (account_id,))
    if account is None or connection is None or owner is None:
        return None
    status = conn.one(_STATUS_OF, (account_id,))
    return Loaded(
        account,
        connection,
        AccountOwnerRow._make(owner),
        AccountStatusRow._make(status) if status else AccountStatusRow(account_id, account.workspace_id),
        tuple(mailboxes_of(conn, account_id)),
    )


# Cursors

_BEGIN_AGAIN = statement(
    "UPDATE mailbox SET uid_validity = ?, first_uid = ?, uid_next = ?, highest_modseq = ?, sweep_next = NULL, "
    "checked_ms = ?, audited_ms = ?, trust = 0 WHERE id = ? AND uid_validity = ? RETURNING id"
)
_MOVE = statement(
    "UPDATE mailbox SET uid_next = ?, checked_ms = ? WHERE id = ? AND uid_validity = ? AND uid_next = ? RETURNING id"
)
_MOVE_SWEEP = statement(
    "UPDATE mailbox SET sweep_next = ? WHERE id = ? AND uid_validity = ? AND sweep_next = ? RETURNING id"
)
_CHECKED = statement("UPDATE mailbox SET checked_ms = ?, trust = ?, highest_modseq = ? WHERE id = ?")
_AUDITED = statement("UPDATE mailbox SET audited_ms = ? WHERE id = ? AND uid_validity = ?")
_KNOWN = (
    "SELECT uid FROM account_mail WHERE mailbox_id = ? AND uid_validity = ? AND uid BETWEEN ? AND ? "
    "ORDER BY uid LIMIT ?"
)
_KNOWN_BETWEEN = statement(_KNOWN)
_KNOWN_OF = statement(
    sqlite="SELECT uid FROM account_mail WHERE mailbox_id = ? AND uid_validity = ? "
    "AND uid IN (SELECT value FROM json_each(?))",
    postgresql="SELECT uid FROM account_mail WHERE mailbox_id = ? AND uid_validity = ? AND uid = ANY(?)",
)
_LAST_MAIL = statement("UPDATE account_status SET last_mail_ms = ? WHERE account_id = ?")


def mailboxes_of(conn: Conn, account_id: int) -> list[MailboxRow]:
    """Return the mailboxes of an account that were ever opened, oldest first."""
    return [MailboxRow._make(row) for row in conn.all(_MAILBOXES_OF, (account_id,))]


def begin_mailbox(tx: Tx, row: MailboxRow, epoch: int) -> None:
    """Write a mailbox's first cursor. Raises LostEpoch."""
    take_numbers(tx, row.account_id, 0, epoch)
    tx.add(row)


def begin_again(tx: Tx, row: MailboxRow, uid_validity_before: int) -> None:
    """Write a mailbox's cursor in a new epoch of UIDs. Raises LostCursor."""
    values = (row.uid_validity, row.first_uid, row.uid_next, row.highest_modseq, row.checked_ms, row.audited_ms)
    if not tx.run(_BEGIN_AGAIN, (*values, row.id, uid_validity_before)):
        raise LostCursor("another one has begun this mailbox anew")


def move_cursor(tx: Tx, row: MailboxRow, uid_next: int, now_ms: int) -> None:
    """Move a mailbox's cursor on from where `row` has it. Raises LostCursor."""
    if not tx.run(_MOVE, (uid_next, now_ms, row.id, row.uid_validity, row.uid_next)):
        raise LostCursor("another one has moved the cursor of this mailbox")


def move_sweep(tx: Tx, row: MailboxRow, sweep_next: int | None) -> None:
    """Move a mailbox's sweep on from where `row` has it; None: it has ended. Raises LostCursor."""
    if not tx.run(_MOVE_SWEEP, (sweep_next, row.id, row.uid_validity, row.sweep_next)):
        raise LostCursor("somebody has begun this sweep anew")


def note_checked(tx: Tx, row: MailboxRow) -> None:
    """Keep when a mailbox was compared with its server, and how far the server is trusted."""
    tx.run(_CHECKED, (row.checked_ms, row.trust, row.highest_modseq, row.id))


def note_audited(tx: Tx, row: MailboxRow, now_ms: int) -> None:
    """Keep when every UID of a mailbox was compared with its server."""
    tx.run(_AUDITED, (now_ms, row.id, row.uid_validity))


def known_between(conn: Conn, row: MailboxRow, first: int, last: int, limit: int) -> list[int]:
    """Return up to `limit` UIDs of a mailbox from `first` to `last` that have an outcome, ascending."""
    return [int(uid) for (uid,) in conn.all(_KNOWN_BETWEEN, (row.id, row.uid_validity, first, last, limit))]


def known_of(reader: Conn | Tx, row: MailboxRow, uids: Sequence[int]) -> set[int]:
    """Return those of the UIDs that have an outcome."""
    asked = (row.id, row.uid_validity, reader.many(uids))
    found = reader.run(_KNOWN_OF, asked) if isinstance(reader, Tx) else reader.all(_KNOWN_OF, asked)
    return {int(uid) for (uid,) in found}


def note_last_mail(tx: Tx, account_id: int, at_ms: int) -> None:
    """Keep when an account's newest mail was found."""
    tx.run(_LAST_MAIL, (at_ms, account_id))


# How it goes

_SET_STATUS = statement(
    "UPDATE account_status SET state = ?, why = ?, since_ms = ?, failures = ?, retry_ms = ?, auth_failed_ms = ?, "
    "last_login_ms = ?, server = ? WHERE account_id = ? AND EXISTS "
    "(SELECT 1 FROM account_owner WHERE account_owner.account_id = account_status.account_id AND epoch = ?) AND EXISTS "
    "(SELECT 1 FROM account WHERE account.id = account_status.account_id AND is_archived = 0 "
    "AND connected_ms IS NOT NULL)"
)
_IS_REFUSED_SINCE = statement("SELECT 1 FROM account_status WHERE account_id = ? AND auth_failed_ms = ?")
_SAY_UNOWNED = statement(
    "UPDATE account_status SET state = ?, why = ?, since_ms = ? WHERE account_id = ? AND why <> ? AND EXISTS "
    "(SELECT 1 FROM account_owner WHERE account_owner.account_id = account_status.account_id AND epoch = ?)"
)


def set_status(tx: Tx, row: AccountStatusRow, epoch: int) -> None:
    """Write how the watching of an account goes; nothing where the epoch is gone, or somebody has ended the watching.

    All but `last_mail_ms` and `token_expires_ms`: those who find a mail or get a token write them.
    """
    values = (row.state, row.why, row.since_ms, row.failures, row.retry_ms, row.auth_failed_ms)
    tx.run(_SET_STATUS, (*values, row.last_login_ms, row.server, row.account_id, epoch))


def is_told_as_refused(tx: Tx, row: AccountStatusRow, epoch: int) -> bool:
    """Tell whether the refusal of `row.auth_failed_ms` stands already, by a commit that nobody confirmed.

    Nobody else tells of one until the transaction ends. Raises LostEpoch.
    """
    take_numbers(tx, row.account_id, 0, epoch)
    return bool(tx.run(_IS_REFUSED_SINCE, (row.account_id, row.auth_failed_ms)))


def say_unowned(tx: Tx, account_id: int, epoch: int, state: str, why: str, now_ms: int) -> None:
    """Say why nobody watches an account, where its epoch is still this one."""
    tx.run(_SAY_UNOWNED, (state, why, now_ms, account_id, why, epoch))


# The audit

_OUTCOMES = statement(
    "SELECT outcome, count(*), min(uid), max(uid) FROM account_mail WHERE mailbox_id = ? AND uid_validity = ? "
    "GROUP BY outcome ORDER BY outcome"
)


class OutcomeCount(NamedTuple):
    """How many UIDs of a mailbox's epoch had one outcome, and between which."""

    outcome: str
    mails: int
    first: int
    last: int


def outcomes_of(conn: Conn, row: MailboxRow) -> list[OutcomeCount]:
    """Return the outcomes of a mailbox's present epoch, by their words."""
    return [OutcomeCount._make(found) for found in conn.all(_OUTCOMES, (row.id, row.uid_validity))]
