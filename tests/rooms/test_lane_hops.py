"""The next hop of a lane: looked up in the background, believed for a while."""

import asyncio

import pytest
import structlog.testing
from queue_rows import due_lane

from postroom.base.clock import ManualClock
from postroom.ledger.outcomes import Outcome, OutcomeKind
from postroom.outbound.hops import LaneHops
from postroom.outbound.transport import NextHop, TransportKind, TransportSetting, failed

DIRECT = TransportSetting(TransportKind.DIRECT)


def hop(site: str) -> NextHop:
    return NextHop(TransportKind.DIRECT, site, "other", (), 60)


class House:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.answer: NextHop | Outcome | Exception = hop("mx")
        self.asked: list[str] = []
        self.setting: TransportSetting | None = DIRECT
        self.wakes = 0
        self.learnt: list[str] = []
        self.hops = LaneHops(self, lambda workspace: self.setting, self.clock, self._wake, self._learn)

    async def of(self, setting: TransportSetting, domain: str) -> NextHop | Outcome:
        self.asked.append(domain)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def _wake(self) -> None:
        self.wakes += 1

    def _learn(self, domain: str, hop: NextHop) -> None:
        self.learnt.append(domain)

    async def looked_up(self, number: int = 1) -> None:
        self.hops.known(due_lane(number))
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
async def house() -> House:
    return House()


async def test_a_hop_is_known_after_one_look_up_and_the_worker_is_woken(house: House) -> None:
    assert house.hops.known(due_lane(1)) is None
    await house.looked_up()
    known = house.hops.known(due_lane(1))
    assert known is not None
    assert (known.site, house.asked, house.wakes, house.learnt) == ("mx", ["d1.test"], 1, ["d1.test"])


async def test_a_hop_that_has_run_out_serves_until_the_new_answer_is_there(house: House) -> None:
    await house.looked_up()
    house.clock.advance(seconds=61)
    house.answer = hop("moved")
    stale = house.hops.known(due_lane(1))
    assert stale is not None
    assert stale.site == "mx"
    await house.looked_up()
    fresh = house.hops.known(due_lane(1))
    assert fresh is not None
    assert fresh.site == "moved"


async def test_a_failure_is_the_outcome_of_the_lane_on_a_site_of_its_own_and_not_believed_for_long(
    house: House,
) -> None:
    house.answer = failed("5.1.10", "null MX")
    await house.looked_up()
    known = house.hops.known(due_lane(1))
    assert known is not None
    assert (known.site, known.outcome().kind) == ("direct d1.test", OutcomeKind.FAILED)
    house.clock.advance(seconds=31)
    assert house.hops.known(due_lane(1)) is None


async def test_a_fault_of_ours_defers(house: House) -> None:
    house.answer = ZeroDivisionError("ours")
    with structlog.testing.capture_logs():
        await house.looked_up()
    known = house.hops.known(due_lane(1))
    assert known is not None
    assert known.outcome().kind is OutcomeKind.DEFERRED


async def test_a_smarthost_is_looked_up_once_for_all_lanes(house: House) -> None:
    house.setting = TransportSetting(TransportKind.SMARTHOST, "relay.test")
    await house.looked_up(1)
    assert house.hops.known(due_lane(2)) is not None
    assert house.asked == [""]


async def test_mail_of_a_workspace_that_another_node_has_just_made_waits_until_its_transport_is_known(
    house: House,
) -> None:
    """It would have left by the installation's transport, although its own may be the sandbox."""
    house.setting = None
    await house.looked_up()
    assert (house.hops.known(due_lane(1)), house.asked) == (None, [])


async def test_look_ups_that_wait_are_bounded(house: House) -> None:
    for number in range(2000):
        house.hops.known(due_lane(number))
    assert len(house.hops._asking) == 500
    await house.hops.close()
