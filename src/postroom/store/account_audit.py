"""What became of every UID of an account's mailboxes, from the ledger (table `account_mail`)."""

from typing import NamedTuple

from postroom.ledger.account_rows import MailboxRow
from postroom.store.database import Conn, statement
from postroom.store.watching import OutcomeCount, mailboxes_of, outcomes_of


class MailboxAudit(NamedTuple):
    """A mailbox's present epoch of UIDs."""

    mailbox: MailboxRow
    outcomes: list[OutcomeCount]
    absent: list[tuple[int, int]]
    """Ranges of UIDs between the first watched one and the cursor that have no outcome: the server had none."""


_LOWEST = statement("SELECT min(uid) FROM account_mail WHERE mailbox_id = ? AND uid_validity = ? AND uid >= ?")
# Look-ups in the order of the primary key: it ends as soon as there are enough.
_ABSENT = statement(
    "SELECT uid + 1, COALESCE((SELECT min(b.uid) FROM account_mail b WHERE b.mailbox_id = a.mailbox_id "
    "AND b.uid_validity = a.uid_validity AND b.uid > a.uid AND b.uid < ?), ?) - 1 FROM account_mail a "
    "WHERE mailbox_id = ? AND uid_validity = ? AND uid >= ? AND uid < ? AND NOT EXISTS (SELECT 1 FROM account_mail b "
    "WHERE b.mailbox_id = a.mailbox_id AND b.uid_validity = a.uid_validity AND b.uid = a.uid + 1) "
    "ORDER BY uid LIMIT ?"
)


def mailboxes_to_audit(conn: Conn, workspace_id: int, account_id: int) -> list[MailboxRow]:
    """Return the mailboxes of an account of a workspace that were ever opened."""
    return [row for row in mailboxes_of(conn, account_id) if row.workspace_id == workspace_id]


def audit_mailboxes(conn: Conn, workspace_id: int, account_id: int, limit: int) -> list[MailboxAudit]:
    """Return the audit of an account's mailboxes with up to `limit` ranges each, in one read: see `Accounts.audit`."""
    return [
        MailboxAudit(row, outcomes_of(conn, row), absent_of(conn, row, limit))
        for row in mailboxes_to_audit(conn, workspace_id, account_id)
    ]


def absent_of(conn: Conn, row: MailboxRow, limit: int) -> list[tuple[int, int]]:
    """Return up to `limit` ranges of UIDs between a mailbox's first watched one and its cursor without an outcome."""
    first, end = row.first_uid, row.uid_next
    if first >= end:
        return []
    found = conn.one(_LOWEST, (row.id, row.uid_validity, first))
    lowest = end if found is None or found[0] is None else min(int(found[0]), end)
    asked = (end, end, row.id, row.uid_validity, first, end - 1, limit)
    gaps = [(int(low), int(high)) for low, high in conn.all(_ABSENT, asked)]
    return [*([(first, lowest - 1)] if lowest > first else []), *gaps][:limit]
