"""The IMAP client on asyncio: dials a server that somebody named, and runs commands one after another.

`ImapDialler.connect` judges the addresses before it dials, checks certificates, waits
for the greeting and speaks STARTTLS. An `ImapClient` is one session. Works on
asyncio's own loop and on uvloop.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from postroom.base.clock import Clock
from postroom.ledger.account_rows import Security
from postroom.net.address_guard import Network
from postroom.net.dns import Resolver
from postroom.net.imap.answers import (
    AppendedUid,
    CopiedUids,
    Examined,
    Fetched,
    FlagChange,
    IdleEnd,
    ListedMailbox,
    MailboxStatus,
    News,
)
from postroom.net.tls import ClientContexts


@dataclass(frozen=True, slots=True)
class ImapServer:
    """Where to connect and how."""

    host: str
    port: int
    security: Security = Security.TLS

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ImapLimits:
    """How long to wait, in seconds, and how much to take."""

    connect: float = 90.0
    """For addresses, TCP, TLS, greeting and STARTTLS together."""
    greeting: float = 16.0
    command: float = 60.0
    """Since the server's last octet, for each command."""
    login: float = 60.0
    """For a whole login: some servers answer a wrong password only after half a minute."""
    body_bytes: int = 64 * 1024 * 1024
    """The largest literal that is held in memory; a larger one ends the connection (ImapGarbled)."""


class ImapDialler:
    """Opens sessions. One per process."""

    def __init__(
        self,
        resolver: Resolver,
        contexts: ClientContexts,
        allow_private: tuple[Network, ...],
        clock: Clock,
        authorities: Path | None = None,
    ) -> None:
        """`authorities` is a PEM file to trust instead of what `contexts` verifies with."""
        self._resolver = resolver
        self._contexts = contexts
        self._allow_private = allow_private
        self._clock = clock

    async def connect(self, server: ImapServer, *, limits: ImapLimits | None = None) -> "ImapClient":
        """Open a session up to its greeting, TLS included, and know its capabilities.

        Raises AddressRefused, Unreachable, TlsFailed, ImapBye (the greeting was BYE), Throttled.
        """
        raise NotImplementedError


class ImapClient:
    """One session with one server. Commands run one after another, whoever calls.

    Any method may raise ImapLost and its kinds; ImapNo and ImapBad leave the session as it
    is. Cancelling a call leaves the session usable: its answer is read and dropped.
    """

    __slots__ = ("capabilities", "greeting", "server")

    def __init__(self, server: ImapServer) -> None:
        self.server = server
        self.capabilities: frozenset[str] = frozenset()
        """Upper case, as the server told last. A hint: ask `can`."""
        self.greeting = ""
        """The text of the greeting: the server's banner."""

    @property
    def is_open(self) -> bool:
        """Tell whether commands can be given."""
        raise NotImplementedError

    @property
    def is_preauth(self) -> bool:
        """Tell whether the greeting was PREAUTH: no login is possible or needed (RFC 9051 7.1.4)."""
        raise NotImplementedError

    @property
    def is_dirty(self) -> bool:
        """Tell whether the server told something about the mailbox since `take_news`, during any command."""
        raise NotImplementedError

    @property
    def heard(self) -> float:
        """When the server's last octet came, on the clock's monotonic seconds."""
        raise NotImplementedError

    @property
    def off(self) -> frozenset[str]:
        """Capabilities that the server claims but has refused on this connection, such as `IDLE`."""
        raise NotImplementedError

    def can(self, capability: str) -> bool:
        """Tell whether the server claims a capability and has not refused it on this connection."""
        raise NotImplementedError

    def take_news(self) -> News:
        """Return what the server told since the last look, and forget it."""
        raise NotImplementedError

    async def login(self, user: str, password: str) -> None:
        """Log in with a password: LOGIN, or AUTHENTICATE PLAIN where LOGIN is disabled or cannot say it.

        Raises AuthRefused, Throttled. Capabilities are read again afterwards.
        """
        raise NotImplementedError

    async def authenticate(self, mechanism: str, user: str, token: str) -> None:
        """Log in by SASL: `PLAIN`, `LOGIN`, `XOAUTH2` or `OAUTHBEARER` (RFC 7628). Raises as `login`."""
        raise NotImplementedError

    async def identify(self, fields: Mapping[str, str] | None = None) -> dict[str, str]:
        """Say and learn names by ID (RFC 2971); empty where the server has none. Names are lower case."""
        raise NotImplementedError

    async def enable(self, *names: str) -> frozenset[str]:
        """Enable extensions (RFC 5161) that the server claims, and return those that it enabled."""
        raise NotImplementedError

    async def list_mailboxes(self) -> list[ListedMailbox]:
        """Return all mailboxes with their special use, in the server's order."""
        raise NotImplementedError

    async def examine(self, name: str) -> Examined:
        """Open a mailbox for reading only: nothing that follows changes a flag."""
        raise NotImplementedError

    async def select(self, name: str) -> Examined:
        """Open a mailbox for reading and writing."""
        raise NotImplementedError

    async def status(self, name: str, items: Sequence[str] = ("MESSAGES", "UIDNEXT", "UIDVALIDITY")) -> MailboxStatus:
        """Ask about a mailbox that is not open; about the open one only for what cannot be had else."""
        raise NotImplementedError

    async def uid_search(self, criteria: str) -> list[int]:
        """Return the UIDs that match, ascending, each once. `criteria` is ASCII such as `UID 5:*`."""
        raise NotImplementedError

    async def uid_fetch(
        self, uids: str, items: Sequence[str], on_mail: Callable[[Fetched], None] | None = None
    ) -> list[Fetched]:
        """Fetch items such as `UID RFC822.SIZE BODY.PEEK[]` of a UID set, in the order of the answers.

        Only answers that carry a UID within the set are given: servers also tell of others
        at any time. With `on_mail` each is given at once and the list stays empty. A UID
        without an answer is not there (any more), or not yet.
        """
        raise NotImplementedError

    async def stream_body(self, uid: int, sink: Callable[[bytes], Awaitable[None]]) -> Fetched | None:
        """Fetch one mail's bytes in pieces: the server waits while `sink` does. None: the mail is not there."""
        raise NotImplementedError

    async def uid_store(self, uids: str, change: FlagChange, flags: Sequence[str]) -> None:
        """Change flags without being told of it (`.SILENT`)."""
        raise NotImplementedError

    async def uid_copy(self, uids: str, mailbox: str) -> CopiedUids | None:
        """Copy mails; None where the server does not say their new UIDs."""
        raise NotImplementedError

    async def uid_move(self, uids: str, mailbox: str) -> CopiedUids | None:
        """Move mails (RFC 6851). Raises NotOffered: a copy and an expunge are not the same."""
        raise NotImplementedError

    async def uid_expunge(self, uids: str) -> None:
        """Remove those of `uids` that carry \\Deleted (RFC 4315 2.1). Raises NotOffered without UIDPLUS.

        There is no plain EXPUNGE: it removes what the mailbox's owner marked too.
        """
        raise NotImplementedError

    async def append(
        self, mailbox: str, content: bytes, *, flags: Sequence[str] = (), internal_ms: int | None = None
    ) -> AppendedUid | None:
        """Put a mail into a mailbox; None where the server does not say its UID. Raises ImapNo (TRYCREATE)."""
        raise NotImplementedError

    async def idle(self, seconds: float) -> IdleEnd:
        """Wait for news in IDLE (RFC 2177), for so many seconds at most. Returns at once when it is dirty.

        Raises NotOffered where the server has no IDLE, or has just refused it: poll with `noop`.
        """
        raise NotImplementedError

    def wake(self) -> None:
        """Make an `idle` that is under way return."""
        raise NotImplementedError

    async def noop(self) -> None:
        """Let the server tell its news."""
        raise NotImplementedError

    async def logout(self) -> None:
        """Say goodbye, and close; never raises for what the server does then."""
        raise NotImplementedError

    def close(self) -> None:
        """Close at once. What is under way ends with ImapLost."""
        raise NotImplementedError
