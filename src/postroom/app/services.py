"""What every part of the program stands on, opened once: store, ids, secrets, keys, domains.

Both the server and a command that finds no server running open these; on
SQLite the lock of the data folder keeps them apart.
"""

import asyncio
import os
import random
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from postroom.access.authenticators import Authenticators
from postroom.access.keys import ApiKeys, SmtpLogins
from postroom.access.login import Logins
from postroom.access.operators import Operators
from postroom.access.partner_keys import PartnerKeys
from postroom.access.passwords import Passwords
from postroom.access.sessions import Sessions
from postroom.access.workspaces import Workspaces
from postroom.accounts.connect import Links
from postroom.accounts.credentials import Credentials
from postroom.accounts.oauth import AuthorizationServers
from postroom.accounts.partners import Partners
from postroom.accounts.providers import Providers, read_providers
from postroom.accounts.registry import Accounts
from postroom.app.dns import ResolverDns
from postroom.app.master_keys import master_keys
from postroom.app.names import installation, public_url
from postroom.base.clock import Clock
from postroom.base.errors import SettingsError, WrongInput
from postroom.base.ids import IdSource
from postroom.base.metrics import Metrics
from postroom.base.secrets import Sealer
from postroom.base.threads import Threads
from postroom.base.tokens import TokenKeys
from postroom.cluster.nodes import Nodes, data_id_of, read_boot_id
from postroom.config import Settings
from postroom.domains.registry import Domains
from postroom.inbound.routes import Routes
from postroom.net.dns import Resolver
from postroom.net.http_client import HttpClient
from postroom.outbound.contents import Contents
from postroom.outbound.messages import Messages
from postroom.outbound.own_names import Names
from postroom.outbound.transport import TransportKind, TransportSetting, parse_transport
from postroom.store.content import Uploads
from postroom.store.data_folder import lock_data_folder
from postroom.store.database import Database, open_database
from postroom.store.restorations import refuse_unfinished
from postroom.store.secrets import check_master_key, first_token_key, load_token_keys
from postroom.webhooks.endpoints import Webhooks

SLOW_THREADS = 2
SLOW_WAITING = 64


class TokenRing:
    """The ring of token keys in memory; read again every few seconds, because another node may add a key."""

    def __init__(self, keys: TokenKeys) -> None:
        self.keys = keys

    def __call__(self) -> TokenKeys:
        """Return the ring."""
        return self.keys


@dataclass(frozen=True, slots=True)
class Services:
    """The opened parts. Everything here lives as long as the process."""

    settings: Settings
    clock: Clock
    database: Database
    nodes: Nodes
    ids: IdSource
    sealer: Sealer
    slow: Threads
    signers: Threads
    resolver: Resolver
    token_keys: TokenRing
    workspaces: Workspaces
    api_keys: ApiKeys
    partner_keys: PartnerKeys
    logins: SmtpLogins
    operators: Operators
    sessions: Sessions
    operator_logins: Logins
    authenticators: Authenticators
    domains: Domains
    http_client: HttpClient
    """For addresses that others wrote."""
    webhooks: Webhooks
    routes: Routes
    partners: Partners
    providers: Providers
    accounts: Accounts
    """Connections to providers and the accounts of each: which mailboxes are watched."""
    authorization_servers: AuthorizationServers
    credentials: Credentials
    """What accounts log in with; one for all who log in, so that a token is refreshed once."""
    links: Links
    """By which people connect and disconnect their accounts."""
    uploads: Uploads
    contents: Contents
    messages: Messages
    names: Names
    default_transport: TransportSetting
    metrics: Metrics = field(default_factory=Metrics)
    large_inbound: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    """One large mail that came in is in memory at a time, whoever looks at it."""
    taking_in: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by who takes in mail that arrived while no server ran."""

    def transport_of(self, workspace_id: int) -> TransportSetting:
        """Return the transport of a workspace: its own, else that of the installation."""
        row = self.workspaces.rows.get(workspace_id)
        if row is None or not row.transport:
            return self.default_transport
        try:
            return parse_transport(row.transport)
        except WrongInput:
            # It was checked when it was set; what an older version wrote must not stop the rest.
            return self.default_transport

    async def refresh_token_keys(self) -> None:
        """Read the token keys again: another node may have added one. Raises TryLater."""
        keys = await self.database.read(lambda conn: load_token_keys(conn, self.sealer, self.clock.now_ms()))
        if keys is not None:
            self.token_keys.keys = keys

    def needs_proof(self, workspace_id: int) -> bool:
        """Tell whether a workspace's mail leaves the machine."""
        return self.transport_of(workspace_id).kind is not TransportKind.SANDBOX


@asynccontextmanager
async def open_services(settings: Settings, clock: Clock) -> AsyncIterator[Services]:
    """Open everything, and close it at the end.

    Raises SettingsError, TryLater where the database cannot be reached, and
    PostroomError where another process owns the data folder.
    """
    async with AsyncExitStack() as stack:
        stack.callback(lock_data_folder(settings.data).release)
        default_transport, providers = _default_transport(settings), read_providers(settings.imap_providers)
        sealer = Sealer(*master_keys(settings))
        database = await _open_store(stack, settings, clock, sealer)
        nodes = Nodes(database, clock, data_id_of(settings.data), read_boot_id(), ",".join(sorted(settings.roles)))
        ids = IdSource(await nodes.join(), clock)
        token_keys = await _token_ring(database, sealer, clock)
        slow, signers = _start_threads(stack)
        resolver, http_client = _open_network(stack, settings, clock)
        workspaces = Workspaces(database, ids, clock)
        await workspaces.refresh()
        domains = Domains(database, ids, clock, sealer, ResolverDns(resolver), installation(settings), slow)
        await domains.refresh()
        routes = Routes(database, ids, clock, sealer, domains, settings.allow_private)
        await routes.view.refresh()
        passwords, sessions = Passwords(slow), Sessions(database, ids, clock)
        authorization_servers = AuthorizationServers(http_client, clock)
        credentials = _open_credentials(stack, database, sealer, clock, authorization_servers)
        yield Services(
            settings=settings,
            clock=clock,
            database=database,
            nodes=nodes,
            ids=ids,
            sealer=sealer,
            slow=slow,
            signers=signers,
            resolver=resolver,
            token_keys=token_keys,
            workspaces=workspaces,
            api_keys=ApiKeys(database, workspaces, ids, clock),
            partner_keys=PartnerKeys(database, workspaces, ids, clock, sealer),
            logins=SmtpLogins(database, workspaces, ids, clock),
            operators=Operators(database, ids, clock, passwords),
            sessions=sessions,
            operator_logins=Logins(database, ids, clock, sealer, passwords, sessions),
            authenticators=Authenticators(database, ids, clock, sealer, settings.hostname),
            domains=domains,
            http_client=http_client,
            webhooks=Webhooks(database, ids, clock, sealer, http_client, settings.allow_private),
            routes=routes,
            partners=Partners(database, clock),
            providers=providers,
            accounts=Accounts(database, ids, clock, sealer, providers, settings.allow_private),
            authorization_servers=authorization_servers,
            credentials=credentials,
            links=Links(public_url(settings), token_keys, clock),
            uploads=Uploads(database, ids, clock),
            contents=Contents(database),
            messages=Messages(database),
            names=Names(settings.hostname.lower(), settings.return_path_host, public_url(settings)),
            default_transport=default_transport,
        )


async def _open_store(stack: AsyncExitStack, settings: Settings, clock: Clock, sealer: Sealer) -> Database:
    """Open the store, and refuse one that is half restored or sealed with another master key."""
    database = await open_database(settings.database, clock=clock)
    stack.push_async_callback(database.close)
    await database.read(refuse_unfinished)
    await database.write(lambda tx: check_master_key(tx, sealer, clock.now_ms()))
    return database


async def _token_ring(database: Database, sealer: Sealer, clock: Clock) -> TokenRing:
    first_key = secrets.token_bytes(32)
    return TokenRing(await database.write(lambda tx: first_token_key(tx, sealer, first_key, clock.now_ms())))


def _start_threads(stack: AsyncExitStack) -> tuple[Threads, Threads]:
    """Return those for slow work, and those that sign."""
    slow = Threads("slow", SLOW_THREADS, waiting=SLOW_WAITING)
    stack.callback(slow.close)
    signers = Threads("sign", os.cpu_count() or 1)
    stack.callback(signers.close)
    return slow, signers


def _open_network(stack: AsyncExitStack, settings: Settings, clock: Clock) -> tuple[Resolver, HttpClient]:
    resolver = Resolver(settings.resolver, clock=clock)
    stack.push_async_callback(resolver.close)
    http_client = HttpClient(resolver, allow_private=settings.allow_private)
    stack.push_async_callback(http_client.close)
    return resolver, http_client


def _open_credentials(
    stack: AsyncExitStack, database: Database, sealer: Sealer, clock: Clock, servers: AuthorizationServers
) -> Credentials:
    # Chance spreads accounts that were connected together; nothing secret hangs on it.
    credentials = Credentials(database, sealer, clock, servers, random.Random())  # noqa: S311
    stack.push_async_callback(credentials.close)
    return credentials


def _default_transport(settings: Settings) -> TransportSetting:
    try:
        return parse_transport(settings.transport)
    except WrongInput as error:
        raise SettingsError(f"POSTROOM_TRANSPORT: {error}") from error
