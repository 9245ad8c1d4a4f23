"""Content on its way into DATA."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.net.smtp.content import BLOCK_BYTES, BareLineEnd, blocks, whole

lines = st.lists(st.sampled_from([b"", b".", b"..", b"a", b".a", b"x" * 70, b"\xff."]), max_size=40)


def unstuffed(wire: bytes) -> bytes:
    """Read DATA as a server does."""
    content = []
    for line in wire.split(b"\r\n"):
        if line == b".":
            return b"".join(content)
        content.append((line[1:] if line.startswith(b".") else line) + b"\r\n")
    raise AssertionError("no final dot")


@pytest.mark.parametrize(
    ("content", "wire"),
    [
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"a\r\n.\r\nb\r\n", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r\n..b\r\n", b"a\r\n...b\r\n.\r\n"),
        (b"", b".\r\n"),
    ],
)
def test_a_line_that_begins_with_a_dot_gets_another(content: bytes, wire: bytes) -> None:
    assert whole([content]) == wire


@given(lines)
def test_a_server_reads_what_was_handed_in(some: list[bytes]) -> None:
    content = b"".join(line + b"\r\n" for line in some)
    assert unstuffed(whole([content])) == content


@given(st.binary(max_size=60), st.integers(0, 60))
def test_a_piece_may_end_anywhere(content: bytes, at: int) -> None:
    def result(pieces: list[bytes]) -> bytes | None:
        try:
            return whole(pieces)
        except BareLineEnd:
            return None

    assert result([content[:at], content[at:]]) == result([content])


@pytest.mark.parametrize(
    "content", [b"a\nb\r\n", b"a\rb\r\n", b"\n.\n", b"\r\n.\r", b"a\r\r\n", b"\n\r", b"\n.\r\nMAIL"]
)
def test_a_bare_cr_or_lf_never_leaves(content: bytes) -> None:
    with pytest.raises(BareLineEnd):
        whole([content])
    with pytest.raises(BareLineEnd):
        list(blocks([content]))


@given(st.integers(1, 5), st.integers(1, 200_000))
def test_large_content_in_blocks_is_the_same_as_in_one_piece(seed: int, cut: int) -> None:
    content = b"".join(b"." * (seed * number % 4) + b"line %d\r\n" % number for number in range(18_000))
    pieces = [content[at : at + cut] for at in range(0, len(content), cut)]
    made = list(blocks(pieces))
    assert b"".join(made) + b".\r\n" == whole([content])
    assert all(block.endswith(b"\r\n") for block in made)


def test_a_line_longer_than_a_block_comes_whole() -> None:
    content = b"x" * (3 * BLOCK_BYTES) + b"\r\n.\r\n"
    assert b"".join(blocks([content])) == content[:-3] + b"..\r\n"


def test_a_line_end_between_two_blocks_is_not_bare() -> None:
    first = b"x" * (BLOCK_BYTES - 1) + b"\r"
    assert b"".join(blocks([first, b"\n.\r\n"])) == first + b"\n..\r\n"


def test_content_without_a_last_line_end_gets_one_in_blocks() -> None:
    assert b"".join(blocks([b"x" * BLOCK_BYTES, b"\r\nlast"])) == b"x" * BLOCK_BYTES + b"\r\nlast\r\n"
