"""Date fields: read any, write ours (RFC 5322 3.3)."""

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache


def parse_date(value: str) -> datetime | None:
    """Return the time of a Date field's body, aware, or None where it is none. Any text is allowed."""
    try:
        date = parsedate_to_datetime(value.strip()[:200])
        # `-0000` says that the zone is unknown: taken as UTC.
        return date if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def date_text(epoch_ms: int) -> str:
    """Return a time as a Date field's body in UTC; parts of a second are cut off."""
    return _second_text(epoch_ms // 1000)


# All mails of a second share it, and writing it takes 20 us.
@lru_cache(maxsize=256)
def _second_text(epoch_seconds: int) -> str:
    return format_datetime(datetime.fromtimestamp(epoch_seconds, UTC))


def date_field(epoch_ms: int) -> bytes:
    """Return the whole Date field."""
    return f"Date: {date_text(epoch_ms)}\r\n".encode("ascii")
