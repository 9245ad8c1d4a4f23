"""Counters as plain ints: counting costs an addition, putting it into words costs whoever reads.

Nothing here is global. Who counts owns its numbers; what has many owners is
one `Metrics` that is made at the start and handed in. Each number is written by
one thread and may be read by another: a reader sees it a moment late.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field


class Histogram:
    """How many observations fell below each of some bounds, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        """`bounds` grow; what is above the last one is counted too."""
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        """By bucket: the first bound that an observation does not exceed, the last one for all above."""
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[tuple[str, int]]:
        """Return (bound as text, observations up to it), `+Inf` last."""
        found, below = [], 0
        for bound, count in zip((*self.bounds, float("inf")), list(self.counts), strict=True):
            below += count
            found.append(("+Inf" if bound == float("inf") else f"{bound:g}", below))
        return found


@dataclass(slots=True)
class Metrics:
    """What is counted by more than one part of a process, since its start."""

    requests: defaultdict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    """HTTP answers by class of route and status."""
    settled: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Ends of attempts by the state that the recipient went to."""
    accepted: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Messages by the door that took them (`smtp`, `http`)."""
    received: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Mails that came in, by the way that they took (`smtp`, `pipe`)."""
    understood: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Mails that came in and were worked on, by what they are (`mail.verdict.MailKind`)."""
