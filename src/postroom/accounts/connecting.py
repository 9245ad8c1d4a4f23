"""Connecting and disconnecting an account, between its person, its provider and the store.

An authorization's `state` is single use, bound to the account and to the browser
that began: whoever is sent an authorization address that somebody else began
connects nothing. The verifier of PKCE never leaves this installation.
"""

import hashlib
from dataclasses import dataclass, field, replace
from enum import StrEnum
from urllib.parse import urlsplit

import structlog

from postroom.accounts.autodetect import Autodetection, Candidate, Detected, Logins, Tried, Verdict
from postroom.accounts.changes import AccountChange
from postroom.accounts.connect import Links
from postroom.accounts.credentials import Credentials, client_of
from postroom.accounts.oauth import (
    AuthorizationServers,
    GrantRefused,
    Tokens,
    TokenServerAway,
    authorization_url,
    new_verifier,
)
from postroom.accounts.partners import Partner, partner_of
from postroom.accounts.providers import Kind, Provider, Server, oauth_of, server_of
from postroom.accounts.registry import Accounts
from postroom.base.clock import Clock
from postroom.base.errors import PostroomError, WrongInput
from postroom.base.secrets import CannotOpen, Sealer
from postroom.ledger.account_rows import AccountRow, ConnectDanceRow, ConnectionRow
from postroom.store import accounts as account_rows
from postroom.store.connecting import begin_dance, forget_dances, set_token_end, take_dance
from postroom.store.database import Conn, Database, Tx
from postroom.store.workspaces import workspace_by_id

_log = structlog.get_logger(__name__)

DANCE_MS = 1_800_000
"""A person may have to find a telephone to log in at the provider."""


class Failure(StrEnum):
    """Why an account was not connected: the `error` of the address that people are sent back to."""

    ACCESS_DENIED = "access_denied"
    """The person, or the provider, said no. RFC 6749 4.1.2.1."""
    PROVIDER_ERROR = "provider_error"
    """The provider said something else that went wrong."""
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable"
    """The provider did not answer, or not as it should; the server's log says more."""
    NO_LASTING_ACCESS = "no_lasting_access"
    """The provider gave no refresh token."""
    NO_ADDRESS = "no_address"
    """The provider does not say whose mailbox it is."""
    NOT_SET_UP = "not_set_up"
    """The workspace's connection lacks something, such as the client id or the IMAP server."""
    GONE = "gone"
    """The account was deleted or archived meanwhile."""


class CannotConnect(PostroomError):
    """The account was not connected."""

    def __init__(self, failure: Failure, dance: "Dance | None" = None) -> None:
        super().__init__(failure.value)
        self.failure = failure
        self.dance = dance
        """Where the person wanted to go; None: that is not known."""


class UnknownDance(PostroomError):
    """Nobody began this authorization in this browser, or too long ago, or it was used already."""


@dataclass(frozen=True, slots=True)
class Connectable:
    """An account whose person holds a link to it."""

    account: AccountRow
    connection: ConnectionRow
    provider: Provider
    partner: Partner
    workspace: str

    @property
    def server(self) -> Server:
        """What is known of its server, whatever was found out before."""
        return server_of(self.provider, self.connection)

    @property
    def needs_address(self) -> bool:
        """The provider will not say whose mailbox it is, so its person is asked before."""
        oauth = oauth_of(self.provider, self.connection)
        tells = oauth.userinfo_url or "openid" in oauth.scope.split()
        return self.provider.kind is Kind.OAUTH2 and not tells and not self.account.email


@dataclass(frozen=True, slots=True)
class Ways:
    """Where a link sends its person afterwards; empty: what the workspace set, else a page of ours."""

    success: str = ""
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Dance:
    """A dance that came back."""

    connectable: Connectable
    ways: Ways


@dataclass(frozen=True, slots=True)
class Typed:
    """What a person typed to connect an account with a password."""

    address: str
    password: str = field(repr=False)
    username: str = ""
    server: Server = field(default_factory=Server)
    """With an IMAP service where the person named one."""


class Connecting:
    """Connects and disconnects accounts."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        sealer: Sealer,
        accounts: Accounts,
        credentials: Credentials,
        servers: AuthorizationServers,
        links: Links,
        autodetection: Autodetection,
        logins: Logins,
    ) -> None:
        self._database = database
        self._clock = clock
        self._sealer = sealer
        self._accounts = accounts
        self._credentials = credentials
        self._servers = servers
        self.links = links
        self._autodetection = autodetection
        self._logins = logins

    async def find(self, account_id: int) -> Connectable | None:
        """Return an account to connect or disconnect, or None where it is gone. Raises TryLater."""

        def read(conn: Conn) -> Connectable | None:
            account = account_rows.any_account(conn, account_id)
            connection = account_rows.connection_by_id(conn, account.connection_id) if account else None
            provider = self._accounts.providers.get(connection.provider) if connection else None
            if account is None or connection is None or provider is None:
                return None
            partner = account_rows.partner_of(conn, account.workspace_id)
            workspace = workspace_by_id(conn, account.workspace_id)
            return Connectable(
                account,
                connection,
                provider,
                Partner() if partner is None else partner_of(partner),
                workspace.name if workspace else "",
            )

        return await self._database.read(read)

    # OAuth 2.0

    async def begin(self, asked: Connectable, ways: Ways, browser: str, address: str = "") -> str:
        """Return the provider's address where the person gives access.

        `browser` is a secret that only this browser has; `address` is what the person says
        that the mailbox is. Raises CannotConnect, TryLater.
        """
        account, verifier, state = asked.account, new_verifier(), new_verifier()
        client = client_of(self._sealer, asked.connection, asked.provider)
        if not client.client_id:
            _log.warning("a connection has no client id", connection=asked.connection.provider, account=account.id)
            raise CannotConnect(Failure.NOT_SET_UP)
        try:
            url = authorization_url(
                client,
                state=state,
                verifier=verifier,
                redirect_uri=self.links.callback_url,
                hint=address or account.email,
            )
        except TokenServerAway as error:
            _log.warning("a connection cannot be used", connection=asked.connection.provider, reason=str(error))
            raise CannotConnect(Failure.NOT_SET_UP) from error
        hashed, now_ms = _state_hash(state, browser), self._clock.now_ms()
        sealed = self._sealer.seal(f"{verifier} {address}".encode(), _dance_row(hashed))
        row = ConnectDanceRow(
            hashed, account.id, account.workspace_id, sealed, ways.success, ways.failure, now_ms + DANCE_MS
        )
        if not await self._database.write(lambda tx: begin_dance(tx, row, now_ms)):
            raise CannotConnect(Failure.TEMPORARILY_UNAVAILABLE)
        return url

    async def finish(self, state: str, browser: str, *, code: str, error: str, issuer: str) -> Dance:
        """Connect the account that a browser came back for. Raises UnknownDance, CannotConnect, TryLater.

        `error` is the provider's (RFC 6749 4.1.2.1), `issuer` its name where it tells it (RFC 9207); both may be empty.
        """
        hashed, now_ms = _state_hash(state, browser), self._clock.now_ms()
        row = await self._database.write(lambda tx: take_dance(tx, hashed, now_ms))
        asked = await self.find(row.account_id) if row is not None else None
        if row is None or asked is None:
            raise UnknownDance("this authorization was not begun in this browser, or too long ago")
        dance = Dance(asked, Ways(row.success_url, row.failure_url))
        if asked.account.is_archived:
            raise CannotConnect(Failure.GONE, dance)
        if error or not code:
            raise CannotConnect(Failure.ACCESS_DENIED if error == "access_denied" else Failure.PROVIDER_ERROR, dance)
        verifier, _, address = self._sealer.open(row.verifier, _dance_row(hashed)).decode().partition(" ")
        oauth = oauth_of(asked.provider, asked.connection)
        if issuer and urlsplit(issuer).hostname != urlsplit(oauth.authorize_url).hostname:
            # RFC 9207 2.4: a code of another server, which one connection's owner wants to have at ours.
            raise CannotConnect(Failure.PROVIDER_ERROR, dance)
        tokens, email = await self._exchange(dance, code, verifier)
        await self._connect_with_tokens(dance, tokens, email or address or asked.account.email)
        return dance

    async def _exchange(self, dance: Dance, code: str, verifier: str) -> tuple[Tokens, str]:
        asked = dance.connectable
        client = client_of(self._sealer, asked.connection, asked.provider)
        try:
            tokens = await self._servers.exchange(client, code, verifier=verifier, redirect_uri=self.links.callback_url)
        except GrantRefused as error:
            raise CannotConnect(Failure.PROVIDER_ERROR, dance) from error
        except TokenServerAway as error:
            _log.warning("no token for an authorization", connection=asked.connection.provider, reason=str(error))
            raise CannotConnect(Failure.TEMPORARILY_UNAVAILABLE, dance) from error
        if not tokens.refresh_token:
            raise CannotConnect(Failure.NO_LASTING_ACCESS, dance)
        return tokens, await self._servers.email_of(client, tokens)

    async def _connect_with_tokens(self, dance: Dance, tokens: Tokens, email: str) -> None:
        asked = dance.connectable
        if not email:
            raise CannotConnect(Failure.NO_ADDRESS, dance)
        change = AccountChange(email=email, refresh_token=tokens.refresh_token)
        account_id = asked.account.id
        try:
            after = await self._accounts.update(
                asked.account,
                asked.connection,
                change,
                in_transaction=lambda tx: set_token_end(tx, account_id, tokens.ends_ms),
            )
        except WrongInput as error:
            _log.warning("an account cannot be connected", connection=asked.connection.provider, reason=str(error))
            raise CannotConnect(Failure.GONE if error.code == "gone" else Failure.NOT_SET_UP, dance) from error
        self._credentials.keep(after, tokens)

    # Passwords

    async def connect_with_password(self, asked: Connectable, typed: Typed) -> Detected:
        """Log in with what a person typed, and connect the account where the server takes it.

        The answer says what became of the login; the account is connected where its verdict
        is TAKEN. Raises WrongInput for what cannot be a server, and TryLater.
        """
        found = await self._log_in(asked, typed)
        if found.tried.verdict is not Verdict.TAKEN:
            words = found.tried.words
            # A server that says back what it was told must not have us show it.
            return replace(found, tried=Tried(found.tried.verdict, "" if typed.password in words else words))
        said: dict[str, object] = {}
        username = typed.username
        if found.candidate is not None:
            said = _said(found.candidate.server)
            username = username or found.candidate.username
        change = AccountChange(
            email=typed.address,
            username="" if username == typed.address else username,
            password=typed.password,
            server=said,
        )
        await self._accounts.update(asked.account, asked.connection, change)
        return found

    async def _log_in(self, asked: Connectable, typed: Typed) -> Detected:
        user = typed.username or typed.address
        known = asked.server.imap
        if known is not None:
            return Detected(await self._logins.try_login(known, user, typed.password))
        if typed.server.imap is not None:
            tried = await self._logins.try_login(typed.server.imap, user, typed.password)
            return Detected(tried, Candidate(typed.server, user))
        return await self._autodetection.find(typed.address, typed.username, typed.password)

    # Disconnecting

    async def disconnect(self, asked: Connectable) -> None:
        """Forget an account's credentials, tell the workspace, and have the provider end the authorization.

        Also for one that is not connected, which changes nothing. Raises TryLater, and WrongInput where it is gone.
        """
        account, connection = asked.account, asked.connection
        if account.connected_ms is None and account.refresh_token is None and account.password is None:
            return
        account_id, token = account.id, self._refresh_token(account)

        def beside(tx: Tx) -> None:
            forget_dances(tx, account_id)
            set_token_end(tx, account_id, None)

        await self._accounts.disconnect(account, connection, in_transaction=beside)
        self._credentials.forget(account_id)
        if token:
            # After the commit, so that nobody logs in with it meanwhile and takes the refusal for news.
            client = client_of(self._sealer, connection, asked.provider)
            if client.server.revoke_url and not await self._servers.revoke(client, token):
                _log.warning("the provider was not told of a disconnection", connection=connection.provider)

    def _refresh_token(self, account: AccountRow) -> str:
        """Return what the provider is to forget; empty where there is none, or no key of ours opens it."""
        if account.refresh_token is None:
            return ""
        try:
            return self._sealer.open(account.refresh_token, f"account/{account.id}/refresh_token").decode()
        except CannotOpen as error:
            _log.error("an authorization cannot be ended at its provider", account=account.id, reason=str(error))
            return ""


def _state_hash(state: str, browser: str) -> bytes:
    return hashlib.sha256(f"{state} {browser}".encode()).digest()


def _dance_row(hashed: bytes) -> str:
    return f"connect_dance/{hashed.hex()}/verifier"


def _said(server: Server) -> dict[str, object]:
    """Return a server as members of `Overrides`; SMTP that is not known is forgotten too."""
    said: dict[str, object] = {}
    for prefix, service in (("imap", server.imap), ("smtp", server.smtp)):
        said[f"{prefix}_host"] = service.host if service else ""
        said[f"{prefix}_port"] = service.port if service else 0
        said[f"{prefix}_security"] = service.security if service else None
    return said
