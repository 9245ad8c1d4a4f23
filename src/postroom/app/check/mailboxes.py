"""A look at watched mailboxes: does somebody watch them, and can they log in."""

from collections.abc import Iterator

from postroom.app.check.findings import Finding, ok, warn
from postroom.app.services import Services
from postroom.base.clock import DAY_MS
from postroom.ledger.account_rows import AccountState
from postroom.ledger.rows import NodeRow
from postroom.store import nodes
from postroom.store.account_list import count_states, count_unwatched
from postroom.store.database import Conn
from postroom.store.tracers import count_lost

_UNWATCHED_STATES = (AccountState.UNCONNECTED, AccountState.ARCHIVED)


async def check_mailboxes(services: Services) -> list[Finding]:
    """Return what is to be said of accounts; nothing where there is none. Raises TryLater."""
    now = services.clock.now_ms()

    def look(conn: Conn) -> tuple[dict[str, int], int, int, list[NodeRow]]:
        live = nodes.live_nodes(conn, now)
        return dict(count_states(conn)), count_unwatched(conn), count_lost(conn, now - DAY_MS), live

    states, unwatched, lost, live = await services.database.read(look)
    watchers = sum("watch" in row.roles.split(",") for row in live)
    return list(judge(states, unwatched, lost, watchers))


def judge(states: dict[str, int], unwatched: int, lost: int, watchers: int) -> Iterator[Finding]:
    """Say what is wrong, from accounts by state, those without a node, lost tracers and nodes that watch."""
    watched = sum(count for state, count in states.items() if state not in _UNWATCHED_STATES)
    if not watched:
        return
    if not watchers and unwatched:
        remedy = "start a node whose POSTROOM_ROLES have `watch`: what arrives meanwhile is found then"
        yield warn("mailboxes", f"{watched:,} accounts are to be watched, and no node has the role `watch`", remedy)
    elif unwatched:
        remedy = "raise POSTROOM_WATCH_ACCOUNTS, or start another node with the role `watch`"
        yield warn("mailboxes", f"{unwatched:,} accounts have no node that watches them", remedy)
    else:
        yield ok("mailboxes", f"{watched:,} accounts are watched")
    if refused := states.get(AccountState.REFUSED, 0):
        remedy = "have their people connect them again: the page Accounts has the links"
        yield warn("mailboxes", f"{refused:,} accounts cannot log in", remedy)
    if lost:
        remedy = "the page Tracers says to which accounts they went"
        yield warn("mailboxes", f"{lost:,} tracers of the last 24 hours are lost", remedy)
