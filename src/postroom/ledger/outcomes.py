"""How one attempt ended."""

from dataclasses import dataclass
from enum import StrEnum

from postroom.mail.smtp_reply import SmtpReply

BOUNCED = "bounced: "
"""How the reason of a recipient begins whose copy was accepted by the next hop and came back."""


def suppressed_in_words(scope: str, reason: str) -> str:
    """Return `RecipientRow.reason` of a recipient that is not tried. `reason` is that of the suppression, or empty."""
    return f"suppressed for {scope} mail{f': {reason}' if reason else ''}"


class OutcomeKind(StrEnum):
    """The three ends of an attempt, and the one that tells that there was none."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    FAILED = "failed"
    RETURNED = "returned"
    """Not tried (a stop, a lost lease, no slot): back to the queue, not counted as a try."""
    IN_DOUBT = "in_doubt"
    """The connection was lost after the final dot and before its reply."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a try of one recipient brought. `reply` is the peer's, or ours where none came."""

    kind: OutcomeKind
    reply: SmtpReply
    next_hop: str = ""
    """Host and address that answered, `mx1.example.net [192.0.2.1]:25`; empty where none was reached."""
    tls: str = ""
    """TLS version and cipher of the connection, empty without TLS."""
    duration_ms: int = 0
    site_busy: bool = False
    """The peer answered 4yz before RCPT or refused the connection: the site needs a pause."""
    transcript: str = ""
    """The SMTP lines of this recipient without the content, for the message story."""

    @property
    def command(self) -> str:
        """The SMTP command that the peer refused last (`MAIL`, `RCPT`, `DATA`), or nothing where none was refused."""
        sent, refused = "", ""
        for line in self.transcript.split("\n"):
            if line.startswith("> "):
                sent = line[2:6].upper()
            elif line.startswith(("< 4", "< 5")):
                refused = sent
        return refused
