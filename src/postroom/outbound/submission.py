"""What is handed in: the value that every door makes and `accept` takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Flag

from postroom.base.clock import DAY_MS
from postroom.base.errors import PostroomError
from postroom.ledger.rows import WorkspaceRow
from postroom.ledger.states import RecipientState, Stream
from postroom.mail.envelope import Envelope
from postroom.mail.return_path import MOST_DAYS_AHEAD
from postroom.mail.smtp_reply import SmtpReply

MAX_RECIPIENTS = 500
"""Of one submission: a write function touches at most about this many rows (DESIGN section 5)."""
MAX_TAGS = 10
SMALL_CONTENT_BYTES = 256 * 1024
"""Content above this is staged as chunks while it is received."""


PASSED_ON = "route"
"""Source of mail that came in and is passed on."""


def too_far_ahead(send_at_ms: int | None, now_ms: int) -> str:
    """Return what is wrong with a time to send at, and what to do; empty where nothing is."""
    if send_at_ms is None or send_at_ms <= now_ms + MOST_DAYS_AHEAD * DAY_MS:
        return ""
    return f"at most {MOST_DAYS_AHEAD} days ahead: keep the message yourself until then"


class Track(Flag):
    """What is tracked, as stored in `message.track`."""

    NOTHING = 0
    OPENS = 1
    CLICKS = 2
    REPLIES = 4
    TEXT_CLICKS = 8
    """URLs in plain text become links of ours too."""


DEFAULT_TRACK = Track.OPENS | Track.CLICKS


@dataclass(frozen=True, slots=True)
class StagedContent:
    """Content above SMALL_CONTENT_BYTES, already stored as `content_chunk` rows."""

    upload_id: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Submission:
    """One message with its envelope, from an authenticated workspace."""

    workspace: WorkspaceRow
    envelope: Envelope
    content: bytes | StagedContent
    """The whole mail with CRLF line ends. Bcc and X-Postroom fields may still be in it: accept removes them."""
    source: str
    stream: Stream = Stream.TRANSACTIONAL
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    track: Track = DEFAULT_TRACK
    send_at_ms: int | None = None
    personal: bool = False
    """Every recipient is the only To and has a Message-ID made from its id."""
    via_domain: str = ""
    """Domain of the workspace that signs and answers for it, where its author is a stranger: it is passed on."""


@dataclass(frozen=True, slots=True)
class AcceptedRecipient:
    """One recipient of an accepted submission."""

    id: int
    address: str
    state: RecipientState


@dataclass(frozen=True, slots=True)
class Accepted:
    """What `accept` answers, after the commit."""

    message_id: int
    recipients: tuple[AcceptedRecipient, ...]


class Refused(PostroomError):
    """A submission that cannot be accepted as it is; `reply` says why and what to do."""

    def __init__(self, reply: SmtpReply) -> None:
        super().__init__(str(reply))
        self.reply = reply
