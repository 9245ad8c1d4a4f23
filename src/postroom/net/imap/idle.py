"""IDLE: waiting until the server tells something. RFC 2177, RFC 9051 6.3.13."""

import asyncio
import math
from typing import Protocol

from postroom.base.clock import Clock
from postroom.net.imap import refusals
from postroom.net.imap.answers import IdleEnd
from postroom.net.imap.errors import NotOffered
from postroom.net.imap.link import ImapLimits, ImapLink
from postroom.net.imap.session import Running

LONGEST_SECONDS = 28 * 60.0
"""RFC 2177 3: again at least every 29 minutes."""


class Idler(Protocol):
    """Who idles, as far as this needs it (`client.ImapClient`)."""

    is_woken: bool

    def switch_off(self, capability: str) -> None:
        """Do not believe a capability any more."""
        ...


async def idle(idler: Idler, link: ImapLink, limits: ImapLimits, clock: Clock, seconds: float) -> IdleEnd:
    """See ImapClient.idle. No other command runs meanwhile."""
    session = link.session
    if session.is_dirty:
        return IdleEnd.NEWS
    running = session.start("IDLE", is_idle=True)
    try:
        await _begin(idler, link, running, limits)
        alarm = asyncio.ensure_future(clock.sleep(min(seconds, LONGEST_SECONDS)))
        alarm.add_done_callback(lambda _: link.poke())
        try:
            await link.until(
                lambda: session.is_dirty or idler.is_woken or running.end is not None or alarm.done(), seconds=math.inf
            )
        finally:
            alarm.cancel()
    except asyncio.CancelledError:
        link.give_up(running)
        raise
    if running.end is None:
        session.end_idle()
        await link.finish(running)
        # What it thinks of DONE is known now; the news came all the same.
        if not running.is_ok:
            idler.switch_off("IDLE")
    elif not running.is_ok:
        raise _refused(idler, running)
    elif not session.is_dirty and not idler.is_woken:
        return IdleEnd.ENDED
    if session.is_dirty:
        return IdleEnd.NEWS
    return IdleEnd.WOKEN if idler.is_woken else IdleEnd.TIME


async def _begin(idler: Idler, link: ImapLink, running: Running, limits: ImapLimits) -> None:
    """Wait for the `+`. Some servers take the command and never say it, nor anything else."""
    is_late = False

    def late() -> None:
        nonlocal is_late
        is_late = True
        link.poke()

    timer = asyncio.get_running_loop().call_later(limits.greeting, late)
    try:
        await link.until(lambda: running.is_continued or running.end is not None or is_late, seconds=math.inf)
    finally:
        timer.cancel()
    if running.end is None and not running.is_continued:
        link.session.end_idle()
        await link.finish(running)
        idler.switch_off("IDLE")
        raise NotOffered("the server takes IDLE and does not begin it")
    if running.end is not None and not running.is_ok:
        raise _refused(idler, running)


def _refused(idler: Idler, running: Running) -> Exception:
    words, code = "", ""
    if running.end is not None:
        words, code = running.end.text, running.end.code.name if running.end.code is not None else ""
    if refusals.is_later(words, code):
        return refusals.throttled("IDLE is refused", words, code)
    idler.switch_off("IDLE")
    return NotOffered(f"the server claims IDLE and refuses it: {refusals.shown(words, code)}", words=words, code=code)
