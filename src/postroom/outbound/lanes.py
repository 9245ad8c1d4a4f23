"""Which lanes have mail that is due, and whose turn it is. Pure, in memory of one node.

Transactional lanes come before bulk ones; within a stream the workspaces take
turns, and within a workspace its lanes. What is known here may be stale: the
claim decides, and a poll of the store adds what other nodes accepted.
"""

import heapq
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice

from postroom.ledger.states import Stream
from postroom.store.queue import DueLane

_PRIORITY = (Stream.TRANSACTIONAL.value, Stream.BULK.value)
_SCAN = 500
"""Lanes of one workspace that a plan looks at: a plan must stay short with 100,000 lanes."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A lane whose turn it is, and how many of its recipients to claim."""

    lane: DueLane
    site: str
    count: int
    version: int
    """Of the lane's notes: what came later is not covered by this turn."""


@dataclass(slots=True)
class _Workspace:
    lanes: OrderedDict[int, DueLane] = field(default_factory=OrderedDict)


class Lanes:
    """The due lanes of one node."""

    def __init__(self) -> None:
        self._ready: dict[str, OrderedDict[int, _Workspace]] = {stream: OrderedDict() for stream in _PRIORITY}
        self._future: list[tuple[int, int]] = []
        self._waiting: dict[int, DueLane] = {}
        self._versions: dict[int, int] = {}

    def note(self, lane: DueLane, now_ms: int) -> None:
        """Learn that `lane` has mail due at `lane.due_ms`."""
        self._versions[lane.id] = self._versions.get(lane.id, 0) + 1
        if lane.due_ms <= now_ms:
            self._make_ready(lane)
            return
        known = self._waiting.get(lane.id)
        if known is None or lane.due_ms < known.due_ms:
            self._waiting[lane.id] = lane
            heapq.heappush(self._future, (lane.due_ms, lane.id))

    def learn(self, lanes: Iterable[DueLane], now_ms: int) -> None:
        """Learn what a poll of the store found."""
        for lane in lanes:
            if lane.due_ms > now_ms or lane.id not in self._of(lane):
                self.note(lane, now_ms)

    def next_due_ms(self) -> int | None:
        """Return when the next lane becomes due, None where no future one is known."""
        return self._future[0][0] if self._future else None

    def plan(
        self, now_ms: int, site_of: Callable[[DueLane], str | None], free: Callable[[str, Stream], int]
    ) -> list[Turn]:
        """Return whose turn it is, as far as their sites have room.

        `site_of` answers None while a lane's site is not known yet; `free` is
        the room of a site for a stream. Lanes that got a turn go to the end.
        """
        self._wake(now_ms)
        taken: dict[str, int] = {}
        turns: list[Turn] = []
        for stream in _PRIORITY:
            turns += self._plan_stream(Stream(stream), site_of, free, taken)
        return turns

    def exhausted(self, turn: Turn) -> None:
        """Forget a lane that gave fewer recipients than asked, unless it was noted again meanwhile."""
        if self._versions.get(turn.lane.id) == turn.version:
            self._drop(turn.lane)

    def _plan_stream(
        self,
        stream: Stream,
        site_of: Callable[[DueLane], str | None],
        free: Callable[[str, Stream], int],
        taken: dict[str, int],
    ) -> list[Turn]:
        workspaces = self._ready[stream.value]
        asked: dict[int, Turn] = {}
        candidates = {key: deque(islice(own.lanes.values(), _SCAN)) for key, own in workspaces.items()}
        while candidates:
            for key in list(candidates):
                turn = self._next_turn(candidates[key], workspaces[key].lanes, stream, site_of, free, taken)
                if turn is None:
                    del candidates[key]
                    continue
                before = asked.get(turn.lane.id)
                count = turn.count + (before.count if before else 0)
                asked[turn.lane.id] = Turn(turn.lane, turn.site, count, turn.version)
        for key in {turn.lane.workspace_id for turn in asked.values()}:
            workspaces.move_to_end(key)
        return list(asked.values())

    def _next_turn(
        self,
        candidates: deque[DueLane],
        lanes: OrderedDict[int, DueLane],
        stream: Stream,
        site_of: Callable[[DueLane], str | None],
        free: Callable[[str, Stream], int],
        taken: dict[str, int],
    ) -> Turn | None:
        while candidates:
            lane = candidates.popleft()
            lanes.move_to_end(lane.id)
            site = site_of(lane)
            room = free(site, stream) - taken.get(site, 0) if site is not None else 0
            if site is None or room <= 0:
                continue
            # A few at a time, so that another workspace's lane at the same site gets its part of the room.
            count = min(room, max(1, min(4, room // len(lanes))))
            taken[site] = taken.get(site, 0) + count
            candidates.append(lane)
            return Turn(lane, site, count, self._versions.get(lane.id, 0))
        return None

    def _of(self, lane: DueLane) -> OrderedDict[int, DueLane]:
        workspace = self._ready[lane.stream].get(lane.workspace_id)
        return workspace.lanes if workspace else OrderedDict()

    def _make_ready(self, lane: DueLane) -> None:
        workspace = self._ready[lane.stream].setdefault(lane.workspace_id, _Workspace())
        workspace.lanes.setdefault(lane.id, lane)

    def _drop(self, lane: DueLane) -> None:
        workspace = self._ready[lane.stream].get(lane.workspace_id)
        if workspace is not None:
            workspace.lanes.pop(lane.id, None)
            if not workspace.lanes:
                del self._ready[lane.stream][lane.workspace_id]
        if lane.id not in self._waiting:
            self._versions.pop(lane.id, None)

    def _wake(self, now_ms: int) -> None:
        while self._future and self._future[0][0] <= now_ms:
            due_ms, lane_id = heapq.heappop(self._future)
            lane = self._waiting.get(lane_id)
            if lane is not None and lane.due_ms == due_ms:
                del self._waiting[lane_id]
                self._make_ready(lane)
