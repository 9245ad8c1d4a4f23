"""Rows of watched accounts for tests: a connection with accounts in any state, without any server."""

from dataclasses import dataclass

from postroom.base.ids import IdSource
from postroom.events.accounts import AccountFacts
from postroom.ledger.account_rows import (
    AccountOwnerRow,
    AccountRow,
    AccountState,
    AccountStatusRow,
    ConnectionRow,
    MailboxRow,
)
from postroom.store.database import Database, Tx


@dataclass(frozen=True, slots=True)
class Made:
    """An account that stands in the database."""

    account: AccountRow
    connection: ConnectionRow

    @property
    def facts(self) -> AccountFacts:
        """What its events tell of it."""
        row = self.account
        return AccountFacts(row.id, row.workspace_id, row.tag, self.connection.provider, row.email)


async def add_connection(
    database: Database, ids: IdSource, workspace_id: int, provider: str = "PLAIN", now_ms: int = 0, server: str = ""
) -> ConnectionRow:
    """Write a connection."""
    row = ConnectionRow(ids.next(), workspace_id, provider, "", None, server, now_ms)
    await database.write(lambda tx: tx.add(row))
    return row


async def add_account(
    database: Database,
    ids: IdSource,
    connection: ConnectionRow,
    tag: str,
    now_ms: int,
    *,
    state: AccountState = AccountState.WATCHING,
    node: int | None = 1,
    is_tracer: bool = False,
    mailbox: bool = False,
    **status: object,
) -> Made:
    """Write an account with its owner and status; `mailbox`: also the cursor of its INBOX at UID 1."""
    workspace_id, is_connected = connection.workspace_id, state is not AccountState.UNCONNECTED
    account = AccountRow(
        id=ids.next(),
        workspace_id=workspace_id,
        connection_id=connection.id,
        tag=tag,
        tag_key=tag.casefold(),
        email=f"{tag}@example.com",
        username="",
        password=None,
        refresh_token=None,
        server="",
        mailboxes="",
        is_tracer=int(is_tracer),
        is_archived=int(state is AccountState.ARCHIVED),
        connected_ms=now_ms if is_connected else None,
        created_ms=now_ms,
        changed_ms=now_ms,
    )
    row = AccountStatusRow(account.id, workspace_id, state.value, since_ms=now_ms)._replace(**status)  # type: ignore[arg-type]

    def write(tx: Tx) -> None:
        tx.add(account)
        tx.add(AccountOwnerRow(account.id, workspace_id, node, 1))
        tx.add(row)
        if mailbox:
            tx.add(MailboxRow(ids.next(), account.id, workspace_id, "INBOX", 7, 1, 1, 0, None, now_ms, now_ms, 0))

    await database.write(write)
    return Made(account, connection)
