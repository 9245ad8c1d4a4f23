"""What a report that comes back does to the recipient that it names, on both engines."""

from collections.abc import AsyncIterator

import pytest
from returned_mail import Inbound, report, returned_mail

from postroom.base.clock import ManualClock
from postroom.store.database import Database


@pytest.fixture
async def world(database: Database, clock: ManualClock) -> AsyncIterator[Inbound]:
    async with returned_mail(database, clock) as made:
        yield made


async def test_a_bounce_moves_a_sent_recipient_to_failed_and_suppresses_a_dead_address(world: Inbound) -> None:
    message, recipient = await world.sent()
    mail_id = await world.came(report(recipient.address), recipient)

    await world.work()

    now = await world.row(recipient.id)
    assert (now.state, now.cause, now.sent_hour, now.reply_code, now.reply_status) == (
        "failed", "no_such_user", None, 550, "5.1.1",
    )  # fmt: skip
    ((kind, detail),) = await world.told()
    assert (kind, detail["reason"], detail["hard"], detail["suppressed"]) == ("bounced", "no_such_user", True, "all")
    assert "User unknown" in detail["evidence"]
    ((scope, source, evidence),) = await world.ask("SELECT scope, source, evidence FROM suppression")
    assert (scope, source, evidence) == ("all", "bounce", detail["evidence"])
    mail = await world.mail(mail_id)
    assert (mail.state, mail.kind, mail.answers_recipient_id, mail.answers_message_id) == (
        "done", "bounce", recipient.id, message.id,
    )  # fmt: skip
    assert (await world.counted("sent"), await world.counted("failed")) == (0, 1)
    assert await world.counted("failed", "provider_reason", "other no_such_user") == 1
    assert await world.differences() == []


async def test_a_second_bounce_of_a_recipient_is_only_told(world: Inbound) -> None:
    _, recipient = await world.sent()
    for _ in range(2):
        await world.came(report(recipient.address), recipient)

    await world.work()

    assert [kind for kind, _ in await world.told()] == ["bounced", "bounced"]
    assert (await world.counted("sent"), await world.counted("failed")) == (0, 1)
    assert await world.differences() == []


FULL = "452 4.2.2 <u@example.net>: The mailbox is full"


async def fail_softly(world: Inbound, days: int, *, then_take: bool = False) -> None:
    """Have a full mailbox bounce a mail a day, every fourth day."""
    for _ in range(days):
        _, recipient = await world.sent(recipient=MAILBOX)
        await world.came(report("u@example.net", status="4.2.2", text=FULL), recipient)
        await world.work()
        world.clock.advance(days=4)
    if then_take:
        await world.sent(recipient=MAILBOX)


MAILBOX = {"address": "u@example.net", "address_key": "u@example.net"}


async def test_a_full_mailbox_suppresses_only_after_weeks(world: Inbound) -> None:
    await fail_softly(world, 4)
    assert await world.ask("SELECT reason FROM suppression") == []

    await fail_softly(world, 1)

    assert await world.ask("SELECT address_key, scope, reason, source FROM suppression") == [
        ("u@example.net", "all", "failed for weeks", "bounce")
    ]
    assert await world.differences() == []


async def test_a_mail_that_was_taken_between_begins_the_weeks_anew(world: Inbound) -> None:
    await fail_softly(world, 4, then_take=True)
    await fail_softly(world, 4)

    assert await world.ask("SELECT reason FROM suppression") == []


@pytest.mark.parametrize(
    "text",
    [
        "550 5.7.1 Our system has detected that this message is likely unsolicited mail",
        "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
        "421 4.7.28 Our system has detected an unusual rate of unsolicited mail originating from your IP address",
    ],
)
async def test_what_is_about_the_sender_never_suppresses(world: Inbound, text: str) -> None:
    for _ in range(6):
        _, recipient = await world.sent(recipient=MAILBOX)
        await world.came(report("u@example.net", status=text[4:9], text=text), recipient)
        await world.work()
        assert (await world.row(recipient.id)).state == "failed"
        world.clock.advance(days=7)

    assert await world.ask("SELECT reason FROM suppression") == []
