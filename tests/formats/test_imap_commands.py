"""A server reads what clients write; bad input has an answer with the tag where there is one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.net.imap.commands import BadCommand, Command, read_command
from postroom.net.imap.wire import COMMAND_LIMITS, Broken, Framer, LiteralAsked


def _read(data: bytes) -> list[Command | BadCommand]:
    framer = Framer(COMMAND_LIMITS, serves=True)
    framer.feed(data)
    found = []
    while (item := framer.take()) is not None:
        if not isinstance(item, LiteralAsked):
            found.append(read_command(item))
    return found


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"a noop", Command("a", "NOOP", ())),
        (b"a noop ", Command("a", "NOOP", ())),
        (b'A.1-x] LOGIN "a\\"b" nil', Command("A.1-x]", "LOGIN", (b'a"b', "nil"))),
        (b"a LOGIN {3+}\r\na\r\n {1-}\r\nb", Command("a", "LOGIN", (b"a\r\n", b"b"))),
        (b"a uid fetch 1:* (FLAGS BODY.PEEK[])", Command("a", "UID FETCH", ("1:*", ("FLAGS", "BODY.PEEK[]")))),
        (b"a UID SEARCH OR (1:5 SEEN) NOT 7", Command("a", "UID SEARCH", ("OR", ("1:5", "SEEN"), "NOT", "7"))),
        (b"a AUTHENTICATE XOAUTH2 dXNlcj0=", Command("a", "AUTHENTICATE", ("XOAUTH2", "dXNlcj0="))),
        (b"a ID NIL", Command("a", "ID", ("NIL",))),
        (b'a ID ("name" "x")', Command("a", "ID", ((b"name", b"x"),))),
        (
            b'a APPEND x (\\Seen) " 7-Feb-1994 22:54:04 -0500" ~{2+}\r\n\x00\n',
            Command("a", "APPEND", ("x", ("\\Seen",), b" 7-Feb-1994 22:54:04 -0500", b"\x00\n")),
        ),
        (b'a LIST "" *', Command("a", "LIST", (b"", "*"))),
        (b"a STORE 1 +FLAGS.SILENT (\\Deleted $x)", Command("a", "STORE", ("1", "+FLAGS.SILENT", ("\\Deleted", "$x")))),
        (b"a UID", Command("a", "UID", ())),
    ],
)
def test_a_command_is_read(line: bytes, command: Command) -> None:
    assert _read(line + b"\r\n") == [command]


@pytest.mark.parametrize(
    ("line", "tag"),
    [
        (b"", None),
        (b" ", None),
        (b"+ x", None),
        (b"* NOOP", None),
        (b'"a" NOOP', None),
        (b"\xff NOOP", None),
        (b"x" * 200 + b" NOOP", None),
        (b"DONE", "DONE"),
        (b"a ", "a"),
        (b"a  NOOP", "a"),
        (b"a 1", "a"),
        (b"a NOOP(", "a"),
        (b"a FETCH (", "a"),
        (b"a FETCH )", "a"),
        (b'a LOGIN "x', "a"),
        (b"a LOGIN x\x00", "a"),
        (b"a X " + b"(" * 21 + b")" * 21, "a"),
        (b"a " + b"x" * 50, "a"),
        (b"a " + b"x " * 50_000, "a"),
    ],
)
def test_what_is_no_command_is_answered_by_its_tag_and_the_next_is_read(line: bytes, tag: str | None) -> None:
    bad, following = _read(line + b"\r\nb NOOP\r\n")

    assert isinstance(bad, BadCommand)
    assert (bad.tag, bad.is_fatal) == (tag, False)
    assert bad.why
    assert following == Command("b", "NOOP", ())


def test_a_literal_that_cannot_be_taken_is_told_with_the_tag() -> None:
    assert _read(b"a APPEND x {4294967295}\r\n") == [BadCommand("a", "a literal is too large")]
    assert _read(b"a APPEND x {4294967295+}\r\n") == [BadCommand("a", "a literal is too large", is_fatal=True)]
    assert read_command(Broken(b"", "x", is_fatal=True)) == BadCommand(None, "x", is_fatal=True)


@given(
    st.lists(
        st.sampled_from([b"a ", b"NOOP", b"(", b")", b'"', b"{2+}\r\n", b"\r\n", b"\\", b"BODY["])
        | st.binary(max_size=6)
    )
)
def test_no_octets_fail(pieces: list[bytes]) -> None:
    for command in _read(b"".join(pieces)):
        assert isinstance(command, Command | BadCommand)
