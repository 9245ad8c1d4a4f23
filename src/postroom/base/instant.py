"""Instants as whole milliseconds, and the clock that code takes as an argument.

Apart from the clocks themselves (`base.clock`), which need an event loop: a command that an MTA starts
for every mail does without.
"""

import time
from typing import Protocol

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class Clock(Protocol):
    """Where the present comes from."""

    def now_ms(self) -> int:
        """Return the UTC time in milliseconds since the epoch; it may jump."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only grow, for measuring durations."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` have passed on this clock."""
        ...


def machine_now_ms() -> int:
    """Return the machine's own UTC time in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
