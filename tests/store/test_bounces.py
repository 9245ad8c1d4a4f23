"""What a report that comes back does to the recipient that it names, on both engines."""

from collections.abc import AsyncIterator

import pytest
from inbound_world import Inbound, inbound_world, report

from postroom.base.clock import ManualClock
from postroom.store.database import Database


@pytest.fixture
async def world(database: Database, clock: ManualClock) -> AsyncIterator[Inbound]:
    async with inbound_world(database, clock) as made:
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
