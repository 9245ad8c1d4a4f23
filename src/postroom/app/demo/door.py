"""The inbound door of the made-up days: the real way in and the real worker, by another clock and with made-up DNS."""

import random

from postroom.app.demo import returns
from postroom.app.inbound import make_recipients
from postroom.app.services import Services
from postroom.base.clock import Clock
from postroom.base.ids import IdSource
from postroom.inbound.receive import Authenticated, Incoming, Receiver
from postroom.inbound.recipients import Addressed
from postroom.inbound.worker import Worker
from postroom.ledger.inbound_rows import InboundRow
from postroom.ledger.rows import MessageRow, RecipientRow
from postroom.mail.authentication_results import field
from postroom.mail.smtp_reply import SmtpReply
from postroom.outbound.prepared import Prepared
from postroom.store import inbound
from postroom.store.database import Tx

_LEASE_MS = 10 * 60_000
_TLS = "TLSv1.3 TLS_AES_256_GCM_SHA384"


class DemoDoor:
    """Takes mail in, and understands it at once: a running worker never has it in hand."""

    def __init__(self, services: Services, clock: Clock, ids: IdSource) -> None:
        self._real = services.clock
        self._clock = clock
        self._node = ids.node
        self._recipients = make_recipients(services)
        self._domain = ""
        hostname = services.names.hostname

        async def verdicts(mail: Incoming, raw: bytes) -> Authenticated:
            found = returns.verdicts(self._domain)
            return Authenticated(found.to_json(), field(found, hostname))

        self._receiver = Receiver(services.database, ids, clock, services.slow, services.uploads, hostname, verdicts)
        self._worker = Worker(
            database=services.database,
            clock=clock,
            ids=ids,
            slow=services.slow,
            token_keys=services.token_keys,
            routes=services.routes.view,
            reports=_NoReports(),
            chance=random.random,
        )

    async def take(self, helo: str, reverse_path: str, recipient: str, raw: bytes, domain: str) -> None:
        """Take a mail of `domain` in, and write what follows. Raises TryLater."""
        self._domain = domain
        decided = self._recipients.decide(recipient, reverse_path)
        if not isinstance(decided, Addressed):
            return
        claimed: list[InboundRow] = []

        def claim(tx: Tx) -> None:
            now, lease_ms = self._clock.now_ms(), self._real.now_ms() + _LEASE_MS
            claimed[:] = inbound.claim(tx, node=self._node, now_ms=now, lease_ms=lease_ms, limit=1)

        mail = Incoming("smtp", "ESMTPS", "192.0.2.10", helo, _TLS, reverse_path, (decided,), raw)
        await self._receiver.receive(mail, in_transaction=claim)
        for row in claimed:
            await self._worker.work_on(row)


class _NoReports:
    """No made-up author asked for reports."""

    async def of_bounce(self, message: MessageRow, recipient: RecipientRow, reply: SmtpReply) -> Prepared | None:
        return None

    def told(self, prepared: Prepared) -> None:
        """Nothing to tell."""
