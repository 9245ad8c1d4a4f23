"""Which lanes have mail that is due, and whose turn it is. Pure, in memory of one node.

Transactional lanes come before bulk ones; within a stream the workspaces take
turns, within a workspace the sites, and within a site the workspace's lanes.
Lanes stand under their site, so that a full or paused site costs one look and
not one for each of its lanes. What is known here may be stale: the claim
decides, and a poll of the store adds what other nodes accepted.
"""

import heapq
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from postroom.ledger.states import Stream
from postroom.store.queue import DueLane

_PRIORITY = (Stream.TRANSACTIONAL.value, Stream.BULK.value)
_LOOKS = 300
"""Sites of one workspace that a plan looks at, and lanes that it finds the site of: a plan must stay short."""
MOST_CLAIMS = 400
"""Recipients of one plan: they are claimed in one transaction, with an update each and perhaps an event."""
_AT_A_TIME = 4


@dataclass(frozen=True, slots=True)
class Turn:
    """A lane whose turn it is, and how many of its recipients to claim."""

    lane: DueLane
    site: str
    count: int
    version: int
    """Of the lane's notes: what came later is not covered by this turn."""


class Room(Protocol):
    """How much may be claimed (`sites.Sites`)."""

    def free(self, name: str, stream: Stream) -> int:
        """Return the room of a site for a stream."""
        ...

    def room(self, stream: Stream) -> int:
        """Return the room over all sites."""
        ...


SiteOf = Callable[[DueLane], str | None]


@dataclass(slots=True)
class _Workspace:
    """The due lanes of one workspace and stream."""

    unplaced: OrderedDict[int, DueLane] = field(default_factory=OrderedDict)
    """Lanes whose site is not known yet."""
    sites: OrderedDict[str, OrderedDict[int, DueLane]] = field(default_factory=OrderedDict)
    site_of: dict[int, str] = field(default_factory=dict)

    def __contains__(self, lane_id: int) -> bool:
        return lane_id in self.site_of or lane_id in self.unplaced

    def put(self, lane: DueLane) -> None:
        if lane.id not in self:
            self.unplaced[lane.id] = lane

    def take_out(self, lane_id: int) -> None:
        self.unplaced.pop(lane_id, None)
        site = self.site_of.pop(lane_id, None)
        if site is not None:
            del self.sites[site][lane_id]
            if not self.sites[site]:
                del self.sites[site]

    def place(self, site_of: SiteOf) -> None:
        """Find the site of some lanes that have none; those that stay without are asked for later again."""
        for lane in list(islice(self.unplaced.values(), _LOOKS)):
            site = site_of(lane)
            if site is None:
                self.unplaced.move_to_end(lane.id)
                continue
            del self.unplaced[lane.id]
            self.site_of[lane.id] = site
            self.sites.setdefault(site, OrderedDict())[lane.id] = lane

    def next_lane(self, site: str, site_of: SiteOf) -> DueLane | None:
        """Return the lane of a site whose turn it is; None where none is left. It goes to the end."""
        while site in self.sites:
            lane = next(iter(self.sites[site].values()))
            if site_of(lane) == site:
                self.sites[site].move_to_end(lane.id)
                self.sites.move_to_end(site)
                return lane
            # Its mail goes elsewhere by now.
            self.take_out(lane.id)
            self.unplaced[lane.id] = lane
        return None


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
            workspace = self._ready[lane.stream].get(lane.workspace_id)
            if lane.due_ms > now_ms or workspace is None or lane.id not in workspace:
                self.note(lane, now_ms)

    def next_due_ms(self) -> int | None:
        """Return when the next lane becomes due, None where no future one is known."""
        return self._future[0][0] if self._future else None

    def plan(self, now_ms: int, site_of: SiteOf, sites: Room) -> list[Turn]:
        """Return whose turn it is, as far as their sites have room.

        `site_of` answers None while a lane's site is not known yet. Lanes that got a turn go to the end.
        """
        self._wake(now_ms)
        taken: dict[str, int] = {}
        turns: list[Turn] = []
        for name in _PRIORITY:
            stream = Stream(name)
            count = sum(turn.count for turn in turns)
            room = min(sites.room(stream), MOST_CLAIMS) - count
            turns += _Plan(stream, self._ready[name], site_of, sites, taken, room, self._versions).turns()
        return turns

    def exhausted(self, turn: Turn) -> None:
        """Forget a lane that gave fewer recipients than asked, unless it was noted again meanwhile."""
        lane = turn.lane
        if self._versions.get(lane.id) != turn.version:
            return
        workspace = self._ready[lane.stream].get(lane.workspace_id)
        if workspace is not None:
            workspace.take_out(lane.id)
            if not workspace.unplaced and not workspace.sites:
                del self._ready[lane.stream][lane.workspace_id]
        if lane.id not in self._waiting:
            del self._versions[lane.id]

    def _make_ready(self, lane: DueLane) -> None:
        self._ready[lane.stream].setdefault(lane.workspace_id, _Workspace()).put(lane)

    def _wake(self, now_ms: int) -> None:
        while self._future and self._future[0][0] <= now_ms:
            due_ms, lane_id = heapq.heappop(self._future)
            lane = self._waiting.get(lane_id)
            if lane is not None and lane.due_ms == due_ms:
                del self._waiting[lane_id]
                self._make_ready(lane)


@dataclass(slots=True)
class _Plan:
    """The turns of one stream."""

    stream: Stream
    workspaces: OrderedDict[int, _Workspace]
    site_of: SiteOf
    sites: Room
    taken: dict[str, int]
    """What this plan has taken of each site already."""
    room: int
    versions: dict[int, int]

    def turns(self) -> list[Turn]:
        asked: dict[int, Turn] = {}
        candidates: dict[int, deque[str]] = {}
        for key, workspace in self.workspaces.items() if self.room > 0 else ():
            if workspace.unplaced:
                workspace.place(self.site_of)
            candidates[key] = deque(site for site in islice(workspace.sites, _LOOKS) if self._free(site) > 0)
        while candidates and self.room > 0:
            for key in list(candidates):
                turn = self._next_turn(candidates[key], self.workspaces[key], len(candidates))
                if turn is None:
                    del candidates[key]
                    continue
                before = asked.get(turn.lane.id)
                count = turn.count + (before.count if before else 0)
                asked[turn.lane.id] = Turn(turn.lane, turn.site, count, turn.version)
        self._to_the_end(asked.values())
        return list(asked.values())

    def _to_the_end(self, turns: Iterable[Turn]) -> None:
        got: Counter[int] = Counter()
        for turn in turns:
            got[turn.lane.workspace_id] += turn.count
        # Who got most is served last the next time; of two that got the same, who was served first.
        served = [key for key in reversed(self.workspaces) if key in got]
        for key in sorted(served, key=lambda key: got[key]):
            self.workspaces.move_to_end(key)

    def _next_turn(self, candidates: deque[str], workspace: _Workspace, workspaces: int) -> Turn | None:
        while candidates and self.room > 0:
            site = candidates.popleft()
            free = min(self._free(site), self.room)
            lane = workspace.next_lane(site, self.site_of) if free > 0 else None
            if lane is None:
                continue
            # A few at a time, and as many for each workspace: at the same site each gets its part of the room.
            count = min(free, max(1, min(_AT_A_TIME, free // workspaces)))
            self.taken[site] = self.taken.get(site, 0) + count
            self.room -= count
            candidates.append(site)
            return Turn(lane, site, count, self.versions.get(lane.id, 0))
        return None

    def _free(self, site: str) -> int:
        return self.sites.free(site, self.stream) - self.taken.get(site, 0)
