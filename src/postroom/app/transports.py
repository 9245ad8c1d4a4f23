"""The ways out and the signing of one process, owner or helper. Imports no store: helpers have none."""

import random
from collections.abc import Sequence

from postroom.base.clock import Clock
from postroom.net.smtp.client import ClientSettings
from postroom.net.smtp.pool import PoolSettings, SmtpPool
from postroom.net.tls import ClientContexts
from postroom.outbound.mx import MxTransport
from postroom.outbound.sandbox import SandboxTransport
from postroom.outbound.sign import SigningKey, sign
from postroom.outbound.smarthost import SmarthostTransport
from postroom.outbound.transport import Transport, TransportKind


def make_transports(
    hostname: str, connections: int, clock: Clock, sandbox: SandboxTransport | None = None
) -> tuple[SmtpPool, dict[TransportKind, Transport]]:
    """Return the ways out of one process with the pool that they share."""
    pool = SmtpPool(
        ClientSettings(hostname=hostname), PoolSettings(max_connections=connections), ClientContexts(), clock
    )
    transports: dict[TransportKind, Transport] = {
        TransportKind.SANDBOX: sandbox or SandboxTransport(),
        TransportKind.SMARTHOST: SmarthostTransport(pool, clock),
        TransportKind.DIRECT: MxTransport(pool, clock, random.Random()),  # noqa: S311 - order of equal MX hosts
    }
    return pool, transports


async def sign_here(header: Sequence[bytes], body_sha256: bytes, keys: Sequence[SigningKey], at: int) -> list[bytes]:
    """Sign on the event loop: in a helper there is nothing that has to be answered in between."""
    return sign(header, body_sha256, keys, at)
