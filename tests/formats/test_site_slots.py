"""How many tries a site may have at a time."""

import pytest

from postroom.base.clock import ManualClock
from postroom.ledger.states import Stream
from postroom.outbound.sites import MOST_IN_FLIGHT, Sites

BULK, TRANSACTIONAL = Stream.BULK, Stream.TRANSACTIONAL


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def sites(clock: ManualClock) -> Sites:
    return Sites(clock, 20, claims_a_slot=2)


def deliver(sites: Sites, count: int, name: str = "a", stream: Stream = BULK) -> None:
    for _ in range(count):
        sites.take(name, stream, 1)
        sites.give_back(name, stream, busy=False, delivered=True)


def trouble(sites: Sites, name: str = "a") -> None:
    sites.take(name, BULK, 1)
    sites.give_back(name, BULK, busy=True, delivered=False)


def test_a_new_site_begins_with_a_few_slots_and_each_success_adds_one_up_to_the_limit(sites: Sites) -> None:
    assert sites.free("a", TRANSACTIONAL) == 8
    deliver(sites, 1)
    assert sites.free("a", TRANSACTIONAL) == 10
    deliver(sites, 100)
    assert sites.free("a", TRANSACTIONAL) == 40


def test_bulk_never_takes_the_slot_that_is_kept_for_transactional_mail(sites: Sites) -> None:
    deliver(sites, 100)
    assert sites.free("a", BULK) == 38
    sites.take("a", BULK, 38)
    assert (sites.free("a", BULK), sites.free("a", TRANSACTIONAL)) == (0, 2)
    sites.give_back("a", BULK, busy=False, delivered=False)
    assert (sites.free("a", BULK), sites.free("a", TRANSACTIONAL)) == (1, 3)


def test_a_site_with_one_slot_serves_bulk_too(clock: ManualClock) -> None:
    sites = Sites(clock, 1, claims_a_slot=2)
    assert (sites.free("a", BULK), sites.free("a", TRANSACTIONAL)) == (2, 2)


def test_trouble_halves_the_slots_and_makes_a_pause_that_grows(sites: Sites, clock: ManualClock) -> None:
    deliver(sites, 100)
    trouble(sites)
    assert sites.free("a", TRANSACTIONAL) == 0
    assert sites.next_resume() == clock.monotonic() + 5
    clock.advance(seconds=5)
    assert sites.free("a", TRANSACTIONAL) == 20
    trouble(sites)
    clock.advance(seconds=9)
    assert sites.free("a", TRANSACTIONAL) == 0
    clock.advance(seconds=1)
    assert sites.free("a", TRANSACTIONAL) == 10


def test_a_pause_never_exceeds_ten_minutes_and_one_slot_is_always_left(sites: Sites, clock: ManualClock) -> None:
    for _ in range(20):
        trouble(sites)
        clock.advance(seconds=600)
    assert sites.free("a", TRANSACTIONAL) == 2


def test_tries_that_were_in_flight_when_the_pause_began_do_not_lengthen_it(sites: Sites, clock: ManualClock) -> None:
    sites.take("a", BULK, 6)
    for _ in range(6):
        sites.give_back("a", BULK, busy=True, delivered=False)
    clock.advance(seconds=5)
    assert sites.free("a", TRANSACTIONAL) == 4


def test_after_trouble_five_successes_give_one_slot_back(sites: Sites, clock: ManualClock) -> None:
    trouble(sites)
    clock.advance(seconds=5)
    deliver(sites, 4)
    assert sites.free("a", TRANSACTIONAL) == 4
    deliver(sites, 1)
    assert sites.free("a", TRANSACTIONAL) == 6


def test_a_try_asked_for_by_an_operator_ends_the_pause(sites: Sites) -> None:
    trouble(sites)
    sites.resume("a")
    assert sites.free("a", TRANSACTIONAL) > 0
    assert sites.next_resume() is None


@pytest.mark.parametrize(("limit", "nodes"), [(20, 1), (20, 3), (20, 7), (3, 10), (1, 2)])
def test_the_shares_of_all_nodes_are_the_limit_at_every_site(clock: ManualClock, limit: int, nodes: int) -> None:
    for name in ("google", "microsoft", "mx.example.net"):
        shares = [Sites(clock, limit, lambda place=place: (place, nodes)).share(name) for place in range(nodes)]
        assert sum(shares) == limit
        assert max(shares) - min(shares) <= 1


def test_what_cannot_be_divided_goes_to_other_nodes_at_other_sites(clock: ManualClock) -> None:
    node = Sites(clock, 1, lambda: (0, 4))
    shares = {node.share(f"site {number}") for number in range(50)}
    assert shares == {0, 1}


def test_a_node_without_a_share_claims_nothing(clock: ManualClock) -> None:
    node = Sites(clock, 1, lambda: (0, 4))
    without = next(name for name in map(str, range(50)) if not node.share(name))
    assert (node.free(without, BULK), node.free(without, TRANSACTIONAL)) == (0, 0)


def test_all_sites_together_have_a_limit_and_bulk_leaves_some_of_it(sites: Sites) -> None:
    for number in range(75):
        sites.take(f"site {number}", BULK, 8)
    assert sites.room(BULK) == 0
    assert sites.room(TRANSACTIONAL) == MOST_IN_FLIGHT - 600
    sites.take("other", TRANSACTIONAL, sites.room(TRANSACTIONAL))
    assert sites.room(TRANSACTIONAL) == 0


def test_what_is_in_flight_or_paused_is_shown(sites: Sites) -> None:
    sites.take("b", BULK, 3)
    trouble(sites)
    assert [(one.name, one.in_flight, one.pause_seconds) for one in sites.view()] == [("a", 0, 5.0), ("b", 3, 0.0)]


def test_a_look_at_a_site_changes_nothing_and_knows_sites_that_were_never_used() -> None:
    sites = Sites(ManualClock(), 20)
    assert sites.look_at("new.test").slots == 4
    assert sites.view() == []
    sites.take("mx.test", Stream.BULK, 2)
    sites.give_back("mx.test", Stream.BULK, busy=True, delivered=False)
    assert (sites.look_at("mx.test").in_flight, sites.look_at("mx.test").pause_seconds) == (1, 5.0)
    assert sites.view() == [sites.look_at("mx.test")]
