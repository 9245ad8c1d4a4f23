"""How long an address may fail softly before it gets no more mail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.mail.bounce_rules.soft_failures import COUNTED, has_lasted
from postroom.mail.reasons import Reason


def failures(*days: int, reason: Reason = Reason.SUSPENDED) -> list[tuple[int, Reason]]:
    return [(day, reason) for day in days]


@pytest.mark.parametrize(
    ("days", "lasted"),
    [
        ((0, 4, 7, 10, 14), True),
        ((0, 4, 7, 14), False),
        ((0, 1, 2, 3, 13), False),
        ((0, 0, 0, 0, 14), False),
        ((14, 7, 0, 10, 4), True),
        ((0, 4, 7, 10, 200), False),
        ((0, 200, 204, 207, 210, 214), True),
        ((), False),
    ],
)
def test_five_days_over_two_weeks_without_a_long_pause_are_too_much(days: tuple[int, ...], lasted: bool) -> None:
    assert has_lasted(failures(*days)) is lasted


def test_mail_that_was_taken_wipes_out_what_was_before() -> None:
    days = failures(0, 4, 7, 10, 14)
    assert has_lasted(days, last_taken_day=-1)
    assert not has_lasted(days, last_taken_day=0)
    assert not has_lasted(days, last_taken_day=20)


@pytest.mark.parametrize("reason", sorted(set(Reason) - COUNTED))
def test_what_is_about_the_sender_the_way_or_the_pace_never_counts(reason: Reason) -> None:
    never = {Reason.MAILBOX_FULL, Reason.POLICY, Reason.BLOCKED, Reason.RATE, Reason.CONTENT, Reason.SPAM}
    assert not COUNTED & never
    assert not has_lasted(failures(*range(60), reason=reason))


@given(st.lists(st.tuples(st.integers(0, 400), st.sampled_from(list(Reason))), max_size=60))
def test_the_order_of_failures_does_not_matter(found: list[tuple[int, Reason]]) -> None:
    assert has_lasted(found) == has_lasted(found[::-1])
