"""Quoted-printable and base64, forth and back."""

import base64
import binascii
import quopri

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from postroom.mail.transfer_encoding import (
    base64_line_length,
    end_softly,
    read_base64,
    read_quoted_printable,
    write_base64,
    write_quoted_printable,
)

LINES = st.lists(st.binary(max_size=120).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b"")), max_size=6).map(
    b"\r\n".join
)
UNITS = st.lists(
    st.sampled_from(
        [b"=3D", b"=c3", b"=\r\n", b"= \t\r\n", b"=", b"=z", b"==", b"a", b"bcd", b"\r\n", b" ", b"\xff", b"="]
    ),
    max_size=40,
)


@settings(max_examples=300)
@given(LINES)
@example(b"x" * 76 + b" ")
@example(b" \r\n\t\r\n.\r\nFrom x")
@example(b"\xc3\xa9" * 100)
def test_quoted_printable_comes_back_and_keeps_its_lines_short(content: bytes) -> None:
    raw = write_quoted_printable(content)
    assert max(map(len, raw.split(b"\r\n"))) <= 76
    assert raw.count(b"\r\n") == raw.count(b"\n") == raw.count(b"\r")
    assert raw.isascii()
    assert read_quoted_printable(raw).content == content
    assert quopri.decodestring(raw) == content
    assert all(not line.endswith((b" ", b"\t")) for line in raw.split(b"\r\n"))


@given(st.binary(max_size=200))
def test_bare_cr_and_lf_are_escaped(content: bytes) -> None:
    raw = write_quoted_printable(content)
    assert raw.count(b"\r\n") == raw.count(b"\n") == raw.count(b"\r")
    assert read_quoted_printable(raw).content == content


@settings(max_examples=500)
@given(UNITS, st.data())
def test_raw_spans_decode_to_the_same_bytes(units: list[bytes], data: st.DataObject) -> None:
    raw = b"".join(units)
    decoded = read_quoted_printable(raw)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(decoded.content)), min_size=4, max_size=4)))
    spans = [(cuts[0], cuts[1]), (cuts[2], cuts[3])]
    position = done = 0
    for (start, end), (raw_start, raw_end) in zip(spans, decoded.raw_spans(spans), strict=True):
        assert position <= raw_start <= raw_end <= len(raw)
        assert read_quoted_printable(raw[position:raw_start]).content == decoded.content[done:start]
        assert read_quoted_printable(raw[raw_start:raw_end]).content == decoded.content[start:end]
        position, done = raw_end, end
    assert read_quoted_printable(raw[position:]).content == decoded.content[done:]


def test_soft_breaks_around_a_span_belong_to_it() -> None:
    decoded = read_quoted_printable(b"a=\r\nbc=\r\n=\r\nd")
    assert decoded.content == b"abcd"
    assert decoded.raw_spans([(1, 3)]) == [(1, 12)]


@given(st.binary(max_size=300), st.sampled_from([4, 60, 64, 76]))
def test_base64_comes_back(content: bytes, length: int) -> None:
    raw = write_base64(content, length)
    assert read_base64(raw + b"\r\n") == content
    assert all(len(line) == length for line in raw.split(b"\r\n")[:-1])
    if b"\r\n" in raw:
        assert base64_line_length(raw) == length


@pytest.mark.parametrize("raw", [b"abc$", b"abcd=efg", b"a", b"====", b"YWJj\r\n-- \r\nfooter.", b"\xff\xff\xff\xff"])
def test_broken_base64_is_nothing(raw: bytes) -> None:
    assert read_base64(raw) is None


def test_missing_padding_and_white_space_are_forgiven() -> None:
    assert read_base64(b" YW Jj\tZA \r\n\r\n") == base64.b64decode("YWJjZA==")


@pytest.mark.parametrize(
    ("line", "ended"),
    [
        (b"", b""),
        (b"x\r\n", b"x\r\n"),
        (b"x", b"x=\r\n"),
        (b"y" * 75, b"y" * 75 + b"=\r\n"),
        (b"y" * 76, b"y" * 75 + b"=\r\ny=\r\n"),
        (b"y" * 73 + b"=3D", b"y" * 73 + b"=\r\n=3D=\r\n"),
        (b"\r\n" + b"y" * 76, b"\r\n" + b"y" * 75 + b"=\r\ny=\r\n"),
    ],
)
def test_a_line_ends_softly_within_76(line: bytes, ended: bytes) -> None:
    assert end_softly(line) == ended
    assert binascii.a2b_qp(ended) == binascii.a2b_qp(line)
