"""What guessing addresses costs: a peer that asks for wrong ones waits longer and longer, and is then cut off.

The first wrong recipients cost nothing: lists have typing errors. Then the answers
to one peer are 0.25, 0.5, 1 … 30 seconds apart, over all of its sessions, so that opening more
gains nothing; a session ends with the tenth. An address that goes on is told 421 until enough of
its guesses are forgiven, one every ten seconds. A peer on this machine is judged by its
session alone: an MTA in front of us speaks for everybody. Nothing here knows the clock.
"""

from collections import OrderedDict
from dataclasses import dataclass

from postroom.net.smtp.door import Peer, network_of

HERE = ""
MOST_IN_SESSION = 10
MOST_OF_ADDRESS = 100
LONGEST_PAUSE_SECONDS = 30.0
FORGIVE_SECONDS = 10.0
_MOST_REMEMBERED = 160
"""Whoever never stops is listened to again ten minutes after he did."""
_FREE = 3
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_WAIT_SECONDS = 60.0
"""Whoever would wait longer behind his own other sessions is cut off at once."""


@dataclass(slots=True)
class _Record:
    guesses: float
    last: float
    free_at: float


class Guessers:
    """The peers that have lately asked for wrong addresses. The least recently seen are forgotten first."""

    def __init__(self, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self.guesses = 0
        """Wrong recipients since the start."""

    def __len__(self) -> int:
        """How many networks are remembered."""
        return len(self._records)

    def is_shut_out(self, network: str, now: float) -> bool:
        """Tell whether peers of a network are not listened to for now. `now` is monotonic seconds."""
        record = self._records.get(network)
        return record is not None and self._standing(record, now) >= MOST_OF_ADDRESS

    def wrong(self, network: str, in_session: int, now: float) -> float | None:
        """Note a wrong recipient; return after how many seconds to say so, or None to cut the peer off.

        `in_session` counts those of the session with this one.
        """
        self.guesses += 1
        if network == HERE:
            return None if in_session >= MOST_IN_SESSION else _pause(in_session)
        record = self._records.pop(network, None) or _Record(0, now, now)
        record.guesses = min(self._standing(record, now) + 1, _MOST_REMEMBERED)
        record.last = now
        record.free_at = min(max(record.free_at, now), now + _LONGEST_WAIT_SECONDS) + _pause(record.guesses)
        self._records[network] = record
        if len(self._records) > self._capacity:
            self._records.popitem(last=False)
        wait = record.free_at - now
        return None if in_session >= MOST_IN_SESSION or wait > _LONGEST_WAIT_SECONDS else wait

    @staticmethod
    def _standing(record: _Record, now: float) -> float:
        return max(0.0, record.guesses - (now - record.last) / FORGIVE_SECONDS)


def guesser_of(peer: Peer) -> str:
    """Return the network that a peer is remembered by, HERE for this machine."""
    return HERE if peer.local else network_of(peer.address)


def _pause(guesses: float) -> float:
    over = guesses - _FREE
    return 0.0 if over <= 0 else min(LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2 ** min(over - 1, 20))
