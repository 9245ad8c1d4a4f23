"""The client's side of an IMAP session without I/O, given anything at all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.net.imap import refusals
from postroom.net.imap.abilities import claims, literal_support
from postroom.net.imap.encode import LiteralSupport
from postroom.net.imap.errors import ImapError
from postroom.net.imap.fetching import FetchCollector, SearchCollector
from postroom.net.imap.sasl import oauthbearer, plain, xoauth2
from postroom.net.imap.sequence_sets import SequenceSet
from postroom.net.imap.session import Session
from postroom.net.imap.wire import Limits

SMALL = Limits(line_bytes=2_000, endless_bytes=4_000, literal_bytes=2_000, response_bytes=4_000)
FRAGMENTS = [
    b"* ",
    b"A1 ",
    b"A2 ",
    b"+ ",
    b"OK ",
    b"NO ",
    b"BAD ",
    b"BYE ",
    b"PREAUTH ",
    b"[UIDVALIDITY 7] ",
    b"[ALERT] ",
    b"\r\n",
    b"[CAPABILITY IMAP4rev1 IDLE] ",
    b"1 EXISTS",
    b"2 EXPUNGE",
    b"3 FETCH (UID 5 ",
    b"BODY[] {3}\r\nabc",
    b"RFC822.SIZE 9",
    b")",
    b"(",
    b"SEARCH 1 2 3",
    b"ESEARCH UID ALL 1:9",
    b"VANISHED 1:4",
    b"{9999}\r\n",
    b"FLAGS (\\Seen)",
    b"NIL",
    b"\x00",
    b"CAPABILITY IDLE",
    b"LIST () NIL INBOX",
    b"Server Unavailable.",
    b"eyJzdGF0dXMiOiI0MDEifQ==",
    b"\xff",
    b'"',
    b"\\",
]


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=20), max_size=60),
    st.sampled_from(["UID FETCH", "UID SEARCH", "IDLE", "AUTHENTICATE", "STARTTLS", "LOGOUT", "APPEND"]),
    st.booleans(),
)
def test_whatever_a_server_sends_is_taken_without_a_fault(said: list[bytes], verb: str, greeted: bool) -> None:
    session = Session("server", SMALL)
    if greeted:
        session.receive(b"* OK ready\r\n")
    session.open_mailbox("INBOX")
    fetches = FetchCollector(SequenceSet(((1, 100),)), ["UID", "RFC822.SIZE", "BODY.PEEK[]"], None)
    searches = SearchCollector()
    take = fetches.take if verb == "UID FETCH" else searches.take
    sasl = xoauth2("ann", "token") if verb == "AUTHENTICATE" else None
    session.start(verb, take=take, sasl=sasl, is_idle=verb == "IDLE")

    for piece in said:
        session.receive(piece)

    assert session.error is None or isinstance(session.error, ImapError)
    assert session.take_news() is not None
    fetches.finish()
    session.lost("was closed")
    assert isinstance(session.error, ImapError)


@given(
    st.text(max_size=60),
    st.sampled_from(["", "LIMIT", "UNAVAILABLE", "ALERT", "X"]),
    st.text(max_size=40),
    st.booleans(),
)
def test_any_words_of_a_refusal_become_one_line_for_people(words: str, code: str, failure: str, is_bad: bool) -> None:
    for error in (
        refusals.login_refusal("host refuses the login", words, code, failure, is_bad=is_bad),
        refusals.refusal("host refuses FETCH", words, code, verb="UID FETCH", is_bad=is_bad),
        refusals.goodbye("host said goodbye", words, code),
        refusals.greeting_refused("host", words),
    ):
        assert str(error).isprintable()
        assert error.words == words


def test_a_server_of_the_newest_revision_can_what_that_holds() -> None:
    rev2 = frozenset({"IMAP4REV2"})
    assert claims(rev2, "IDLE")
    assert claims(rev2, "UIDPLUS")
    assert not claims(rev2, "CONDSTORE")
    # Those that say both are taken by their list: some claim the newer one and mean the older.
    assert not claims(rev2 | {"IMAP4REV1"}, "IDLE")


@pytest.mark.parametrize(
    ("capabilities", "support"),
    [
        ({"LITERAL+"}, LiteralSupport.PLUS),
        ({"LITERAL-"}, LiteralSupport.MINUS),
        ({"IMAP4REV2"}, LiteralSupport.MINUS),
        ({"IMAP4REV1"}, LiteralSupport.WAIT),
    ],
)
def test_literals_wait_unless_the_server_says_otherwise(capabilities: set[str], support: LiteralSupport) -> None:
    assert literal_support(frozenset(capabilities), frozenset()) is support


def test_a_name_with_separators_is_written_as_gs2_wants_it() -> None:
    """RFC 5801 4."""
    assert oauthbearer("a=b,c", "t").initial == b"n,a=a=3Db=2Cc,\x01auth=Bearer t\x01\x01"


def test_a_password_is_in_no_repr() -> None:
    assert "secret" not in repr(plain("ann", "secret"))
