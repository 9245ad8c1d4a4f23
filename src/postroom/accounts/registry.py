"""What people do with connections and accounts: make, change, connect, archive, restore, delete."""

from collections.abc import Callable, Sequence
from functools import partial

from postroom.accounts.changes import AccountChange, AccountRules, Changed, ConnectionChange, restored, tag_key
from postroom.accounts.providers import Provider, Providers
from postroom.base.clock import Clock
from postroom.base.errors import WrongInput
from postroom.base.ids import IdSource
from postroom.base.secrets import Sealer
from postroom.events.accounts import AccountFacts, NewEvent, append_events
from postroom.ledger.account_rows import AccountRow, AccountState, ConnectionRow
from postroom.ledger.event_kinds import EventKind
from postroom.net.address_guard import Network
from postroom.store import accounts
from postroom.store.account_audit import MailboxAudit, absent_of, mailboxes_to_audit
from postroom.store.accounts import AccountView, ConnectionView
from postroom.store.database import Database, StoreConflict, Tx
from postroom.store.purge_accounts import drop_events_of, drop_mails_of
from postroom.store.together import InTransaction, if_done, nothing_else
from postroom.store.watching import mailboxes_of, outcomes_of

_PAGE = 100
_ROWS = 500
_PIECE = 50
"""Mails that are deleted in one transaction: each may have a megabyte."""


class TagTaken(WrongInput):
    """The connection has an account of this tag."""

    def __init__(self, tag: str) -> None:
        super().__init__("tag", f"tag '{tag}' has already been taken: choose another, or change that user by PUT")


class Gone(WrongInput):
    """The connection or the account is gone meanwhile."""

    def __init__(self) -> None:
        super().__init__("tag", "it was deleted meanwhile", code="gone")


class Accounts:
    """The connections and accounts of all workspaces.

    `in_transaction` of a change runs in its transaction, where there is something to change.
    """

    def __init__(
        self,
        database: Database,
        ids: IdSource,
        clock: Clock,
        sealer: Sealer,
        providers: Providers,
        allow_private: tuple[Network, ...] = (),
    ) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock
        self.providers = providers
        self._rules = AccountRules(sealer, allow_private)

    # Connections

    async def connections(self, workspace_id: int) -> list[ConnectionView]:
        """Return the connections of a workspace, oldest first."""
        return await self._database.read(lambda conn: accounts.connections_of(conn, workspace_id))

    async def connection(self, workspace_id: int, provider: Provider) -> ConnectionView | None:
        """Return a workspace's connection to a provider, or None."""
        return await self._database.read(
            lambda conn: accounts.connection_of_provider(conn, workspace_id, provider.code)
        )

    async def create_connection(
        self,
        workspace_id: int,
        provider: Provider,
        change: ConnectionChange,
        *,
        in_transaction: InTransaction = nothing_else,
    ) -> ConnectionRow:
        """Make a connection. Raises WrongInput, among others where there is one to this provider."""
        empty = ConnectionRow(self._ids.next(), workspace_id, provider.code, "", None, "", self._clock.now_ms())
        row = self._rules.connection(empty, change)

        def write(tx: Tx) -> None:
            tx.add(row)
            in_transaction(tx)

        taken = WrongInput(
            "imap_provider_code",
            f"imap_provider_code {provider.code} has already been taken: change that connection by PUT",
        )
        if await self.connection(workspace_id, provider) is not None:
            raise taken
        try:
            await self._database.write(write)
        except StoreConflict as error:
            raise taken from error
        return row

    async def update_connection(
        self, row: ConnectionRow, change: ConnectionChange, *, in_transaction: InTransaction = nothing_else
    ) -> ConnectionRow:
        """Change a connection; its accounts are watched with it from now on. Raises WrongInput."""
        after, now_ms = self._rules.connection(row, change), self._clock.now_ms()

        def write(tx: Tx) -> bool:
            return if_done(accounts.update_connection(tx, after, now_ms), tx, in_transaction)

        if not await self._database.write(write):
            raise Gone
        return after

    async def delete_connection(self, row: ConnectionRow, *, in_transaction: InTransaction = nothing_else) -> bool:
        """Delete a connection with its accounts and all that was found; tell whether there was one."""

        def some(tx: Tx) -> list[int] | None:
            accounts.hold_connection(tx, row.workspace_id, row.id, to_delete=True)
            ids = accounts.account_ids_of(tx, row.workspace_id, row.id, _PAGE)
            if ids:
                return ids
            done = if_done(accounts.delete_connection(tx, row.workspace_id, row.id), tx, in_transaction)
            return [] if done else None

        while ids := await self._database.write(some):
            await self._delete(row.workspace_id, ids)
        return ids is not None

    # Accounts

    async def of_connection(self, row: ConnectionRow) -> list[AccountRow]:
        """Return the accounts of a connection by their email address, archived ones too."""
        return await self._database.read(lambda conn: accounts.accounts_of(conn, row.workspace_id, row.id))

    async def tagged(self, row: ConnectionRow, tag: str) -> AccountRow | None:
        """Return a connection's account by its tag, whatever its case, or None."""
        return await self._database.read(
            lambda conn: accounts.account_by_tag(conn, row.workspace_id, row.id, tag_key(tag))
        )

    async def get(self, workspace_id: int, account_id: int) -> AccountView | None:
        """Return an account of a workspace with all that stands beside it, or None."""
        return await self._database.read(lambda conn: accounts.account_view(conn, workspace_id, account_id))

    async def audit(self, workspace_id: int, account_id: int, most_absent: int) -> list[MailboxAudit]:
        """Return what became of every UID of an account's mailboxes, with up to `most_absent` ranges each."""
        read = self._database.read
        audits = []
        for row in await read(lambda conn: mailboxes_to_audit(conn, workspace_id, account_id)):
            # One by one: each walks through a whole mailbox.
            outcomes = await read(partial(outcomes_of, row=row))
            audits.append(MailboxAudit(row, outcomes, await read(partial(absent_of, row=row, limit=most_absent))))
        return audits

    async def create(
        self, connection: ConnectionRow, change: AccountChange, *, in_transaction: InTransaction = nothing_else
    ) -> AccountRow:
        """Make an account; with credentials it is connected at once. Raises WrongInput.

        An archived one of this tag begins again, with the credentials that are given now.
        """
        now_ms, tag = self._clock.now_ms(), change.tag or ""
        empty = _empty(self._ids.next(), connection, tag, now_ms)

        def write(tx: Tx) -> AccountRow:
            if not accounts.hold_connection(tx, connection.workspace_id, connection.id):
                raise Gone
            before = accounts.account_by_tag(tx, connection.workspace_id, connection.id, tag_key(tag))
            if before is not None and not before.is_archived:
                raise TagTaken(tag)
            if before is None:
                changed = self._after(empty, change, connection)
                accounts.create_account(tx, changed.row, _state(changed.row).value)
                self._tell(tx, changed, connection)
            else:
                cleared, again = restored(before, change)
                changed = self._after(cleared, again, connection)
                accounts.begin_anew(tx, before.id)
                self._write(tx, changed, connection)
            in_transaction(tx)
            return changed.row

        try:
            return await self._database.write(write)
        except StoreConflict as error:
            raise TagTaken(tag) from error

    async def update(
        self,
        row: AccountRow,
        connection: ConnectionRow,
        change: AccountChange,
        *,
        in_transaction: InTransaction = nothing_else,
    ) -> AccountRow:
        """Change an account. New credentials are tried at once, and a failure of those before is forgotten.

        Raises WrongInput; of these TagTaken, and Gone where it was deleted.
        """

        def write(tx: Tx) -> AccountRow:
            before = accounts.account_by_id(tx, row.workspace_id, row.id)
            if before is None:
                raise Gone
            changed = self._after(before, change, connection)
            if changed.row.tag_key != before.tag_key and accounts.account_by_tag(
                tx, row.workspace_id, connection.id, changed.row.tag_key
            ):
                raise TagTaken(changed.row.tag)
            if changed.is_other_mailbox:
                accounts.begin_anew(tx, row.id)
            self._write(tx, changed, connection, was_archived=bool(before.is_archived))
            in_transaction(tx)
            return changed.row

        try:
            return await self._database.write(write)
        except StoreConflict as error:
            raise TagTaken(change.tag or row.tag) from error

    async def disconnect(
        self, row: AccountRow, connection: ConnectionRow, *, in_transaction: InTransaction = nothing_else
    ) -> AccountRow:
        """Forget an account's credentials and address; it is watched no more until somebody connects it."""
        change = AccountChange(email="", username="", password="", refresh_token="")
        return await self.update(row, connection, change, in_transaction=in_transaction)

    async def archive(self, row: AccountRow, *, in_transaction: InTransaction = nothing_else) -> bool:
        """Watch an account no more; tell whether it was not archived before. It keeps everything."""
        now_ms = self._clock.now_ms()

        def write(tx: Tx) -> bool:
            done = accounts.archive_account(tx, row.workspace_id, row.id, now_ms)
            return if_done(done, tx, in_transaction)

        return await self._database.write(write)

    async def restore(
        self, row: AccountRow, connection: ConnectionRow, *, in_transaction: InTransaction = nothing_else
    ) -> AccountRow:
        """Watch an archived account again, from where it was."""
        return await self.update(row, connection, AccountChange(is_archived=False), in_transaction=in_transaction)

    async def delete(self, row: AccountRow, *, in_transaction: InTransaction = nothing_else) -> bool:
        """Delete an account with all that was found; tell whether there was one."""

        return await self._delete(row.workspace_id, [row.id], in_transaction)

    async def _delete(
        self, workspace_id: int, ids: Sequence[int], in_transaction: InTransaction = nothing_else
    ) -> bool:
        now_ms = self._clock.now_ms()

        def close(tx: Tx) -> int:
            return sum(accounts.close_account(tx, workspace_id, account_id, now_ms) for account_id in ids)

        def delete(tx: Tx) -> bool:
            done = sum(accounts.delete_account(tx, workspace_id, account_id) for account_id in ids)
            return if_done(done > 0, tx, in_transaction)

        if not await self._database.write(close):
            return False
        # Nothing new comes: whoever watched them has lost its epoch. Should this end half-way, upkeep goes on.
        await self._drop(drop_events_of, ids, _PIECE)
        boxes = await self._database.read(lambda conn: [box.id for one in ids for box in mailboxes_of(conn, one)])
        await self._drop(drop_mails_of, boxes, _ROWS)
        return await self._database.write(delete)

    async def _drop(self, some: Callable[[Tx, int, int], int], ids: Sequence[int], limit: int) -> None:
        """Delete what belongs to each of these, `limit` rows in a transaction."""

        def write(tx: Tx) -> int:
            left = limit
            for one in ids:
                if left > 0:
                    left -= some(tx, one, left)
            return limit - left

        while await self._database.write(write):
            pass

    def _after(self, row: AccountRow, change: AccountChange, connection: ConnectionRow) -> Changed:
        provider = self.providers.get(connection.provider)
        if provider is None:
            raise WrongInput(
                "imap_provider_code",
                f"the provider {connection.provider} is gone: put it back into the file of POSTROOM_IMAP_PROVIDERS",
            )
        return self._rules.account(row, change, connection, provider, self._clock.now_ms())

    def _write(self, tx: Tx, changed: Changed, connection: ConnectionRow, *, was_archived: bool = True) -> None:
        row = changed.row
        accounts.update_account(tx, row)
        is_connected = row.connected_ms is not None
        if changed.new_credentials or is_connected != changed.was_connected or bool(row.is_archived) != was_archived:
            accounts.set_account_state(tx, row.id, _state(row).value, row.changed_ms)
        self._tell(tx, changed, connection)

    def _tell(self, tx: Tx, changed: Changed, connection: ConnectionRow) -> None:
        row = changed.row
        if changed.new_credentials:
            kind = EventKind.ACCOUNT_CONNECTED
        elif changed.was_connected and row.connected_ms is None:
            kind = EventKind.ACCOUNT_DISCONNECTED
        else:
            return
        facts = AccountFacts(row.id, row.workspace_id, row.tag, connection.provider, changed.told_email)
        append_events(tx, facts, (NewEvent(kind, row.changed_ms, {}),), self._ids, epoch=None)


def _state(row: AccountRow) -> AccountState:
    if row.is_archived:
        return AccountState.ARCHIVED
    return AccountState.UNCONNECTED if row.connected_ms is None else AccountState.CONNECTING


def _empty(account_id: int, connection: ConnectionRow, tag: str, now_ms: int) -> AccountRow:
    return AccountRow(
        id=account_id,
        workspace_id=connection.workspace_id,
        connection_id=connection.id,
        tag=tag,
        tag_key=tag_key(tag),
        email="",
        username="",
        password=None,
        refresh_token=None,
        server="",
        mailboxes="",
        is_tracer=0,
        is_archived=0,
        connected_ms=None,
        created_ms=now_ms,
        changed_ms=now_ms - 1,
    )
