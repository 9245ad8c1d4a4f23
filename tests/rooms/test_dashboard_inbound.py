"""Mail that came in, in the dashboard: the list, one mail, the log of complaints."""

import json
import re
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from dashboard_browser import World
from inbound_rows import LETTER, Inbound
from queue_rows import Queue
from selectolax.lexbor import LexborHTMLParser

from postroom.base.clock import HOUR_MS
from postroom.base.ids import show_id
from postroom.base.tokens import HIDDEN
from postroom.doors.dashboard import inbound_search
from postroom.doors.dashboard.inbound_views import checks_of, look_of, needs_review
from postroom.events import record
from postroom.events.record import Facts
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.inbound_rows import InboundRow
from postroom.ledger.route_rows import RouteAttemptRow, RouteRow
from postroom.ledger.rows import CounterKey, RecipientRow, SuppressionRow
from postroom.mail.authentication import (
    ArcVerdict,
    DkimVerdict,
    DmarcPolicy,
    DmarcVerdict,
    Result,
    SpfVerdict,
    Verdicts,
)
from postroom.mail.verdict import MailKind
from postroom.store import inbound, operators, route_outbox, suppressions
from postroom.store.database import Tx

LIST = "/w/one/inbound"
EVIL = '"><script>alert(1)</script>'
EVIL_HTML = (
    b"From: eve@example.net\r\nSubject: Hi\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/html\r\n\r\n<p onclick=x()>Hello<script>alert(1)</script>"
    b"<img src='http://eve.example/p.gif'>"
    b"<img src='cid:dot'></p>\r\n"
    b"--b\r\nContent-Type: image/gif; name=dot.gif\r\nContent-ID: <dot>\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nR0lG\r\n"
    b'--b\r\nContent-Type: text/html\r\nContent-Disposition: attachment; filename="x.html"\r\n\r\n'
    b"<script>1</script>\r\n"
    b"--b--\r\n"
)


class House:
    """The dashboard with mail that came in."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.mail = Queue(world.services.database, world.clock)
        self.inbound = Inbound(world.services.database, world.clock)

    async def put(self, raw: bytes | None = LETTER, *, name: str = "one", **fields: Any) -> InboundRow:
        workspace = await self.world.workspace(name)
        return await self.inbound.put(workspace.id, raw, **fields)

    async def sent(self, **fields: Any) -> RecipientRow:
        """Store a mail of ours that was delivered; return its recipient."""
        workspace = await self.world.workspace("one")
        _, rows = await self.mail.message(
            1, workspace_id=workspace.id, domain="example.net", recipient={"state": "delivered", **fields}
        )
        return rows[0]

    async def tell(self, sent: RecipientRow, kind: EventKind, detail: dict[str, Any]) -> None:
        """Tell of a mail that was sent."""
        facts = Facts(sent.workspace_id, sent.message_id, sent.id, sent.address_key, "transactional", "x.test", (), "")
        event_id = self.inbound.ids.next()
        await self.world.services.database.write(
            lambda tx: record.tell(tx, facts, event_id, kind, self.world.clock.now_ms(), detail)
        )

    async def page(self, row: InboundRow, **query: str) -> httpx.Response:
        return await self.world.get(f"{LIST}/{show_id('inb', row.id)}", **query)


@pytest.fixture
async def house(pages: World) -> House:
    return House(pages)


def words(page: httpx.Response, css: str = "main") -> str:
    found = LexborHTMLParser(page.text).css_first(css)
    assert found is not None, page.text
    return re.sub(r"\s+", " ", found.text(separator=" ")).strip()


def rows_of(page: httpx.Response) -> list[str]:
    return [re.sub(r"\s+", " ", row.text(separator=" ")).strip() for row in LexborHTMLParser(page.text).css("tbody tr")]


async def test_an_empty_inbox_says_how_mail_gets_in(house: House) -> None:
    told = words(await house.world.get(LIST))

    assert "Nothing came in yet" in told
    assert "rp.example.com. MX 10 mail.postroom.test." in told
    assert "swaks --server 127.0.0.1:2526" in told
    assert '|postroom receive"' in told


async def test_mail_is_listed_with_kind_author_subject_and_the_mail_it_is_about(house: House) -> None:
    sent = await house.sent()
    await house.put(kind="reply", answers_recipient_id=sent.id)
    await house.put(state="waiting", kind="", subject="", author_name="", destination="bounce")
    await house.put(name="two", subject="of another workspace")

    page = await house.world.get(LIST)

    assert rows_of(page) == [
        "waiting ada@example.net (no subject) return address \u2013 just now",
        f"reply Ada Re: Tea hello@example.com {sent.address} just now",
    ]
    assert f'href="/w/one/recipients/{show_id("rcp", sent.id)}"' in page.text


async def test_every_kind_of_mail_has_a_tab(house: House) -> None:
    for kind in MailKind:
        await house.put(kind=kind.value)
    tabs = LexborHTMLParser((await house.world.get(LIST)).text).css(".tabs a")

    listed = [len(rows_of(await house.world.get(str(tab.attributes["href"])))) for tab in tabs]

    assert [tab.text(strip=True) for tab in tabs][:3] == ["All", "Replies", "Mail"]
    assert listed[0] == sum(listed[1:]) == len(MailKind)


async def test_the_list_is_asked_by_its_address_and_goes_on_behind_50(house: House) -> None:
    for number in range(51):
        await house.put(kind="reply" if number % 2 else "bounce", recipient=f"r{number % 3}@example.com")
    count = {
        query: len(rows_of(await house.world.get(f"{LIST}?{query}")))
        for query in (
            "kind=bounce",
            "kind=replies",
            "kind=bounces&to=R1@Example.com",
            "from=ADA@example.net&to=r1@example.com",
            "from=eve@example.net",
            "kind=waiting",
            f"kind={EVIL}",
        )
    }
    first = LexborHTMLParser((await house.world.get(LIST)).text)
    older = first.css_first('a[rel="next"]')

    assert count == {"kind=bounce": 26, "kind=replies": 25, "kind=bounces&to=R1@Example.com": 8,
                     "from=ADA@example.net&to=r1@example.com": 17, "from=eve@example.net": 0, "kind=waiting": 0,
                     f"kind={EVIL}": 50}  # fmt: skip
    assert older is not None
    assert len(rows_of(await house.world.get(str(older.attributes["href"])))) == 1
    assert (await house.world.get(LIST, to=EVIL, before=EVIL)).status_code == 200


async def test_mail_is_found_by_words_of_its_subject_and_pieces_of_names_and_addresses(house: House) -> None:
    await house.put(kind="reply", subject="Re: Your ORDER 4711", author_name="Zoé Müller")
    await house.put(kind="bounce", subject="Undelivered", recipient="keep-bounces@example.com", author_name="")
    listed = {
        query: [row.split()[0] for row in rows_of(await house.world.get(f"{LIST}?{query}"))]
        for query in (
            "subject=order+your", "subject=order+tea", "from=M%C3%9CLLER", "from=%40example.net", "to=KEEP-",
            "to=keep-&subject=undelivered&kind=bounces", "to=keep-&kind=replies", "from=ada%40example.net&subject=4711",
        )
    }  # fmt: skip

    assert listed == {
        "subject=order+your": ["reply"], "subject=order+tea": [], "from=M%C3%9CLLER": ["reply"],
        "from=%40example.net": ["bounce", "reply"], "to=KEEP-": ["bounce"],
        "to=keep-&subject=undelivered&kind=bounces": ["bounce"], "to=keep-&kind=replies": [],
        "from=ada%40example.net&subject=4711": ["reply"],
    }  # fmt: skip
    assert "No mail that came in is as you asked" in words(await house.world.get(LIST, subject="nothing"))


async def test_a_search_that_takes_too_long_says_how_far_back_it_looked(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbound_search, "_WINDOW", 3)
    monkeypatch.setattr(inbound_search, "SECONDS", 0)
    await house.put(kind="reply", subject="The needle")
    for _ in range(4):
        await house.put(kind="reply")

    page = await house.world.get(LIST, subject="needle")
    onward = LexborHTMLParser(page.text).css_first(".searched a")

    assert "Nothing found so far Looked at 3 of them." in words(page)
    assert onward is not None
    assert "The needle" in words(await house.world.get(str(onward.attributes["href"])))


async def test_a_reply_shows_what_was_written_with_the_quoted_part_folded(house: House) -> None:
    row = await house.put(kind="reply", detail=json.dumps({"rule": "answers", "evidence": "In-Reply-To: <1@x>"}))

    page = await house.page(row)

    assert words(page, ".mail-text") == "Yes, please: https://example.org/tea"
    assert 'href="https://example.org/tea" target="_blank" rel="noopener noreferrer nofollow"' in page.text
    assert "Do you want tea?" in words(page, "details.mail-quoted")
    assert "A person answers mail of ours. In-Reply-To: <1@x>" in words(page)
    assert "Decided by the rule answers" in words(page)


async def test_a_bounce_shows_whom_it_names_why_and_what_followed(house: House) -> None:
    sent = await house.sent(state="failed")
    named = {
        "address": "gone@example.net", "reason": "no_such_user", "hard": True, "status": "5.1.1", "reply_code": 550,
        "evidence": "550 5.1.1 user unknown", "rule": "user unknown",
    }  # fmt: skip
    detail = {"rule": "rfc3464", "evidence": "550 5.1.1 user unknown", "recipients": [named, {**named, "hard": False}]}
    row = await house.put(
        kind="bounce", destination="bounce", reverse_path="", answers_recipient_id=sent.id,
        answers_message_id=sent.message_id, detail=json.dumps(detail),
    )  # fmt: skip
    told = {"inbound_id": show_id("inb", row.id), "reason": "no_such_user", "hard": True, "evidence": "550 5.1.1 …"}
    await house.tell(sent, EventKind.BOUNCED, told)
    await house.tell(sent, EventKind.OPENED, {"label": "human"})

    page = await house.page(row)

    shown = words(page)
    assert "gone@example.net hard 550 5.1.1 There is no such mailbox." in shown
    assert "gone@example.net soft" in shown
    assert f"It is about the mail to {sent.address} , which is failed now." in shown
    assert len(LexborHTMLParser(page.text).css(".timeline .entry")) == 1
    assert "Bounced" in words(page, ".timeline")
    assert "a report: it returns to nobody" in shown


async def test_a_report_says_in_the_list_what_it_found_and_how_many_it_names(house: House) -> None:
    named = [{"address": f"r{number}@x.test", "reason": "no_such_user", "hard": True} for number in range(20)]
    row = await house.put(kind="bounce", detail=json.dumps({"recipients": named, "named_further": 280}))
    await house.put(kind="delay", subject="Late", detail=json.dumps({"recipients": []}))

    listed = words(await house.world.get(LIST))
    page = await house.page(row)

    assert "hard: There is no such mailbox. r0@x.test and 299 more" in listed
    assert "Late names nobody" in listed
    assert "17 more" in words(page, "details.more summary")
    assert "It names 280 more." in words(page)


async def test_mail_of_which_nothing_is_known_quotes_no_evidence(house: House) -> None:
    row = await house.put(kind="other", subject="Tea", detail=json.dumps({"rule": "nothing known", "evidence": "Tea"}))

    page = await house.page(row)

    assert not LexborHTMLParser(page.text).css("blockquote")
    assert "nothing known" not in words(page)


async def test_a_very_long_list_of_recipients_is_folded(house: House) -> None:
    many = ", ".join(f"person{number}@example.net" for number in range(200)).encode()
    row = await house.put(b"To: " + many + b"\r\n" + LETTER)

    page = await house.page(row)

    assert words(page, ".mail-fields details summary").startswith("person0@example.net, person1@")
    assert "person199@example.net" not in words(page, ".mail-fields details summary")
    assert "person199@example.net" in words(page, ".mail-fields")


async def test_html_is_shown_in_a_frame_that_loads_nothing_from_elsewhere(house: House) -> None:
    row = await house.put(EVIL_HTML, kind="other")
    base = f"{LIST}/{show_id('inb', row.id)}"

    page = await house.page(row, view="html")
    frame = await house.world.get(f"{base}/html")
    opened = await house.world.get(f"{base}/html", pictures="1")
    file = await house.world.get(f"{base}/files/3")

    (shown,) = LexborHTMLParser(page.text).css("iframe")
    assert "allow-scripts" not in (shown.attributes["sandbox"] or "")
    assert "alert(1)" not in page.text
    policy = frame.headers["content-security-policy"]
    assert "default-src 'none'; img-src data:;" in policy
    assert "sandbox" in policy
    assert "img-src http: https: data:" in opened.headers["content-security-policy"]
    assert "src='data:image/gif;base64,R0lG'" in frame.text
    assert file.headers["content-disposition"].startswith('attachment; filename="x.html"')
    assert file.headers["content-type"] == "application/octet-stream"
    assert (await house.world.get(f"{base}/source")).content == EVIL_HTML


async def test_a_mail_of_another_workspace_or_without_content_is_told_so(house: House) -> None:
    row, other = await house.put(None, kind="other"), await house.put(name="two")

    assert "The content is gone" in words(await house.page(row))
    for path in ("", "/html", "/source", "/files/1"):
        assert (await house.world.get(f"{LIST}/{show_id('inb', other.id)}{path}")).status_code == 404
    assert (await house.world.get(f"{LIST}/{show_id('inb', row.id)}/source")).status_code == 404
    assert (await house.world.get(f"{LIST}/nonsense")).status_code == 404


async def test_what_strangers_write_is_text(house: House) -> None:
    detail = json.dumps({"rule": EVIL, "evidence": EVIL, "recipients": [{"address": EVIL, "evidence": EVIL}]})
    fields: dict[str, Any] = {
        "author": EVIL,
        "author_name": EVIL,
        "subject": EVIL,
        "recipient": EVIL,
        "helo": EVIL,
        "reverse_path": EVIL,
    }
    row = await house.put(kind="complaint", detail=detail, **fields)

    for path in (LIST, f"{LIST}/{show_id('inb', row.id)}", "/w/one/complaints"):
        assert "<script>alert" not in (await house.world.get(path)).text


async def test_a_mail_that_could_not_be_worked_on_says_why(house: House) -> None:
    row = await house.put(state="failed", tries=15, detail=json.dumps({"why": "ValueError: odd"}))

    told = words(await house.page(row))

    assert "It could not be worked on in 15 tries, and is kept as it came. ValueError: odd Try again" in told
    assert look_of(row) == ("not understood", "bad")

    await house.world.post(f"{LIST}/{show_id('inb', row.id)}/retry")

    assert "It is stored, and understood as soon as its turn comes" in words(await house.page(row))
    workspace = await house.world.workspace("one")
    now = await house.world.services.database.read(lambda conn: inbound.by_id(conn, workspace.id, row.id))
    assert now is not None
    assert (now.state, now.tries, now.epoch) == ("waiting", 0, row.epoch + 1)


async def test_complaints_are_logged_and_those_of_people_wait_for_a_review(house: House) -> None:
    sent = await house.sent()
    detail = {"rule": "asks to stop", "evidence": "Take me off your list."}
    about = {"answers_recipient_id": sent.id}
    proved = await house.put(kind="complaint", destination="feedback", detail=json.dumps(detail), **about)
    told = json.dumps({**detail, "doubtful": True})
    doubtful = await house.put(kind="unsubscribe", destination="reply", detail=told, **about)
    await house.put(kind="reply")

    page = await house.world.get("/w/one/complaints")
    assert "1 to review" in words(page)
    assert len(rows_of(page)) == 2
    assert "Take me off your list." in words(page)
    review = await house.world.get("/w/one/complaints", show="review")
    assert len(rows_of(review)) == 1
    assert (needs_review(proved), needs_review(doubtful)) == (False, True)

    answer = await house.world.post(f"{LIST}/{show_id('inb', doubtful.id)}/review?from=complaints")

    assert answer.headers["location"] == "/w/one/complaints"
    assert "Nothing to review" in words(await house.world.get("/w/one/complaints", show="review"))
    noted = await house.world.services.database.read(lambda conn: operators.audit_page(conn, 1 << 62, 1))
    assert (noted[0].action, noted[0].subject) == ("inbound.review", show_id("inb", doubtful.id))


async def test_a_mail_that_was_given_up_is_handed_on_again_at_a_click(house: House) -> None:
    workspace = await house.world.workspace("one")
    route = RouteRow(9, workspace.id, 1, "*@example.com", "*", "[]", "webhook", "https://a.test/", None, 1, "", 0)
    row, stored = await house.put(kind="other", route_id=9), await house.put(kind="other")
    await house.world.services.database.write(lambda tx: tx.add(route))
    path = f"{LIST}/{show_id('inb', row.id)}/retry"

    assert "Hand it on again" in words(await house.page(row))
    assert f'action="{path}"' in (await house.page(row)).text
    assert "Hand it on" not in words(await house.page(stored))
    answer = await house.world.post(path)
    refused = await house.world.post(f"{LIST}/{show_id('inb', stored.id)}/retry")

    assert answer.headers["location"] == f"{LIST}/{show_id('inb', row.id)}"
    assert "There is nobody to hand it to" in (await house.world.get(refused.headers["location"])).text
    assert "It is handed on now. Hand it on now" in words(await house.page(row))
    waiting = await house.world.services.database.read(lambda conn: route_outbox.waiting_of(conn, row.id))
    assert [(one.route_id, one.tries) for one in waiting] == [(9, 0)]
    noted = await house.world.services.database.read(lambda conn: operators.audit_page(conn, 1 << 62, 1))
    assert (noted[0].action, noted[0].subject) == ("inbound.retry", show_id("inb", row.id))


async def test_a_report_about_somebody_who_was_erased_is_not_said_to_name_nobody(house: House) -> None:
    await house.put(None, kind="bounce", detail="", author="", author_name="", subject="", reverse_path="")

    told = words(await house.world.get(LIST))

    assert "bounce" in told
    assert "names nobody" not in told


async def test_a_mail_whose_content_is_gone_offers_nothing_to_hand_on(house: House) -> None:
    workspace = await house.world.workspace("one")
    route = RouteRow(9, workspace.id, 1, "*@example.com", "*", "[]", "webhook", "https://a.test/", None, 1, "", 0)
    await house.world.services.database.write(lambda tx: tx.add(route))
    for row in (await house.put(None, kind="other", route_id=9), await house.put(None, state="failed")):
        told = words(await house.page(row))
        assert "Hand it on" not in told
        assert "Try again" not in told

        refused = await house.world.post(f"{LIST}/{show_id('inb', row.id)}/retry")

        assert "Its content is kept no longer" in (await house.world.get(refused.headers["location"])).text


async def test_what_a_receiver_answered_and_the_message_of_a_forward_are_at_hand(house: House) -> None:
    row = await house.put(kind="other")
    told = RouteAttemptRow(1, row.workspace_id, row.id, 9, "webhook", "https://a.test/", 1, 5, 0, 503, "HTTP 503", None,
                           f"maintenance {EVIL}")  # fmt: skip
    forwarded = RouteAttemptRow(2, row.workspace_id, row.id, 0, "forward", "b@a.test", 1, 5, 1, None, "", 77, "")

    def write(tx: Tx) -> None:
        tx.add(told)
        tx.add(forwarded)

    await house.world.services.database.write(write)

    page = await house.page(row)

    assert "What it answered maintenance" in words(page)
    assert "<script>alert" not in page.text
    assert f'href="/w/one/messages/{show_id("msg", 77)}"' in page.text


@pytest.mark.parametrize("fields", [{}, {"address": "(erased)", "address_key": f"{HIDDEN}abc"}])
async def test_a_complaint_leads_to_the_suppression_that_followed(house: House, fields: dict[str, str]) -> None:
    sent = await house.sent(**fields)
    workspace = await house.world.workspace("one")
    row = SuppressionRow(1, workspace.id, sent.address_key, "bulk", "complained", "complaint", "", None, 1)
    await house.world.services.database.write(lambda tx: suppressions.put(tx, row))
    mail = await house.put(kind="complaint", destination="feedback", answers_recipient_id=sent.id)
    await house.put(kind="complaint", destination="role")

    page = await house.world.get("/w/one/complaints")
    one = await house.page(mail)

    where = f'href="/w/one/suppressions?address={quote(sent.address_key)}"'
    assert sent.address_key in words(await house.world.get("/w/one/suppressions", address=sent.address_key))
    assert f"{where}>no bulk mail</a>" in page.text
    assert "about no mail that is known" in words(page)
    assert "This address gets no bulk mail any more: see why, or undo it ." in words(one)
    assert where in one.text
    await house.world.services.database.write(lambda tx: suppressions.put(tx, row._replace(id=2, scope="all")))
    assert "This address gets no mail any more" in words(await house.page(mail))


async def test_complaints_are_set_against_what_was_sent(house: House) -> None:
    workspace = await house.world.workspace("one")
    hour = house.world.clock.now_ms() // HOUR_MS
    amounts = [("total", "", 3, 2_000), ("provider", "google", 2, 500), ("provider", "yahoo", 0, 700)]

    def count(tx: Tx) -> None:
        for dimension, key, complaints, sent in amounts:
            at = CounterKey(workspace.id, hour, dimension, key)
            tx.count(at, "complaints", complaints)
            tx.count(at, "sent", sent)

    await house.world.services.database.write(count)
    await house.put(kind="complaint", destination="feedback")

    told = words(await house.world.get("/w/one/complaints"))

    assert "Complaints, 30 days 3 Of what was sent 0.15 % of 2,000; providers want less than 0.1 %" in told
    assert "Google 0.40 % 2 of 500" in told
    assert "Yahoo" not in told
    assert "30 days" not in words(await house.world.get("/w/one/complaints", show="review"))


async def test_nobody_has_complained(house: House) -> None:
    assert "Nobody has complained" in words(await house.world.get("/w/one/complaints"))


def test_where_a_mail_comes_from_is_told_in_sentences() -> None:
    verdicts = Verdicts(
        SpfVerdict(Result.SOFTFAIL, "example.net"),
        (DkimVerdict(Result.PASS, "example.net", "s1"),),
        DmarcVerdict(Result.FAIL, "example.net", DmarcPolicy.REJECT),
        ArcVerdict(Result.PASS, 2, "lists.example"),
    )
    row = InboundRow(1, 1, 1, 0, "smtp", "", "", "", "", "", "", "", None, "", "", "", "", 0, verdicts.to_json())

    assert [(one.name, one.tone, one.sentence) for one in checks_of(row)] == [
        ("SPF", "warn", "example.net says that this host should not send for it."),
        ("DKIM", "good", "Signed by example.net (selector s1), and unchanged since."),
        ("DMARC", "bad", "example.net does not stand behind it, and asks to refuse such mail."),
        ("ARC", "good", "It was passed on 2 times, last by lists.example, and each of them sealed what he saw."),
    ]
    assert checks_of(row._replace(verdicts="{broken")) == ()
    assert checks_of(row._replace(verdicts=Verdicts().to_json()))[0].tone == "idle"


def test_every_kind_has_its_word() -> None:
    row = InboundRow(1, 1, 1, 0, "smtp", "", "", "", "", "", "", "", None, "", "", "", "", 0, "", state="done")
    assert len({look_of(row._replace(kind=kind.value))[0] for kind in MailKind}) == len(MailKind)
