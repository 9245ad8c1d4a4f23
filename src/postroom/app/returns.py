"""Wiring of what came back: the worker that understands mail that came in, and the one that hands it on."""

import random

from cryptography.hazmat.primitives.asymmetric import rsa

from postroom.app.outbound import Outbound
from postroom.app.services import Services
from postroom.inbound.forward import Forwarder
from postroom.inbound.hand_on import HandOn
from postroom.inbound.seal import seal
from postroom.inbound.worker import Worker
from postroom.mail.authentication import Verdicts


def make_inbound_worker(services: Services, outbound: Outbound) -> Worker:
    """Return the worker of this process."""
    return Worker(
        database=services.database,
        clock=services.clock,
        ids=services.ids,
        slow=services.slow,
        token_keys=services.token_keys,
        routes=services.routes.view,
        reports=outbound.notifications,
        chance=random.random,
        metrics=services.metrics,
        one_large=services.large_inbound,
        own_hosts=frozenset((services.names.hostname, services.names.return_path_host)),
    )


def make_hand_on(services: Services, outbound: Outbound) -> HandOn:
    """Return the worker of this process that hands on what routes took."""

    async def sealed(workspace_id: int, domain: str, content: bytes, verdicts: Verdicts) -> bytes:
        row = await services.domains.sender(workspace_id, domain)
        keys = await services.domains.signing_keys(row.id) if row is not None else ()
        # RFC 8617 knows RSA only; a domain's RSA key comes first.
        if not keys or not isinstance(private_key := keys[0].private_key, rsa.RSAPrivateKey):
            return content
        names = (services.names.hostname, keys[0].selector, keys[0].domain)
        at = services.clock.now_ms() // 1000
        return await services.signers.run(lambda: seal(content, verdicts, *names, private_key, signed_at=at))

    forwarder = Forwarder(
        database=services.database,
        ids=services.ids,
        clock=services.clock,
        accept=outbound.acceptance,
        workspace_of=services.workspaces.get,
        seal=sealed,
        slow=services.slow,
    )
    return HandOn(
        database=services.database,
        clock=services.clock,
        ids=services.ids,
        sealer=services.sealer,
        client=services.http_client,
        forwarder=forwarder,
        slow=services.slow,
        chance=random.random,
    )
