"""The next hop of each lane, looked up in the background and kept while it may be believed.

A worker must know a lane's site before it claims, so that a claim never waits
for DNS. Where the look-up fails the hop carries the outcome that all its
recipients get, on a site of its own.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from postroom.base.clock import Clock
from postroom.base.nursery import Nursery
from postroom.ledger.outcomes import Outcome
from postroom.outbound.transport import NextHop, TransportKind, TransportSetting, deferred
from postroom.store.queue import DueLane

_log = structlog.get_logger(__name__)

_KEPT = 50_000
_LEAST_SECONDS = 5.0
_FAILURE_SECONDS = 30.0
_AT_ONCE = 50
_ASKED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Hop:
    """Where a lane's mail goes, or why it cannot."""

    site: str
    next_hop: NextHop | None
    failure: Outcome | None

    def outcome(self) -> Outcome:
        """Return why nothing was tried."""
        return self.failure or deferred("4.4.3", "the next hop is not known")


class Lookup(Protocol):
    """Finds next hops (`next_hop.NextHops`)."""

    async def of(self, setting: TransportSetting, domain: str) -> NextHop | Outcome:
        """Return the next hop for a recipients' domain by this transport."""
        ...


class LaneHops:
    """The hops of one node's lanes."""

    def __init__(
        self,
        lookup: Lookup,
        transport_of: Callable[[int], TransportSetting | None],
        clock: Clock,
        wake: Callable[[], None],
        learn: Callable[[str, NextHop], None],
    ) -> None:
        """`wake` is called when a hop has become known.

        `transport_of` answers a workspace's transport, None where another node has just made the workspace
        and it is not known here yet.
        `learn` is told the hop of a domain that is delivered to directly.
        """
        self._lookup = lookup
        self._transport_of = transport_of
        self._clock = clock
        self._wake = wake
        self._learn = learn
        self._known: OrderedDict[tuple[TransportSetting, str], tuple[float, Hop]] = OrderedDict()
        self._asking: set[tuple[TransportSetting, str]] = set()
        self._nursery = Nursery("hops")
        self._room = asyncio.Semaphore(_AT_ONCE)

    def known(self, lane: DueLane) -> Hop | None:
        """Return the hop of a lane, or None while it is being looked up; `wake` follows."""
        setting = self._transport_of(lane.workspace_id)
        if setting is None:
            return None
        # A smarthost or the sandbox takes every domain, so one look-up serves all lanes.
        key = (setting, lane.domain if setting.kind is TransportKind.DIRECT else "")
        found = self._known.get(key)
        if found is not None and self._clock.monotonic() < found[0]:
            return found[1]
        if key not in self._asking and len(self._asking) < _ASKED_AT_ONCE:
            self._asking.add(key)
            self._nursery.start(self._look_up(key), lane.domain)
        # A hop that has run out is better than a wait: the new answer is on its way.
        return found[1] if found is not None and found[1].next_hop is not None else None

    def site_of(self, workspace_id: int, domain: str) -> str | None:
        """Return the site that a workspace's mail to a domain goes to, as far as it is known; nothing is looked up."""
        setting = self._transport_of(workspace_id)
        if setting is None:
            return None
        found = self._known.get((setting, domain if setting.kind is TransportKind.DIRECT else ""))
        return None if found is None else found[1].site

    async def close(self) -> None:
        """End the look-ups that are running."""
        await self._nursery.drain(0)

    async def _look_up(self, key: tuple[TransportSetting, str]) -> None:
        setting, domain = key
        try:
            async with self._room:
                answer = await self._lookup.of(setting, domain)
            hop, seconds = _hop(answer, setting, domain)
            if hop.next_hop is not None and setting.kind is TransportKind.DIRECT:
                self._learn(domain, hop.next_hop)
        except Exception:
            _log.exception("looking a next hop up failed", domain=domain)
            hop, seconds = _hop(deferred("4.4.3", f"looking {domain} up failed on our side"), setting, domain)
        finally:
            self._asking.discard(key)
        self._known[key] = (self._clock.monotonic() + max(seconds, _LEAST_SECONDS), hop)
        self._known.move_to_end(key)
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        self._wake()


def _hop(answer: NextHop | Outcome, setting: TransportSetting, domain: str) -> tuple[Hop, float]:
    if isinstance(answer, NextHop):
        return Hop(answer.site, answer, None), answer.seconds
    # No connection is made, so such lanes share no slots with a real site.
    return Hop(f"{setting.kind.value} {domain}".strip(), None, answer), _FAILURE_SECONDS
