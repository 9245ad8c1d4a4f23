"""Octets of IMAP become whole frames, however they are cut, within limits and in linear time."""

import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from itertools import pairwise

import imap_transcripts
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.net.imap.wire import (
    COMMAND_LIMITS,
    RESPONSE_LIMITS,
    Broken,
    Frame,
    Framer,
    Item,
    Limits,
    Literal,
    LiteralAsked,
    Sink,
)

SMALL = Limits(
    line_bytes=40, endless_bytes=100, literal_bytes=50, literals=3, response_bytes=120, streamed_from_bytes=10
)
PIECES = [
    *(b"* 1 FETCH (BODY[] ", b"{3}\r\n", b"{3+}\r\n", b"~{5}\r\n", b"{0}\r\n", b"{51}\r\n", b"{4294967295}\r\n"),
    *(b"abc", b")\r\n", b"\r\n", b"\n", b"\r", b"\x00", b"* OK {5}\r\n", b"a" * 30, b"+ {3}\r\n", b"{12}\r\n", b'"a{'),
]


def _taken(framer: Framer) -> Iterator[Item]:
    while (item := framer.take()) is not None:
        yield item


def _frames(data: bytes, cuts: list[int] | None = None, *, limits: Limits = RESPONSE_LIMITS) -> list[Item]:
    framer = Framer(limits)
    borders = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts or [])})
    found: list[Item] = []
    for begin, end in pairwise(borders):
        framer.feed(data[begin:end])
        found += _taken(framer)
    return found


@pytest.mark.parametrize(
    ("data", "frame"),
    [
        (b"* 3 EXISTS\r\n", Frame((b"* 3 EXISTS",))),
        (b"* 3 EXISTS\n", Frame((b"* 3 EXISTS",))),
        (b"\r\n", Frame((b"",))),
        (b"* a\rb\x00\r\r\n", Frame((b"* a\rb\x00\r",))),
        (b"* X {3}\r\nabc\r\n", Frame((b"* X ", b""), (b"abc",))),
        (b"* X {3}\nabc\n", Frame((b"* X ", b""), (b"abc",))),
        (b"* X {0}\r\n y\r\n", Frame((b"* X ", b" y"), (b"",))),
        (b"* X {3+}\r\na\r\n {2-}\r\n\r\n\r\n", Frame((b"* X ", b" ", b""), (b"a\r\n", b"\r\n"))),
        (b"* X ~{3}\r\n\x00\n)(\r\n", Frame((b"* X ", b"("), (b"\x00\n)",))),
        (b"* X {3} \r\n", Frame((b"* X {3} ",))),
        (b"* X {}\r\n", Frame((b"* X {}",))),
        (b"* X {-1}\r\n", Frame((b"* X {-1}",))),
        (b"* OK look {3}\r\n", Frame((b"* OK look {3}",))),
        (b"a1 no {3}\r\n", Frame((b"a1 no {3}",))),
        (b"+ {3}\r\n", Frame((b"+ {3}",))),
    ],
)
def test_a_response_is_cut_at_its_line_end_with_its_literals(data: bytes, frame: Frame) -> None:
    assert _frames(data) == [frame]


@pytest.mark.parametrize("name", imap_transcripts.ALL)
def test_a_conversation_that_comes_octet_by_octet_gives_the_same_frames(name: str) -> None:
    data = imap_transcripts.ALL[name]

    assert _frames(data, list(range(len(data)))) == _frames(data)


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=20)).map(b"".join), st.lists(st.integers(0, 1_000)))
def test_any_octets_cut_anywhere_give_the_same_frames(data: bytes, cuts: list[int]) -> None:
    assert _frames(data, cuts, limits=SMALL) == _frames(data, limits=SMALL)


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=20)).map(b"".join))
def test_nothing_that_was_fed_is_lost_or_made_up(data: bytes) -> None:
    framer = Framer(RESPONSE_LIMITS)
    framer.feed(data)
    kept = b"".join(
        b"".join(item.texts) + b"".join(part for part in item.literals if isinstance(part, bytes))
        for item in _taken(framer)
        if isinstance(item, Frame)
    )

    assert len(kept) <= len(data)
    assert set(kept) <= set(data)
    assert framer.has_unread or not data or data.endswith(b"\n") or b"4294967295" in data


@pytest.mark.parametrize(
    ("data", "why", "is_fatal"),
    [
        (b"x" * 41 + b"\r\n* OK\r\n", "a line is too long", False),
        (b"* X {1}\r\na" + b"x" * 41 + b"\r\n* OK\r\n", "a line is too long", False),
        (b"x" * 101, "a line without end", True),
        (b"x" * 101 + b"\r\n* OK\r\n", "a line without end", True),
        (b"* X {51}\r\n", "a literal is too large", True),
        (b"* X {4294967295}\r\n", "a literal is too large", True),
        (b"* X {99999999999999999999}\r\n", "a literal is too large", True),
        (b"* X" + b" {1}\r\na" * 4, "too many literals", True),
        (b"* X {50}\r\n" + b"a" * 50 + b" {50}\r\n" + b"a" * 50 + b" {20}\r\n", "a response is too large", True),
    ],
)
def test_what_passes_a_limit_is_told_and_the_rest_is_read_where_that_is_possible(
    data: bytes, why: str, is_fatal: bool
) -> None:
    for cuts in ([], list(range(len(data)))):
        found = _frames(data, cuts, limits=SMALL)

        assert isinstance(found[0], Broken)
        assert (found[0].why, found[0].is_fatal) == (why, is_fatal)
        assert found[0].line == data[: len(found[0].line)]
        assert found[1:] == ([] if is_fatal else [Frame((b"* OK",))])


def test_a_line_of_exactly_the_limit_is_read() -> None:
    for end in (b"\n", b"\r\n"):
        assert _frames(b"x" * 40 + end, limits=SMALL) == [Frame((b"x" * 40,))]


def test_an_announced_literal_takes_no_memory_before_it_comes() -> None:
    framer = Framer()
    framer.feed(b"* 1 FETCH (BODY[] {60000000}\r\nabc")

    assert framer.take() is None
    assert framer.has_unread


def test_a_large_literal_goes_to_its_sink_as_it_comes_and_small_ones_do_not() -> None:
    asked: list[tuple[bytes, int]] = []
    sink = BytesIO()

    def sink_for(text: bytes, size: int) -> Sink:
        asked.append((text, size))
        return sink

    framer = Framer(SMALL, sink_for=sink_for)
    framer.feed(b"* 1 FETCH (A {3}\r\nabc BODY[] {12}\r\nhello")
    assert framer.take() is None
    assert sink.getvalue() == b"hello"
    framer.feed(b" world!)\r\n")

    frame = framer.take()

    assert frame == Frame((b"* 1 FETCH (A ", b" BODY[] ", b")"), (b"abc", Literal(sink, 12)))
    assert asked == [(b"* 1 FETCH (A  BODY[] ", 12)]
    assert sink.getvalue() == b"hello world!"


def test_a_literal_without_a_sink_is_held_in_memory() -> None:
    framer = Framer(SMALL, sink_for=lambda text, size: None)
    framer.feed(b"* X {12}\r\nhello")
    assert framer.take() is None
    framer.feed(b" world!\r\n")

    assert framer.take() == Frame((b"* X ", b""), (b"hello world!",))


def test_what_was_read_before_tls_can_be_forgotten() -> None:
    framer = Framer()
    framer.feed(b"a1 OK begin TLS\r\n* BYE forged\r\n* X {5}\r\nab")
    assert framer.take() == Frame((b"a1 OK begin TLS",))
    assert framer.has_unread

    framer.forget()

    assert not framer.has_unread
    framer.feed(b"* OK true\r\n")
    assert list(_taken(framer)) == [Frame((b"* OK true",))]


@pytest.mark.parametrize("is_streamed", [True, False])
def test_a_mail_of_ten_megabytes_is_not_copied(is_streamed: bool) -> None:
    class Counter:
        size = 0

        def write(self, data: memoryview) -> None:
            self.size += len(data)

    counter, chunk = Counter(), b"x" * 65_536
    framer = Framer(sink_for=(lambda text, size: counter) if is_streamed else None)
    tracemalloc.start()
    try:
        framer.feed(b"* 1 FETCH (BODY[] {%d}\r\n" % (160 * len(chunk)))
        for _ in range(160):
            assert framer.take() is None
            framer.feed(chunk)
        assert framer.take() is None
        framer.feed(b")\r\n")
        frame = framer.take()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert isinstance(frame, Frame)
    assert counter.size == (160 * len(chunk) if is_streamed else 0)
    assert peak < (500_000 if is_streamed else 13_000_000)  # 10 MB and what it grew by


def test_a_connection_that_idles_keeps_nothing_of_what_came() -> None:
    framer = Framer()
    tracemalloc.start()
    try:
        framer.feed(b"* 1 FETCH (BODY[] {%d}\r\n%s)\r\n" % (1_000_000, b"x" * 1_000_000))
        while framer.take() is not None:
            pass
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert kept < 10_000


# A server's side


def _server(data: bytes, limits: Limits = COMMAND_LIMITS) -> Framer:
    framer = Framer(limits, serves=True)
    framer.feed(data)
    return framer


def test_a_client_is_asked_to_go_on_before_it_sends_a_literal() -> None:
    framer = _server(b"a LOGIN {3}\r\n")

    assert list(_taken(framer)) == [LiteralAsked(b"a LOGIN ", 3)]

    framer.feed(b"bob {4}\r\n")
    assert list(_taken(framer)) == [LiteralAsked(b"a LOGIN  ", 4)]
    framer.feed(b"pass\r\n")
    assert list(_taken(framer)) == [Frame((b"a LOGIN ", b" ", b""), (b"bob", b"pass"))]


def test_a_client_with_literal_plus_is_not_asked() -> None:
    framer = _server(b"a LOGIN {3+}\r\nbob {4-}\r\npass\r\n")

    assert list(_taken(framer)) == [Frame((b"a LOGIN ", b" ", b""), (b"bob", b"pass"))]


def test_a_literal_that_is_refused_ends_its_command() -> None:
    framer = _server(b"a APPEND x {30}\r\n")
    assert list(_taken(framer)) == [LiteralAsked(b"a APPEND x ", 30)]

    framer.refuse_literal()

    framer.feed(b"b NOOP\r\n")
    assert list(_taken(framer)) == [Frame((b"b NOOP",))]


def test_a_literal_above_the_limit_is_refused_before_it_is_sent_or_ends_the_session() -> None:
    asked = _server(b"a APPEND x {51}\r\nb NOOP\r\n", SMALL)
    sent = _server(b"a APPEND x {51+}\r\nb NOOP\r\n", SMALL)

    assert list(_taken(asked)) == [Broken(b"a APPEND x ", "a literal is too large", False), Frame((b"b NOOP",))]
    assert list(_taken(sent)) == [Broken(b"a APPEND x ", "a literal is too large", True)]


def test_the_words_of_a_command_are_no_words_for_people() -> None:
    framer = _server(b"a OK {3+}\r\nabc\r\n")

    assert list(_taken(framer)) == [Frame((b"a OK ", b""), (b"abc",))]


# Time


def _assert_quick(chunks: list[bytes], limits: Limits = RESPONSE_LIMITS) -> None:
    framer = Framer(limits)
    before = time.process_time()
    for chunk in chunks:
        framer.feed(chunk)
        for _ in _taken(framer):
            pass
    assert time.process_time() - before < 5  # half a second on a free machine; what is not linear takes minutes


def test_a_line_of_half_a_megabyte_octet_by_octet_takes_a_moment() -> None:
    _assert_quick([b"x"] * 500_000 + [b"\r\n"])


def test_a_literal_octet_by_octet_takes_a_moment() -> None:
    _assert_quick([b"* X {300000}\r\n", *([b"\n"] * 300_000), b"\r\n"])


def test_many_lines_in_one_piece_take_a_moment() -> None:
    _assert_quick([b"* 1 EXISTS\r\n" * 100_000, b"\n" * 100_000, b"* X {0}\r\n" * 900, b"x" * 1_000_000])


def test_a_line_that_is_skipped_octet_by_octet_takes_a_moment() -> None:
    _assert_quick([b"x"] * 300_000, replace(RESPONSE_LIMITS, line_bytes=1_000))
