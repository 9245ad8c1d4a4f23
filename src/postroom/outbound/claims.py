"""Claiming what a plan says, and leaving out the suppressed, in one transaction."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from postroom.events import record
from postroom.ledger.claimed import Claimed
from postroom.ledger.outcomes import suppressed_in_words
from postroom.ledger.rows import MessageRow
from postroom.ledger.states import RecipientState
from postroom.outbound.lanes import Turn
from postroom.outbound.settle import facts_of_claimed
from postroom.store import queue
from postroom.store.database import Tx
from postroom.store.queue import DueLane, Settlement
from postroom.store.suppressions import suppressed_among


@dataclass(frozen=True, slots=True)
class Claims:
    """What was claimed, by lane."""

    claimed: Mapping[int, tuple[DueLane, list[Claimed]]]
    left_out: Mapping[int, int] = field(default_factory=dict)
    """How many of a lane were suppressed instead."""

    def got(self, lane_id: int) -> int:
        """Return how many recipients of a lane are ours to try."""
        return len(self.claimed[lane_id][1]) if lane_id in self.claimed else 0

    def suppressed(self, lane_id: int) -> int:
        """Return how many recipients of a lane were suppressed instead."""
        return self.left_out.get(lane_id, 0)

    def by_lane(self) -> Iterator[tuple[DueLane, list[Claimed]]]:
        """Return lanes with their claimed recipients."""
        return iter(self.claimed.values())

    def all(self) -> list[Claimed]:
        """Return all claimed recipients."""
        return [one for _, claimed in self.claimed.values() for one in claimed]


def claim_turns(
    tx: Tx, turns: Sequence[Turn], *, node: int, now_ms: int, lease_ms: int, next_id: Callable[[], int]
) -> Claims:
    """Claim for every turn; whom a suppression stops is settled as suppressed at once and never dialled."""
    claimed = {
        turn.lane.id: (
            turn.lane,
            queue.claim(tx, turn.lane.id, limit=turn.count, node=node, now_ms=now_ms, lease_ms=lease_ms),
        )
        for turn in turns
    }
    asked = [(one.workspace_id, one.address_key, lane.stream) for lane, rows in claimed.values() for one in rows]
    stopped = suppressed_among(tx, asked, now_ms)
    if not stopped:
        return Claims(claimed)
    return _without(tx, claimed, stopped, now_ms, next_id)


def _without(
    tx: Tx,
    claimed: Mapping[int, tuple[DueLane, list[Claimed]]],
    stopped: Mapping[tuple[int, str, str], tuple[str, str]],
    now_ms: int,
    next_id: Callable[[], int],
) -> Claims:
    out: list[tuple[Claimed, tuple[str, str]]] = []
    kept: dict[int, tuple[DueLane, list[Claimed]]] = {}
    left_out: dict[int, int] = {}
    for lane_id, (lane, rows) in claimed.items():
        kept[lane_id] = (lane, [])
        for one in rows:
            why = stopped.get((one.workspace_id, one.address_key, lane.stream))
            if why is None:
                kept[lane_id][1].append(one)
            else:
                out.append((one, why))
        left_out[lane_id] = len(rows) - len(kept[lane_id][1])
    messages = {row.id: row for row in queue.messages_in(tx, [one.message_id for one, _ in out])}
    ours = queue.settle(tx, [_suppressed(one, why, now_ms) for one, why in out])
    for one, (scope, reason) in out:
        if one.id in ours:
            _tell(tx, one, messages[one.message_id], next_id(), now_ms, scope, reason)
    return Claims(kept, left_out)


def _tell(tx: Tx, one: Claimed, message: MessageRow, event_id: int, now_ms: int, scope: str, reason: str) -> None:
    record.record_suppressed(tx, facts_of_claimed(one, message), event_id, now_ms, scope, reason)


def _suppressed(one: Claimed, why: tuple[str, str], now_ms: int) -> Settlement:
    scope, reason = why
    return Settlement(
        id=one.id,
        epoch=one.epoch,
        state=RecipientState.SUPPRESSED.value,
        due_ms=now_ms,
        tries=one.tries,
        first_tried_ms=one.first_tried_ms,
        reason=suppressed_in_words(scope, reason),
        reply_code=None,
        reply_status="",
        next_hop="",
        settled_ms=now_ms,
        sent_hour=None,
        delayed_told=one.delayed_told,
        doubt_retried=one.doubt_retried,
    )
