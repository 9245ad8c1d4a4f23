"""An IMAP server without a network, for tests of time and of quirks: sessions as `accounts.tools.Session` wants them.

It does what the real client promises: what the server tells during any command
makes the session dirty, IDLE returns at news or at its end.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from postroom.base.clock import Clock, set_or_after
from postroom.base.errors import PostroomError
from postroom.net.imap.answers import Examined, Fetched, IdleEnd, ListedMailbox, MailboxStatus, News
from postroom.net.imap.client import ImapServer
from postroom.net.imap.errors import ImapBye, ImapLost, ImapNo, NotOffered, Unreachable
from postroom.net.imap.names import shown_name

_SET = re.compile(r"UID ([0-9:*,]+)")


@dataclass
class Mail:
    """A mail on the server."""

    raw: bytes
    internal_ms: int | None


@dataclass
class Box:
    """A mailbox."""

    uid_validity: int = 7
    uid_next: int = 1
    mails: dict[int, Mail] = field(default_factory=dict)

    def matching(self, uid_set: str) -> list[int]:
        """Return the UIDs of a set; `*` is the highest."""
        found: set[int] = set()
        highest = max(self.mails, default=0)
        for part in uid_set.split(","):
            first, _, last = part.partition(":")
            ends = [highest if one == "*" else int(one) for one in (first, last or first)]
            found |= {uid for uid in self.mails if min(ends) <= uid <= max(ends)}
        return sorted(found)


class ImapDouble:
    """A server: its mailboxes, what is wrong with it, and the sessions that it has."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.boxes: dict[str, Box] = {"INBOX": Box()}
        self.sessions: list[DoubleSession] = []
        self.dialled: list[float] = []
        self.logins: list[float] = []
        self.commands: list[str] = []
        self.capabilities = frozenset({"IMAP4REV1", "IDLE"})
        self.away: PostroomError | None = None
        """Raised instead of a connection."""
        self.refuses: PostroomError | None = None
        """Raised at a login."""
        self.tells = True
        """False: appended mail is told to nobody."""
        self.refuses_idle = False
        self.silent = False
        """Nothing is answered, as of a stopped process: the client's own time limit ends the session."""
        self.unseen: dict[int, int] = {}
        """So many times FETCH gives nothing of this UID though SEARCH shows it."""
        self.ends_under: set[int] = set()
        """The connection ends when the body of this UID is asked for."""
        self.ends_at = ""
        """The connection ends at this command."""
        self.lies: dict[int, int] = {}
        """RFC822.SIZE of a UID other than it is."""
        self.searched: Callable[[], None] | None = None
        """Called when a SEARCH was answered, before the client hears of it."""

    async def connect(self, server: ImapServer, *, limits: object = None) -> "DoubleSession":
        """Open a session."""
        self.dialled.append(self.clock.monotonic())
        await asyncio.sleep(0)
        if self.away is not None:
            raise self.away
        if not await self.answers(16):
            raise Unreachable("no greeting")
        session = DoubleSession(self)
        self.sessions.append(session)
        return session

    async def answers(self, seconds: int) -> bool:
        """Wait for so long at most while nothing is answered; tell whether it is then."""
        for _ in range(seconds):
            if not self.silent:
                break
            await self.clock.sleep(1)
        return not self.silent

    def append(self, raw: bytes, box: str = "INBOX", *, internal_ms: int | None = None, uid: int | None = None) -> int:
        """Put a mail into a mailbox and tell those who have it open."""
        there = self.boxes[box]
        uid = there.uid_next if uid is None else uid
        there.mails[uid] = Mail(raw, self.clock.now_ms() if internal_ms is None else internal_ms)
        there.uid_next = max(there.uid_next, uid + 1)
        if self.tells:
            self._tell(box, exists=len(there.mails))
        return uid

    def expunge(self, uid: int, box: str = "INBOX") -> None:
        """Remove a mail and tell those who have its mailbox open."""
        self.boxes[box].mails.pop(uid, None)
        if self.tells:
            self._tell(box, expunged=1)

    def hang_up(self) -> None:
        """End all sessions."""
        for session in list(self.sessions):
            session.hang_up(ImapBye("the server said goodbye"))

    def _tell(self, box: str, *, exists: int | None = None, expunged: int = 0) -> None:
        for session in self.sessions:
            if session.selected == box:
                session.hear(News(exists=exists, expunged=expunged))


class DoubleSession:
    """One session."""

    def __init__(self, server: ImapDouble) -> None:
        self.server = server
        self.capabilities = server.capabilities
        self.greeting = "double ready"
        self.selected: str | None = None
        self.is_preauth = False
        self.heard = 0.0
        self._news: News | None = None
        self._error: ImapLost | None = None
        self._stir = asyncio.Event()
        self._woken = False

    @property
    def is_dirty(self) -> bool:
        return self._news is not None

    def hear(self, news: News) -> None:
        self._news = news
        self._stir.set()

    def hang_up(self, error: ImapLost) -> None:
        self._error = error
        self._stir.set()
        if self in self.server.sessions:
            self.server.sessions.remove(self)

    def can(self, capability: str) -> bool:
        return capability in self.capabilities

    def take_news(self) -> News:
        news, self._news = self._news, None
        return news or News()

    async def login(self, user: str, password: str) -> None:
        await self._turn("LOGIN")
        self.server.logins.append(self.server.clock.monotonic())
        if self.server.refuses is not None:
            raise self.server.refuses

    async def authenticate(self, mechanism: str, user: str, token: str) -> None:
        await self.login(user, token)

    async def identify(self) -> dict[str, str]:
        return {}

    async def list_mailboxes(self) -> list[ListedMailbox]:
        await self._turn("LIST")
        return [ListedMailbox(name, shown_name(name), frozenset(), "/", None) for name in self.server.boxes]

    async def examine(self, name: str) -> Examined:
        await self._turn(f"EXAMINE {name}")
        box = self.server.boxes.get(name)
        if box is None:
            raise ImapNo("there is no such mailbox")
        self.selected, self._news = name, None
        return Examined(name, box.uid_validity, box.uid_next, len(box.mails), None)

    async def status(self, name: str) -> MailboxStatus:
        await self._turn(f"STATUS {name}")
        box = self.server.boxes.get(name)
        if box is None:
            raise ImapNo("there is no such mailbox")
        return MailboxStatus(name, len(box.mails), box.uid_next, box.uid_validity)

    async def uid_search(self, criteria: str) -> list[int]:
        await self._turn(f"SEARCH {criteria}")
        asked = _SET.fullmatch(criteria)
        assert asked is not None, criteria
        found = self._box.matching(asked[1])
        if self.server.searched is not None:
            self.server.searched()
        return found

    async def uid_fetch(self, uids: str, items: Sequence[str]) -> list[Fetched]:
        await self._turn(f"FETCH {uids} {' '.join(items)}")
        found = []
        for uid in self._box.matching(uids):
            if self.server.unseen.get(uid, 0) > 0:
                self.server.unseen[uid] -= 1
                continue
            mail, is_body = self._box.mails[uid], "BODY.PEEK[]" in items
            if is_body and uid in self.server.ends_under:
                self.hang_up(ImapLost("cut"))
                raise ImapLost("cut")
            size = self.server.lies.get(uid, len(mail.raw))
            header = mail.raw.partition(b"\r\n\r\n")[0] if any("HEADER" in item for item in items) else None
            found.append(
                Fetched(
                    uid,
                    uid,
                    size,
                    mail.internal_ms,
                    body=mail.raw if is_body else None,
                    sections={} if header is None else {"HEADER": header},
                )
            )
        return found

    async def idle(self, seconds: float) -> IdleEnd:
        await self._turn("IDLE")
        if self.server.refuses_idle:
            raise NotOffered("IDLE was refused")
        if not self.is_dirty and not self._woken:
            self._stir.clear()
            if self._error is None:
                await set_or_after(self._stir, self.server.clock, seconds)
        if self._error is not None:
            raise self._error
        if self.server.silent:
            await self._turn("DONE")
        if self._woken:
            self._woken = False
            return IdleEnd.WOKEN
        return IdleEnd.NEWS if self.is_dirty else IdleEnd.TIME

    def wake(self) -> None:
        self._woken = True
        self._stir.set()

    async def noop(self) -> None:
        await self._turn("NOOP")

    async def logout(self) -> None:
        self.close()

    def close(self) -> None:
        if self in self.server.sessions:
            self.server.sessions.remove(self)

    @property
    def _box(self) -> Box:
        assert self.selected is not None
        return self.server.boxes[self.selected]

    async def _turn(self, command: str) -> None:
        self.server.commands.append(command)
        await asyncio.sleep(0)
        if not await self.server.answers(30) or command == self.server.ends_at:
            self.hang_up(ImapLost("no answer"))
        if self._error is not None:
            raise self._error
