"""Destination groups: how many tries a site may have at a time, and its pauses.

A site is what shares one receiving system: an MX group, a smarthost. Its slots
are connections; two recipients may be claimed for each, so that a connection
never waits for the next claim. One slot is kept for transactional mail. A site
that answers 4yz before RCPT, or refuses connections, gets fewer slots and a
pause; each success gives slots back. All of it is in memory of one node, whose
share is the limit over all nodes divided by those that deliver.
"""

from collections.abc import Callable
from dataclasses import dataclass

from postroom.base.clock import Clock
from postroom.ledger.states import Stream

CLAIMS_A_SLOT = 2
_FIRST_PAUSE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 600.0
_SUCCESSES_FOR_A_SLOT = 5


@dataclass(slots=True)
class _Site:
    slots: int
    transactional: int = 0
    bulk: int = 0
    successes: int = 0
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

    def __init__(self, clock: Clock, limit: int, delivering_nodes: Callable[[], int] = lambda: 1) -> None:
        """`limit` is the number of connections to one site over all nodes, at least 1."""
        self._clock = clock
        self._limit = limit
        self._nodes = delivering_nodes
        self._sites: dict[str, _Site] = {}

    @property
    def share(self) -> int:
        """How many slots of each site this node may have at the most."""
        return max(1, self._limit // max(1, self._nodes()))

    def free(self, name: str, stream: Stream) -> int:
        """Return how many recipients of `stream` may be claimed for this site now."""
        site = self._site(name)
        if self._clock.monotonic() < site.paused_until:
            return 0
        slots = min(site.slots, self.share)
        room = slots * CLAIMS_A_SLOT - site.transactional - site.bulk
        if stream is Stream.TRANSACTIONAL:
            return max(0, room)
        # Transactional mail never waits behind bulk: bulk leaves one slot free, where there are two.
        return max(0, min(room, max(1, slots - 1) * CLAIMS_A_SLOT - site.bulk))

    def take(self, name: str, stream: Stream, count: int) -> None:
        """Note that `count` recipients were claimed for this site."""
        site = self._site(name)
        if stream is Stream.TRANSACTIONAL:
            site.transactional += count
        else:
            site.bulk += count

    def give_back(self, name: str, stream: Stream, *, busy: bool, delivered: bool) -> None:
        """Note that one try has ended; `busy` is `Outcome.site_busy`."""
        site = self._site(name)
        if stream is Stream.TRANSACTIONAL:
            site.transactional -= 1
        else:
            site.bulk -= 1
        if busy:
            self._back_off(site)
        elif delivered:
            self._recover(site)

    def resume(self, name: str) -> None:
        """End the pause of a site, because somebody asked for a try at once."""
        site = self._site(name)
        site.paused_until = 0.0

    def view(self) -> list[SiteView]:
        """Return all sites with something in flight or a pause, by name."""
        now = self._clock.monotonic()
        return [
            SiteView(
                name,
                min(site.slots, self.share),
                self._limit,
                site.transactional + site.bulk,
                max(0.0, site.paused_until - now),
            )
            for name, site in sorted(self._sites.items())
            if site.transactional or site.bulk or site.paused_until > now
        ]

    def next_resume(self) -> float | None:
        """Return the monotonic time at which the first pause ends, None without a pause."""
        now = self._clock.monotonic()
        return min((site.paused_until for site in self._sites.values() if site.paused_until > now), default=None)

    def _site(self, name: str) -> _Site:
        site = self._sites.get(name)
        if site is None:
            site = self._sites[name] = _Site(slots=self._limit)
        return site

    def _back_off(self, site: _Site) -> None:
        now = self._clock.monotonic()
        if now < site.paused_until:
            # Tries that were in flight when the pause began tell the same trouble again.
            return
        site.slots = max(1, min(site.slots, self.share) // 2)
        site.successes = 0
        site.pause_seconds = min(max(_FIRST_PAUSE_SECONDS, site.pause_seconds * 2), _LONGEST_PAUSE_SECONDS)
        site.paused_until = now + site.pause_seconds

    def _recover(self, site: _Site) -> None:
        site.pause_seconds = 0.0
        if site.slots >= self._limit:
            return
        site.successes += 1
        if site.successes >= _SUCCESSES_FOR_A_SLOT:
            site.successes = 0
            site.slots += 1
