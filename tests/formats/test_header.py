"""The header of a mail as raw fields."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.base.errors import WrongInput
from postroom.mail.header import (
    check_field,
    field_body,
    field_name,
    find,
    find_all,
    replaced,
    split_fields,
    split_header,
    without,
)
from postroom.mail.parse import read_header, with_crlf

MAIL = (
    b"Received: from a by b;\r\n\tThu, 1 Jan 2026 00:00:00 +0000\r\n"
    b"received: second\r\nSUBJECT : Hello\r\n  world \r\nTo: bob@example.net\r\n\r\nbody\r\n\r\nmore\r\n"
)

HEADERISH = st.lists(
    st.sampled_from([b"Subject", b"From ", b"To", b":", b" ", b"\t", b"\r\n", b"\r\n\r\n", b"\r", b"\n", b"x\xff", b""])
).map(b"".join)


def test_a_folded_field_stays_one_field_with_its_bytes() -> None:
    fields, body = split_header(MAIL)
    assert fields == [
        b"Received: from a by b;\r\n\tThu, 1 Jan 2026 00:00:00 +0000\r\n",
        b"received: second\r\n",
        b"SUBJECT : Hello\r\n  world \r\n",
        b"To: bob@example.net\r\n",
    ]
    assert MAIL[body:] == b"body\r\n\r\nmore\r\n"


def test_names_are_compared_without_letter_case_and_bodies_are_unfolded() -> None:
    fields, _ = split_header(MAIL)
    assert find(fields, b"subject") == b"Hello  world"
    assert find_all(fields, b"received")[1] == b"second"
    assert find(fields, b"cc") is None


def test_fields_are_removed_by_name_and_by_prefix() -> None:
    fields = split_fields(b"X-Postroom-Tag: a\r\nBcc: secret@example.net\r\n folded@example.net\r\nTo: b@c\r\n")
    assert without(fields, {b"bcc"}, prefixes=(b"x-postroom-",)) == [b"To: b@c\r\n"]


def test_a_replaced_field_takes_the_place_of_the_first_and_the_others_go() -> None:
    fields = [b"A: 1\r\n", b"B: 1\r\n", b"C: 1\r\n", b"b: 2\r\n"]
    assert replaced(fields, b"b", b"B: 3\r\n") == [b"A: 1\r\n", b"B: 3\r\n", b"C: 1\r\n"]
    assert replaced(fields, b"d", b"D: 1\r\n")[-1] == b"D: 1\r\n"


def test_an_mbox_line_in_front_is_no_part_of_the_header() -> None:
    fields, body = split_header(b"From ada Thu Jan  1 00:00:00 2026\r\nTo: b@c\r\n\r\nbody\r\n")
    assert (fields, body) == ([b"To: b@c\r\n"], 46)


@pytest.mark.parametrize(
    ("mail", "count", "body"),
    [
        (b"", 0, b""),
        (b"\r\nbody", 0, b"body"),
        (b"To: a", 1, b""),
        (b"To: a\r\n\r\n", 1, b""),
        (b"no field\r\nTo: a\r\n\r\nbody", 0, b"no field\r\nTo: a\r\n\r\nbody"),
        (b"To: a\nCc: b\n\nbody", 2, b"body"),
    ],
)
def test_the_header_ends_at_the_empty_line_or_at_the_first_line_that_is_no_field(
    mail: bytes, count: int, body: bytes
) -> None:
    fields, start = split_header(mail)
    assert len(fields) == count
    assert mail[start:] == body


@settings(max_examples=300)
@given(HEADERISH)
def test_what_is_a_field_here_is_one_for_the_parser_too(raw: bytes) -> None:
    mail = with_crlf(raw)
    parsed = read_header(mail, 0, len(mail))
    fields, body = split_header(mail)
    assert fields == [mail[field.start : field.end] for field in parsed.fields]
    assert body == parsed.body_start


@given(st.one_of(st.binary(), HEADERISH))
def test_splitting_loses_no_byte_and_never_crashes_on_any_bytes(raw: bytes) -> None:
    fields = split_fields(raw)
    assert b"".join(fields) == raw
    for field in fields:
        field_name(field)
        field_body(field)
    split_header(raw)


@pytest.mark.parametrize("body", ["a\r\nBcc: x@y", "a\nb", "a\rb", "a\0b", "a\x7fb"])
def test_a_line_end_or_control_character_cannot_enter_a_field(body: str) -> None:
    with pytest.raises(WrongInput, match="take line ends and control characters out") as caught:
        check_field("X-Note", body)
    assert caught.value.field == "headers"


@pytest.mark.parametrize("name", ["", "X Note", "X:Note", "X\r\nBcc", "Übung", "x" * 77])
def test_a_wrong_name_of_a_field_is_refused(name: str) -> None:
    with pytest.raises(WrongInput, match="is no name of a header field"):
        check_field(name, "value")
