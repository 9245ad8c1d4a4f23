"""What an account logs in with: its password, or an access token that is new enough.

Access tokens live in memory only. They are refreshed before they end, by one
request at a time for an account, however many ask. A refresh token that the
server gives in place of another is in the store before its access token is used.
"""

import asyncio
import random
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TypeVar

from postroom.accounts.oauth import AuthorizationServers, Client, GrantRefused, Tokens, TokenServerAway
from postroom.accounts.providers import Provider, oauth_of
from postroom.base.clock import Clock
from postroom.base.errors import PostroomError
from postroom.base.secrets import Sealer
from postroom.ledger.account_rows import AccountRow, ConnectionRow
from postroom.store.accounts import any_account, replace_refresh_token
from postroom.store.connecting import set_token_end
from postroom.store.database import Database, Tx

__all__ = ["AuthRevoked", "Bearer", "Credentials", "Password", "TokenServerAway", "client_of"]

T = TypeVar("T")

_LEAST_LEFT_MS = 180_000
"""A token is refreshed when so little of its life is left: a login must not begin with one that ends under way."""
_MOST_LEFT_MS = 480_000
"""Chosen anew for each token between the two, so that accounts that were connected together drift apart."""
_REVOKED_MS = 600_000
"""So long a refusal is believed without asking again; a new authorization is another token."""
_SETTLE_SECONDS = 1.0
"""Between a refusal and the look whether the refused token is still the one that counts."""
_UNKNOWN_LIFE_MS = 1_200_000
"""Of a token whose end the server does not say."""
_MOST_KEPT = 20_000


class AuthRevoked(PostroomError):
    """The provider does not take the authorization any more (`invalid_grant`), or there are no credentials."""


@dataclass(frozen=True, slots=True)
class Password:
    """A login with a password."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Bearer:
    """A login with an access token."""

    user: str
    mechanism: str
    """`XOAUTH2`, which all of the large providers know; `mechanism_for` asks the server."""
    token: str = field(repr=False)
    ends_ms: int | None = None
    """When the token ends; None: the provider does not say."""

    def mechanism_for(self, capabilities: frozenset[str]) -> str:
        """Return the mechanism for a server that told these capabilities: OAUTHBEARER (RFC 7628) where it is alone."""
        alone = "AUTH=OAUTHBEARER" in capabilities and "AUTH=XOAUTH2" not in capabilities
        return "OAUTHBEARER" if alone else self.mechanism


@dataclass(frozen=True, slots=True)
class _Held:
    """An access token in memory."""

    token: str = field(repr=False)
    ends_ms: int | None
    refresh_ms: int
    """From then on another one is asked for."""
    sealed: bytes = field(repr=False)
    """The refresh token that it came of, as it is stored."""
    changed_ms: int
    """When the account that it was given for was changed last."""

    def is_of(self, account: AccountRow) -> bool:
        """Tell whether it belongs to the authorization that an account has."""
        # A row that was read before the refresh token was replaced names the one before.
        return self.sealed == account.refresh_token or account.changed_ms <= self.changed_ms


class Credentials:
    """Opens the credentials of accounts. One per process and event loop."""

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        clock: Clock,
        servers: AuthorizationServers,
        chance: random.Random,
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._clock = clock
        self._servers = servers
        self._chance = chance
        self._held: OrderedDict[int, _Held] = OrderedDict()
        self._refused: OrderedDict[int, tuple[bytes, int, str]] = OrderedDict()
        self._asking: dict[int, asyncio.Task[_Held]] = {}

    async def open(self, account: AccountRow, connection: ConnectionRow, provider: Provider) -> Password | Bearer:
        """Return what an account logs in with now.

        Raises AuthRevoked where the person has to connect it again, and
        TokenServerAway where it is to be tried again later. May raise TryLater.
        """
        user = account.username or account.email
        if account.password is not None:
            password = self._sealer.open(account.password, f"account/{account.id}/password").decode()
            return Password(user, password)
        if account.refresh_token is None:
            raise AuthRevoked("the account is not connected")
        held = self._held.get(account.id)
        if held is not None and not held.is_of(account):
            held = None
        if held is None or self._clock.now_ms() >= held.refresh_ms:
            held = await self._refreshed(account, connection, provider, held)
        return Bearer(user, "XOAUTH2", held.token, held.ends_ms)

    def forget(self, account_id: int) -> None:
        """Forget an account's access token: the next `open` asks for another, as after a refused login."""
        self._held.pop(account_id, None)

    def keep(self, account: AccountRow, tokens: Tokens) -> None:
        """Hold what an authorization has just given to an account, as it is stored now."""
        self._refused.pop(account.id, None)
        self._hold(account, tokens, account.refresh_token or b"")

    async def close(self) -> None:
        """End the requests that are under way."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _refreshed(
        self, account: AccountRow, connection: ConnectionRow, provider: Provider, held: _Held | None
    ) -> _Held:
        asking = self._asking.get(account.id)
        if asking is None:
            # A task of its own: that one of those who wait gives up must not lose a token that was given once.
            asking = asyncio.create_task(self._refresh(account.id, connection, provider))
            self._asking[account.id] = asking
            asking.add_done_callback(lambda _: self._asking.pop(account.id, None))
        try:
            return await asyncio.shield(asking)
        except TokenServerAway:
            if held is not None and held.ends_ms is not None and self._clock.now_ms() < held.ends_ms:
                return held
            raise

    async def _refresh(self, account_id: int, connection: ConnectionRow, provider: Provider) -> _Held:
        account = await self._stored(account_id)
        while True:
            sealed = account.refresh_token or b""
            self._raise_if_refused(account_id, sealed)
            token = self._opened(account)
            try:
                tokens = await self._servers.refresh(client_of(self._sealer, connection, provider), token)
            except GrantRefused as error:
                # Another node that asked at the same time was given another one, which it may be storing just now.
                await self._clock.sleep(_SETTLE_SECONDS)
                newer = await self._stored(account_id)
                if newer.refresh_token != sealed:
                    account = newer
                    continue
                self._refused[account_id] = (sealed, self._clock.now_ms() + _REVOKED_MS, str(error))
                _bound(self._refused)
                self._held.pop(account_id, None)
                raise AuthRevoked(str(error)) from error
            return self._hold(account, tokens, await self._store(account_id, sealed, token, tokens))

    async def _stored(self, account_id: int) -> AccountRow:
        row = await self._database.read(lambda conn: any_account(conn, account_id))
        if row is None or row.refresh_token is None:
            raise AuthRevoked("the account is not connected any more")
        return row

    async def _store(self, account_id: int, sealed: bytes, token: str, tokens: Tokens) -> bytes:
        """Write what the server gave; return the refresh token as it is stored now."""
        ends_ms, new = tokens.ends_ms, tokens.refresh_token
        if new and new != token:
            after = self._sealer.seal(new.encode(), f"account/{account_id}/refresh_token")

            def write(tx: Tx) -> None:
                if not replace_refresh_token(tx, account_id, sealed, after):
                    # Sealed anew with another master key meanwhile? Then it is the same token.
                    row = any_account(tx, account_id)
                    if row is not None and row.refresh_token is not None and self._opened(row) == token:
                        replace_refresh_token(tx, account_id, row.refresh_token, after)
                set_token_end(tx, account_id, ends_ms)

            await self._database.write(write)
            return after
        await self._database.write(lambda tx: set_token_end(tx, account_id, ends_ms))
        return sealed

    def _opened(self, account: AccountRow) -> str:
        sealed = account.refresh_token or b""
        return self._sealer.open(sealed, f"account/{account.id}/refresh_token").decode()

    def _hold(self, account: AccountRow, tokens: Tokens, sealed: bytes) -> _Held:
        now = self._clock.now_ms()
        life = _UNKNOWN_LIFE_MS if tokens.ends_ms is None else tokens.ends_ms - now
        # A life shorter than that is used for its most part.
        left = min(self._chance.randint(_LEAST_LEFT_MS, _MOST_LEFT_MS), life // 4)
        held = _Held(tokens.access_token, tokens.ends_ms, now + life - left, sealed, account.changed_ms)
        self._held[account.id] = held
        self._held.move_to_end(account.id)
        _bound(self._held)
        return held

    def _raise_if_refused(self, account_id: int, sealed: bytes) -> None:
        refused = self._refused.get(account_id)
        if refused is not None and refused[0] == sealed and self._clock.now_ms() < refused[1]:
            raise AuthRevoked(refused[2])


def client_of(sealer: Sealer, connection: ConnectionRow, provider: Provider) -> Client:
    """Return what a connection registered with its provider."""
    secret = b""
    if connection.client_secret is not None:
        secret = sealer.open(connection.client_secret, f"connection/{connection.id}/client_secret")
    return Client(oauth_of(provider, connection), connection.client_id, secret.decode())


def _bound(kept: OrderedDict[int, T]) -> None:
    while len(kept) > _MOST_KEPT:
        kept.popitem(last=False)
