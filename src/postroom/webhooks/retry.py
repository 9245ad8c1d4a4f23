"""When an event is told again that a receiver did not take, and when it is given up."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from postroom.base.clock import DAY_MS, HOUR_MS

GIVE_UP_MS = 3 * DAY_MS
"""After so long without success an endpoint is paused, and an event is given up that others overtook."""
LONGEST_RETRY_AFTER_MS = HOUR_MS
"""A receiver may ask for a longer pause; nobody who mistypes a number shall wait for a year."""
FAILING = 3
"""Failures in a row after which an endpoint is asked by one request at a time, with pauses between them."""
_MINUTE_MS = 60_000
_PAUSES_MS = (
    5_000, 30_000, 2 * _MINUTE_MS, 10 * _MINUTE_MS, 30 * _MINUTE_MS, HOUR_MS, 2 * HOUR_MS, 4 * HOUR_MS, 8 * HOUR_MS,
)  # fmt: skip
_FIRST_QUIET_MS = 1_000
_LONGEST_QUIET_MS = _MINUTE_MS
_LONGEST_HEADER = 100


def pause_ms(tries: int, chance: float) -> int:
    """Return how long an event waits after its `tries`-th try, at least 1; `chance` from 0.0 to 1.0 spreads it."""
    pause = _PAUSES_MS[min(tries, len(_PAUSES_MS)) - 1]
    return round(pause * (0.8 + 0.4 * chance))


def quiet_ms(failures: int, chance: float) -> int:
    """Return how long an endpoint is left alone after so many failures in a row; 0: not at all.

    A minute at most: its recovery is seen soon, and then everything that waits is told.
    """
    if failures < FAILING:
        return 0
    doubled: int = _FIRST_QUIET_MS << min(failures - FAILING, 10)
    return round(min(doubled, _LONGEST_QUIET_MS) * (0.8 + 0.4 * chance))


def retry_after_ms(value: str, now_ms: int) -> int | None:
    """Return the pause that a Retry-After field asks for (RFC 9110 10.2.3), bounded; None where it says nothing."""
    text = value.strip()
    if not text or len(text) > _LONGEST_HEADER:
        return None
    if re.fullmatch(r"[0-9]{1,10}", text):
        return min(int(text) * 1000, LONGEST_RETRY_AFTER_MS)
    try:
        at = parsedate_to_datetime(text)
        if at.tzinfo is None:
            at = at.replace(tzinfo=UTC)
        wait = int(at.timestamp() * 1000) - now_ms
    except (ValueError, OverflowError, TypeError):
        return None
    return min(max(wait, 0), LONGEST_RETRY_AFTER_MS)


def in_words(ms: int) -> str:
    """Return a span such as `2 minutes`."""
    seconds = max(1, round(ms / 1000))
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size:
            amount = round(seconds / size)
            return f"{amount} {unit}{'' if amount == 1 else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def time_in_words(epoch_ms: int) -> str:
    """Return a time such as `2026-01-31 08:00 UTC`."""
    return f"{datetime.fromtimestamp(epoch_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
