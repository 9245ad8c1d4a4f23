"""Places for requests: who hangs leaves room."""

import asyncio

from webhook_world import until

from postroom.net.slots import Slots


async def test_a_request_that_lasts_gives_its_place_back_and_counts_as_late() -> None:
    slots, entered, end = Slots(1, 0.01), [], asyncio.Event()

    async def request(number: int) -> None:
        async with slots.take(is_slow=False):
            entered.append(number)
            await end.wait()

    tasks = [asyncio.create_task(request(number)) for number in range(6)]
    await until(lambda: len(entered) == 4)
    await asyncio.sleep(0.05)
    # Three late ones and the one that holds the place; the rest wait.
    assert entered == [0, 1, 2, 3]

    end.set()
    await asyncio.gather(*tasks)
    assert sorted(entered) == list(range(6))
    async with asyncio.timeout(5), slots.take(is_slow=False):
        pass


async def test_slow_ones_wait_for_one_another_only() -> None:
    slots, end = Slots(1, 0.01), asyncio.Event()

    async def hang() -> None:
        async with slots.take(is_slow=True):
            await end.wait()

    tasks = [asyncio.create_task(hang()) for _ in range(3)]
    await asyncio.sleep(0.03)

    async with asyncio.timeout(1), slots.take(is_slow=False):
        pass
    end.set()
    await asyncio.gather(*tasks)
