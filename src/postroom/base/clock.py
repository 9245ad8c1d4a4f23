"""Time as an argument.

Code that needs the time takes a `Clock`. Stored times are whole milliseconds
since the Unix epoch in UTC and carry `_ms` in their name.
"""

import asyncio
import time

from postroom.base.instant import DAY_MS, HOUR_MS, Clock, machine_now_ms

__all__ = ["DAY_MS", "HOUR_MS", "Clock", "ManualClock", "SystemClock", "set_or_after"]


class SystemClock:
    """The machine's own time."""

    def now_ms(self) -> int:
        return machine_now_ms()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock that only a test moves.

    `sleep` returns once `advance` has moved the clock past its end.
    """

    def __init__(self, now_ms: int = 1_767_225_600_000) -> None:
        self._now_ms = now_ms
        self._sleepers: list[tuple[int, asyncio.Future[None]]] = []

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return self._now_ms / 1000

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now_ms + round(seconds * 1000), future))
        await future

    def advance(self, *, ms: int = 0, seconds: float = 0, hours: float = 0, days: float = 0) -> None:
        """Move the clock on and wake the sleepers whose time has come."""
        self._now_ms += ms + round(seconds * 1000 + hours * HOUR_MS + days * DAY_MS)
        due = [future for at, future in self._sleepers if at <= self._now_ms]
        self._sleepers = [(at, future) for at, future in self._sleepers if at > self._now_ms]
        for future in due:
            if not future.done():
                future.set_result(None)


async def set_or_after(event: asyncio.Event, clock: Clock, seconds: float) -> None:
    """Return when `event` is set, or when `seconds` have passed."""
    waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(clock.sleep(seconds))]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
