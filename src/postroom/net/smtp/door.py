"""What stands behind the SMTP server: a door, its visits and the sinks for content.

Declared by the server, which calls them; `doors.smtp` has the real ones.
"""

import ipaddress
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol

from postroom.mail.envelope import Envelope, EnvelopeRecipient
from postroom.mail.smtp_reply import SmtpReply

Answer = SmtpReply | Awaitable[SmtpReply]
"""A reply now, or later. What needs no waiting should answer now: it costs no task."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection."""

    address: str
    """IP address as text; empty for a UNIX socket."""
    port: int
    local: bool
    """On loopback: nobody else can listen in, so AUTH needs no TLS."""


@dataclass(frozen=True, slots=True)
class Client:
    """What is known of the other end when content begins."""

    name: str
    """What it said in EHLO or HELO; any printable text."""
    extended: bool
    """It said EHLO."""
    tls: str
    """Version and cipher; empty without TLS."""


class ContentSink(Protocol):
    """Takes the content of one message.

    An exception from `write` or `finish` is answered with 451: TryLater quietly,
    anything else is logged. After it, or after `abort`, nothing more is called.
    """

    async def write(self, block: bytes) -> None:
        """Take a block of exactly the server's `block_bytes`; more follows."""
        ...

    def finish(self, rest: bytes) -> Answer:
        """Take the last block, at most `block_bytes` long, and answer for the message.

        Content of at most one block comes in `rest` alone.
        """
        ...

    async def abort(self) -> None:
        """Forget what was written: the content will not be finished."""
        ...


class Visit(Protocol):
    """What a door knows about one session. Nothing is called while an answer is awaited."""

    async def authenticate(self, username: str, password: str) -> bool:
        """Tell whether the login is right, and let it in. Raises TryLater (454)."""
        ...

    def mail(self, envelope: Envelope) -> Answer:
        """Answer MAIL. `envelope` has no recipients yet."""
        ...

    def rcpt(self, envelope: Envelope, recipient: EnvelopeRecipient) -> Answer:
        """Answer RCPT."""
        ...

    def begin_content(self, envelope: Envelope, client: Client) -> ContentSink | SmtpReply:
        """Return where the content goes, or the reply that refuses it. `envelope` is complete."""
        ...


class Door(Protocol):
    """Who is behind a listener."""

    def open(self, peer: Peer) -> Visit:
        """Return the visit of a new session."""
        ...


def network_of(address: str) -> str:
    """Return an IP address, or the /64 of an IPv6 address: who has one of it has all."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((parsed, 64), strict=False))
    return str(parsed)
