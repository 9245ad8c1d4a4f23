"""Times and numbers as people read them."""

from datetime import UTC, datetime

from markupsafe import Markup

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def when(at_ms: int | None, now_ms: int) -> Markup:
    """Return a `<time>` in words ("3 min ago", "in 2 h"), with UTC on hover; "never" for None."""
    if at_ms is None:
        return Markup("never")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso(at_ms), utc(at_ms), in_words(at_ms, now_ms))


def lasting(since_ms: int, now_ms: int) -> Markup:
    """Return for how long something has been so ("for 3 min"), with its beginning on hover; after 30 days the date."""
    words = in_words(since_ms, now_ms)
    if words.endswith(" ago"):
        words = f"for {words.removesuffix(' ago')}"
    else:
        words = f"since {words}" if words[0].isdecimal() else "for a moment"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso(since_ms), utc(since_ms), words)


def in_words(at_ms: int, now_ms: int) -> str:
    """Return how long ago, or how long until, a time is; beyond 30 days the date."""
    seconds = (now_ms - at_ms) / 1000
    length = abs(seconds)
    if length < 10:
        return "just now" if seconds >= 0 else "now"
    if length < _MINUTE:
        span = f"{length:.0f} s"
    elif length < _HOUR:
        span = f"{length // _MINUTE:.0f} min"
    elif length < 2 * _DAY:
        span = f"{length // _HOUR:.0f} h"
    elif length < 30 * _DAY:
        span = f"{length // _DAY:.0f} days"
    else:
        return _at(at_ms).strftime("%Y-%m-%d")
    return f"{span} ago" if seconds > 0 else f"in {span}"


def duration(ms: int) -> str:
    """Return how long something took: `120 ms`, `2.3 s`, `4 min 10 s`."""
    if ms < 1_000:
        return f"{ms} ms"
    if ms < _MINUTE * 1000:
        return f"{ms / 1000:.1f} s"
    return f"{ms // 60_000} min {ms % 60_000 // 1000} s"


def utc(at_ms: int) -> str:
    """Return a time in full."""
    return _at(at_ms).strftime("%Y-%m-%d %H:%M:%S UTC")


def iso(at_ms: int) -> str:
    """Return a time for programs."""
    return _at(at_ms).strftime("%Y-%m-%dT%H:%M:%SZ")


def number(value: int) -> str:
    """Return a number with commas between thousands."""
    return f"{value:,}"


def _at(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
