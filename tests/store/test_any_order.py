"""Whatever comes back, in whatever order and how often: all is worked on, and the counters equal a recount."""

import random
from collections.abc import AsyncIterator

import pytest
from returned_mail import Inbound, report, returned_mail

from postroom.base.clock import ManualClock
from postroom.events import suppression
from postroom.ledger.inbound_rows import Destination
from postroom.ledger.rows import RecipientRow
from postroom.outbound.submission import Track
from postroom.store.database import Database

STATES = ("delivered", "delivered", "in_doubt", "queued", "deferred", "held", "failed", "suppressed")
WORDS = ("take me off your list", "this is spam", "thanks", "Can you take me off your list?")


@pytest.fixture
async def world(database: Database, clock: ManualClock) -> AsyncIterator[Inbound]:
    async with returned_mail(database, clock) as made:
        yield made


async def something_comes(world: Inbound, chance: random.Random, number: int, one: RecipientRow) -> None:
    """Have a mail come in about a copy, a suppression taken off, or days pass."""
    message_id = f"<{chance.randrange(10)}@example.net>"
    said = f"From: {one.address}\r\nIn-Reply-To: <{number}@example.com>\r\n\r\n{chance.choice(WORDS)}\r\n".encode()
    author = chance.choice([one.address, "ada@example.com"])
    match chance.randrange(9):
        case 0:
            await world.came(report(one.address), one)
        case 1:
            await world.came(report(one.address, status="4.2.2", text="452 4.2.2 The mailbox is full"), one)
        case 2:
            await world.came(report(one.address, status="4.4.1", text="timed out", action="delayed"), one)
        case 3:
            await world.came(said, one, Destination.REPLY, author=author, message_id=message_id)
        case 4:
            await world.came(b"Subject: unsubscribe\r\n\r\n", one, Destination.UNSUBSCRIBE)
        case 5:
            returned = f"Message-ID: <{number}@example.com>\r\nSubject: Hello"
            await world.came(
                report(one.address, returned=returned), None, Destination.ROLE, recipient="abuse@example.com"
            )
        case 6:
            to = "help@example.com"
            await world.came(said, None, Destination.ROUTE, recipient=to, author=author, message_id=message_id)
        case 7:
            event_id, now_ms = world.ids.next(), world.clock.now_ms()
            await world.database.write(
                lambda tx: suppression.remove(tx, 1, one.address_key, None, event_id, now_ms, "operator")
            )
        case _:
            world.clock.advance(days=chance.randrange(3))


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 30))])
async def test_counters_equal_a_recount_whatever_comes_back(world: Inbound, seed: int) -> None:
    chance = random.Random(seed)
    recipients = []
    for number in range(6):
        mailbox = f"u{number % 3}@example.net"
        _, recipient = await world.sent(
            chance.choice(STATES),
            message_id=f"<{number}@example.com>",
            stream=chance.choice(["bulk", "transactional"]),
            track=Track.REPLIES.value,
            recipient={"address": mailbox, "address_key": mailbox},
        )
        recipients.append(recipient)

    for step in range(80):
        number = chance.randrange(len(recipients))
        await something_comes(world, chance, number, recipients[number])
        if chance.random() < 0.5:
            await world.work()
            assert await world.differences() == [], step

    await world.work()
    assert await world.differences() == []
    assert await world.ask("SELECT count(*) FROM inbound WHERE state <> 'done'") == [(0,)]
