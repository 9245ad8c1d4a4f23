"""Whose turn it is."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from queue_rows import due_lane

from postroom.ledger.states import Stream
from postroom.outbound.lanes import MOST_CLAIMS, Lanes, Turn
from postroom.store.queue import DueLane

NOW = 1000


class Room:
    """Sites with so much room each; unlimited together."""

    def __init__(self, most: int = 10, *, kept: int = 0, together: int = 1_000_000, **sites: int) -> None:
        self.most = most
        self.kept = kept
        self.together = together
        self.sites = sites
        self.looks = 0

    def free(self, name: str, stream: Stream) -> int:
        self.looks += 1
        return self.sites.get(name, self.most) - (self.kept if stream is Stream.BULK else 0)

    def room(self, stream: Stream) -> int:
        return self.together


def by_domain(lane: DueLane) -> str | None:
    return lane.domain


def at_one_site(lane: DueLane) -> str | None:
    return "site"


def lanes_with(*lanes: DueLane) -> Lanes:
    known = Lanes()
    for lane in lanes:
        known.note(lane, NOW)
    return known


def counts(turns: list[Turn]) -> dict[int, int]:
    return {turn.lane.id: turn.count for turn in turns}


def test_transactional_mail_comes_first() -> None:
    known = lanes_with(due_lane(1), due_lane(2, stream="transactional"))
    assert counts(known.plan(NOW, at_one_site, Room(8))) == {2: 8}


def test_bulk_gets_what_transactional_mail_leaves_at_other_sites() -> None:
    known = lanes_with(due_lane(1), due_lane(2, stream="transactional"))
    assert counts(known.plan(NOW, by_domain, Room(8))) == {2: 8, 1: 8}


def test_two_workspaces_share_a_site_fairly_however_many_lanes_each_has() -> None:
    many = [due_lane(100 + number, workspace=1) for number in range(50)]
    known = lanes_with(*many, due_lane(1, workspace=2))
    got: Counter[int] = Counter()
    for _ in range(20):
        for turn in known.plan(NOW, at_one_site, Room(10)):
            got[turn.lane.workspace_id] += turn.count
    assert abs(got[1] - got[2]) <= 20


def test_one_free_slot_goes_to_the_workspaces_in_turn() -> None:
    known = lanes_with(*(due_lane(number, workspace=number) for number in (1, 2, 3)))
    served = [known.plan(NOW, at_one_site, Room(1))[0].lane.id for _ in range(6)]
    assert sorted(served[:3]) == [1, 2, 3]
    assert served[:3] == served[3:]


def test_all_lanes_of_a_workspace_get_their_turn() -> None:
    known = lanes_with(*(due_lane(number) for number in range(1000)))
    served: set[int] = set()
    for _ in range(400):
        served |= counts(known.plan(NOW, at_one_site, Room(10))).keys()
    assert served == set(range(1000))


def test_a_full_site_costs_one_look_and_not_one_for_each_of_its_lanes() -> None:
    known = lanes_with(*(due_lane(number) for number in range(5000)), due_lane(9999))
    where = {9999: "other"}
    for _ in range(20):
        known.plan(NOW, lambda lane: where.get(lane.id, "full"), Room(full=0))
    room = Room(full=0)
    assert counts(known.plan(NOW, lambda lane: where.get(lane.id, "full"), room)) == {9999: 10}
    assert room.looks < 20


def test_a_lane_whose_site_is_not_known_waits_without_holding_others_up() -> None:
    sites = {2: "known"}
    known = lanes_with(due_lane(1), due_lane(2))
    assert counts(known.plan(NOW, lambda lane: sites.get(lane.id), Room(3))) == {2: 3}
    sites[1] = "found"
    assert counts(known.plan(NOW, lambda lane: sites.get(lane.id), Room(3))) == {1: 3, 2: 3}


def test_a_lane_whose_mail_goes_elsewhere_by_now_counts_at_its_new_site() -> None:
    known = lanes_with(due_lane(1))
    assert known.plan(NOW, at_one_site, Room())[0].site == "site"
    assert known.plan(NOW, lambda lane: "moved", Room()) == []
    assert known.plan(NOW, lambda lane: "moved", Room())[0].site == "moved"


def test_a_plan_claims_no_more_than_one_transaction_may_hold_nor_than_there_is_room_over_all_sites() -> None:
    known = lanes_with(*(due_lane(number, stream="transactional") for number in range(300)))
    assert sum(counts(known.plan(NOW, by_domain, Room(40))).values()) == MOST_CLAIMS
    assert sum(counts(known.plan(NOW, by_domain, Room(40, together=7))).values()) == 7


def test_mail_in_the_future_becomes_due_with_time() -> None:
    known = lanes_with(due_lane(1, due_ms=NOW + 50))
    assert known.plan(NOW, at_one_site, Room()) == []
    assert known.next_due_ms() == NOW + 50
    assert counts(known.plan(NOW + 50, at_one_site, Room())) == {1: 10}
    assert known.next_due_ms() is None


def test_the_earliest_of_several_due_times_counts() -> None:
    known = lanes_with(due_lane(1, due_ms=NOW + 90), due_lane(1, due_ms=NOW + 20), due_lane(1, due_ms=NOW + 50))
    assert known.next_due_ms() == NOW + 20
    assert known.plan(NOW + 20, at_one_site, Room()) != []


def test_an_exhausted_lane_is_forgotten_until_it_is_noted_again() -> None:
    known = lanes_with(due_lane(1))
    (turn,) = known.plan(NOW, at_one_site, Room())
    known.exhausted(turn)
    assert known.plan(NOW, at_one_site, Room()) == []
    known.note(due_lane(1), NOW)
    assert counts(known.plan(NOW, at_one_site, Room())) == {1: 10}


def test_mail_accepted_while_its_lane_was_being_claimed_is_not_forgotten() -> None:
    """The claim found nothing more, and before its answer came another recipient was queued."""
    known = lanes_with(due_lane(1))
    (turn,) = known.plan(NOW, at_one_site, Room())
    known.note(due_lane(1), NOW)
    known.exhausted(turn)
    assert counts(known.plan(NOW, at_one_site, Room())) == {1: 10}


def test_what_waits_for_later_outlives_an_exhausted_lane() -> None:
    known = lanes_with(due_lane(1))
    (turn,) = known.plan(NOW, at_one_site, Room())
    known.note(due_lane(1, due_ms=NOW + 5), NOW)
    known.exhausted(turn)
    known.exhausted(known.plan(NOW, at_one_site, Room())[0])
    assert counts(known.plan(NOW + 5, at_one_site, Room())) == {1: 10}


def test_a_poll_adds_lanes_and_does_not_protect_known_ones_from_being_forgotten() -> None:
    known = lanes_with(due_lane(1))
    (turn,) = known.plan(NOW, at_one_site, Room(3))
    known.learn([due_lane(1), due_lane(2), due_lane(3, due_ms=NOW + 9)], NOW)
    known.exhausted(turn)
    assert counts(known.plan(NOW, at_one_site, Room(3))) == {2: 3}
    assert known.next_due_ms() == NOW + 9


@given(st.lists(st.tuples(st.sampled_from("neplw"), st.integers(1, 6), st.integers(1, 3)), max_size=60))
def test_whatever_happens_no_site_gets_more_than_its_room_and_no_noted_lane_is_lost(
    steps: list[tuple[str, int, int]],
) -> None:
    """n: noted, e: the last plan's turn found nothing, p: planned, l: polled, w: noted for later."""
    known, waiting, turns = Lanes(), set[int](), list[Turn]()
    for what, number, workspace in steps:
        lane = due_lane(number, workspace=1 + number % 3, domain=f"d{number % 2}.test")
        if what in "nl":
            known.note(lane, NOW) if what == "n" else known.learn([lane], NOW)
            waiting.add(number)
        elif what == "w":
            known.note(lane._replace(due_ms=NOW + workspace), NOW)
        elif what == "p":
            turns = known.plan(NOW, by_domain, Room(5))
            taken = Counter[str]()
            for turn in turns:
                taken[turn.site] += turn.count
            assert all(count <= 5 for count in taken.values())
            assert {turn.lane.id for turn in turns} <= waiting
            assert bool(turns) == bool(waiting)
        elif turns:
            turn = turns.pop()
            before = known._versions.get(turn.lane.id)
            known.exhausted(turn)
            if before == turn.version:
                waiting.discard(turn.lane.id)
