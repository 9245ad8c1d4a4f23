"""Counting again in many small reads comes to the same as in one, also while mail goes on."""

from typing import Any

import pytest
from queue_rows import OK, Queue, tried

from postroom.base.clock import HOUR_MS, ManualClock
from postroom.events import record
from postroom.ledger.rows import CounterKey
from postroom.outbound.retry import RetrySchedule
from postroom.outbound.settle import decide, write
from postroom.store import counters, keeping, queue
from postroom.store.counters import Difference
from postroom.store.database import Database, Tx
from postroom.upkeep.recount import Recount


class Mailing(Queue):
    """A store in which mail goes out."""

    async def deliver(self, count: int, **fields: Any) -> None:
        """Accept and deliver a message with so many recipients."""
        _, rows = await self.message(count, **fields)
        now, lane = self.clock.now_ms(), rows[0].lane_id
        event_ids = [self.ids.next() for _ in rows]

        def settle(tx: Tx) -> None:
            claimed = queue.claim(tx, lane, limit=count, node=1, now_ms=now, lease_ms=now + 1000)
            ended = [
                tried(one, OK, event_id=event_id, at_ms=now) for one, event_id in zip(claimed, event_ids, strict=True)
            ]
            write(tx, [decide(one, RetrySchedule(), 0.0) for one in ended])

        await self.database.write(settle)

    @property
    def hour(self) -> int:
        """The present hour."""
        return self.clock.now_ms() // HOUR_MS


@pytest.fixture
async def mailing(database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Mailing:
    monkeypatch.setattr(counters, "PAGE", 3)
    made = Mailing(database, clock)
    await made.workspace()
    for number in range(8):
        await made.deliver(number + 1)
        clock.advance(hours=1)
    return made


def counting(mailing: Mailing) -> Recount:
    return Recount(mailing.database, mailing.clock, record.counted_under)


async def test_many_small_reads_come_to_the_same_as_one(mailing: Mailing) -> None:
    await mailing.deliver(2)
    wrong = [CounterKey(1, mailing.hour - 3, "total", ""), CounterKey(1, mailing.hour, "provider", "other")]
    for key in wrong:
        await mailing.database.write(lambda tx, key=key: tx.count(key, "sent", 5))  # type: ignore[misc]
    first, end = mailing.hour - 20, mailing.hour + 1
    at_once = await mailing.database.read(lambda conn: counters.differences(conn, 1, first, end, record.counted_under))

    done = await counting(mailing).run(1, first, repair=False)

    assert (done.compared, done.differences) == at_once
    assert len(done.differences) == 2
    assert (await counting(mailing).run(1, first, repair=True)).differences == done.differences
    assert (await counting(mailing).run(1, first, repair=True)).differences == []


async def test_mail_that_goes_on_meanwhile_is_no_difference(mailing: Mailing, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page is read, then something old is counted: an open that waited in the spool, another try of a failed one."""
    recount, pages = counting(mailing), 0
    ((recipient_id, message_id),) = await mailing.ask("SELECT id, message_id FROM recipient ORDER BY id LIMIT 1")
    walk = recount._page

    def page(*given: Any, **more: Any) -> int | None:
        nonlocal pages
        pages += 1
        return walk(*given, **more)

    monkeypatch.setattr(recount, "_page", page)
    stored = recount._stored
    opened = False

    async def stored_then_opened(*given: Any) -> Any:
        nonlocal opened
        found = await stored(*given)
        if not opened:
            opened = True
            await _open_late(mailing, recipient_id, message_id)
        return found

    monkeypatch.setattr(recount, "_stored", stored_then_opened)

    done = await recount.run(1, mailing.hour - 20, repair=True)

    assert (done.differences, done.unsettled) == ([], 0)
    assert pages > 6
    end = mailing.hour + 1
    exact = await mailing.database.read(lambda conn: counters.differences(conn, 1, 0, end, record.counted_under))
    assert exact[1] == []


async def _open_late(mailing: Mailing, recipient_id: int, message_id: int) -> None:
    at_ms = mailing.clock.now_ms() - 5 * HOUR_MS
    event_id = mailing.ids.next()
    facts = record.Facts(1, message_id, recipient_id, "k", "transactional", "example.com", ("blue",), "other")

    def write_open(tx: Tx) -> None:
        record.record_opened(tx, [record.Fetched(facts, event_id, at_ms, True, False, {})])

    await mailing.database.write(write_open)
    await mailing.act("UPDATE recipient SET opened_ms = ? WHERE id = ?", at_ms, recipient_id)


async def test_what_changed_since_it_was_compared_is_not_corrected(mailing: Mailing) -> None:
    key = CounterKey(1, mailing.hour - 3, "total", "")
    stale = [Difference(key.hour, "total", "", "sent", 100, 5)]
    assert await mailing.database.write(lambda tx: counters.correct_unchanged(tx, 1, stale)) == 0
    assert (await counting(mailing).run(1, mailing.hour - 20, repair=False)).differences == []


async def test_sealed_hours_are_left_alone(mailing: Mailing) -> None:
    wrong = CounterKey(1, mailing.hour - 3, "total", "")
    await mailing.database.write(lambda tx: tx.count(wrong, "sent", 5))
    await mailing.database.write(lambda tx: keeping.seal(tx, 1, mailing.hour - 2))
    assert (await counting(mailing).run(1, 0, repair=True)).differences == []
