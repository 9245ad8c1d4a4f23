"""Room for large bodies: a budget, given out in the order of asking."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from postroom.doors.http.large_bodies import LARGE_BYTES, LargeBodies
from postroom.doors.http.problems import Problem

BIG = 3 * LARGE_BYTES


async def test_small_bodies_pass_while_the_budget_is_taken() -> None:
    bodies = LargeBodies(budget_bytes=BIG)
    async with bodies.room(BIG), asyncio.timeout(5), bodies.room(LARGE_BYTES):
        pass


async def test_a_large_body_waits_for_room_and_gets_it_in_its_turn() -> None:
    bodies, order = LargeBodies(budget_bytes=BIG), []

    async def take(name: str, size: int) -> None:
        async with bodies.room(size):
            order.append(name)

    async with AsyncExitStack() as held:
        await held.enter_async_context(bodies.room(BIG))
        waiting = [asyncio.create_task(take("first", BIG)), asyncio.create_task(take("second", 2 * LARGE_BYTES))]
        await asyncio.sleep(0)
        assert order == []
    await asyncio.gather(*waiting)
    assert order == ["first", "second"]


async def test_who_waits_too_long_is_told_to_come_again_and_holds_nobody_up() -> None:
    bodies = LargeBodies(budget_bytes=BIG, wait_seconds=0.01)
    async with bodies.room(BIG):
        with pytest.raises(Problem) as refused:
            async with bodies.room(BIG):
                pass
        assert refused.value.details.status == 503
    async with bodies.room(BIG):
        pass


async def test_a_cancelled_waiter_leaves_its_room_to_others() -> None:
    bodies = LargeBodies(budget_bytes=BIG)

    async def take() -> None:
        async with bodies.room(BIG):
            pass

    async with bodies.room(BIG):
        waiting = asyncio.create_task(take())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
    async with asyncio.timeout(5), bodies.room(BIG):
        pass
