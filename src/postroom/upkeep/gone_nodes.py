"""Nodes that are gone: their journals cannot be read, so what they were sending is in doubt.

A node counts as gone when it has not been seen for 15 minutes, by the
database's clock, and for each recipient only when its lease has ended for so
long too that nobody can have renewed it since: a node that stopped in order
leaves at once, and its next start still reads its journals. Any live node may
do this, several at once do no harm. A node that comes back later settles what
is left by its journals; what was put in doubt meanwhile is not its own any more.
"""

from postroom.base.clock import Clock
from postroom.outbound.flights import LEASE_MS
from postroom.outbound.recover import Recovery
from postroom.store import nodes, queue
from postroom.store.database import Conn, Database

GONE_AFTER_MS = 900_000


def gone_nodes(conn: Conn, now_ms: int) -> tuple[set[int], int]:
    """Return the nodes that are gone and still hold recipients, and before which time their leases have ended."""
    now = nodes.database_now_ms(conn, now_ms)
    leased_before_ms = now - GONE_AFTER_MS + LEASE_MS
    alive = {row.number for row in nodes.all_nodes(conn) if row.seen_ms > now - GONE_AFTER_MS}
    return queue.nodes_with_old_leases(conn, leased_before_ms) - alive, leased_before_ms


class GoneNodes:
    """Puts in doubt what nodes that are gone were sending."""

    def __init__(self, database: Database, recovery: Recovery, clock: Clock, own_number: int | None) -> None:
        """`own_number`: of this node where it delivers and so sees to its own; else None."""
        self._database = database
        self._recovery = recovery
        self._clock = clock
        self._own_number = own_number

    async def settle(self) -> int:
        """Settle by the workspaces' policies for recipients in doubt; return how many. Raises TryLater."""
        now = self._clock.now_ms()
        gone, leased_before_ms = await self._database.read(lambda conn: gone_nodes(conn, now))
        total = 0
        for number in sorted(gone - {self._own_number}):
            total += await self._recovery.recover(number, None, leased_before_ms=leased_before_ms)
        return total
