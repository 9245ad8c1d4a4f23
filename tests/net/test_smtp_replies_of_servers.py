"""What servers say, read by the client: replies and abilities."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp.abilities import Abilities, abilities_from_ehlo
from postroom.net.smtp.reply_reader import MAX_LINE_BYTES, MAX_LINES, MAX_WAITING, ReplyReader


def read(*chunks: bytes) -> ReplyReader:
    reader = ReplyReader()
    for chunk in chunks:
        reader.feed(chunk)
    return reader


def test_a_reply_of_one_line_is_code_status_and_text() -> None:
    assert read(b"250 2.1.0 Ok\r\n").replies == [SmtpReply(250, "2.1.0", "Ok")]


def test_a_reply_of_several_lines_is_one_reply() -> None:
    reader = read(b"550-5.1.1 No such user\r\n550-5.1.1 here\r\n", b"550 5.1.1 Sorry\r\n")
    assert reader.replies == [SmtpReply(550, "5.1.1", "No such user\nhere\nSorry")]


@pytest.mark.parametrize("line", [b"250\r\n", b"250 \r\n", b"250 Ok\n"])
def test_a_reply_without_text_or_with_a_bare_line_feed_is_understood(line: bytes) -> None:
    assert read(line).replies[0].code == 250


def test_replies_are_the_same_however_the_bytes_are_cut() -> None:
    wire = b"220 hi\r\n250-a\r\n250 b\r\n354 go\r\n250 2.0.0 queued as 123\r\n"
    whole = read(wire).replies
    assert read(*(wire[at : at + 1] for at in range(len(wire)))).replies == whole
    assert len(whole) == 4


@pytest.mark.parametrize(
    "wire",
    [
        b"OK\r\n",
        b"2500 Ok\r\n",
        b"25 Ok\r\n",
        b"\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"250-a\r\n550 b\r\n",
        b"199 too low\r\n",
        b"600 too high\r\n",
        b"250+Ok\r\n",
        b"\xff\xfe\x00\r\n",
        "²50 Ok\r\n".encode(),
        b"250 " + b"x" * MAX_LINE_BYTES + b"\r\n",
        b"2" * (MAX_LINE_BYTES + 1),
        b"250-x\r\n" * MAX_LINES,
        b"250 x\r\n" * (MAX_WAITING + 1),
    ],
)
def test_what_is_no_reply_is_a_fault_and_ends_the_reading(wire: bytes) -> None:
    reader = read(wire)
    count = len(reader.replies)
    assert reader.fault
    reader.feed(b"250 Ok\r\n")
    assert len(reader.replies) == count


def test_text_in_no_charset_at_all_is_still_a_reply() -> None:
    assert read(b"550 Benutzer unbekannt: M\xfcller\r\n").replies == [SmtpReply(550, "", "Benutzer unbekannt: M�ller")]


def test_a_421_tells_that_the_server_is_closing() -> None:
    assert read(b"421 4.4.2 timeout\r\n").closing
    assert not read(b"250 421\r\n").closing


def test_a_line_that_is_heard_again_inside_a_longer_reply_belongs_to_that_reply() -> None:
    reader = read(b"250 Ok\r\n", b"250-first\r\n250 Ok\r\n")
    assert [reply.text for reply in reader.replies] == ["Ok", "first\nOk"]


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_are_read_without_a_crash(chunks: list[bytes]) -> None:
    reader = read(*chunks)
    assert all(200 <= reply.code <= 599 for reply in reader.replies)


@given(st.lists(st.sampled_from([b"250", b"-", b" ", b"\r\n", b"\n", b"421 x\r\n", b"5", b"\xff"]), max_size=60))
def test_any_pieces_of_replies_are_read_the_same_however_they_are_cut(pieces: list[bytes]) -> None:
    wire = b"".join(pieces)
    at_once, bit_by_bit = read(wire), read(*(wire[at : at + 1] for at in range(len(wire))))
    assert at_once.replies == bit_by_bit.replies
    assert bool(at_once.fault) == bool(bit_by_bit.fault)


def ehlo(*words: str) -> Abilities:
    return abilities_from_ehlo(SmtpReply(250, "", "\n".join(["mx.example.net greets you", *words])))


def test_all_abilities_that_we_use_are_found_in_any_letter_case() -> None:
    offered = ehlo("Pipelining", "8bitmime", "SMTPUTF8", "DSN", "StartTLS", "SIZE 1000", "AUTH plain LOGIN", "X-OTHER")
    assert offered == Abilities(True, True, True, True, True, 1000, frozenset({"PLAIN", "LOGIN"}))


def test_the_host_name_in_the_first_line_is_no_ability() -> None:
    assert not abilities_from_ehlo(SmtpReply(250, "", "DSN")).dsn


def test_auth_with_an_equals_sign_is_understood() -> None:
    assert ehlo("AUTH=LOGIN PLAIN").auth == frozenset({"LOGIN", "PLAIN"})


@pytest.mark.parametrize(
    ("words", "size"), [([], None), (["SIZE"], 0), (["SIZE 0"], 0), (["SIZE 99"], 99), (["SIZE x"], 0)]
)
def test_size_is_none_where_it_is_not_offered_and_zero_without_a_limit(words: list[str], size: int | None) -> None:
    assert ehlo(*words).size == size


@given(st.text(max_size=300))
def test_any_ehlo_answer_has_abilities(text: str) -> None:
    abilities_from_ehlo(SmtpReply(250, "", text))
