"""Idempotency keys in the store: one claims, others see what stands."""

import asyncio

from postroom.store import idempotency
from postroom.store.database import Database
from postroom.store.idempotency import KEEP_MS, STALE_MS, new_claim


async def test_of_two_claims_one_wins_and_the_other_sees_it(database: Database) -> None:
    first, second = new_claim(1, "k", b"h", 1_000), new_claim(1, "k", b"h", 1_001)
    won, lost = await asyncio.gather(
        database.write(lambda tx: idempotency.claim(tx, first)),
        database.write(lambda tx: idempotency.claim(tx, second)),
    )
    assert won is None
    assert lost == first


async def test_a_finished_claim_gives_its_answer_byte_by_byte(database: Database) -> None:
    first = new_claim(1, "k", b"h", 1_000)
    await database.write(lambda tx: idempotency.claim(tx, first))
    assert await database.write(lambda tx: idempotency.finish(tx, first, 202, b'{"id": "\xc3\xa4"}'))
    stands = await database.write(lambda tx: idempotency.claim(tx, new_claim(1, "k", b"other", 2_000)))
    assert stands is not None
    assert (stands.status, stands.answer, stands.body_hash) == (202, b'{"id": "\xc3\xa4"}', b"h")


async def test_a_key_is_new_again_after_24_hours(database: Database) -> None:
    first = new_claim(1, "k", b"h", 1_000)
    await database.write(lambda tx: idempotency.claim(tx, first))
    await database.write(lambda tx: idempotency.finish(tx, first, 202, b"{}"))
    early, late = new_claim(1, "k", b"x", 1_000 + KEEP_MS - 1), new_claim(1, "k", b"x", 1_000 + KEEP_MS)
    assert await database.write(lambda tx: idempotency.claim(tx, early)) is not None
    assert await database.write(lambda tx: idempotency.claim(tx, late)) is None
    stands = await database.read(lambda conn: idempotency.get(conn, 1, "k"))
    assert stands == late


async def test_a_stale_claim_is_taken_over_and_its_late_finish_refused(database: Database) -> None:
    dead, heir = new_claim(1, "k", b"h", 1_000), new_claim(1, "k", b"h", 1_000 + STALE_MS)
    await database.write(lambda tx: idempotency.claim(tx, dead))
    assert await database.write(lambda tx: idempotency.claim(tx, heir)) is None
    assert not await database.write(lambda tx: idempotency.finish(tx, dead, 202, b"dead"))
    assert await database.write(lambda tx: idempotency.finish(tx, heir, 202, b"heir"))


async def test_a_stale_claim_with_another_body_is_not_taken_over(database: Database) -> None:
    dead = new_claim(1, "k", b"h", 1_000)
    await database.write(lambda tx: idempotency.claim(tx, dead))
    stands = await database.write(lambda tx: idempotency.claim(tx, new_claim(1, "k", b"x", 1_000 + STALE_MS)))
    assert stands == dead


async def test_a_freed_key_can_be_claimed_and_a_finished_one_is_not_freed(database: Database) -> None:
    first = new_claim(1, "k", b"h", 1_000)
    await database.write(lambda tx: idempotency.claim(tx, first))
    await database.write(lambda tx: idempotency.free(tx, first))
    second = new_claim(1, "k", b"x", 1_001)
    assert await database.write(lambda tx: idempotency.claim(tx, second)) is None
    await database.write(lambda tx: idempotency.finish(tx, second, 202, b"{}"))
    await database.write(lambda tx: idempotency.free(tx, second))
    assert await database.read(lambda conn: idempotency.get(conn, 1, "k")) is not None


async def test_workspaces_have_keys_of_their_own(database: Database) -> None:
    await database.write(lambda tx: idempotency.claim(tx, new_claim(1, "k", b"h", 1_000)))
    assert await database.write(lambda tx: idempotency.claim(tx, new_claim(2, "k", b"h", 1_000))) is None
    assert await database.read(lambda conn: idempotency.get(conn, 3, "k")) is None


async def test_expired_keys_are_deleted_in_portions(database: Database) -> None:
    for number in range(5):
        claim = new_claim(1, f"k{number}", b"h", 1_000 + number)
        await database.write(lambda tx, one=claim: idempotency.claim(tx, one))
    now_ms = 1_000 + 2 + KEEP_MS
    assert await database.write(lambda tx: idempotency.delete_expired(tx, now_ms, 2)) == 2
    assert await database.write(lambda tx: idempotency.delete_expired(tx, now_ms, 2)) == 1
    assert await database.write(lambda tx: idempotency.delete_expired(tx, now_ms, 2)) == 0


async def test_keys_whose_work_cannot_be_repeated_are_forgotten_and_no_others(database: Database) -> None:
    for workspace_id, key in ((0, "a"), (0, "b"), (0, "c"), (1, "a")):
        claim = new_claim(workspace_id, key, b"", 1_000)
        await database.write(lambda tx, one=claim: idempotency.claim(tx, one))

    await database.write(lambda tx: idempotency.forget(tx, 0, ["a", "c", "never there"]))
    await database.write(lambda tx: idempotency.forget(tx, 0, []))

    async def stands(workspace_id: int, key: str) -> bool:
        return await database.read(lambda conn: idempotency.get(conn, workspace_id, key)) is not None

    assert [await stands(*one) for one in ((0, "a"), (0, "b"), (0, "c"), (1, "a"))] == [False, True, False, True]
