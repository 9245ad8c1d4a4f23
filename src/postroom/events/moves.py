"""What people ask of recipients in the queue: hold, release, cancel, retry.

Each move is one that `ledger.states.MOVES` allows, with its event in the same
transaction. What a worker is sending at this moment does not move.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

from postroom.base.clock import Clock
from postroom.base.ids import IdSource
from postroom.events.erased import is_erased
from postroom.events.record import Facts, record_moved, record_taken_from_failed, tags_of
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.states import WAITING, RecipientState, may_move
from postroom.store import keeping, queue_view, recipients
from postroom.store.database import Database, Tx
from postroom.store.queue_view import Behind
from postroom.store.recipients import Movable, RecipientFilter

PAGE = 200
"""Recipients a transaction: an update and an event each, below the 500 rows of a write function."""
MAX_PAGES = 250
"""Pages one call works through: 50,000 recipients; the caller asks again for the rest."""


class Move(StrEnum):
    """What can be asked for."""

    HOLD = "hold"
    RELEASE = "release"
    CANCEL = "cancel"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Moved:
    """What came of it."""

    recipients: int
    """How many moved."""
    more: bool
    """There may be more to move: ask again."""


@dataclass(frozen=True, slots=True)
class _Rule:
    befores: tuple[RecipientState, ...]
    after: RecipientState
    event: EventKind
    reason: str


_S = RecipientState

_RULES = {
    Move.HOLD: _Rule((_S.QUEUED, _S.DEFERRED), _S.HELD, EventKind.HELD, "held"),
    Move.RELEASE: _Rule((_S.HELD,), _S.QUEUED, EventKind.RELEASED, "released"),
    Move.CANCEL: _Rule((_S.QUEUED, _S.HELD, _S.DEFERRED, _S.IN_DOUBT), _S.CANCELLED, EventKind.CANCELLED, "cancelled"),
    Move.RETRY: _Rule((_S.DEFERRED, _S.IN_DOUBT, _S.FAILED), _S.QUEUED, EventKind.RETRIED, "another try asked for"),
}
_DEFERRED_ONLY = (_S.DEFERRED,)


def states_before(move: Move) -> tuple[RecipientState, ...]:
    """Return the states that a move starts from."""
    return _RULES[move].befores


async def move_selected(
    database: Database, ids: IdSource, clock: Clock, workspace_id: int, move: Move, asked: RecipientFilter, by: str
) -> Moved:
    """Move all selected recipients that may make this move, newest first, in pages of one transaction each.

    A retry moves failed recipients and those in doubt only where mail or state is named: of a whole domain they
    would be the failures of a year, and some would arrive twice.
    `by` tells who asked (`api`, `operator`). Raises TryLater; the pages before stay moved.
    """
    may_move_from = _DEFERRED_ONLY if move is Move.RETRY and not _is_named(asked) else _RULES[move].befores
    befores = tuple(state.value for state in may_move_from)
    states = tuple(state for state in befores if asked.states is None or state in asked.states)
    asked = replace(asked, states=states)
    total = 0
    for _ in range(MAX_PAGES):
        found, moved = await _move_next(database, ids, clock, workspace_id, move, asked, by)
        total += moved
        if len(found) < PAGE:
            return Moved(total, more=False)
        # Newest first: what follows is older, also where some of this page could not move.
        asked = replace(asked, before_id=found[-1])
    return Moved(total, more=True)


def _is_named(asked: RecipientFilter) -> bool:
    return asked.states is not None or asked.ids is not None or asked.message_id is not None or asked.restored


async def move_destination(
    database: Database, ids: IdSource, clock: Clock, workspace_id: int, move: Move, domain: str, by: str
) -> Moved:
    """Move everything in the queue for one domain that may make this move, as `move_selected` does.

    Failed recipients have left the queue and those in doubt are decided one by one, so a retry takes deferred ones
    only and a cancel leaves those in doubt. What is looked at is in the queue: settled mail to a large domain costs
    nothing here.
    """
    befores = _RULES[move].befores
    cursors: list[Behind | int] = []
    if any(state in WAITING for state in befores):
        cursors.append(Behind())
    if _S.HELD in befores:
        cursors.append(0)
    total = pages = 0
    while cursors:
        if pages == MAX_PAGES:
            return Moved(total, more=True)
        found, after = await _destination_page(database, workspace_id, domain, cursors[0])
        cursors[:1] = [] if after is None else [after]
        pages += 1
        if found:
            event_ids = [ids.next() for _ in found]
            move_now = partial(move_page, workspace_id=workspace_id, move=move, ids=found, event_ids=event_ids)
            total += await database.write(partial(move_now, now_ms=clock.now_ms(), by=by))
    return Moved(total, more=False)


async def _destination_page(
    database: Database, workspace_id: int, domain: str, cursor: Behind | int
) -> tuple[list[int], Behind | int | None]:
    """Return ids of a domain's recipients that wait, or (cursor: an id) that are held, and where to go on."""
    if isinstance(cursor, Behind):
        behind = cursor
        rows = await database.read(lambda conn: queue_view.waiting_for(conn, workspace_id, domain, behind, PAGE))
        return [row.id for row in rows], Behind(rows[-1].due_ms, rows[-1].id) if len(rows) == PAGE else None
    after_id = cursor
    held = await database.read(lambda conn: queue_view.in_state(conn, workspace_id, _S.HELD, domain, after_id, PAGE))
    return [row.id for row in held.rows], held.after_id


async def _move_next(
    database: Database, ids: IdSource, clock: Clock, workspace_id: int, move: Move, asked: RecipientFilter, by: str
) -> tuple[list[int], int]:
    found = await database.read(lambda conn: recipients.ids_of(conn, workspace_id, asked, PAGE))
    if not found:
        return found, 0
    event_ids = [ids.next() for _ in found]
    now_ms = clock.now_ms()
    return found, await database.write(lambda tx: move_page(tx, workspace_id, move, found, event_ids, now_ms, by))


def move_page(
    tx: Tx, workspace_id: int, move: Move, ids: Sequence[int], event_ids: Sequence[int], now_ms: int, by: str
) -> int:
    """Move those of `ids` that may, with an event each; return how many. `event_ids` has one id for each."""
    rule = _RULES[move]
    rows = recipients.lock_movable(tx, workspace_id, ids, [state.value for state in rule.befores])
    rows = [row for row in rows if may_move(RecipientState(row.state), rule.after)]
    if move is Move.RETRY:
        # Nobody knows any more where to.
        rows = [row for row in rows if not is_erased(row.address_key)]
    if not rows:
        return 0
    settled_ms = now_ms if rule.after is RecipientState.CANCELLED else None
    moved = [row.id for row in rows]
    recipients.set_state(tx, moved, rule.after.value, f"{rule.reason} by {by}", settled_ms)
    by_state: defaultdict[str, list[int]] = defaultdict(list)
    for row, event_id in zip(rows, event_ids, strict=False):
        by_state[row.state].append(row.id)
        facts = facts_of_movable(workspace_id, row)
        if row.state == RecipientState.FAILED.value and row.settled_ms is not None:
            record_taken_from_failed(tx, facts, row.settled_ms, row.cause)
        record_moved(tx, facts, event_id, rule.event, now_ms, row.state, by)
    if move is Move.RETRY:
        recipients.set_due(tx, moved, now_ms)
        if failed := by_state.get(RecipientState.FAILED.value):
            recipients.begin_again(tx, failed)
            # They were settled: retention may have passed their message by.
            keeping.wanted_again(tx, workspace_id, [row.message_id for row in rows], now_ms)
    if move is Move.RELEASE and (tried := [row.id for row in rows if row.first_tried_ms is not None]):
        # Who lets it go wants it to go; only mail that was for later keeps its time.
        recipients.set_due(tx, tried, now_ms)
    return len(moved)


def facts_of_movable(workspace_id: int, row: Movable) -> Facts:
    """Return what recording needs of a recipient that is about to be moved."""
    return Facts(
        workspace_id,
        row.message_id,
        row.id,
        row.address_key,
        row.stream,
        row.author_domain,
        tags_of(row.tags),
        row.provider,
    )
