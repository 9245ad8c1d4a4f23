"""People on the way to a provider, in the store."""

from postroom.ledger.account_rows import AccountStatusRow, ConnectDanceRow
from postroom.store import connecting
from postroom.store.database import Database, statement

HOUR_MS = 3_600_000


def _dance(number: int, account_id: int = 7, expires_ms: int = HOUR_MS) -> ConnectDanceRow:
    return ConnectDanceRow(bytes((number,)) * 32, account_id, 1, b"sealed", "https://a.test/", "", expires_ms)


async def test_a_dance_is_taken_once_and_not_after_its_end(database: Database) -> None:
    for row in (_dance(1), _dance(2, expires_ms=500)):
        assert await database.write(lambda tx, row=row: connecting.begin_dance(tx, row, 100))  # type: ignore[misc]

    taken = [
        await database.write(lambda tx, state=state: connecting.take_dance(tx, state, 1_000))  # type: ignore[misc]
        for state in (_dance(1).state, _dance(1).state, _dance(2).state, b"unknown")
    ]

    assert taken == [_dance(1), None, None, None]


async def test_an_account_has_a_bounded_number_of_dances_and_old_ones_go(database: Database) -> None:
    begun = [
        await database.write(lambda tx, row=row: connecting.begin_dance(tx, row, 100))  # type: ignore[misc]
        for row in map(_dance, range(connecting.MOST_DANCES + 1))
    ]
    another = await database.write(lambda tx: connecting.begin_dance(tx, _dance(99, account_id=8), 100))
    later = await database.write(lambda tx: connecting.begin_dance(tx, _dance(100), HOUR_MS))
    await database.write(lambda tx: connecting.forget_dances(tx, 7))

    assert begun == [True] * connecting.MOST_DANCES + [False]
    assert (another, later) == (True, True)
    assert await database.read(lambda conn: conn.all(statement("SELECT account_id FROM connect_dance"))) == []


async def test_the_end_of_a_token_stands_in_the_status(database: Database) -> None:
    await database.write(lambda tx: tx.add(AccountStatusRow(7, 1)))
    asked = statement("SELECT token_expires_ms FROM account_status")
    for ends_ms in (5_000, None):
        await database.write(lambda tx, ends_ms=ends_ms: connecting.set_token_end(tx, 7, ends_ms))  # type: ignore[misc]
        assert await database.read(lambda conn: conn.all(asked)) == [(ends_ms,)]
