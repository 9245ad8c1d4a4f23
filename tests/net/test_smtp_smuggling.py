"""Only CRLF.CRLF ends DATA, whatever a client puts around a dot and however it is cut."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smtp_talk import ENVELOPE, HELLO, Talk, cuts

from postroom.net.smtp.data import DotContent, LineEnds, may_end

LINE_ENDS = (b"\n", b"\r", b"\r\n", b"\r\r\n", b"\n\r", b"\r\n\r", b"\0\r\n", b"\r\0\n", b"\n\n", b"\r\r")
VARIANTS = [
    before + b"." + after for before, after in itertools.product(LINE_ENDS, LINE_ENDS) if (before + b".").endswith(b".")
]
TRUE_ENDS = [variant for variant in VARIANTS if b"\r\n.\r\n" in variant]
FALSE_ENDS = [variant for variant in VARIANTS if b"\r\n.\r\n" not in variant]
SMUGGLED = b"MAIL FROM:<evil@client.test>\r\nRCPT TO:<b@server.test>\r\nDATA\r\nFrom: boss\r\n"


def _decoded(data: bytes, chunks: list[bytes]) -> tuple[bytes, bytes]:
    """Return content and rest, as a session would take them from the chunks."""
    dots, content = DotContent(), []
    for index, chunk in enumerate(chunks):
        piece, used = dots.feed(chunk)
        content.append(piece)
        if used >= 0:
            return b"".join(content), chunk[used:] + b"".join(chunks[index + 1 :])
    return b"".join(content), b"unfinished"


@pytest.mark.parametrize("variant", FALSE_ENDS, ids=repr)
def test_a_wrong_end_in_the_content_makes_no_second_message(variant: bytes) -> None:
    data = b"Subject: one" + variant + SMUGGLED + b"\r\n.\r\n"

    for chunks in ([data], [data[i : i + 1] for i in range(len(data))], *_cuts_around(data, 12, 12 + len(variant))):
        talk = Talk().ready()
        talk.say(ENVELOPE + b"DATA\r\n")
        talk.say(*chunks)

        assert len(talk.messages) == 1
        assert b"evil@client.test" in talk.messages[0].content
        assert talk.messages[0].envelope.reverse_path == "a@client.test"


@pytest.mark.parametrize("variant", FALSE_ENDS, ids=repr)
def test_what_is_handed_on_has_no_bare_cr_or_lf(variant: bytes) -> None:
    talk = Talk().ready()

    talk.say(ENVELOPE + b"DATA\r\nSubject: one" + variant + b"two\r\n.\r\n")

    content = talk.messages[0].content
    assert content.replace(b"\r\n", b"").count(b"\r") == content.replace(b"\r\n", b"").count(b"\n") == 0


@pytest.mark.parametrize("variant", TRUE_ENDS, ids=repr)
def test_the_true_end_is_found_in_every_chunking(variant: bytes) -> None:
    data = b"x" + variant
    for chunks in cuts(data):
        content, rest = _decoded(data, chunks)

        assert rest != b"unfinished"
        assert content == _reference(data)[0]


def test_pipelined_commands_behind_a_wrong_end_are_content() -> None:
    talk = Talk().ready()

    output = talk.codes(ENVELOPE + b"DATA\r\nfirst\n.\n" + SMUGGLED + b"\r\n.\r\nQUIT\r\n")

    assert output == ["250 2.0.0", "250 2.0.0", "354", "250 2.0.0", "221 2.0.0"]
    assert len(talk.messages) == 1


def test_a_dot_behind_a_bare_line_end_is_not_unstuffed() -> None:
    talk = Talk().ready()

    talk.say(ENVELOPE + b"DATA\r\na\n..b\r..c\r\n..d\r\n.\r\n")

    assert talk.messages[0].content == b"a\r\n..b\r\n..c\r\n.d\r\n"


def test_ten_thousand_lines_that_begin_with_dots_come_through() -> None:
    lines = [b"." * (number % 7) + b" line %d" % number for number in range(10_000)]
    content = b"\r\n".join(lines) + b"\r\n"
    stuffed = (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"
    for size in (1 << 20, 4096, 1460, 997):
        talk = Talk().ready()
        talk.say(ENVELOPE + b"DATA\r\n")

        talk.say(*(stuffed[i : i + size] for i in range(0, len(stuffed), size)))

        assert talk.messages[0].content == content


def test_an_empty_content_ends_at_once() -> None:
    talk = Talk().ready()

    assert talk.codes(ENVELOPE + b"DATA\r\n.\r\n")[-1] == "250 2.0.0"
    assert talk.messages[0].content == b""


_OCTETS = st.lists(st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"\r\n.", b"x", b"\0", b"\xff"]), max_size=30)


@given(_OCTETS, st.data())
def test_chunking_never_changes_what_data_means(parts: list[bytes], choose: st.DataObject) -> None:
    data = b"".join(parts) + b"\r\n.\r\nNOOP\r\n"
    places = sorted(choose.draw(st.sets(st.integers(1, len(data) - 1), max_size=8)))
    chunks = [data[a:b] for a, b in itertools.pairwise((0, *places, len(data)))]

    assert _decoded(data, chunks) == _reference(data)


@given(_OCTETS, st.data())
def test_a_session_takes_the_same_message_in_every_chunking(parts: list[bytes], choose: st.DataObject) -> None:
    data = HELLO + ENVELOPE + b"DATA\r\n" + b"".join(parts) + b"\r\n.\r\nNOOP\r\n"
    places = sorted(choose.draw(st.sets(st.integers(1, len(data) - 1), max_size=8)))
    whole, cut = Talk(), Talk()

    said = whole.say(data)
    said_in_pieces = cut.say(*(data[a:b] for a, b in itertools.pairwise((0, *places, len(data)))))

    assert said_in_pieces == said
    assert cut.messages == whole.messages


@given(_OCTETS, st.data())
def test_line_ends_are_the_same_in_every_chunking(parts: list[bytes], choose: st.DataObject) -> None:
    data = b"".join(parts)
    places = sorted(choose.draw(st.sets(st.integers(0, len(data)), max_size=6)))
    ends = LineEnds()

    pieces = [ends.feed(data[a:b]) for a, b in itertools.pairwise((0, *places, len(data)))]

    joined = b"".join([*pieces, ends.end()])
    assert joined == data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


@given(_OCTETS, _OCTETS)
def test_a_piece_in_which_the_end_comes_to_pass_is_looked_at(before: list[bytes], after: list[bytes]) -> None:
    start, piece = b"\r\n" + b"".join(before), b"".join(after)

    if b"\r\n.\r\n" in start + piece and b"\r\n.\r\n" not in start:
        assert may_end(piece)


def _cuts_around(data: bytes, start: int, stop: int) -> list[list[bytes]]:
    places = range(start, stop + 1)
    return [
        [data[a:b] for a, b in itertools.pairwise((0, *cut, len(data)))]
        for number in (1, 2)
        for cut in itertools.combinations(places, number)
    ]


def _reference(data: bytes) -> tuple[bytes, bytes]:
    """RFC 5321 4.5.2, octet by octet in the plainest way."""
    assumed = b"\r\n" + data
    end = assumed.find(b"\r\n.\r\n")
    content, rest = assumed[: end + 2], assumed[end + 5 :]
    lines = content.split(b"\r\n")[1:]
    return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines), rest
