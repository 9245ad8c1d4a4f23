"""What an IMAP server does on its connection, as values: sending, waiting, dripping, cutting.

A session answers each command with steps; `net.imap.listening` performs them one after the other.
Beside proper answers they can say everything that servers do and should not: that is what
`Manners` are for, which may answer a command in another way than the session would.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from postroom.net.imap.server import ServerSession


@dataclass(frozen=True, slots=True)
class Send:
    """Send these bytes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Drip:
    """Send these bytes in pieces of `piece_bytes`, with pauses between them."""

    data: bytes
    pause_seconds: float = 0.0
    piece_bytes: int = 1


@dataclass(frozen=True, slots=True)
class Flood:
    """Send this piece again and again, until so much was sent or the client has enough."""

    piece: bytes
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Say nothing for so long; what comes behind it waits."""

    seconds: float


@dataclass(frozen=True, slots=True)
class StartTls:
    """Begin the TLS handshake (RFC 3501 6.2.1)."""


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection once all is sent."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Drop the connection with a reset, whatever is under way."""


Step = Send | Drip | Flood | Pause | StartTls | Close | Cut


@dataclass(frozen=True, slots=True)
class Exchange:
    """One command, before it is answered."""

    tag: str
    verb: str
    """In capitals, `UID FETCH` as one word; `GREETING` for the moment after a client has connected."""
    session: "ServerSession"
    answer: Callable[[], list[Step]]
    """Does what the command asks and returns the proper answer. Called at most once."""

    def proper(self) -> bytes:
        """Do what the command asks and return the proper answer as bytes."""
        return sent(self.answer())


class Manners(Protocol):
    """How a server behaves."""

    def perform(self, exchange: Exchange) -> Sequence[Step]:
        """Return what is done about a command."""
        ...


class GoodManners:
    """Every command gets its proper answer."""

    def perform(self, exchange: Exchange) -> Sequence[Step]:
        """Return the proper answer."""
        return exchange.answer()


def sent(steps: Sequence[Step]) -> bytes:
    """Return what steps send, put together."""
    return b"".join(one.data for one in steps if isinstance(one, Send | Drip))
