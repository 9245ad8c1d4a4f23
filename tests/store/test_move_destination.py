"""Moving everything that waits for one domain."""

import pytest
from queue_rows import Queue

from postroom.base.clock import ManualClock
from postroom.events import moves
from postroom.events.moves import Move, Moved, move_destination
from postroom.store.database import Database


@pytest.fixture
async def queue(database: Database) -> Queue:
    made = Queue(database, ManualClock())
    await made.workspace()
    return made


async def move(queue: Queue, which: Move, domain: str = "a.test") -> Moved:
    return await move_destination(queue.database, queue.ids, queue.clock, 1, which, domain, "operator")


async def states(queue: Queue, domain: str) -> dict[str, int]:
    asked = "SELECT state, count(*) FROM recipient WHERE domain = ? GROUP BY state"
    return dict(await queue.ask(asked, domain))


async def fill(queue: Queue, domain: str) -> None:
    for state in ("queued", "deferred", "held", "in_doubt", "failed", "delivered", "sending"):
        await queue.message(2, domain=domain, recipient={"state": state})
    await queue.message(1, domain=domain, stream="bulk")


@pytest.mark.parametrize(
    ("which", "moved", "after"),
    [
        (Move.HOLD, 5, {"held": 7}),
        (Move.RELEASE, 2, {"queued": 5, "deferred": 2}),
        (Move.CANCEL, 7, {"cancelled": 7}),
        (Move.RETRY, 2, {"queued": 5, "held": 2}),
    ],
)
async def test_a_move_of_a_destination_takes_what_waits_and_leaves_doubts_and_others_alone(
    queue: Queue, monkeypatch: pytest.MonkeyPatch, which: Move, moved: int, after: dict[str, int]
) -> None:
    monkeypatch.setattr(moves, "PAGE", 2)
    await fill(queue, "a.test")
    await fill(queue, "b.test")
    before = await states(queue, "b.test")

    assert await move(queue, which) == Moved(moved, more=False)

    left = {"in_doubt": 2, "failed": 2, "delivered": 2, "sending": 2}
    assert await states(queue, "a.test") == {**left, **after}
    assert await states(queue, "b.test") == before
    told = await queue.ask("SELECT count(*) FROM event WHERE kind <> 'accepted'")
    assert told == [(moved,)]


async def test_a_move_ends_after_its_pages_and_says_that_there_is_more(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moves, "PAGE", 2)
    monkeypatch.setattr(moves, "MAX_PAGES", 2)
    await queue.message(5, domain="a.test")

    assert await move(queue, Move.HOLD) == Moved(4, more=True)
    assert await move(queue, Move.HOLD) == Moved(1, more=False)


async def test_another_workspace_moves_nothing(queue: Queue) -> None:
    await queue.message(1, domain="a.test", workspace_id=2)
    assert await move(queue, Move.CANCEL) == Moved(0, more=False)
