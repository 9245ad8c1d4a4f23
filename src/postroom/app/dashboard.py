"""Wiring of the dashboard, and of its place beside the API."""

from collections.abc import Callable

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from postroom import __version__
from postroom.app.names import dashboard_url, public_url
from postroom.app.services import Services
from postroom.app.superimap import make_hooks
from postroom.doors.dashboard.app import create_dashboard
from postroom.doors.dashboard.services import Facts
from postroom.doors.dashboard.services import Services as DashboardServices
from postroom.doors.http.tracked import client_address
from postroom.doors.superimap.api import is_of_superimap
from postroom.outbound.watch import Watch
from postroom.tracking.hosts import INSTALLATION, Hosts

_OF_THE_API = ("/api", "/health", "/metrics")


def make_dashboard(services: Services, watch: Watch, silent_seconds: Callable[[int], float | None]) -> ASGIApp:
    """Return the dashboard of this process. `silent_seconds`: of `accounts.supervisor.Supervisor`."""
    settings = services.settings
    submission = settings.submission or settings.submissions
    # A transport may carry a password: only what stands behind it is for pages.
    way, _, host = settings.transport.rpartition("@") if "@" in settings.transport else ("", "", settings.transport)
    return create_dashboard(
        DashboardServices(
            database=services.database,
            ids=services.ids,
            clock=services.clock,
            sealer=services.sealer,
            workspaces=services.workspaces,
            api_keys=services.api_keys,
            smtp_logins=services.logins,
            domains=services.domains,
            webhooks=services.webhooks,
            routes=services.routes,
            accounts=services.accounts,
            partners=services.partners,
            partner_keys=services.partner_keys,
            partner_hooks=make_hooks(services),
            links=services.links,
            operators=services.operators,
            sessions=services.sessions,
            logins=services.operator_logins,
            authenticators=services.authenticators,
            facts=Facts(
                version=__version__,
                engine="SQLite" if settings.database.startswith("sqlite") else "PostgreSQL",
                hostname=settings.hostname,
                public_url=public_url(settings),
                http_url=dashboard_url(settings) or public_url(settings),
                transport=f"{way.partition('://')[0]}://{host}" if way else host,
                smtp=str(submission) if submission else "",
                node=services.ids.node,
                inbound=str(settings.inbound or ""),
                watch_accounts=settings.watch_accounts,
            ),
            client_address=client_address_of(services),
            slow=services.slow,
            token_keys=services.token_keys,
            transport_of=services.transport_of,
            watch=watch,
            silent_seconds=silent_seconds,
        )
    )


def beside(api: ASGIApp, superimap: ASGIApp, dashboard: ASGIApp, hosts: Hosts) -> ASGIApp:
    """Return an application that gives the API and SuperIMAP's their paths and the dashboard all others.

    A workspace's own tracking host answers for its mail only: no dashboard stands there.
    """

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await api(scope, receive, send)
            return
        if is_of_superimap(scope["path"]):
            await superimap(scope, receive, send)
            return
        if _is_of_the_api(scope["path"]):
            await api(scope, receive, send)
            return
        host = next((value for name, value in scope["headers"] if name == b"host"), b"")
        if hosts.workspace_of(host) in (None, INSTALLATION):
            await dashboard(scope, receive, send)
        else:
            await api(scope, receive, send)

    return choose


def _is_of_the_api(path: str) -> bool:
    return any(path == one or path.startswith(one + "/") for one in _OF_THE_API)


def client_address_of(services: Services) -> Callable[[HTTPScope], str]:
    """Return what tells whom a request comes from, behind the proxies that are believed."""
    trusted = services.settings.trusted_proxies

    def address_of(scope: HTTPScope) -> str:
        client = scope["client"]
        address = client[0] if client else ""
        forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        return client_address(address, forwarded, trusted) if trusted and forwarded else address

    return address_of
