"""Who watches an account, cursors, status: only the holder of the epoch writes, and only from where it read."""

import pytest

from postroom.base.clock import ManualClock
from postroom.ledger.account_rows import AccountMailRow, AccountRow, AccountState, ConnectionRow, MailboxRow
from postroom.ledger.rows import WorkspaceRow
from postroom.store import accounts, watching
from postroom.store.account_events import LostEpoch
from postroom.store.database import Database, Tx

NOW = ManualClock().now_ms()


def account(number: int, **facts: int) -> AccountRow:
    row = AccountRow(
        number, 1, 5, f"t{number}", f"t{number}", "a@b.test", "", b"p", None, "", "", 0, 0, NOW, NOW, NOW + number
    )
    return row._replace(**facts)


def mailbox(account_id: int = 11) -> MailboxRow:
    return MailboxRow(1, account_id, 1, "INBOX", 7, 5, 10, 0, None, NOW, NOW, 0)


@pytest.fixture
async def store(database: Database) -> Database:
    """Accounts 11 and 12 of workspace 1; nobody watches them."""

    def make(tx: Tx) -> None:
        tx.add(WorkspaceRow(1, "shop", NOW))
        tx.add(ConnectionRow(5, 1, "PLAIN", "", None, "", NOW))
        for number in (11, 12):
            accounts.create_account(tx, account(number), "unconnected")

    await database.write(make)
    return database


async def take(store: Database, account_id: int, node: int, epoch: int) -> int | None:
    return await store.write(lambda tx: watching.take(tx, account_id, node, epoch))


async def test_of_two_who_take_an_account_one_has_it(store: Database) -> None:
    assert (await take(store, 11, 3, 0), await take(store, 11, 4, 0)) == (1, None)
    assert await take(store, 11, 4, 1) == 2

    loaded = await store.read(lambda conn: watching.load(conn, 11))
    assert loaded is not None
    assert (loaded.owner.node, loaded.owner.epoch) == (4, 2)
    assert await store.read(lambda conn: watching.accounts_of_node(conn, 4)) == 1


async def test_what_is_to_be_watched_is_connected_and_not_archived(store: Database) -> None:
    await store.write(lambda tx: accounts.create_account(tx, account(13, is_archived=1), "archived"))
    await store.write(lambda tx: accounts.create_account(tx, account(14)._replace(connected_ms=None), "unconnected"))

    found = await store.read(lambda conn: watching.watchable(conn, 0))
    named = await store.read(lambda conn: watching.watchable_of(conn, [12, 13, 14]))

    assert [one.account_id for one in found] == [11, 12]
    assert [one.account_id for one in named] == [12]


async def test_a_change_is_seen_whatever_the_clock_of_the_node_that_made_it(store: Database) -> None:
    """By an hour: on PostgreSQL the database's clock decides, on SQLite there is one node."""
    late, now = NOW - 3_600_000, NOW + 60_000
    moved = account(11)._replace(email="new@b.test", changed_ms=late)
    changes = (
        lambda tx: accounts.update_account(tx, moved),
        lambda tx: accounts.archive_account(tx, 1, 12, late),
        lambda tx: accounts.close_account(tx, 1, 11, late),
        lambda tx: accounts.update_connection(tx, ConnectionRow(5, 1, "PLAIN", "id", None, "", NOW), late),
    )

    async def times() -> dict[int, int]:
        rows = [await store.read(lambda conn, one=one: accounts.any_account(conn, one)) for one in (11, 12)]  # type: ignore[misc]
        return {row.id: row.changed_ms for row in rows if row is not None}

    before = await times()
    for change in changes:
        assert await store.write(change)
        after = await times()
        assert all(after[one] >= before[one] for one in after)
        assert after != before
        before = after

    assert await store.read(lambda conn: watching.changed_lately(conn, now)) == [
        one for _, one in sorted((at, one) for one, at in before.items())
    ]


async def test_accounts_of_dead_nodes_and_of_none_are_found(store: Database) -> None:
    await take(store, 11, 3, 0)

    assert [one.account_id for one in await store.read(lambda conn: watching.nobodys(conn, [3]))] == [12]
    assert [one.account_id for one in await store.read(lambda conn: watching.nobodys(conn, [4]))] == [11, 12]


async def test_a_cursor_moves_only_from_where_it_was_read(store: Database) -> None:
    await take(store, 11, 3, 0)
    row = mailbox()
    await store.write(lambda tx: watching.begin_mailbox(tx, row, 1))

    await store.write(lambda tx: watching.move_cursor(tx, row, 12, NOW))
    with pytest.raises(watching.LostCursor):
        await store.write(lambda tx: watching.move_cursor(tx, row, 11, NOW))

    assert [one.uid_next for one in await store.read(lambda conn: watching.mailboxes_of(conn, 11))] == [12]


async def test_a_first_cursor_is_written_under_the_epoch_only(store: Database) -> None:
    await take(store, 11, 3, 0)

    with pytest.raises(LostEpoch):
        await store.write(lambda tx: watching.begin_mailbox(tx, mailbox(), 2))

    assert await store.read(lambda conn: watching.mailboxes_of(conn, 11)) == []


async def test_a_new_epoch_of_uids_begins_once_and_ends_a_sweep(store: Database) -> None:
    await take(store, 11, 3, 0)
    row = mailbox()._replace(sweep_next=2)
    await store.write(lambda tx: watching.begin_mailbox(tx, row, 1))
    again = row._replace(uid_validity=8, first_uid=1, uid_next=1, sweep_next=None)

    await store.write(lambda tx: watching.begin_again(tx, again, 7))
    with pytest.raises(watching.LostCursor):
        await store.write(lambda tx: watching.begin_again(tx, again, 7))
    with pytest.raises(watching.LostCursor):
        await store.write(lambda tx: watching.move_sweep(tx, row, 3))

    assert await store.read(lambda conn: watching.mailboxes_of(conn, 11)) == [again]


async def test_the_status_is_written_by_the_holder_and_not_of_an_archived_account(store: Database) -> None:
    await take(store, 11, 3, 0)
    loaded = await store.read(lambda conn: watching.load(conn, 11))
    assert loaded is not None
    going = loaded.status._replace(state=AccountState.WATCHING.value, failures=2)

    async def state() -> str:
        view = await store.read(lambda conn: accounts.account_view(conn, 1, 11))
        assert view is not None
        return view.status.state

    await store.write(lambda tx: watching.set_status(tx, going, 2))
    assert await state() == "unconnected"
    await store.write(lambda tx: watching.set_status(tx, going, 1))
    assert await state() == "watching"
    await store.write(lambda tx: accounts.archive_account(tx, 1, 11, NOW) and None)
    await store.write(lambda tx: watching.set_status(tx, going, 1))
    assert await state() == "archived"


async def test_known_uids_are_those_of_the_present_epoch(store: Database) -> None:
    row = mailbox()

    def make(tx: Tx) -> None:
        for validity, uid in ((6, 5), (7, 6), (7, 8), (7, 30)):
            tx.add(AccountMailRow(1, validity, uid, 11, 1, "delivered", None, 0, None, None, NOW, NOW, NOW))

    await store.write(make)

    assert await store.read(lambda conn: watching.known_between(conn, row, 1, 20, 10)) == [6, 8]
    assert await store.read(lambda conn: watching.known_of(conn, row, [5, 6, 7, 30])) == {6, 30}
    counts = await store.read(lambda conn: watching.outcomes_of(conn, row))
    assert counts == [watching.OutcomeCount("delivered", 3, 6, 30)]
