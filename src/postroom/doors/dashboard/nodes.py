"""`/nodes`: the processes that share the work, what each does, and how many accounts it watches."""

from collections.abc import Mapping
from dataclasses import dataclass

from litestar import Response, get

from postroom.doors.dashboard.account_views import STATE_LOOKS
from postroom.doors.dashboard.page import render
from postroom.doors.dashboard.services import PageRequest, services_of
from postroom.ledger.account_rows import AccountState
from postroom.ledger.rows import NodeRow
from postroom.store import account_list, nodes
from postroom.store.database import Conn


@dataclass(frozen=True, slots=True)
class NodeLine:
    """A node."""

    number: int
    roles: tuple[str, ...]
    seen_ms: int | None
    """None: it said goodbye."""
    is_live: bool
    is_this: bool
    accounts: int


@dataclass(frozen=True, slots=True)
class _Seen:
    rows: list[NodeRow]
    live: frozenset[int]
    by_node: Mapping[int, int]
    waiting: int
    states: Mapping[str, int]


@get("/nodes")
async def list_nodes(request: PageRequest) -> Response[bytes]:
    """Show the nodes, those that run first."""
    services = services_of(request)
    now = services.clock.now_ms()

    def read(conn: Conn) -> _Seen:
        return _Seen(
            nodes.all_nodes(conn),
            frozenset(row.number for row in nodes.live_nodes(conn, now)),
            account_list.count_by_node(conn),
            account_list.count_unwatched(conn),
            account_list.count_states(conn),
        )

    seen = await services.database.read(read)
    lines = [
        NodeLine(
            row.number,
            tuple(role for role in row.roles.split(",") if role),
            row.seen_ms or None,
            row.number in seen.live,
            row.number == services.ids.node,
            seen.by_node.get(row.number, 0),
        )
        for row in seen.rows
    ]
    lines.sort(key=lambda line: (not line.is_live, line.number))
    stranded = sum(line.accounts for line in lines if not line.is_live)
    return render(
        request,
        "nodes.html",
        title="Nodes",
        at="/nodes",
        lines=lines,
        most=max((line.accounts for line in lines), default=0),
        waiting=seen.waiting,
        stranded=stranded,
        watchers=sum(1 for line in lines if line.is_live and "watch" in line.roles),
        states=[(tone, label, seen.states.get(state, 0)) for state, (tone, label) in STATE_LOOKS.items()],
        watched=sum(seen.by_node.values()),
        per_node=services.facts.watch_accounts,
        has_accounts=any(count for state, count in seen.states.items() if state != AccountState.ARCHIVED),
    )


HANDLERS = (list_nodes,)
