"""The submission door: what a client hands in becomes a Submission, or a reply that says what to do."""

import pytest
from submission_double import WORKSPACE, Desk

from postroom.base.errors import TryLater, WrongInput
from postroom.base.ids import show_id
from postroom.doors.smtp.submission import SubmissionVisit
from postroom.ledger.states import Stream
from postroom.mail.envelope import Envelope, EnvelopeRecipient
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp.door import Client, Peer
from postroom.outbound.submission import SMALL_CONTENT_BYTES, Refused, StagedContent, Track

CLIENT = Client("client.test", extended=True, tls="")
PEER = Peer("127.0.0.1", 5, local=True)
ENVELOPE = Envelope("a@client.test", (EnvelopeRecipient("b@server.test"),))
SMALL = b"From: a@client.test\r\nSubject: x\r\n\r\nhello\r\n"
BLOCK = b"From: a@client.test\r\n\r\n".ljust(SMALL_CONTENT_BYTES, b"x")


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def _visit(desk: Desk) -> SubmissionVisit:
    visit = desk.door().open(PEER)
    assert await visit.authenticate("user", "right")
    return visit


async def _hand_in(desk: Desk, *blocks: bytes) -> SmtpReply:
    sink = (await _visit(desk)).begin_content(ENVELOPE, CLIENT)
    assert not isinstance(sink, SmtpReply)
    for block in blocks[:-1]:
        await sink.write(block)
    return await sink.finish(blocks[-1])


async def test_a_small_mail_is_accepted_and_named(desk: Desk) -> None:
    reply = await _hand_in(desk, SMALL)

    assert reply == SmtpReply(250, "2.0.0", f"accepted as {show_id('msg', 1)}")
    [submission] = desk.submissions
    assert submission.workspace is WORKSPACE
    assert submission.envelope == ENVELOPE
    assert submission.content == SMALL
    assert submission.source == "smtp"
    assert submission.track == Track.OPENS | Track.CLICKS
    assert desk.uploads == {}


async def test_a_large_mail_is_stored_while_it_comes(desk: Desk) -> None:
    reply = await _hand_in(desk, BLOCK, BLOCK, b"end\r\n")

    assert reply.code == 250
    assert desk.submissions[0].content == StagedContent(0, 2 * SMALL_CONTENT_BYTES + 5)
    assert desk.content() == BLOCK + BLOCK + b"end\r\n"
    assert desk.dropped == []


async def test_250_is_said_only_after_accept_returned(desk: Desk) -> None:
    """Rule 1: no 250 before the commit."""
    desk.failure = TryLater("database down")

    assert (await _hand_in(desk, SMALL)).code == 451
    assert (await _hand_in(desk, BLOCK, b"x")).code == 451
    # The database may have been lost during COMMIT: then the message stands and needs its upload.
    assert desk.dropped == []


async def test_a_disk_that_is_full_is_no_permanent_failure(desk: Desk) -> None:
    desk.upload_failure = TryLater("disk full")
    sink = (await _visit(desk)).begin_content(ENVELOPE, CLIENT)
    assert not isinstance(sink, SmtpReply)

    with pytest.raises(TryLater):
        await sink.write(BLOCK)
    await sink.abort()


@pytest.mark.parametrize("blocks", [(SMALL,), (BLOCK, b"rest")], ids=["small", "large"])
async def test_a_refusal_says_what_to_correct_and_drops_the_upload(desk: Desk, blocks: tuple[bytes, ...]) -> None:
    desk.failure = WrongInput("From", "the mail has no From field with an address; add one")
    reply = await _hand_in(desk, *blocks)
    assert reply == SmtpReply(550, "5.6.0", "From: the mail has no From field with an address; add one")

    desk.failure = Refused(SmtpReply(550, "5.7.1", "prove the domain first"))
    assert await _hand_in(desk, *blocks) == SmtpReply(550, "5.7.1", "prove the domain first")

    assert desk.dropped == list(desk.uploads)


async def test_an_aborted_upload_is_dropped(desk: Desk) -> None:
    sink = (await _visit(desk)).begin_content(ENVELOPE, CLIENT)
    assert not isinstance(sink, SmtpReply)
    await sink.write(BLOCK)

    await sink.abort()

    assert desk.dropped == [0]
    assert desk.submissions == []


async def test_header_fields_say_what_the_api_says_in_json(desk: Desk) -> None:
    header = (
        b"X-Postroom-Stream: bulk\r\nX-Postroom-Tag: a, b\r\nX-Postroom-Metadata: k=v\r\n"
        b"X-Postroom-Track: clicks=no\r\n"
        b"X-Postroom-Send-At: 2026-01-31T08:00:00Z\r\nX-Postroom-Idempotency-Key: once\r\n"
    )
    for blocks in ((header + SMALL,), ((header + BLOCK)[:SMALL_CONTENT_BYTES], b"rest")):
        await _hand_in(desk, *blocks)

        submission = desk.submissions[-1]
        assert submission.stream is Stream.BULK
        assert submission.tags == ("a", "b")
        assert submission.metadata == {"k": "v"}
        assert submission.track == Track.OPENS
        assert submission.send_at_ms == 1_769_846_400_000
        assert desk.keys[-1] == "once"


async def test_a_wrong_header_field_is_named(desk: Desk) -> None:
    wrong = b"X-Postroom-Stream: slow\r\n"
    for blocks in ((wrong + SMALL,), ((wrong + BLOCK)[:SMALL_CONTENT_BYTES], b"rest")):
        reply = await _hand_in(desk, *blocks)

        assert (reply.code, reply.enhanced) == (550, "5.6.0")
        assert "X-Postroom-Stream" in reply.text
        assert "transactional or bulk" in reply.text
    assert desk.uploads == {}
    assert desk.submissions == []


async def test_a_login_may_fix_its_stream(desk: Desk) -> None:
    desk.stream = Stream.BULK

    await _hand_in(desk, SMALL)
    other = await _hand_in(desk, b"X-Postroom-Stream: transactional\r\n" + SMALL)

    assert [submission.stream for submission in desk.submissions] == [Stream.BULK]
    assert other.code == 550
    assert "X-Postroom-Stream" in other.text


async def test_a_header_above_a_block_is_refused(desk: Desk) -> None:
    block = (b"X-Long: " + b"x" * 60 + b"\r\n") * 5000

    reply = await _hand_in(desk, block[:SMALL_CONTENT_BYTES], b"X-Postroom-Stream: bulk\r\n\r\nbody\r\n")

    assert (reply.code, reply.enhanced) == (552, "5.3.4")
    assert desk.uploads == {}


async def test_what_was_refused_at_its_beginning_is_not_taken_for_what_follows(desk: Desk) -> None:
    """The second block was read as a header of its own, and the mail accepted without its first."""
    too_large = (b"X-Long: " + b"x" * 60 + b"\r\n") * 5000
    for first in (too_large[:SMALL_CONTENT_BYTES], b"X-Postroom-Stream: none\r\n" + BLOCK):
        reply = await _hand_in(desk, first, b"\r\n\r\n" + BLOCK, b"end\r\n")

        assert reply.code in (552, 550)
    assert desk.submissions == []
    assert desk.uploads == {}


@pytest.mark.parametrize("content", [b"", b"\r\n", b"no header at all\r\n", b"Subject: x\r\n", b"\xff\0\r\n\r\n"])
async def test_content_without_a_proper_header_is_handed_on_as_it_is(desk: Desk, content: bytes) -> None:
    await _hand_in(desk, content)

    assert desk.submissions[0].content == content


async def test_addresses_are_checked_in_the_envelope(desk: Desk) -> None:
    visit = await _visit(desk)

    assert visit.mail(Envelope("", ())).code == 250
    assert visit.mail(Envelope("no-domain", ())).status == "5.1.7"
    assert visit.rcpt(ENVELOPE, EnvelopeRecipient("b@server.test")).code == 250
    assert visit.rcpt(ENVELOPE, EnvelopeRecipient("b@@server.test")).status == "5.1.3"
    assert visit.rcpt(ENVELOPE, EnvelopeRecipient("postmaster")).status == "5.1.3"
    # What is quoted from the client cannot break out of the reply line.
    assert "\r" not in visit.rcpt(ENVELOPE, EnvelopeRecipient("b\r\n@x.test")).text


async def test_a_wrong_login_opens_nothing(desk: Desk) -> None:
    visit = desk.door().open(PEER)

    assert not await visit.authenticate("user", "wrong")
    assert isinstance(visit.begin_content(ENVELOPE, CLIENT), SmtpReply)
