"""What the queue shows: destinations with depth and age, sites in words, recipients with reason and next try. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from postroom.base.clock import DAY_MS, HOUR_MS
from postroom.base.ids import made_at_ms, show_id
from postroom.doors.dashboard.reasons import reason_of
from postroom.events.moves import Move
from postroom.ledger.rows import RecipientRow
from postroom.ledger.states import RecipientState
from postroom.outbound.sites import SiteView
from postroom.store.queue_view import IN_QUEUE, Waiting

MOST_DESTINATIONS = 100
"""Destinations in the table."""
MOST_BARS = 12
_MINUTE_MS = 60_000

STATE_WORDS = {
    RecipientState.QUEUED: "Waiting for the first try",
    RecipientState.DEFERRED: "Deferred, tried again later",
    RecipientState.HELD: "Held back",
    RecipientState.SENDING: "Being tried now",
    RecipientState.IN_DOUBT: "In doubt",
}
_AGES = (
    (5 * _MINUTE_MS, "fresh", "under 5 minutes"),
    (HOUR_MS, "young", "under an hour"),
    (DAY_MS, "old", "under a day"),
)
_DONE = {
    Move.HOLD: ("held back; no try until released", "Nothing was held back: what is being tried now does not stop."),
    Move.RELEASE: ("released", "Nothing was released: nothing was held."),
    Move.CANCEL: ("cancelled", "Nothing was cancelled: what is being tried now does not stop."),
    Move.RETRY: ("tried again now", "Nothing is tried again: only deferred mail and mail in doubt can be."),
}


@dataclass(frozen=True, slots=True)
class StateFigure:
    """How much of the queue is in a state."""

    state: str
    words: str
    count: str
    """With a plus behind it where counting stopped."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A domain that mail waits for."""

    domain: str
    site: str
    """Empty where it is not known to this node."""
    counts: Mapping[str, int]
    """By state; states without any are left out."""
    depth: int
    share: int
    """Of the deepest destination, 1 to 100."""
    oldest_ms: int
    """When the oldest was accepted."""
    age: str
    """`fresh`, `young`, `old` or `stuck`: the colour."""
    age_words: str
    next_try_ms: int | None
    """When the next of them is due; None where none is planned."""
    is_due: bool
    moves: tuple[str, ...]
    """Which moves some of them can make."""


@dataclass(frozen=True, slots=True)
class SiteLine:
    """What this node does at a site."""

    name: str
    domains: int
    in_flight: int
    slots: int
    limit: int
    words: str
    paused_until_ms: int | None
    """None: no pause."""


@dataclass(frozen=True, slots=True)
class RecipientLine:
    """A recipient in the queue."""

    id: str
    address: str
    domain: str
    state: str
    sentence: str
    remedy: str
    reply: str
    next_try_ms: int | None
    is_due: bool
    tries: int
    accepted_ms: int
    node: int | None


def figures(waiting: Iterable[Waiting], most: int) -> tuple[StateFigure, ...]:
    """Return how much is in each state; of each at most so many recipients were looked at."""
    counts: Counter[str] = Counter()
    for one in waiting:
        counts[one.state] += one.recipients
    return tuple(StateFigure(state.value, STATE_WORDS[state], counted(counts[state], most)) for state in IN_QUEUE)


def counted(count: int, most: int) -> str:
    """Return a count that may have ended early."""
    return f"{count:,}+" if count >= most else f"{count:,}"


def destinations(
    waiting: Iterable[Waiting], site_of: Callable[[str], str | None], now_ms: int
) -> tuple[Destination, ...]:
    """Return what waits by domain, the deepest first."""
    by_domain: defaultdict[str, list[Waiting]] = defaultdict(list)
    for one in waiting:
        by_domain[one.domain].append(one)
    depths = {domain: sum(one.recipients for one in found) for domain, found in by_domain.items()}
    deepest = max(depths.values(), default=1)
    lines = [
        _destination(domain, found, depths[domain], deepest, site_of(domain), now_ms)
        for domain, found in by_domain.items()
    ]
    return tuple(sorted(lines, key=lambda line: (-line.depth, line.domain)))


def site_lines(
    lines: Sequence[Destination], look_at: Callable[[str], SiteView], now_ms: int, clock: Callable[[int], str]
) -> tuple[SiteLine, ...]:
    """Return what this node does at the sites of these destinations; `clock` writes a time of day."""
    domains: defaultdict[str, int] = defaultdict(int)
    for line in lines:
        if line.site:
            domains[line.site] += 1
    found = [_site(look_at(name), count, now_ms, clock) for name, count in domains.items()]
    return tuple(sorted(found, key=lambda line: (line.paused_until_ms is None, -line.in_flight, line.name)))


def recipient_line(row: RecipientRow, now_ms: int) -> RecipientLine:
    """Return a recipient with why it waits and when it is tried next."""
    reason = reason_of(row)
    return RecipientLine(
        show_id("rcp", row.id),
        row.address,
        row.domain,
        row.state,
        reason.sentence,
        reason.remedy,
        reason.reply,
        reason.next_try_ms,
        reason.next_try_ms is not None and reason.next_try_ms <= now_ms,
        row.tries,
        made_at_ms(row.id),
        row.node,
    )


def moved_words(move: Move, count: int, more: bool) -> str:
    """Return what came of a move."""
    done, nothing = _DONE[move]
    if not count:
        return nothing
    are = "is" if count == 1 else "are"
    words = f"{count:,} recipient{'' if count == 1 else 's'} {are} {done}."
    return f"{words} There are more: do it again for the next ones." if more else words


def moves_of(states: Iterable[str]) -> tuple[str, ...]:
    """Return the moves that mail in these states can make, without those of mail in doubt."""
    there = set(states)
    found = []
    if there & {RecipientState.QUEUED, RecipientState.DEFERRED}:
        found.append(Move.HOLD.value)
    if RecipientState.HELD in there:
        found.append(Move.RELEASE.value)
    if RecipientState.DEFERRED in there:
        found.append(Move.RETRY.value)
    if there & {RecipientState.QUEUED, RecipientState.DEFERRED, RecipientState.HELD}:
        found.append(Move.CANCEL.value)
    return tuple(found)


def age_of(oldest_ms: int, now_ms: int) -> tuple[str, str]:
    """Return the colour of an age, and its words."""
    age = now_ms - oldest_ms
    return next(((name, words) for most, name, words in _AGES if age < most), ("stuck", "a day or more"))


def _destination(
    domain: str, found: Sequence[Waiting], depth: int, deepest: int, site: str | None, now_ms: int
) -> Destination:
    oldest_ms = made_at_ms(min(one.oldest_id for one in found))
    due = [one.due_ms for one in found if one.state in (RecipientState.QUEUED, RecipientState.DEFERRED)]
    age, age_words = age_of(oldest_ms, now_ms)
    counts = {one.state: one.recipients for one in found}
    return Destination(
        domain,
        site or "",
        counts,
        depth,
        max(1, round(100 * depth / deepest)),
        oldest_ms,
        age,
        age_words,
        min(due, default=None),
        bool(due) and min(due) <= now_ms,
        moves_of(counts),
    )


def _site(view: SiteView, domains: int, now_ms: int, clock: Callable[[int], str]) -> SiteLine:
    until = now_ms + round(view.pause_seconds * 1000) if view.pause_seconds > 0 else None
    if until is not None:
        words = (
            "It refused connections or asked us to slow down; "
            f"no new try before {clock(until)}, then with at most {_slots(view.slots)}"
        )
    elif view.in_flight:
        words = f"{view.in_flight} on their way over at most {_slots(view.slots)}"
    else:
        words = f"Nothing on its way; up to {_slots(view.slots)} may be opened"
    return SiteLine(view.name, domains, view.in_flight, view.slots, view.limit, words, until)


def _slots(count: int) -> str:
    return f"{count} connection{'' if count == 1 else 's'}"
