"""Tracers: times by stage, and which are lost."""

import json

from postroom.base.clock import ManualClock
from postroom.base.ids import IdSource
from postroom.ledger.account_rows import TracerRow
from postroom.mail.tracer import code_in, subject_of
from postroom.store import tracers
from postroom.store.database import Database
from postroom.store.tracers import BEING_SENT, Times, stages_of

ACCOUNT, WORKSPACE = 77, 5
CODE = "0123456789abcdef0123"
LAST = (1 << 63) - 1


async def _sent(database: Database, clock: ManualClock, code: str = CODE, why: str = "") -> TracerRow:
    row = TracerRow(IdSource(1, clock).next(), ACCOUNT, WORKSPACE, code, clock.now_ms(), BEING_SENT)

    await database.write(lambda tx: tracers.add_tracer(tx, row))
    await database.write(lambda tx: tracers.tell_sending(tx, row.id, why))
    return row


async def _now(database: Database) -> TracerRow:
    (row,) = await database.read(lambda conn: tracers.tracers_of(conn, WORKSPACE, LAST, 10))
    return row


async def test_a_tracer_that_arrives_has_the_time_of_each_stage(database: Database, clock: ManualClock) -> None:
    row = await _sent(database, clock)
    times = Times(row.sent_ms + 2000, row.sent_ms + 2300, row.sent_ms + 2350, row.sent_ms + 2400)

    assert await database.write(lambda tx: tracers.arrived(tx, ACCOUNT, CODE, times))

    seen = await _now(database)
    assert seen.arrived_ms == row.sent_ms + 2400
    assert json.loads(seen.stages) == {"provider": 2000, "notify": 300, "fetch": 50, "queue": 50}


async def test_a_mail_with_the_subject_of_a_tracer_that_nobody_sent_is_none(
    database: Database, clock: ManualClock
) -> None:
    row = await _sent(database, clock)
    times = Times(None, row.sent_ms, row.sent_ms, row.sent_ms)

    assert not await database.write(lambda tx: tracers.arrived(tx, ACCOUNT, "f" * 20, times))
    assert not await database.write(lambda tx: tracers.arrived(tx, ACCOUNT + 1, CODE, times))


async def test_a_tracer_found_twice_keeps_its_first_times(database: Database, clock: ManualClock) -> None:
    row = await _sent(database, clock)
    at = row.sent_ms + 1000

    assert await database.write(lambda tx: tracers.arrived(tx, ACCOUNT, CODE, Times(None, at, at, at)))
    assert await database.write(lambda tx: tracers.arrived(tx, ACCOUNT, CODE, Times(None, at, at, at + 9000)))

    assert (await _now(database)).arrived_ms == at


async def test_a_late_tracer_is_lost_once_and_may_arrive_after_all(database: Database, clock: ManualClock) -> None:
    row = await _sent(database, clock)
    clock.advance(seconds=601)
    now = clock.now_ms()

    lost = await database.write(lambda tx: tracers.lose(tx, row.sent_ms - 1, now - 600_000, now, 10))
    again = await database.write(lambda tx: tracers.lose(tx, row.sent_ms - 1, now - 600_000, now, 10))

    assert [one.id for one in lost] == [row.id]
    assert again == []
    assert await database.read(lambda conn: tracers.count_lost(conn, row.sent_ms - 1)) == 1
    assert await database.write(lambda tx: tracers.arrived(tx, ACCOUNT, CODE, Times(None, now, now, now)))
    assert await database.read(lambda conn: tracers.count_lost(conn, row.sent_ms - 1)) == 0


async def test_a_tracer_that_was_never_sent_is_not_lost(database: Database, clock: ManualClock) -> None:
    row = await _sent(database, clock, why="The server does not take the password.")
    clock.advance(seconds=601)
    now = clock.now_ms()

    assert await database.write(lambda tx: tracers.lose(tx, row.sent_ms - 1, now - 600_000, now, 10)) == []
    assert (await _now(database)).why == "The server does not take the password."


def test_stages_add_up_and_none_is_negative_when_clocks_differ() -> None:
    stages = stages_of(10_000, Times(internal_ms=9_000, noticed_ms=9_500, fetched_ms=12_000, recorded_ms=11_000))

    assert min(stages.values()) >= 0
    assert sum(stages.values()) == 2_000


def test_the_code_is_read_out_of_a_subject_that_somebody_else_wrote_into() -> None:
    assert code_in(subject_of(CODE)) == CODE
    assert code_in(f"[EXTERNAL] TRACER:  {CODE} ") == CODE
    assert code_in("TRACER: nothing") is None
    assert code_in(f"TRACER: {CODE}0") is None
