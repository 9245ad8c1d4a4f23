"""One account's life: session after session, and how that goes in words.

A watcher takes the account's epoch before it looks, unless another live node
has it: then it connects first and takes it with the mailbox open, so that
nobody is without eyes for a moment (the other one sees its epoch gone).
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from sys import intern

import msgspec
import structlog

from postroom.accounts.credentials import AuthRevoked, Bearer, Password
from postroom.accounts.pace import SURVIVED_SECONDS, away_seconds, refused_seconds, throttled_seconds
from postroom.accounts.providers import Provider, Service, server_of
from postroom.accounts.tools import Holding, Session, Tools
from postroom.accounts.watch import Watch, names_on_server, wanted_names
from postroom.base.clock import set_or_after
from postroom.base.errors import PostroomError, TryLater
from postroom.events.accounts import AccountFacts, NewEvent, append_events
from postroom.ledger.account_rows import AccountState, AccountStatusRow, MailboxRow
from postroom.ledger.event_kinds import EventKind
from postroom.net.imap.client import ImapServer
from postroom.net.imap.errors import AuthRefused, Throttled
from postroom.store import watching
from postroom.store.account_events import LostEpoch
from postroom.store.database import Tx
from postroom.store.watching import Loaded, LostCursor

_log = structlog.get_logger(__name__)

_LONGEST_WHY = 500
_SAY_TRIES = 20
_SAY_PAUSE_SECONDS = 1.0
_SECOND_LOOK_SECONDS = 5.0
"""A server that took these credentials before is asked once more before it is believed that it does not."""


class CannotWatch(PostroomError):
    """Something about the account itself is missing."""


class Watcher:
    """Watches one account until it is lost, gone or cancelled."""

    __slots__ = (
        "_account",
        "_epoch",
        "_failures",
        "_kicked",
        "_known",
        "_refusals",
        "_since",
        "_status",
        "_tools",
        "_troubles",
        "_unsure_ms",
        "_watch",
        "account_id",
        "changed_ms",
    )

    def __init__(self, tools: Tools, account_id: int, changed_ms: int) -> None:
        """`changed_ms` is that of the account as it was found."""
        self.account_id = account_id
        self.changed_ms = changed_ms
        self._tools = tools
        self._epoch: int | None = None
        self._known = False
        self._account: AccountFacts | None = None
        self._status = AccountStatusRow(account_id, 0)
        self._failures = 0
        self._refusals = 0
        self._since: float | None = None
        self._troubles: dict[tuple[str, int], int] = {}
        self._unsure_ms: int | None = None
        """The `auth_failed_ms` of a write whose end nobody knows."""
        self._watch: Watch | None = None
        self._kicked: asyncio.Event | None = None

    @property
    def epoch(self) -> int | None:
        """The epoch under which the account is watched here; None: another node still has it."""
        return self._epoch

    @property
    def state(self) -> str:
        """How it goes: a word of AccountState."""
        return self._status.state

    @property
    def heard(self) -> float | None:
        """When its server was last heard of, on the clock's monotonic seconds; None: there is no open mailbox."""
        return None if self._watch is None else self._watch.heard

    async def run(self) -> None:
        """Watch until the account is another's or gone. Cancelling closes the session."""
        while True:
            try:
                pause = await self._try()
            except LostEpoch:
                return
            if pause is None:
                return
            self._tools.counts.failures += 1
            # Only who waits has one: of thousands that watch it would be half a kilobyte each.
            self._kicked = asyncio.Event()
            await set_or_after(self._kicked, self._tools.clock, pause)
            self._kicked = None

    def wake(self, rows: Sequence[MailboxRow]) -> None:
        """Look at the mailboxes now; `rows` are theirs as they stand in the store."""
        if self._watch is not None:
            self._watch.wake(rows)

    def kick(self) -> None:
        """Try at once: who has the account, or its server, may be another now."""
        if self._kicked is not None:
            self._kicked.set()

    async def _try(self) -> float | None:
        """Watch until something ends that; return how long to wait before the next try, None: there is none."""
        try:
            await self._once()
        except LostEpoch:
            raise
        except LostCursor as error:
            _log.warning("a cursor was moved by somebody else", account=self.account_id, reason=str(error))
            return await self._away(str(error))
        except (AuthRefused, AuthRevoked) as error:
            return await self._refused(error)
        except Throttled as error:
            return await self._throttled(error)
        except PostroomError as error:
            return await self._away(str(error))
        except Exception as error:
            # The edge of the task: a fault of ours must not leave an account unwatched.
            _log.exception("watching failed", account=self.account_id)
            return await self._away(f"an error of ours: {type(error).__name__}")
        return None

    # A session

    async def _once(self) -> None:
        """Watch in one session. Returns where the account is not to be watched any more; raises else."""
        loaded = await self._load()
        if loaded is None:
            return
        provider, service = self._provider(loaded)
        await self._tools.buckets.take(service.host)
        credentials = await self._tools.credentials.open(loaded.account, loaded.connection, provider)
        self._since = None
        session = await self._tools.dialler.connect(
            ImapServer(service.host, service.port, service.security), limits=self._tools.limits()
        )
        self._tools.counts.connections += 1
        try:
            await self._log_in(session, credentials)
            loaded = await self._own(session, loaded)
            await self._watch_in(session, loaded, provider)
        finally:
            self._watch = None
            session.close()

    async def _load(self) -> Loaded | None:
        async with self._tools.opening:
            loaded = await self._tools.database.read(partial(watching.load, account_id=self.account_id))
            if loaded is None or loaded.account.is_archived or loaded.account.connected_ms is None:
                return None
            if self._epoch is not None and loaded.owner.epoch != self._epoch:
                raise LostEpoch("the account is watched by another node by now")
            account = loaded.account
            self._account = AccountFacts(
                account.id, account.workspace_id, account.tag, loaded.connection.provider, account.email
            )
            if self._epoch is None:
                owner = loaded.owner.node
                if owner is None or owner == self._tools.node() or not self._tools.is_live(owner):
                    loaded = await self._take(loaded)
        if not self._known:
            self._known = True
            self._status = loaded.status
            if self._epoch is not None and loaded.status.state == AccountState.UNCONNECTED:
                await self._say(self._status, AccountState.CONNECTING, "")
        return loaded

    async def _own(self, session: Session, loaded: Loaded) -> Loaded:
        """Hold the epoch, the first mailbox being open, and return the rows as they are under it."""
        if self._epoch is not None:
            return loaded
        await session.examine("INBOX")
        return await self._take(loaded)

    async def _take(self, loaded: Loaded) -> Loaded:
        tools, before = self._tools, loaded.owner.epoch
        epoch = await tools.database.write(lambda tx: watching.take(tx, self.account_id, tools.node(), before))
        if epoch is None:
            raise LostEpoch("another node was first")
        self._epoch = epoch
        # Read again: the one before may have moved the cursors until its epoch was gone.
        again = await tools.database.read(partial(watching.load, account_id=self.account_id))
        if again is None:
            raise LostEpoch("the account is gone")
        self._status = again.status
        return again

    def _provider(self, loaded: Loaded) -> tuple[Provider, Service]:
        provider = self._tools.providers.get(loaded.connection.provider)
        if provider is None:
            raise CannotWatch(f"no provider has the code {loaded.connection.provider} (POSTROOM_IMAP_PROVIDERS)")
        service = server_of(provider, loaded.connection, loaded.account).imap
        if service is None:
            raise CannotWatch("nobody said which IMAP server the account has")
        return provider, service

    async def _log_in(self, session: Session, credentials: Password | Bearer) -> None:
        if session.is_preauth:
            return
        if isinstance(credentials, Bearer):
            mechanism = credentials.mechanism_for(session.capabilities)
            try:
                await session.authenticate(mechanism, credentials.user, credentials.token)
            except AuthRefused:
                self._tools.credentials.forget(self.account_id)
                raise
        else:
            await session.login(credentials.user, credentials.password)

    async def _watch_in(self, session: Session, loaded: Loaded, provider: Provider) -> None:
        if self._account is None or self._epoch is None:
            raise RuntimeError("nobody watches without an epoch")
        said = await session.identify() if session.can("ID") else {}
        names = wanted_names(loaded.account.mailboxes)
        if names != ["INBOX"]:
            names = names_on_server(names, await session.list_mailboxes())
        holding = Holding(self._account, self._epoch)
        watch = Watch(self._tools, holding, provider, session, names, loaded.mailboxes, self._troubles)
        self._watch = watch
        self._since = self._tools.clock.monotonic()
        server = _server_text(session, said)
        await watch.run(partial(self._watching, server))

    async def _watching(self, server: str, state: AccountState) -> None:
        self._refusals = 0
        status = self._status._replace(
            last_login_ms=self._tools.clock.now_ms(),
            auth_failed_ms=None,
            retry_ms=None,
            server=server,
            failures=self._failures,
        )
        self._unsure_ms = None
        for _ in range(_SAY_TRIES):
            if await self._say(status, state, ""):
                return
            # A refusal before stands in the store until then: the next one would not be told.
            await self._tools.clock.sleep(_SAY_PAUSE_SECONDS)

    # How it goes

    async def _away(self, why: str) -> float:
        if self._survived():
            # A good connection has ended, as Gmail's do each hour: nobody needs to be told unless the next one fails.
            return self._tools.chance()
        pause = away_seconds(self._failures, self._tools.chance())
        await self._say_later(AccountState.AWAY, why, pause)
        return pause

    async def _throttled(self, error: Throttled) -> float:
        self._survived()
        pause = throttled_seconds(error.wait_ms, self._tools.chance())
        await self._say_later(AccountState.AWAY, str(error), pause)
        return pause

    async def _refused(self, error: AuthRefused | AuthRevoked) -> float:
        self._survived()
        self._tools.counts.refused += 1
        self._refusals += 1
        proven = self._status.last_login_ms is not None and self._status.auth_failed_ms is None
        if isinstance(error, AuthRefused) and proven and self._refusals == 1:
            pause = _SECOND_LOOK_SECONDS * (1 + self._tools.chance())
            await self._say_later(AccountState.AWAY, str(error), pause)
            return pause
        pause = refused_seconds(self._refusals, self._tools.chance(), revoked=isinstance(error, AuthRevoked))
        await self._say_later(AccountState.REFUSED, str(error), pause, auth_failed=True)
        return pause

    def _survived(self) -> bool:
        """Count a failure, unless the connection before it was a good one."""
        since, self._since = self._since, None
        good = since is not None and self._tools.clock.monotonic() - since >= SURVIVED_SECONDS
        self._failures = 0 if good else self._failures + 1
        return good

    async def _say_later(self, state: AccountState, why: str, pause: float, *, auth_failed: bool = False) -> None:
        now = self._tools.clock.now_ms()
        event = None
        status = self._status._replace(failures=self._failures, retry_ms=now + round(pause * 1000))
        if auth_failed and status.auth_failed_ms is None:
            status = status._replace(auth_failed_ms=self._unsure_ms or now)
            event = NewEvent(EventKind.ACCOUNT_AUTH_FAILED, now, {"why": why[:_LONGEST_WHY]})
        await self._say(status, state, why, event)

    async def _say(
        self, status: AccountStatusRow, state: AccountState, why: str, event: NewEvent | None = None
    ) -> bool:
        """Write how it goes, with an event where one tells of it; tell whether the store took it.

        Another node's account is not ours to tell of.
        """
        if self._epoch is None or self._account is None:
            return True
        before, epoch, account = self._status, self._epoch, self._account
        since_ms = before.since_ms if state == before.state else self._tools.clock.now_ms()
        row = status._replace(state=state.value, why=why[:_LONGEST_WHY], since_ms=since_ms)
        if state is AccountState.AWAY and event is None and (row.state, row.why) == (before.state, before.why):
            # Nothing new but the time of the next try: not worth a write each time.
            self._status = row
            return True

        def function(tx: Tx) -> None:
            if event is not None and not watching.is_told_as_refused(tx, row, epoch):
                append_events(tx, account, [event], self._tools.ids, epoch=epoch)
            watching.set_status(tx, row, epoch)

        try:
            await self._tools.database.write(function)
        except TryLater as error:
            # Said again at the next transition; an event that was not written is written then.
            _log.info("cannot say how an account goes", account=self.account_id, reason=str(error))
            if event is not None:
                self._unsure_ms = row.auth_failed_ms
            return False
        self._status = row
        return True


def _server_text(session: Session, said: dict[str, str]) -> str:
    facts = {
        "banner": session.greeting[:200],
        "id": {name[:30]: value[:200] for name, value in list(said.items())[:10]},
        "capabilities": sorted(session.capabilities)[:100],
        "claims_only": sorted(one for one in session.capabilities if not session.can(one))[:20],
    }
    # Thousands of accounts have a few servers.
    return intern(msgspec.json.encode(facts).decode())
