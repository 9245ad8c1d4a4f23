"""Which hits of a batch are a recipient's first.

The facts were read in the same transaction with the recipients' rows locked:
what is empty there is empty until the commit.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from postroom.store.hits import First
from postroom.tracking.hit import Labelled
from postroom.tracking.machines import Label

_HUMAN = Label.HUMAN.value


class Marks(NamedTuple):
    """What a hit is besides one more."""

    is_first: bool
    is_first_human: bool


def marks_of(hits: Sequence[Labelled], known: Callable[[int], tuple[int | None, int | None]]) -> list[Marks]:
    """Return the marks of hits that are in order of time.

    `known` answers a recipient id with when it was first opened (or clicked),
    by anybody and by a person, before these hits; None for never.
    """
    seen: dict[int, tuple[bool, bool]] = {}
    marks = []
    for hit in hits:
        recipient_id = hit.row.recipient_id
        state = seen.get(recipient_id)
        if state is None:
            at_ms, human_at_ms = known(recipient_id)
            state = at_ms is not None, human_at_ms is not None
        is_human = hit.row.label == _HUMAN
        marks.append(Marks(not state[0], is_human and not state[1]))
        seen[recipient_id] = True, state[1] or is_human
    return marks


def firsts_of(hits: Iterable[Labelled], marks: Iterable[Marks]) -> list[First]:
    """Return the first times to store, in order of recipient ids."""
    firsts: dict[int, First] = {}
    for hit, mark in zip(hits, marks, strict=True):
        if mark.is_first or mark.is_first_human:
            recipient_id, at_ms = hit.row.recipient_id, hit.row.at_ms
            first = firsts.get(recipient_id, First(recipient_id, None, None))
            firsts[recipient_id] = First(
                recipient_id,
                at_ms if mark.is_first else first.at_ms,
                at_ms if mark.is_first_human else first.human_at_ms,
            )
    return [firsts[recipient_id] for recipient_id in sorted(firsts)]
