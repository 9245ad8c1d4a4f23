"""Promises of `outbound.accept`, the only way in, over a real store of each engine."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from postroom.base.clock import DAY_MS, ManualClock
from postroom.base.errors import WrongInput
from postroom.base.ids import IdSource
from postroom.base.threads import Threads
from postroom.base.tokens import TokenKeys
from postroom.events import suppression
from postroom.events.record import counted_under
from postroom.ledger.rows import DomainRow, SuppressionRow, WorkspaceRow
from postroom.ledger.states import RecipientState, Stream
from postroom.mail.envelope import Envelope, EnvelopeRecipient
from postroom.outbound import accept, compilation
from postroom.outbound.accept import Acceptance
from postroom.outbound.contents import Contents
from postroom.outbound.links import pack_targets, unpack_targets
from postroom.outbound.messages import Messages
from postroom.outbound.own_names import Names
from postroom.outbound.submission import Accepted, Refused, StagedContent, Submission
from postroom.store import content, counters
from postroom.store.database import Database, Tx, statement
from postroom.store.queue import DueLane

WORKSPACE = WorkspaceRow(1, "default", 0)
MAIL = (
    b"From: Ada <ada@example.com>\r\nTo: bob@example.net\r\nBcc: eve@example.org\r\nSubject: Hello\r\n"
    b'Content-Type: text/html\r\n\r\n<a href="https://example.org/">this</a>\r\n'
)


def proved(**seen: int | str) -> DomainRow:
    row = DomainRow(5, 1, "example.com", "proof", 0, 1, "s", b"", "", None, None, None, None, 0)
    return row._replace(**seen)


@dataclass
class World:
    """An acceptance with everything that it needs, and what it told the worker."""

    database: Database
    clock: ManualClock
    slow: Threads
    domains: dict[str, DomainRow] = field(default_factory=dict)
    leaves: bool = False
    woken: list[DueLane] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ids = IdSource(1, self.clock)
        self.acceptance = Acceptance(
            database=self.database,
            ids=self.ids,
            clock=self.clock,
            token_keys=lambda: TokenKeys({0: b"k" * 32}),
            senders=self,
            needs_proof=lambda workspace_id: self.leaves,
            names=Names("mail.example", "rp.mail.example", "https://post.example:8443"),
            contents=Contents(self.database),
            messages=Messages(self.database),
            slow=self.slow,
            wake=self.woken.extend,
            provider_of=lambda domain: "google" if domain == "gmail.com" else "other",
        )

    async def sender(self, workspace_id: int, name: str) -> DomainRow | None:
        return self.domains.get(name)

    async def accept(self, content: bytes = MAIL, *to: str, **more: object) -> Accepted:
        return await self.acceptance.accept(submission(content, *to, **more))

    async def rows(self, sql: str) -> list[tuple[object, ...]]:
        asked = statement(sql)
        return await self.database.read(lambda conn: conn.all(asked))


def submission(content: bytes = MAIL, *to: str, **more: object) -> Submission:
    recipients = tuple(EnvelopeRecipient(one) for one in to or ("bob@example.net",))
    return replace(Submission(WORKSPACE, Envelope("ada@example.com", recipients), content, "smtp"), **more)  # type: ignore[arg-type]


@pytest.fixture
def world(database: Database, clock: ManualClock) -> Iterator[World]:
    slow = Threads("slow", 1)
    yield World(database, clock, slow)
    slow.close()


async def test_message_recipients_event_and_counters_are_there_when_it_returns(world: World) -> None:
    accepted = await world.accept(MAIL, "bob@example.net", "Eve@GMAIL.com", stream=Stream.BULK, tags=("news",))

    assert [one.state for one in accepted.recipients] == [RecipientState.QUEUED] * 2
    assert await world.rows("SELECT subject, author_domain, stream FROM message") == [("Hello", "example.com", "bulk")]
    recipients = await world.rows("SELECT address, address_key, state, provider FROM recipient ORDER BY id")
    assert recipients == [
        ("bob@example.net", "bob@example.net", "queued", "other"),
        ("Eve@GMAIL.com", "eve@gmail.com", "queued", "google"),
    ]
    assert await world.rows("SELECT kind FROM event") == [("accepted",)]
    hour = world.clock.now_ms() // 3_600_000
    compared, different = await world.database.read(
        lambda conn: counters.differences(conn, 1, hour - 1, hour + 1, counted_under)
    )
    assert (compared > 0, different) == (True, [])
    assert {lane.domain for lane in world.woken} == {"example.net", "gmail.com"}


async def test_nothing_is_stored_when_the_caller_s_part_of_the_transaction_fails(world: World) -> None:
    def fail(tx: Tx, accepted: Accepted) -> None:
        raise WrongInput("key", "taken over")

    with pytest.raises(WrongInput):
        await world.acceptance.accept(submission(), in_transaction=fail)

    for table in ("message", "recipient", "content", "event"):
        assert await world.rows(f"SELECT 1 FROM {table}") == []
    assert world.woken == []


async def test_the_same_content_is_stored_once(world: World) -> None:
    await world.accept()
    await world.accept(MAIL, "carl@example.net")

    assert await world.rows("SELECT count(*) FROM content") == [(1,)]
    assert await world.rows("SELECT count(*) FROM message") == [(2,)]


async def test_other_tracking_makes_another_content_of_the_same_bytes(world: World) -> None:
    await world.accept()
    await world.accept(stream=Stream.BULK)

    assert await world.rows("SELECT count(*) FROM content") == [(2,)]


@pytest.mark.parametrize(
    ("reason", "told_why"),
    [("manual", "suppressed for all mail: manual"), ("", "suppressed for all mail")],
)
async def test_a_suppressed_recipient_is_accepted_and_stands_in_the_ledger(
    world: World, reason: str, told_why: str
) -> None:
    row = SuppressionRow(world.ids.next(), 1, "bob@example.net", "all", reason, "api", "", None, 0)
    event_id = world.ids.next()
    await world.database.write(lambda tx: suppression.add(tx, row, event_id))

    accepted = await world.accept(MAIL, "BOB@example.net", "carl@example.net")

    assert [one.state.value for one in accepted.recipients] == ["suppressed", "queued"]
    told = await world.rows("SELECT kind FROM event WHERE recipient_id IS NOT NULL")
    assert told == [("suppressed",)]
    assert await world.rows("SELECT reason FROM recipient WHERE state = 'suppressed'") == [(told_why,)]


async def test_mail_that_leaves_needs_a_proved_author_domain_and_the_refusal_says_what_to_do(world: World) -> None:
    world.leaves = True

    with pytest.raises(Refused, match=r"550 5\.7\.1 .*postroom domain create example\.com"):
        await world.accept()
    world.domains["example.com"] = proved(proved_ms=None)  # type: ignore[arg-type]
    with pytest.raises(Refused, match=r"not proved yet.*postroom domain check example\.com"):
        await world.accept()
    world.domains["example.com"] = proved()
    assert (await world.accept()).recipients[0].state is RecipientState.QUEUED


@pytest.mark.parametrize(
    "author",
    [
        b"From: ada@example.com, ceo@other.example\r\n",
        b"From: ada@example.com\r\nFrom: ceo@other.example\r\n",
        b"From: <ada@example.com> <ceo@other.example>\r\n",
        b"From: us: ada@example.com, Ceo <ceo@other.example>;\r\n",
    ],
)
async def test_every_author_of_mail_that_leaves_is_of_a_proved_domain(world: World, author: bytes) -> None:
    """A reader may show any of them, so each could be the face of another workspace."""
    world.leaves = True
    world.domains["example.com"] = proved()

    with pytest.raises(Refused, match=r"550 5\.7\.1 .*other\.example"):
        await world.accept(author + MAIL)
    world.domains["other.example"] = proved(name="other.example")
    await world.accept(author + MAIL)


@pytest.mark.parametrize("author", [b"From: nobody: ;\r\n", b"From: =?utf-8?q?ceo=40other.example?=\r\n", b"From:\r\n"])
async def test_a_from_field_without_an_address_is_refused(world: World, author: bytes) -> None:
    with pytest.raises(WrongInput, match="no From field with an address"):
        await world.accept(author + b"Subject: x\r\n\r\nText.\r\n")


async def test_a_from_field_without_end_is_refused(world: World) -> None:
    """It was read on the loop: 250 kB of commas kept every other client waiting for most of a second."""
    with pytest.raises(WrongInput, match="more than 16384 octets: name fewer authors"):
        await world.accept(b"From: " + b"a@example.com, " * 1100 + b"\r\n\r\nText.\r\n")


@pytest.mark.parametrize(
    "hops", [b"Received: x\r\n" * 101, b"Received: by Mail.Example (Postroom) with ESMTPA\r\n" * 4]
)
async def test_a_mail_that_goes_in_a_circle_is_refused(world: World, hops: bytes) -> None:
    """Rule 11: a smarthost that hands our mail to us again would do so without end."""
    with pytest.raises(Refused, match=r"554 5\.4\.6"):
        await world.accept(hops + MAIL)
    await world.accept(hops[hops.index(b"\n") + 1 :] + MAIL)


async def test_who_is_named_twice_gets_one_copy(world: World) -> None:
    accepted = await world.accept(MAIL, "bob@example.net", "eve@example.net", "Bob@EXAMPLE.net", "bob@example.net")

    assert [one.address for one in accepted.recipients] == ["bob@example.net", "eve@example.net"]


async def test_the_sandbox_takes_any_author(world: World) -> None:
    assert (await world.accept()).message_id


async def test_a_domain_s_own_hosts_serve_once_dns_has_shown_them(world: World) -> None:
    world.domains["example.com"] = proved()
    await world.accept()
    world.domains["example.com"] = proved(return_path_seen_ms=1, tracking_seen_ms=1)
    await world.accept()

    assert await world.rows("SELECT return_path_host, tracking_url FROM message ORDER BY id") == [
        ("rp.mail.example", "https://post.example:8443"),
        ("rp.example.com", "https://go.example.com:8443"),
    ]


@pytest.mark.parametrize(
    ("mail", "stored"),
    [
        (b"Subject: x\r\n\r\nText.\r\n", b"From: <ada@example.com>\r\nSubject: x\r\n\r\nText.\r\n"),
        (b"\r\nText.\r\n", b"From: <ada@example.com>\r\n\r\nText.\r\n"),
        (b"just text\r\n", b"From: <ada@example.com>\r\n\r\njust text\r\n"),
        (b"From ada Mon Nov 23\r\nSubject: x\r\n\r\n", b"From ada Mon Nov 23\r\nSubject: x\r\n\r\n"),
    ],
)
@pytest.mark.parametrize("is_large", [False, True])
async def test_a_mail_without_a_from_field_gets_the_reverse_path_as_its_author(
    world: World, mail: bytes, stored: bytes, is_large: bool
) -> None:
    """RFC 6409 8: From is required, so the next hop would refuse the mail. In front of an mbox line stands nothing."""
    given: bytes | StagedContent = mail
    if is_large:
        given = StagedContent(
            await content.store_upload(world.database, world.ids.next(), mail, world.clock), len(mail)
        )

    await world.accept(given)  # type: ignore[arg-type]

    assert await world.rows("SELECT author_address FROM message") == [("ada@example.com",)]
    ((key,),) = await world.rows("SELECT content_key FROM message")
    packed = await Contents(world.database).load(1, key)  # type: ignore[arg-type]
    assert packed.raw == stored


async def test_without_any_author_the_remedy_is_named(world: World) -> None:
    nobody = replace(submission(b"\r\nText.\r\n"), envelope=Envelope("", (EnvelopeRecipient("bob@example.net"),)))

    with pytest.raises(WrongInput, match="no From field") as told:
        await world.acceptance.accept(nobody)

    assert told.value.field == "From"


@pytest.mark.parametrize("count", [0, 501])
async def test_a_message_has_1_to_500_recipients(world: World, count: int) -> None:
    many = tuple(EnvelopeRecipient(f"r{number}@example.net") for number in range(count))

    with pytest.raises(WrongInput, match="1 to 500 recipients"):
        await world.acceptance.accept(replace(submission(), envelope=Envelope("ada@example.com", many)))


async def test_a_header_with_nul_and_broken_utf_8_is_stored_on_both_engines(world: World) -> None:
    """PostgreSQL takes no NUL in text; random mail has some."""
    subject = b"Subject: nul \0 =?utf-8?q?=00=ED=A0=80?= \xff\r\n"
    odd = b"From: a\0b@example.com\r\n" + subject + b"Message-ID: <\0\xff@x>\r\n\r\nText.\r\n"

    accepted = await world.accept(odd)

    assert accepted.recipients


async def test_mail_for_later_is_not_due_before(world: World) -> None:
    later = world.clock.now_ms() + 60_000
    await world.accept(send_at_ms=later)

    assert await world.rows("SELECT due_ms FROM recipient") == [(later,)]
    assert [lane.due_ms for lane in world.woken] == [later]


async def test_mail_for_after_a_month_is_refused_by_the_name_of_its_field(world: World) -> None:
    late = world.clock.now_ms() + 31 * DAY_MS
    for source, name in (("http", "send_at"), ("smtp", "X-Postroom-Send-At")):
        with pytest.raises(WrongInput, match="at most 30 days ahead") as refused:
            await world.acceptance.accept(replace(submission(), source=source, send_at_ms=late))
        assert refused.value.field == name

    assert await world.rows("SELECT count(*) FROM message") == [(0,)]


async def test_large_mails_wait_in_a_line_that_has_an_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on = asyncio.Event()
    load = content.load_upload

    async def load_later(database: Database, upload_id: int) -> bytes:
        await goes_on.wait()
        return await load(database, upload_id)

    monkeypatch.setattr(content, "load_upload", load_later)

    async def accept_large(number: int) -> Accepted:
        mail = MAIL.replace(b"Hello", b"Hello %02d" % number)
        upload_id = await content.store_upload(world.database, world.ids.next(), mail, world.clock)
        return await world.acceptance.accept(submission(content=StagedContent(upload_id, len(mail))))  # type: ignore[arg-type]

    room = 5 * (len(MAIL) + 3)
    monkeypatch.setattr(accept, "MOST_WAITING_BYTES", room)
    waiting = [asyncio.create_task(accept_large(number)) for number in range(5)]
    while world.acceptance.waiting_bytes < room:  # noqa: ASYNC110 - nothing tells that a mail has come into the line
        await asyncio.sleep(0.001)
    with pytest.raises(Refused) as refused:
        await accept_large(5)
    assert (refused.value.reply.code, refused.value.reply.enhanced) == (452, "4.3.2")
    assert "try again" in refused.value.reply.text
    # A small mail does not wait in this line.
    await world.accept()

    goes_on.set()
    assert len(await asyncio.gather(*waiting)) == 5
    await accept_large(6)
    assert await world.rows("SELECT count(*) FROM message") == [(7,)]
    assert world.acceptance.waiting_bytes == 0


async def test_a_large_content_is_not_compressed_in_the_transaction_that_links_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed: list[bytes] = []
    pack = compilation.pack

    def noted(raw: bytes) -> bytes:
        packed.append(raw)
        return pack(raw)

    monkeypatch.setattr(compilation, "pack", noted)
    mail = MAIL
    upload_id = await content.store_upload(world.database, world.ids.next(), mail, world.clock)

    await world.acceptance.accept(submission(content=StagedContent(upload_id, len(mail))))  # type: ignore[arg-type]

    (only,) = packed
    assert only == pack_targets(unpack_targets(only))
