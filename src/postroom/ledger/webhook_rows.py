"""The rows of webhooks: endpoints, how far each is, what it is still to be told, and the log of requests.

In the form of `ledger.rows`.
"""

from enum import StrEnum
from typing import NamedTuple


class EndpointState(StrEnum):
    """What becomes of the events that an endpoint asks for."""

    ACTIVE = "active"
    """They are written to its outbox and told."""
    PAUSED = "paused"
    """They are written to its outbox and wait there until somebody resumes it."""
    DISABLED = "disabled"
    """They are not kept for it: the receiver answered 410, or it was paused for too long."""


class EndpointForm(StrEnum):
    """What requests look like."""

    STANDARD = "standard"
    """Our own JSON; tried for days."""
    SUPERIMAP = "superimap"
    """SuperIMAP's JSON with its signature inside; each event is tried `partner.retries` times."""


class WebhookEndpointRow(NamedTuple):
    """An address that a workspace's events are told to. It changes only when somebody or something changes it."""

    id: int
    workspace_id: int
    url: str
    description: str
    kinds: str
    """JSON list of the event kinds that are told; empty means all of them."""
    stream: str
    """Only events of this stream's mail; empty means both."""
    batch: int
    """Most events of one request; 1: each event is the body itself."""
    state: str
    """A word of EndpointState."""
    why: str
    """Why it is paused or disabled, in words; else empty."""
    state_ms: int
    """Since when it is in this state."""
    secret: bytes
    """Sealed for `webhook_endpoint/ID/secret`."""
    old_secret: bytes | None
    """The one before, sealed for `webhook_endpoint/ID/old_secret`."""
    old_secret_until_ms: int | None
    """Until when requests are signed with the old one too."""
    created_ms: int
    form: str = "standard"
    """A word of EndpointForm."""


class WebhookProgressRow(NamedTuple):
    """How an endpoint fares, and which node works on it; apart, because it changes with each request."""

    endpoint_id: int
    node: int | None = None
    """Which node tells its events now."""
    epoch: int = 0
    """Grows with each lease; who writes failures must name it."""
    lease_ms: int = 0
    """Until when the lease holds."""
    failures: int = 0
    """Requests that failed since the last success."""
    quiet_until_ms: int = 0
    """Nothing is told before: the receiver asked for it, or keeps failing."""
    failing_since_ms: int | None = None
    """The first failure since the last success; None: the last request succeeded."""
    resumed_ms: int = 0
    """When somebody last resumed it; tries before do not count towards giving up."""
    last_success_ms: int | None = None
    last_failure_ms: int | None = None
    last_error: str = ""
    """What the last failure was, in words."""


class WebhookOutboxRow(NamedTuple):
    """An event that an endpoint is still to be told."""

    endpoint_id: int
    event_id: int
    recipient_id: int
    """Whose events keep their order: a recipient or an account; 0: an event of neither, which waits for none."""
    due_ms: int
    tries: int = 0
    first_tried_ms: int | None = None


class WebhookAttemptRow(NamedTuple):
    """One request to an endpoint and what came of it. The body is not kept: it is made of the events again."""

    id: int
    workspace_id: int
    endpoint_id: int
    at_ms: int
    duration_ms: int
    succeeded: int
    """1: a 2xx answer."""
    status: int | None
    """HTTP status of the answer; None: there was none."""
    why: str
    """What went wrong and what comes next, in words; empty after a success."""
    is_test: int
    """1: a test event that somebody asked for."""
    is_batch: int
    """1: the body was a list of events."""
    request_id: str
    """Value of webhook-id."""
    event_count: int
    events: str
    """JSON list of the events' ids."""
    request_header: str
    """JSON object of the header fields that were sent."""
    response_header: str
    """JSON object of the answer's header fields, cut."""
    response_body: str
    """The beginning of the answer's body."""
