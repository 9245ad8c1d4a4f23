"""What erasing a person reads and writes of watched accounts and of the mails that were found in them."""

from typing import NamedTuple

from postroom.store.database import Conn, Tx, statement
from postroom.store.erase import Swept

EVENTS = Swept("event", ("detail",))
"""Envelopes name an address in two pieces, so they are searched for the first."""


class NamedAccount(NamedTuple):
    """An account, as far as it says whose it is."""

    id: int
    tag: str
    email: str
    username: str


class FoundContent(NamedTuple):
    """The bytes of a mail that was found."""

    account_id: int
    number: int
    body: bytes
    """In the form of `base.packing`."""


_ACCOUNTS = statement(
    f"SELECT {', '.join(NamedAccount._fields)} FROM account WHERE workspace_id = ? AND id > ? ORDER BY id LIMIT ?"
)
_CONTENTS = statement(
    f"SELECT {', '.join(FoundContent._fields)} FROM account_content "
    "WHERE (account_id, number) > (?, ?) AND workspace_id = ? ORDER BY account_id, number LIMIT ?"
)
_DROP_CONTENT = statement("DELETE FROM account_content WHERE account_id = ? AND number = ?")
_MAILBOXES = statement("SELECT id FROM mailbox WHERE account_id = ?")


def accounts_after(conn: Conn, workspace_id: int, after: int, limit: int) -> list[NamedAccount]:
    """Return accounts with ids above `after`, by id."""
    return [NamedAccount._make(row) for row in conn.all(_ACCOUNTS, (workspace_id, after, limit))]


def contents_after(conn: Conn, workspace_id: int, after: tuple[int, int], limit: int) -> list[FoundContent]:
    """Return contents behind an account and number, in their order."""
    rows = conn.all(_CONTENTS, (*after, workspace_id, limit))
    return [FoundContent(row[0], row[1], bytes(row[2])) for row in rows]


def drop_content(tx: Tx, account_id: int, number: int) -> None:
    """Delete the bytes of a mail, whether a webhook was told of it or not."""
    tx.run(_DROP_CONTENT, (account_id, number))


def mailboxes_of(conn: Conn, account_id: int) -> list[int]:
    """Return the mailboxes of an account."""
    return [row[0] for row in conn.all(_MAILBOXES, (account_id,))]
