"""What guessing addresses costs."""

import pytest

from postroom.doors.smtp.guessers import (
    HERE,
    LONGEST_PAUSE_SECONDS,
    MOST_IN_SESSION,
    MOST_OF_ADDRESS,
    Guessers,
    guesser_of,
)
from postroom.net.smtp.door import Peer

STRANGER = "192.0.2.9"
OTHER = "192.0.2.10"


def test_answers_come_later_and_later_and_then_none_comes() -> None:
    guessers, now, waits = Guessers(), 0.0, []
    for number in range(1, MOST_IN_SESSION + 1):
        wait = guessers.wrong(STRANGER, number, now)
        waits.append(wait)
        now += wait or 0.0

    assert waits[:3] == [0.0, 0.0, 0.0]
    grown = [wait for wait in waits[3:-1] if wait is not None]
    assert grown == sorted(grown)
    assert grown[-1] > 5
    assert waits[-1] is None


def test_opening_more_sessions_gains_nothing() -> None:
    """Each of a hundred sessions asks for one wrong address at the same moment."""
    guessers = Guessers()

    waits = [guessers.wrong(STRANGER, 1, 0.0) for _ in range(100)]

    answered = [wait for wait in waits if wait is not None]
    assert len(answered) < 15
    assert answered == sorted(answered)
    assert guessers.wrong(OTHER, 1, 0.0) == 0.0


def test_a_v6_guesser_has_a_whole_network() -> None:
    guessers = Guessers()

    peers = [Peer(f"2001:db8::{number:x}", 1, local=False) for number in range(20)]
    waits = [guessers.wrong(guesser_of(peer), 1, 0.0) for peer in peers]

    assert None in waits


def test_whoever_goes_on_is_shut_out_until_enough_is_forgiven() -> None:
    guessers = Guessers()
    for _ in range(10 * MOST_OF_ADDRESS):
        guessers.wrong(STRANGER, 1, 0.0)

    assert guessers.is_shut_out(STRANGER, 599.0)
    assert not guessers.is_shut_out(OTHER, 1.0)
    assert not guessers.is_shut_out(STRANGER, 601.0)
    assert guessers.wrong(STRANGER, 1, 1_000_000.0) == 0.0


def test_no_pause_is_longer_than_the_longest() -> None:
    guessers, now = Guessers(), 0.0
    for _ in range(50):
        wait = guessers.wrong(STRANGER, 1, now)
        assert wait is None or wait <= LONGEST_PAUSE_SECONDS
        now += wait or 0.0


def test_a_peer_on_this_machine_is_judged_by_its_session_alone() -> None:
    """An MTA in front of us speaks for everybody: it is not shut out for what one of them does."""
    guessers = Guessers()
    assert guesser_of(Peer("127.0.0.1", 1, local=True)) == HERE
    for _ in range(10 * MOST_OF_ADDRESS):
        assert guessers.wrong(HERE, 1, 0.0) == 0.0

    assert not guessers.is_shut_out(HERE, 0.0)
    assert guessers.wrong(HERE, MOST_IN_SESSION, 0.0) is None


@pytest.mark.parametrize("count", [10, 1000])
def test_only_so_many_peers_are_remembered(count: int) -> None:
    guessers = Guessers(capacity=100)
    for number in range(count):
        guessers.wrong(f"10.0.{number // 256}.{number % 256}", 1, 0.0)

    assert len(guessers) == min(count, 100)
