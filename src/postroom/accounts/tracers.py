"""Tracers: marked mails that watched accounts send to themselves, to see how long mail takes to arrive.

Each node picks, every POSTROOM_TRACER_SECONDS, one of the accounts that it
watches and that somebody marked, and has it send POSTROOM_TRACERS mails by its
own SMTP server. The watcher finds them again (`store.tracers.arrived`); one
that does not arrive is told once as lost. No webhook tells of a tracer.
"""

import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from postroom.accounts.credentials import AuthRevoked, Bearer, Password, TokenServerAway
from postroom.accounts.providers import Provider, Providers, Service, server_of
from postroom.base.clock import DAY_MS, Clock
from postroom.base.errors import PostroomError, WrongInput
from postroom.base.ids import IdSource, show_id
from postroom.events.accounts import AccountFacts, append_unnumbered
from postroom.ledger.account_rows import AccountRow, ConnectionRow, TracerRow
from postroom.ledger.event_kinds import EventKind
from postroom.mail.message_id import make_message_id
from postroom.mail.tracer import CODE_BYTES, tracer_mail
from postroom.store import accounts, tracers
from postroom.store.database import Conn, Database, Tx

_log = structlog.get_logger(__name__)

_MOST_ACCOUNTS = 10_000
_LOOK_SECONDS = 30.0
_LOOKED_BACK_MS = 2 * DAY_MS
_AT_ONCE = 100
_LONGEST_WHY = 500


class OpensCredentials(Protocol):
    """What an account logs in with (`accounts.credentials.Credentials`)."""

    async def open(self, account: AccountRow, connection: ConnectionRow, provider: Provider) -> Password | Bearer:
        """Return the login. Raises AuthRevoked and TokenServerAway."""
        ...


class SendsMail(Protocol):
    """The way out by an account's own server (`accounts.submit.AccountSmtp`)."""

    async def send(self, server: Service, login: Password | Bearer, address: str, to: str, raw: bytes) -> str:
        """Hand a mail in; return why it was not taken, or the empty text."""
        ...


@dataclass(frozen=True, slots=True)
class TracerSettings:
    """How often, how many, and when one is lost."""

    every_seconds: float
    """0: none are sent by themselves."""
    count: int
    lost_seconds: float


class Tracers:
    """Sends the tracers of one node, and tells of those that are lost. One per process with the role `watch`."""

    def __init__(
        self,
        database: Database,
        ids: IdSource,
        clock: Clock,
        credentials: OpensCredentials,
        providers: Providers,
        smtp: SendsMail,
        settings: TracerSettings,
        hostname: str,
        choose: Callable[[Sequence[int]], int] = random.choice,
    ) -> None:
        """`hostname` stands in Message-IDs; `choose` picks one of the node's accounts."""
        self._database = database
        self._ids = ids
        self._clock = clock
        self._credentials = credentials
        self._providers = providers
        self._smtp = smtp
        self._settings = settings
        self._hostname = hostname
        self._choose = choose
        self._began_ms = clock.now_ms()
        self.lost = 0
        """Tracers that this node told as lost, since its start."""

    async def run(self) -> None:
        """Send and look until cancelled."""
        every, next_at = self._settings.every_seconds, self._clock.monotonic() + self._settings.every_seconds
        while True:
            await self._clock.sleep(min(_LOOK_SECONDS, every) if every else _LOOK_SECONDS)
            try:
                await self.look()
                if every and self._clock.monotonic() >= next_at:
                    next_at = self._clock.monotonic() + every
                    await self.send_some()
            except PostroomError as error:
                _log.info("no tracers now", reason=str(error))
            except Exception:
                # Mail is watched without tracers too.
                _log.exception("sending tracers failed")

    async def stop(self, seconds: float) -> None:
        """Nothing to wait for: a tracer that is cut off here is not counted as lost."""

    async def send_some(self) -> list[TracerRow]:
        """Send tracers to one of this node's accounts, and return their rows as sending left them. Raises TryLater."""
        node = self._ids.node
        own = await self._database.read(lambda conn: tracers.tracer_accounts(conn, node, _MOST_ACCOUNTS))
        if not own:
            return []
        account_id = self._choose(own)
        return [await self.send_one(account_id) for _ in range(self._settings.count)]

    async def send_one(self, account_id: int) -> TracerRow:
        """Send one tracer to an account, whoever watches it. Its row is there before. Raises TryLater, WrongInput."""
        account, connection = await self._database.read(lambda conn: _account(conn, account_id))
        row = TracerRow(
            self._ids.next(),
            account.id,
            account.workspace_id,
            secrets.token_hex(CODE_BYTES),
            self._clock.now_ms(),
            tracers.BEING_SENT,
        )
        await self._database.write(lambda tx: tracers.add_tracer(tx, row))
        why = (await self._send(account, connection, row))[:_LONGEST_WHY]
        if why:
            _log.info("a tracer was not sent", account=show_id("acc", account.id), reason=why)
        await self._database.write(lambda tx: tracers.tell_sending(tx, row.id, why))
        return row._replace(why=why)

    async def look(self) -> int:
        """Tell of tracers that should have arrived by now; return how many are lost. Raises TryLater.

        What came to a node while nobody watched is found again after a start, so that begins the time anew.
        """
        now = self._clock.now_ms()
        before = now - round(self._settings.lost_seconds * 1000)
        if before < self._began_ms:
            return 0
        lost = await self._database.write(lambda tx: self._lose(tx, before, now))
        self.lost += lost
        return lost

    async def _send(self, account: AccountRow, connection: ConnectionRow, row: TracerRow) -> str:
        provider = self._providers.get(connection.provider)
        if provider is None:
            return f"the provider {connection.provider} is not known here"
        server = server_of(provider, connection, account).smtp
        if server is None:
            return "nobody said which SMTP server the account has"
        message_id = make_message_id("trc", row.id, self._hostname)
        try:
            raw = tracer_mail(account.email, row.code, message_id, row.sent_ms)
            login = await self._credentials.open(account, connection, provider)
        except (AuthRevoked, TokenServerAway, WrongInput) as error:
            return str(error)
        return await self._smtp.send(server, login, account.email, account.email, raw)

    def _lose(self, tx: Tx, before: int, now: int) -> int:
        lost = tracers.lose(tx, now - _LOOKED_BACK_MS, before, now, _AT_ONCE)
        for row in lost:
            account = accounts.any_account(tx, row.account_id)
            connection = accounts.connection_by_id(tx, account.connection_id) if account else None
            if account is None or connection is None:
                continue
            facts = AccountFacts(account.id, account.workspace_id, account.tag, connection.provider, account.email)
            detail = {"tracer_id": show_id("trc", row.id), "sent_ms": row.sent_ms}
            append_unnumbered(tx, facts, EventKind.TRACER_LOST, now, detail, self._ids)
        return len(lost)


def _account(conn: Conn, account_id: int) -> tuple[AccountRow, ConnectionRow]:
    account = accounts.any_account(conn, account_id)
    connection = accounts.connection_by_id(conn, account.connection_id) if account else None
    if account is None or connection is None:
        raise WrongInput("account", "there is no such account")
    return account, connection
