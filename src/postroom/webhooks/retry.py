"""When an event is told again that a receiver did not take, and when it is given up."""

from postroom.base.clock import DAY_MS, HOUR_MS

GIVE_UP_MS = 3 * DAY_MS
"""After so long without success an endpoint is paused, and an event is given up that others overtook."""
FAILING = 3
"""Failures in a row after which an endpoint is asked by one request at a time, with pauses between them."""
_MINUTE_MS = 60_000
_PAUSES_MS = (
    5_000, 30_000, 2 * _MINUTE_MS, 10 * _MINUTE_MS, 30 * _MINUTE_MS, HOUR_MS, 2 * HOUR_MS, 4 * HOUR_MS, 8 * HOUR_MS,
)  # fmt: skip
_FIRST_QUIET_MS = 1_000
_LONGEST_QUIET_MS = _MINUTE_MS


def pause_ms(tries: int, chance: float) -> int:
    """Return how long an event waits after its `tries`-th try, at least 1; `chance` from 0.0 to 1.0 spreads it."""
    pause = _PAUSES_MS[min(tries, len(_PAUSES_MS)) - 1]
    return round(pause * (0.8 + 0.4 * chance))


def superimap_pause_ms(tries: int) -> int:
    """Return how long an event in SuperIMAP's form waits after its `tries`-th try, at least 1: 6 s, 21 s, 86 s…"""
    return min((5 + tries**4) * 1_000, _PAUSES_MS[-1])


def quiet_ms(failures: int, chance: float) -> int:
    """Return how long an endpoint is left alone after so many failures in a row; 0: not at all.

    A minute at most: its recovery is seen soon, and then everything that waits is told.
    """
    if failures < FAILING:
        return 0
    doubled: int = _FIRST_QUIET_MS << min(failures - FAILING, 10)
    return round(min(doubled, _LONGEST_QUIET_MS) * (0.8 + 0.4 * chance))
