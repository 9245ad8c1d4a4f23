"""`/w/NAME/accounts`: the mailboxes that are watched, how that goes, and the connections to their providers."""

from dataclasses import dataclass
from urllib.parse import urlencode

from litestar import Response, get

from postroom.accounts.providers import Kind, Provider, Providers, overrides_of
from postroom.base.clock import DAY_MS
from postroom.base.ids import parse_id, show_id
from postroom.doors.dashboard.account_views import STATE_LOOKS, line_view, title_of
from postroom.doors.dashboard.latency_views import LATENCY_MS, latency_view
from postroom.doors.dashboard.page import address_of, render, workspace_of
from postroom.doors.dashboard.services import PageRequest, services_of
from postroom.ledger.account_rows import AccountState
from postroom.ledger.rows import WorkspaceRow
from postroom.store import account_list, accounts, nodes, tracers
from postroom.store.account_list import AccountFilter, AccountLine
from postroom.store.accounts import ConnectionView
from postroom.store.database import Conn
from postroom.store.stage_times import StageTimes, stage_times

_PATH = "/w/{workspace:str}/accounts"
_PAGE = 50
_NEWEST = (1 << 63) - 1
_MOST_TEXT = 200
_ORDER = (
    AccountState.WATCHING,
    AccountState.POLLING,
    AccountState.CONNECTING,
    AccountState.AWAY,
    AccountState.REFUSED,
    AccountState.UNCONNECTED,
    AccountState.ARCHIVED,
)


@dataclass(frozen=True, slots=True)
class ConnectionLine:
    """A connection to a provider."""

    id: str
    title: str
    code: str
    client: str
    """OAuth client id, or that people give passwords."""
    server: str
    """What differs from the provider's own; empty: nothing."""
    accounts: int
    lacks: str
    """What is missing for people to connect; empty: nothing."""


@dataclass(frozen=True, slots=True)
class _Seen:
    lines: list[AccountLine]
    states: dict[str, int]
    connections: list[ConnectionView]
    times: list[StageTimes]
    watching: list[int]
    """Live nodes that watch accounts."""
    lost: int
    """Tracers of the last 24 hours that have not arrived."""


@get(_PATH)
async def list_accounts(request: PageRequest) -> Response[bytes]:
    """Show accounts by `state`, `provider` and `q`; `before` for the page behind an account."""
    workspace = await workspace_of(request)
    services, query = services_of(request), request.query_params
    providers = services.accounts.providers
    asked = _asked(request)
    before = parse_id("acc", query.get("before", ""))
    now = services.clock.now_ms()

    def read(conn: Conn) -> _Seen:
        return _Seen(
            account_list.account_lines(conn, workspace.id, asked, before or _NEWEST, _PAGE + 1),
            dict(account_list.count_states(conn, workspace.id)),
            accounts.connections_of(conn, workspace.id),
            stage_times(conn, workspace.id, now - LATENCY_MS),
            [row.number for row in nodes.live_nodes(conn, now) if "watch" in row.roles.split(",")],
            tracers.count_lost(conn, now - DAY_MS, workspace.id),
        )

    seen = await services.database.read(read)
    lines, here = seen.lines[:_PAGE], address_of(workspace, "accounts")
    told = {name: value for name, value in _told(asked).items() if value}
    last = show_id("acc", lines[-1].id) if lines else ""
    to_watch = sum(count for state, count in seen.states.items() if state not in _UNWATCHED)
    return render(
        request,
        "accounts.html",
        title="Accounts",
        at="accounts",
        lines=[line_view(line, providers, services.silent_seconds(line.id)) for line in lines],
        figures=_figures(workspace, seen.states),
        total=sum(seen.states.values()),
        asked=_told(asked),
        is_filtered=bool(told),
        states=[("", "Any state"), *((word, label) for word, (_, label) in STATE_LOOKS.items())],
        provider_choices=[("", "Any provider"), *_choices(seen.connections, providers)],
        connections=[connection_line(one, providers) for one in seen.connections],
        latency=latency_view(seen.times, providers),
        refused=seen.states.get(AccountState.REFUSED, 0),
        lost=seen.lost,
        nobody_watches=bool(to_watch) and not seen.watching,
        node=services.ids.node,
        curl=_curl(services.facts.http_url),
        older=f"{here}?{urlencode({**told, 'before': last})}" if len(seen.lines) > _PAGE else None,
        first=f"{here}?{urlencode(told)}" if before is not None else None,
    )


HANDLERS = (list_accounts,)

_UNWATCHED = (AccountState.UNCONNECTED, AccountState.ARCHIVED)


def connection_line(view: ConnectionView, providers: Providers) -> ConnectionLine:
    """Return a connection as the list shows it."""
    row = view.connection
    provider = providers.get(row.provider)
    is_oauth = provider is not None and provider.kind is Kind.OAUTH2
    said = overrides_of(row.server)
    server = ", ".join(
        f"{name}: {host}{f':{port}' if port else ''}"
        for name, host, port in (
            ("IMAP", said.imap_host, said.imap_port),
            ("SMTP", said.smtp_host, said.smtp_port),
        )
        if host or port
    )
    return ConnectionLine(
        show_id("con", row.id),
        title_of(row.provider, providers),
        row.provider,
        row.client_id if is_oauth else "people give a password",
        server,
        view.accounts,
        _lacks(provider, view),
    )


def _lacks(provider: Provider | None, view: ConnectionView) -> str:
    row = view.connection
    if provider is None:
        return "This provider is not known any more: put it back into the file of POSTROOM_IMAP_PROVIDERS."
    if provider.kind is Kind.OAUTH2 and (not row.client_id or row.client_secret is None):
        return "Nobody can connect an account yet: the client id and secret are missing."
    return ""


def _figures(workspace: WorkspaceRow, states: dict[str, int]) -> list[tuple[str, int, str, str]]:
    """Return label, number, address and tone of each state that people look at."""
    here = address_of(workspace, "accounts")
    found = []
    for state in _ORDER:
        tone, label = STATE_LOOKS[state]
        count = states.get(state, 0)
        if count or state in (AccountState.WATCHING, AccountState.AWAY, AccountState.REFUSED):
            shown = tone if count and tone in ("warn", "bad") else ""
            found.append((label[:1].upper() + label[1:], count, f"{here}?state={state.value}", shown))
    return found


def _choices(connections: list[ConnectionView], providers: Providers) -> list[tuple[str, str]]:
    codes = [one.connection.provider for one in connections]
    return [(code, title_of(code, providers)) for code in codes]


def _asked(request: PageRequest) -> AccountFilter:
    state, provider, text = (
        request.query_params.get(name, "").strip()[:_MOST_TEXT].replace("\x00", "")
        for name in ("state", "provider", "q")
    )
    return AccountFilter(state if state in STATE_LOOKS else "", provider, text)


def _told(asked: AccountFilter) -> dict[str, str]:
    return {"state": asked.state, "provider": asked.provider, "q": asked.text}


def _curl(http_url: str) -> str:
    return (
        f"curl {http_url}/api/v1/connections?api_key=$SUPERIMAP_KEY \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        '  -d \'{"imap_provider_code": "PLAIN"}\''
    )
