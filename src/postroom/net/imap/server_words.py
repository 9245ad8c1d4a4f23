"""A command on the server's side: its tag, its verb and its arguments. RFC 3501 2.2.1."""

from dataclasses import dataclass

from postroom.base.errors import WrongInput
from postroom.net.imap.commands import Command
from postroom.net.imap.server_search import Argument
from postroom.net.imap.values import Value, octets_of


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


def words_of(command: Command) -> Words:
    """Return a command as the server's steps take it."""
    return Words(command.tag, command.name, tuple(_argument(value) for value in command.arguments))


def _argument(value: Value) -> Argument:
    if isinstance(value, tuple):
        return tuple(_argument(inner) for inner in value)
    return octets_of(value) or b""
