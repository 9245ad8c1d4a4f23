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


_ABSENT = statement(
    "SELECT uid + 1, following - 1 FROM ("
    "SELECT uid, lead(uid, 1, CAST(? AS BIGINT)) OVER (ORDER BY uid) AS following FROM ("
    "SELECT CAST(? AS BIGINT) - 1 AS uid UNION ALL "
    "SELECT uid FROM account_mail WHERE mailbox_id = ? AND uid_validity = ? AND uid >= ? AND uid < ?"
    ") AS found) AS stepped WHERE following > uid + 1 ORDER BY uid LIMIT ?"
)


def audit_mailboxes(conn: Conn, workspace_id: int, account_id: int, limit: int) -> list[MailboxAudit]:
    """Return the mailboxes of an account of a workspace, with up to `limit` ranges each."""
    return [
        MailboxAudit(row, outcomes_of(conn, row), _absent(conn, row, limit))
        for row in mailboxes_of(conn, account_id)
        if row.workspace_id == workspace_id
    ]


def _absent(conn: Conn, row: MailboxRow, limit: int) -> list[tuple[int, int]]:
    first, end = row.first_uid, row.uid_next
    asked = (end, first, row.id, row.uid_validity, first, end, limit)
    return [(int(low), int(high)) for low, high in conn.all(_ABSENT, asked)]
