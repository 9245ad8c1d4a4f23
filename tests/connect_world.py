"""Accounts that are connected by people: the pages over a store, an authorization server on loopback, fake logins.

```python
async with connect_world(database, clock) as world:
    account = await world.account("GMAIL_OAUTH2")      # its provider is `world.receiver`
    answer = await world.browser.get(world.connect(account, success="https://app.test/ok"))
```
"""

import asyncio
import base64
import hashlib
import json
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any, TypeVar, cast
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
from litestar.types import Receive, Scope, Send
from peers.http_receiver import HttpReceiver, Received, answer, response
from webhook_world import Literals

from postroom.accounts.autodetect import Autodetection, Tried, Verdict
from postroom.accounts.changes import AccountChange, ConnectionChange
from postroom.accounts.connect import Links
from postroom.accounts.connecting import Connecting
from postroom.accounts.credentials import Credentials
from postroom.accounts.oauth import AuthorizationServers
from postroom.accounts.partners import Partner, Partners
from postroom.accounts.providers import Provider, Providers, Service
from postroom.accounts.registry import Accounts
from postroom.base.clock import ManualClock
from postroom.base.ids import IdSource
from postroom.base.secrets import Sealer
from postroom.base.tokens import TokenKeys
from postroom.doors.superimap.connect import ConnectDoor
from postroom.ledger.account_rows import AccountRow, ConnectionRow
from postroom.ledger.rows import WorkspaceRow
from postroom.net.dns import Answer, MxRecord, SrvRecord, Status
from postroom.net.http_client import HttpClient, HttpLimits
from postroom.store import accounts
from postroom.store.database import Database, statement

T = TypeVar("T")

LOOPBACK = (ip_network("127.0.0.0/8"),)
PUBLIC_URL = "http://postroom.test"
WORKSPACE = 5
APP = "https://app.example.test"
_EVENTS = statement("SELECT number, kind FROM account_event WHERE account_id = ? ORDER BY number")


@dataclass
class FakeDns:
    """DNS of what a test puts into it."""

    mx_records: dict[str, tuple[MxRecord, ...]] = field(default_factory=dict)
    srv_records: dict[str, tuple[SrvRecord, ...]] = field(default_factory=dict)

    async def mx(self, domain: str) -> Answer[MxRecord]:
        found = self.mx_records.get(domain, ())
        return Answer(Status.FOUND if found else Status.NO_DATA, found, 60)

    async def srv(self, name: str) -> Answer[SrvRecord]:
        found = self.srv_records.get(name, ())
        return Answer(Status.FOUND if found else Status.NO_DATA, found, 60)


class FakeLogins:
    """Servers by name, each with its passwords; the rest is away."""

    def __init__(self) -> None:
        self.servers: dict[str, dict[str, str]] = {}
        self.tried: list[tuple[str, str, str]] = []
        """Host and port, user, password."""
        self.says: dict[str, Tried] = {}

    async def try_login(self, service: Service, user: str, password: str) -> Tried:
        self.tried.append((str(service), user, password))
        if service.host in self.says:
            return self.says[service.host]
        if service.host not in self.servers:
            return Tried(Verdict.AWAY, "nobody listens there")
        is_right = self.servers[service.host].get(user) == password
        return Tried(Verdict.TAKEN) if is_right else Tried(Verdict.REFUSED, "Invalid credentials")


class TokenServer:
    """An authorization server: codes are given by `code`, refresh tokens are replaced at each use."""

    def __init__(self, receiver: HttpReceiver) -> None:
        self.receiver = receiver
        self.seconds: object = 3600
        self.rotates = True
        self.id_token_email = "ada@example.test"
        self.more_claims: dict[str, str] = {}
        self.wants_basic = False
        self.refused: set[str] = set()
        self.asked: list[dict[str, str]] = []
        self.challenges: dict[str, str] = {}
        self.given = 0
        self.hold: asyncio.Event | None = None
        receiver.behave("/token", self._token)
        receiver.behave("/revoke", answer(200))

    def code(self, url: str) -> str:
        """Return a code for an authorization request, as if its person had said yes."""
        asked = dict(parse_qsl(urlsplit(url).query))
        code = f"code-{len(self.challenges)}"
        self.challenges[code] = asked["code_challenge"]
        return code

    async def _token(self, received: Received, writer: asyncio.StreamWriter) -> None:
        asked = dict(parse_qsl(received.body.decode()))
        self.asked.append(asked)
        status, said = self._answer(asked, received.header.get("authorization", ""))
        writer.write(response(status, json.dumps(said).encode(), content_type="application/json"))
        await writer.drain()

    def _answer(self, asked: dict[str, str], authorization: str) -> tuple[int, dict[str, object]]:
        basic = "Basic " + base64.b64encode(b"our-client:hush").decode()
        if authorization != basic and (self.wants_basic or asked.get("client_secret") != "hush"):
            return 401, {"error": "invalid_client"}
        if asked["grant_type"] == "authorization_code":
            challenge = base64.urlsafe_b64encode(hashlib.sha256(asked["code_verifier"].encode()).digest())
            if self.challenges.pop(asked["code"], "") != challenge.rstrip(b"=").decode():
                return 400, {"error": "invalid_grant", "error_description": "PKCE"}
        elif asked["refresh_token"] in self.refused:
            return 400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
        self.given += 1
        said: dict[str, object] = {
            "access_token": f"access-{self.given}",
            "token_type": "Bearer",
            "expires_in": self.seconds,
        }
        if asked["grant_type"] == "authorization_code" or self.rotates:
            said["refresh_token"] = f"refresh-{self.given}"
        if self.rotates and "refresh_token" in asked:
            self.refused.add(asked["refresh_token"])
        claims = {"email": self.id_token_email, **self.more_claims}
        if any(claims.values()):
            text = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
            said["id_token"] = f"e30.{text}.sig"
        return 200, said


class ConnectWorld:
    """The pages, and what they stand on."""

    def __init__(self, database: Database, clock: ManualClock, receiver: HttpReceiver) -> None:
        self.database, self.clock, self.receiver = database, clock, receiver
        self.ids, self.sealer = IdSource(1, clock), Sealer(b"s" * 32)
        self.http = HttpClient(Literals(), allow_private=LOOPBACK, limits=HttpLimits(whole_seconds=15))
        self.token_server = TokenServer(receiver)
        self.logins, self.dns = FakeLogins(), FakeDns()
        self.providers = Providers()
        self.accounts = Accounts(database, self.ids, clock, self.sealer, self.providers, LOOPBACK)
        self.partners = Partners(database, clock)
        self.servers = AuthorizationServers(self.http, clock)
        self.credentials = self.new_credentials()
        keys = TokenKeys({0: b"k" * 32})
        self.links = Links(PUBLIC_URL, lambda: keys, clock)
        self.connecting = Connecting(
            database,
            clock,
            self.sealer,
            self.accounts,
            self.credentials,
            self.servers,
            self.links,
            Autodetection(self.dns, self.http, self.logins),
            self.logins,
        )
        self.door = ConnectDoor(self.connecting, clock, _client, _nothing, may_be_plain=True)
        self.browser = self.new_browser()

    def new_credentials(self, servers: AuthorizationServers | None = None) -> Credentials:
        """Return credentials as another node has them."""
        return Credentials(self.database, self.sealer, self.clock, servers or self.servers, random.Random(7))

    def new_browser(self) -> httpx.AsyncClient:
        """Return a browser without cookies that follows no redirects."""
        return httpx.AsyncClient(transport=httpx.ASGITransport(cast("Any", self.door)), base_url=PUBLIC_URL, timeout=30)

    async def account(self, code: str = "GMAIL_OAUTH2", *, email: str = "", **server: Any) -> AccountRow:
        """Make an account; the URLs of an OAuth provider are those of `token_server`."""
        provider = self.provider(code)
        change = ConnectionChange("our-client", "hush", server or self._oauth_urls(provider))
        connection = await self.accounts.create_connection(WORKSPACE, provider, change)
        return await self.accounts.create(connection, AccountChange(tag="ada", email=email))

    def provider(self, code: str) -> Provider:
        """Return a provider."""
        found = self.providers.get(code)
        assert found is not None
        return found

    def _oauth_urls(self, provider: Provider) -> dict[str, object]:
        if provider.kind.value != "oauth2":
            return {}
        return {
            "authorize_url": self.receiver.url("/authorize"),
            "token_url": self.receiver.url("/token"),
            "revoke_url": self.receiver.url("/revoke"),
        }

    def connect(self, account: AccountRow, **ways: str) -> str:
        """Return an account's connect link with where to go afterwards."""
        return self.links.connect_url(account.id) + ("?" + urlencode(ways) if ways else "")

    def disconnect(self, account: AccountRow, **ways: str) -> str:
        """Return an account's disconnect link."""
        return self.links.disconnect_url(account.id) + ("?" + urlencode(ways) if ways else "")

    async def allow(self, *origins: str, success_url: str = "", failure_url: str = "") -> None:
        """Let the workspace send people back to these."""
        await self.partners.put(WORKSPACE, Partner(success_url, failure_url, origins))

    async def begin(self, account: AccountRow, **ways: str) -> str:
        """Follow a connect link to the provider; return the provider's address."""
        answered = await self.browser.get(self.connect(account, **ways))
        assert answered.status_code == 303, answered.text
        return answered.headers["location"]

    async def come_back(self, url: str, browser: httpx.AsyncClient | None = None, **query: str) -> httpx.Response:
        """Come back from the provider with a code."""
        state = parse_qs(urlsplit(url).query)["state"][0]
        given = query or {"code": self.token_server.code(url)}
        return await (browser or self.browser).get("/users/connect/callback", params={"state": state, **given})

    async def connected(self, code: str = "GMAIL_OAUTH2") -> tuple[AccountRow, ConnectionRow, Provider]:
        """Return an account that was connected by a dance, its connection and provider."""
        account = await self.account(code)
        assert (await self.come_back(await self.begin(account))).status_code == 200
        return await self.row(account), await self.connection(account), self.provider(code)

    async def settled(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what comes of something that waits by the clock, moving it."""
        task = asyncio.create_task(work)
        while not task.done():
            await asyncio.sleep(0.005)
            self.clock.advance(seconds=0.1)
        return await task

    async def row(self, account: AccountRow) -> AccountRow:
        """Return an account as it is now."""
        row = await self.database.read(lambda conn: accounts.any_account(conn, account.id))
        assert row is not None
        return row

    async def connection(self, account: AccountRow) -> ConnectionRow:
        """Return an account's connection."""
        row = await self.database.read(lambda conn: accounts.connection_by_id(conn, account.connection_id))
        assert row is not None
        return row

    async def told(self, account: AccountRow) -> list[str]:
        """Return the kinds of an account's events in the order of their numbers."""
        rows = await self.database.read(lambda conn: conn.all(_EVENTS, (account.id,)))
        assert [number for number, _ in rows] == list(range(1, len(rows) + 1))
        return [kind for _, kind in rows]


@asynccontextmanager
async def connect_world(database: Database, clock: ManualClock) -> AsyncIterator[ConnectWorld]:
    """Give a world over a database."""
    with HttpReceiver() as receiver:
        world = ConnectWorld(database, clock, receiver)
        await database.write(lambda tx: tx.add(WorkspaceRow(WORKSPACE, "acme", clock.now_ms())))
        try:
            yield world
        finally:
            await world.credentials.close()
            await world.browser.aclose()
            await world.http.close()


def _client(scope: Any) -> str:
    return "192.0.2.7"


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
