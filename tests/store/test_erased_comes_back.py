"""What comes back about somebody who was erased brings the address into no table again, and is acted upon as ever."""

from collections.abc import AsyncIterator

import pytest
from returned_mail import KEYS, Inbound, report, returned_mail

from postroom.base.clock import ManualClock
from postroom.base.packing import unpack
from postroom.base.tokens import TokenKind
from postroom.events.moves import Move, move_selected
from postroom.ledger.inbound_rows import Destination
from postroom.ledger.route_rows import RouteRow
from postroom.ledger.rows import MessageRow, RecipientRow
from postroom.mail.smtp_reply import SmtpReply
from postroom.outbound.submission import Track
from postroom.store.database import Database, Tx
from postroom.store.recipients import RecipientFilter
from postroom.upkeep.erase import Erasing

ADA = "Ada.Lovelace@Example.net"
_TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
    "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
}


class Report:
    """What an author would be told of the bounce, which names the address."""

    def __init__(self) -> None:
        self.written = 0

    async def of_bounce(self, message: MessageRow, recipient: RecipientRow, reply: SmtpReply) -> "Report":
        return self

    def write(self, tx: Tx) -> None:
        self.written += 1

    def told(self, prepared: object) -> None:
        raise AssertionError("nothing was written")


@pytest.fixture
def reports() -> Report:
    return Report()


@pytest.fixture
async def world(database: Database, clock: ManualClock, reports: Report) -> AsyncIterator[Inbound]:
    async with returned_mail(database, clock, reports=reports) as made:
        yield made


async def sent_and_erased(world: Inbound, **fields: object) -> RecipientRow:
    """Return a recipient as it was before it was erased."""
    _, recipient = await world.sent(recipient={"address": ADA, "address_key": ADA.lower()}, **fields)
    erasing = Erasing(world.database, world.ids, world.clock, lambda: KEYS, world.threads)
    await erasing.erase(ADA, [1], everywhere=True, as_author=False)
    assert await named(world) == []
    return recipient


async def named(world: Inbound) -> list[str]:
    """Return the tables that name the address, mail that came in among them."""
    tables = [row[0] for row in await world.ask(_TABLES[world.database.engine])]
    found = [table for table in tables if ADA.lower() in repr(await world.ask(f"SELECT * FROM {table}")).lower()]
    bodies = [unpack(bytes(row[0])) for row in await world.ask("SELECT body FROM inbound_content")]
    return found + ["inbound_content"] * any(ADA.lower().encode() in one.lower() for one in bodies)


async def test_a_report_that_only_a_message_id_and_an_address_place_finds_the_erased_one_of_several(
    world: Inbound,
) -> None:
    _, (recipient, other) = await world.message(2, message_id="<a@example.com>", recipient={"state": "delivered"})
    await world.act("UPDATE recipient SET address = ?, address_key = ? WHERE id = ?", ADA, ADA.lower(), recipient.id)
    erasing = Erasing(world.database, world.ids, world.clock, lambda: KEYS, world.threads)
    await erasing.erase(ADA, [1], everywhere=True, as_author=False)
    raw = report(ADA, returned="Message-ID: <a@example.com>\r\nSubject: Hello")
    await world.came(raw, None, Destination.ROLE, recipient="postmaster@example.com", author=ADA)

    await world.work()

    assert await named(world) == []
    assert ((await world.row(recipient.id)).state, (await world.row(other.id)).state) == ("failed", "delivered")


async def test_a_bounce_of_an_erased_recipient_counts_and_suppresses_and_names_nobody(
    world: Inbound, reports: Report
) -> None:
    recipient = await sent_and_erased(world)
    mail_id = await world.came(report(ADA), recipient, author=ADA, subject=f"Undeliverable: {ADA}")

    await world.work()

    assert await named(world) == []
    now = await world.row(recipient.id)
    assert (now.state, now.cause, now.address) == ("failed", "no_such_user", "(erased)")
    hidden = KEYS.hide(ADA.lower())
    assert await world.ask("SELECT address_key, scope, source FROM suppression") == [(hidden, "all", "bounce")]
    kind, detail = (await world.told())[-1]
    assert (kind, detail["hard"], detail["erased"]) == ("bounced", True, True)
    mail = await world.mail(mail_id)
    assert (mail.state, mail.kind, mail.answers_recipient_id) == ("done", "bounce", recipient.id)
    assert (await world.counted("sent"), await world.counted("failed")) == (0, 1)
    assert await world.differences() == []
    assert reports.written == 0
    asked = RecipientFilter(ids=(recipient.id,))
    moved = await move_selected(world.database, world.ids, world.clock, 1, Move.RETRY, asked, "operator")
    assert (moved.recipients, (await world.row(recipient.id)).state) == (0, "failed")


FEEDBACK = (
    "From: fbl@example.org\r\nSubject: complaint about {0}\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/report; report-type=feedback-report; boundary="x"\r\n\r\n'
    "--x\r\nContent-Type: text/plain\r\n\r\n{0} calls this spam.\r\n"
    "--x\r\nContent-Type: message/feedback-report\r\n\r\n"
    "Feedback-Type: abuse\r\nUser-Agent: loop\r\nVersion: 1\r\nOriginal-Rcpt-To: {0}\r\n\r\n"
    "--x\r\nContent-Type: text/rfc822-headers\r\n\r\nTo: {0}\r\nSubject: Hello\r\n\r\n--x--\r\n"
)
AWAY = "From: {0}\r\nSubject: Away\r\nAuto-Submitted: auto-replied\r\n\r\nI am away. {0}\r\n"
LEAVE = "From: {0}\r\nSubject: unsubscribe\r\n\r\nPlease take {0} off your list.\r\n"


async def test_a_complaint_to_a_role_about_an_erased_recipient_is_told_and_handed_on_to_nobody(world: Inbound) -> None:
    recipient = await sent_and_erased(world)
    mark = KEYS.local_part_text(TokenKind.FEEDBACK, 0, recipient.id)
    raw = FEEDBACK.format(ADA).replace("To: Ada", f"X-Postroom-Id: {mark}\r\nTo: Ada").encode()
    world.routes = [RouteRow(9, 1, 1, "abuse@example.com", "*", "[]", "webhook", "https://a.test/", None, 1, "", 0)]
    await world.came(raw, destination=Destination.ROLE, recipient="abuse@example.com", subject=f"about {ADA}")

    await world.work()

    assert await named(world) == []
    assert [kind for kind, _ in await world.told()][-2:] == ["complained", "received"]
    assert len(await world.ask("SELECT scope FROM suppression")) == 2
    assert await world.ask("SELECT inbound_id FROM route_outbox") == []
    assert await world.differences() == []


@pytest.mark.parametrize(
    ("destination", "text", "kind", "scopes"),
    [
        (Destination.FEEDBACK, FEEDBACK, "complained", ["bulk", "transactional"]),
        (Destination.UNSUBSCRIBE, LEAVE, "unsubscribed", ["bulk"]),
        (Destination.REPLY, AWAY, "auto_replied", []),
    ],
    ids=["complaint", "unsubscribe", "auto-reply"],
)
async def test_what_else_machines_and_requests_say_of_an_erased_recipient_names_nobody(
    world: Inbound, destination: Destination, text: str, kind: str, scopes: list[str]
) -> None:
    recipient = await sent_and_erased(world)
    await world.came(text.format(ADA).encode(), recipient, destination, author=ADA, author_name=ADA)

    await world.work()

    assert await named(world) == []
    assert (await world.told())[-1][0] == kind
    assert [row[0] for row in await world.ask("SELECT scope FROM suppression ORDER BY scope")] == scopes
    assert await world.differences() == []


async def test_what_an_erased_person_writes_anew_is_new_mail_and_reaches_the_author(world: Inbound) -> None:
    recipient = await sent_and_erased(world, track=Track.REPLIES.value)
    raw = f"From: {ADA}\r\nSubject: Re: Hello\r\n\r\nOne more question.\r\n".encode()
    await world.came(raw, recipient, Destination.REPLY, author=ADA)

    await world.work()

    kind, detail = (await world.told())[-1]
    assert (kind, detail["erased"]) == ("replied", True)
    assert sorted(await named(world)) == ["inbound", "inbound_content"]
    assert await world.ask("SELECT route_id FROM route_outbox") == [(0,)]


async def test_a_mail_to_two_addresses_of_ours_loses_its_content_with_the_last(world: Inbound) -> None:
    recipient = await sent_and_erased(world)
    first = await world.came(report(ADA), recipient)
    again = (await world.mail(first))._replace(id=world.ids.next())
    columns = ", ".join(again._fields)
    places = ", ".join("?" for _ in again._fields)
    await world.act(f"INSERT INTO inbound ({columns}) VALUES ({places})", *again)

    await world.work()

    assert await named(world) == []
