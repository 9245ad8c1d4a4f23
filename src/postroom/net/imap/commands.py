"""Commands of IMAP clients as values, for the server's side. RFC 3501 6, 9; pure. Never raises.

    framer = Framer(COMMAND_LIMITS, serves=True)
    framer.feed(data)
    while (item := framer.take()) is not None:
        match item:
            case LiteralAsked(): write(b"+ go on\\r\\n")        # or framer.refuse_literal() and NO
            case Frame() | Broken(): command = read_command(item)

Lines that are no commands (`DONE` of IDLE, what AUTHENTICATE sends after `+`) come as frames too: a
session that waits for one looks at `frame.texts[0]` and reads no command of it.
"""

import re
from dataclasses import dataclass

from postroom.net.imap.values import Malformed, Value, read_values
from postroom.net.imap.wire import COMMAND_LIMITS, Broken, Frame

# RFC 3501 9: a tag is an astring's characters but "+".
_COMMAND = re.compile(
    rb"([^\x00-\x20\x7f-\xff(){%*\"\\+]{1,100}) ((?:UID )?[A-Z][A-Z0-9.-]{0,39})(?: +|\Z)", re.IGNORECASE
)
_TAG = re.compile(rb"([^\x00-\x20\x7f-\xff(){%*\"\\+]{1,100})(?: |\Z)")


@dataclass(frozen=True, slots=True)
class Command:
    """A command with its arguments."""

    tag: str
    name: str
    """In capitals; `UID FETCH`, `UID SEARCH` and their like are one name."""
    arguments: tuple[Value, ...]
    """As `values` says; NIL is the atom `NIL` here. Take them with `values.octets_of`, `number_of` …"""


@dataclass(frozen=True, slots=True)
class BadCommand:
    """What is no command: answer BAD."""

    tag: str | None
    """None: nothing that could be a tag was found; answer with `* BAD`."""
    why: str
    """For the client."""
    is_fatal: bool = False
    """Nothing is read any more: say BYE and close the connection."""


def read_command(item: Frame | Broken, *, depth: int = COMMAND_LIMITS.depth) -> Command | BadCommand:
    """Return the command of a frame, or what is wrong with it."""
    if isinstance(item, Broken):
        return BadCommand(_tag(item.line), item.why, item.is_fatal)
    text = item.texts[0]
    match = _COMMAND.match(text)
    if match is None:
        tag = _tag(text)
        return BadCommand(tag, "a command is wanted" if tag else "a tag is wanted")
    tag = match[1].decode("ascii")
    try:
        arguments = read_values(item, start=match.end(), depth=depth, nil=False)
    except Malformed as error:
        return BadCommand(tag, str(error))
    return Command(tag, match[2].decode("ascii").upper(), arguments)


def _tag(text: bytes) -> str | None:
    match = _TAG.match(text)
    return None if match is None else match[1].decode("ascii")
