"""What all lists share: a page size, a cursor, a span of time."""

from typing import Annotated

from msgspec import Meta

from postroom.base.ids import first_id_at, parse_id
from postroom.doors.http.operation import id_pattern
from postroom.doors.http.problems import FieldError, wrong_fields
from postroom.doors.http.words import NO_TIME, read_time

_MAX_ID = (1 << 63) - 1

Limit = Annotated[int, Meta(ge=1, le=500, description="Items a page.")]
TimeText = Annotated[
    str,
    Meta(description="RFC 3339 with offset.", extra_json_schema={"format": "date-time"}, extra={"is_time": True}),
]
MessageCursor = Annotated[str, Meta(pattern=id_pattern("msg"), description="`next` of the page before.")]
RecipientCursor = Annotated[str, Meta(pattern=id_pattern("rcp"), description="`next` of the page before.")]
EventCursor = Annotated[str, Meta(pattern=id_pattern("evt"), description="`next` of the page before.")]
SuppressionCursor = Annotated[str, Meta(pattern=id_pattern("sup"), description="`next` of the page before.")]
Offset = Annotated[str, Meta(pattern=r"^[0-9]{1,9}$", description="`next` of the page before.")]


def id_or_none(kind: str, text: str | None) -> int | None:
    """Return the row id of a checked public id."""
    return None if text is None else parse_id(kind, text)


def span_of_ids(since: str | None, until: str | None) -> tuple[int | None, int | None]:
    """Return the ids that a span of time (`from` inclusive, `to` exclusive) stands for. Raises Problem 422."""
    return _id_at(since, "from"), _id_at(until, "to")


def time_of(text: str | None, name: str) -> int | None:
    """Return a time parameter as epoch milliseconds. Raises Problem 422."""
    if text is None:
        return None
    at_ms = read_time(text)
    if at_ms is None:
        raise wrong_fields([FieldError(name, "invalid_time", NO_TIME)])
    return at_ms


def lower(*ids: int | None) -> int | None:
    """Return the lowest of the bounds that are given."""
    return min((one for one in ids if one is not None), default=None)


def _id_at(text: str | None, name: str) -> int | None:
    at_ms = time_of(text, name)
    return None if at_ms is None else min(first_id_at(at_ms), _MAX_ID)
