"""Lists of accounts: pages, filters, and who watches how many."""

from account_rows import add_account, add_connection

from postroom.base.clock import ManualClock
from postroom.base.ids import IdSource
from postroom.ledger.account_rows import AccountState
from postroom.ledger.rows import WorkspaceRow
from postroom.store import account_list
from postroom.store.account_list import AccountFilter
from postroom.store.database import Database

LAST = (1 << 63) - 1


async def _tags(database: Database, before: int = LAST, limit: int = 50, **asked: str) -> list[str]:
    lines = await database.read(lambda conn: account_list.account_lines(conn, 1, AccountFilter(**asked), before, limit))
    return [line.tag for line in lines]


async def test_accounts_are_found_by_state_provider_and_a_part_of_their_name(
    database: Database, clock: ManualClock
) -> None:
    ids, now = IdSource(1, clock), clock.now_ms()
    for workspace_id in (1, 2):
        name = f"w{workspace_id}"
        await database.write(lambda tx: tx.add(WorkspaceRow(workspace_id, name, 0)))  # noqa: B023
    plain = await add_connection(database, ids, 1)
    gmail = await add_connection(database, ids, 1, "GMAIL")
    other = await add_connection(database, ids, 2)
    await add_account(database, ids, plain, "Ann", now)
    bob = await add_account(database, ids, plain, "bob_1", now, state=AccountState.AWAY, node=None, why="it is away")
    await add_account(database, ids, gmail, "bobx1", now, node=2)
    await add_account(database, ids, plain, "new", now, state=AccountState.UNCONNECTED, node=None)
    await add_account(database, ids, other, "ann", now)

    assert await _tags(database) == ["new", "bobx1", "bob_1", "Ann"]
    assert await _tags(database, limit=2) == ["new", "bobx1"]
    assert await _tags(database, before=bob.account.id) == ["Ann"]
    assert await _tags(database, state="away") == ["bob_1"]
    assert await _tags(database, provider="GMAIL") == ["bobx1"]
    assert await _tags(database, text="ANN") == ["Ann"]
    assert await _tags(database, text="B_1") == ["bob_1"]
    assert await _tags(database, text="example", state="watching") == ["bobx1", "Ann"]
    assert await database.read(lambda conn: account_list.count_states(conn, 1)) == {
        "watching": 2,
        "away": 1,
        "unconnected": 1,
    }
    assert await database.read(account_list.count_states) == {"watching": 3, "away": 1, "unconnected": 1}
    assert await database.read(account_list.count_by_node) == {1: 2, 2: 1}
    assert await database.read(account_list.count_unwatched) == 1
