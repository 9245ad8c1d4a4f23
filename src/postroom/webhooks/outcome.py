"""What follows from an answer, in one transaction: the outbox, how the endpoint fares, the log."""

from collections.abc import Sequence
from typing import NamedTuple

from postroom.base.spans import in_words, time_in_words
from postroom.ledger.webhook_rows import EndpointState, WebhookAttemptRow
from postroom.net.webhook_request import Reply
from postroom.store import webhook_outbox as outbox
from postroom.store import webhooks
from postroom.store.database import Tx
from postroom.store.webhook_outbox import Failing, Waiting
from postroom.webhooks import retry
from postroom.webhooks.request import GONE

_HASTENED = 500
"""Events that wait for a later try and are due at once with a success, when a receiver is back."""


class Verdict(NamedTuple):
    """How an endpoint stands after a failure."""

    state: EndpointState
    failures: int
    quiet_until_ms: int
    """Nothing is told before."""


def settle_told(tx: Tx, attempt: WebhookAttemptRow, event_ids: Sequence[int], now_ms: int, *, is_back: bool) -> bool:
    """The receiver took the events.

    `is_back`: it had failed several times, so others need not wait any more;
    the answer is whether more of them wait, for the next success.
    """
    tx.add(attempt)
    outbox.succeeded(tx, attempt.endpoint_id, event_ids, now_ms)
    return is_back and outbox.hasten(tx, attempt.endpoint_id, now_ms, _HASTENED) == _HASTENED


def settle_failed(
    tx: Tx, attempt: WebhookAttemptRow, epoch: int, rows: Sequence[Waiting], reply: Reply, now_ms: int, chance: float
) -> Verdict | None:
    """The receiver did not take the events: they are tried again, or given up; the endpoint may be paused.

    None: the lease is another's by now, and nothing but the log was written.
    """
    endpoint_id, error = attempt.endpoint_id, reply.in_words()
    failing = outbox.failed(tx, endpoint_id, epoch, now_ms, error)
    if failing is None:
        tx.add(attempt._replace(why=f"{error}; another node tells these events now"))
        return None
    given_up, later = _decide(rows, failing, reply, now_ms, chance)
    outbox.give_up(tx, endpoint_id, [row.event_id for row in given_up])
    outbox.retry_later(tx, endpoint_id, later)
    quiet_until_ms = now_ms + (reply.retry_after_ms or retry.quiet_ms(failing.failures, chance))
    if quiet_until_ms > now_ms:
        outbox.be_quiet(tx, endpoint_id, quiet_until_ms)
    state, why = _state_after(failing, reply, now_ms)
    if state is not EndpointState.ACTIVE:
        webhooks.set_state(tx, endpoint_id, EndpointState.ACTIVE.value, state.value, why, now_ms)
    tx.add(attempt._replace(why=_told(error, state, given_up, later, now_ms)))
    return Verdict(state, failing.failures, quiet_until_ms)


def _decide(
    rows: Sequence[Waiting], failing: Failing, reply: Reply, now_ms: int, chance: float
) -> tuple[list[Waiting], list[Waiting]]:
    given_up, later = [], []
    for row in rows:
        first_ms = row.first_tried_ms or now_ms
        since_ms = max(first_ms, failing.resumed_ms)
        # Others were told meanwhile, so it is this event that the receiver does not want.
        overtaken = failing.last_success_ms is not None and failing.last_success_ms > since_ms
        if overtaken and now_ms - since_ms >= retry.GIVE_UP_MS:
            given_up.append(row)
        else:
            tries = row.tries + 1
            pause = max(retry.pause_ms(tries, chance), reply.retry_after_ms or 0)
            # The last try comes when the days are over, not some hours after.
            left = failing.failing_since_ms + retry.GIVE_UP_MS - now_ms
            due_ms = now_ms + (min(pause, left) if left > 0 else pause)
            later.append(row._replace(due_ms=due_ms, tries=tries, first_tried_ms=first_ms))
    return given_up, later


def _state_after(failing: Failing, reply: Reply, now_ms: int) -> tuple[EndpointState, str]:
    if reply.status == GONE:
        return EndpointState.DISABLED, "The receiver answered 410 Gone."
    if now_ms - failing.failing_since_ms >= retry.GIVE_UP_MS:
        since = time_in_words(failing.failing_since_ms)
        return EndpointState.PAUSED, f"No request succeeded since {since}; the last one: {reply.in_words()}."
    return EndpointState.ACTIVE, ""


def _told(error: str, state: EndpointState, given_up: Sequence[Waiting], later: Sequence[Waiting], now_ms: int) -> str:
    if state is EndpointState.DISABLED:
        return f"{error}; the endpoint is disabled"
    if state is EndpointState.PAUSED:
        return f"{error}; the endpoint is paused"
    words = [error]
    if given_up:
        count = len(given_up)
        words.append(f"{count} event{'' if count == 1 else 's'} given up after {in_words(retry.GIVE_UP_MS)}")
    if later:
        words.append(f"tried again in {in_words(later[0].due_ms - now_ms)}")
    return "; ".join(words)
