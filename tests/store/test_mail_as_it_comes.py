"""Mails as they come, through the real classifier to their consequences."""

from collections.abc import AsyncIterator

import pytest
from returned_mail import KEYS, Inbound, report, returned_mail

from postroom.base.clock import ManualClock
from postroom.base.tokens import TokenKind
from postroom.ledger.inbound_rows import Destination
from postroom.outbound.submission import Track
from postroom.store.database import open_database

VACATION = b"""From: Ann <ann@example.net>\r
To: r-token@rp.example.com\r
Subject: Out of office: Hello\r
Auto-Submitted: auto-replied\r
\r
I am on holiday until 5.1.1. Your mail was not delivered to a substitute.\r
"""
REPLY = b"""From: Ann <ann@example.net>\r
Subject: Re: Hello\r
In-Reply-To: <1@example.com>\r
\r
Thanks, that works for me.\r
\r
On Mon, 2 Mar 2026 at 10:00, Ada <ada@example.com> wrote:\r
> 550 5.1.1 <bob@example.net>: User unknown\r
"""
STOP = b"""From: Ann <ann@example.net>\r
Subject: Re: Hello\r
In-Reply-To: <1@example.com>\r
\r
Please unsubscribe me from this list.\r
"""


def feedback(returned: str, kind: str = "abuse") -> bytes:
    """Return a feedback report whose addresses are struck out (RFC 5965, RFC 6590)."""
    return "\r\n".join(
        (
            "From: <feedback@isp.example>",
            "Subject: FW: Hello",
            "MIME-Version: 1.0",
            'Content-Type: multipart/report; report-type=feedback-report; boundary="x"',
            "",
            "--x",
            "Content-Type: text/plain",
            "",
            "This is an email abuse report.",
            "--x",
            "Content-Type: message/feedback-report",
            "",
            f"Feedback-Type: {kind}",
            "User-Agent: SomeGenerator/1.0",
            "Version: 1",
            "Original-Rcpt-To: redacted@isp.example",
            "",
            "--x",
            "Content-Type: message/rfc822",
            "",
            "From: Ada <ada@example.com>",
            "To: redacted",
            "Subject: Hello",
            returned,
            "",
            "Hi",
            "--x--",
            "",
        )
    ).encode()


@pytest.fixture
async def world(sqlite_url: str, clock: ManualClock) -> AsyncIterator[Inbound]:
    database = await open_database(sqlite_url, clock=clock)
    async with returned_mail(database, clock) as made:
        yield made
    await database.close()


async def kinds(world: Inbound) -> list[str]:
    """Return the kinds of what was told."""
    return [kind for kind, _ in await world.told()]


async def suppressed(world: Inbound) -> list[str]:
    """Return the scopes that are suppressed."""
    return [scope for (scope,) in await world.ask("SELECT scope FROM suppression ORDER BY scope")]


async def test_a_vacation_reply_with_numbers_like_codes_suppresses_nobody(world: Inbound) -> None:
    _, recipient = await world.sent(track=Track.REPLIES.value)
    for destination in (Destination.REPLY, Destination.BOUNCE):
        await world.came(VACATION, recipient, destination)

    await world.work()

    assert (await kinds(world), await suppressed(world)) == (["auto_replied", "auto_replied"], [])
    assert (await world.row(recipient.id)).state == "delivered"
    assert await world.ask("SELECT * FROM route_outbox") == []


async def test_a_reply_that_quotes_a_bounce_is_a_reply(world: Inbound) -> None:
    _, recipient = await world.sent(track=Track.REPLIES.value)
    await world.came(REPLY, recipient, Destination.REPLY, author="ann@example.net")

    await world.work()

    ((kind, detail),) = await world.told()
    assert (kind, detail["written"]) == ("replied", "Thanks, that works for me.")
    assert await world.counted("inbound") == 1


async def test_a_reply_that_asks_to_be_taken_off_unsubscribes(world: Inbound) -> None:
    _, recipient = await world.sent(stream="bulk", track=Track.REPLIES.value)
    await world.came(STOP, recipient, Destination.REPLY, author="ann@example.net")

    await world.work()

    assert (await kinds(world), await suppressed(world)) == (["unsubscribed"], ["bulk"])


async def test_a_report_without_addresses_to_abuse_finds_its_recipient_by_our_mark(world: Inbound) -> None:
    _, recipient = await world.sent()
    mark = f"X-Postroom-Id: {KEYS.local_part_text(TokenKind.FEEDBACK, 0, recipient.id)}"
    await world.came(feedback(mark), destination=Destination.ROLE, recipient="abuse@example.com")

    await world.work()

    assert (await kinds(world), await suppressed(world)) == (["complained", "received"], ["bulk", "transactional"])
    assert (await world.counted("complaints"), await world.counted("inbound")) == (1, 0)
    assert await world.differences() == []


async def test_a_report_that_a_mail_is_no_spam_changes_nothing(world: Inbound) -> None:
    _, recipient = await world.sent()
    await world.came(feedback("X-Other: 1", "not-spam"), recipient, Destination.FEEDBACK)

    await world.work()

    assert (await kinds(world), await suppressed(world)) == ([], [])


async def test_a_delay_report_is_told_and_changes_nothing(world: Inbound) -> None:
    _, recipient = await world.sent()
    raw = report(recipient.address, status="4.4.1", action="delayed", text="451 4.4.1 connection timed out")
    await world.came(raw, recipient)

    await world.work()

    assert (await kinds(world), await suppressed(world)) == (["delay_reported"], [])
    assert (await world.row(recipient.id)).state == "delivered"
