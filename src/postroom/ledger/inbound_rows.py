"""The rows of mail that comes in: the mail as it was received, and its bytes.

In the form of `ledger.rows`.
"""

from enum import StrEnum
from typing import NamedTuple


class InboundState(StrEnum):
    """How far a mail that came in is."""

    WAITING = "waiting"
    """Stored; the worker has still to understand it, or to try again."""
    DONE = "done"
    """Understood, and everything that follows from it is in the store."""
    FAILED = "failed"
    """It could not be worked on in many tries; kept for an operator to look at."""


class Destination(StrEnum):
    """What the envelope recipient was when it was accepted; decided at RCPT, kept on the row."""

    BOUNCE = "bounce"
    """A `b-` address: the reverse-path of a copy."""
    REPLY = "reply"
    """An `r-` address: the Reply-To of a copy."""
    UNSUBSCRIBE = "unsubscribe"
    """A `u-` address: the List-Unsubscribe of a copy."""
    FEEDBACK = "feedback"
    """An `f-` address: the CFBL-Address of a copy."""
    ROLE = "role"
    """`postmaster` or `abuse` of a domain of ours."""
    ROUTE = "route"
    """An address that a route of the workspace takes."""


class InboundContentRow(NamedTuple):
    """The bytes of a mail that came in, as they were received behind our own trace fields."""

    id: int
    workspace_id: int
    size_bytes: int
    upload_id: int | None
    """Where the content lies in `content_chunk`; None where `body` holds it."""
    body: bytes | None
    """zlib-compressed; None once retention took it or where chunks hold it."""
    created_ms: int


class InboundRow(NamedTuple):
    """One mail for one envelope recipient."""

    id: int
    workspace_id: int
    content_id: int
    """Mail for several recipients of one workspace shares its content."""
    received_ms: int
    source: str
    """`smtp`, `pipe` (`postroom receive`) or `account` (a watched mailbox)."""
    peer: str
    """IP address of the client; empty for a pipe."""
    helo: str
    tls: str
    """TLS version and cipher, empty without TLS."""
    reverse_path: str
    """Empty: the null reverse-path."""
    recipient: str
    """The envelope recipient as written."""
    recipient_key: str
    """As `RecipientRow.address_key`."""
    destination: str
    """A word of Destination."""
    own_recipient_id: int | None
    """The recipient that the token of the machine address names; None for other addresses."""
    author: str
    """Address of the From field, or empty."""
    author_name: str
    subject: str
    """Decoded, at most 998 characters."""
    message_id: str
    """With angle brackets, or empty."""
    size_bytes: int
    verdicts: str
    """JSON of SPF, DKIM, DMARC and ARC results; empty where none were asked for."""
    state: str = InboundState.WAITING.value
    due_ms: int = 0
    """When a worker may take it up."""
    epoch: int = 0
    """Grows with each claim; who finishes it must name it."""
    node: int | None = None
    lease_ms: int = 0
    tries: int = 0
    kind: str = ""
    """A word of `mail.verdict.MailKind`; empty until understood."""
    detail: str = ""
    """JSON: what the classifier said and what followed, for the page and the API."""
    answers_recipient_id: int | None = None
    """The recipient of ours whose copy it answers, reports or complains about."""
    answers_message_id: int | None = None
    route_id: int | None = None
    """The route that took it."""
    is_counted: int = 0
    """1: counts as inbound."""
    reviewed_ms: int | None = None
    """When an operator marked it as looked at (complaints, doubtful unsubscribes)."""
    author_key: str = ""
    """`author` as `RecipientRow.address_key`."""
