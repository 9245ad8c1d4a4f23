"""Keeps copies instead of sending them: the default of a new installation.

Nothing leaves the machine. The copy is rendered and signed as for a server that
offers everything, so what the dashboard shows is what would have left.
"""

import zlib

from postroom.ledger.outcomes import Outcome, OutcomeKind
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp.abilities import Abilities
from postroom.outbound.transport import Delivery, TransportResult

ABILITIES = Abilities(pipelining=True, eight_bit=True, smtputf8=True, size=0)
_KEPT = SmtpReply(250, "2.0.0", "kept in the sandbox")


class SandboxTransport:
    """Delivers by keeping."""

    async def deliver(self, delivery: Delivery) -> TransportResult:
        """Render the copy and return it with the outcome; the settlement stores both at once."""
        rendered = await delivery.render(ABILITIES)
        if isinstance(rendered, SmtpReply):
            return TransportResult(Outcome(OutcomeKind.FAILED, rendered, "sandbox"))
        # No journal: until the settlement is committed nothing has happened, so a crash simply repeats.
        kept = zlib.compress(b"".join(rendered.pieces), 1)
        return TransportResult(Outcome(OutcomeKind.DELIVERED, _KEPT, "sandbox"), kept)
