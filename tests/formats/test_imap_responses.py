"""What servers say is understood as they mean it, and whatever makes no sense is told as such."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import imap_transcripts
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.net.imap.codes import AppendUid, CapabilityCode, Code, CopyUid, NumberCode, WordsCode
from postroom.net.imap.fetch import Address, Envelope, Fetch, Section, read_fetch, read_plain_fetch
from postroom.net.imap.reader import ResponseReader
from postroom.net.imap.responses import (
    Capability,
    Continuation,
    Enabled,
    ESearch,
    Exists,
    Expunge,
    Flags,
    Identification,
    Listed,
    MailboxStatus,
    Namespace,
    NamespacePrefix,
    OtherData,
    Recent,
    Response,
    Search,
    Status,
    Tagged,
    Unparsed,
    Untagged,
    Vanished,
)
from postroom.net.imap.sequence_sets import SequenceSet, read_set
from postroom.net.imap.values import read_values
from postroom.net.imap.wire import Frame


def read(data: bytes | Iterable[bytes]) -> list[Response]:
    reader = ResponseReader()
    found: list[Response] = []
    for piece in [data] if isinstance(data, bytes) else data:
        reader.feed(piece)
        while (response := reader.take()) is not None:
            found.append(response)
    return found


def one(line: bytes) -> Response:
    [response] = read(line + b"\r\n")
    return response


def _set(text: bytes) -> SequenceSet:
    found = read_set(text)
    assert found is not None
    return found


# Real conversations


@pytest.mark.parametrize("name", imap_transcripts.ALL)
def test_every_line_of_a_well_known_server_is_understood(name: str) -> None:
    found = read(imap_transcripts.ALL[name])

    not_understood = [response.line for response in found if isinstance(response, Unparsed)]
    assert not_understood == ([b"Server Unavailable. 15"] if name == "microsoft" else [])


def test_lines_that_make_no_sense_are_told_one_by_one() -> None:
    lines = imap_transcripts.NOT_UNDERSTOOD.split(b"\r\n")[:-1]

    found = read(imap_transcripts.NOT_UNDERSTOOD)

    assert [(type(response), response.line) for response in found if isinstance(response, Unparsed)] == [
        (Unparsed, line) for line in lines
    ]
    assert not any(response.is_fatal for response in found if isinstance(response, Unparsed))
    assert len(found) == len(lines)


def test_a_fetch_of_gmail_is_read_whole() -> None:
    [fetch] = [response for response in read(imap_transcripts.GMAIL) if isinstance(response, Fetch)]

    assert fetch == Fetch(
        sequence=16,
        uid=30,
        flags=("\\Seen", "42", "b]"),
        size=12,
        internal_date=datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC),
        modseq=2129,
        sections=(Section("", b"a: b\r\n\r\nhello"),),
        gmail_id=1278455344230334866,
        gmail_thread=1278455344230334865,
        gmail_labels=("\\Important", "\\Sent", "foo", "with space", "[x]"),
    )
    assert fetch.body == b"a: b\r\n\r\nhello"
    assert fetch.internal_ms == 1_795_395_723_000


def test_names_are_kept_as_they_came_and_shown_as_people_write_them() -> None:
    listed = [response for response in read(imap_transcripts.GMAIL) if isinstance(response, Listed)]

    assert [mailbox.shown for mailbox in listed][3] == "[Gmail]/Envoyés"
    assert listed[3].name == "[Gmail]/Envoy&AOk-s"
    assert "\\All" in listed[2].attributes


def test_an_envelope_is_read_as_far_as_it_goes() -> None:
    envelopes = [response.envelope for response in read(imap_transcripts.CYRUS) if isinstance(response, Fetch)]

    anna = Address(b'Anna "A"', None, b"anna", b"example.com")
    group = (Address(None, None, b"friends", None), Address(None, None, b"bob", b"example.org"))
    assert envelopes[0] == Envelope(
        b"Mon, 23 Nov 2026 01:02:03 +0000",
        b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=",
        (anna,),
        to=(*group, Address(None, None, None, None)),
        message_id=b"<1@example.com>",
    )
    assert envelopes[1] == Envelope(None, b"Bonjour\r\n!!", (Address(b"Anna", None, b"anna", b"example.com"),))
    assert envelopes[2] is None


# One by one


@pytest.mark.parametrize(
    ("line", "response"),
    [
        (b"* 3 EXISTS", Exists(3)),
        (b"* 0 recent", Recent(0)),
        (b"* 7 EXPUNGE", Expunge(7)),
        (b"*  7  EXPUNGE ", Expunge(7)),
        (b"+ go on", Continuation("go on")),
        (b"+", Continuation("")),
        (b"+ ", Continuation("")),
        (b"* CAPABILITY imap4rev1 IDLE", Capability(frozenset({"IMAP4REV1", "IDLE"}))),
        (b"* ENABLED", Enabled(frozenset())),
        (b"* ENABLED condstore", Enabled(frozenset({"CONDSTORE"}))),
        (b"* FLAGS (\\Seen a])", Flags(("\\Seen", "a]"))),
        (b"* SEARCH", Search(())),
        (b"* SEARCH ", Search(())),
        (b"* SEARCH 2 1 2", Search((2, 1, 2))),
        (b"* SEARCH 2 (MODSEQ 9223372036854775807)", Search((2,), (1 << 63) - 1)),
        (b"* ESEARCH", ESearch()),
        (b'* ESEARCH (TAG "A1") UID', ESearch("A1", True)),
        (b"* ESEARCH (TAG A1) ALL 1,3:5", ESearch("A1", numbers=_set(b"1,3:5"))),
        (b"* ESEARCH UID MIN 1 MAX 2 COUNT 3 MODSEQ 4 X (y)", ESearch(None, True, 1, 2, None, 3, 4, (("X", ("y",)),))),
        (b"* VANISHED 3:1", Vanished(False, SequenceSet(((1, 3),)))),
        (b"* VANISHED (EARLIER) 1", Vanished(True, SequenceSet(((1, 1),)))),
        (b"* ID NIL", Identification(())),
        (b'* ID ("Name" "x" "empty" NIL)', Identification((("name", "x"), ("empty", None)))),
        (
            b'* NAMESPACE (("" "/")) NIL (("#s." "." "X-P" ("y"))("#t" NIL))',
            Namespace((NamespacePrefix("", "/"),), (), (NamespacePrefix("#s.", "."), NamespacePrefix("#t", None))),
        ),
        (b'* LIST () "/" a', Listed("LIST", (), "/", "a")),
        (b'* lsub () "" "a b"', Listed("LSUB", (), None, "a b")),
        (b'* XLIST (\\Inbox) "\\\\" Posteingang', Listed("XLIST", ("\\Inbox",), "\\", "Posteingang")),
        (b'* LIST () "\\" a b  c', Listed("LIST", (), "\\", "a b  c")),
        (b"* LIST () NIL NIL", Listed("LIST", (), None, "NIL")),
        (b'* LIST () "/" "a" ("OLDNAME" ("b"))', Listed("LIST", (), "/", "a", ((b"OLDNAME", (b"b",)),))),
        (b'* LIST () "/" {3}\r\na"b', Listed("LIST", (), "/", 'a"b')),
        (b'* LIST () "/" "\xc3\xa9"', Listed("LIST", (), "/", "Ã©")),
        (b"* STATUS a (MESSAGES 1)", MailboxStatus("a", 1)),
        (
            b'* STATUS "a b" (MESSAGES 1 RECENT 2 UIDNEXT 3 UIDVALIDITY 4 UNSEEN 5 HIGHESTMODSEQ 6 SIZE 7 X 8)',
            MailboxStatus("a b", 1, 2, 3, 4, 5, 6, 7, (("X", "8"),)),
        ),
        (b"* STATUS a b (MESSAGES 1)", MailboxStatus("a b", 1)),
        (b"* STATUS {2}\r\nab (UIDNEXT 1)", MailboxStatus("ab", uid_next=1)),
        (b"* STATUS a (MESSAGES -1)", MailboxStatus("a", others=(("MESSAGES", "-1"),))),
        (b'* QUOTA "" (STORAGE 1 2)', OtherData("QUOTA", None, (b"", ("STORAGE", "1", "2")))),
        (b"* ZZZ", OtherData("ZZZ", None, ())),
    ],
)
def test_untagged_data_is_read(line: bytes, response: Response) -> None:
    assert one(line) == response


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (b"", None, ""),
        (b"done", None, "done"),
        (b"[ALERT] look", Code("ALERT"), "look"),
        (b"[alert]look", Code("ALERT"), "look"),
        (b"[UIDNEXT 5] x", NumberCode("UIDNEXT", 5), "x"),
        (b"[UIDVALIDITY 4294967295]", NumberCode("UIDVALIDITY", (1 << 32) - 1), ""),
        (b"[HIGHESTMODSEQ 9223372036854775808] x", Code("HIGHESTMODSEQ", "9223372036854775808"), "x"),
        (b"[NOMODSEQ] x", Code("NOMODSEQ"), "x"),
        (b"[PERMANENTFLAGS (\\Seen x] \\*)] y", WordsCode("PERMANENTFLAGS", ("\\Seen", "x]", "\\*")), "y"),
        (b"[PERMANENTFLAGS ()] y", WordsCode("PERMANENTFLAGS", ()), "y"),
        (b"[BADCHARSET (UTF-8)] y", WordsCode("BADCHARSET", ("UTF-8",)), "y"),
        (b"[CAPABILITY a IDLE] y", CapabilityCode("CAPABILITY", frozenset({"A", "IDLE"})), "y"),
        (b"[APPENDUID 1 2] y", AppendUid("APPENDUID", 1, _set(b"2")), "y"),
        (b"[APPENDUID 1] y", NumberCode("APPENDUID", 1), "y"),
        (b"[APPENDUID x 2] y", Code("APPENDUID", "x 2"), "y"),
        (b"[COPYUID 1 2:3 5,4] y", CopyUid("COPYUID", 1, _set(b"2:3"), _set(b"5,4")), "y"),
        (b"[COPYUID 1 2:3] y", Code("COPYUID", "1 2:3"), "y"),
        (b"[REFERRAL imap://a/b] y", Code("REFERRAL", "imap://a/b"), "y"),
        (b"[] y", None, "[] y"),
        (b"[x", None, "[x"),
        (b"[x (y", None, "[x (y"),
        (b"\xff {5}", None, "\ufffd {5}"),
    ],
)
def test_a_response_code_is_read_and_what_is_none_stays_in_the_words(text: bytes, code: object, words: str) -> None:
    assert one(b"A1 NO " + text) == Tagged("A1", Status.NO, code, words)  # type: ignore[arg-type]
    assert one(b"* BYE " + text) == Untagged(Status.BYE, code, words)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("items", "fetch"),
    [
        (b"", Fetch(1)),
        (b"UID 9223372036854775807", Fetch(1, (1 << 63) - 1)),
        (b"UID 9223372036854775808", Fetch(1, others=(("UID", "9223372036854775808"),))),
        (b"UID 5 FLAGS ()", Fetch(1, 5, ())),
        (b"FLAGS (NIL)", Fetch(1, others=(("FLAGS", (None,)),))),
        (b"MODSEQ (9223372036854775807)", Fetch(1, modseq=(1 << 63) - 1)),
        (b"MODSEQ 5", Fetch(1, others=(("MODSEQ", "5"),))),
        (b"INTERNALDATE NIL", Fetch(1)),
        (b'INTERNALDATE "never"', Fetch(1, others=(("INTERNALDATE", b"never"),))),
        (b"ENVELOPE NIL", Fetch(1)),
        (b"ENVELOPE ()", Fetch(1, envelope=Envelope())),
        (b'ENVELOPE (NIL "s" x ("y" ()))', Fetch(1, envelope=Envelope(None, b"s", (), (Address(*[None] * 4),)))),
        (b'ENVELOPE "x" UID 4', Fetch(1, 4, others=(("ENVELOPE", b"x"),))),
        (b"BODYSTRUCTURE NIL", Fetch(1)),
        (b'BODY ("TEXT" NIL)', Fetch(1, structure=(b"TEXT", None))),
        (b"BODY[] NIL", Fetch(1, sections=(Section("", None),))),
        (b'BODY[]<0> "x"', Fetch(1, sections=(Section("", b"x", 0),))),
        (b'body[header.fields ("a]" b)] "x"', Fetch(1, sections=(Section('HEADER.FIELDS ("A]" B)', b"x"),))),
        (b"BODY[1.MIME] ()", Fetch(1, others=(("BODY[1.MIME]", ()),))),
        (b'RFC822 "x"', Fetch(1, sections=(Section("", b"x"),))),
        (b"THREADID NIL EMAILID (a)", Fetch(1, email_id="a")),
        (b'X-GM-LABELS ("\\\\Sent" x)', Fetch(1, gmail_labels=("\\Sent", "x"))),
        (b"SAVEDATE NIL", Fetch(1, others=(("SAVEDATE", None),))),
    ],
)
def test_items_of_a_fetch_are_read_and_odd_ones_cost_nothing_else(items: bytes, fetch: Fetch) -> None:
    assert one(b"* 1 FETCH (" + items + b")") == fetch


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"17-Jul-1996 02:44:25 -0700", datetime(1996, 7, 17, 9, 44, 25, tzinfo=UTC)),
        (b" 7-Feb-1994 22:54:04 -0500", datetime(1994, 2, 8, 3, 54, 4, tzinfo=UTC)),
        (b"7-feb-1994 22:54:04 +0530", datetime(1994, 2, 7, 17, 24, 4, tzinfo=UTC)),
        (b"31-Dec-2016 23:59:60 +0000", datetime(2017, 1, 1, tzinfo=UTC)),
        (b"01-Jan-2099 00:00:00 +0000", datetime(2099, 1, 1, tzinfo=UTC)),
        (b"00-Jan-2099 00:00:00 +0000", None),
        (b"30-Feb-2099 00:00:00 +0000", None),
        (b"01-Jan-0001 00:00:00 +2359", None),
        (b"31-Dec-9999 23:59:59 -2359", None),
        (b"01-Jan-2099 00:00:00 +9999", None),
        (b"Mon, 1 Jan 2099 00:00:00 +0000", None),
    ],
)
def test_an_internaldate_is_a_time_or_none(text: bytes, expected: datetime | None) -> None:
    fetch = one(b'* 1 FETCH (INTERNALDATE "' + text + b'" UID 5)')

    assert isinstance(fetch, Fetch)
    assert fetch.uid == 5
    assert fetch.internal_date is None or isinstance(fetch.internal_ms, int)
    if expected is not None:
        assert fetch.internal_date == expected


def test_lists_nest_to_a_depth_and_a_hundred_thousand_brackets_are_no_trouble() -> None:
    deep = one(b"* X " + b"(" * 100 + b")" * 100)
    deeper = one(b"* X " + b"(" * 100_000 + b")" * 100_000)

    assert isinstance(deep, OtherData)
    assert isinstance(deeper, Unparsed)


# Attacks


def test_a_literal_that_is_shorter_than_the_mail_ends_the_reading() -> None:
    """Else whoever wrote the mail would be heard as the server."""
    found = read(b"* 1 FETCH (UID 1 BODY[] {5}\r\nhello\r\n* 9 EXISTS\r\nA1 OK forged\r\n)\r\n* BYE\r\n")

    [only] = found
    assert isinstance(only, Unparsed)
    assert only.is_fatal


def test_words_for_people_announce_no_literal() -> None:
    assert read(b"A1 NO send {100}\r\n* 1 EXISTS\r\n") == [Tagged("A1", Status.NO, None, "send {100}"), Exists(1)]


def test_a_tag_in_a_mail_is_no_answer() -> None:
    body = b"A1 OK done\r\n* 5 EXISTS\r\n"

    found = read(b"* 1 FETCH (BODY[] {%d}\r\n%s)\r\n" % (len(body), body))

    assert found == [Fetch(1, sections=(Section("", body),))]


# Anything

_PIECES = [
    *(b"* ", b"1 ", b"FETCH ", b"(", b")", b'"', b"\\", b"NIL ", b"{3}\r\n", b"\r\n", b"UID ", b"FLAGS ", b"A1 OK "),
    *(b"BODY[", b"]", b"<0>", b"ENVELOPE ", b"[COPYUID ", b"1:*", b"* ESEARCH ", b"ALL ", b"* LIST () ", b"* STATUS "),
    *(b"INTERNALDATE ", b'"17-Jul-1996 02:44:25 -0700"', b"MODSEQ ", b"+", b"\x00", b"\xff", b"* VANISHED ", b"&"),
    *(b"BODYSTRUCTURE ", b"* ID ", b"* NAMESPACE ", b"99999999999999999999 ", b"X-GM-LABELS ", b"THREADID ", b"\t"),
]
_ANYTHING = st.lists(st.sampled_from(_PIECES) | st.binary(max_size=8)).map(b"".join)


@given(_ANYTHING, st.lists(st.integers(0, 500)))
def test_any_octets_cut_anywhere_give_the_same_responses(data: bytes, cuts: list[int]) -> None:
    borders = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})

    assert read(data[begin:end] for begin, end in pairwise(borders)) == read(data)


@given(_ANYTHING)
def test_after_any_line_the_next_one_is_read(data: bytes) -> None:
    line = data.replace(b"\n", b"").replace(b"}", b"")

    assert read(line + b"\r\n* 7 EXISTS\r\n")[-1] == Exists(7)


_ITEMS = st.lists(
    st.sampled_from(
        [
            *(b"UID 5", b"UID 0", b"UID 99999999999999999999", b"FLAGS ()", b"FLAGS (\\Seen)", b"FLAGS (a]  b)"),
            *(b"FLAGS (\xe9 \xa0)", b"FLAGS (NIL)", b"MODSEQ (5)", b"MODSEQ (9223372036854775808)", b"RFC822.SIZE 7"),
            *(b'INTERNALDATE "17-Jul-1996 02:44:25 -0700"', b'INTERNALDATE "x"', b'INTERNALDATE ""', b"MODSEQ ()"),
            *(b"FLAGS (\x01)", b"uid 6"),
        ]
    )
)  # fmt: skip


@given(_ITEMS)
def test_the_quick_way_through_a_fetch_says_the_same_as_the_long_one(items: list[bytes]) -> None:
    text = b" ".join(items)
    quick = read_plain_fetch(b"* 1 FETCH (" + text + b")")

    if quick is not None:
        assert quick == read_fetch(1, read_values(Frame((text,))))


# Time


def test_forty_thousand_flags_are_read_in_a_moment() -> None:
    line = b"* %d FETCH (FLAGS (\\Seen \\Answered) UID %d)\r\n"
    data = b"".join(line % (number, number) for number in range(40_000))
    before = time.process_time()

    found = read(data)

    assert time.process_time() - before < 2  # 0.2 on a free machine
    assert len(found) == 40_000
    assert all(isinstance(response, Fetch) for response in found[::1_000])


_LONG = 300_000


@pytest.mark.parametrize(
    "line",
    [
        b"* SEARCH " + b"123456 " * (_LONG // 7),
        b"* X " + b"() " * (_LONG // 3),
        b"* X " + b"BODY[ " * (_LONG // 6),
        b"* X " + b'BODY["" ' * (_LONG // 8),
        b"* X " + b'BODY["A BODY[""B ' * (_LONG // 17),
        b'* X "' + b"\\" * _LONG,
        b"* X " + b'"" ' * (_LONG // 3),
        b"* OK [A" + b" " * _LONG,
        b"* OK [A " + b"(" * _LONG,
        b"* OK [A (" + b" " * _LONG + b"x",
        b"* OK " + b"[A" * (_LONG // 2),
        b"* LIST () NIL " + b" a" * (_LONG // 2) + b'"',
        b"* LIST () NIL a" + b" " * _LONG + b'"',
        b"* LIST (" + b" " * _LONG,
        b"* STATUS a" + b" " * _LONG + b"x",
        b"* STATUS " + b"( " * (_LONG // 2),
        b"* 1 FETCH (" + b"UID 1 " * (_LONG // 6),
        b"* 1 FETCH (FLAGS (" + b"a " * (_LONG // 2) + b"))",
        b"* CAPABILITY " + b"A" * _LONG,
        b"* VANISHED " + b"1," * (_LONG // 2),
        b"* VANISHED " + b"1:2," * (_LONG // 4) + b"1",
        b"*" + b" " * _LONG,
        b" " * _LONG,
        b"A" * _LONG + b" OK",
        b"* LIST () NIL " + b"&" * _LONG,
        b"* " + b"9" * _LONG,
        b"* 1 FETCH (UID " + b"9" * _LONG + b")",
    ],
)
def test_a_line_of_a_hostile_server_takes_a_moment(line: bytes) -> None:
    before = time.process_time()

    [response] = read(line + b"\r\n")
    if isinstance(response, Listed):
        assert response.shown

    assert time.process_time() - before < 5  # 0.2 on a free machine; what is not linear takes minutes


def test_a_zone_is_kept_as_the_server_wrote_it() -> None:
    fetch = one(b'* 1 FETCH (INTERNALDATE "17-Jul-1996 02:44:25 -0730")')

    assert isinstance(fetch, Fetch)
    assert fetch.internal_date is not None
    assert fetch.internal_date.utcoffset() == -timedelta(hours=7, minutes=30)
