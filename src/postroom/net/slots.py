"""How many requests run at a time, so that receivers which hang leave room for the others.

Endpoints whose last request failed or took long share one pool, the others
have their own. Nobody knows beforehand that a receiver will hang: a request
that lasts gives its place in the pool back and goes on without one.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Slots:
    """The places of one process."""

    def __init__(self, places: int, late_seconds: float) -> None:
        """`places` for each pool. A request that takes `late_seconds` gives its place back.

        At most three times as many go on without one, which bounds memory and sockets.
        """
        self._brisk = asyncio.Semaphore(places)
        self._slow = asyncio.Semaphore(places)
        self._late_seconds = late_seconds
        self._most_late = 3 * places
        self._late = 0

    @asynccontextmanager
    async def take(self, *, is_slow: bool) -> AsyncIterator[None]:
        """Wait for a place and hold it; `is_slow` tells which pool."""
        pool = self._slow if is_slow else self._brisk
        await pool.acquire()
        is_late = False

        def give_back() -> None:
            nonlocal is_late
            if self._late < self._most_late:
                is_late = True
                self._late += 1
                pool.release()

        timer = None if is_slow else asyncio.get_running_loop().call_later(self._late_seconds, give_back)
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()
            if is_late:
                self._late -= 1
            else:
                pool.release()
