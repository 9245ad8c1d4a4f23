"""Accounts that nodes share: moved without a blind gap, taken over from the dead, never told by two."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from peers.postgres import Databases
from watch_world import Node, WatchWorld, watch_world

from postroom.accounts.supervisor import ROLE
from postroom.cluster.owners import owner_of
from postroom.store import postgresql_source
from postroom.store.database import statement

ACCOUNTS = 12


@pytest.fixture
async def world(postgres: Databases) -> AsyncIterator[WatchWorld]:
    template = postgres.template_database("store", postgresql_source.migrate_postgresql)
    url = postgres.fresh_database(template)
    async with watch_world(url) as opened:
        yield opened
    postgres.drop_database(url)


def mail(number: int) -> bytes:
    return f"Subject: {number}\r\n\r\nhello\r\n".encode()


async def some_accounts(world: WatchWorld, count: int = ACCOUNTS) -> list[int]:
    return [await world.account(number) for number in range(1, count + 1)]


async def until_shared(world: WatchWorld, accounts: list[int], *nodes: Node) -> None:
    """Wait until each account is watched by the node that the live ones give it to, and by no other."""

    def met() -> bool:
        numbers = [node.nodes.number for node in nodes]
        for node in nodes:
            own = {one for one in accounts if owner_of(f"account/{one}", numbers) == node.nodes.number}
            held = {one for one, watcher in node.supervisor.watchers.items() if watcher.state == "watching"}
            if held != own or any(watcher.epoch is None for watcher in node.supervisor.watchers.values()):
                return False
        return True

    await world.until(met, step=0.5)


async def owners(world: WatchWorld) -> dict[int, tuple[int, int]]:
    rows = await world.rows("SELECT account_id, node, epoch FROM account_owner")
    return {row[0]: (row[1], row[2]) for row in rows}


async def test_a_new_node_takes_its_share_and_no_mail_is_missed_meanwhile(world: WatchWorld) -> None:
    accounts = await some_accounts(world)
    one = await world.node("one")
    await until_shared(world, accounts, one)
    before = await owners(world)

    two = await world.node("two")
    for number in range(5):
        world.server.append(mail(number))
        await world.pass_time(1, step=0.2)
    await until_shared(world, accounts, one, two)
    await world.until_told(5 * len(accounts), step=0.2)

    after = await owners(world)
    moved = {account for account in accounts if after[account] != before[account]}
    assert moved == {account for account in accounts if after[account][0] == two.nodes.number}
    assert 0 < len(moved) < len(accounts), "only what it wins moves"
    assert await world.told() == [(account, number) for account in sorted(accounts) for number in range(1, 6)]


async def test_a_move_connects_before_the_old_node_lets_go(world: WatchWorld) -> None:
    accounts = await some_accounts(world, 6)
    one = await world.node("one")
    await until_shared(world, accounts, one)
    least: dict[str, int] = {"sessions": len(accounts)}

    two = await world.node("two")

    def look() -> bool:
        least["sessions"] = min(least["sessions"], len(world.server.sessions))
        return all(watcher.epoch is not None for watcher in two.supervisor.watchers.values()) and bool(
            two.supervisor.watchers
        )

    await world.until(look, step=0.1)
    await until_shared(world, accounts, one, two)

    assert least["sessions"] == len(accounts)


async def test_a_dead_nodes_accounts_are_watched_elsewhere(world: WatchWorld) -> None:
    accounts = await some_accounts(world)
    one, two = await world.node("one"), await world.node("two")
    await until_shared(world, accounts, one, two)

    await two.kill()
    world.server.append(mail(1))
    # Its heartbeat is 31 s old now, by the database's own clock.
    await world.act("UPDATE node SET seen_ms = seen_ms - 31000 WHERE number = ?", two.nodes.number)
    await until_shared(world, accounts, one)
    await world.until_told(len(accounts), step=0.5)

    assert await world.told() == [(account, 1) for account in sorted(accounts)]


async def test_a_node_that_stops_hands_its_accounts_over_first(world: WatchWorld) -> None:
    accounts = await some_accounts(world)
    one, two = await world.node("one"), await world.node("two")
    await until_shared(world, accounts, one, two)

    began = world.clock.monotonic()
    leaving = asyncio.create_task(two.leave())
    least = len(accounts)
    while not leaving.done():
        least = min(least, len(world.server.sessions))
        if world.server.boxes["INBOX"].uid_next < 9:
            world.server.append(mail(1))
        await world.pass_time(0.5, step=0.1)
    assert world.clock.monotonic() - began < 15, "it waited until they were taken, not for the end of its patience"
    await until_shared(world, accounts, one)
    count = world.server.boxes["INBOX"].uid_next - 1
    await world.until_told(count * len(accounts), step=0.5)

    assert least == len(accounts), "no account was without a session"
    assert await world.told() == [(account, at) for account in sorted(accounts) for at in range(1, count + 1)]
    roles = await world.rows("SELECT roles FROM node WHERE number = ?", two.nodes.number)
    assert ROLE not in roles[0][0].split(",")


async def test_two_nodes_that_both_believe_in_owning_an_account_tell_each_mail_once(world: WatchWorld) -> None:
    account = (await some_accounts(world, 1))[0]
    one = await world.node("one")
    await until_shared(world, [account], one)
    two = await world.node("two")
    # Each sees itself alone: the network between them and the store is odd.
    for node in (one, two):
        node.nodes.sees_only_itself = True
    await world.pass_time(30, step=0.5)

    for number in range(20):
        world.server.append(mail(number))
        await world.pass_time(1.5, step=0.5)
    await world.until_told(20, step=0.5)

    assert await world.told() == [(account, number) for number in range(1, 21)]
    assert [uid for uid, _ in await world.outcomes()] == list(range(1, 21))


async def test_a_full_nodes_accounts_are_taken_by_one_with_room_after_a_minute(world: WatchWorld) -> None:
    accounts = await some_accounts(world, 8)
    one = await world.node("one", most_accounts=1)
    two = await world.node("two")
    began = world.clock.monotonic()

    def met() -> bool:
        states = [watcher.state for node in (one, two) for watcher in node.supervisor.watchers.values()]
        return len(one.supervisor.watchers) == 1 and states == ["watching"] * len(accounts)

    await world.until(met, step=0.5)

    assert world.clock.monotonic() - began >= 60
    assert one.supervisor.turned_away > 0
    world.server.append(mail(1))
    await world.until_told(len(accounts), step=0.5)


async def test_what_another_node_changes_is_seen_within_ten_seconds(world: WatchWorld) -> None:
    (account,) = await some_accounts(world, 1)
    one = await world.node("one")
    await until_shared(world, [account], one)
    two = await world.node("two", roles="api")

    began = world.clock.monotonic()
    await two.database.write(lambda tx: tx.run(statement("UPDATE account SET is_archived = 1, changed_ms = 1")))
    await world.until(lambda: not world.server.sessions, step=0.5)

    assert world.clock.monotonic() - began <= 10.5
