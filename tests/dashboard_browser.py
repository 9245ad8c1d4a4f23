"""The dashboard as operators meet it: logged in over plain HTTP, and in Debian's Chromium.

Without a server, over a database (fast; for rooms):

```python
async with dashboard(database) as world:               # a ManualClock, workspaces "one" and "two"
    page = await world.get("/w/one/keys")               # httpx.Response of the logged-in operator
    await world.post("/w/one/keys", name="build")       # the form's token is added
```

With the running program (journeys):

```python
with RunningServer() as server, log_in(server) as client:   # Client: get(path), post(path, **fields)
    with chromium() as browser, logged_in_page(browser, client, width=390, dark=True) as page:
        page.goto("/w/default/")
        assert violations(page) == []
```
"""

import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

import httpx
from argon2 import PasswordHasher
from axe_playwright_python.base import AXE_SCRIPT
from peers.require import require_peer
from playwright.sync_api import Browser, Page, sync_playwright
from running_server import RunningServer
from webhook_world import Literals

from postroom.access.audit import COMMAND
from postroom.access.authenticators import Authenticators
from postroom.access.keys import ApiKeys, SmtpLogins
from postroom.access.login import Logins
from postroom.access.operators import Operators
from postroom.access.partner_keys import PartnerKeys
from postroom.access.passwords import Passwords
from postroom.access.sessions import Sessions
from postroom.access.workspaces import Workspaces
from postroom.accounts.connect import Links
from postroom.accounts.partners import Partners
from postroom.accounts.providers import Providers
from postroom.accounts.registry import Accounts
from postroom.base.clock import ManualClock
from postroom.base.ids import IdSource
from postroom.base.secrets import Sealer
from postroom.base.threads import Threads
from postroom.base.tokens import TokenKeys
from postroom.domains.records import Installation
from postroom.domains.registry import Domains
from postroom.doors.dashboard.app import create_dashboard
from postroom.doors.dashboard.services import Facts, Services
from postroom.doors.dashboard.session import form_token
from postroom.inbound.routes import Routes
from postroom.ledger.operator_rows import OperatorRow
from postroom.ledger.rows import WorkspaceRow
from postroom.net.http_client import HttpClient
from postroom.outbound.sites import Sites
from postroom.outbound.transport import TransportKind, TransportSetting
from postroom.outbound.watch import Watch
from postroom.store.database import Database
from postroom.webhooks.endpoints import Webhooks
from postroom.webhooks.partner_hooks import PartnerHooks

NAME = "ada@example.com"
PASSWORD = "a sentence of hers"
LOOPBACK = (ip_network("127.0.0.0/8"),)
TOKEN_KEYS = TokenKeys({1: b"k" * 32})
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""argon2id that takes no time: for tests that are not about its strength."""
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


# Over a database, without a server


@dataclass
class World:
    """The dashboard over a database, with an operator logged in."""

    client: httpx.AsyncClient
    """Follows no redirects and keeps the session's cookie."""
    services: Services
    clock: ManualClock
    operator: OperatorRow | None
    app: Any

    async def get(self, path: str, **fields: str) -> httpx.Response:
        """Return a page; `fields` are its query."""
        return await self.client.get(path, params=fields or None)

    async def post(self, path: str, **fields: Any) -> httpx.Response:
        """Post a form with its token; a list is a field of several values."""
        cookie = self.client.cookies.get("postroom") or self.client.cookies.get("postroom_visitor") or ""
        return await self.client.post(path, data={"csrf": form_token(cookie), **fields})

    async def workspace(self, name: str) -> WorkspaceRow:
        """Return a workspace."""
        return await self.services.workspaces.named(name)

    def stranger(self) -> httpx.AsyncClient:
        """Return a client that has not logged in."""
        return _client(self.app)


class _NoDns:
    """DNS in which nothing is published."""

    async def texts(self, name: str) -> tuple[str, ...]:
        return ()

    async def mail_hosts(self, name: str) -> tuple[str, ...]:
        return ()

    async def alias_of(self, name: str) -> str | None:
        return None

    async def addresses(self, name: str) -> frozenset[str]:
        return frozenset()


@asynccontextmanager
async def dashboard(
    database: Database, clock: ManualClock | None = None, *, operator: bool = True, **more: Any
) -> AsyncIterator[World]:
    """Run the dashboard over `database`; `more` stands in for parts of its services (`domains=…`).

    `operator` False: there is none, and nobody is logged in.
    """
    clock = clock or ManualClock()
    ids, slow, sealer = IdSource(1, clock), Threads("slow", 1), Sealer(b"s" * 32)
    workspaces = Workspaces(database, ids, clock)
    passwords, sessions = Passwords(slow, CHEAP), Sessions(database, ids, clock)
    operators = Operators(database, ids, clock, passwords)
    domains = Domains(database, ids, clock, sealer, _NoDns(), Installation("mail.postroom.test", "postroom.test"), slow)
    given: dict[str, Any] = {
        "database": database,
        "ids": ids,
        "clock": clock,
        "sealer": sealer,
        "workspaces": workspaces,
        "api_keys": ApiKeys(database, workspaces, ids, clock),
        "smtp_logins": SmtpLogins(database, workspaces, ids, clock),
        "domains": domains,
        "webhooks": Webhooks(database, ids, clock, sealer, HttpClient(Literals())),
        "routes": Routes(database, ids, clock, sealer, domains),
        "accounts": Accounts(database, ids, clock, sealer, Providers(), LOOPBACK),
        "partners": Partners(database, clock),
        "partner_keys": PartnerKeys(database, workspaces, ids, clock, sealer),
        "partner_hooks": PartnerHooks(database, ids, clock, sealer, LOOPBACK),
        "links": Links("http://postroom.test", lambda: TOKEN_KEYS, clock),
        "operators": operators,
        "sessions": sessions,
        "logins": Logins(database, ids, clock, sealer, passwords, sessions),
        "authenticators": Authenticators(database, ids, clock, sealer, "mail.postroom.test"),
        "facts": Facts(
            "0.1.0",
            "SQLite",
            "mail.postroom.test",
            "http://postroom.test",
            "http://postroom.test",
            "sandbox",
            "127.0.0.1:2525",
            1,
            "127.0.0.1:2526",
        ),
        "client_address": lambda scope: "127.0.0.1",
        "slow": slow,
        "token_keys": lambda: TOKEN_KEYS,
        "transport_of": lambda workspace_id: TransportSetting(TransportKind.SANDBOX),
        "watch": Watch(Sites(clock, 20), lambda: None, lambda: [1], lambda: None),
        **more,
    }
    services = Services(**given)
    app = create_dashboard(services)
    try:
        for name in ("one", "two"):
            await workspaces.create(name)
        made = await operators.create(NAME, PASSWORD, COMMAND) if operator else None
        async with _client(app) as client:
            world = World(client, services, clock, made, app)
            if made is not None:
                await client.get("/login")
                answer = await world.post("/login", name=NAME, password=PASSWORD)
                assert answer.status_code == 303, answer.text
                await client.get("/nothing")
            yield world
    finally:
        slow.close()


def _client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://postroom.test", timeout=30
    )


# With the running program


class Client:
    """A browser without a window: keeps cookies, follows no redirects, sends tokens."""

    def __init__(self, server: RunningServer, **fields: str) -> None:
        """`fields` are header fields that all its requests carry."""
        self.base = f"http://127.0.0.1:{server.http_port}"
        self._http = httpx.Client(base_url=self.base, headers=fields, timeout=60)

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies by name."""
        return dict(self._http.cookies)

    def get(self, path: str) -> httpx.Response:
        """Return what a page answers."""
        return self._http.get(path)

    def post(self, path: str, **fields: Any) -> httpx.Response:
        """Post a form with the token of this session; a list is a field of several values."""
        cookies = self.cookies
        cookie = cookies.get("postroom") or cookies.get("postroom_visitor", "")
        return self._http.post(path, data={"csrf": form_token(cookie), **fields})

    def close(self) -> None:
        """Close its connections."""
        self._http.close()


@contextmanager
def log_in(server: RunningServer, name: str = NAME, password: str = PASSWORD) -> Iterator[Client]:
    """Give a client that is logged in; the operator is made by the first link where there is none."""
    client = Client(server)
    try:
        link = json.loads(server.command("init", "--json"))["dashboard"]
        if "/first/" in link:
            path = link[link.index("/first/") :]
            client.get(path)
            answer = client.post(path, name=name, password=password, again=password)
        else:
            client.get("/login")
            answer = client.post("/login", name=name, password=password)
        assert answer.status_code == 303, answer.text
        client.get("/nothing")
        yield client
    finally:
        client.close()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium without a window."""
    require_peer("chromium")
    with tempfile.TemporaryDirectory(prefix="postroom-chromium-") as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=[*_FLAGS, f"--disk-cache-dir={folder}"]
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def logged_in_page(
    browser: Browser, client: Client | None, *, width: int = 1440, height: int = 900, dark: bool = False,
    script: bool = True,
) -> Iterator[Page]:  # fmt: skip
    """Return a page of a fresh browser context with a client's session (None: nobody's)."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        java_script_enabled=script,
        base_url=client.base if client else None,
    )
    if client is not None:
        context.add_cookies([{"name": n, "value": v, "url": client.base} for n, v in client.cookies.items()])
    try:
        yield context.new_page()
    finally:
        context.close()


def violations(page: Page) -> list[str]:
    """Return what axe finds wrong with a page, a line each."""
    page.evaluate(AXE_SCRIPT)
    return _lines(page.evaluate("options => axe.run(options)", _OPTIONS))


class Axe:
    """axe over many pages of one browser context; what is the same on all of them it judges once.

    That are the links of the navigation, and contrast, which is most of its work: it follows from the colours of a
    text, what stands behind it, and its size and weight. A text that shares all of them with another is passed over.
    """

    def __init__(self, page: Page) -> None:
        # Once for all pages: the browser keeps what it has made of the script.
        page.context.add_init_script(AXE_SCRIPT)
        self._page = page
        self._knows_navigation = False
        self._judged: set[str] = set()

    def violations(self) -> list[str]:
        """Return what is wrong with the page by all rules but that of contrast."""
        options = {**_OPTIONS, "rules": {"color-contrast": {"enabled": False}}}
        if self._knows_navigation:
            self._page.evaluate(_WITHOUT_NAVIGATION)
        self._knows_navigation = self._knows_navigation or self._page.locator("nav.side").count() > 0
        return _lines(self._page.evaluate("options => axe.run(options)", options))

    def contrast(self) -> list[str]:
        """Return the texts of the page that are too faint; of those that look the same the first."""
        looks, found = self._page.evaluate(_NEW_LOOKS, [{**_OPTIONS, "runOnly": ["color-contrast"]}, [*self._judged]])
        self._judged.update(looks)
        return _lines(found)


_OPTIONS = {"resultTypes": ["violations"], "iframes": False}
"""Frames hold mails of others, and run no scripts: axe cannot look into them."""
_WITHOUT_NAVIGATION = """() => {
  for (const one of document.querySelectorAll("nav.side li, .top .menu-list > *, .pages-bar li")) one.remove();
}"""
_NEW_LOOKS = """async ([options, judged]) => {
  const known = new Set(judged), looks = [], elements = [];
  for (const element of document.body.querySelectorAll("*")) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!hasText && !element.matches("input, select, textarea")) continue;
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const own = getComputedStyle(element);
    const parts = [element.localName, own.color, own.fontSize, own.fontWeight];
    let isCovered = false;
    for (let at = element; at; at = at.parentElement) {
      const style = getComputedStyle(at), behind = style.backgroundColor;
      if (style.opacity !== "1") parts.push(`opacity ${style.opacity}`);
      if (isCovered || behind === "rgba(0, 0, 0, 0)") continue;
      parts.push(behind);
      isCovered = behind.startsWith("rgb(");
    }
    const look = parts.join(", ");
    if (known.has(look)) continue;
    known.add(look);
    looks.push(look);
    elements.push(element);
  }
  const found = elements.length ? await axe.run({ include: elements }, options) : { violations: [] };
  return [looks, found];
}"""


def _lines(found: Any) -> list[str]:
    return [
        f"{one['id']}: {node['html'][:160]} ({node['failureSummary']})"
        for one in found["violations"]
        for node in one["nodes"]
    ]
