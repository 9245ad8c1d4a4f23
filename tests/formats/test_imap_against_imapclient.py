"""Our reading of IMAP agrees with imapclient's, and goes on where that one fails."""

from datetime import datetime

import imap_transcripts
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imapclient.response_parser import parse_fetch_response, parse_message_list, parse_response
from imapclient.response_types import Address as TheirAddress

from postroom.net.imap.fetch import Address, Fetch
from postroom.net.imap.reader import ResponseReader, read_response
from postroom.net.imap.responses import ESearch, Flags, Listed, MailboxStatus, Response, Search, Unparsed
from postroom.net.imap.values import Value, read_values
from postroom.net.imap.wire import Frame, Framer, Literal

Theirs = bytes | int | None | tuple["Theirs", ...]


def _frames(data: bytes) -> list[Frame]:
    framer = Framer()
    framer.feed(data)
    found = []
    while isinstance(item := framer.take(), Frame):
        found.append(item)
    return found


def _for_them(frame: Frame, start: int) -> list[bytes | tuple[bytes, bytes]]:
    """Return a frame in imaplib's form, which is what imapclient parses."""
    texts = [frame.texts[0][start:], *frame.texts[1:]]
    data: list[bytes | tuple[bytes, bytes]] = []
    for text, literal in zip(texts, frame.literals, strict=False):
        assert isinstance(literal, bytes)
        data.append((text + b"{%d}" % len(literal), literal))
    return [*data, texts[-1]]


def _fetch_for_them(frame: Frame) -> list[bytes | tuple[bytes, bytes]]:
    """They want the number and the list, without the word between."""
    return _for_them(Frame((frame.texts[0].replace(b" FETCH", b"", 1), *frame.texts[1:]), frame.literals), 2)


def _as_theirs(value: Value) -> Theirs:
    assert not isinstance(value, Literal)
    if isinstance(value, tuple):
        return tuple(_as_theirs(part) for part in value)
    if isinstance(value, str):
        # They take an atom of digits as a number, but for one that begins with 0.
        is_number = value.isdigit() and (value == "0" or not value.startswith("0"))
        return int(value) if is_number else value.encode("latin-1")
    return value


def _response(data: bytes) -> Response:
    [frame] = _frames(data)
    return read_response(frame)


# Their own words, and those of real servers

_DATA = [
    b"* X 1 (2 3) NIL ()",
    b'* X "quoted \\"text\\" \\\\" {5}\r\nhello (a (b (c))) "1"',
    b"* X BODY[HEADER.FIELDS (From To)] x",
    b"* X \\Seen \\* $x a/b",
    b'* X ("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 1152 23)',
    b"* X 0123 0 12a {0}\r\n",
    b"* X (((((())))))",
]


@pytest.mark.parametrize("data", _DATA)
def test_values_are_the_same(data: bytes) -> None:
    [frame] = _frames(data + b"\r\n")

    assert _as_theirs(read_values(frame, start=4)) == parse_response(_for_them(frame, 4))


@pytest.mark.parametrize("name", imap_transcripts.ALL)
def test_fetches_of_well_known_servers_are_the_same(name: str) -> None:
    for frame in _frames(imap_transcripts.ALL[name]):
        response = read_response(frame)
        if not isinstance(response, Fetch) or name == "odd":
            continue
        try:
            [theirs] = parse_fetch_response(_fetch_for_them(frame), normalise_times=False, uid_is_key=False).values()
        except (IndexError, TypeError):
            continue  # see the last test here
        assert theirs.get(b"UID") == response.uid
        assert theirs.get(b"FLAGS") == (None if response.flags is None else _as_theirs(response.flags))
        assert theirs.get(b"RFC822.SIZE") == response.size
        assert theirs.get(b"MODSEQ") == (None if response.modseq is None else (response.modseq,))
        assert theirs.get(b"INTERNALDATE") == response.internal_date
        assert theirs.get(b"X-GM-MSGID") == response.gmail_id
        for section in response.sections:
            kind = "BINARY" if section.is_binary else "BODY"
            assert theirs[f"{kind}[{section.section}]".encode()] == section.data
        if response.envelope is not None:
            envelope = theirs[b"ENVELOPE"]
            assert (envelope.subject, envelope.message_id) == (response.envelope.subject, response.envelope.message_id)
            assert _addresses(envelope.from_) == response.envelope.author
            assert _addresses(envelope.to) == response.envelope.to


def _addresses(theirs: tuple[TheirAddress, ...] | None) -> tuple[Address, ...]:
    return tuple(Address(one.name, one.route, one.mailbox, one.host) for one in theirs or ())


# Anything that they can read

_ATOM = st.text("abcXYZ\\$*+-.&/:;<>=?@^_`|~0123456789", min_size=1, max_size=8).filter(lambda atom: atom[0] != "0")
_QUOTED = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=10).map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
)
_LITERAL = st.binary(max_size=10).map(lambda data: f"{{{len(data)}}}\r\n{data.decode('latin-1')}")
_WORD = _ATOM | _QUOTED | _LITERAL | st.just("NIL")
_VALUES = st.recursive(_WORD, lambda inner: st.lists(inner, max_size=4).map(lambda parts: f"({' '.join(parts)})"))


@given(st.lists(_VALUES, min_size=1, max_size=5).map(" ".join))
def test_any_values_are_the_same(text: str) -> None:
    [frame] = _frames(b"* X " + text.encode("latin-1") + b"\r\n")

    assert _as_theirs(read_values(frame, start=4)) == parse_response(_for_them(frame, 4))


_ITEM = st.one_of(
    st.integers(0, (1 << 63) - 1).map(lambda number: ("UID", f"{number}")),
    st.integers(0, (1 << 63) - 1).map(lambda number: ("RFC822.SIZE", f"{number}")),
    st.integers(0, (1 << 63) - 1).map(lambda number: ("MODSEQ", f"({number})")),
    st.lists(st.sampled_from(["\\Seen", "\\Flagged", "$x", "a/b"])).map(
        lambda flags: ("FLAGS", f"({' '.join(flags)})")
    ),
    (_QUOTED | _LITERAL | st.just("NIL")).map(lambda data: ("BODY[]", data)),
    (_QUOTED | _LITERAL).map(lambda data: ("BODY[HEADER.FIELDS (TO CC)]", data)),
    st.datetimes(datetime(1000, 1, 1)).map(
        lambda when: ("INTERNALDATE", f'"{when.day:2}-Nov-{when.year:04} {when:%H:%M:%S} +0130"')
    ),
)


@given(st.lists(_ITEM, unique_by=lambda item: item[0]))
def test_any_fetch_is_the_same(items: list[tuple[str, str]]) -> None:
    text = " ".join(f"{name} {value}" for name, value in items)
    [frame] = _frames(b"* 7 FETCH (" + text.encode("latin-1") + b")\r\n")

    ours = read_response(frame)
    [theirs] = parse_fetch_response(_fetch_for_them(frame), normalise_times=False, uid_is_key=False).values()

    assert isinstance(ours, Fetch)
    assert ours.uid == theirs.get(b"UID")
    assert ours.size == theirs.get(b"RFC822.SIZE")
    assert (None if ours.modseq is None else (ours.modseq,)) == theirs.get(b"MODSEQ")
    assert (None if ours.flags is None else _as_theirs(ours.flags)) == theirs.get(b"FLAGS")
    assert ours.internal_date == theirs.get(b"INTERNALDATE")
    assert {f"BODY[{section.section}]".encode(): section.data for section in ours.sections} == {
        name: value for name, value in theirs.items() if name.startswith(b"BODY")
    }
    assert not ours.others or b"INTERNALDATE" in theirs


@given(st.lists(st.integers(1, (1 << 32) - 1), min_size=1), st.none() | st.integers(0, (1 << 63) - 1))
def test_any_search_is_the_same(numbers: list[int], modseq: int | None) -> None:
    text = " ".join(map(str, numbers)) + ("" if modseq is None else f" (MODSEQ {modseq})")

    ours = _response(f"* SEARCH {text}\r\n".encode())
    theirs = parse_message_list([text.encode()])

    assert ours == Search(tuple(theirs), theirs.modseq)


# Where they fail


@pytest.mark.parametrize(
    ("line", "theirs", "ours"),
    [
        (b"* FLAGS ($[x)", b"($[x)", Flags(("$[x",))),
        (b"* 1 FETCH (UID 5 ENVELOPE (NIL NIL))", b"1 (UID 5 ENVELOPE (NIL NIL))", 5),
        (b"* 1 FETCH (UID 5 BODYSTRUCTURE NIL)", b"1 (UID 5 BODYSTRUCTURE NIL)", 5),
        (b"* 1 FETCH (UID 5 ENVELOPE NIL)", b"1 (UID 5 ENVELOPE NIL)", 5),
        (b"* 1 FETCH (UID 5 BODY (()))", b"1 (UID 5 BODY (()))", 5),
    ],
)
def test_what_makes_imapclient_fail_is_read(line: bytes, theirs: bytes, ours: Response | int) -> None:
    found = _response(line + b"\r\n")

    assert (found.uid if isinstance(found, Fetch) else found) == ours
    with pytest.raises(Exception):  # noqa: B017, PT011
        parse_fetch_response([theirs])


def test_ten_thousand_lines_in_one_piece_are_read_one_by_one() -> None:
    """Another library fails by recursion here."""
    reader = ResponseReader()
    reader.feed(b'* LIST () "/" "a* b* c"\r\n' * 10_000)
    found = [reader.take() for _ in range(10_001)]

    assert found[:-1] == [Listed("LIST", (), "/", "a* b* c")] * 10_000
    assert found[-1] is None


@pytest.mark.parametrize("line", [b"* ESEARCH UID ALL 1", b"* STATUS a b (UIDNEXT 4)"])
def test_what_imapclient_has_no_type_for_is_read(line: bytes) -> None:
    found = _response(line + b"\r\n")

    assert isinstance(found, ESearch | MailboxStatus)
    assert not isinstance(found, Unparsed)
