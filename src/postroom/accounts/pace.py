"""How fast and how often servers are asked: a bucket for each host, pauses that grow, hands for what was found."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from postroom.base.clock import Clock
from postroom.net.slots import Slots

SURVIVED_SECONDS = 300.0
"""A connection that lived so long was a good one: a server that takes logins and then drops them gets no storm."""

_AWAY_SECONDS = (1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 20.0, 40.0, 80.0, 160.0)
"""Longest pauses after so many failures: ten seconds within the first minute or so, for servers that only restart."""
_LONGEST_AWAY_SECONDS = 300.0
_REFUSED_SECONDS = (60.0, 120.0, 240.0, 480.0, 600.0, 600.0, 600.0, 600.0)
_REVOKED_SECONDS = (600.0,) * 5
_SLOWER_SECONDS = (1_800.0, 3_600.0, 7_200.0)
"""After the first hour in which a server has refused."""
_LONGEST_REFUSED_SECONDS = 14_400.0
_THROTTLED_SECONDS = 60.0

_PLACES = 64
_LATE_SECONDS = 1.0
_MOST_HOSTS = 1_000


class Buckets:
    """Connections to one host follow one another at a steady pace, whoever opens them."""

    def __init__(self, clock: Clock, per_second: float) -> None:
        self._clock = clock
        self._apart = 1 / per_second
        self._next: dict[str, float] = {}

    async def take(self, host: str) -> None:
        """Return when a connection to `host` may be opened."""
        now = self._clock.monotonic()
        at = max(now, self._next.get(host, now))
        self._next[host] = at + self._apart
        if len(self._next) > _MOST_HOSTS:
            self._next = {name: when for name, when in self._next.items() if when > now}
        if at > now:
            await self._clock.sleep(at - now)


def away_seconds(failures: int, chance: float) -> float:
    """Return how long to wait after `failures` tries in a row that found no server, at least 1. Full jitter."""
    longest = _AWAY_SECONDS[failures - 1] if failures <= len(_AWAY_SECONDS) else _LONGEST_AWAY_SECONDS
    return longest * chance


def refused_seconds(refusals: int, chance: float, *, revoked: bool) -> float:
    """Return how long to wait after `refusals` logins in a row that were refused, at least 1.

    At most 12 tries in the first hour, then fewer; where the provider has
    withdrawn the authorization (`revoked`) at most one in ten minutes. Servers
    lock accounts that are tried too often, so chance only lengthens a pause.
    """
    first = _REVOKED_SECONDS if revoked else _REFUSED_SECONDS
    pauses = (*first, *_SLOWER_SECONDS)
    pause = pauses[refusals - 1] if refusals <= len(pauses) else _LONGEST_REFUSED_SECONDS
    return pause * (1 + 0.2 * chance)


def throttled_seconds(wait_ms: int | None, chance: float) -> float:
    """Return how long to wait for a server that asks to: its own time and up to a twentieth more."""
    return (_THROTTLED_SECONDS if wait_ms is None else wait_ms / 1000) * (1 + 0.05 * chance)


class Hands:
    """How much a process has in hand at once, fair between accounts: they take turns by batch.

    A batch has a place from its fetching to its commit, so that memory is bounded; one that a slow
    server lets wait gives its place back after a second. Reading what was fetched has `workers` places.
    """

    def __init__(self, workers: int) -> None:
        self._places = Slots(_PLACES, _LATE_SECONDS)
        self._reading = asyncio.Semaphore(workers)
        self.mails = 0
        """How many mails are being fetched, read and written."""

    @asynccontextmanager
    async def hold(self, mails: int) -> AsyncIterator[None]:
        """Wait for a place for a batch, and hold it."""
        async with self._places.take(is_slow=False):
            self.mails += mails
            try:
                yield
            finally:
                self.mails -= mails

    @asynccontextmanager
    async def read(self) -> AsyncIterator[None]:
        """Wait for a place to read a batch, and hold it."""
        async with self._reading:
            yield


Chance = Callable[[], float]
"""0.0 to 1.0."""
