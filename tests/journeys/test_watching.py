"""Mailboxes on real IMAP servers are watched: races, gaps, new epochs, servers that stand still, flags."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from peers.cyrus import Cyrus
from peers.dovecot import Dovecot
from peers.require import require_peer
from watch_world import WatchWorld, peer_at, watch_world

from postroom.base.clock import SystemClock
from postroom.base.packing import unpack
from postroom.ledger.account_rows import Security
from postroom.net.imap.client import ImapClient, ImapServer

USER = "user1"


def mail(number: int) -> bytes:
    return f"From: a@b.test\r\nSubject: {number}\r\nMessage-ID: <{number}@b.test>\r\n\r\nhello {number}\r\n".encode()


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    require_peer("dovecot")
    with Dovecot({USER: "secret"}) as server:
        yield server


@pytest.fixture(scope="module")
def cyrus() -> Iterator[Cyrus]:
    require_peer("cyrus")
    with Cyrus({USER: "secret"}) as server:
        yield server


@asynccontextmanager
async def watching(url: str, port: int, dialler: Any = None) -> AsyncIterator[tuple[WatchWorld, int]]:
    """Open a world in which the user's INBOX is watched."""
    clock = SystemClock()
    peer = peer_at(port, clock)
    async with watch_world(url, clock=clock, peer=peer) as world:
        if dialler is not None:
            world.dialler = dialler(world.dialler)
        account = await world.account()
        await world.node()
        await world.until_state(account, "watching")
        yield world, account


async def log_in(world: WatchWorld, port: int) -> ImapClient:
    """Return a session of the mailbox's owner."""
    peer = peer_at(port, world.clock)
    client: ImapClient = await peer.dialler.connect(ImapServer("127.0.0.1", port, Security.PLAIN))
    await client.login(USER, "secret")
    return client


class Announcing:
    """A dialler whose sessions say when they search."""

    def __init__(self, dialler: Any) -> None:
        self.dialler = dialler
        self.searching = asyncio.Event()

    async def connect(self, server: ImapServer, **limits: Any) -> Any:
        session = await self.dialler.connect(server, **limits)
        announcing = self

        class Session:
            def __getattr__(self, name: str) -> Any:
                if name in ("uid_search", "uid_fetch", "idle"):
                    announcing.searching.set()
                return getattr(session, name)

        return Session()


async def race(world: WatchWorld, account: int, port: int, count: int, searching: asyncio.Event) -> float:
    """Append so many mails at moments between the watcher's commands; return the longest time until one was told."""
    before = len(await world.told())
    owner = await log_in(world, port)
    chance = random.Random(7)
    appended: dict[int, int] = {}
    for number in range(count):
        searching.clear()
        # Either a command has just begun, or nothing happens and the mailbox idles.
        await asyncio.wait({asyncio.ensure_future(searching.wait())}, timeout=0.02)
        await asyncio.sleep(chance.choice([0, 0, chance.random() * 0.004]))
        given = await owner.append("INBOX", mail(number))
        assert given is not None
        appended[given.uid] = world.clock.now_ms()
    await world.until_told(before + count)
    rows = await world.rows("SELECT uid, recorded_ms FROM account_mail WHERE account_id = ?", account)
    recorded = {row[0]: row[1] for row in rows}
    assert await world.told() == [(account, number) for number in range(1, before + count + 1)]
    await owner.logout()
    return max(recorded[uid] - at for uid, at in appended.items()) / 1000


async def longest_race(url: str, port: int, count: int) -> float:
    """Race in a fresh world; see `race`."""
    holder: list[Announcing] = []

    def announcing(dialler: Any) -> Announcing:
        holder.append(Announcing(dialler))
        return holder[0]

    async with watching(url, port, announcing) as (world, account):
        return await race(world, account, port, count, holder[0].searching)


async def test_200_mails_that_race_with_searches_are_told_within_two_seconds(sqlite_url: str, dovecot: Dovecot) -> None:
    assert await longest_race(sqlite_url, dovecot.imap_port, 200) <= 2


async def test_mails_that_race_with_searches_on_cyrus_are_told_within_two_seconds(
    sqlite_url: str, cyrus: Cyrus
) -> None:
    assert await longest_race(sqlite_url, cyrus.imap_port, 40) <= 2


@pytest.mark.soak
async def test_200_mails_that_race_on_cyrus(sqlite_url: str, cyrus: Cyrus) -> None:
    assert await longest_race(sqlite_url, cyrus.imap_port, 200) <= 2


async def test_gaps_old_dates_and_any_bytes_come_through_and_no_flag_changes(sqlite_url: str, dovecot: Dovecot) -> None:
    mails = {
        20_000: b"Subject: 8 bit\r\n\r\n\xe4\xf6\xfc\r\n",
        25_000: b"Subject: bare CR\r\n\r\none\rtwo\r\n",
        30_000: b"",
        35_000: b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 40_000 + b"\r\n",
    }
    async with watching(sqlite_url, dovecot.imap_port) as (world, _):
        for at, (uid, raw) in enumerate(mails.items(), 1):
            dovecot.skip_uids(USER, uid)
            dovecot.deliver(USER, raw, at=920_000_000 + at)
            await world.until_told(at)
        found = await world.rows(
            "SELECT m.uid, c.body, m.internal_ms FROM account_mail m "
            "JOIN account_content c ON c.account_id = m.account_id AND c.number = m.number ORDER BY m.uid"
        )
        owner = await log_in(world, dovecot.imap_port)
        await owner.examine("INBOX")
        flags = await owner.uid_fetch("20000:*", ("UID", "FLAGS"))
        await owner.logout()

    assert {row[0]: unpack(bytes(row[1])) for row in found} == mails
    assert [row[2] for row in found] == [(920_000_000 + at) * 1000 for at in range(1, 5)]
    assert all("\\Seen" not in (one.flags or ()) for one in flags)


async def test_a_new_epoch_is_one_reset_and_the_next_mail_is_told_within_five_seconds(
    sqlite_url: str, dovecot: Dovecot
) -> None:
    dovecot.deliver(USER, mail(1))
    async with watching(sqlite_url, dovecot.imap_port) as (world, _):
        dovecot.new_epoch(USER, 4_711)
        dovecot.kick(USER)
        await world.until_told(1, "mailbox_reset")
        dovecot.deliver(USER, mail(2))
        began = time.monotonic()
        await world.until_told(1)

    assert time.monotonic() - began <= 5


async def test_a_server_that_is_stopped_and_started_is_caught_up_with(sqlite_url: str, dovecot: Dovecot) -> None:
    async with watching(sqlite_url, dovecot.imap_port) as (world, account):
        dovecot.kill()
        dovecot.deliver(USER, mail(1))
        await world.until_state(account, "away")
        dovecot.start()
        began = time.monotonic()
        await world.until_told(1)

    assert time.monotonic() - began <= 10


async def test_mail_that_comes_while_the_server_stands_still_is_told_when_it_goes_on(
    sqlite_url: str, dovecot: Dovecot
) -> None:
    async with watching(sqlite_url, dovecot.imap_port) as (world, account):
        dovecot.freeze()
        try:
            dovecot.deliver(USER, mail(1))
            # The comparison is due while nobody answers.
            world.nodes[0].supervisor.watchers[account].wake([])
            await asyncio.sleep(0.3)
            assert await world.told() == []
        finally:
            dovecot.thaw()
        began = time.monotonic()
        await world.until_told(1)

    assert time.monotonic() - began <= 10


@pytest.mark.soak
async def test_a_burst_of_ten_thousand_mails_is_told_in_order(sqlite_url: str, dovecot: Dovecot) -> None:
    async with watching(sqlite_url, dovecot.imap_port) as (world, account):
        for number in range(10_000):
            dovecot.deliver(USER, mail(number))
        began = time.monotonic()

        async def met() -> bool:
            return len(await world.told()) == 10_000

        await world.until(met, most=1_000_000, seconds=120)
        seconds = time.monotonic() - began
        uids = [uid for uid, _ in await world.outcomes()]

        assert await world.told() == [(account, number) for number in range(1, 10_001)]
    assert uids == list(range(uids[0], uids[0] + 10_000))
    print(f"10,000 mails in {seconds:.1f} s")
