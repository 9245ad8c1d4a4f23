"""How an IMAP session is spoken: what is known of the server, login, IDLE, and how commands run and end."""

import asyncio
import copy
from collections.abc import Callable, Mapping

from postroom import __version__
from postroom.base.clock import Clock
from postroom.net.imap import login, refusals, responses
from postroom.net.imap.abilities import claims, literal_support
from postroom.net.imap.answers import IdleEnd, News
from postroom.net.imap.dialling import ImapServer, read_capabilities
from postroom.net.imap.encode import Part, atom, listed, nstring
from postroom.net.imap.errors import ImapBad, ImapError, ImapLost, ImapNo, ImapUnreadable, NotOffered
from postroom.net.imap.idle import idle
from postroom.net.imap.link import ImapLimits, ImapLink
from postroom.net.imap.responses import Response
from postroom.net.imap.session import Running

_LOGOUT_SECONDS = 3.0


class Conversation:
    """One session with one server, without the commands about mailboxes (`client.ImapClient`)."""

    __slots__ = ("_clock", "_limits", "_link", "_lock", "_session", "is_woken", "off", "server")

    def __init__(self, server: ImapServer, link: ImapLink, limits: ImapLimits, clock: Clock) -> None:
        self.server = server
        self.off: frozenset[str] = frozenset()
        """Capabilities that the server claims but has refused on this connection, such as `IDLE`."""
        self.is_woken = False
        """`wake` was called since the last `idle` began."""
        self._link = link
        self._session = link.session
        self._limits = limits
        self._clock = clock
        self._lock = asyncio.Lock()

    # What is known

    @property
    def capabilities(self) -> frozenset[str]:
        """Upper case, as the server told last. A hint: ask `can`."""
        return self._session.capabilities

    @property
    def greeting(self) -> str:
        """The text of the greeting: the server's banner."""
        return self._session.greeting.text if self._session.greeting is not None else ""

    @property
    def is_open(self) -> bool:
        """Tell whether commands can be given."""
        return self._link.is_open

    @property
    def is_preauth(self) -> bool:
        """Tell whether the greeting was PREAUTH: no login is possible or needed (RFC 9051 7.1.4)."""
        greeting = self._session.greeting
        return greeting is not None and greeting.status is responses.Status.PREAUTH

    @property
    def tls(self) -> str:
        """Version and cipher such as `TLSv1.3 TLS_AES_256_GCM_SHA384`, empty without TLS."""
        return self._link.tls_version

    @property
    def heard(self) -> float:
        """When the server's last octet came, on the clock's monotonic seconds."""
        return self._link.heard

    @property
    def oddities(self) -> int:
        """How many responses so far belonged to nothing, such as a wrong tag, or could not be understood."""
        return self._session.strangers + self._session.unreadable

    @property
    def is_dirty(self) -> bool:
        """Tell whether the server told something about the mailbox since `take_news`, during any command."""
        return self._session.is_dirty

    def take_news(self) -> News:
        """Return what the server told since the last look, and forget it."""
        return self._session.take_news()

    def can(self, capability: str) -> bool:
        """Tell whether the server claims a capability and has not refused it on this connection."""
        return capability not in self.off and claims(self._session.capabilities, capability)

    # Login

    async def login(self, user: str, password: str) -> None:
        """Log in with a password: LOGIN, or AUTHENTICATE PLAIN where LOGIN is disabled or cannot say it.

        Raises AuthRefused, Throttled. Capabilities are read again afterwards.
        """
        async with self._lock:
            await self._settle()
            await login.login(self._link, str(self.server), user, password, self._limits.login)
            await read_capabilities(self._link)

    async def authenticate(self, mechanism: str, user: str, token: str) -> None:
        """Log in by SASL: `PLAIN`, `LOGIN`, `XOAUTH2` or `OAUTHBEARER` (RFC 7628). Raises as `login`."""
        async with self._lock:
            await self._settle()
            await login.authenticate(self._link, str(self.server), mechanism, user, token, self._limits.login)
            await read_capabilities(self._link)

    async def identify(self, fields: Mapping[str, str] | None = None) -> dict[str, str]:
        """Say and learn names by ID (RFC 2971); empty where the server has none. Names are lower case."""
        found: dict[str, str] = {}

        def take(response: Response) -> bool:
            if not isinstance(response, responses.Identification):
                return False
            found.update((name, value) for name, value in response.fields if value is not None)
            return True

        ours = {"name": "Postroom", "version": __version__} if fields is None else fields
        parts: list[Part] = [part for pair in ours.items() for part in map(nstring, pair)]
        quoted = [part for part in parts if isinstance(part, bytes)]
        if self.can("ID") and len(quoted) == len(parts):
            try:
                await self._run("ID", listed(quoted) if quoted else b"NIL", take=take)
            except (ImapNo, ImapBad):
                self.switch_off("ID")
        return found

    async def enable(self, *names: str) -> frozenset[str]:
        """Enable extensions (RFC 5161) that the server claims, and return those that it enabled."""
        wanted = [name.upper() for name in names if self.can(name.upper())]
        if wanted and self.can("ENABLE"):
            await self._run("ENABLE", *(atom(name) for name in wanted))
        return self._session.enabled & set(wanted)

    # Waiting

    async def idle(self, seconds: float) -> IdleEnd:
        """Wait for news in IDLE (RFC 2177), for so many seconds at most. Returns at once when it is dirty.

        28 minutes are the most: servers log out who is silent for 30. Raises NotOffered where the
        server has no IDLE, or has just refused it: poll with `noop`.
        """
        self.is_woken = False
        self._need("IDLE")
        async with self._lock:
            await self._settle()
            return await idle(self, self._link, self._limits, self._clock, seconds)

    def wake(self) -> None:
        """Make an `idle` that is under way return."""
        self.is_woken = True
        self._link.poke()

    async def noop(self) -> None:
        """Let the server tell its news."""
        await self._run("NOOP")

    # Ends

    async def logout(self) -> None:
        """Say goodbye, and close; never raises for what the server does then."""
        try:
            if self.is_open and not self._lock.locked() and self._session.running is None:
                async with self._lock:
                    await self._link.finish(self._session.start("LOGOUT"), seconds=_LOGOUT_SECONDS)
        except ImapError:
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Close at once. What is under way ends with ImapLost."""
        self._link.close()

    def switch_off(self, capability: str) -> None:
        """Do not believe a capability any more on this connection."""
        self.off |= {capability}

    # How commands run

    async def _run(
        self,
        verb: str,
        *parts: Part,
        take: Callable[[Response], bool] | None = None,
        silence: float | None = None,
    ) -> Running:
        """Run a command to its end. Raises ImapNo, ImapBad, Throttled."""
        async with self._lock:
            await self._settle()
            return await self._command(verb, *parts, take=take, silence=silence)

    async def _command(
        self,
        verb: str,
        *parts: Part,
        take: Callable[[Response], bool] | None = None,
        silence: float | None = None,
    ) -> Running:
        literals = literal_support(self._session.capabilities, self.off)
        running = self._session.start(verb, *parts, literals=literals, take=take)
        await self._link.finish(running, silence=silence)
        self._judge(running)
        return running

    async def _settle(self) -> None:
        """Wait for the end of a command that nobody waits for any more."""
        if self._session.running is not None:
            await self._link.until(lambda: self._session.running is None)

    def _judge(self, running: Running) -> None:
        end = running.end
        if end is None or running.is_ok:
            return
        code = end.code.name if end.code is not None else ""
        said = f"{self.server} refuses {running.verb}"
        raise refusals.refusal(said, end.text, code, verb=running.verb, is_bad=end.status is responses.Status.BAD)

    def _all_was_read(self, running: Running) -> None:
        if running.unreadable:
            raise ImapUnreadable(f"{self.server} answered {running.verb} with what cannot be understood")

    def _need(self, capability: str) -> None:
        if not self.is_open:
            raise copy.copy(self._session.error) or ImapLost(f"the connection to {self.server} is closed")
        if not self.can(capability):
            raise NotOffered(f"{self.server} has no {capability}")
