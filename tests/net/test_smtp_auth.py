"""The price of failing to authenticate."""

from hypothesis import given
from hypothesis import strategies as st

from postroom.net.smtp.auth import (
    LONGEST_DELAY_SECONDS,
    BadResponse,
    Challenge,
    Credentials,
    FailureDelays,
    SaslExchange,
)


def _waits(delays: FailureDelays, times: int, *, address: str = "192.0.2.1", username: str = "ann") -> list[float]:
    """Fail `times` times without a pause; return how long each attempt had to wait."""
    now, waits = 0.0, []
    for _ in range(times):
        wait = delays.reserve(address, username, now)
        assert wait is not None
        waits.append(wait)
        now += wait
        delays.failed(address, username, now)
    return waits


def test_each_failure_makes_the_next_attempt_wait_longer() -> None:
    waits = _waits(FailureDelays(), 10)

    assert waits == [0, 0, 1, 2, 4, 8, 16, 30, 30, 30]


def test_another_login_from_the_same_address_waits_too() -> None:
    delays = FailureDelays()
    _waits(delays, 5)

    assert delays.reserve("192.0.2.1", "bob", 7.0) == 8.0
    assert delays.reserve("192.0.2.99", "ann", 7.0) is not None
    assert delays.reserve("192.0.2.99", "bob", 7.0) == 0.0


def test_a_whole_ipv6_network_is_one_address() -> None:
    delays = FailureDelays()
    _waits(delays, 5, address="2001:db8::1")

    assert delays.reserve("2001:db8::ffff", "bob", 7.0) == 8.0
    assert delays.reserve("2001:db8:1::1", "bob", 7.0) == 0.0


def test_parallel_attempts_queue_up_and_the_last_are_turned_away() -> None:
    delays = FailureDelays()
    _waits(delays, 5)

    waits = [delays.reserve("192.0.2.1", "ann", 7.0) for _ in range(12)]

    assert waits[:3] == [8.0, 16.0, 24.0]
    assert waits[-1] is None


def test_failures_are_forgiven_after_quiet_minutes() -> None:
    delays = FailureDelays()
    _waits(delays, 10)

    assert delays.reserve("192.0.2.1", "ann", 122.0) == 29.0
    assert delays.reserve("192.0.2.1", "ann", 10_000.0) == 0.0


def test_a_login_that_works_here_does_not_wait_for_the_failures_of_others() -> None:
    delays = FailureDelays()
    delays.succeeded("192.0.2.7", "ann")
    _waits(delays, 10, address="203.0.113.1")
    _waits(delays, 10, address="192.0.2.7", username="bob")

    assert delays.reserve("192.0.2.7", "ann", 0.0) == 0.0


def test_a_login_that_worked_waits_again_once_it_fails() -> None:
    delays = FailureDelays()
    delays.succeeded("192.0.2.7", "ann")

    assert _waits(delays, 5, address="192.0.2.7") == [0, 0, 1, 2, 4]


def test_a_flood_of_names_does_not_fill_the_memory() -> None:
    delays = FailureDelays(capacity=10)
    for number in range(1000):
        delays.failed(f"192.0.2.{number % 250}", f"user{number}", float(number))
        delays.succeeded(f"192.0.2.{number % 250}", f"good{number}")

    assert len(delays) <= 20


@given(st.sampled_from(["PLAIN", "LOGIN"]), st.lists(st.one_of(st.none(), st.binary(max_size=40)), max_size=4))
def test_any_response_is_answered(mechanism: str, responses: list[bytes | None]) -> None:
    exchange = SaslExchange(mechanism)
    for response in responses:
        try:
            result = exchange.step(response)
        except BadResponse:
            return
        assert isinstance(result, Challenge | Credentials)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.booleans(), st.floats(0, 500)), max_size=60))
def test_no_wait_is_longer_than_the_queue_allows(attempts: list[tuple[str, str, bool, float]]) -> None:
    delays, now = FailureDelays(), 0.0
    for address, username, good, pause in attempts:
        now += pause
        wait = delays.reserve(address, username, now)
        assert wait is None or 0 <= wait <= 60
        if good:
            delays.succeeded(address, username)
        else:
            delays.failed(address, username, now)
    assert LONGEST_DELAY_SECONDS == 30
