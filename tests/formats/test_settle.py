"""What an outcome makes of a recipient."""

from datetime import timedelta

import pytest
from queue_rows import LATER, NO, NO_REPLY, NOW, OK, RETURNED, claimed, tried

from postroom.base.clock import HOUR_MS
from postroom.ledger.outcomes import OutcomeKind
from postroom.outbound.retry import RetrySchedule
from postroom.outbound.settle import decide, retries_in_doubt

SCHEDULE = RetrySchedule(give_up_after=timedelta(days=5))
DAY = 24 * HOUR_MS


def test_a_delivery_settles_and_stamps_the_hour_in_which_it_counts() -> None:
    settlement = decide(tried(claimed(), OK), SCHEDULE, 0.0).settlement
    assert (settlement.state, settlement.tries, settlement.first_tried_ms) == ("delivered", 1, NOW)
    assert (settlement.settled_ms, settlement.sent_hour) == (NOW, NOW // HOUR_MS)
    assert (settlement.reply_code, settlement.reply_status, settlement.next_hop) == (250, "2.0.0", "mx.example.net:25")


def test_a_permanent_refusal_fails_and_counts_no_hour_of_sending() -> None:
    settlement = decide(tried(claimed(), NO), SCHEDULE, 0.0).settlement
    assert (settlement.state, settlement.settled_ms, settlement.sent_hour) == ("failed", NOW, None)
    assert settlement.reason == "550 5.1.1 unknown"


def test_a_transient_refusal_waits_for_the_next_try() -> None:
    settlement = decide(tried(claimed(tries=1, first_tried_ms=NOW - 500), LATER), SCHEDULE, 0.0).settlement
    assert (settlement.state, settlement.tries, settlement.first_tried_ms) == ("deferred", 2, NOW - 500)
    assert (settlement.due_ms, settlement.settled_ms) == (NOW + 10 * 60_000, None)


def test_after_the_last_try_a_deferred_recipient_has_failed_with_the_last_answer() -> None:
    decision = decide(tried(claimed(tries=40, first_tried_ms=NOW - 5 * DAY), LATER), SCHEDULE, 0.0)
    assert (decision.settlement.state, decision.outcome.kind) == ("failed", OutcomeKind.FAILED)
    assert decision.settlement.reply_status == "5.4.7"
    assert "greylisted" in decision.settlement.reason


@pytest.mark.parametrize(("tries", "state"), [(0, "queued"), (3, "deferred")])
def test_what_was_not_tried_goes_back_uncounted_after_a_moment(tries: int, state: str) -> None:
    settlement = decide(tried(claimed(tries=tries), RETURNED), SCHEDULE, 0.0).settlement
    assert (settlement.state, settlement.tries, settlement.first_tried_ms) == (state, tries, None)
    # At once it would spin where the reason lasts, such as a journal that cannot be written.
    assert settlement.due_ms == NOW + 1000


@pytest.mark.parametrize(
    ("retry", "before", "state", "marked"),
    [(True, 0, "queued", 1), (True, 1, "in_doubt", 1), (False, 0, "in_doubt", 0)],
)
def test_in_doubt_is_tried_once_more_and_marked_or_left_to_the_operator(
    retry: bool, before: int, state: str, marked: int
) -> None:
    settlement = decide(tried(claimed(doubt_retried=before), NO_REPLY, retry=retry), SCHEDULE, 0.0).settlement
    assert (settlement.state, settlement.doubt_retried, settlement.tries) == (state, marked, 1)
    assert (settlement.settled_ms, settlement.sent_hour) == (None, None)


def test_the_policy_for_in_doubt_is_that_of_the_stream() -> None:
    assert retries_in_doubt("transactional", transactional="retry", bulk="hold")
    assert not retries_in_doubt("bulk", transactional="retry", bulk="hold")


def test_an_endless_reply_is_cut() -> None:
    long = OK.__class__(OutcomeKind.FAILED, NO.reply.__class__(550, "5.0.0", "x" * 5000))
    assert len(decide(tried(claimed(), long), SCHEDULE, 0.0).settlement.reason) == 1000
