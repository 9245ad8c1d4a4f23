"""What the dashboard is given."""

from collections.abc import Callable
from dataclasses import dataclass, field

from litestar import Request
from litestar.datastructures import State
from litestar.types import HTTPScope

from postroom.access.authenticators import Authenticators
from postroom.access.keys import ApiKeys, SmtpLogins
from postroom.access.login import Logins
from postroom.access.operators import Operators
from postroom.access.partner_keys import PartnerKeys
from postroom.access.sessions import Sessions
from postroom.access.workspaces import Workspaces
from postroom.accounts.connect import Links
from postroom.accounts.partners import Partners
from postroom.accounts.registry import Accounts
from postroom.base.clock import Clock
from postroom.base.ids import IdSource
from postroom.base.secrets import Sealer
from postroom.base.threads import Threads
from postroom.base.tokens import TokenKeys
from postroom.domains.registry import Domains
from postroom.doors.dashboard.suppression_import import Results
from postroom.inbound.routes import Routes
from postroom.outbound.transport import TransportSetting
from postroom.outbound.watch import Watch
from postroom.store.database import Database
from postroom.webhooks.endpoints import Webhooks
from postroom.webhooks.partner_hooks import PartnerHooks

PageRequest = Request[None, None, State]
"""A request for a page; `session.visit_of` tells who asks."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the settings page tells of the installation, and what examples on pages name."""

    version: str
    engine: str
    """`SQLite` or `PostgreSQL`."""
    hostname: str
    public_url: str
    """Beginning of the public addresses, without a final slash."""
    http_url: str
    """How programs and operators reach this installation's own listener; without a final slash."""
    transport: str
    """The transport of the installation, without a password."""
    smtp: str
    """host:port of submission; empty where this process has none."""
    node: int
    inbound: str = ""
    """host:port of the door for mail from outside; empty where this process has none."""
    watch_accounts: int = 0
    """Most accounts that one node watches; 0: not known."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that the pages use."""

    database: Database
    ids: IdSource
    clock: Clock
    sealer: Sealer
    workspaces: Workspaces
    api_keys: ApiKeys
    smtp_logins: SmtpLogins
    domains: Domains
    webhooks: Webhooks
    routes: Routes
    accounts: Accounts
    partners: Partners
    partner_keys: PartnerKeys
    partner_hooks: PartnerHooks
    links: Links
    """The links by which people connect their accounts."""
    operators: Operators
    sessions: Sessions
    logins: Logins
    authenticators: Authenticators
    facts: Facts
    client_address: Callable[[HTTPScope], str]
    """Returns the network address of who asks, behind our own proxies."""
    slow: Threads
    """For what computes longer than a few milliseconds."""
    token_keys: Callable[[], TokenKeys]
    transport_of: Callable[[int], TransportSetting]
    """Returns the transport of a workspace."""
    watch: Watch
    """What this node delivers now."""
    silent_seconds: Callable[[int], float | None] = lambda account_id: None
    """Returns for how long an account's server has said nothing to this node; None: it is not watched here."""
    imports: Results = field(default_factory=Results)
    """What came of the last imports of suppressions."""


def services_of(request: PageRequest) -> Services:
    """Return what the application was made with."""
    services: Services = request.app.state["services"]
    return services
