"""Room for large request bodies: only so much of the disk is theirs at a time.

Bodies above 256 kB lie in files (`body`) and share a budget; who finds none
waits a while before his body is read (TCP holds it back), then is told to come
again.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from postroom.doors.http.problems import busy

LARGE_BYTES = 256 * 1024
"""A body above this goes to a file: some hundred that come together must not be in memory."""
_BUDGET_BYTES = 1 << 30
_WAIT_SECONDS = 30.0
_MOST_WAITING = 32


class LargeBodies:
    """The budget of one process, given out in the order of asking."""

    def __init__(self, budget_bytes: int = _BUDGET_BYTES, wait_seconds: float = _WAIT_SECONDS) -> None:
        self._free = budget_bytes
        self._wait_seconds = wait_seconds
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def room(self, size_bytes: int) -> AsyncIterator[None]:
        """Hold room for a body of `size_bytes`. Raises Problem 503 where there is none in time."""
        if size_bytes <= LARGE_BYTES:
            yield
            return
        await self._take(size_bytes)
        try:
            yield
        finally:
            self._free += size_bytes
            self._hand_out()

    async def _take(self, size_bytes: int) -> None:
        if len(self._waiting) >= _MOST_WAITING:
            raise busy("Too many large requests are waiting. Repeat this one later.")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size_bytes, future))
        self._hand_out()
        try:
            async with asyncio.timeout(self._wait_seconds):
                await asyncio.shield(future)
        except TimeoutError:
            self._give_up(size_bytes, future)
            raise busy("Too many large requests are being read. Repeat this one later.") from None
        except asyncio.CancelledError:
            self._give_up(size_bytes, future)
            raise

    def _give_up(self, size_bytes: int, future: asyncio.Future[None]) -> None:
        if future.done():
            self._free += size_bytes
        else:
            self._waiting.remove((size_bytes, future))
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            size_bytes, future = self._waiting.popleft()
            self._free -= size_bytes
            future.set_result(None)
