"""Walking through a search until a page is full, the end is reached, or the time for one page is over."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from postroom.base.clock import Clock
from postroom.store import activity
from postroom.store.activity import ActivityFilter, Position
from postroom.store.database import Database

SECONDS = 0.12
"""For one page: with what else it takes, a page stays below 300 ms."""
FIRST_WINDOW = 1_000
LARGEST_WINDOW = 8_000
"""About 50 ms on both engines where every row has to be looked at."""
MOST_STEPS = 200

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Found(Generic[_T]):
    """A page of a search."""

    rows: Sequence[_T]
    """In the order of the walk."""
    more: bool
    """Another row follows these."""
    reached: Position | None
    """Where to go on looking, because the time was over before the page was full; None: nothing is left."""
    examined: int


async def walk(
    database: Database,
    clock: Clock,
    workspace_id: int,
    asked: ActivityFilter,
    start: Position,
    *,
    older: bool,
    limit: int,
    of_events: bool,
    seconds: float = SECONDS,
) -> Found[Any]:
    """Return up to `limit` rows from `start` on. Raises TryLater."""
    step_of = activity.events_step if of_events else activity.recipients_step
    rows: list[Any] = []
    examined, window = 0, FIRST_WINDOW
    began = clock.monotonic()
    at: Position | None = start
    for _ in range(MOST_STEPS):
        spent = clock.monotonic() - began
        if at is None or len(rows) > limit or (examined and spent >= seconds):
            break
        if examined and spent > 0:
            # As much as the rest of the time is enough for, by what it took so far.
            window = min(LARGEST_WINDOW, max(FIRST_WINDOW // 2, int(examined / spent * (seconds - spent))))
        step = await database.read(
            partial(
                step_of,
                workspace_id=workspace_id,
                asked=asked,
                start=at,
                older=older,
                window=window,
                limit=limit + 1 - len(rows),
            )
        )
        rows += step.rows
        examined += step.examined
        at = step.reached
    more = len(rows) > limit
    return Found(rows[:limit], more, None if more else at, examined)
