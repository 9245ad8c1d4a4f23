"""The rows of routes: which mail goes where, what is still to be handed on, and the log of it.

In the form of `ledger.rows`.
"""

from enum import StrEnum
from typing import NamedTuple


class RouteAction(StrEnum):
    """What becomes of a mail that a route takes. The value is the word of the API."""

    WEBHOOK = "webhook"
    """It is told to an address by HTTP, signed."""
    FORWARD = "forward"
    """It is sent on to a mail address."""
    STORE = "store"
    """It is kept, and nothing else happens."""
    REFUSE = "refuse"
    """It is not wanted: 550 at RCPT where that can be said before the content, else it is kept as refused."""


class RouteRow(NamedTuple):
    """A rule: which mail of a workspace goes where."""

    id: int
    workspace_id: int
    position: int
    """The first route that takes a mail has it: lowest position, then lowest id."""
    recipient: str
    """Pattern of the envelope recipient, in the form of `inbound.patterns`."""
    sender: str
    """Pattern of the author's address (From)."""
    kinds: str
    """JSON list of words of `mail.verdict.MailKind`; empty means all of them."""
    action: str
    """A word of RouteAction."""
    target: str
    """URL of a webhook, address of a forward, else empty."""
    secret: bytes | None
    """Of a webhook, sealed for `route/ID/secret`."""
    is_enabled: int
    description: str
    created_ms: int


class RouteOutboxRow(NamedTuple):
    """A mail that is still to be handed on."""

    inbound_id: int
    route_id: int
    """0: by no route; a reply goes to the author of what it answers."""
    workspace_id: int
    target: str
    """Where a reply goes; empty where the route says it."""
    due_ms: int
    """When it is tried. While somebody tries it: when his claim ends."""
    epoch: int = 0
    """Grows with each claim; who settles must name it."""
    tries: int = 0


class RouteAttemptRow(NamedTuple):
    """One try to hand a mail on, and what came of it."""

    id: int
    workspace_id: int
    inbound_id: int
    route_id: int
    """0: by no route."""
    action: str
    """`webhook` or `forward`."""
    target: str
    at_ms: int
    duration_ms: int
    succeeded: int
    """1: the receiver took it, or the forward is queued."""
    status: int | None
    """HTTP status of the answer, or reply code of a forward that was not taken in; None: there was none."""
    why: str
    """What went wrong and what comes next, in words; empty after a success."""
    message_id: int | None
    """The message by which it was forwarded."""
    response_body: str
    """The beginning of a webhook's answer."""
