"""Where does a mail come from? SPF, DKIM, DMARC and ARC of one mail, within a time limit (RFC 8601 2.7)."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

import structlog

from postroom.base.clock import Clock, SystemClock
from postroom.base.errors import TryLater
from postroom.base.threads import Threads
from postroom.inbound.dmarc import Author, Published, find_policy, is_in_organisation, judge_dmarc, read_author
from postroom.inbound.signatures import Keys, Signatures
from postroom.inbound.spf import Dns, check_spf
from postroom.mail.authentication import ArcVerdict, DkimVerdict, DmarcVerdict, Result, SpfVerdict, Verdicts
from postroom.mail.border import border_client
from postroom.mail.header import split_header
from postroom.net.dns import Answer, Status

T = TypeVar("T")

_log = structlog.get_logger(__name__)

_DNS_SECONDS = 6.0
"""For all questions to DNS, asked side by side; what has no answer by then is `temperror`."""
_THREAD_SECONDS = 2.0
"""For each of up to three steps on a thread, waiting for it included: a mail of 50 MB takes half a second.
Together 12 s: a client waits meanwhile for the answer to its final dot."""
_TROUBLE = "it took too long or failed"


async def authenticate(
    resolver: Dns,
    threads: Threads,
    peer_address: str,
    helo: str,
    reverse_path: str,
    raw: bytes,
    *,
    receiver: str = "unknown",
    is_handed_over: bool = False,
    clock: Clock | None = None,
) -> Verdicts:
    """Return what SPF, DKIM, DMARC and ARC say about a mail, within 12 s. Never raises for what others say.

    `peer_address` is empty where nobody knows the client: no SPF then. `is_handed_over`: the peer is an MTA in
    front of us, whose Received field names the client. `reverse_path` has no angle brackets and is empty for the
    null one. `raw` is the mail as it came, without trace fields of ours, in CRLF lines; its body is read in slices
    on one of `threads`. `receiver` is our host name. What is in trouble is `temperror`.
    """
    now = (clock or SystemClock()).now_ms() // 1000
    if is_handed_over:
        # RFC 7208 2.5: SPF is about who came to the border, and that was not here.
        client = await _within(_THREAD_SECONDS, threads.run(lambda: border_client(split_header(raw)[0])), None)
        peer_address, helo = (client.address, client.helo) if client is not None else ("", "")
    spf, (signatures, author, keys, published) = await asyncio.gather(
        _within(
            _DNS_SECONDS,
            check_spf(resolver, peer_address, helo, reverse_path, receiver=receiver, now=now),
            SpfVerdict(Result.TEMPERROR, reason=_TROUBLE),
        ),
        _ask(resolver, threads, raw),
    )
    dkim: tuple[DkimVerdict, ...] = (DkimVerdict(Result.TEMPERROR, reason=_TROUBLE),)
    arc = ArcVerdict(Result.TEMPERROR, reason=_TROUBLE)
    if signatures is None:
        return Verdicts(spf, dkim, DmarcVerdict(Result.TEMPERROR, reason=_TROUBLE), arc)
    dkim, arc = await _within(_THREAD_SECONDS, threads.run(lambda: signatures.judge(keys, now)), (dkim, arc))
    return Verdicts(spf, dkim, judge_dmarc(author, published, spf, dkim, raw), arc)


async def _ask(resolver: Dns, threads: Threads, raw: bytes) -> tuple[Signatures | None, Author, Keys, Published]:
    """Read the header, then ask DNS for everything that it makes necessary. None: the header could not be read."""
    signatures, author = await _within(_THREAD_SECONDS, threads.run(lambda: _read(raw)), (None, Author("")))
    if signatures is None:
        return None, author, {}, Published()
    published, keys = await asyncio.gather(
        _within(_DNS_SECONDS, find_policy(resolver, author), Published(result=Result.TEMPERROR, reason=_TROUBLE)),
        _find_keys(resolver, sorted(signatures.names)),
    )
    return signatures, author, keys, published


async def _find_keys(resolver: Dns, names: Sequence[str]) -> Keys:
    nothing: Answer[str] = Answer(Status.TEMPORARY_FAILURE, reason=_TROUBLE)
    answers = await asyncio.gather(*(_within(_DNS_SECONDS, resolver.txt(name), nothing) for name in names))
    return dict(zip(names, answers, strict=True))


def _read(raw: bytes) -> tuple[Signatures | None, Author]:
    header, body_start = split_header(raw)
    author = read_author(header)
    return Signatures(raw, header, body_start, lambda domain: is_in_organisation(domain, author)), author


async def _within(seconds: float, work: Awaitable[T], otherwise: T) -> T:
    """Return what `work` gives, or `otherwise` where it takes too long or fails."""
    try:
        async with asyncio.timeout(seconds):
            return await work
    except (TimeoutError, TryLater):
        return otherwise
    except Exception:
        # A mistake of ours in what a stranger controls must not keep a mail out.
        _log.exception("a verdict could not be found")
        return otherwise
