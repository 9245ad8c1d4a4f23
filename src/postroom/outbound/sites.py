"""Destination groups: how many tries a site may have at a time, and its pauses.

A site is what shares one receiving system: an MX group, a smarthost. Its slots
are connections; some recipients may be claimed for each, so that a connection
never waits for the next claim. One slot is kept for transactional mail. A site
begins with a few slots and gets one more for each success, until it first makes
trouble: where it answers 4yz before RCPT, or refuses connections, it gets half
and a pause; then several successes give one slot back.

The limit of a site is over all nodes: each has its part, the parts together are
the limit. They follow from the live nodes alone, so no row is leased for them.
All of it is in memory of one node.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from postroom.base.clock import Clock
from postroom.ledger.states import Stream

CLAIMS_A_SLOT = 4
"""With 2 the connections stood idle for a third of the time on a busy owner. Only the one whose content is
on its way can come to be in doubt; the others go back to the queue after a crash."""
_FIRST_PAUSE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 600.0
_SUCCESSES_FOR_A_SLOT = 5
_FIRST_SLOTS = 4
"""A site that turns out to be dead must not bind more than these for the time of a connect."""
_SITES_KEPT = 10_000
MOST_IN_FLIGHT = 800
"""Claimed over all sites: below the 1,024 open files that a process usually may have."""
_MOST_BULK = 600


@dataclass(slots=True)
class _Site:
    slots: int
    transactional: int = 0
    bulk: int = 0
    successes: int = 0
    had_trouble: bool = False
    pause_seconds: float = 0.0
    paused_until: float = 0.0


@dataclass(frozen=True, slots=True)
class SiteView:
    """A site as an operator sees it."""

    name: str
    slots: int
    limit: int
    in_flight: int
    pause_seconds: float
    """How long the present pause still lasts; 0 without one."""


class Sites:
    """The sites that this node delivers to."""

    def __init__(
        self,
        clock: Clock,
        limit: int,
        place: Callable[[], tuple[int, int]] = lambda: (0, 1),
        *,
        claims_a_slot: int = CLAIMS_A_SLOT,
    ) -> None:
        """`limit` is the number of connections to one site over all nodes, at least 1.

        `place` answers this node's place among the live nodes that deliver, counted from 0, and their number.
        `claims_a_slot` recipients may be claimed for each connection.
        """
        self._claims_a_slot = claims_a_slot
        self._clock = clock
        self._limit = limit
        self._place = place
        self._sites: OrderedDict[str, _Site] = OrderedDict()
        self._bulk = 0
        self._transactional = 0

    def share(self, name: str) -> int:
        """Return how many slots of a site this node may have at the most; 0 where the others have all."""
        place, nodes = self._place()
        if nodes <= 1:
            return self._limit
        part, rest = divmod(self._limit, nodes)
        # What cannot be divided goes to other nodes at each site.
        return part + ((place + _number(name)) % nodes < rest)

    def free(self, name: str, stream: Stream) -> int:
        """Return how many recipients of `stream` may be claimed for this site now."""
        site = self._sites.get(name) or _Site(_FIRST_SLOTS)
        if self._clock.monotonic() < site.paused_until:
            return 0
        slots = min(site.slots, self.share(name))
        room = slots * self._claims_a_slot - site.transactional - site.bulk
        if stream is Stream.BULK:
            # Transactional mail never waits behind bulk: bulk leaves one slot free, where there are two.
            room = min(room, max(min(1, slots), slots - 1) * self._claims_a_slot - site.bulk)
        return max(0, room)

    def room(self, stream: Stream) -> int:
        """Return how many more recipients of `stream` may be claimed over all sites."""
        room = MOST_IN_FLIGHT - self._bulk - self._transactional
        return max(0, min(room, _MOST_BULK - self._bulk) if stream is Stream.BULK else room)

    def take(self, name: str, stream: Stream, count: int) -> None:
        """Note that `count` recipients were claimed for this site."""
        site = self._site(name)
        self._count(site, stream, count)

    def give_back(self, name: str, stream: Stream, *, busy: bool, delivered: bool) -> None:
        """Note that one try has ended; `busy` is `Outcome.site_busy`."""
        site = self._site(name)
        self._count(site, stream, -1)
        if busy:
            self._back_off(site, self.share(name))
        elif delivered:
            self._recover(site)

    def resume(self, name: str) -> None:
        """End the pause of a site, because somebody asked for a try at once."""
        self._site(name).paused_until = 0.0

    def view(self) -> list[SiteView]:
        """Return all sites with something in flight or a pause, by name."""
        now = self._clock.monotonic()
        return [
            self.look_at(name)
            for name, site in sorted(self._sites.items())
            if site.transactional or site.bulk or site.paused_until > now
        ]

    def look_at(self, name: str) -> SiteView:
        """Return one site, also where nothing was ever sent to it."""
        site = self._sites.get(name) or _Site(_FIRST_SLOTS)
        return SiteView(
            name,
            min(site.slots, self.share(name)),
            self._limit,
            site.transactional + site.bulk,
            max(0.0, site.paused_until - self._clock.monotonic()),
        )

    def next_resume(self) -> float | None:
        """Return the monotonic time at which the first pause ends, None without a pause."""
        now = self._clock.monotonic()
        return min((site.paused_until for site in self._sites.values() if site.paused_until > now), default=None)

    def _site(self, name: str) -> _Site:
        site = self._sites.get(name)
        if site is None:
            site = self._sites[name] = _Site(_FIRST_SLOTS)
            if len(self._sites) > _SITES_KEPT:
                self._forget_one()
        else:
            self._sites.move_to_end(name)
        return site

    def _forget_one(self) -> None:
        # The one asked for longest ago, unless its state still matters.
        name, site = next(iter(self._sites.items()))
        if site.transactional or site.bulk or site.paused_until > self._clock.monotonic():
            self._sites.move_to_end(name)
        else:
            del self._sites[name]

    def _count(self, site: _Site, stream: Stream, count: int) -> None:
        if stream is Stream.TRANSACTIONAL:
            site.transactional += count
            self._transactional += count
        else:
            site.bulk += count
            self._bulk += count

    def _back_off(self, site: _Site, share: int) -> None:
        now = self._clock.monotonic()
        if now < site.paused_until:
            # Tries that were in flight when the pause began tell the same trouble again.
            return
        site.slots = max(1, min(site.slots, share) // 2)
        site.successes = 0
        site.had_trouble = True
        site.pause_seconds = min(max(_FIRST_PAUSE_SECONDS, site.pause_seconds * 2), _LONGEST_PAUSE_SECONDS)
        site.paused_until = now + site.pause_seconds

    def _recover(self, site: _Site) -> None:
        site.pause_seconds = 0.0
        if site.slots >= self._limit:
            return
        site.successes += 1
        if not site.had_trouble or site.successes >= _SUCCESSES_FOR_A_SLOT:
            site.successes = 0
            site.slots += 1


@lru_cache(maxsize=_SITES_KEPT)
def _number(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "big")
