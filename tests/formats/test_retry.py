"""When a deferred recipient is tried again."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from postroom.outbound.retry import RetrySchedule, next_attempt_ms

SCHEDULE = RetrySchedule()
MINUTE = 60_000
DAYS = 5 * 24 * 60 * MINUTE


def pause(tries: int, *, first: int = 0, now: int = 0, jitter: float = 0.0) -> int | None:
    due = next_attempt_ms(SCHEDULE, tries, first, now, jitter=jitter)
    return None if due is None else due - now


def test_pauses_grow_from_five_minutes_to_four_hours() -> None:
    assert [pause(tries) for tries in (1, 2, 3, 7)] == [5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 240 * MINUTE]
    assert pause(2000) == 240 * MINUTE


def test_jitter_lengthens_a_pause_by_a_tenth_at_the_most() -> None:
    assert pause(1, jitter=1.0) == 5.5 * MINUTE


def test_the_last_try_is_made_just_before_giving_up_and_not_skipped() -> None:
    assert pause(50, now=DAYS - MINUTE) == MINUTE
    assert pause(51, now=DAYS) is None


@given(st.integers(1, 10_000), st.integers(0, DAYS), st.floats(0, 1))
def test_a_next_try_lies_in_the_future_and_never_behind_the_end(tries: int, now: int, jitter: float) -> None:
    due = next_attempt_ms(SCHEDULE, tries, 0, now, jitter=jitter)
    assert (due is None) == (now >= DAYS)
    assert due is None or now < due <= DAYS


def test_the_time_is_counted_from_the_first_try_whatever_the_schedule() -> None:
    short = RetrySchedule(first_pause=timedelta(seconds=1), give_up_after=timedelta(seconds=10))
    assert next_attempt_ms(short, 1, 5000, 14_999) == 15_000
    assert next_attempt_ms(short, 1, 5000, 15_000) is None
