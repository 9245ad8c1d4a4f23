"""SuperIMAP's API over a real store, for two workspaces."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from webhook_world import LOOPBACK, SEALER

from postroom.access.guesses import Guesses
from postroom.access.keys import ApiKeys
from postroom.access.partner_keys import PartnerKeys
from postroom.access.workspaces import Workspaces
from postroom.accounts.connect import Links
from postroom.accounts.partners import Partners
from postroom.accounts.providers import Providers
from postroom.accounts.registry import Accounts
from postroom.base.clock import ManualClock
from postroom.base.ids import IdSource
from postroom.base.tokens import TokenKeys
from postroom.doors.superimap.api import SuperImapApi
from postroom.doors.superimap.services import Services
from postroom.ledger.account_rows import AccountRow
from postroom.ledger.rows import WorkspaceRow
from postroom.net.address_guard import Network
from postroom.store.database import Database
from postroom.webhooks.partner_hooks import PartnerHooks

FASTMAIL = "/api/v1/connections/FASTMAIL"
USERS = f"{FASTMAIL}/users"


@dataclass
class Room:
    """The door and what stands behind it."""

    client: httpx.AsyncClient
    """Sends the SuperIMAP key of `workspace`."""
    other: httpx.AsyncClient
    """Sends that of another workspace."""
    bare: httpx.AsyncClient
    """Sends no key."""
    workspace: WorkspaceRow
    key: str
    api_key: str
    """An ordinary API key of `workspace`."""
    keys: PartnerKeys
    services: Services
    database: Database
    clock: ManualClock
    ids: IdSource

    async def account(self, tag: str, provider: str = "FASTMAIL") -> AccountRow:
        """Return an account as the store has it."""
        found = self.services.accounts.providers.get(provider)
        assert found is not None
        view = await self.services.accounts.connection(self.workspace.id, found)
        assert view is not None
        row = await self.services.accounts.tagged(view.connection, tag)
        assert row is not None
        return row


@asynccontextmanager
async def superimap_room(
    database: Database, clock: ManualClock, allow_private: tuple[Network, ...] = LOOPBACK
) -> AsyncIterator[Room]:
    """Run SuperIMAP's API over `database` without a socket."""
    ids = IdSource(1, clock)
    workspaces = Workspaces(database, ids, clock)
    keys, api_keys = PartnerKeys(database, workspaces, ids, clock, SEALER), ApiKeys(database, workspaces, ids, clock)

    async def check_key(key: str) -> WorkspaceRow | None:
        return await keys.check(key) or await api_keys.check(key)

    services = Services(
        database,
        clock,
        check_key,
        Accounts(database, ids, clock, SEALER, Providers(), allow_private),
        Partners(database, clock),
        PartnerHooks(database, ids, clock, SEALER, allow_private),
        Links("https://mail.example.com", lambda: TokenKeys({0: b"k" * 32}), clock),
        Guesses(clock),
        lambda scope: next((value.decode() for name, value in scope["headers"] if name == b"x-client"), "192.0.2.7"),
    )
    app = SuperImapApi(services)
    one, two = await workspaces.create("one"), await workspaces.create("two")
    key, other = (await keys.create(one)).secret, (await keys.create(two)).secret
    api_key = (await api_keys.create(one, "ordinary")).secret

    def client(key: str | None) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app),  # type: ignore[arg-type]
            base_url="http://postroom.test",
            headers={"x-api-key": key} if key else {},
            timeout=30,
        )

    async with client(key) as first, client(other) as second, client(None) as bare:
        yield Room(first, second, bare, one, key, api_key, keys, services, database, clock, ids)
