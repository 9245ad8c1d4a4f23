"""What the ledger says of an account's mailboxes, and a sweep that somebody asks for; on both engines."""

import pytest

from postroom.accounts.changes import AccountChange, ConnectionChange
from postroom.accounts.providers import Providers
from postroom.accounts.registry import Accounts
from postroom.base.clock import ManualClock
from postroom.base.ids import IdSource
from postroom.base.secrets import Sealer
from postroom.ledger.account_rows import AccountMailRow, AccountRow, MailboxRow, Outcome
from postroom.ledger.rows import WorkspaceRow
from postroom.store import accounts
from postroom.store.account_audit import absent_of
from postroom.store.database import Database, Tx


@pytest.fixture
async def registry(database: Database, clock: ManualClock) -> Accounts:
    await database.write(lambda tx: tx.add(WorkspaceRow(1, "shop", 1)))
    return Accounts(database, IdSource(1, clock), clock, Sealer(bytes(32)), Providers())


@pytest.fixture
async def account(registry: Accounts) -> AccountRow:
    provider = registry.providers.get("FASTMAIL")
    assert provider is not None
    connection = await registry.create_connection(1, provider, ConnectionChange())
    return await registry.create(connection, AccountChange(tag="ann"))


def opened(account: AccountRow, first_uid: int = 10, uid_next: int = 10) -> MailboxRow:
    return MailboxRow(5, account.id, 1, "INBOX", 99, first_uid, uid_next, 0, None, 7, 7, 0)


async def test_every_uid_has_an_outcome_or_was_not_there(
    database: Database, registry: Accounts, account: AccountRow
) -> None:
    uids = {3: Outcome.DELIVERED, 12: Outcome.DELIVERED, 13: Outcome.TRACER, 20: Outcome.VANISHED}

    def write(tx: Tx) -> None:
        tx.add(opened(account, uid_next=25))
        for uid, outcome in uids.items():
            tx.add(AccountMailRow(5, 99, uid, account.id, 1, outcome.value, None, 1, None, None, 1, 1, 1))
        # Of the epoch before.
        tx.add(AccountMailRow(5, 98, 11, account.id, 1, "delivered", None, 1, None, None, 1, 1, 1))

    await database.write(write)
    (found,) = await registry.audit(1, account.id, 100)
    assert {(one.outcome, one.mails, one.first, one.last) for one in found.outcomes} == {
        ("delivered", 2, 3, 12),
        ("tracer", 1, 13, 13),
        ("vanished", 1, 20, 20),
    }
    assert found.absent == [(10, 11), (14, 19), (21, 24)]
    for limit in (1, 2):
        cut = await database.read(lambda conn, limit=limit: absent_of(conn, found.mailbox, limit))  # type: ignore[misc]
        assert cut == found.absent[:limit]
    full = found.mailbox._replace(first_uid=12, uid_next=14)
    assert await database.read(lambda conn: absent_of(conn, full, 5)) == []
    assert await registry.audit(2, account.id, 2) == []


async def test_a_mailbox_without_news_has_no_gap(database: Database, registry: Accounts, account: AccountRow) -> None:
    await database.write(lambda tx: tx.add(opened(account)))
    (found,) = await registry.audit(1, account.id, 100)
    assert (found.outcomes, found.absent) == ([], [])


async def test_a_sweep_begins_below_where_watching_began_and_wakes_who_watches(
    database: Database, registry: Accounts, account: AccountRow, clock: ManualClock
) -> None:
    woken: list[set[int]] = []
    database.on_commit(accounts.WAKE, woken.append)
    assert await database.write(lambda tx: accounts.begin_sweep(tx, 1, account.id, 5)) is None
    new = opened(account, first_uid=1)._replace(id=6, name="New")
    for row in (opened(account), new):
        await database.write(lambda tx, row=row: tx.add(row))  # type: ignore[misc]
    assert await database.write(lambda tx: accounts.begin_sweep(tx, 2, account.id, 5)) is None
    assert await database.write(lambda tx: accounts.begin_sweep(tx, 1, account.id, 5)) == [("INBOX", 10)]
    found = await registry.audit(1, account.id, 1)
    assert [(one.mailbox.name, one.mailbox.sweep_next) for one in found] == [("INBOX", 1), ("New", None)]
    assert woken == [{account.id}]
