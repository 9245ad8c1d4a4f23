"""The SMTP envelope: who sends, who receives and what reports they want.

RFC 5321 2.3.1; DSN parameters RFC 3461 4. Addresses are text as written by the
client, without angle brackets; the null reverse-path is the empty string.
"""

from dataclasses import dataclass
from enum import Enum, Flag


class Notify(Flag):
    """NOTIFY of RFC 3461 4.1. Absent means FAILURE or DELAY as the MTA likes; NEVER stands alone."""

    NEVER = 0
    SUCCESS = 1
    FAILURE = 2
    DELAY = 4


DEFAULT_NOTIFY = Notify.FAILURE


class BodyType(Enum):
    """BODY of RFC 6152 and RFC 3030."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT = "8BITMIME"


@dataclass(frozen=True, slots=True)
class EnvelopeRecipient:
    """One RCPT."""

    address: str
    notify: Notify = DEFAULT_NOTIFY
    original: str | None = None
    """ORCPT as sent: address type, semicolon, xtext (RFC 3461 4.2)."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One MAIL with its RCPTs."""

    reverse_path: str
    recipients: tuple[EnvelopeRecipient, ...]
    body: BodyType = BodyType.SEVEN_BIT
    smtputf8: bool = False
    ret: str | None = None
    """RET of RFC 3461 4.3: `FULL`, `HDRS` or None."""
    envid: str | None = None
    """ENVID of RFC 3461 4.4 as sent (xtext), or None."""
