"""The canary and the token keys."""

import asyncio

import pytest

from postroom.base.errors import PostroomError
from postroom.base.secrets import CannotOpen, Sealer
from postroom.store import secrets
from postroom.store.database import Database, statement

RIGHT, WRONG = Sealer(b"r" * 32), Sealer(b"w" * 32)


async def test_the_master_key_of_a_new_database_is_the_right_one_from_then_on(database: Database) -> None:
    await database.write(lambda tx: secrets.check_master_key(tx, RIGHT, 5))
    await database.write(lambda tx: secrets.check_master_key(tx, RIGHT, 6))

    with pytest.raises(secrets.WrongMasterKey, match="POSTROOM_SECRET"):
        await database.write(lambda tx: secrets.check_master_key(tx, WRONG, 7))


async def test_a_moved_secret_does_not_open(database: Database) -> None:
    await database.write(lambda tx: secrets.first_token_key(tx, RIGHT, b"k" * 32, 5))
    await database.write(lambda tx: tx.run(statement("UPDATE secret SET name = 'token_key/3'")))

    with pytest.raises(CannotOpen):
        await database.read(lambda conn: secrets.load_token_keys(conn, RIGHT, 7))


async def test_the_ring_grows_and_keeps_old_keys(database: Database) -> None:
    assert await database.read(lambda conn: secrets.load_token_keys(conn, RIGHT, 7)) is None
    await database.write(lambda tx: secrets.first_token_key(tx, RIGHT, b"a" * 32, 5))
    for number in range(1, 12):
        key = bytes((number,)) * 32
        assert await database.write(lambda tx, key=key: secrets.add_token_key(tx, RIGHT, key, 6)) == number  # type: ignore[misc]

    ring = await database.read(lambda conn: secrets.load_token_keys(conn, RIGHT, 7))

    assert ring is not None
    assert ring.items() == [(0, b"a" * 32), *((number, bytes((number,)) * 32) for number in range(1, 12))]


async def test_a_new_key_signs_only_when_every_node_has_read_it(database: Database) -> None:
    """A node that does not know it would refuse the bounces and answers of what it signed."""
    await database.write(lambda tx: secrets.first_token_key(tx, RIGHT, b"a" * 32, 5))
    await database.write(lambda tx: secrets.add_token_key(tx, RIGHT, b"b" * 32, 1000))

    async def signs_with(now_ms: int) -> int:
        ring = await database.read(lambda conn: secrets.load_token_keys(conn, RIGHT, now_ms))
        assert ring is not None
        assert len(ring.items()) == 2
        return ring.signs_with

    rested = 1000 + secrets.TOKEN_KEY_RESTS_MS
    assert [await signs_with(now) for now in (6, 1000, rested - 1, rested)] == [0, 0, 0, 1]


async def test_of_two_nodes_that_make_the_first_key_both_get_the_same(database: Database) -> None:
    rings = await asyncio.gather(
        *(
            database.write(lambda tx, key=key: secrets.first_token_key(tx, RIGHT, key * 32, 5))  # type: ignore[misc]
            for key in (b"a", b"b")
        )
    )

    assert rings[0].items() == rings[1].items()


async def test_there_are_at_most_256_token_keys(database: Database) -> None:
    await database.write(
        lambda tx: [
            tx.run(statement("INSERT INTO secret VALUES ('token_key/255', ?, 5)"), (sealed,)) for sealed in ends
        ]
    )

    with pytest.raises(PostroomError, match="256"):
        await database.write(lambda tx: secrets.add_token_key(tx, RIGHT, b"x" * 32, 5))


ends = [RIGHT.seal(b"e" * 32, "secret/token_key/255")]
