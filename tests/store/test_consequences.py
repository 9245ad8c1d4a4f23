"""What follows from complaints, replies, requests for no more mail, and mail for routes and roles."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from queue_rows import NOW
from returned_mail import KEYS, Inbound, returned_mail

from postroom.base.clock import ManualClock
from postroom.base.tokens import TokenKind
from postroom.inbound import worker
from postroom.ledger.inbound_rows import Destination
from postroom.ledger.route_rows import RouteRow
from postroom.ledger.rows import RecipientRow
from postroom.mail.authentication import DmarcVerdict, Result, Verdicts
from postroom.mail.message_id import make_message_id
from postroom.mail.reasons import Reason
from postroom.mail.return_path import machine_address
from postroom.mail.verdict import MailKind, Mark, Reported, Verdict
from postroom.outbound.submission import PASSED_ON, Track
from postroom.store import restorations, route_outbox
from postroom.store.database import Database, open_database
from postroom.store.inbound import load
from postroom.store.webhook_facts import told_events
from postroom.webhooks.payload import event_body

REPLY = (
    b"From: Ann Smith <ann@example.org>\r\nSubject: Re: Hello\r\n\r\nYes, please.\r\n\r\n"
    b"On Mon, 2 Mar 2026, Ada <ada@example.com> wrote:\r\n> Shall we?\r\n"
)


@pytest.fixture
async def world(sqlite_url: str, clock: ManualClock) -> AsyncIterator[Inbound]:
    """On SQLite, for what the engines do alike."""
    database = await open_database(sqlite_url, clock=clock)
    async with returned_mail(database, clock) as made:
        yield made
    await database.close()


@pytest.fixture
async def either(database: Database, clock: ManualClock) -> AsyncIterator[Inbound]:
    """On both engines, where statements differ."""
    async with returned_mail(database, clock) as made:
        yield made


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have the classifier say something."""

    def say(kind: MailKind, *reported: Reported, **more: Any) -> None:
        verdict = Verdict(kind, "a rule", "the line that decided", reported, **more)
        monkeypatch.setattr(worker, "classify", lambda raw: verdict)

    return say


def complaint(address: str) -> Reported:
    return Reported(address, Reason.UNDETERMINED, False, "", None, "Feedback-Type: abuse", "feedback report")


async def scopes(world: Inbound) -> list[tuple[Any, ...]]:
    return await world.ask("SELECT address_key, scope, source FROM suppression ORDER BY scope")


async def test_a_complaint_suppresses_the_stream_of_the_mail_and_bulk_and_counts_once(
    either: Inbound, says: Any
) -> None:
    _, recipient = await either.sent()
    says(MailKind.COMPLAINT, complaint(recipient.address))
    for _ in range(2):
        await either.came(b"x", recipient, Destination.FEEDBACK)

    await either.work()

    key = recipient.address_key
    assert await scopes(either) == [(key, "bulk", "complaint"), (key, "transactional", "complaint")]
    assert [kind for kind, _ in await either.told()] == ["complained", "complained"]
    assert (await either.told())[0][1]["suppressed"] == ["transactional", "bulk"]
    assert await either.counted("complaints") == await either.counted("complaints", "stream", "transactional") == 1
    assert (await either.row(recipient.id)).state == "delivered"
    assert await either.differences() == []


async def test_a_complaint_without_an_address_is_found_by_the_mark_of_the_copy(world: Inbound, says: Any) -> None:
    _, recipient = await world.sent(stream="bulk")
    mark = Mark(TokenKind.FEEDBACK, KEYS.local_part_text(TokenKind.FEEDBACK, 0, recipient.id), "X-Postroom-Id")
    says(MailKind.COMPLAINT, marks=(mark,))
    await world.came(b"x", destination=Destination.ROLE, recipient="abuse@example.com")

    await world.work()

    assert await scopes(world) == [(recipient.address_key, "bulk", "complaint")]
    assert [kind for kind, _ in await world.told()] == ["complained", "received"]
    assert await world.counted("inbound") == 0


async def test_a_complaint_that_only_names_a_message_id_is_told_and_suppresses_nobody(
    world: Inbound, says: Any
) -> None:
    _, recipient = await world.sent(message_id="<a@example.com>")
    says(MailKind.COMPLAINT, complaint(recipient.address), answers=("<a@example.com>",))
    await world.came(b"x", destination=Destination.ROLE, recipient="abuse@example.com")

    await world.work()

    assert await scopes(world) == []
    assert [kind for kind, _ in await world.told()] == ["complained", "received"]
    assert await world.differences() == []


async def test_who_complains_in_words_without_our_mark_is_unsubscribed_as_who_asks(either: Inbound) -> None:
    _, recipient = await either.sent(message_id="<a@example.com>", stream="transactional")
    for author, dmarc, wanted in (
        ("m@example.org", Result.PASS, []),
        (recipient.address, Result.FAIL, []),
        (recipient.address, Result.NONE, [(recipient.address_key, "bulk", "unsubscribe")]),
    ):
        verdicts = Verdicts(dmarc=DmarcVerdict(dmarc)).to_json()
        head = f"From: {author}\r\nSubject: Re: Hello\r\nIn-Reply-To: <a@example.com>\r\n"
        raw = f"{head}\r\nThis is spam.\r\n".encode()
        await either.came(
            raw, destination=Destination.ROUTE, recipient="ada@example.com", author=author, verdicts=verdicts
        )
        await either.work()
        assert await scopes(either) == wanted

    assert (await either.counted("complaints"), await either.counted("unsubscribes")) == (0, 1)
    assert await either.differences() == []


async def test_a_mark_that_we_did_not_make_names_nobody(world: Inbound, says: Any) -> None:
    _, recipient = await world.sent()
    true = KEYS.local_part_text(TokenKind.FEEDBACK, 0, recipient.id)
    forged = [Mark(TokenKind.FEEDBACK, true[:-1] + letter, "X-Postroom-Id") for letter in "abcd" if true[-1] != letter]
    says(MailKind.COMPLAINT, complaint(recipient.address), marks=tuple(forged))
    await world.came(b"x", destination=Destination.ROLE, recipient="abuse@example.com")

    await world.work()

    assert [kind for kind, _ in await world.told()] == ["received"]


async def test_a_mail_to_another_workspace_finds_nothing_of_this_one(world: Inbound, says: Any) -> None:
    _, recipient = await world.sent(message_id="<a@example.com>")
    mark = Mark(TokenKind.FEEDBACK, KEYS.local_part_text(TokenKind.FEEDBACK, 0, recipient.id), "X-Postroom-Id")
    says(MailKind.BOUNCE, complaint(recipient.address), marks=(mark,), answers=("<a@example.com>",))
    await world.came(b"x", destination=Destination.ROLE, recipient="abuse@two.example", workspace_id=2)

    await world.work()

    assert (await world.row(recipient.id)).state == "delivered"
    assert [kind for kind, _ in await world.told()] == ["received"]


@pytest.mark.parametrize("address", ["abuse@mail.postroom.test", "Postmaster"])
async def test_a_report_to_a_role_of_the_installation_goes_to_whose_copy_it_is_about(
    either: Inbound, says: Any, address: str
) -> None:
    """A feedback loop sends all reports about an installation to one address, which is the first workspace's."""
    _, recipient = await either.sent(stream="bulk")
    mark = Mark(TokenKind.FEEDBACK, KEYS.local_part_text(TokenKind.FEEDBACK, 0, recipient.id), "X-Postroom-Id")
    says(MailKind.COMPLAINT, complaint(recipient.address), marks=(mark,))
    row_id = await either.came(b"x", destination=Destination.ROLE, recipient=address, workspace_id=2)

    await either.work()

    assert await scopes(either) == [(recipient.address_key, "bulk", "complaint")]
    assert [kind for kind, _ in await either.told()] == ["complained"]
    mail = await either.mail(row_id)
    assert (mail.state, mail.destination, mail.answers_recipient_id) == ("done", "feedback", recipient.id)
    assert await load(either.database, 1, mail.content_id) == b"x"
    assert await load(either.database, 2, mail.content_id) is None
    assert await either.differences() == []


async def test_a_mail_to_a_role_of_the_installation_that_is_no_report_or_is_shared_stays(
    either: Inbound, says: Any
) -> None:
    _, recipient = await either.sent(stream="bulk")
    mark = Mark(TokenKind.FEEDBACK, KEYS.local_part_text(TokenKind.FEEDBACK, 0, recipient.id), "X-Postroom-Id")
    given: dict[str, Any] = {"destination": Destination.ROLE, "workspace_id": 2}
    says(MailKind.OTHER, marks=(mark,))
    await either.came(b"x", recipient="abuse@mail.postroom.test", **given)
    await either.work()
    says(MailKind.COMPLAINT, complaint(recipient.address), marks=(mark,))
    await either.came(b"x", recipient="abuse@two.example", **given)
    shared = await either.came(b"x", recipient="postmaster", **given)
    await either.act("UPDATE inbound SET content_id = (SELECT max(content_id) FROM inbound)")
    await either.work()

    assert await scopes(either) == []
    rows = await either.ask("SELECT workspace_id, destination, state FROM inbound")
    assert rows == [(2, "role", "done")] * 3
    assert shared


@pytest.mark.parametrize("kind", [MailKind.OTHER, MailKind.REPLY, MailKind.UNSUBSCRIBE])
async def test_any_mail_to_an_unsubscribe_address_unsubscribes(world: Inbound, says: Any, kind: MailKind) -> None:
    _, recipient = await world.sent(stream="bulk")
    says(kind)
    mail_id = await world.came(b"x", recipient, Destination.UNSUBSCRIBE)

    await world.work()

    assert await scopes(world) == [(recipient.address_key, "bulk", "unsubscribe")]
    ((event, detail),) = await world.told()
    assert (event, detail["by"]) == ("unsubscribed", "mail")
    assert (await world.mail(mail_id)).kind == "unsubscribe"
    assert (await world.counted("unsubscribes"), await world.counted("inbound")) == (1, 0)
    assert await world.differences() == []


@pytest.mark.parametrize(
    "said",
    [
        "Subject: unsubscribe\r\n\r\n",
        "Subject: Unsubscribe\r\n\r\nCould you take me off your list?\r\n",
        "Subject: unsubscribe\r\n\r\nI never signed up. Is this spam?\r\n",
        "Subject: unsubscribe\r\nAuto-Submitted: auto-generated\r\n\r\nThis is an automatically generated message.\r\n",
        "\r\n",
    ],
)
async def test_whatever_words_a_person_or_a_mail_program_uses_there(world: Inbound, said: str) -> None:
    _, recipient = await world.sent(stream="bulk")
    raw = f"From: Ann <ann@example.org>\r\nTo: u-@rp.example.com\r\n{said}".encode()
    await world.came(raw, recipient, Destination.UNSUBSCRIBE, author="ann@example.org")

    await world.work()

    assert await scopes(world) == [(recipient.address_key, "bulk", "unsubscribe")]
    assert await world.counted("unsubscribes") == 1


async def test_a_machine_that_answers_an_unsubscribe_address_unsubscribes_nobody(world: Inbound, says: Any) -> None:
    _, recipient = await world.sent(stream="bulk")
    says(MailKind.AUTO_REPLY)
    await world.came(b"x", recipient, Destination.UNSUBSCRIBE)

    await world.work()

    assert await scopes(world) == []
    assert [kind for kind, _ in await world.told()] == ["auto_replied"]


async def test_a_reply_that_asks_for_no_more_unsubscribes_and_still_reaches_the_author(
    world: Inbound, says: Any
) -> None:
    _, recipient = await world.sent(track=Track.REPLIES.value)
    says(MailKind.UNSUBSCRIBE)
    await world.came(REPLY, recipient, Destination.REPLY, author="ann@example.org")

    await world.work()

    ((event, detail),) = await world.told()
    assert (event, detail["by"], detail["evidence"]) == ("unsubscribed", "reply", "the line that decided")
    assert await world.ask("SELECT target FROM route_outbox") == [("ada@example.com",)]
    assert await world.counted("inbound") == 0


async def test_a_reply_that_may_ask_for_no_more_is_a_reply_until_somebody_looked(world: Inbound, says: Any) -> None:
    _, recipient = await world.sent(track=Track.REPLIES.value)
    says(MailKind.UNSUBSCRIBE, is_doubtful=True)
    mail_id = await world.came(REPLY, recipient, Destination.REPLY)

    await world.work()

    assert [kind for kind, _ in await world.told()] == ["replied"]
    mail = await world.mail(mail_id)
    assert (mail.kind, mail.reviewed_ms, '"doubtful":true' in mail.detail) == ("unsubscribe", None, True)
    assert (await scopes(world), await world.counted("inbound")) == ([], 1)
    assert await world.differences() == []


async def test_nobody_else_unsubscribes_an_address_by_naming_a_message_id(either: Inbound, says: Any) -> None:
    _, recipient = await either.sent(message_id="<a@example.com>")
    says(MailKind.UNSUBSCRIBE, answers=("<a@example.com>",))
    for author in ("mallory@example.org", recipient.address):
        assert await scopes(either) == []
        await either.came(REPLY, destination=Destination.ROLE, recipient="abuse@example.com", author=author)
        await either.work()

    assert await scopes(either) == [(recipient.address_key, "bulk", "unsubscribe")]


async def test_who_is_only_named_in_from_unsubscribes_nobody_where_dmarc_fails(world: Inbound, says: Any) -> None:
    _, recipient = await world.sent(message_id="<a@example.com>")
    says(MailKind.UNSUBSCRIBE, answers=("<a@example.com>",))
    for result in (Result.FAIL, Result.PERMERROR, Result.NONE):
        assert await scopes(world) == []
        mail_id = await world.came(
            REPLY, destination=Destination.ROLE, recipient="abuse@example.com", author=recipient.address,
            verdicts=Verdicts(dmarc=DmarcVerdict(result)).to_json(),
        )  # fmt: skip
        await world.work()
        assert ('"doubtful":true' in (await world.mail(mail_id)).detail) == (result is not Result.NONE)

    assert await scopes(world) == [(recipient.address_key, "bulk", "unsubscribe")]


async def test_a_reply_is_told_as_what_was_written_counts_and_goes_to_the_author(either: Inbound, says: Any) -> None:
    unsubscribe = '{"reply-to": "Help <help@example.com>"}'
    _, recipient = await either.sent(track=Track.REPLIES.value, unsubscribe=unsubscribe)
    says(MailKind.REPLY)
    fields = {"author": "ann@example.org", "author_name": "Ann Smith", "subject": "Re: Hello"}
    mail_id = await either.came(REPLY, recipient, Destination.REPLY, **fields)

    await either.work()

    ((event, detail),) = await either.told()
    told = [detail[name] for name in ("written", "author", "author_name", "subject", "attachments")]
    assert (event, told) == ("replied", ["Yes, please.", "ann@example.org", "Ann Smith", "Re: Hello", []])
    assert await either.counted("inbound") == await either.counted("inbound", "tag", "blue") == 1
    assert await either.ask("SELECT inbound_id, route_id, target FROM route_outbox") == [
        (mail_id, 0, "help@example.com")
    ]
    assert (await either.mail(mail_id)).is_counted == 1
    assert await either.differences() == []


async def test_after_a_restore_a_reply_that_waited_in_the_backup_is_told_and_goes_to_nobody_by_itself(
    either: Inbound, says: Any
) -> None:
    _, recipient = await either.sent(track=Track.REPLIES.value)
    says(MailKind.REPLY)
    await either.came(REPLY, recipient, Destination.REPLY, author="ann@example.org")
    backup_ms = either.clock.now_ms()
    either.clock.advance(hours=1)
    await either.database.write(lambda tx: restorations.mark(tx, 7, backup_ms))
    await either.database.write(lambda tx: restorations.finish(tx, either.clock.now_ms(), 0, 0))

    await either.work()

    assert [kind for kind, _ in await either.told()] == ["replied"]
    assert await either.ask("SELECT due_ms FROM route_outbox") == [(route_outbox.HELD_MS,)]
    await either.came(REPLY, recipient, Destination.REPLY, author="ann@example.org")
    await either.work()
    assert await either.ask("SELECT count(*) FROM route_outbox WHERE due_ms < ?", route_outbox.HELD_MS) == [(1,)]


async def test_a_reply_is_found_by_what_it_answers(either: Inbound, says: Any) -> None:
    message, recipient = await either.sent(message_id="<a@example.com>")
    says(MailKind.REPLY, answers=("<unknown@example.com>", "<a@example.com>"))
    mail_id = await either.came(
        REPLY, destination=Destination.ROUTE, recipient="help@example.com", author=recipient.address
    )

    await either.work()

    assert [kind for kind, _ in await either.told()] == ["replied", "received"]
    mail = await either.mail(mail_id)
    assert (mail.answers_recipient_id, mail.answers_message_id) == (recipient.id, message.id)
    assert await either.counted("inbound") == 1
    assert await either.differences() == []


async def test_an_author_who_writes_on_in_his_thread_is_no_answer_of_his_reader(world: Inbound) -> None:
    message, _ = await world.sent(message_id="<a@example.com>")
    raw = b"From: ada@example.com\r\nIn-Reply-To: <a@example.com>\r\nSubject: Re: Hello\r\n\r\nOne more thing.\r\n"
    mail_id = await world.came(raw, None, Destination.ROUTE, recipient="help@example.com", author="ada@example.com")

    await world.work()

    assert [kind for kind, _ in await world.told()] == ["received"]
    assert (await world.counted("inbound"), await world.differences()) == (1, [])
    mail = await world.mail(mail_id)
    assert (mail.answers_recipient_id, mail.answers_message_id) == (None, message.id)


async def test_a_reply_with_the_fields_of_a_list_is_one(world: Inbound) -> None:
    _, recipient = await world.sent(track=Track.REPLIES.value)
    raw = REPLY.replace(b"Subject", b"List-Unsubscribe: <mailto:x@example.org>\r\nIn-Reply-To: <a@b>\r\nSubject", 1)
    await world.came(raw, recipient, Destination.REPLY, author="ann@example.org")

    await world.work()

    ((event, detail),) = await world.told()
    assert (event, detail["written"]) == ("replied", "Yes, please.")
    assert await world.ask("SELECT target FROM route_outbox") == [("ada@example.com",)]


@pytest.mark.parametrize(
    ("author", "to", "replies"),
    [
        ("ada@example.com", "ann@example.org", 0),
        ("help@example.com", "ann@example.org", 0),
        ("ada@example.com", "ada@example.com", 1),
    ],
)
async def test_an_author_who_answers_all_answers_nobody_of_ours(
    world: Inbound, author: str, to: str, replies: int
) -> None:
    """The reply that he got shows our address in To. Who wrote to himself may answer."""
    _, recipient = await world.sent(
        track=Track.REPLIES.value,
        unsubscribe='{"reply-to": "Help <help@example.com>"}',
        recipient={"address": to, "address_key": to},
    )
    raw = b"From: x@example.com\r\nSubject: Re: Hello\r\nIn-Reply-To: <x@y>\r\n\r\nWe take you off our list.\r\n"
    mail_id = await world.came(raw, recipient, Destination.REPLY, author=author)

    await world.work()

    assert [kind for kind, _ in await world.told()] == ["replied"] * replies
    assert len(await world.ask("SELECT target FROM route_outbox")) == await world.counted("inbound") == replies
    assert (await world.mail(mail_id)).answers_recipient_id == recipient.id
    assert await scopes(world) == await world.differences() == []


async def test_a_reply_that_was_forwarded_to_a_route_of_ours_counts_once(either: Inbound) -> None:
    """Its author's address is a route: the reply comes in for us, and again for the route."""
    _, recipient = await either.sent(message_id="<a@example.com>", track=Track.REPLIES.value)
    _, forward = await either.sent(source=PASSED_ON)
    raw = REPLY.replace(b"Subject", b"In-Reply-To: <a@example.com>\r\nSubject", 1)
    await either.came(raw, recipient, Destination.REPLY, author="ann@example.org")
    await either.came(
        raw,
        None,
        Destination.ROUTE,
        recipient="ada@example.com",
        author="ann@example.org",
        reverse_path=machine_address(KEYS, TokenKind.BOUNCE, 0, forward.id, "rp.example.com"),
    )

    await either.work()

    assert [kind for kind, _ in await either.told()] == ["replied", "received"]
    assert await either.counted("inbound") == 1
    assert await either.ask("SELECT count(*) FROM inbound WHERE answers_recipient_id = ?", recipient.id) == [(2,)]
    assert await either.differences() == []


async def test_an_answer_to_all_that_comes_to_two_addresses_of_ours_counts_once(either: Inbound) -> None:
    _, recipient = await either.sent(message_id="<a@example.com>", track=Track.REPLIES.value)
    raw = REPLY.replace(b"Subject", b"In-Reply-To: <a@example.com>\r\nSubject", 1)
    written: dict[str, Any] = {"author": recipient.address, "message_id": "<re@example.org>"}
    await either.came(raw, recipient, Destination.REPLY, **written)
    await either.came(raw, None, Destination.ROUTE, recipient="help@example.com", **written)
    await either.came(raw, recipient, Destination.REPLY, **{**written, "message_id": "<other@example.org>"})

    await either.work()

    assert [kind for kind, _ in await either.told()] == ["replied", "received", "replied"]
    assert await either.counted("inbound") == 2
    assert len(await either.ask("SELECT target FROM route_outbox")) == 2
    assert await either.differences() == []


async def test_a_reply_that_its_authors_mailbox_sends_back_to_us_goes_no_further(world: Inbound) -> None:
    _, recipient = await world.sent(track=Track.REPLIES.value)
    _, forward = await world.sent(source=PASSED_ON)
    back = machine_address(KEYS, TokenKind.BOUNCE, 0, forward.id, "rp.example.com")
    await world.came(REPLY, recipient, Destination.REPLY, author="ann@example.org", reverse_path=back)

    await world.work()

    assert (await world.told(), await world.ask("SELECT target FROM route_outbox")) == ([], [])
    assert (await world.counted("inbound"), await world.differences()) == (0, [])


async def test_a_personal_copy_is_found_by_its_message_id(world: Inbound, says: Any) -> None:
    _, recipient = await world.sent(kind="personal")
    says(MailKind.REPLY, answers=(make_message_id("rcp", recipient.id, "example.com"),))
    mail_id = await world.came(REPLY, destination=Destination.ROUTE, recipient="help@example.com", author="x@y.example")

    await world.work()

    assert (await world.mail(mail_id)).answers_recipient_id == recipient.id


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        (MailKind.AUTO_REPLY, "auto_replied"),
        (MailKind.CHALLENGE, "auto_replied"),
        (MailKind.RECEIPT, "receipt_reported"),
        (MailKind.DELAY, "delay_reported"),
    ],
)
async def test_what_machines_answer_is_told_and_changes_nothing_else(
    world: Inbound, says: Any, kind: MailKind, event: str
) -> None:
    _, recipient = await world.sent(track=Track.REPLIES.value)
    before = await world.row(recipient.id)
    says(kind)
    await world.came(REPLY, recipient, Destination.REPLY)

    await world.work()

    assert [kind for kind, _ in await world.told()] == [event]
    assert await world.row(recipient.id) == before
    assert await world.ask("SELECT target FROM route_outbox") == await scopes(world) == []
    assert await world.counted("inbound") == 0


async def test_mail_for_a_route_counts_for_its_domain_and_is_handed_on(either: Inbound, says: Any) -> None:
    route = RouteRow(7, 1, 1, "help@example.com", "", "[]", "webhook", "https://example.org/", None, 1, "", NOW)
    either.routes.append(route)
    says(MailKind.OTHER)
    mail_id = await either.came(
        REPLY, destination=Destination.ROUTE, recipient="help@example.com", author="ann@example.org"
    )

    await either.work()

    ((event, detail),) = await either.told()
    assert (event, detail["to"], detail["written"]) == ("received", "help@example.com", "Yes, please.")
    assert await either.counted("inbound") == await either.counted("inbound", "domain", "example.com") == 1
    assert await either.ask("SELECT inbound_id, route_id FROM route_outbox") == [(mail_id, 7)]
    assert (await either.mail(mail_id)).route_id == 7
    assert await either.differences() == []


async def test_mail_that_a_route_refuses_is_kept_and_told_to_nobody(world: Inbound, says: Any) -> None:
    world.routes.append(RouteRow(7, 1, 1, "help@example.com", "", '["other"]', "refuse", "", None, 1, "", NOW))
    says(MailKind.OTHER)
    mail_id = await world.came(REPLY, destination=Destination.ROUTE, recipient="help@example.com")

    await world.work()

    assert await world.told() == []
    assert (await world.mail(mail_id)).route_id == 7
    assert (await world.counted("inbound"), await world.differences()) == (0, [])


async def test_mail_about_an_erased_copy_is_worked_on_to_its_end(world: Inbound, says: Any) -> None:
    says(MailKind.BOUNCE, complaint("u@example.net"))
    gone = RecipientRow(5, 1, 1, 1, "u@example.net", "u@example.net", "example.net", "delivered", 0, "other", 2, "", "")
    mail_id = await world.came(b"x", gone)

    await world.work()

    assert ((await world.mail(mail_id)).state, await world.told()) == ("done", [])


async def test_a_webhook_is_told_a_reply_parsed_and_raw(either: Inbound, says: Any) -> None:
    _, recipient = await either.sent()
    says(MailKind.REPLY)
    long = REPLY.replace(b"Yes, please.", b"Yes, please. " * 200)
    for raw in (REPLY, long, long + b"> old\r\n" * 20_000):
        await either.came(raw, recipient, Destination.REPLY)
    await either.work()
    ids = [row[0] for row in await either.ask("SELECT id FROM event WHERE kind = 'replied' ORDER BY id")]

    told = await either.database.read(lambda conn: told_events(conn, 1, ids))

    bodies = [msgspec.json.decode(event_body(event))["data"] for event in told]
    assert [base64.b64decode(body["raw"]["base64"] or "") for body in bodies] == [REPLY, long, b""]
    assert bodies[0]["raw"]["path"] == f"/api/v1/inbound/{bodies[0]['detail']['inbound_id']}/raw"
    assert [len(body["detail"]["written"]) for body in bodies] == [12, 2599, 2599]


async def test_texts_that_no_engine_stores_are_stored_as_far_as_they_can_be(either: Inbound, says: Any) -> None:
    _, recipient = await either.sent()
    reported = Reported("a\0\udc80@b.example", Reason.NO_SUCH_USER, True, "5.1.\0", 550, "\0 \ud800 unknown", "rule")
    says(MailKind.BOUNCE, reported, answers=("<\0@\udc80>",))
    for about in (recipient, None):
        await either.came(b"x", about, Destination.ROLE, recipient="abuse@example.com")

    await either.work()

    assert await either.ask("SELECT state, count(*) FROM inbound GROUP BY state") == [("done", 2)]
    assert (await either.row(recipient.id)).state == "failed"
