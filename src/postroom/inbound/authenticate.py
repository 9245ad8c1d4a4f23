"""Where does a mail come from? SPF, DKIM, DMARC and ARC of one mail, within a time limit."""

import asyncio

import structlog

from postroom.base.clock import Clock, SystemClock
from postroom.base.threads import Threads
from postroom.inbound.spf import Dns, check_spf
from postroom.mail.authentication import Result, SpfVerdict, Verdicts

_log = structlog.get_logger(__name__)

MOST_SECONDS = 10.0
"""A client waits meanwhile for the answer to its final dot; what is not known by then is `temperror`."""


async def authenticate(
    resolver: Dns,
    threads: Threads,
    peer_address: str,
    helo: str,
    reverse_path: str,
    raw: bytes,
    *,
    receiver: str = "unknown",
    clock: Clock | None = None,
) -> Verdicts:
    """Return what SPF, DKIM, DMARC and ARC say about a mail. Never raises for what a mail, a peer or DNS says.

    `peer_address` is empty where nobody knows the client (a pipe): no SPF then. `reverse_path` has no angle
    brackets and is empty for the null one. `raw` is the mail as it came, without trace fields of ours, in CRLF lines.
    `receiver` is our host name. Each part that is in trouble, or not ready after MOST_SECONDS, is `temperror`.
    """
    now = (clock or SystemClock()).now_ms() // 1000
    try:
        async with asyncio.timeout(MOST_SECONDS):
            spf = await check_spf(resolver, peer_address, helo, reverse_path, receiver=receiver, now=now)
    except TimeoutError:
        spf = SpfVerdict(Result.TEMPERROR, reason="DNS took too long")
    except Exception:
        _log.exception("SPF could not be checked")
        spf = SpfVerdict(Result.TEMPERROR, reason="internal error")
    return Verdicts(spf)
