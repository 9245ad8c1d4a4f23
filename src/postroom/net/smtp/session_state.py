"""What a server session knows, and the few moves that all commands share.

```
NEW --EHLO--> READY --MAIL--> MAIL --RCPT--> RCPT --DATA .--> READY
                                             RCPT --BDAT--> CHUNKS --BDAT LAST--> READY
```
RSET and EHLO lead back to READY; STARTTLS to NEW.
"""

from dataclasses import dataclass
from enum import Enum

from postroom.mail.envelope import Envelope, EnvelopeRecipient
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp import replies
from postroom.net.smtp.auth import SaslExchange
from postroom.net.smtp.commands import Chunk
from postroom.net.smtp.events import Event
from postroom.net.smtp.input import Input

MAX_ERRORS = 20
MAX_IDLE_COMMANDS = 100
"""NOOP, RSET, VRFY, HELP, EHLO and MAIL since the last message; further ones count as errors."""
MAX_AUTH_FAILURES = 3

_READY_MADE = {
    reply: reply.to_wire() for reply in (replies.OK, replies.SENDER_OK, replies.RECIPIENT_OK, replies.GO_AHEAD)
}


@dataclass(frozen=True, slots=True)
class SessionRules:
    """What is the same for all sessions of a door."""

    hostname: str
    """Our name in the greeting and in the answer to EHLO."""
    max_size_bytes: int
    max_recipients: int
    offer_auth: bool
    require_auth: bool
    """MAIL is refused with 530 until the client has authenticated."""
    offer_dsn: bool = True
    """False where nobody would write the DSNs of deliveries that NOTIFY may ask for (RFC 3461 5.2)."""


class Phase(Enum):
    """How far a session is."""

    NEW = "no EHLO yet"
    READY = "no transaction"
    MAIL = "MAIL given"
    RCPT = "at least one recipient"
    CHUNKS = "between BDAT commands"


class Reading(Enum):
    """What the next bytes are."""

    COMMAND = "a command line"
    AUTH_RESPONSE = "a line of a SASL exchange"
    DATA = "content up to CRLF.CRLF"
    CHUNK = "octets of a BDAT command"
    NOTHING = "plain text during the handshake of TLS: thrown away"
    CLOSED = "nobody reads any more"


class Waiting(Enum):
    """Which event waits for an answer."""

    NOTHING = 1
    AUTH = 2
    MAIL = 3
    RCPT = 4
    CONTENT_BEGIN = 5
    CONTENT_END = 6


class NeedInput(Enum):
    """The one value NEED_INPUT."""

    NEED_INPUT = 1


NEED_INPUT = NeedInput.NEED_INPUT
Step = Event | NeedInput | None
"""An event, nothing to do until more arrives, or nothing to tell: go on."""


class SessionState:
    """The state of one session."""

    def __init__(self, rules: SessionRules, *, tls: bool, offer_tls: bool, local: bool) -> None:
        self.rules = rules
        self.offer_tls = offer_tls
        self.local = local
        self.tls = tls
        self.authenticated = False
        self.client_name = ""
        """What the client said in EHLO or HELO."""
        self.extended = False
        """It said EHLO."""
        self.input = Input()
        self.phase = Phase.NEW
        self.reading = Reading.COMMAND
        self.waiting = Waiting.NOTHING
        self.auth_failures = 0
        self.sasl: SaslExchange | None = None
        self.envelope = Envelope("", ())
        self.recipients: list[EnvelopeRecipient] = []
        self.pending_recipient = EnvelopeRecipient("")
        self.chunk = Chunk(0, False)
        self.chunk_left = 0
        self.dropping: SmtpReply | None = None
        """Why the content that still comes is thrown away: the reply at its end."""
        self.idle_commands = 0
        self._errors = 0
        self._output: list[bytes] = []

    @property
    def closed(self) -> bool:
        """The session is over: send the output and close the connection."""
        return self.reading is Reading.CLOSED

    @property
    def in_transaction(self) -> bool:
        """MAIL has been taken."""
        return self.phase is not Phase.NEW and self.phase is not Phase.READY

    @property
    def may_authenticate(self) -> bool:
        """AUTH is offered now: nobody can listen in."""
        return self.rules.offer_auth and (self.tls or self.local)

    def take_output(self) -> bytes:
        """Return the replies made since the last call: one write for pipelined commands (RFC 2920 3.2)."""
        if not self._output:
            return b""
        output = b"".join(self._output) if len(self._output) > 1 else self._output[0]
        self._output.clear()
        return output

    def say(self, reply: SmtpReply) -> None:
        """Reply."""
        self._output.append(_READY_MADE.get(reply) or reply.to_wire())

    def say_wire(self, line: bytes) -> None:
        """Reply with a finished line."""
        self._output.append(line)

    def error(self, reply: SmtpReply) -> Step:
        """Reply, and end the session where it has made too many errors."""
        self.say(reply)
        self._count_error()
        return None

    def idle(self) -> bool:
        """Count a command that brings no mail nearer; return whether the session may go on."""
        self.idle_commands += 1
        if self.idle_commands > MAX_IDLE_COMMANDS:
            self._count_error()
        return not self.closed

    def cut(self, reply: SmtpReply) -> None:
        """Say `reply` and end the session now."""
        if not self.closed:
            self.say(reply)
            self.close()

    def close(self) -> None:
        """End the session; nothing that was received is looked at any more."""
        self.reading = Reading.CLOSED
        self.waiting = Waiting.NOTHING
        self.input.clear()

    def forget_transaction(self) -> None:
        """Go back to READY, or stay NEW."""
        self.envelope = Envelope("", ())
        self.recipients = []
        self.dropping = None
        if self.phase is not Phase.NEW:
            self.phase = Phase.READY

    def _count_error(self) -> None:
        self._errors += 1
        if self._errors >= MAX_ERRORS:
            self.cut(replies.TOO_MANY_ERRORS)
