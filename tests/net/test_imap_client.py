"""The IMAP client against servers that behave as no server should. RFC 3501, 9051; what providers do."""

import asyncio

import pytest
from imap_script import SHORT, Peer, talking

from postroom.base.clock import ManualClock
from postroom.net.imap.answers import FlagChange, IdleEnd
from postroom.net.imap.client import ImapLimits
from postroom.net.imap.encode import CannotEncode
from postroom.net.imap.errors import (
    ImapBad,
    ImapBye,
    ImapGarbled,
    ImapLost,
    ImapNo,
    ImapSilent,
    ImapUnreadable,
    NotOffered,
    Throttled,
)

IMPATIENT = ImapLimits(connect=5.0, greeting=0.2, command=0.2, login=0.2)
EXAMINED = ("* 3 EXISTS", "* 0 RECENT", "* OK [UIDVALIDITY 7] ok", "* OK [UIDNEXT 12] ok")


# News


async def test_news_in_the_middle_of_a_search_is_kept() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer("EXAMINE", *EXAMINED)
        await peer.answer("UID SEARCH", '* ESEARCH (TAG "A2") UID ALL 1:3', "* 4 EXISTS")

    async with talking(script) as client:
        await client.examine("INBOX")
        assert not client.is_dirty
        assert await client.uid_search("UID 1:*") == [1, 2, 3]
        assert client.is_dirty
        assert client.take_news().exists == 4
        assert not client.is_dirty


@pytest.mark.parametrize(
    "line", ["* 4 EXISTS", "* 1 RECENT", "* 2 EXPUNGE", "* 2 FETCH (FLAGS (\\Seen))", "* VANISHED 5:6", "* 9 EXISTS ("]
)
async def test_whatever_a_server_tells_of_a_mailbox_is_a_reason_to_look(line: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer("NOOP", line)

    async with talking(script) as client:
        await client.noop()
        assert client.is_dirty


@pytest.mark.parametrize("line", ["* OK Still here", "* ZZZ", "A99 OK nobody asked", "* CAPABILITY IMAP4rev1", "+ go"])
async def test_a_remark_is_no_news(line: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer("NOOP", line)

    async with talking(script) as client:
        await client.noop()
        assert not client.is_dirty


async def test_a_uid_validity_that_changes_while_the_mailbox_is_open_is_news() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer("EXAMINE", *EXAMINED)
        await peer.answer("NOOP", "* OK [UIDVALIDITY 8] changed")

    async with talking(script) as client:
        assert (await client.examine("INBOX")).uid_validity == 7
        await client.noop()
        assert client.take_news().uid_validity == 8


async def test_alerts_are_kept_for_people_and_are_no_news() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer("NOOP", "* OK [ALERT] Your mailbox is nearly full")

    async with talking(script) as client:
        await client.noop()
        assert not client.is_dirty
        assert client.take_news().alerts == ("Your mailbox is nearly full",)


async def test_a_command_leaves_in_one_piece() -> None:
    received: list[bytes] = []

    async def script(peer: Peer) -> None:
        received.append(await peer.reader.read(65_536))
        peer.send("A1 OK done")

    async with talking(script) as client:
        await client.uid_search("UID 1:*")
    assert received == [b"A1 UID SEARCH RETURN (ALL) UID 1:*\r\n"]


# What cannot be understood


async def test_a_wrong_tag_and_noise_do_not_end_a_command() -> None:
    async def script(peer: Peer) -> None:
        tag = await peer.command("NOOP")
        peer.send("TAG ZZZ", "* ZZZ", "B1 OK not yours", "", "\x00\x01", f"{tag} OK done")

    async with talking(script) as client:
        await client.noop()
        assert client.oddities == 4


@pytest.mark.parametrize(
    "said",
    ["ZZ99 OK not yours", "TAG ZZZ", "* 1 FETCH (UID 1 BODY[] {20}\r\nbody\r\n)\r\nA1 OK"],
    ids=["a tag that nobody gave", "an end of nothing", "a literal shorter than announced"],
)
async def test_a_server_that_is_wrong_about_tags_or_lengths_is_left_soon(said: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.command("UID FETCH")
        peer.send(said)
        await peer.end()

    async with talking(script, limits=ImapLimits(command=60.0, doubted=0.1)) as client, asyncio.timeout(5):
        with pytest.raises(ImapSilent, match="UID FETCH"):
            await client.uid_fetch("1", ["BODY.PEEK[]"])


async def test_a_slow_server_is_not_doubted_for_what_a_mail_says() -> None:
    async def script(peer: Peer) -> None:
        tag = await peer.command("UID FETCH")
        peer.send("* 1 FETCH (UID 1 BODY[] {10}", "hello")
        await asyncio.sleep(0.3)
        peer.send("you)", f"{tag} OK done")

    async with talking(script, limits=ImapLimits(command=5.0, doubted=0.1)) as client:
        (mail,) = await client.uid_fetch("1", ["BODY.PEEK[]"])
        assert mail.body == b"hello\r\nyou"


async def test_an_end_that_says_neither_yes_nor_no_is_not_waited_on() -> None:
    async def script(peer: Peer) -> None:
        tag = await peer.command("NOOP")
        peer.send(f"{tag} ZZZ")

    async with talking(script) as client:
        with pytest.raises(ImapGarbled, match="neither OK, NO nor BAD"):
            await client.noop()


async def test_a_fetch_that_cannot_be_read_is_not_taken_for_a_mail_that_is_gone() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer("UID FETCH", "* 1 FETCH (UID 1 RFC822.SIZE 9)", "* 2 FETCH (UID 2 RFC822.SIZE 9")

    mails: list[int] = []
    async with talking(script) as client:
        with pytest.raises(ImapUnreadable):
            await client.uid_fetch("1:2", ["UID", "RFC822.SIZE"], lambda mail: mails.append(mail.uid))
        assert mails == [1]
        assert client.is_open


async def test_a_search_that_cannot_be_read_is_not_taken_for_an_empty_one() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer("UID SEARCH", "* SEARCH 5 six")
        await peer.answer("LIST", '* LIST () "/"', '* LIST () "/" INBOX')

    async with talking(script, capabilities="IMAP4rev1") as client:
        with pytest.raises(ImapUnreadable):
            await client.uid_search("ALL")
        assert [one.name for one in await client.list_mailboxes()] == ["INBOX"]


async def test_a_literal_larger_than_what_is_taken_ends_the_connection() -> None:
    async def script(peer: Peer) -> None:
        await peer.command("UID FETCH")
        peer.send("* 1 FETCH (UID 1 BODY[] {4294967295}")
        await peer.end()

    async with talking(script) as client:
        with pytest.raises(ImapGarbled):
            await client.uid_fetch("1", ["BODY.PEEK[]"])
        assert not client.is_open


# Ends


async def test_bye_ends_what_is_under_way_at_once() -> None:
    async def script(peer: Peer) -> None:
        await peer.command("UID SEARCH")
        peer.send("* BYE Session expired, please login again")
        await peer.end()

    async with talking(script) as client:
        with pytest.raises(ImapBye, match="Session expired") as caught:
            await client.uid_search("ALL")
        assert caught.value.words == "Session expired, please login again"
        assert not client.is_open
        with pytest.raises(ImapBye):
            await client.noop()


async def test_a_connection_that_breaks_ends_what_is_under_way_at_once() -> None:
    async def script(peer: Peer) -> None:
        await peer.command("UID FETCH")
        peer.send(b"* 1 FETCH (UID 1 BODY[] {1000}\r\nonly a part")

    async with talking(script, limits=ImapLimits()) as client:
        async with asyncio.timeout(5):
            with pytest.raises(ImapLost):
                await client.uid_fetch("1", ["BODY.PEEK[]"])


async def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    async def script(peer: Peer) -> None:
        await peer.end()

    async with talking(script, limits=IMPATIENT) as client:
        with pytest.raises(ImapSilent, match="NOOP"):
            await client.noop()
        assert not client.is_open


async def test_a_server_that_drips_is_not_waited_for() -> None:
    async def script(peer: Peer) -> None:
        await peer.command("NOOP")
        while not peer.writer.is_closing():
            peer.send(b".")
            await asyncio.sleep(0.02)

    async with talking(script, limits=IMPATIENT) as client:
        async with asyncio.timeout(5):
            with pytest.raises(ImapLost):
                await client.noop()


async def test_closing_ends_what_is_under_way() -> None:
    async def script(peer: Peer) -> None:
        await peer.end()

    async with talking(script) as client:
        noop = asyncio.ensure_future(client.noop())
        await asyncio.sleep(0)
        client.close()
        with pytest.raises(ImapLost, match="closed by us"):
            await noop


async def test_a_command_that_is_cancelled_leaves_the_session_usable() -> None:
    async def script(peer: Peer) -> None:
        first = await peer.command("UID SEARCH")
        cancelled.set()
        await asyncio.sleep(0)
        peer.send("* SEARCH 1 2 3", f"{first} OK done")
        await peer.answer("UID SEARCH", "* SEARCH 4")

    cancelled = asyncio.Event()
    async with talking(script) as client:
        search = asyncio.ensure_future(client.uid_search("ALL"))
        await cancelled.wait()
        search.cancel()
        with pytest.raises(asyncio.CancelledError):
            await search
        assert await client.uid_search("UID 4") == [4]


async def test_logout_never_fails() -> None:
    async def script(peer: Peer) -> None:
        await peer.command("LOGOUT")

    async with talking(script) as client:
        await client.logout()
        assert not client.is_open


async def test_commands_run_one_after_another() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer("NOOP")
        await peer.answer("UID SEARCH", "* SEARCH 1")

    async with talking(script) as client:
        _, found = await asyncio.gather(client.noop(), client.uid_search("ALL"))
        assert found == [1]


# IDLE


async def test_idle_returns_when_the_server_tells_something() -> None:
    async def script(peer: Peer) -> None:
        tag = await peer.command("IDLE")
        peer.send("+ idling", "* OK Still here", "* 4 EXISTS")
        assert await peer.line() == "DONE"
        peer.send("* 1 RECENT", f"{tag} OK done")

    async with talking(script) as client:
        assert await client.idle(1000) is IdleEnd.NEWS
        news = client.take_news()
        assert (news.exists, news.recent) == (4, 1)


async def test_a_mailbox_with_news_is_looked_at_before_idle_begins() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer("NOOP", "* 4 EXISTS")
        await peer.answer("NOOP")

    async with talking(script) as client:
        await client.noop()
        assert await client.idle(1000) is IdleEnd.NEWS
        await client.noop()


async def test_idle_is_renewed_within_29_minutes_however_long_it_was_asked_for() -> None:
    async def script(peer: Peer) -> None:
        tag = await peer.command("IDLE")
        peer.send("+ idling")
        idling.set()
        assert await peer.line() == "DONE"
        peer.send(f"{tag} OK done")

    idling, clock = asyncio.Event(), ManualClock()
    async with talking(script, clock=clock) as client:
        idle = asyncio.ensure_future(client.idle(7200))
        await idling.wait()
        await client_reads()
        clock.advance(seconds=27 * 60)
        await asyncio.sleep(0)
        assert not idle.done()
        clock.advance(seconds=2 * 60)
        assert await idle is IdleEnd.TIME


async def client_reads() -> None:
    """Let what is under way on loopback arrive."""
    await asyncio.sleep(0.05)


async def test_idle_can_be_woken() -> None:
    async def script(peer: Peer) -> None:
        tag = await peer.command("IDLE")
        peer.send("+ idling")
        assert await peer.line() == "DONE"
        peer.send(f"{tag} OK done")

    async with talking(script) as client:
        idle = asyncio.ensure_future(client.idle(1000))
        await client_reads()
        client.wake()
        assert await idle is IdleEnd.WOKEN


async def test_idle_that_is_cancelled_leaves_the_session_usable() -> None:
    async def script(peer: Peer) -> None:
        tag = await peer.command("IDLE")
        peer.send("+ idling")
        assert await peer.line() == "DONE"
        peer.send(f"{tag} OK done")
        await peer.answer("NOOP")

    async with talking(script) as client:
        idle = asyncio.ensure_future(client.idle(1000))
        await client_reads()
        idle.cancel()
        with pytest.raises(asyncio.CancelledError):
            await idle
        await client.noop()


@pytest.mark.parametrize("end", ["NO not for you", "BAD what is that"])
async def test_idle_that_is_claimed_and_refused_is_switched_off(end: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer("IDLE", end=end)
        await peer.answer("NOOP")

    async with talking(script) as client:
        assert client.can("IDLE")
        with pytest.raises(NotOffered):
            await client.idle(1000)
        assert not client.can("IDLE")
        assert client.off == {"IDLE"}
        with pytest.raises(NotOffered):
            await client.idle(1000)
        await client.noop()


async def test_idle_that_never_begins_is_switched_off() -> None:
    async def script(peer: Peer) -> None:
        tag = await peer.command("IDLE")
        assert await peer.line() == "DONE"
        peer.send(f"{tag} OK done")

    async with talking(script, limits=IMPATIENT) as client:
        with pytest.raises(NotOffered):
            await client.idle(1000)
        assert not client.can("IDLE")


async def test_a_server_that_ends_idle_by_itself_is_told() -> None:
    async def script(peer: Peer) -> None:
        tag = await peer.command("IDLE")
        peer.send("+ idling", f"{tag} OK enough")

    async with talking(script) as client:
        assert await client.idle(1000) is IdleEnd.ENDED


async def test_bye_instead_of_the_beginning_of_idle_is_told() -> None:
    async def script(peer: Peer) -> None:
        await peer.command("IDLE")
        peer.send("* BYE timed out")

    async with talking(script) as client:
        with pytest.raises(ImapBye):
            await client.idle(1000)


async def test_a_server_without_idle_is_not_asked() -> None:
    async def script(peer: Peer) -> None:
        await peer.end()

    async with talking(script, capabilities="IMAP4rev1") as client:
        with pytest.raises(NotOffered):
            await client.idle(1000)


# Searching and fetching


async def test_an_answer_to_a_search_may_come_in_several_lines() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer("UID SEARCH UID 1:*", "* SEARCH 5 1", "* SEARCH", "* SEARCH 9 5", "* SEARCH")

    async with talking(script, capabilities="IMAP4rev1") as client:
        assert await client.uid_search("UID 1:*") == [1, 5, 9]


async def test_an_esearch_that_is_refused_is_asked_the_old_way() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer("UID SEARCH RETURN (ALL) ALL", end="BAD no")
        await peer.answer("UID SEARCH ALL", "* SEARCH 4")
        await peer.answer("UID SEARCH ALL", "* SEARCH 5")

    async with talking(script) as client:
        assert await client.uid_search("ALL") == [4]
        assert await client.uid_search("ALL") == [5]


async def test_a_search_that_names_more_mails_than_there_can_be_fills_no_memory() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer("UID SEARCH", "* ESEARCH UID ALL 1:4294967295")

    async with talking(script) as client:
        with pytest.raises(ImapGarbled):
            await client.uid_search("ALL")


async def test_only_mails_of_the_set_are_given_and_those_of_others_are_no_news() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(
            "UID FETCH 5:*",
            "* 1 FETCH (UID 4 RFC822.SIZE 10)",
            "* 2 FETCH (UID 5 RFC822.SIZE 20)",
        )
        await peer.answer("UID FETCH *", "* 2 FETCH (UID 5 RFC822.SIZE 20)")

    async with talking(script) as client:
        found = await client.uid_fetch("5:*", ["UID", "RFC822.SIZE"])
        assert [(mail.uid, mail.size) for mail in found] == [(5, 20)]
        assert [mail.uid for mail in await client.uid_fetch("*", ["UID", "RFC822.SIZE"])] == [5]
        assert not client.is_dirty


async def test_flags_that_others_change_during_a_fetch_are_news_and_no_answer() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(
            "UID FETCH",
            "* 1 FETCH (UID 5 FLAGS (\\Seen))",
            b"* 1 FETCH (UID 5 BODY[] {3}\r\nabc)\r\n",
        )

    async with talking(script) as client:
        found = await client.uid_fetch("5", ["UID", "BODY.PEEK[]"])
        assert [(mail.uid, mail.body) for mail in found] == [(5, b"abc")]
        assert client.take_news().fetched == 1


async def test_what_is_told_of_a_mail_in_two_answers_is_put_together() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(
            "UID FETCH",
            "* 1 FETCH (UID 5 RFC822.SIZE 3)",
            "* 2 FETCH (UID 6 RFC822.SIZE 4)",
            b"* 1 FETCH (UID 5 BODY[] {3}\r\nabc)\r\n",
        )

    async with talking(script) as client:
        found = await client.uid_fetch("5:6", ["UID", "RFC822.SIZE", "BODY.PEEK[]"])
        assert [(mail.uid, mail.size, mail.body) for mail in found] == [(5, 3, b"abc"), (6, 4, None)]


async def test_an_answer_without_the_mail_is_no_mail() -> None:
    """ICloud answers some items with OK and nothing."""

    async def script(peer: Peer) -> None:
        await peer.answer("UID FETCH")

    async with talking(script) as client:
        assert await client.uid_fetch("5", ["BODY.PEEK[]"]) == []


async def test_a_mail_of_no_octets_is_a_mail() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer("UID FETCH", '* 1 FETCH (UID 5 BODY[] "")')
        await peer.answer("UID FETCH", b"* 1 FETCH (UID 5 BODY[] {0}\r\n)\r\n")
        await peer.answer("UID FETCH", "* 1 FETCH (UID 5 BODY[] NIL)")

    async with talking(script) as client:
        bodies = [(await client.uid_fetch("5", ["BODY.PEEK[]"]))[0].body for _ in range(3)]
        assert bodies == [b"", b"", None]


async def test_parts_of_a_mail_are_found_by_what_stands_in_the_brackets() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(
            "UID FETCH 5 (BODY.PEEK[HEADER]<0.4> BODY.PEEK[]<0.2>)",
            b"* 1 FETCH (UID 5 BODY[HEADER]<0> {4}\r\nA: b BODY[]<0> {2}\r\nA:)\r\n",
        )

    async with talking(script) as client:
        (mail,) = await client.uid_fetch("5", ["BODY.PEEK[HEADER]<0.4>", "BODY.PEEK[]<0.2>"])
        assert mail.body is None
        assert mail.sections == {"HEADER": b"A: b", "": b"A:"}


async def test_gmails_items_are_read() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(
            "UID FETCH 5 (UID X-GM-MSGID X-GM-THRID X-GM-LABELS)",
            "* 1 FETCH (X-GM-THRID 1266894439832287888 X-GM-MSGID 1278455344230334865 "
            'X-GM-LABELS (\\Inbox "a b") UID 5)',
        )

    async with talking(script) as client:
        (mail,) = await client.uid_fetch("5", ["UID", "X-GM-MSGID", "X-GM-THRID", "X-GM-LABELS"])
        assert (mail.gmail_id, mail.gmail_thread) == (1278455344230334865, 1266894439832287888)
        assert mail.gmail_labels == ("\\Inbox", "a b")


async def test_a_large_body_makes_the_server_wait_for_who_takes_it() -> None:
    size = 24 * 1024 * 1024
    written = taken = 0

    async def script(peer: Peer) -> None:
        nonlocal written
        tag = await peer.command("UID FETCH")
        peer.send(f"* 1 FETCH (UID 5 RFC822.SIZE {size} BODY[] {{{size}}}")
        for _ in range(size // 65536):
            peer.send(b"x" * 65536)
            await peer.writer.drain()
            written += 65536
        peer.send(")", f"{tag} OK done")

    ahead: list[int] = []

    async def sink(piece: bytes) -> None:
        nonlocal taken
        taken += len(piece)
        if len(ahead) < 3:
            await asyncio.sleep(0.05)
            ahead.append(written - taken)

    async with talking(script) as client:
        mail = await client.stream_body(5, sink)
        assert mail is not None
        assert mail.body is None
        assert (taken, mail.size) == (size, size)
        # What waits is in the buffers of the kernel, not all of the mail.
        assert max(ahead) < 16 * 1024 * 1024


# Changing


async def test_expunge_names_its_mails_or_is_not_said() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer("NOOP")
        assert not any("EXPUNGE" in line for line in peer.lines)

    async with talking(script, capabilities="IMAP4rev1") as client:
        with pytest.raises(NotOffered):
            await client.uid_expunge("5")
        with pytest.raises(NotOffered):
            await client.uid_move("5", "Trash")
        await client.noop()


async def test_where_mails_went_is_told_by_copy_and_move() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer("UID COPY 3,5 Trash", end="OK [COPYUID 9 3,5 20:21] done")
        await peer.answer("UID MOVE 3 Trash", "* OK [COPYUID 9 3 22] moved", "* 1 EXPUNGE")
        await peer.answer("UID COPY 3 Trash")

    async with talking(script) as client:
        copied = await client.uid_copy("3,5", "Trash")
        assert copied is not None
        assert copied.uids == ((3, 20), (5, 21))
        moved = await client.uid_move("3", "Trash")
        assert moved is not None
        assert moved.uids == ((3, 22),)
        assert await client.uid_copy("3", "Trash") is None


async def test_flags_are_changed_without_news() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer("UID STORE 3 +FLAGS.SILENT (\\Deleted)", "* 1 FETCH (UID 3 MODSEQ (7))")

    async with talking(script) as client:
        await client.uid_store("3", FlagChange.ADD, ["\\Deleted"])
        assert not client.is_dirty


async def test_an_append_waits_for_the_server_where_it_wants_that() -> None:
    content = b"Subject: x\r\n\r\n" + b"x" * 5000

    async def script(peer: Peer) -> None:
        tag = await peer.command(f'APPEND Sent (\\Seen) "14-Nov-2023 22:13:20 +0000" {{{len(content)}}}')
        peer.send("+ go on")
        assert await peer.octets(len(content) + 2) == content + b"\r\n"
        peer.send(f"{tag} OK [APPENDUID 7 12] done")
        await peer.answer("APPEND", end="NO [TRYCREATE] no such mailbox")

    async with talking(script, capabilities="IMAP4rev1 LITERAL-") as client:
        told = await client.append("Sent", content, flags=["\\Seen"], internal_ms=1_700_000_000_123)
        assert told is not None
        assert (told.uid_validity, told.uid) == (7, 12)
        with pytest.raises(ImapNo) as caught:
            await client.append("Nix", content)
        assert caught.value.code == "TRYCREATE"


async def test_a_server_that_does_not_read_is_not_waited_for() -> None:
    async def script(peer: Peer) -> None:
        await peer.command("APPEND")
        await asyncio.sleep(30)

    async with talking(script, limits=IMPATIENT) as client:
        async with asyncio.timeout(10):
            with pytest.raises(ImapSilent, match="APPEND"):
                await client.append("Sent", b"x" * 24_000_000)


async def test_nothing_can_be_smuggled_into_a_command() -> None:
    async def script(peer: Peer) -> None:
        await peer.end()

    async with talking(script) as client:
        for said in (
            client.uid_search("ALL\r\nA9 DELETE INBOX"),
            client.uid_fetch("1", ["UID\r\nA9 DELETE INBOX"]),
            client.uid_fetch("1\r\n", ["UID"]),
            client.uid_store("1", FlagChange.ADD, ["\\Seen)\r\nA9"]),
            client.append("INBOX", b"NUL\x00"),
        ):
            with pytest.raises(CannotEncode):
                await said


# Mailboxes


async def test_special_use_is_told_by_the_standard_or_by_gmails_older_words() -> None:
    async def standard(peer: Peer) -> None:
        await peer.answer('LIST "" "*" RETURN (SPECIAL-USE)', '* LIST (\\sent) "/" "Gesendet"', "* LIST () NIL INBOX")

    async def refusing(peer: Peer) -> None:
        await peer.answer('LIST "" "*" RETURN (SPECIAL-USE)', end="BAD no")
        await peer.answer('LIST "" "*"', '* LIST (\\Sent) "/" "Gesendet"', "* LIST () NIL INBOX")

    async def old(peer: Peer) -> None:
        await peer.answer(
            'XLIST "" "*"',
            '* XLIST (\\HasNoChildren \\Inbox) "/" "Posteingang"',
            '* XLIST (\\HasNoChildren \\AllMail) "/" "[Gmail]/Alle Nachrichten"',
            '* XLIST (\\HasNoChildren \\Spam) "/" "[Gmail]/Spam"',
            '* XLIST (\\Noselect \\HasChildren) "/" "[Gmail]"',
        )

    for script in (standard, refusing):
        async with talking(script, capabilities="IMAP4rev1 SPECIAL-USE LIST-EXTENDED") as client:
            found = await client.list_mailboxes()
            assert [(one.name, one.special_use) for one in found] == [("Gesendet", "\\Sent"), ("INBOX", "\\Inbox")]
    async with talking(old, capabilities="IMAP4rev1 XLIST") as client:
        found = await client.list_mailboxes()
        assert [one.special_use for one in found] == ["\\Inbox", "\\All", "\\Junk", None]
        assert [one.is_selectable for one in found] == [True, True, True, False]


async def test_a_name_of_a_mailbox_is_kept_whatever_it_is() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer("LIST", '* LIST () "/" "Entw&APw-rfe"', '* LIST () "/" "&garbage"')
        await peer.answer("EXAMINE Entw&APw-rfe", *EXAMINED)

    async with talking(script, capabilities="IMAP4rev1") as client:
        found = await client.list_mailboxes()
        assert [one.shown for one in found] == ["Entwürfe", "&garbage"]
        await client.examine(found[0].name)


async def test_condstore_that_is_refused_is_left_out() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer("EXAMINE INBOX (CONDSTORE)", end="BAD no")
        await peer.answer("EXAMINE INBOX", *EXAMINED, end="OK [READ-ONLY] done")

    async with talking(script, capabilities="IMAP4rev1 CONDSTORE") as client:
        examined = await client.examine("INBOX")
        assert (examined.exists, examined.uid_validity, examined.uid_next) == (3, 7, 12)
        assert examined.highest_modseq is None
        assert not client.can("CONDSTORE")


async def test_status_tells_what_it_was_asked() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(
            "STATUS Sent (MESSAGES UIDNEXT UIDVALIDITY)", "* STATUS Sent (MESSAGES 3 UIDNEXT 12 UIDVALIDITY 7)"
        )

    async with talking(script) as client:
        told = await client.status("Sent")
        assert (told.messages, told.uid_next, told.uid_validity) == (3, 12, 7)


async def test_enable_asks_only_for_what_the_server_claims() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer("ENABLE CONDSTORE", "* ENABLED CONDSTORE")

    async with talking(script, capabilities="IMAP4rev1 ENABLE CONDSTORE") as client:
        assert await client.enable("CONDSTORE", "QRESYNC") == {"CONDSTORE"}


async def test_id_is_said_once_and_missed_by_nobody() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer('ID ("name" "Postroom"', '* ID ("name" "Dovecot" "version" NIL)')
        await peer.answer("ID", end="BAD no")

    async with talking(script, capabilities="IMAP4rev1 ID") as client:
        assert await client.identify() == {"name": "Dovecot"}
        assert await client.identify() == {}
        assert not client.can("ID")


# Refusals


@pytest.mark.parametrize(
    ("end", "kind", "wait_ms"),
    [
        ("NO no such thing", ImapNo, None),
        ("BAD what", ImapBad, None),
        ("BAD User is authenticated but not connected.", Throttled, None),
        ("BAD Request is throttled. Suggested Backoff Time: 92415 milliseconds", Throttled, 92_415),
        ("NO [LIMIT] UID FETCH Rate limit hit.", Throttled, None),
        ("NO [UNAVAILABLE] Temporary problem", Throttled, None),
        ("NO [INUSE] Mailbox in use", Throttled, None),
    ],
)
async def test_a_refusal_says_what_to_do_about_it(end: str, kind: type[Exception], wait_ms: int | None) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer("UID FETCH", end=end)

    async with talking(script) as client:
        with pytest.raises(kind) as caught:
            await client.uid_fetch("1", ["UID"])
        assert getattr(caught.value, "wait_ms", None) == wait_ms


async def test_server_unavailable_without_a_tag_is_a_request_to_come_later() -> None:
    async def script(peer: Peer) -> None:
        await peer.command("NOOP")
        peer.send("Server Unavailable. 15")
        await peer.end()

    async with talking(script, limits=SHORT) as client:
        with pytest.raises(Throttled):
            await client.noop()
        assert not client.is_open


async def test_a_connection_that_breaks_after_a_complaint_broke_for_it() -> None:
    async def script(peer: Peer) -> None:
        await peer.command("NOOP")
        peer.send("* NO [ALERT] Too many simultaneous connections. (Failure)")

    async with talking(script) as client:
        with pytest.raises(Throttled):
            await client.noop()
