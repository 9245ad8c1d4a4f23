"""What all watchers of a process share, and what they ask of an IMAP session."""

from asyncio import Semaphore
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from postroom.accounts.credentials import Bearer, Password
from postroom.accounts.pace import Buckets, Chance, Hands
from postroom.accounts.providers import Provider, Providers
from postroom.accounts.stage_counts import StageCounts
from postroom.base.clock import Clock
from postroom.base.ids import IdSource
from postroom.base.threads import Threads
from postroom.events.accounts import AccountFacts
from postroom.ledger.account_rows import AccountRow, ConnectionRow
from postroom.net.imap.answers import Examined, Fetched, IdleEnd, ListedMailbox, MailboxStatus, News
from postroom.net.imap.client import ImapLimits, ImapServer
from postroom.store.database import Database

_OPENING = 64
"""Accounts whose rows are read at a time: a start with thousands leaves the readers to others too."""


class Session(Protocol):
    """An IMAP session, as far as watching needs it (`net.imap.client.ImapClient`)."""

    @property
    def capabilities(self) -> frozenset[str]: ...

    @property
    def greeting(self) -> str: ...

    @property
    def heard(self) -> float: ...

    @property
    def is_dirty(self) -> bool: ...

    @property
    def is_preauth(self) -> bool: ...

    def can(self, capability: str) -> bool: ...

    def take_news(self) -> News: ...

    async def login(self, user: str, password: str) -> None: ...

    async def authenticate(self, mechanism: str, user: str, token: str) -> None: ...

    async def identify(self) -> dict[str, str]: ...

    async def list_mailboxes(self) -> list[ListedMailbox]: ...

    async def examine(self, name: str) -> Examined: ...

    async def status(self, name: str) -> MailboxStatus: ...

    async def uid_search(self, criteria: str) -> list[int]: ...

    async def uid_fetch(self, uids: str, items: Sequence[str]) -> list[Fetched]: ...

    async def idle(self, seconds: float) -> IdleEnd: ...

    def wake(self) -> None: ...

    async def noop(self) -> None: ...

    async def logout(self) -> None: ...

    def close(self) -> None: ...


class Dials(Protocol):
    """Opens IMAP sessions (`net.imap.client.ImapDialler`)."""

    async def connect(self, server: ImapServer, *, limits: ImapLimits | None = None) -> Session: ...


class OpensCredentials(Protocol):
    """What an account logs in with (`accounts.credentials.Credentials`)."""

    async def open(self, account: AccountRow, connection: ConnectionRow, provider: Provider) -> Password | Bearer: ...

    def forget(self, account_id: int) -> None: ...


@dataclass(slots=True)
class Counts:
    """What the watchers of a process did since its start."""

    mails: int = 0
    """Mails that got an outcome."""
    connections: int = 0
    failures: int = 0
    """Sessions that ended otherwise than we wanted."""
    refused: int = 0
    """Logins that were refused."""
    resets: int = 0
    unannounced: int = 0
    """Mails that only a comparison found: their server had told nothing."""
    missing: int = 0
    """Mails that only an audit found."""
    turned_away: int = 0
    """Accounts that nobody watches, because the node that should is full."""
    stages: StageCounts = field(default_factory=StageCounts)


@dataclass(frozen=True, slots=True)
class Tools:
    """The parts that watchers share."""

    database: Database
    clock: Clock
    ids: IdSource
    slow: Threads
    dialler: Dials
    credentials: OpensCredentials
    providers: Providers
    buckets: Buckets
    hands: Hands
    chance: Chance
    node: Callable[[], int]
    """This node's number."""
    is_live: Callable[[int], bool]
    """Tell whether a node is alive."""
    most_bytes: int
    """The largest mail that is fetched."""
    counts: Counts = field(default_factory=Counts)
    opening: Semaphore = field(default_factory=lambda: Semaphore(_OPENING))

    def limits(self) -> ImapLimits:
        """Return what a session may take."""
        # A server may say less than a mail has; what is far above is cut. Who waits for a dead
        # server tells no mail meanwhile: half a minute without an octet is long enough.
        return ImapLimits(command=30.0, login=45.0, body_bytes=2 * self.most_bytes + 64 * 1024)


@dataclass(frozen=True, slots=True)
class Holding:
    """An account and the epoch under which it is watched here."""

    account: AccountFacts
    epoch: int
