"""What the webhook endpoints of the API take and answer."""

from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from postroom.base.ids import show_id
from postroom.doors.http.lists import EventCursor, Limit
from postroom.doors.http.operation import id_pattern
from postroom.doors.http.views import Time
from postroom.doors.http.words import show_time, show_time_or_none
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.states import Stream
from postroom.ledger.webhook_rows import WebhookAttemptRow
from postroom.store.webhooks import MOST_COUNTED, AttemptLine, EndpointHealth
from postroom.webhooks.endpoints import MOST_BATCH, OVERLAP_HOURS

_LONGEST_OVERLAP_HOURS = 168

# What it says in the document; the door tells in words what is wrong with an address.
_URL_FORM = (
    r"^https?://[a-z0-9_](?:[a-z0-9_.-]{0,60}[a-z0-9_])?(?::[1-9][0-9]{0,3})?"
    r"(?:[/?][A-Za-z0-9._~/?=&+,:;!$'()*-]{0,1000})?$"
)
Url = Annotated[str, Meta(description="http or https, without user name.", extra_json_schema={"pattern": _URL_FORM})]
Description = Annotated[str, Meta(max_length=500)]
Kinds = Annotated[list[EventKind], Meta(max_length=100, description="Empty: every kind.")]
Batch = Annotated[int, Meta(ge=1, le=MOST_BATCH, description='Above 1 a request says `{"events": […]}`.')]
AttemptId = Annotated[str, Meta(pattern=id_pattern("wha"))]

_decode_ids = msgspec.json.Decoder(list[int]).decode
_decode_header = msgspec.json.Decoder(dict[str, str]).decode


class WebhookOut(Struct, frozen=True):
    """An endpoint and how it fares."""

    id: str
    url: str
    description: str
    kinds: list[str]
    """Empty: every kind."""
    stream: str | None
    """Null: both."""
    batch: int
    form: str
    """`standard`, or `superimap`: what requests look like."""
    state: str
    """`active`, `paused` or `disabled`."""
    why: str
    """Why it is paused or disabled."""
    state_since: Time
    waiting: int
    """Events that it is still to be told, counted up to `waiting_limit`."""
    waiting_limit: int
    oldest_waiting_at: Time | None
    failing_since: Time | None
    """The first failure since the last success."""
    last_success_at: Time | None
    last_failure_at: Time | None
    last_error: str
    old_secret_until: Time | None
    """Until when requests are signed with the secret before too."""
    created_at: Time


class WebhookCreated(Struct, frozen=True):
    """A new endpoint with its secret, which is not shown again."""

    endpoint: WebhookOut
    secret: str


class WebhookPage(Struct, frozen=True):
    """The endpoints of the workspace, oldest first."""

    items: list[WebhookOut]
    next: str | None


class WebhookIn(Struct, frozen=True, forbid_unknown_fields=True):
    """Where events shall be told, and which."""

    url: Url
    description: Description = ""
    kinds: Kinds = []
    stream: Stream | None = None
    batch: Batch = 1


class WebhookPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """What shall change; what is not named stays."""

    url: Url | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    kinds: Kinds | UnsetType = UNSET
    stream: Stream | UnsetType | None = UNSET
    batch: Batch | UnsetType = UNSET


class RotateIn(Struct, frozen=True, forbid_unknown_fields=True):
    """How long the old secret goes on signing beside the new one."""

    overlap_hours: Annotated[int, Meta(ge=0, le=_LONGEST_OVERLAP_HOURS)] = OVERLAP_HOURS


class RotateOut(Struct, frozen=True):
    """The new secret, which is not shown again."""

    secret: str
    old_secret_until: Time | None


class AttemptOut(Struct, frozen=True):
    """One request to an endpoint."""

    id: str
    endpoint: str
    at: Time
    duration_ms: int
    succeeded: bool
    status: int | None
    """Null: there was no HTTP answer."""
    why: str
    """What went wrong and what comes next; empty after a success."""
    test: bool
    request_id: str
    """Value of webhook-id."""
    event_count: int


class AttemptPage(Struct, frozen=True):
    """Requests, newest first."""

    items: list[AttemptOut]
    next: str | None


class SentRequest(Struct, frozen=True):
    """What was sent."""

    header: dict[str, str]
    body: str | None
    """Null: one of its events is purged or erased meanwhile."""


class ReceivedAnswer(Struct, frozen=True):
    """What came back."""

    header: dict[str, str]
    body: str
    """Its beginning."""


class AttemptWhole(Struct, frozen=True):
    """One request whole."""

    attempt: AttemptOut
    events: list[str]
    request: SentRequest
    answer: ReceivedAnswer


class AttemptsQuery(Struct, frozen=True):
    """Which requests."""

    failed: Annotated[bool, Meta(description="Only those that failed.")] = False
    cursor: Annotated[AttemptId, Meta(description="`next` of the page before.")] | None = None
    limit: Limit = 100


class ReplayIn(Struct, frozen=True, forbid_unknown_fields=True):
    """What shall be told again: the events of a request, these events, or what was recorded in a span of time."""

    schema_extra: ClassVar[dict[str, Any]] = {
        "oneOf": [{"required": ["attempt"]}, {"required": ["events"]}, {"required": ["since"]}],
        "dependentRequired": {name: ["since"] for name in ("until", "kinds", "after")},
    }

    attempt: AttemptId | UnsetType = UNSET
    events: Annotated[list[Annotated[str, Meta(pattern=id_pattern("evt"))]], Meta(max_length=1000)] | UnsetType = UNSET
    since: Annotated[str, Meta(extra_json_schema={"format": "date-time"})] | UnsetType = UNSET
    until: Annotated[str, Meta(extra_json_schema={"format": "date-time"})] | UnsetType = UNSET
    kinds: Kinds | UnsetType = UNSET
    after: EventCursor | UnsetType = UNSET


class ReplayOut(Struct, frozen=True):
    """What will be told again."""

    events: int
    next: str | None
    """There may be more: ask again with this as `after`."""


def endpoint_view(health: EndpointHealth, now_ms: int) -> WebhookOut:
    """Return an endpoint as the API shows it."""
    row, progress = health.endpoint, health.progress
    overlaps = (row.old_secret_until_ms or 0) > now_ms
    return WebhookOut(
        id=show_id("whk", row.id),
        url=row.url,
        description=row.description,
        kinds=msgspec.json.decode(row.kinds, type=list[str]),
        stream=row.stream or None,
        batch=row.batch,
        form=row.form,
        state=row.state,
        why=row.why,
        state_since=show_time(row.state_ms),
        waiting=min(health.waiting, MOST_COUNTED),
        waiting_limit=MOST_COUNTED,
        oldest_waiting_at=show_time_or_none(health.oldest_waiting_ms),
        failing_since=show_time_or_none(progress.failing_since_ms),
        last_success_at=show_time_or_none(progress.last_success_ms),
        last_failure_at=show_time_or_none(progress.last_failure_ms),
        last_error=progress.last_error,
        old_secret_until=show_time_or_none(row.old_secret_until_ms if overlaps else None),
        created_at=show_time(row.created_ms),
    )


def attempt_view(line: AttemptLine | WebhookAttemptRow) -> AttemptOut:
    """Return a request as lists show it."""
    return AttemptOut(
        id=show_id("wha", line.id),
        endpoint=show_id("whk", line.endpoint_id),
        at=show_time(line.at_ms),
        duration_ms=line.duration_ms,
        succeeded=bool(line.succeeded),
        status=line.status,
        why=line.why,
        test=bool(line.is_test),
        request_id=line.request_id,
        event_count=line.event_count,
    )


def attempt_whole(row: WebhookAttemptRow, body: str | None) -> AttemptWhole:
    """Return a request whole; `body` is what was sent, where it can still be made."""
    return AttemptWhole(
        attempt=attempt_view(row),
        events=[show_id("evt", event_id) for event_id in _decode_ids(row.events)],
        request=SentRequest(_decode_header(row.request_header), body),
        answer=ReceivedAnswer(_decode_header(row.response_header), row.response_body),
    )
