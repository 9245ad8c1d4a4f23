"""Watched accounts: nothing is missed, nothing is told twice, and how it goes is said in words."""

from collections.abc import AsyncIterator

import pytest
from watch_world import WatchWorld, watch_world


@pytest.fixture
async def world(sqlite_url: str) -> AsyncIterator[WatchWorld]:
    async with watch_world(sqlite_url) as opened:
        yield opened


def mail(number: int) -> bytes:
    return f"From: a@b.test\r\nSubject: {number}\r\nMessage-ID: <{number}@b.test>\r\n\r\nhello {number}\r\n".encode()


async def test_new_mail_is_told_and_old_mail_is_not(world: WatchWorld) -> None:
    world.server.append(mail(1))
    account = await world.account()
    await world.node()
    await world.until_state(account, "watching")

    world.server.append(mail(2))
    world.server.append(mail(3))
    await world.until_told(2)

    assert await world.told() == [(account, 1), (account, 2)]
    assert await world.outcomes() == [(2, "delivered"), (3, "delivered")]
