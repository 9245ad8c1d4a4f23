"""Spans and times in the words of a sentence."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


def rfc3339(epoch_ms: int) -> str:
    """Return a time in UTC with milliseconds, such as `2026-01-31T08:00:00.000Z` (RFC 3339 5.6)."""
    time = _EPOCH + timedelta(milliseconds=epoch_ms)
    return time.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
