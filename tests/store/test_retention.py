"""What is old goes, what is waited for stays, and the counters equal a recount before and after."""

import os
import zlib
from pathlib import Path
from typing import Any

import pytest
from queue_rows import NOW, OK, Queue, message_row, recipient_row

from postroom.base.clock import DAY_MS, HOUR_MS, ManualClock
from postroom.base.errors import WrongInput
from postroom.events import record
from postroom.events.moves import Move, move_selected
from postroom.ledger.keeping_rows import KeepingRow
from postroom.ledger.rows import ContentRow, HitRow, LaneRow, MessageRow, RecipientRow, SandboxCopyRow
from postroom.store import content, counters, keeping
from postroom.store.database import Database, Tx, open_database, statement
from postroom.store.recipients import RecipientFilter
from postroom.upkeep.periods import Periods, check_periods, read_period, show_period
from postroom.upkeep.retention import Retention

_DELIVER = statement(
    "UPDATE recipient SET state = 'delivered', settled_ms = ?, sent_hour = ?, reason = 'taken' WHERE id = ?"
)


class Kept(Queue):
    """A store with mail of all ages."""

    async def mail(self, key: str, count: int = 1, *, state: str = "delivered", size_bytes: int = 3_000) -> MessageRow:
        """Store a message with its content, recipients, a hit and a kept copy; settle it unless it waits."""
        now = self.clock.now_ms()
        message = message_row(self.ids.next(), created_ms=now, content_key=key.encode())
        rows = [recipient_row(self.ids.next(), message, state="queued") for _ in range(count)]
        event_ids = [self.ids.next() for _ in range(2 * count + 1)]
        body = zlib.compress(os.urandom(size_bytes))
        hits = [self.ids.next() for _ in rows]

        def write(tx: Tx) -> None:
            tx.add(ContentRow(1, key.encode(), size_bytes, None, body, b"plan", zlib.compress(b"\x90"), now))
            tx.add(message)
            tx.add(LaneRow(rows[0].lane_id, 1, message.stream, "example.net"))
            record.record_accepted(tx, message, [row.provider for row in rows], event_ids[0])
            for row in rows:
                tx.add(row)

        await self.database.write(write)
        if state == "delivered":
            await self.deliver(message, rows, event_ids[1:], hits)
        elif state != "queued":
            await self.act("UPDATE recipient SET state = ? WHERE message_id = ?", state, message.id)
        return message

    async def deliver(
        self, message: MessageRow, rows: list[RecipientRow], event_ids: list[int], hits: list[int]
    ) -> None:
        """Settle recipients as delivered, each with a hit and a kept copy."""
        now = self.clock.now_ms()

        def write(tx: Tx) -> None:
            for row, event_id, hit in zip(rows, event_ids, hits, strict=False):
                tx.run(_DELIVER, (now, now // HOUR_MS, row.id))
                record.record_delivered(tx, record.facts_of(message, row), event_id, now, OK, 1)
                tx.add(HitRow(hit, 1, row.id, "open", 0, now, "GET", "192.0.2.1", "agent", "{}", "human", 1))
                tx.add(SandboxCopyRow(row.id, 1, "", b"copy" * 100, now))

        await self.database.write(write)

    async def everything(self, retention: Retention) -> dict[str, int]:
        """Do all chores of retention once."""
        return {
            "bodies": await retention.bodies(),
            "hits": await retention.hits(),
            "copies": await retention.sandbox_copies(),
            "messages": await retention.ledger(),
            "pages": await retention.unused_pages(),
        }

    async def has_body(self, key: str) -> bool:
        return await content.load(self.database, 1, key.encode()) is not None

    async def count(self, table: str) -> int:
        return int((await self.ask(f"SELECT count(*) FROM {table}"))[0][0])

    async def recount(self) -> list[Any]:
        """Return what a recount of all hours that are not sealed would correct."""
        end = self.clock.now_ms() // HOUR_MS + 1

        def compare(tx: Tx) -> list[Any]:
            first = keeping.sealed_hour(tx, 1)
            return counters.differences(tx, 1, first, end, record.counted_under)[1]

        return await self.database.write(compare)


@pytest.fixture
async def kept(database: Database, clock: ManualClock) -> Kept:
    house = Kept(database, clock)
    await house.workspace()
    return house


@pytest.fixture
def retention(database: Database, clock: ManualClock) -> Retention:
    return Retention(database, clock)


async def test_a_body_goes_30_days_after_its_last_recipient_settled_and_its_links_stay(
    kept: Kept, retention: Retention
) -> None:
    await kept.mail("old")
    kept.clock.advance(days=29)
    await kept.mail("young")
    assert await retention.bodies() == 0
    assert await kept.has_body("old")

    kept.clock.advance(days=1, hours=2)

    assert await retention.bodies() == 1
    assert not await kept.has_body("old")
    assert await kept.has_body("young")
    assert await kept.ask("SELECT key FROM content WHERE length(links) > 0 ORDER BY key DESC") == [
        (b"young",),
        (b"old",),
    ]
    assert await retention.bodies() == 0


@pytest.mark.parametrize("state", ["queued", "held", "deferred", "sending", "in_doubt"])
async def test_the_body_of_mail_that_waits_never_goes(kept: Kept, retention: Retention, state: str) -> None:
    message = await kept.mail("waits", state=state)
    for _ in range(3):
        kept.clock.advance(days=500)
        await kept.everything(retention)
        assert await kept.has_body("waits")
        assert await kept.count("recipient") == 1

    now = kept.clock.now_ms()
    await kept.act("UPDATE recipient SET state = 'failed', settled_ms = ? WHERE message_id = ?", now, message.id)
    kept.clock.advance(days=29)
    await kept.everything(retention)
    assert await kept.has_body("waits")

    kept.clock.advance(days=3)
    await retention.bodies()
    assert not await kept.has_body("waits")


async def test_a_content_stays_for_the_last_message_that_uses_it(kept: Kept, retention: Retention) -> None:
    """Stored once for three messages: the second comes within the hour, the third weeks later and is held."""
    await kept.mail("shared")
    kept.clock.advance(hours=0.5)
    second = await kept.mail("shared", state="held")
    kept.clock.advance(days=20)
    third = await kept.mail("shared", state="held")
    for message in (second, third):
        for _ in range(3):
            kept.clock.advance(days=40)
            await retention.bodies()
            assert await kept.has_body("shared"), message.id
        now = kept.clock.now_ms()
        await kept.act("UPDATE recipient SET state = 'delivered', settled_ms = ? WHERE message_id = ?", now, message.id)

    kept.clock.advance(days=32)
    await retention.bodies()

    assert not await kept.has_body("shared")


async def test_what_is_sent_again_after_its_body_went_has_it_again(kept: Kept, retention: Retention) -> None:
    await kept.mail("again")
    kept.clock.advance(days=40)
    await retention.bodies()

    await kept.mail("again", state="queued")
    await retention.bodies()

    assert await kept.has_body("again")


async def test_another_try_of_old_failed_mail_keeps_a_body_that_others_kept_alive(
    kept: Kept, retention: Retention
) -> None:
    first = await kept.mail("shared", state="failed")
    await kept.act("UPDATE recipient SET settled_ms = ?", NOW)
    kept.clock.advance(days=20)
    await kept.mail("shared")
    kept.clock.advance(days=15)
    await retention.bodies()
    asked = RecipientFilter(message_id=first.id)
    await move_selected(kept.database, kept.ids, kept.clock, 1, Move.RETRY, asked, "operator")

    kept.clock.advance(days=40)
    await retention.bodies()

    assert await kept.has_body("shared")


async def test_hits_and_kept_copies_go_by_their_own_age(kept: Kept, retention: Retention) -> None:
    await kept.mail("one", 3)
    row = KeepingRow(1, hits_ms=2 * DAY_MS, sandbox_ms=5 * DAY_MS)
    await kept.database.write(lambda tx: keeping.set_periods(tx, row))
    kept.clock.advance(days=3)

    assert (await retention.hits(), await retention.sandbox_copies()) == (3, 0)
    kept.clock.advance(days=3)
    assert (await retention.hits(), await retention.sandbox_copies()) == (0, 3)
    assert await kept.count("event") == 4


async def test_messages_go_with_all_their_rows_and_sealed_counters_stand(kept: Kept, retention: Retention) -> None:
    await kept.mail("old", 450)
    kept.clock.advance(days=399)
    await kept.mail("young", 2)
    before = await kept.ask("SELECT sum(outbound), sum(sent) FROM counter")
    assert await kept.recount() == []
    assert await retention.ledger() == 0

    kept.clock.advance(days=2)
    await kept.everything(retention)

    assert [await kept.count(table) for table in ("message", "recipient", "event")] == [1, 2, 3]
    assert await kept.ask("SELECT key FROM content") == [(b"young",)]
    assert await kept.ask("SELECT sum(outbound), sum(sent) FROM counter") == before
    assert await kept.recount() == []
    assert await kept.count("keep_later") == 0
    assert (
        await kept.ask("SELECT tag, message_id FROM message_tag WHERE message_id NOT IN (SELECT id FROM message)") == []
    )


async def test_a_message_stays_as_long_as_something_happens_to_it(kept: Kept, retention: Retention) -> None:
    """So no counter of an hour that is not sealed loses its rows."""
    message = await kept.mail("read for long")
    ((recipient_id,),) = await kept.ask("SELECT id FROM recipient")
    kept.clock.advance(days=300)
    late = kept.ids.next()
    now = kept.clock.now_ms()
    row = recipient_row(recipient_id, message)
    hit = record.Fetched(record.facts_of(message, row), late, now, True, True, {})
    await kept.act("UPDATE recipient SET opened_ms = ?, human_opened_ms = ?", now, now)
    await kept.database.write(lambda tx: record.record_opened(tx, [hit]))

    kept.clock.advance(days=200)
    await kept.everything(retention)
    assert await kept.count("recipient") == 1
    assert await kept.recount() == []

    kept.clock.advance(days=202)
    await kept.everything(retention)
    assert await kept.count("recipient") == 0
    assert await kept.recount() == []


async def test_after_thirty_simulated_days_the_file_has_stopped_growing(
    sqlite_url: str, clock: ManualClock, tmp_path: Path
) -> None:
    database = await open_database(sqlite_url, clock=clock)
    house, retention = Kept(database, clock), Retention(database, clock)
    await house.workspace()
    short = KeepingRow(1, bodies_ms=2 * DAY_MS, hits_ms=2 * DAY_MS, ledger_ms=5 * DAY_MS, sandbox_ms=DAY_MS)
    await database.write(lambda tx: keeping.set_periods(tx, short))
    sizes = []
    for day in range(30):
        for number in range(4):
            await house.mail(f"{day}/{number}", 4, size_bytes=180_000)
            clock.advance(hours=6)
        await house.everything(retention)
        ((pages,),) = await house.ask("SELECT page_count FROM pragma_page_count")
        sizes.append(int(pages))
    assert await house.recount() == []
    await database.close()
    whole = (tmp_path / "postroom.db").stat().st_size

    assert max(sizes[10:]) <= sizes[9] * 1.03, sizes
    assert whole == sizes[-1] * 4096


def test_periods_are_written_as_days_and_hours() -> None:
    assert (read_period("30d", "bodies"), read_period("36h", "bodies")) == (30 * DAY_MS, 36 * HOUR_MS)
    assert (show_period(30 * DAY_MS), show_period(36 * HOUR_MS)) == ("30d", "36h")
    for wrong in ("", "0d", "1h", "30", "d", "1.5d", "4000d", "30 days", "٣d"):
        with pytest.raises(WrongInput, match="1d to 3650d"):
            read_period(wrong, "bodies")


def test_nothing_is_kept_longer_than_its_ledger() -> None:
    check_periods(Periods())
    with pytest.raises(WrongInput, match="lengthen the ledger's time"):
        check_periods(Periods(bodies_ms=401 * DAY_MS))
