"""The worker over a real store of each engine, with tries made by a double."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog.testing
from queue_rows import LATER, NO, NOW, OK, Queue, ids_of

from postroom.base.clock import ManualClock
from postroom.base.errors import TryLater
from postroom.ledger.outcomes import Outcome
from postroom.ledger.rows import SandboxCopyRow, SuppressionRow
from postroom.outbound.attempt import Attempted, Work
from postroom.outbound.flights import LEASE_MS
from postroom.outbound.hops import Hop
from postroom.outbound.messages import Messages
from postroom.outbound.notifications import Notices
from postroom.outbound.recover import Recovery
from postroom.outbound.retry import RetrySchedule
from postroom.outbound.settle import Decision
from postroom.outbound.settler import Settler
from postroom.outbound.sites import Sites
from postroom.outbound.transport import NextHop, TransportKind
from postroom.outbound.worker import BELIEVED_MS, Worker
from postroom.store import queue
from postroom.store.database import Conn, Database, open_database
from postroom.store.queue import DueLane

HOP = Hop("mx", NextHop(TransportKind.SMARTHOST, "mx", "other", (), 60), None)


@dataclass
class Tries:
    """Makes the tries: answers by address, or waits until the test ends them."""

    answers: dict[str, Outcome] = field(default_factory=dict)
    hold: bool = False
    started: list[Work] = field(default_factory=list)
    waiting: dict[int, Callable[[Attempted], None]] = field(default_factory=dict)
    leases: list[tuple[list[tuple[int, int]], int]] = field(default_factory=list)
    settled_keys: list[tuple[int, int]] = field(default_factory=list)
    kept: bytes | None = None

    def start(self, work: Work, done: Callable[[Attempted], None]) -> None:
        self.started.append(work)
        if self.hold:
            self.waiting[work.claimed.id] = done
        else:
            done(Attempted(self.answers.get(work.claimed.address, OK), self.kept))

    def renewed(self, keys: Sequence[tuple[int, int]], lease_ms: int) -> None:
        self.leases.append((list(keys), lease_ms))

    def settled(self, keys: Sequence[tuple[int, int]]) -> None:
        self.settled_keys += keys

    async def drain(self, seconds: float) -> None:
        for row_id in list(self.waiting):
            self.end(row_id, OK)

    def end(self, row_id: int, outcome: Outcome) -> None:
        self.waiting.pop(row_id)(Attempted(outcome))


@dataclass
class Reports:
    """Owes no reports; fails where the test says so."""

    fault: Callable[[Decision], None] = lambda decision: None

    async def prepare(self, decisions: Sequence[Decision]) -> Notices:
        for decision in decisions:
            self.fault(decision)
        return Notices(decisions)

    def written(self, notices: Notices, ours: set[int]) -> None:
        return


@dataclass
class OneHop:
    """Where mail goes: everything to one site, unless the test says otherwise."""

    hop: Hop | None = HOP
    hops: list[Hop | None] = field(default_factory=list)
    """What is answered before that, once each."""

    def known(self, lane: DueLane) -> Hop | None:
        return self.hops.pop() if self.hops else self.hop


class House(Queue):
    """A worker with all that it uses."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        super().__init__(database, clock)
        self.tries, self.reports, self.hops = Tries(), Reports(), OneHop()
        self.sites = Sites(clock, 20)
        self.messages = Messages(database)
        settler = Settler(database, self.reports, RetrySchedule(), lambda: 0.0)
        self.recovery = Recovery(database, settler, lambda workspace, stream: False, self.ids, clock)
        self.worker = Worker(
            database=database, clock=clock, ids=self.ids, sites=self.sites, hops=self.hops, attempts=self.tries,
            messages=self.messages, settler=settler,
            give_back=lambda ids: self.recovery.give_back(self.ids.node, ids),
            retries_in_doubt=lambda workspace, stream: False, jitter=lambda: 0.5,
        )  # fmt: skip
        self._task = asyncio.ensure_future(self.worker.run())

    async def until(self, claim: Callable[[], Awaitable[bool]] | Callable[[], bool]) -> None:
        """Let the worker work until `claim` holds, moving the clock along."""
        async with asyncio.timeout(30):
            while not await _held(claim()):
                self.clock.advance(seconds=0.5)
                await asyncio.sleep(0.005)

    async def until_states(self, **states: int) -> None:
        async def reached() -> bool:
            return await self.states() == states

        try:
            await self.until(reached)
        except TimeoutError:
            raise AssertionError(await self.ask("SELECT state, reason FROM recipient")) from None

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def _held(claim: Awaitable[bool] | bool) -> bool:
    return claim if isinstance(claim, bool) else await claim


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    # Faults are made on purpose here, and showing their tracebacks takes seconds.
    with structlog.testing.capture_logs():
        yield


@pytest.fixture(params=["sqlite", "postgresql"])
async def house(request: pytest.FixtureRequest, tmp_path: Any) -> AsyncIterator[House]:
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/postroom.db" if sqlite else request.getfixturevalue("postgres_url")
    clock = ManualClock()
    database = await open_database(url, node=3, clock=clock)
    opened = House(database, clock)
    yield opened
    await opened.close()
    await database.close()


async def counters(house: House) -> tuple[int, int, int]:
    ((outbound, sent, failed),) = await house.ask(
        "SELECT sum(outbound), sum(sent), sum(failed) FROM counter WHERE dimension = 'total'"
    )
    return int(outbound), int(sent or 0), int(failed or 0)


async def test_due_mail_is_claimed_tried_and_settled_with_event_and_counters(house: House) -> None:
    _, rows = await house.message(5)
    house.tries.answers = {rows[0].address: NO, rows[1].address: LATER}
    await house.until_states(delivered=3, failed=1, deferred=1)
    assert await counters(house) == (5, 3, 1)
    told = dict(await house.ask("SELECT kind, count(*) FROM event GROUP BY kind"))
    assert told == {"accepted": 1, "delivered": 3, "failed": 1, "deferred": 1}
    assert sorted(house.tries.settled_keys) == [(row.id, 1) for row in rows]
    await house.until(lambda: house.worker.in_flight == 0 and not house.sites.view())


async def test_a_deferred_recipient_is_tried_again_when_it_is_due(house: House) -> None:
    _, (row,) = await house.message(1)
    house.tries.answers = {row.address: LATER}
    await house.until_states(deferred=1)
    house.tries.answers = {}
    house.clock.advance(seconds=299)
    await house.until_states(delivered=1)
    assert [work.claimed.tries for work in house.tries.started] == [0, 1]


async def test_a_suppressed_address_is_never_dialled(house: House) -> None:
    _, rows = await house.message(3, recipient={"due_ms": NOW + 10_000})
    await house.database.write(
        lambda tx: tx.add(SuppressionRow(9, 1, rows[1].address_key, "all", "dead", "api", "", None, NOW))
    )
    await house.until_states(delivered=2, suppressed=1)
    assert rows[1].id not in [work.claimed.id for work in house.tries.started]
    assert await house.ask("SELECT recipient_id FROM event WHERE kind = 'suppressed'") == [(rows[1].id,)]
    await house.until(lambda: not house.sites.view())


async def test_the_copy_that_the_sandbox_keeps_is_stored_with_the_settlement(house: House) -> None:
    house.tries.kept = b"copy"
    _, (row,) = await house.message(1)
    await house.until_states(delivered=1)
    kept = await house.ask("SELECT recipient_id, copy FROM sandbox_copy")
    assert [(one[0], bytes(one[1])) for one in kept] == [(row.id, b"copy")]


async def test_a_slot_is_given_back_where_it_was_taken_although_the_hop_has_moved(house: House) -> None:
    """It was given back to the new site, and the old one ran out of slots for ever."""
    house.tries.hold = True
    _, (row,) = await house.message(1)
    await house.until(lambda: bool(house.tries.waiting))
    house.hops.hop = Hop("elsewhere", HOP.next_hop, None)
    house.tries.end(row.id, OK)
    await house.until_states(delivered=1)
    assert house.sites.view() == []


async def test_a_hop_that_was_forgotten_between_plan_and_start_returns_the_recipient(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    get, forgotten = house.messages.get, [True]

    async def forget(ids: Sequence[int]) -> Any:
        if forgotten:
            forgotten.pop()
            house.hops.hops.append(None)
        return await get(ids)

    monkeypatch.setattr(house.messages, "get", forget)
    _, (row,) = await house.message(1)
    await house.until_states(delivered=1)
    assert await house.ask("SELECT epoch, tries FROM recipient WHERE id = ?", row.id) == [(2, 1)]
    assert house.sites.view() == []


async def test_outcomes_wait_for_a_store_that_is_away_and_are_settled_then(house: House) -> None:
    house.tries.hold = True
    _, rows = await house.message(3)
    await house.until(lambda: len(house.tries.waiting) == 3)
    away = 5

    def fault(decision: Decision) -> None:
        nonlocal away
        away -= 1
        if away > 0:
            raise TryLater("the database is away")

    house.reports.fault = fault
    for row in rows:
        house.tries.end(row.id, OK)
    await house.until_states(delivered=3)
    assert len(house.tries.started) == 3


async def test_one_poisoned_outcome_keeps_no_other_from_being_settled(house: House) -> None:
    _, rows = await house.message(6)

    def fault(decision: Decision) -> None:
        if decision.tried.claimed.id == rows[2].id:
            raise ZeroDivisionError("in our own report")

    house.reports.fault = fault
    await house.until_states(delivered=6)
    assert await counters(house) == (6, 6, 0)


async def test_an_outcome_that_cannot_be_written_stays_claimed_is_tried_once_and_settled_when_it_can_be(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A programming error at one recipient: it was delivered, so nobody may send it again."""
    _, rows = await house.message(4)
    poisoned = SandboxCopyRow(rows[1].id, 1, "", b"", NOW)
    from_settler, broken = queue.settle, True

    def settle(tx: Any, settlements: Any) -> set[int]:
        if broken and any(one.id == poisoned.recipient_id for one in settlements):
            raise ZeroDivisionError("in our own code")
        return from_settler(tx, settlements)

    monkeypatch.setattr(queue, "settle", settle)
    await house.until_states(delivered=3, sending=1)
    await house.until(lambda: house.worker.in_flight == 1)
    # Time for three renewals, each with a look for strays.
    end = house.clock.now_ms() + 190_000
    await house.until(lambda: house.clock.now_ms() >= end)
    assert await house.states() == {"delivered": 3, "sending": 1}
    ((lease,),) = await house.ask("SELECT lease_ms FROM recipient WHERE state = 'sending'")
    assert lease > NOW + LEASE_MS + 60_000
    broken = False
    await house.until_states(delivered=4)
    assert len(house.tries.started) == 4


async def test_leases_of_what_is_in_flight_are_renewed(house: House) -> None:
    house.tries.hold = True
    _, rows = await house.message(2)
    await house.until(lambda: len(house.tries.waiting) == 2)
    house.clock.advance(seconds=200)
    await house.worker.renew()
    keys, lease_ms = house.tries.leases[-1]
    assert sorted(keys) == [(row.id, 1) for row in rows]
    assert lease_ms == house.clock.now_ms() + LEASE_MS


async def test_a_lease_that_another_claim_took_is_not_renewed(house: House) -> None:
    house.tries.hold = True
    _, rows = await house.message(2)
    await house.until(lambda: len(house.tries.waiting) == 2)
    await house.act("UPDATE recipient SET node = 8, epoch = 2 WHERE id = ?", rows[0].id)
    await house.worker.renew()
    assert house.tries.leases[-1][0] == [(rows[1].id, 1)]
    house.tries.end(rows[0].id, OK)
    house.tries.end(rows[1].id, OK)
    await house.until(lambda: house.worker.in_flight == 0)
    assert await house.states() == {"sending": 1, "delivered": 1}
    assert await counters(house) == (2, 1, 0)


async def test_a_claim_that_got_lost_is_given_back_after_two_looks(house: House) -> None:
    """The COMMIT of a claim went through and its answer did not come: nobody tries these recipients."""
    await house.close()
    _, rows = await house.message(3)
    await house.database.write(
        lambda tx: queue.claim(tx, rows[0].lane_id, limit=2, node=3, now_ms=NOW, lease_ms=NOW + LEASE_MS)
    )
    await house.worker.find_strays()
    assert await house.states() == {"sending": 2, "queued": 1}
    await house.worker.find_strays()
    assert await house.states() == {"queued": 3}
    assert await house.ask("SELECT DISTINCT tries FROM recipient") == [(0,)]


async def test_what_is_being_tried_or_belongs_to_others_is_no_stray(house: House) -> None:
    house.tries.hold = True
    _, _rows = await house.message(2, domain="mine.test")
    await house.until(lambda: len(house.tries.waiting) == 2)
    _, _others = await house.message(1, domain="theirs.test", recipient={"state": "sending", "node": 9, "epoch": 4})
    for _ in range(3):
        await house.worker.find_strays()
    assert await house.states() == {"sending": 3}


async def test_a_fault_in_one_turn_does_not_end_the_worker(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    read, faults = queue.waiting_lanes, [ZeroDivisionError("ours"), TryLater("theirs")]

    def faulty(conn: Conn, **pages: Any) -> list[DueLane]:
        if faults:
            raise faults.pop()
        return read(conn, **pages)

    monkeypatch.setattr(queue, "waiting_lanes", faulty)
    await house.message(2)
    await house.until_states(delivered=2)


async def test_a_claim_that_could_not_begin_within_a_minute_is_given_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether its address is suppressed was asked in the claim, and that answer is too old by then."""
    get, slow = house.messages.get, [True]

    async def late(ids: Sequence[int]) -> Any:
        if slow:
            slow.pop()
            house.clock.advance(ms=BELIEVED_MS + 1)
        return await get(ids)

    monkeypatch.setattr(house.messages, "get", late)
    _, (_row,) = await house.message(1)
    await house.until_states(delivered=1)
    assert [work.claimed.epoch for work in house.tries.started] == [2]


async def test_a_stop_claims_nothing_more_and_settles_what_was_being_tried(house: House) -> None:
    house.tries.hold = True
    _, rows = await house.message(10)
    await house.until(lambda: bool(house.tries.waiting))
    started = ids_of([work.claimed for work in house.tries.started])
    await house.worker.stop(1)
    left = {"delivered": len(started), "queued": 10 - len(started)}
    assert await house.states() == {state: count for state, count in left.items() if count}
    house.worker.note([DueLane(rows[0].lane_id, 1, "transactional", "example.net", NOW)])
    await asyncio.sleep(0.05)
    assert len(house.tries.started) == len(started)


async def test_what_was_being_claimed_when_a_stop_came_goes_back_at_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stayed `sending` until the next start."""
    get = house.messages.get
    reading, go_on = asyncio.Event(), asyncio.Event()

    async def held(ids: Sequence[int]) -> Any:
        reading.set()
        await go_on.wait()
        return await get(ids)

    monkeypatch.setattr(house.messages, "get", held)
    await house.message(3)
    await house.until(reading.is_set)
    stopping = asyncio.ensure_future(house.worker.stop(1))
    await asyncio.sleep(0)
    go_on.set()
    await stopping
    assert await house.states() == {"queued": 3}
    assert house.tries.started == []
