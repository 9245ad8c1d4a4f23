"""What this node has claimed and not settled: each try that is in flight, and the leases of all of them.

The leases say to other nodes that somebody is at it. A recipient may also be
claimed without being here: a COMMIT whose answer never came. Two looks in a
row tell such a stray from one that is just beginning or ending.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from postroom.base.clock import Clock
from postroom.ledger.claimed import Claimed
from postroom.ledger.rows import MessageRow
from postroom.ledger.states import Stream
from postroom.store import queue
from postroom.store.database import Database

_log = structlog.get_logger(__name__)

LEASE_MS = 300_000

Key = tuple[int, int]
"""Recipient id and epoch of the claim."""


@dataclass(slots=True)
class Flight:
    """One claimed recipient until it is settled."""

    claimed: Claimed
    message: MessageRow
    site: str
    """Whose slot it holds; its hop may have moved to another since."""
    stream: Stream
    ended: bool = False
    """Its try has; the outcome may still have to be written."""


class Flights:
    """The claimed recipients of one node."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        node: Callable[[], int],
        give_back: Callable[[Sequence[int]], Awaitable[int]],
    ) -> None:
        """`node` answers this node's number; `give_back` is as for `worker.Worker`."""
        self._database = database
        self._clock = clock
        self._node = node
        self._give_back = give_back
        self._flights: dict[Key, Flight] = {}
        self._beginning: set[Key] = set()
        self._strays: set[Key] = set()
        self._none_left = asyncio.Event()
        self._none_left.set()

    def __len__(self) -> int:
        return len(self._flights)

    def about_to_begin(self, claimed: Collection[Claimed]) -> None:
        """Learn what was just claimed; it is no stray until the next call."""
        self._beginning = {(one.id, one.epoch) for one in claimed}

    def begin(self, flight: Flight) -> Key:
        """Learn that a try begins."""
        key = (flight.claimed.id, flight.claimed.epoch)
        self._flights[key] = flight
        self._none_left.clear()
        return key

    def end(self, key: Key) -> Flight | None:
        """Return the flight whose try has just ended, or None where it had ended before."""
        flight = self._flights.get(key)
        if flight is None or flight.ended:
            return None
        flight.ended = True
        return flight

    def settled(self, key: Key) -> bool:
        """Forget a flight; tell whether it was there."""
        was_there = self._flights.pop(key, None) is not None
        if not self._flights:
            self._none_left.set()
        return was_there

    async def wait_for_the_last(self) -> None:
        """Return when nothing is in flight."""
        await self._none_left.wait()

    async def renew(self) -> tuple[Sequence[Key], int]:
        """Lengthen all leases; return those of ours that hold, and until when. Raises TryLater."""
        lease_ms = self._clock.now_ms() + LEASE_MS
        recipients = [recipient_id for recipient_id, _ in self._flights]
        if not recipients:
            return (), lease_ms
        renew = partial(queue.renew, recipient_ids=recipients, node=self._node(), lease_ms=lease_ms)
        return await self._database.write(renew), lease_ms

    async def find_strays(self) -> None:
        """Give back what two looks in a row find claimed by this node and nobody is trying. Raises TryLater."""
        claimed = await self._database.read(lambda conn: queue.sending_keys(conn, self._node()))
        strays = claimed - self._flights.keys() - self._beginning
        again, self._strays = strays & self._strays, strays
        if again:
            count = await self._give_back(sorted(recipient_id for recipient_id, _ in again))
            _log.warning("gave back claimed recipients that nobody was trying", recipients=count)
