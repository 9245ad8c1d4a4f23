"""The story of a message: each try with its lines of SMTP, opens with their evidence, and what can be done."""

import json
import re
import shlex
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from dashboard_browser import World, dashboard
from queue_rows import Queue, message_row, recipient_row
from selectolax.lexbor import LexborHTMLParser

from postroom.base.clock import ManualClock
from postroom.base.ids import show_id
from postroom.base.packing import pack
from postroom.doors.dashboard.event_words import words_of
from postroom.doors.dashboard.story_views import curl_of, short_address, timeline
from postroom.events import record
from postroom.events.erased import trimmed
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.outcomes import Outcome, OutcomeKind
from postroom.ledger.rows import ContentRow, EventRow, HitRow, MessageRow, RecipientRow, SandboxCopyRow
from postroom.mail.reading import read_mail
from postroom.mail.smtp_reply import SmtpReply
from postroom.store.database import open_database, statement

HOSTILE = "\"><script>alert(1)</script>\u202e'" + "x" * 10_000
MAIL = (
    b"From: ada@example.com\r\nTo: bob@example.net\r\nSubject: It's here\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>It's <b>here</b></p>\r\n"
)
HOP = "mx.example.net [192.0.2.1]:25"
SAID = "> MAIL FROM:<b-x@rp.example.com>\n< 250 2.1.0 ok\n> RCPT TO:<bob@example.net>\n< 450 4.2.0 Greylisted"
TRIED = Outcome(
    OutcomeKind.DEFERRED, SmtpReply(450, "4.2.0", "Greylisted"), HOP, "TLSv1.3 TLS_AES_256_GCM_SHA384", 1234,
    transcript=SAID,
)  # fmt: skip
AUDIT = statement("SELECT action, subject, detail, operator FROM audit WHERE action NOT LIKE 'login%' ORDER BY id")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def world(tmp_path: Path, clock: ManualClock) -> AsyncIterator[World]:
    database = await open_database(f"sqlite:///{tmp_path}/postroom.db", clock=clock)
    async with dashboard(database, clock) as opened:
        yield opened
    await database.close()


class House:
    """One message with what happened to it."""

    def __init__(self, world: World, clock: ManualClock) -> None:
        self.world = world
        self.queue = Queue(world.services.database, clock)

    async def mail(self, count: int = 1, *, content: bytes = MAIL, **fields: Any) -> tuple[MessageRow, RecipientRow]:
        workspace = await self.world.workspace("one")
        message, rows = await self.queue.message(count, workspace_id=workspace.id, **fields)
        row = ContentRow(workspace.id, b"k", len(content), None, pack(content), b"", pack(b"\x90"), 1)
        await self.world.services.database.write(lambda tx: tx.add(row))
        return message, rows[0]

    async def record(self, function: Any, message: MessageRow, row: RecipientRow, *arguments: Any) -> None:
        event_id, now = self.queue.ids.next(), self.queue.clock.now_ms()
        facts = record.facts_of(message, row)
        await self.world.services.database.write(lambda tx: function(tx, facts, event_id, now, *arguments))

    async def page(self, row: RecipientRow, workspace: str = "one") -> str:
        answer = await self.world.get(f"/w/{workspace}/recipients/{show_id('rcp', row.id)}")
        assert answer.status_code == 200, answer.text
        return answer.text


@pytest.fixture
def house(world: World, clock: ManualClock) -> House:
    return House(world, clock)


def text(html: str) -> str:
    body = LexborHTMLParser(html).css_first("main")
    assert body is not None
    return " ".join(body.text(separator=" ").split())


async def test_what_came_back_is_told_in_words_with_the_line_quoted_and_its_mail(house: House) -> None:
    message, row = await house.mail(
        recipient={"state": "failed", "reason": "bounced: user unknown", "cause": "no_such_user"}
    )
    mail = show_id("inb", 77)
    reported = {"inbound_id": mail, "reason": "no_such_user", "hard": True, "status": "5.1.1", "suppressed": "all"}
    came = [
        (EventKind.DELAY_REPORTED, {"inbound_id": mail, "evidence": "still trying"}),
        (EventKind.AUTO_REPLIED, {"inbound_id": mail, "evidence": "Auto-Submitted: auto-replied"}),
        (
            EventKind.REPLIED,
            {
                "inbound_id": mail,
                "evidence": "In-Reply-To: <x>",
                "author": "ada@example.net",
                "author_name": "Ada",
                "written": "Yes,\nplease." + "!" * 2_000,
            },
        ),
        (EventKind.COMPLAINED, {"inbound_id": mail, "evidence": "Feedback-Type: abuse", "suppressed": ["bulk"]}),
        (EventKind.BOUNCED, {**reported, "evidence": f"550 user unknown {HOSTILE}"}),
    ]
    facts = record.facts_of(message, row)
    for kind, detail in came:
        event_id, now = house.queue.ids.next(), house.queue.clock.now_ms()
        await house.world.services.database.write(
            lambda tx, kind=kind, detail=detail, event_id=event_id, now=now: record.tell(  # type: ignore[misc]
                tx, facts, event_id, kind, now, detail
            )
        )

    page = await house.page(row)
    tree = LexborHTMLParser(page)

    titles = [node.text(strip=True) for node in tree.css(".timeline .entry strong")]
    assert titles[-5:] == ["Late", "Answered by a machine", "Answered", "Complained", "Bounced"]
    said = [node.text(strip=True) for node in tree.css(".timeline .said")]
    assert said[:2] == ["still trying", "Auto-Submitted: auto-replied"]
    assert said[2].startswith("Yes,\nplease.!")
    assert len(said[2]) < 1_100
    assert said[3] == "Feedback-Type: abuse"
    assert said[4].startswith("550 user unknown")
    assert "Ada answered it" in page
    assert "called it spam, and gets no bulk mail any more" in page
    assert "There is no such mailbox; the address is dead, and gets no mail any more" in page
    assert page.count(f'href="/w/one/inbound/{mail}"') == 5
    assert "<script>alert" not in page
    assert "A bounce came back: there is no such mailbox" in (await house.world.get("/w/one/activity")).text


async def test_a_try_is_told_with_its_words_its_connection_and_every_line(house: House, clock: ManualClock) -> None:
    message, row = await house.mail(recipient={"state": "deferred", "tries": 1, "due_ms": clock.now_ms() + 300_000})
    await house.record(record.record_deferred, message, row, TRIED, 1, clock.now_ms() + 300_000)

    told = text(await house.page(row))

    assert "by HTTP API, 1 byte, transactional stream" in told
    assert (
        "mx.example.net greylists: it wants to see the mail a second time before it takes it ; next try in 5 min"
        in told
    )
    assert "450 4.2.0 Greylisted" in told
    assert "TLSv1.3 TLS_AES_256_GCM_SHA384" in told
    assert "1.2 s" in told
    assert "4 lines of SMTP" in told
    assert "They: 450 4.2.0 Greylisted" in told
    assert "Next try in 5 min" in told


async def test_an_open_is_told_with_its_label_the_reason_and_a_shortened_address(
    house: House, clock: ManualClock
) -> None:
    message, row = await house.mail()
    now = clock.now_ms()
    hit = HitRow(
        house.queue.ids.next(), message.workspace_id, row.id, "open", 0, now, "GET", "198.51.100.77", "Mozilla/5.0",
        json.dumps({"rule": "apple_privacy", "since_delivery_ms": 90_000}), "machine", 1,
    )  # fmt: skip
    # The label of the event is that of its time; rules have judged the hit anew since.
    detail = {"label": "unknown", "first": True, "user_agent": "Mozilla/5.0"}
    opened = record.Fetched(record.facts_of(message, row), house.queue.ids.next(), now, True, False, detail)

    def write(tx: Any) -> None:
        tx.add(hit)
        record.record_opened(tx, [opened])

    await house.world.services.database.write(write)

    told = text(await house.page(row))

    assert "Picture fetched by a machine" in told
    assert "Apple's privacy proxy fetches every image, opened or not" in told
    assert "198.51.100.x" in told
    assert "198.51.100.77" not in told


def test_an_address_is_shortened_so_that_it_names_nobody() -> None:
    assert short_address("198.51.100.77") == "198.51.100.x"
    assert short_address("2001:db8:1:2:3::4") == "2001:db8:1::/48"
    assert short_address("nonsense") == ""


def test_a_part_of_a_long_story_has_neither_the_beginning_nor_the_end_of_the_whole() -> None:

    message, recipient = message_row(), recipient_row(1, message_row())

    assert [one.title for one in timeline(message, recipient, [], [], 0)] == ["Accepted", "First try"]
    assert timeline(message, recipient, [], [], 0, is_first=False, is_last=False) == ()


async def test_a_message_with_several_recipients_lists_them_with_their_states(house: House) -> None:
    message, _ = await house.mail(3, recipient={"state": "held"})

    html = (await house.world.get(f"/w/one/messages/{show_id('msg', message.id)}")).text

    assert len(LexborHTMLParser(html).css("a[data-row]")) == 3
    assert "3 held" in text(html)
    assert "accepted just now for 3 recipients" in text(html)
    assert {"Release", "Cancel"} <= set(re.findall(r"Release|Cancel|Retry|Hold\b", text(html)))


async def test_a_message_with_one_recipient_is_its_story(house: House) -> None:
    message, row = await house.mail()

    html = (await house.world.get(f"/w/one/messages/{show_id('msg', message.id)}")).text

    assert "What happened" in html
    assert row.address in html


async def test_a_recipient_is_held_released_retried_and_cancelled_and_the_log_says_who(
    house: House, clock: ManualClock
) -> None:
    _, row = await house.mail()
    path = f"/w/one/recipients/{show_id('rcp', row.id)}"

    for move, after in (("hold", "held"), ("release", "queued"), ("cancel", "cancelled")):
        clock.advance(seconds=1)
        answer = await house.world.post(f"{path}/{move}")
        assert (answer.status_code, answer.headers["location"]) == (303, path)
        assert await house.queue.states() == {after: 1}
    refused = await house.world.post(f"{path}/retry")

    assert refused.status_code == 303
    assert "Nothing was changed" in (await house.world.get(path)).text
    rows = await house.world.services.database.read(lambda conn: conn.all(AUDIT))
    assert [one[0] for one in rows if one[0].startswith("queue")] == ["queue.hold", "queue.release", "queue.cancel"]
    assert {one[3] for one in rows if one[0].startswith("queue")} == {house.world.operator.name}


async def test_all_recipients_of_a_message_move_together(house: House) -> None:
    message, _ = await house.mail(5)
    path = f"/w/one/messages/{show_id('msg', message.id)}"

    assert (await house.world.post(f"{path}/hold")).status_code == 303

    assert await house.queue.states() == {"held": 5}
    assert "5 recipients: hold." in (await house.world.get(path)).text


async def test_an_address_is_suppressed_from_its_story(house: House) -> None:
    _, row = await house.mail()
    path = f"/w/one/recipients/{show_id('rcp', row.id)}"

    assert (await house.world.post(f"{path}/suppress")).status_code == 303

    told = text((await house.world.get(path)).text)
    assert "This address gets no mail" in told
    assert "Address suppressed" in told
    assert "Suppress this address" not in told


async def test_who_was_erased_and_had_failed_is_offered_no_other_try(house: House) -> None:
    _, row = await house.mail()
    path = f"/w/one/recipients/{show_id('rcp', row.id)}"
    await house.queue.act("UPDATE recipient SET state = 'failed' WHERE id = ?", row.id)
    assert "Try again now" in (await house.world.get(path)).text

    await house.queue.act("UPDATE recipient SET address = '(erased)', address_key = 'erased:a' WHERE id = ?", row.id)

    assert "Try again now" not in (await house.world.get(path)).text
    assert (
        "Nothing was changed"
        in (await house.world.get((await house.world.post(f"{path}/retry")).headers["location"])).text
    )


@pytest.mark.parametrize("kind", list(EventKind))
def test_what_is_kept_of_the_events_of_an_erased_person_reads_as_a_sentence(kind: EventKind) -> None:
    for detail in ({}, {"inbound_id": "inb_x", "hard": True, "suppressed": "all", "kind": "challenge", "reason": "x"}):
        told = words_of(EventRow(1, 1, 1, 1, kind.value, 1, json.dumps(trimmed(detail))))

        assert told.title
        assert told.sentence[:1] not in (",", ";", ":", " ")


async def test_a_get_changes_nothing_and_an_unknown_button_is_not_there(house: House) -> None:
    _, row = await house.mail()
    path = f"/w/one/recipients/{show_id('rcp', row.id)}"

    assert (await house.world.get(f"{path}/hold")).status_code == 405
    assert (await house.world.post(f"{path}/explode")).status_code == 404
    assert await house.queue.states() == {"queued": 1}


async def test_ids_of_another_workspace_are_not_there(house: House) -> None:
    message, row = await house.mail()
    recipient, whole = show_id("rcp", row.id), show_id("msg", message.id)

    for path in (f"/w/two/recipients/{recipient}", f"/w/two/messages/{whole}"):
        assert (await house.world.get(path)).status_code == 404
        assert (await house.world.post(f"{path}/hold")).status_code == 404
    assert (await house.world.post(f"/w/two/recipients/{recipient}/suppress")).status_code == 404
    for path in ("/w/one/recipients/rcp_x", "/w/one/messages/msg_x", f"/w/one/recipients/{whole}"):
        assert (await house.world.get(path)).status_code == 404
    assert await house.queue.states() == {"queued": 1}


async def test_hostile_mail_replies_and_programs_stay_text(house: House, clock: ManualClock) -> None:
    content = b"From: x\r\nSubject: </pre><script>alert(1)</script>\r\n\r\n<script>alert(1)</script>'\r\n"
    message, row = await house.mail(
        content=content, subject=HOSTILE, tags=json.dumps([HOSTILE[:60]]), metadata=json.dumps({HOSTILE[:40]: HOSTILE}),
        recipient={"address": HOSTILE, "state": "failed", "reason": HOSTILE, "next_hop": HOSTILE},
    )  # fmt: skip
    hostile = Outcome(
        OutcomeKind.FAILED, SmtpReply(550, "5.1.1", HOSTILE), HOSTILE, HOSTILE, 5, transcript=f"> {HOSTILE}\n{HOSTILE}"
    )
    await house.record(record.record_failed, message, row, hostile, 1)
    detail = {"label": HOSTILE, "user_agent": HOSTILE, "target": HOSTILE}
    clicked = record.Fetched(record.facts_of(message, row), house.queue.ids.next(), clock.now_ms(), True, True, detail)
    await house.world.services.database.write(lambda tx: record.record_clicked(tx, [clicked]))
    other, _ = await house.mail(2, subject=HOSTILE, recipient={"address": HOSTILE})

    pages = [await house.page(row), (await house.world.get(f"/w/one/messages/{show_id('msg', other.id)}")).text]

    for html in pages:
        assert "<script>alert" not in html
        assert not re.search(r"<script(?![^>]*\bsrc=)", html)
        assert LexborHTMLParser(html).css_first("main").text().count("alert(1)") > 1  # type: ignore[union-attr]


async def test_the_copy_in_the_sandbox_is_linked_where_there_is_one(house: House) -> None:
    message, row = await house.mail()
    assert "See the copy" not in await house.page(row)
    copy = SandboxCopyRow(row.id, message.workspace_id, "", pack(MAIL), 1)
    await house.world.services.database.write(lambda tx: tx.add(copy))

    html = await house.page(row)

    assert f"/w/one/sandbox/{show_id('rcp', row.id)}" in html


async def test_a_content_that_retention_took_leaves_the_story(house: House) -> None:
    _, row = await house.mail()
    await house.queue.act("DELETE FROM content")

    assert "The content is no longer kept" in await house.page(row)


def test_the_curl_line_is_one_command_with_the_mail_s_fields_and_no_secret() -> None:

    message = message_row(subject="It's here", stream="bulk", metadata='{"order":"7"}')

    words = shlex.split(curl_of(message, "bob@example.net", read_mail(MAIL), "http://localhost:8025"))

    assert words[:2] == ["curl", "http://localhost:8025/api/v1/messages"]
    assert "Authorization: Bearer $POSTROOM_KEY" in words
    assert json.loads(words[-1]) == {
        "from": "ada@example.com", "to": ["bob@example.net"], "subject": "It's here",
        "html": "<p>It's <b>here</b></p>\n", "stream": "bulk", "tags": ["blue"], "metadata": {"order": "7"},
    }  # fmt: skip
