"""When a deferred recipient is tried again, and when we give up. Pure.

RFC 5321 4.5.4.1.
"""

from dataclasses import dataclass
from datetime import timedelta

_SECOND_MS = 1000


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """Pauses between the tries of one recipient."""

    first_pause: timedelta = timedelta(minutes=5)
    longest_pause: timedelta = timedelta(hours=4)
    growth: float = 2.0
    give_up_after: timedelta = timedelta(days=5)
    """Counted from the first try."""
    delay_notice_after: timedelta = timedelta(hours=4)
    """A delayed DSN is due from then on, where the author asked for one."""


def next_attempt_ms(
    schedule: RetrySchedule, tries: int, first_tried_ms: int, now_ms: int, *, jitter: float = 0.0
) -> int | None:
    """Return when to try a deferred recipient again, or None to give up.

    `tries` counts attempts already made, at least 1. Pauses grow from
    `first_pause` to `longest_pause`; `jitter` of 0.0 to 1.0 lengthens a pause by
    up to a tenth, so that mail deferred together does not come back together.
    The last try is made just before `give_up_after`, not skipped.
    """
    # RFC 5321 4.5.4.1 asks for 30 minutes between tries and 4 to 5 days before giving up.
    # Our first pause is shorter: greylisting peers usually accept after five minutes.
    end_ms = first_tried_ms + round(schedule.give_up_after.total_seconds() * _SECOND_MS)
    if now_ms >= end_ms:
        return None
    first = schedule.first_pause.total_seconds()
    # The exponent is bounded: 2.0 ** 2000 would overflow after years of held retries.
    pause = min(first * schedule.growth ** min(tries - 1, 64), schedule.longest_pause.total_seconds())
    due = now_ms + round(pause * (1 + 0.1 * jitter) * _SECOND_MS)
    return min(due, end_ms)
