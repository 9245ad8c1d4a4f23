"""What a report that comes back does to the recipient that it names."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from returned_mail import KEYS, Inbound, report, returned_mail

from postroom.base.clock import HOUR_MS, ManualClock
from postroom.base.errors import TryLater
from postroom.base.ids import show_id
from postroom.base.tokens import TokenKind
from postroom.events.evidence import named_in, quoted_line
from postroom.inbound import worker
from postroom.ledger.inbound_rows import Destination
from postroom.ledger.rows import MessageRow, RecipientRow
from postroom.mail.smtp_reply import SmtpReply
from postroom.store import inbound
from postroom.store.content import store_upload
from postroom.store.database import Database, Tx, open_database


@pytest.fixture
async def alike(sqlite_url: str, clock: ManualClock) -> AsyncIterator[Inbound]:
    """On SQLite, for what the engines do alike."""
    database = await open_database(sqlite_url, clock=clock)
    async with returned_mail(database, clock) as made:
        yield made
    await database.close()


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
    assert (scope, source, quoted_line(evidence)) == ("all", "bounce", detail["evidence"])
    assert named_in(evidence) == (show_id("rcp", recipient.id), show_id("inb", mail_id))
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


async def test_a_dead_address_is_suppressed_also_where_its_copy_had_failed_over_a_full_mailbox(world: Inbound) -> None:
    _, recipient = await world.sent(recipient=MAILBOX)
    await world.came(report("u@example.net", status="4.2.2", text=FULL), recipient)
    await world.work()
    assert await world.ask("SELECT reason FROM suppression") == []

    await world.came(report("u@example.net"), recipient)
    await world.work()

    told = [(detail["hard"], detail.get("suppressed")) for _, detail in await world.told()]
    assert told == [(False, None), (True, "all")]
    assert await world.ask("SELECT scope, reason FROM suppression") == [("all", "bounced")]
    assert ((await world.row(recipient.id)).cause, await world.counted("failed")) == ("mailbox_full", 1)
    assert await world.differences() == []


async def test_who_was_taken_off_the_list_is_not_put_back_by_the_same_bounce(world: Inbound) -> None:
    _, recipient = await world.sent()
    await world.came(report(recipient.address), recipient)
    await world.work()
    await world.act("DELETE FROM suppression")

    await world.came(report(recipient.address), recipient)
    await world.work()

    assert await world.ask("SELECT reason FROM suppression") == []


async def test_a_report_that_anybody_could_have_written_does_not_outdo_a_proved_one(alike: Inbound) -> None:
    _, recipient = await alike.sent(message_id="<a@example.com>")
    raw = report(recipient.address, returned="Message-ID: <a@example.com>\r\nSubject: Hello")
    await alike.came(raw, None, Destination.ROLE, recipient="postmaster@example.com")
    await alike.work()
    assert await alike.ask("SELECT reason FROM suppression") == []

    await alike.came(report(recipient.address), recipient)
    await alike.work()

    assert await alike.ask("SELECT reason FROM suppression") == [("bounced",)]


FULL = "452 4.2.2 <u@example.net>: The mailbox is full"
DEAD = "550 5.1.1 <u@example.net>: Recipient address rejected: User unknown"


SUSPENDED = "452 4.2.1 <u@example.net>: The mailbox is temporarily suspended"


async def fail_softly(world: Inbound, days: int, *, then_take: bool = False) -> None:
    """Have a suspended mailbox bounce a mail a day, every fourth day."""
    for _ in range(days):
        _, recipient = await world.sent(recipient=MAILBOX)
        await world.came(report("u@example.net", status="4.2.1", text=SUSPENDED), recipient)
        await world.work()
        world.clock.advance(days=4)
    if then_take:
        await world.sent(recipient=MAILBOX)


MAILBOX = {"address": "u@example.net", "address_key": "u@example.net"}


async def test_a_suspended_mailbox_suppresses_only_after_weeks(world: Inbound) -> None:
    await fail_softly(world, 4)
    assert await world.ask("SELECT reason FROM suppression") == []

    await fail_softly(world, 1)

    assert await world.ask("SELECT address_key, scope, reason, source FROM suppression") == [
        ("u@example.net", "all", "failed for weeks", "bounce")
    ]
    assert await world.differences() == []


async def test_nobody_is_suppressed_by_weeks_of_reports_that_anybody_could_write_or_that_are_about_others(
    alike: Inbound,
) -> None:
    for number in range(7):
        _, recipient = await alike.sent(recipient=MAILBOX, message_id=f"<forged-{number}@example.com>")
        forged = report("u@example.net", returned=f"Message-ID: <forged-{number}@example.com>\r\nSubject: Hello")
        await alike.came(forged, None, Destination.ROLE, recipient="postmaster@example.com")
        _, behind = await alike.sent(recipient=MAILBOX)
        await alike.came(report("left@elsewhere.example"), behind)
        await alike.work()
        assert {(await alike.row(one.id)).state for one in (recipient, behind)} == {"failed"}
        alike.clock.advance(days=4)

    assert await alike.ask("SELECT reason FROM suppression") == []


async def test_a_mail_that_was_taken_between_begins_the_weeks_anew(alike: Inbound) -> None:
    await fail_softly(alike, 4, then_take=True)
    await fail_softly(alike, 4)

    assert await alike.ask("SELECT reason FROM suppression") == []


@pytest.mark.parametrize(
    "text",
    [
        FULL,
        "550 5.7.1 Our system has detected that this message is likely unsolicited mail",
        "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
        "421 4.7.28 Our system has detected an unusual rate of unsolicited mail originating from your IP address",
    ],
)
async def test_what_is_about_the_sender_or_the_room_left_never_suppresses(alike: Inbound, text: str) -> None:
    for _ in range(6):
        _, recipient = await alike.sent(recipient=MAILBOX)
        await alike.came(report("u@example.net", status=text[4:9], text=text), recipient)
        await alike.work()
        assert (await alike.row(recipient.id)).state == "failed"
        alike.clock.advance(days=7)

    assert await alike.ask("SELECT reason FROM suppression") == []


@pytest.mark.parametrize(
    ("before", "text", "after"),
    [
        ("in_doubt", FULL, "failed"),
        ("queued", FULL, "queued"),
        ("queued", DEAD, "failed"),
        ("deferred", DEAD, "failed"),
        ("deferred", FULL, "deferred"),
        ("held", DEAD, "held"),
        ("failed", DEAD, "failed"),
        ("suppressed", DEAD, "suppressed"),
        ("cancelled", DEAD, "cancelled"),
    ],
)
async def test_a_bounce_moves_only_as_the_ledger_allows(alike: Inbound, before: str, text: str, after: str) -> None:
    _, recipient = await alike.sent(before, recipient={"address": "u@example.net", "address_key": "u@example.net"})
    was = await alike.row(recipient.id)
    await alike.came(report("u@example.net", status=text[4:9], text=text), recipient)

    await alike.work()

    now = await alike.row(recipient.id)
    assert now.state == after
    assert (now == was) == (before == after)
    ((kind, detail),) = await alike.told()
    assert (kind, detail["from"]) == ("bounced", before)
    moved_or_kept = before != after or before in ("held", "failed")
    assert await alike.ask("SELECT source FROM suppression") == (
        [("bounce",)] if moved_or_kept and text == DEAD else []
    )
    assert await alike.differences() == []


async def test_a_bounce_that_is_faster_than_our_own_ledger_waits_for_it(alike: Inbound) -> None:
    """A next hop may report before the reply to our final dot is written."""
    _, recipient = await alike.sent("sending")
    mail_id = await alike.came(report(recipient.address), recipient)
    await alike.work()
    assert (await alike.told(), (await alike.mail(mail_id)).state) == ([], "waiting")
    assert await alike.work() == 0

    await alike.act("UPDATE recipient SET state = 'delivered' WHERE id = ?", recipient.id)
    alike.clock.advance(seconds=1)
    await alike.work()

    assert (await alike.row(recipient.id)).state == "failed"


async def test_a_copy_that_stays_in_flight_is_not_waited_for_forever(alike: Inbound) -> None:
    _, recipient = await alike.sent("sending")
    mail_id = await alike.came(report(recipient.address), recipient)

    for _ in range(20):
        await alike.work()
        alike.clock.advance(seconds=180)

    assert ((await alike.mail(mail_id)).state, (await alike.row(recipient.id)).state) == ("done", "sending")
    assert [kind for kind, _ in await alike.told()] == ["bounced"]


async def test_a_mailbox_to_which_the_address_forwards_does_not_condemn_it(alike: Inbound) -> None:
    _, recipient = await alike.sent()
    await alike.came(report("somebody@elsewhere.example"), recipient)

    await alike.work()

    assert (await alike.row(recipient.id)).state == "failed"
    assert await alike.ask("SELECT reason FROM suppression") == []


async def test_a_dead_mailbox_behind_an_alias_does_not_condemn_the_alias(alike: Inbound) -> None:
    """A report tells both: the alias as original recipient, the one of many that failed as the final one."""
    for final, reasons in (("left@elsewhere.example", []), ("U@EXAMPLE.NET", [("bounced",)])):
        _, recipient = await alike.sent(recipient=MAILBOX)
        field = f"Original-Recipient: rfc822;u@example.net\r\nFinal-Recipient: rfc822; {final}"
        raw = report(final).replace(f"Final-Recipient: rfc822; {final}".encode(), field.encode())
        assert field.encode() in raw
        await alike.came(raw, recipient)

        await alike.work()

        assert (await alike.row(recipient.id)).state == "failed"
        assert await alike.ask("SELECT reason FROM suppression") == reasons


@pytest.mark.parametrize(
    ("address", "state"), [("somebody@elsewhere.example", "delivered"), ("u@example.net", "failed")]
)
async def test_a_bounce_that_somebody_pastes_into_his_answer_fails_nobody(
    alike: Inbound, address: str, state: str
) -> None:
    """Servers that send reports to Reply-To are believed about the address that we wrote to."""
    _, recipient = await alike.sent(recipient=MAILBOX)
    await alike.came(report(address), recipient, Destination.REPLY)

    await alike.work()

    assert (await alike.row(recipient.id)).state == state
    assert [kind for kind, _ in await alike.told()] == ["bounced"]
    assert await alike.differences() == []


async def test_a_bounce_that_only_names_a_message_id_moves_and_suppresses_nobody(alike: Inbound) -> None:
    _, recipient = await alike.sent(message_id="<a@example.com>")
    raw = report(recipient.address, returned="Message-ID: <a@example.com>\r\nSubject: Hello")
    await alike.came(raw, None, Destination.ROLE, recipient="postmaster@example.com")

    await alike.work()

    assert (await alike.row(recipient.id)).state == "failed"
    assert await alike.ask("SELECT reason FROM suppression") == []
    assert await alike.differences() == []


async def test_a_report_that_names_nobody_of_many_recipients_moves_none_of_them(alike: Inbound) -> None:
    """All copies of a shared message show the same To, so what a report returns says nothing about whose it was."""
    now = alike.clock.now_ms()
    recipient = {"state": "delivered", "settled_ms": now, "sent_hour": now // HOUR_MS}
    _, rows = await alike.message(2, recipient=recipient, message_id="<a@example.com>")
    raw = report("internal@mx", returned=f"Message-ID: <a@example.com>\r\nTo: {rows[0].address}")
    mail_id = await alike.came(raw, None, Destination.ROLE, recipient="postmaster@example.com")

    await alike.work()

    assert await alike.states() == {"delivered": 2}
    mail = await alike.mail(mail_id)
    assert (mail.answers_recipient_id, mail.answers_message_id) == (None, rows[0].message_id)


async def test_a_mark_in_the_returned_message_finds_its_recipient_without_an_address(alike: Inbound) -> None:
    _, recipient = await alike.sent()
    token = KEYS.local_part_text(TokenKind.FEEDBACK, 0, recipient.id)
    raw = report("redacted", returned=f"X-Postroom-Id: {token}\r\nSubject: Hello")
    await alike.came(raw, None, Destination.ROLE, recipient="postmaster@example.com")

    await alike.work()

    assert (await alike.row(recipient.id)).state == "failed"


async def test_a_mail_that_cannot_be_worked_on_is_tried_for_a_day_and_then_kept(
    alike: Inbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(raw: bytes) -> None:
        raise TryLater("too much to do")

    monkeypatch.setattr(worker, "classify", breaks)
    _, recipient = await alike.sent()
    mail_id = await alike.came(report(recipient.address), recipient)
    began, tries = alike.clock.now_ms(), 0

    while (await alike.mail(mail_id)).state == "waiting":
        tries += await alike.work()
        alike.clock.advance(seconds=5)
        due_ms = (await alike.mail(mail_id)).due_ms
        alike.clock.advance(seconds=max(0, (due_ms - alike.clock.now_ms()) / 1000))

    mail = await alike.mail(mail_id)
    assert (mail.state, tries, "too much to do" in mail.detail) == ("failed", worker.MOST_TRIES, True)
    assert 6 * HOUR_MS < alike.clock.now_ms() - began < 48 * HOUR_MS
    assert await alike.told() == []


async def test_a_worker_that_comes_late_changes_nothing(world: Inbound) -> None:
    """Its lease ended, and another one has worked on the mail."""
    _, recipient = await world.sent()
    await world.came(report(recipient.address), recipient)
    now = world.clock.now_ms()
    (held,) = await world.database.write(
        lambda tx: inbound.claim(tx, node=9, now_ms=now, lease_ms=now + worker.LEASE_MS, limit=1)
    )
    world.clock.advance(seconds=worker.LEASE_MS // 1000 + 1)
    assert await world.work() == 1

    await world.worker.work_on(held)

    assert [kind for kind, _ in await world.told()] == ["bounced"]
    assert await world.differences() == []


async def test_a_large_bounce_is_read_from_its_pieces(alike: Inbound) -> None:
    _, recipient = await alike.sent()
    raw = report(recipient.address, returned="Subject: Hello") + b"x\r\n" * 200_000
    upload = alike.ids.next()
    await store_upload(alike.database, upload, raw, alike.clock)
    mail_id = await alike.came(raw, recipient)
    await alike.act("UPDATE inbound_content SET body = NULL, upload_id = ?", upload)

    await alike.work()

    assert ((await alike.mail(mail_id)).state, (await alike.row(recipient.id)).state) == ("done", "failed")


class Told:
    """Reports as `outbound.notifications` makes them, for authors who want them."""

    def __init__(self) -> None:
        self.written: list[int] = []
        self.sent: list[int] = []

    async def of_bounce(self, message: MessageRow, recipient: RecipientRow, reply: SmtpReply) -> Any:
        assert reply.enhanced == "5.1.1"
        return self

    def write(self, tx: Tx) -> None:
        self.written.append(1)

    def told(self, prepared: object) -> None:
        self.sent.append(1)


async def test_an_author_is_told_once_of_what_bounced(sqlite_url: str, clock: ManualClock) -> None:
    database, reports = await open_database(sqlite_url, clock=clock), Told()
    async with returned_mail(database, clock, reports=reports) as world:
        _, recipient = await world.sent()
        for _ in range(2):
            await world.came(report(recipient.address), recipient)

        await world.work()

    await database.close()
    assert (reports.written, reports.sent) == ([1], [1])
