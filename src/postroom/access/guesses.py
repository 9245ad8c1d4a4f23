"""Slows down who presents secrets that are none: keys and links cannot be guessed, but each wrong one costs a read.

A secret that was right from a network before does not wait there: whoever
shares an address with others is not locked out by them.
"""

from collections import OrderedDict

from postroom.access.pace import Pace, network_of
from postroom.base.clock import Clock
from postroom.base.secrets import secret_hash

_MOST_KNOWN = 10_000


class Guesses:
    """What networks presented, in memory of one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pace = Pace()
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def wait(self, address: str, secret: str) -> float:
        """Return the seconds until a secret may be presented from an address; 0: now."""
        known = _known_as(address, secret)
        if known in self._known:
            self._known.move_to_end(known)
            return 0.0
        return self._pace.wait(address, self._clock.monotonic())

    def was_right(self, address: str, secret: str) -> None:
        """Let a secret pass from this network from now on; wrong ones before are not forgiven by it."""
        self._known[_known_as(address, secret)] = None
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)

    def was_wrong(self, address: str, secret: str) -> None:
        """Count a secret that is none, or none any more."""
        self._known.pop(_known_as(address, secret), None)
        self._pace.failed(address, self._clock.monotonic())


def _known_as(address: str, secret: str) -> bytes:
    return secret_hash(f"{network_of(address)} {secret}")
