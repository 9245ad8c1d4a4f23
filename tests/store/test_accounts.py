"""Accounts and connections: what is made, changed and connected, and what watchers and receivers hear of it."""

import asyncio
import json
from dataclasses import replace

import pytest

from postroom.access.partner_keys import PartnerKeys
from postroom.access.workspaces import Workspaces
from postroom.accounts.changes import SECRET_TEXT, AccountChange, ConnectionChange
from postroom.accounts.partners import Partner, Partners
from postroom.accounts.providers import Providers
from postroom.accounts.registry import Accounts, Gone
from postroom.base.clock import ManualClock
from postroom.base.ids import IdSource
from postroom.base.packing import pack
from postroom.base.secrets import Sealer
from postroom.events.accounts import AccountFacts, Found, NewEvent, append_mails
from postroom.ledger.account_rows import AccountMailRow, AccountRow, AccountState, ConnectionRow, MailboxRow
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.rows import WorkspaceRow
from postroom.store import accounts as store
from postroom.store import events
from postroom.store.database import Database, Tx, statement
from postroom.webhooks.partner_hooks import PartnerHooks

SEALER = Sealer(bytes(32))


@pytest.fixture
async def registry(database: Database, clock: ManualClock) -> Accounts:
    await database.write(lambda tx: tx.add(WorkspaceRow(1, "shop", 1)))
    return Accounts(database, IdSource(1, clock), clock, SEALER, Providers())


@pytest.fixture
async def connection(registry: Accounts) -> ConnectionRow:
    provider = registry.providers.get("FASTMAIL")
    assert provider is not None
    return await registry.create_connection(1, provider, ConnectionChange())


async def state_of(database: Database, account: AccountRow) -> tuple[str, int | None, int]:
    view = await database.read(lambda conn: store.account_view(conn, 1, account.id))
    assert view is not None
    return view.status.state, view.status.auth_failed_ms, view.owner.epoch


async def told(database: Database) -> list[tuple[str, object]]:
    rows = await database.read(lambda conn: events.feed(conn, 1, 0, 100))
    return [(row.kind, json.loads(row.detail)["email"]) for row in rows]


async def test_an_account_with_credentials_is_connected_at_once_and_told_of(
    registry: Accounts, connection: ConnectionRow, database: Database, clock: ManualClock
) -> None:
    woken: list[set[int]] = []
    database.on_commit(store.WAKE, woken.append)
    bare = await registry.create(connection, AccountChange(tag="bare"))
    ready = await registry.create(connection, AccountChange(tag="Ann", username="ann@example.com", password="hunter2"))
    assert (bare.connected_ms, ready.connected_ms) == (None, clock.now_ms())
    assert ready.email == "ann@example.com"
    assert (await state_of(database, bare))[0] == AccountState.UNCONNECTED
    assert (await state_of(database, ready))[0] == AccountState.CONNECTING
    assert await told(database) == [("account_connected", "ann@example.com")]
    assert set().union(*woken) == {bare.id, ready.id}


async def test_new_credentials_clear_the_failure_and_the_same_ones_change_nothing(
    registry: Accounts, connection: ConnectionRow, database: Database, clock: ManualClock
) -> None:
    account = await registry.create(connection, AccountChange(tag="ann", username="ann@example.com", password="old"))
    refused = statement("UPDATE account_status SET state = 'refused', auth_failed_ms = 7 WHERE account_id = ?")
    await database.write(lambda tx: tx.run(refused, (account.id,)))
    clock.advance(ms=5)
    same = await registry.update(account, connection, AccountChange(password="old", username="ann@example.com"))
    assert same.connected_ms == account.connected_ms
    assert await state_of(database, account) == ("refused", 7, 0)
    shown = await registry.update(account, connection, AccountChange(password=SECRET_TEXT))
    assert shown.password == account.password
    new = await registry.update(account, connection, AccountChange(password="new"))
    assert new.connected_ms == clock.now_ms()
    assert new.changed_ms > account.changed_ms
    assert await state_of(database, account) == ("connecting", None, 0)
    assert [kind for kind, _ in await told(database)] == ["account_connected"] * 2


async def test_another_mailbox_begins_anew_and_whoever_watched_the_old_one_lets_go(
    registry: Accounts, connection: ConnectionRow, database: Database
) -> None:
    account = await registry.create(connection, AccountChange(tag="ann", username="ann@example.com", password="p"))
    mailbox = MailboxRow(5, account.id, 1, "INBOX", 9, 1, 1, 0, None, 0, 0, 0)
    await database.write(lambda tx: tx.add(mailbox))
    await registry.update(account, connection, AccountChange(password="other"))
    left = statement("SELECT count(*) FROM mailbox WHERE account_id = ?")
    assert await database.read(lambda conn: conn.one(left, (account.id,))) == (1,)
    await registry.update(account, connection, AccountChange(username="bob@example.com"))
    assert await database.read(lambda conn: conn.one(left, (account.id,))) == (0,)
    assert (await state_of(database, account))[2] == 1


async def test_an_archived_account_is_restored_where_it_was_and_made_again_without_its_credentials(
    registry: Accounts, connection: ConnectionRow, database: Database
) -> None:
    account = await registry.create(connection, AccountChange(tag="ann", username="ann@example.com", password="p"))
    assert await registry.archive(account)
    assert not await registry.archive(account)
    assert (await state_of(database, account))[0] == AccountState.ARCHIVED
    back = await registry.restore(account, connection)
    assert (back.is_archived, back.connected_ms) == (0, account.connected_ms)
    assert (await state_of(database, account))[0] == AccountState.CONNECTING
    await registry.archive(account)
    again = await registry.create(connection, AccountChange(tag="ANN"))
    assert (again.id, again.tag, again.is_archived) == (account.id, "ANN", 0)
    assert (again.password, again.email, again.connected_ms) == (None, "", None)


async def test_a_deleted_connection_takes_its_accounts_along_and_all_that_was_found(
    registry: Accounts, connection: ConnectionRow, database: Database, clock: ManualClock
) -> None:
    ids = IdSource(2, clock)
    account = await registry.create(connection, AccountChange(tag="ann", username="ann@example.com", password="p"))
    await registry.create(connection, AccountChange(tag="bob"))
    facts = AccountFacts(account.id, 1, "ann", "FASTMAIL", account.email)
    found = [
        Found(
            AccountMailRow(5, 9, uid, account.id, 1, "delivered", None, 1, None, None, 1, 1, 1),
            NewEvent(EventKind.MAIL_ARRIVED, 1, {}, pack(b"mail")) if uid % 2 else None,
        )
        for uid in range(1, 140)
    ]

    def write(tx: Tx) -> None:
        tx.add(MailboxRow(5, account.id, 1, "INBOX", 9, 1, 140, 0, None, 0, 0, 0))
        append_mails(tx, facts, found, ids, epoch=0)

    await database.write(write)
    assert await registry.delete_connection(connection)
    assert not await registry.delete_connection(connection)
    tables = "connection account account_owner account_status mailbox account_mail account_event account_content event"
    for table in tables.split():
        left = await database.read(lambda conn, table=table: conn.one(statement(f"SELECT count(*) FROM {table}")))
        assert left == (0,), table


async def test_partners_and_their_keys_are_kept_and_found(
    registry: Accounts, database: Database, clock: ManualClock
) -> None:
    partners, ids = Partners(database, clock), IdSource(3, clock)
    keys = PartnerKeys(database, Workspaces(database, ids, clock), ids, clock, SEALER)
    hooks = PartnerHooks(database, ids, clock, SEALER)
    change = hooks.prepare(1, {"new_mail_webhook": "https://a.example/", "user_connected_webhook": ""})
    written = Partner("https://a.example/ok", "", ("https://b.example",), 0)
    assert await partners.get(1) == Partner()
    await partners.put(1, written, in_transaction=change.write)
    assert await partners.get(1) == written
    await partners.put(1, replace(written, retries=3))
    assert (await partners.get(1)).retries == 3
    assert await hooks.urls(1) == {"new_mail_webhook": "https://a.example/"}
    assert set(change.secrets) == {"new_mail_webhook"}
    workspace = WorkspaceRow(1, "shop", 1)
    old, new = await keys.create(workspace), await keys.create(workspace)
    assert [row.id for row in await keys.list(workspace)] == [new.id, old.id]
    (newest, _) = await keys.list(workspace)
    assert SEALER.open(newest.sealed, f"partner_key/{newest.id}/sealed").decode() == new.secret
    for made in (old, new):
        assert await keys.check(made.secret) == workspace
    assert await keys.check(new.secret.upper()) is None
    assert await keys.delete(workspace, old.id)
    assert not await keys.delete(workspace, old.id)


async def test_no_account_is_added_to_a_connection_that_is_deleted(
    registry: Accounts, connection: ConnectionRow, database: Database
) -> None:
    adding = [registry.create(connection, AccountChange(tag=f"user {number}")) for number in range(20)]
    done = await asyncio.gather(
        *adding[:10], registry.delete_connection(connection), *adding[10:], return_exceptions=True
    )
    assert done[10] is True
    assert {type(one).__name__ for one in (*done[:10], *done[11:])} <= {"AccountRow", "Gone"}
    assert await database.read(lambda conn: conn.one(statement("SELECT count(*) FROM account"))) == (0,)
    with pytest.raises(Gone):
        await registry.create(connection, AccountChange(tag="late"))


async def test_two_who_make_the_same_tag_at_once_make_one_account(
    registry: Accounts, connection: ConnectionRow
) -> None:
    made = await asyncio.gather(
        *(registry.create(connection, AccountChange(tag=tag)) for tag in ("Ann", "ann", "ANN")), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in made) == ["AccountRow", "TagTaken", "TagTaken"]
    assert len(await registry.of_connection(connection)) == 1
