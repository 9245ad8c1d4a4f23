"""Keeps copies instead of sending them: the default of a new installation.

Nothing leaves the machine. The copy is rendered and signed as for a server that
offers everything, so what the dashboard shows is what would have left; of a copy
above 4 MiB the beginning is kept.
"""

import zlib
from collections.abc import Awaitable, Callable, Iterable

from postroom.ledger.outcomes import Outcome, OutcomeKind
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp.abilities import Abilities
from postroom.outbound.transport import Delivery, TransportResult

ABILITIES = Abilities(pipelining=True, eight_bit=True, smtputf8=True, size=0)
KEPT_BYTES = 4 << 20
"""Of one copy: 20 of 50 MB must not stop the store for seconds, and who tries things out seldom misses their end."""
_ASIDE_BYTES = 64 << 10
_KEPT = SmtpReply(250, "2.0.0", "kept in the sandbox")
_KEPT_BEGINNING = SmtpReply(250, "2.0.0", f"kept in the sandbox, the first {KEPT_BYTES >> 20} MiB")

Aside = Callable[[Callable[[], bytes]], Awaitable[bytes]]


async def _here(function: Callable[[], bytes]) -> bytes:
    return function()


class SandboxTransport:
    """Delivers by keeping."""

    def __init__(self, aside: Aside = _here) -> None:
        """`aside` runs what takes long on another thread."""
        self._aside = aside

    async def deliver(self, delivery: Delivery) -> TransportResult:
        """Render the copy and return it with the outcome; the settlement stores both at once."""
        rendered = await delivery.render(ABILITIES)
        if isinstance(rendered, SmtpReply):
            return TransportResult(Outcome(OutcomeKind.FAILED, rendered, "sandbox"))
        # No journal: until the settlement is committed nothing has happened, so a crash simply repeats.
        pieces = rendered.pieces
        aside = self._aside if rendered.size_bytes > _ASIDE_BYTES else _here
        kept = await aside(lambda: _packed(pieces))
        reply = _KEPT if rendered.size_bytes <= KEPT_BYTES else _KEPT_BEGINNING
        return TransportResult(Outcome(OutcomeKind.DELIVERED, reply, "sandbox"), kept)


def _packed(pieces: Iterable[bytes]) -> bytes:
    whole = bytearray()
    for piece in pieces:
        whole += piece
        if len(whole) > KEPT_BYTES:
            del whole[KEPT_BYTES:]
            break
    return zlib.compress(whole, 1)
