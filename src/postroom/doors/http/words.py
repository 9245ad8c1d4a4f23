"""How the API writes times, ids and reasons: RFC 3339 in UTC with milliseconds, public ids, plain words."""

import re
from datetime import UTC, datetime, timedelta

from postroom.base.ids import parse_id
from postroom.base.spans import rfc3339
from postroom.doors.http.problems import Problem, not_found
from postroom.ledger.outcomes import BOUNCED
from postroom.ledger.rows import RecipientRow
from postroom.ledger.states import RecipientState

show_time = rfc3339
"""How the API writes a time."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,12})?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)
_KINDS = {
    "msg": "message",
    "rcp": "recipient",
    "evt": "event",
    "whk": "webhook endpoint",
    "wha": "request",
    "inb": "mail that came in",
    "rte": "route",
}


def show_time_or_none(epoch_ms: int | None) -> str | None:
    """Return the time, or None where there is none."""
    return None if epoch_ms is None else show_time(epoch_ms)


NO_TIME = "write 2026-01-31T08:00:00Z, with Z or an offset"
"""What to do about a text that `read_time` cannot read."""


def read_time(text: str) -> int | None:
    """Return epoch milliseconds of a time with offset (RFC 3339 5.6), or None where it is none."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    offset = "+00:00" if match[3] in "Zz" else match[3]
    try:
        # Sixteen digits of a second are legal and say nothing; datetime takes six.
        time = datetime.fromisoformat(match[1].upper() + (match[2] or "")[:7] + offset)
        return (time - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        return None


def read_path_id(kind: str, text: str) -> int:
    """Return the row id in a path. Raises Problem 404 for what is no id of this kind."""
    row_id = parse_id(kind, text)
    if row_id is None:
        raise _no_such(kind)
    return row_id


def _no_such(kind: str) -> Problem:
    return not_found(_KINDS[kind])


def why(row: RecipientRow, now_ms: int) -> str:
    """Return why a recipient is where it is, in one sentence."""
    match row.state:
        case RecipientState.QUEUED:
            told = f"waits for its next try; before: {row.reason}" if row.tries else "waits for its first try"
        case RecipientState.DEFERRED:
            told = f"deferred by the peer: {row.reason}" if row.next_hop else f"deferred: {row.reason}"
        case RecipientState.SENDING:
            told = "is being tried now"
        case RecipientState.DELIVERED:
            told = f"accepted by {row.next_hop or 'the transport'}: {row.reason}"
        case RecipientState.FAILED if row.reason.startswith(BOUNCED):
            # It came back from behind the next hop, which had accepted the copy.
            told = row.reason
        case RecipientState.FAILED:
            told = f"refused by {row.next_hop}: {row.reason}" if row.next_hop else f"failed: {row.reason}"
        case RecipientState.IN_DOUBT:
            told = f"the process died between the end of DATA and the reply: {row.reason}"
        case RecipientState.SUPPRESSED:
            told = f"not tried: {row.reason}"
        case _:
            told = row.reason or row.state
    plan = next_try(row.state, row.due_ms, now_ms)
    return f"{told}; {plan}" if plan else told


def next_try(state: str, due_ms: int, now_ms: int) -> str:
    """Return when the next try comes, in words; empty where none is planned."""
    match state:
        case RecipientState.QUEUED | RecipientState.DEFERRED:
            if due_ms <= now_ms:
                return "next try as soon as its site has room"
            return f"next try {_in_words(due_ms - now_ms)} ({_clock(due_ms, now_ms)})"
        case RecipientState.HELD:
            return "no try until it is released"
        case RecipientState.IN_DOUBT:
            return "no try until somebody asks for it: it may have arrived"
    return ""


def _in_words(ms: int) -> str:
    seconds = -(-ms // 1000)
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size:
            amount = round(seconds / size)
            return f"in {amount} {unit}{'' if amount == 1 else 's'}"
    return f"in {seconds} second{'' if seconds == 1 else 's'}"


def _clock(at_ms: int, now_ms: int) -> str:
    time = _EPOCH + timedelta(milliseconds=at_ms)
    same_day = at_ms // 86_400_000 == now_ms // 86_400_000
    return f"{time:%H:%M:%S} UTC" if same_day else f"{time:%Y-%m-%d %H:%M:%S} UTC"
