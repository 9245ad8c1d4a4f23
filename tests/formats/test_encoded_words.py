"""Encoded words, read and written."""

import email.header
import email.policy
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.mail.encoded_words import decode_words, encode_words, fold_items, fold_text
from postroom.mail.header import unfold

WORDISH = st.lists(st.sampled_from([b"=?", b"?=", b"?", b"utf-8", b"b", b"q", b"=C3", b" ", b"w7w=", b"\r\n"])).map(
    b"".join
)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        # RFC 2047 8
        (b"=?ISO-8859-1?Q?a?=", "a"),
        (b"=?ISO-8859-1?Q?a?= b", "a b"),
        (b"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a?=    =?ISO-8859-1?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a_b?=", "a b"),
        (b"=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"),
        (
            b"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?= =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
            "If you can read this you understand the example.",
        ),
        (b"=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore"),  # RFC 2231 5
        (b"=?utf-8?b?w7w?=", "ü"),  # padding forgotten
        (b"=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "ü"),  # a letter cut in two
        ("Grüße".encode(), "Grüße"),
        ("Grüße".encode("latin-1"), "Grüße"),
        (b"=?no-such-charset?q?a?=", "=?no-such-charset?q?a?="),
        (b"=?utf-8?x?a?=", "=?utf-8?x?a?="),
        (b"=?unicode_escape?q?=5Cx41?=", "=?unicode_escape?q?=5Cx41?="),
        (b"=?utf-8?q?line=0D=0ABcc=3A_x?=", "line  Bcc: x"),
        (b"=?utf-8?q?=E2=80=AEevil?=", "\ufffdevil"),
    ],
)
def test_words_are_decoded_for_display(raw: bytes, text: str) -> None:
    assert decode_words(raw) == text


@given(st.one_of(st.binary(), st.text().map(str.encode), WORDISH))
def test_decoding_never_crashes_on_any_bytes_and_shows_no_control_character(raw: bytes) -> None:
    shown = decode_words(raw)
    assert not any(ord(letter) < 32 or ord(letter) == 127 for letter in shown)


@pytest.mark.parametrize("piece", [b"=?", b"=?a?q?", b"=?utf-8?q?x", b"=?utf-8?q?x?=", b"=?idna?q?x?="])
def test_hostile_words_take_little_time(piece: bytes) -> None:
    began = time.monotonic()
    decode_words(piece * 200_000)
    assert time.monotonic() - began < 2


@given(st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "), min_size=1))
def test_a_written_subject_reads_back_the_same(text: str) -> None:
    field = fold_text("Subject", text)
    assert decode_words(unfold(field).removeprefix(b"Subject: ")) == text.strip(" ")
    assert all(len(line) <= 76 or b"=?" not in line for line in field.split(b"\r\n"))


@given(st.text())
def test_no_text_can_open_another_line(text: str) -> None:
    for field in (fold_text("Subject", text), fold_text("X", text * 30)):
        assert field.isascii()
        assert field.endswith(b"\r\n")
        assert all(line[:1] == b" " and line.strip() for line in field[:-2].split(b"\r\n")[1:])
        assert all(len(line) <= 998 and b"\r" not in line and b"\n" not in line for line in field[:-2].split(b"\r\n"))


def test_python_reads_what_we_write() -> None:
    text = "Grüße, 日本語 und 😀 " * 10
    field = unfold(fold_text("Subject", text)).decode("ascii").removeprefix("Subject: ")
    assert str(email.header.make_header(email.header.decode_header(field))) == text.strip()


def test_the_shorter_encoding_is_taken_and_no_letter_is_cut() -> None:
    assert encode_words("naïve approach") == ["=?utf-8?q?na=C3=AFve_approach?="]
    words = encode_words("日本語" * 20)
    assert all(word.startswith("=?utf-8?b?") and len(word) <= 75 for word in words)
    assert [decode_words(word) for word in words] == ["日本語" * 5] * 4


def test_plain_words_around_stay_plain() -> None:
    assert fold_text("Subject", "Re: your Grüße again") == b"Subject: Re: your =?utf-8?b?R3LDvMOfZQ==?= again\r\n"


def test_long_lists_are_folded_and_long_words_are_not_encoded() -> None:
    folded = fold_items("To", [f"person{number}@example.net" for number in range(20)])
    assert max(map(len, folded.split(b"\r\n"))) <= 78
    assert unfold(folded).count(b",") == 19
    url = "<https://example.com/" + "x" * 300 + ">"
    assert fold_text("List-Unsubscribe", url) == f"List-Unsubscribe: {url}\r\n".encode()
