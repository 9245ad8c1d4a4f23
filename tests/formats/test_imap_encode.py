"""Commands leave as IMAP wants them, nothing can be smuggled in, and a server reads what a client wrote."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.net.imap.commands import Command, read_command
from postroom.net.imap.encode import (
    CannotEncode,
    LiteralSupport,
    Part,
    Upload,
    astring,
    atom,
    encode_command,
    flag_list,
    internal_date,
    mailbox,
    nstring,
    string,
)
from postroom.net.imap.sequence_sets import STAR, SequenceSet, of_numbers, read_set
from postroom.net.imap.values import date_of, octets_of
from postroom.net.imap.wire import COMMAND_LIMITS, Frame, Framer, LiteralAsked

NUL_FREE = st.binary(max_size=30).map(lambda octets: octets.replace(b"\x00", b"\r\n"))


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("INBOX", b"INBOX"),
        ("", b'""'),
        ("a b", b'"a b"'),
        ('a"\\b', b'"a\\"\\\\b"'),
        ("nil", b'"nil"'),
        ("[Gmail]/Sent", b'"[Gmail]/Sent"'),
        ("{5}", b'"{5}"'),
        ("*", b'"*"'),
        ("a\r\nb", Upload(b"a\r\nb")),
        ("é", Upload("é".encode())),
        ("x" * 2_000, Upload(b"x" * 2_000)),
    ],
)
def test_an_argument_is_an_atom_else_quoted_else_a_literal(value: str, part: Part) -> None:
    assert astring(value) == part


def test_a_string_is_never_an_atom_and_nothing_is_nil() -> None:
    assert string("a") == b'"a"'
    assert nstring(None) == b"NIL"
    assert nstring("NIL") == b'"NIL"'
    assert mailbox("&AOk-") == b"&AOk-"
    assert mailbox("\xc3\xa9") == Upload("é".encode())


@pytest.mark.parametrize("word", ["", "a b", "a\r\nb", "a)", "é", '"', "a\x00", "*", "{3}"])
def test_a_word_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(CannotEncode):
        atom(word)
    with pytest.raises(CannotEncode):
        flag_list([word])


def test_what_imap_cannot_carry_is_refused() -> None:
    with pytest.raises(CannotEncode):
        astring("a\x00b")
    with pytest.raises(CannotEncode):
        flag_list(["\\*"])
    with pytest.raises(CannotEncode):
        internal_date(datetime(2026, 11, 23))


def test_a_literal_waits_unless_the_server_lets_it_go() -> None:
    small, large = Upload(b"abc"), Upload(b"x" * 5_000)

    waiting = encode_command("A1", b"X", small, large)
    minus = encode_command("A1", b"X", small, large, literals=LiteralSupport.MINUS)
    plus = encode_command("A1", b"X", small, large, literals=LiteralSupport.PLUS)

    assert [b"".join(piece) for piece in waiting] == [
        b"A1 X {3}\r\n",
        b"abc {5000}\r\n",
        b"x" * 5_000 + b"\r\n",
    ]
    assert [b"".join(piece) for piece in minus] == [b"A1 X {3+}\r\nabc {5000}\r\n", b"x" * 5_000 + b"\r\n"]
    assert [b"".join(piece) for piece in plus] == [b"A1 X {3+}\r\nabc {5000+}\r\n" + b"x" * 5_000 + b"\r\n"]
    assert any(chunk is large.data for chunk in plus[0])


def test_a_literal_with_nul_goes_as_literal8() -> None:
    [piece] = encode_command("A1", b"APPEND x", Upload(b"\x00", is_binary=True), literals=LiteralSupport.PLUS)

    assert b"".join(piece) == b"A1 APPEND x ~{1+}\r\n\x00\r\n"


@pytest.mark.parametrize(
    ("when", "written"),
    [
        (datetime(1994, 2, 7, 22, 54, 4, tzinfo=timezone(-timedelta(hours=5))), b'" 7-Feb-1994 22:54:04 -0500"'),
        (datetime(2026, 11, 23, tzinfo=timezone(timedelta(hours=5, minutes=30))), b'"23-Nov-2026 00:00:00 +0530"'),
        (datetime(999, 1, 1, tzinfo=UTC), b'" 1-Jan-0999 00:00:00 +0000"'),
    ],
)
def test_an_internaldate_has_a_day_of_two_columns_and_a_zone(when: datetime, written: bytes) -> None:
    assert internal_date(when) == written
    assert date_of(written.strip(b'"')) == when


# Sets


@pytest.mark.parametrize(
    ("numbers", "written"),
    [
        ([7], b"7"),
        ([3, 1, 2], b"1:3"),
        ([1, 2, 4, 5, 7, 7], b"1:2,4:5,7"),
        ([0, 1], b"0:1"),
        (range(1, 100_001), b"1:100000"),
    ],
)
def test_a_set_is_written_in_ranges(numbers: list[int], written: bytes) -> None:
    assert str(of_numbers(numbers)).encode() == written


@given(st.sets(st.integers(1, 200), min_size=1))
def test_a_set_names_exactly_its_numbers(numbers: set[int]) -> None:
    found = read_set(str(of_numbers(numbers)).encode())

    assert found is not None
    assert list(found.numbers()) == sorted(numbers)
    assert found.count() == len(numbers)
    assert [number for number in range(202) if number in found] == sorted(numbers)
    assert found == of_numbers(numbers)


@pytest.mark.parametrize(
    ("text", "shown", "up_to_ten"),
    [
        (b"*", "*", [10]),
        (b"8:*", "8:*", [8, 9, 10]),
        (b"*:8", "8:*", [8, 9, 10]),
        (b"559:*", "559:*", [10]),
        (b"9:12,20", "9:12,20", [9, 10]),
        (b"4294967295", "4294967295", []),
    ],
)
def test_a_star_is_the_highest_number(text: bytes, shown: str, up_to_ten: list[int]) -> None:
    found = read_set(text)

    assert found is not None
    assert str(found) == shown
    assert list(found.up_to(10).numbers()) == up_to_ten


@pytest.mark.parametrize(
    "text", [b"", b",", b"1,", b"1:", b":1", b"a", b"1:2:3", b"4294967296", b"12345678901", b"-1", b"1 2"]
)
def test_what_is_no_set_is_none(text: bytes) -> None:
    assert read_set(text) is None


def test_a_set_out_of_order_names_its_numbers_too() -> None:
    found = read_set(b"7:9,1:3,2:4,20:*")

    assert found is not None
    assert [number for number in range(22) if number in found] == [1, 2, 3, 4, 7, 8, 9, 20, 21]


def test_a_set_of_everything_takes_no_memory() -> None:
    found = read_set(b"1:4294967295")

    assert found == SequenceSet(((1, STAR - 1),))
    assert found.count() == STAR - 1


# There and back


def _received(pieces: tuple[tuple[bytes, ...], ...]) -> Command:
    """Send pieces as a client does, each after the server has asked for it."""
    framer = Framer(COMMAND_LIMITS, serves=True)
    found = None
    for number, piece in enumerate(pieces):
        framer.feed(b"".join(piece))
        found = framer.take()
        assert isinstance(found, LiteralAsked if number + 1 < len(pieces) else Frame)
    assert framer.take() is None
    assert isinstance(found, Frame)
    command = read_command(found)
    assert isinstance(command, Command), command
    return command


@given(st.lists(NUL_FREE, max_size=5), st.sampled_from(LiteralSupport))
def test_a_server_reads_the_arguments_that_a_client_wrote(values: list[bytes], literals: LiteralSupport) -> None:
    command = _received(encode_command("A1", b"X", *(astring(value) for value in values), literals=literals))

    assert (command.tag, command.name) == ("A1", "X")
    assert [octets_of(value) for value in command.arguments] == values
