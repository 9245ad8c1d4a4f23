"""Offsets of header fields and MIME parts."""

import email
import email.policy
from pathlib import Path

import pytest
from copies import decoded, newsletters
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.mail.content_type import split_value
from postroom.mail.parse import MAX_PARTS, long_line, read_header, slices, walk, with_crlf


def parts_of(raw: bytes) -> list[tuple[str, bytes]]:
    return [(part.media_type.decode(), raw[part.start : part.end]) for part in walk(raw, read_header(raw, 0, len(raw)))]


def test_header_fields_are_spans_with_their_folded_lines() -> None:
    raw = b"A: 1\r\n folded\r\n\tagain\r\nb : 2\r\nB:\r\n\r\nbody: x\r\n"
    header = read_header(raw, 0, len(raw))
    assert [(field.name, raw[field.start : field.end]) for field in header.fields] == [
        (b"a", b"A: 1\r\n folded\r\n\tagain\r\n"),
        (b"b", b"b : 2\r\n"),
        (b"b", b"B:\r\n"),
    ]
    assert raw[header.body_start :] == b"body: x\r\n"


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n", b"\r\nbody\r\n", b"no field\r\n", b" folded first\r\n", b":\r\n", b"\xe9: x\r\n"]
)
def test_a_mail_without_header_fields_is_all_body(raw: bytes) -> None:
    header = read_header(raw, 0, len(raw))
    assert header.fields == ()
    assert raw[header.body_start :] == raw.removeprefix(b"\r\n")


def test_parts_stand_in_order_and_the_crlf_before_a_delimiter_is_not_theirs() -> None:
    raw = (
        b'Content-Type: multipart/mixed; boundary="a b"\r\n\r\npreamble\r\n'
        b"--a b  \r\n\r\none\r\n\r\n--a b\r\n"
        b"Content-Type: Multipart/Alternative; BOUNDARY=a\r\n\r\n"
        b"--a\r\nContent-Type: text/html\r\n\r\ntwo\r\n--a\r\n\r\n--a--\r\nepilogue\r\n"
        b"--a b\r\n\r\n--a bc\r\nthree\r\n--a b--\r\nepilogue\r\n--a b\r\n\r\nnot a part\r\n"
    )
    assert [part for part in parts_of(raw) if not part[0].startswith("multipart")] == [
        ("text/plain", b"one\r\n"),
        ("text/html", b"two"),
        ("text/plain", b""),
        ("text/plain", b"--a bc\r\nthree"),
    ]


def test_an_outer_delimiter_ends_inner_parts() -> None:
    raw = (
        b"Content-Type: multipart/mixed; boundary=out\r\n\r\n"
        b"--out\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n"
        b"--in\r\n\r\nnever closed\r\n--out\r\n\r\nlast, not closed either\r\n"
    )
    assert [body for kind, body in parts_of(raw) if kind == "text/plain"] == [
        b"never closed",
        b"last, not closed either\r\n",
    ]


def test_the_parts_of_real_mails_are_those_of_the_standard_library(corpora: Path) -> None:
    for name, raw in newsletters(corpora):
        expected = [part for part in email.message_from_bytes(raw).walk() if not part.is_multipart()]
        ours = [(kind, body) for kind, body in parts_of(raw) if not kind.startswith("multipart/")]
        assert [kind for kind, _ in ours] == [part.get_content_type() for part in expected], name
        for (_, body), part in zip(ours, expected, strict=True):
            if part.get("Content-Transfer-Encoding", "7bit").lower() in ("7bit", "8bit"):
                # The standard library takes the last CRLF from a last part that is not closed.
                assert body.rstrip() == decoded(part).rstrip(), name


@pytest.mark.parametrize(
    ("value", "word", "parameters"),
    [
        (b" text/HTML", b"text/html", {}),
        (b"text/html;charset=UTF-8", b"text/html", {b"charset": b"UTF-8"}),
        (b'text/html; Charset = "a;\\"b" ; x=y', b"text/html", {b"charset": b'a;"b', b"x": b"y"}),
        (b"(a comment) text/html (another); charset=(c)", b"text/html", {b"charset": b""}),
        (b'multipart/mixed;\r\n\tboundary="a\r\n b"', b"multipart/mixed", {b"boundary": b"a b"}),
        (
            b"multipart/mixed; boundary*0=ab; boundary*1=\"cd\"; x*=utf-8''e",
            b"multipart/mixed",
            {b"boundary": b"abcd", b"x": b"utf-8''e"},
        ),
        (b"text/html; charset=a; charset=b", b"text/html", {b"charset": b"a"}),
        (b"", b"", {}),
        (b";charset=x", b"", {}),
    ],
)
def test_a_content_type_is_a_word_and_parameters(value: bytes, word: bytes, parameters: dict[bytes, bytes]) -> None:
    assert split_value(value) == (word, parameters)


def test_more_parts_than_a_mail_can_have_make_it_opaque() -> None:
    raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * (MAX_PARTS + 5)
    assert len(parts_of(raw)) == 1


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        (b"a\nb\r", b"a\r\nb\r\n"),
        (b"a\r\r\nb", b"a\r\n\r\nb\r\n"),
        (b"", b"\r\n"),
        (b"\n\r", b"\r\n\r\n"),
        (b"a\r\n", b"a\r\n"),
    ],
)
def test_bare_cr_and_lf_become_crlf(raw: bytes, clean: bytes) -> None:
    assert with_crlf(raw) == clean


@given(st.lists(st.integers(0, 30), max_size=12), st.integers(5, 20), st.booleans())
def test_a_long_line_is_found_wherever_it_is(lengths: list[int], limit: int, ended: bool) -> None:
    raw = b"\r\n".join(b"x" * length for length in lengths) + b"\r\n" * ended
    offset, expected = 0, -1
    for length in lengths:
        if length > limit and expected < 0:
            expected = offset
        offset += length + 2
    assert long_line(raw, 0, len(raw), limit) == expected


@given(st.lists(st.integers(0, 30), max_size=20), st.integers(1, 40))
def test_slices_end_in_line_ends_and_make_the_whole(lengths: list[int], size: int) -> None:
    raw = b"".join(b"x" * length + b"\r\n" for length in lengths) + b"rest"
    pieces = [raw[start:end] for start, end in slices(raw, 0, len(raw), size)]
    assert b"".join(pieces) == raw
    assert all(piece.endswith(b"\n") for piece in pieces[:-1])


@settings(max_examples=200)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.lists(
            st.sampled_from([b"--b", b"--", b"\r\n", b" ", b"Content-Type: multipart/x; boundary=b\r\n", b"x"]),
            max_size=40,
        ).map(b"".join),
    )
)
def test_walk_never_crashes_and_parts_lie_within_their_parents(raw: bytes) -> None:
    raw = with_crlf(raw)
    parts = walk(raw, read_header(raw, 0, len(raw)))
    position = 0
    for part in parts:
        assert part.header_start <= part.header_end <= part.start <= part.end <= len(raw)
        assert part.header_start >= position
        position = part.end if part.is_leaf else part.start
        if part.parent >= 0:
            parent = parts[part.parent]
            assert parent.start <= part.header_start
            assert part.end <= parent.end


def test_a_delimiter_across_the_steps_of_the_search_is_found() -> None:
    step = 4 << 20
    head = b'Content-Type: multipart/mixed; boundary="bound"\r\n\r\n--bound\r\n\r\n'
    for shift in range(-9, 3):
        body = b"x" * (step - len(head) + shift)
        raw = head + body + b"\r\n--bound\r\n\r\ny" + b"\r\n--bound--\r\n"

        parts = walk(raw, read_header(raw, 0, len(raw)))

        assert [raw[part.start : part.end] for part in parts if part.is_leaf] == [body, b"y"]
