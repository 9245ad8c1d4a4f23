"""Sequence sets: which mails, as ranges of numbers. RFC 3501 9 (sequence-set), 4315 3 (uid-set); pure."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

STAR: Final = 1 << 32
"""`*`, the highest number in the mailbox: above every number there can be."""

_SET = re.compile(rb"(?:[0-9]{1,10}|\*)(?::(?:[0-9]{1,10}|\*))?(?:,(?:[0-9]{1,10}|\*)(?::(?:[0-9]{1,10}|\*))?)*")


@dataclass(frozen=True, slots=True)
class SequenceSet:
    """Ranges, both ends included, in the order in which they were written; the lower end is first."""

    ranges: tuple[tuple[int, int], ...]
    _is_ascending: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Look once whether the ranges ascend: then a number is found without a look at each."""
        ascends = all(before[1] < after[0] for before, after in pairwise(self.ranges))
        object.__setattr__(self, "_is_ascending", ascends)

    def __str__(self) -> str:
        return ",".join(_shown(low) if low == high else f"{_shown(low)}:{_shown(high)}" for low, high in self.ranges)

    def __contains__(self, number: int) -> bool:
        if not self._is_ascending:
            return any(low <= number <= high for low, high in self.ranges)
        place = bisect_right(self.ranges, (number, STAR)) - 1
        return place >= 0 and number <= self.ranges[place][1]

    def count(self) -> int:
        """Return how many numbers it names; a number named twice counts twice."""
        return sum(high - low + 1 for low, high in self.ranges)

    def numbers(self) -> Iterator[int]:
        """Yield every number. A peer can write `1:4294967295`: look at `count` first."""
        for low, high in self.ranges:
            yield from range(low, high + 1)

    def up_to(self, highest: int) -> "SequenceSet":
        """Return the set with `*` as that number; what lies above it is cut off.

        A range that begins above it, `559:*`, names the highest number (RFC 3501 9, seq-range).
        """
        found = []
        for low, high in self.ranges:
            if high == STAR and low > highest:
                low = highest
            if low <= highest:
                found.append((low, min(high, highest)))
        return SequenceSet(tuple(found))


def of_numbers(numbers: Iterable[int]) -> SequenceSet:
    """Return the shortest set that names these numbers, in ascending order, each once."""
    ranges: list[tuple[int, int]] = []
    low = high = -1
    for number in sorted(numbers):
        if number <= high + 1 and high >= 0:
            high = max(number, high)
            continue
        if high >= 0:
            ranges.append((low, high))
        low = high = number
    if high >= 0:
        ranges.append((low, high))
    return SequenceSet(tuple(ranges))


def read_set(text: bytes) -> SequenceSet | None:
    """Return the set that is written there, or None where it is none. Numbers are of 32 bits."""
    if _SET.fullmatch(text) is None:
        return None
    ranges = []
    for part in text.split(b","):
        begin, _, end = part.partition(b":")
        first = _number(begin)
        last = _number(end) if end else first
        if max(first, last) > STAR:
            return None
        ranges.append((min(first, last), max(first, last)))
    return SequenceSet(tuple(ranges))


def _number(text: bytes) -> int:
    if text == b"*":
        return STAR
    number = int(text)
    return number if number < STAR else STAR + 1


def _shown(number: int) -> str:
    return "*" if number == STAR else str(number)
