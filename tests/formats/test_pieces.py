"""Contents that come in pieces become the same mail as contents that come whole."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.mail.address_list import Mailbox
from postroom.mail.compose import Attachment, Draft, compose
from postroom.mail.entity import fits_7bit, has_long_line
from postroom.mail.pieces import MAX_LINE, Content, base64_lines, blocks_of, crlf, holds, joined, pieces_of, survey

ADA = Mailbox("ada@example.com", "Ada")


class Cut:
    """Bytes in pieces of the given sizes, over and over."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        self.content = content
        self.sizes = sizes

    def __len__(self) -> int:
        return len(self.content)

    def __iter__(self) -> Iterator[bytes]:
        at = number = 0
        while at < len(self.content):
            size = self.sizes[number % len(self.sizes)]
            yield self.content[at : at + size]
            at, number = at + size, number + 1


def whole(content: Content) -> bytes:
    pieces = list(pieces_of(content))
    assert sum(map(len, pieces)) == len(content)
    assert pieces == list(pieces_of(content)), "a second iteration gives the same"
    return b"".join(pieces)


sizes = st.lists(st.integers(1, 90), min_size=1, max_size=5)
texts = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"=_", b"\0", b"\xc3\xa4", b"x" * 60, b"y" * 500])).map(
    b"".join
)


@given(texts, sizes)
def test_line_ends_become_crlf_wherever_it_is_cut(content: bytes, sizes: list[int]) -> None:
    assert whole(crlf(Cut(content, sizes))) == crlf(content)


@given(st.binary(max_size=400), sizes)
def test_base64_has_the_same_lines_wherever_it_is_cut(content: bytes, sizes: list[int]) -> None:
    assert whole(base64_lines(Cut(content, sizes))) == base64_lines(content)


@given(texts.map(crlf), sizes)
def test_a_survey_finds_what_decides_the_encoding_wherever_it_is_cut(content: bytes, sizes: list[int]) -> None:
    found = survey(Cut(content, sizes))
    assert found == survey(content)
    assert found.has_long_line == has_long_line(content)
    assert (found.is_ascii and not found.has_nul and not found.has_long_line) == fits_7bit(content)


@pytest.mark.parametrize("end", [b"", b"\r\n", b"\r\nx", b"\r\n\r\n"])
@pytest.mark.parametrize("length", [MAX_LINE - 1, MAX_LINE, MAX_LINE + 1, MAX_LINE + 2, 3 * MAX_LINE])
def test_a_line_of_998_octets_is_not_long_and_one_of_999_is(length: int, end: bytes) -> None:
    content = b"x\r\n" + b"y" * length + end
    for size in (1, 3, 997, 998, 999, 1000, 5000):
        assert survey(Cut(content, [size])).has_long_line == (length > MAX_LINE), size


@given(texts, st.sampled_from([b"=_", b"a=_a", b"\r\n--", b"x" * 61]), sizes)
def test_what_is_looked_for_is_found_also_over_a_border(content: bytes, wanted: bytes, sizes: list[int]) -> None:
    assert holds(Cut(content, sizes), wanted) == (wanted in content)


@given(texts, sizes, st.integers(1, 200))
def test_blocks_have_one_size_but_for_the_last(content: bytes, sizes: list[int], size: int) -> None:
    blocks = list(blocks_of(joined((b"", Cut(content, sizes), content)), size))
    assert b"".join(blocks) == content * 2
    assert all(len(block) == size for block in blocks[:-1])
    assert not blocks or 0 < len(blocks[-1]) <= size


@pytest.mark.parametrize("content_type", ["application/pdf", "message/rfc822"])
@pytest.mark.parametrize("content", [
    os.urandom(5000), b"Subject: x\n\nHello\r\nBob\r", "Subject: ä\r\n\r\nä".encode(), b"z" * 1500, b"a\0b", b"",
], ids=["binary", "lines", "8-bit", "long line", "NUL", "empty"])  # fmt: skip
def test_a_mail_is_the_same_whether_its_files_come_whole_or_in_pieces(content: bytes, content_type: str) -> None:
    def mail(given: Content) -> Draft:
        files = (Attachment("f", given, content_type), Attachment("i", given, "image/png", "logo"))
        return Draft(ADA, subject="s", text="Hi", html="<img src=cid:logo>", attachments=files)

    for size in (1, 57, 1024):
        in_pieces = compose(mail(Cut(content, [size])))
        assert in_pieces.content == compose(mail(content)).content
        assert in_pieces.needs_8bitmime == compose(mail(content)).needs_8bitmime
