"""Mail that came in grows old, and people who wrote it are erased, on both engines."""

from collections.abc import AsyncIterator

import pytest
from returned_mail import KEYS, Inbound, report, returned_mail

from postroom.base.clock import ManualClock
from postroom.base.packing import unpack
from postroom.events import record
from postroom.ledger.inbound_rows import Destination
from postroom.ledger.route_rows import RouteOutboxRow
from postroom.store import counters, keeping
from postroom.store.database import Database, Tx
from postroom.upkeep.erase import Erasing
from postroom.upkeep.retention import Retention

LETTER = b"From: Ann <ann@example.org>\r\nSubject: Hi\r\n\r\nThis is ann@example.org.\r\n"


@pytest.fixture
async def world(database: Database, clock: ManualClock) -> AsyncIterator[Inbound]:
    async with returned_mail(database, clock) as made:
        yield made


async def came_for_help(world: Inbound) -> int:
    """Have a letter come for a role."""
    return await world.came(
        LETTER, destination=Destination.ROLE, recipient="abuse@example.com", author="ann@example.org"
    )


async def left(world: Inbound) -> tuple[int, int]:
    """Return how many contents and mails there are."""
    asked = "SELECT (SELECT count(*) FROM inbound_content), (SELECT count(*) FROM inbound)"
    ((contents, mails),) = await world.ask(asked)
    return contents, mails


async def test_contents_go_after_30_days_and_mails_with_the_ledger(world: Inbound) -> None:
    retention = Retention(world.database, world.clock)
    await came_for_help(world)
    await world.work()
    world.clock.advance(days=29)
    await came_for_help(world)
    await world.work()
    assert (await retention.inbound_contents(), await retention.inbound()) == (0, 0)

    world.clock.advance(days=2)
    assert (await retention.inbound_contents(), await retention.inbound()) == (1, 0)
    assert await left(world) == (1, 2)
    world.clock.advance(days=370)
    assert (await retention.inbound_contents(), await retention.inbound()) == (1, 1)

    assert await left(world) == (0, 1)

    def compare(tx: Tx) -> list[counters.Difference]:
        first = keeping.sealed_hour(tx, 1)
        return counters.differences(tx, 1, first, 1 << 40, record.counted_under)[1]

    assert await world.database.write(compare) == []


async def test_what_waits_for_its_worker_or_its_route_is_never_too_old(world: Inbound) -> None:
    waits = await came_for_help(world)
    await world.work()
    row = RouteOutboxRow(waits, 7, 1, "", 0)
    await world.database.write(lambda tx: tx.add(row))
    await came_for_help(world)
    world.clock.advance(days=500)
    retention = Retention(world.database, world.clock)

    assert (await retention.inbound_contents(), await retention.inbound()) == (0, 0)

    assert await left(world) == (2, 2)


async def test_soft_failures_are_forgotten_with_the_ledger(world: Inbound) -> None:
    _, recipient = await world.sent()
    await world.came(report(recipient.address, status="4.2.1", text="452 4.2.1 The mailbox is suspended"), recipient)
    await world.work()
    retention = Retention(world.database, world.clock)
    await retention.inbound()
    assert await world.ask("SELECT count(*) FROM soft_failure") == [(1,)]
    world.clock.advance(days=402)

    await retention.inbound()

    assert await world.ask("SELECT count(*) FROM soft_failure") == [(0,)]


async def everything(world: Inbound) -> str:
    """Return all texts that the database holds, contents unpacked."""
    found = []
    for table in ("inbound", "event", "recipient", "suppression", "soft_failure", "route_attempt"):
        found.append(repr(await world.ask(f"SELECT * FROM {table}")))
    for (body,) in await world.ask("SELECT body FROM inbound_content"):
        found.append(unpack(bytes(body)).decode("latin-1"))
    return "\n".join(found)


async def test_an_erased_person_is_in_no_mail_that_came_in_and_the_counters_stay(world: Inbound) -> None:
    """By name: what they wrote, what a bounce said of them, what somebody else quoted of them."""
    ann = {"address": "Ann@example.org", "address_key": "ann@example.org"}
    _, recipient = await world.sent(recipient=ann, domain="example.org")
    text = "550 5.1.1 <ann@example.org>: User unknown"
    await world.came(report("ann@example.org", text=text), recipient)
    await came_for_help(world)
    quoting = b"From: bob@example.net\r\n\r\nHave you asked ann@example.org?\r\n"
    await world.came(quoting, destination=Destination.ROLE, recipient="abuse@example.com", author="bob@example.net")
    await world.came(
        b"From: bob@example.net\r\n\r\nHi\r\n", destination=Destination.ROLE, recipient="abuse@example.com"
    )
    await world.work()
    assert "ann@example.org" in (await everything(world)).lower()
    erasing = Erasing(world.database, world.ids, world.clock, lambda: KEYS, world.threads)

    erased = await erasing.erase("ann@example.org", [1], everywhere=True, as_author=False)

    assert erased.left == []
    assert "ann@example.org" not in (await everything(world)).lower()
    assert await left(world) == (1, 4)
    assert await world.counted("inbound") == 3
    assert await world.differences() == []


async def test_mail_of_a_person_that_waits_for_its_worker_is_told_to_be_left(world: Inbound) -> None:
    await came_for_help(world)
    erasing = Erasing(world.database, world.ids, world.clock, lambda: KEYS, world.threads)

    first = await erasing.erase("ann@example.org", [1], everywhere=True, as_author=False)
    await world.work()
    second = await erasing.erase("ann@example.org", [1], everywhere=True, as_author=False)

    assert "not worked on yet" in first.left[0]
    assert second.left == []
    assert "ann@example.org" not in (await everything(world)).lower()
