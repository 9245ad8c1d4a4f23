"""What upkeep deletes of watched accounts, at most some hundred rows at a time: contents first, rows later.

An event that a webhook is still to be told keeps its content, however old.
"""

from typing import NamedTuple

from postroom.ledger.account_rows import MailboxRow
from postroom.store.database import Conn, RowsStatement, Statement, Tx, statement
from postroom.store.orphans import orphans

_WAITS = (
    "EXISTS (SELECT 1 FROM account_event a JOIN webhook_endpoint p ON p.workspace_id = c.workspace_id "
    "JOIN webhook_outbox o ON o.endpoint_id = p.id AND o.event_id = a.event_id "
    "WHERE a.account_id = c.account_id AND a.number = c.number)"
)
_OLD_CONTENTS = "FROM account_content c WHERE c.workspace_id = ? AND c.created_ms < ? AND NOT"
_CONTENTS = statement(
    sqlite=f"DELETE FROM account_content WHERE rowid IN (SELECT c.rowid {_OLD_CONTENTS} {_WAITS} "
    "ORDER BY c.created_ms LIMIT ?) RETURNING number",
    postgresql=f"DELETE FROM account_content WHERE ctid = ANY(ARRAY(SELECT c.ctid {_OLD_CONTENTS} {_WAITS} "
    "ORDER BY c.created_ms LIMIT ? FOR UPDATE OF c SKIP LOCKED)) RETURNING number",
)
# The key of these has three columns, of which SQLite takes the first alone to an index: the time bounds them.
_LAST_MAIL = statement(
    "SELECT recorded_ms FROM account_mail WHERE workspace_id = ? AND recorded_ms < ? "
    "ORDER BY recorded_ms LIMIT 1 OFFSET ?"
)
_MAILS = statement(
    "DELETE FROM account_mail WHERE workspace_id = ? AND recorded_ms <= ? RETURNING mailbox_id, uid_validity, uid"
)
_FLOOR = RowsStatement(
    "UPDATE mailbox SET first_uid = v.uid + 1 FROM v WHERE mailbox.id = v.mailbox_id "
    "AND mailbox.uid_validity = v.uid_validity AND mailbox.first_uid <= v.uid",
    mailbox_id="int",
    uid_validity="int",
    uid="int",
)
_FIRST_UID = statement("SELECT first_uid FROM mailbox WHERE id = ? AND uid_validity = ?")
_LAST_EVENT = statement(
    "SELECT at_ms FROM account_event WHERE workspace_id = ? AND at_ms < ? ORDER BY at_ms LIMIT 1 OFFSET ?"
)
_EVENTS = statement("DELETE FROM account_event WHERE workspace_id = ? AND at_ms <= ? RETURNING number")


def drop_account_contents(tx: Tx, workspace_id: int, before_ms: int, limit: int) -> int:
    """Delete up to `limit` contents of mails that were found before a time and are told; return how many."""
    return len(tx.run(_CONTENTS, (workspace_id, before_ms, limit)))


def drop_account_mails(tx: Tx, workspace_id: int, before_ms: int, limit: int) -> int:
    """Delete about `limit` outcomes of before a time; return how many.

    Their mailboxes' ledgers begin behind them then: an audit does not look for them, a sweep takes them as old mail.
    """
    last_ms = _last(tx, _LAST_MAIL, workspace_id, before_ms, limit)
    gone = tx.run(_MAILS, (workspace_id, last_ms))
    floors: dict[tuple[int, int], int] = {}
    for mailbox_id, uid_validity, uid in gone:
        floors[mailbox_id, uid_validity] = max(uid, floors.get((mailbox_id, uid_validity), 0))
    tx.run_rows(_FLOOR, [(*key, uid) for key, uid in sorted(floors.items())])
    return len(gone)


def first_uid_now(conn: Conn, row: MailboxRow) -> int:
    """Return where the ledger of a mailbox begins: it is moved here, and whoever watches has read it long ago."""
    found = conn.one(_FIRST_UID, (row.id, row.uid_validity))
    return int(found[0]) if found else row.uid_next


def drop_account_events(tx: Tx, workspace_id: int, before_ms: int, limit: int) -> int:
    """Delete about `limit` numbers of before a time; return how many. Their events go as all do (`store.purge`)."""
    return len(tx.run(_EVENTS, (workspace_id, _last(tx, _LAST_EVENT, workspace_id, before_ms, limit))))


def _last(tx: Tx, asked: Statement, workspace_id: int, before_ms: int, limit: int) -> int:
    rows = tx.run(asked, (workspace_id, before_ms, limit - 1))
    return rows[0][0] if rows else before_ms - 1


# Accounts that were deleted


class Gone(NamedTuple):
    """What is left of accounts and mailboxes that are deleted."""

    accounts: list[int]
    mailboxes: list[int]


_GONE_ACCOUNTS = orphans("account_id", "account_event", "account")
_GONE_MAILBOXES = orphans("mailbox_id", "account_mail", "mailbox")
_SOME_EVENTS = statement("SELECT number, event_id FROM account_event WHERE account_id = ? ORDER BY number LIMIT ?")
_DROP_CONTENTS = statement("DELETE FROM account_content WHERE account_id = ? AND number <= ?")
_DROP_NUMBERS = statement("DELETE FROM account_event WHERE account_id = ? AND number <= ?")
_DROP_EVENTS = statement(
    sqlite="DELETE FROM event WHERE id IN (SELECT value FROM json_each(?))",
    postgresql="DELETE FROM event WHERE id = ANY(?)",
)
_SOME_MAIL = statement(
    "SELECT uid_validity, uid FROM account_mail WHERE mailbox_id = ? ORDER BY uid_validity, uid LIMIT 1 OFFSET ?"
)
_DROP_MAILS = statement("DELETE FROM account_mail WHERE mailbox_id = ? AND uid_validity = ? AND uid <= ? RETURNING uid")
_EPOCH = statement("SELECT min(uid_validity) FROM account_mail WHERE mailbox_id = ?")


def gone(conn: Conn, most: int) -> Gone:
    """Return up to `most` accounts and mailboxes that have rows and are deleted."""
    found = [[row[0] for row in conn.all(asked, (most,))] for asked in (_GONE_ACCOUNTS, _GONE_MAILBOXES)]
    return Gone(*found)


def drop_events_of(tx: Tx, account_id: int, limit: int) -> int:
    """Delete up to `limit` events of an account with their numbers and contents; return how many.

    What webhooks were to be told of them is taken out of the outbox when its turn comes.
    """
    rows = tx.run(_SOME_EVENTS, (account_id, limit))
    if rows:
        last: int = rows[-1][0]
        tx.run(_DROP_EVENTS, (tx.many([row[1] for row in rows]),))
        tx.run(_DROP_CONTENTS, (account_id, last))
        tx.run(_DROP_NUMBERS, (account_id, last))
    return len(rows)


def drop_mails_of(tx: Tx, mailbox_id: int, limit: int) -> int:
    """Delete up to `limit` outcomes of a mailbox; return how many."""
    epoch = tx.run(_EPOCH, (mailbox_id,))[0][0]
    if epoch is None:
        return 0
    some = tx.run(_SOME_MAIL, (mailbox_id, limit - 1))
    last = some[0][1] if some and some[0][0] == epoch else (1 << 62)
    return len(tx.run(_DROP_MAILS, (mailbox_id, epoch, last)))
