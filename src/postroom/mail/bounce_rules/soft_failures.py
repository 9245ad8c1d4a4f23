"""When failures that may pass have lasted so long that the address gets no more mail.

A suspended mailbox of today may take mail tomorrow. One that failed on many
days over weeks, and took nothing between, is left. What is about the sender,
the content, the way or the pace never counts, however often; nor does a full
mailbox, which is somebody's.
"""

from collections.abc import Sequence

from postroom.mail.reasons import Reason

FEWEST_DAYS = 5
"""Different days with a failure. Fewer may be one bad week of a provider."""

SHORTEST_SPAN_DAYS = 14
"""Between the first of these days and the last: longer than a holiday."""

LONGEST_GAP_DAYS = 90
"""Between two of these days. After a longer pause nobody knows what was between, and the count begins anew."""

COUNTED = frozenset(
    {Reason.NO_SUCH_USER, Reason.NO_SUCH_DOMAIN, Reason.ACCEPTS_NO_MAIL, Reason.FILTERED, Reason.SUSPENDED}
)
"""Reasons that speak of the mailbox. Those that are hard elsewhere count here where a text made them soft."""


def has_lasted(failures: Sequence[tuple[int, Reason]], last_taken_day: int | None = None) -> bool:
    """Tell whether soft failures of an address have lasted so long that it is suppressed.

    `failures` are days since the epoch with the reason of each, in any order;
    a day may stand there more than once. `last_taken_day` is the last day on
    which a next hop took mail for it and no bounce came back: what was before
    and on that day is forgotten.
    """
    counted = {day for day, reason in failures if reason in COUNTED}
    days = sorted(day for day in counted if last_taken_day is None or day > last_taken_day)
    run: list[int] = []
    for day in days:
        if run and day - run[-1] > LONGEST_GAP_DAYS:
            run = []
        run.append(day)
    return len(run) >= FEWEST_DAYS and run[-1] - run[0] >= SHORTEST_SPAN_DAYS
