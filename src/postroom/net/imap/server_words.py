"""A command on the server's side: its tag, its verb and its arguments. RFC 3501 2.2.1."""

import re
from dataclasses import dataclass

from postroom.base.errors import WrongInput
from postroom.net.imap.server_search import Argument
from postroom.net.imap.values import Malformed, Value, octets_of, read_values
from postroom.net.imap.wire import COMMAND_LIMITS, Frame

_HEAD = re.compile(rb"([^ (){%*\"\\\x00-\x1f\x7f-\xff+]+) (UID +)?([A-Z]+)(?: |\Z)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Words:
    """One command."""

    tag: str
    verb: str
    """In capitals, `UID FETCH` as one word."""
    arguments: tuple[Argument, ...]

    @property
    def by_uid(self) -> bool:
        """Tell whether numbers of the command are UIDs."""
        return self.verb.startswith("UID ")

    def text(self, position: int) -> str:
        """Return an argument as text of one character for each octet; empty where there is none. Raises WrongInput."""
        if position >= len(self.arguments) or not self.arguments:
            return ""
        found = self.arguments[position]
        if not isinstance(found, bytes):
            raise WrongInput("command", "a text is expected, not a list")
        return found.decode("latin-1")

    def flat(self, position: int) -> list[str]:
        """Return the words from an argument on, lists opened."""
        return self.flat_of(self.arguments[position:])

    def flat_of(self, argument: Argument) -> list[str]:
        """Return the words of an argument, lists opened."""
        if isinstance(argument, bytes):
            return [argument.decode("latin-1")]
        return [word for inner in argument for word in self.flat_of(inner)]


def read_words(frame: Frame) -> Words | bytes:
    """Return the command of a frame, or the answer to what is none."""
    head = _HEAD.match(frame.texts[0])
    if head is None:
        tag = frame.texts[0].split(b" ", 1)[0][:40]
        return b"%s BAD This is no command\r\n" % (tag if tag.isalnum() else b"*")
    verb = head[3].decode().upper()
    try:
        values = read_values(frame, start=head.end(), depth=COMMAND_LIMITS.depth, nil=False)
    except Malformed as error:
        return b"%s BAD %s\r\n" % (head[1], str(error).encode())
    return Words(head[1].decode(), f"UID {verb}" if head[2] else verb, tuple(_argument(value) for value in values))


def _argument(value: Value) -> Argument:
    if isinstance(value, tuple):
        return tuple(_argument(inner) for inner in value)
    return octets_of(value) or b""
