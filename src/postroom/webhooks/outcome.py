"""What follows from an answer, in one transaction: the outbox, how the endpoint fares, the log."""

from collections.abc import Sequence
from typing import NamedTuple

from postroom.base.spans import in_words, time_in_words
from postroom.ledger.webhook_rows import EndpointState, WebhookAttemptRow
from postroom.net.webhook_request import Reply
from postroom.store import account_events, accounts, webhooks
from postroom.store import webhook_outbox as outbox
from postroom.store.database import Tx
from postroom.store.webhook_outbox import Failing, Waiting
from postroom.webhooks import retry
from postroom.webhooks.request import FORBIDDEN, GONE

_HASTENED = 500
"""Events that wait for a later try and are due at once with a success, when a receiver is back."""


_DROPPED = 200
"""Waiting events of an archived account that one transaction takes."""


class Partner(NamedTuple):
    """The event of a request in SuperIMAP's form, and how often it is tried."""

    workspace_id: int
    account_id: int
    number: int
    retries: int
    """0: for three days."""


class Verdict(NamedTuple):
    """How an endpoint stands after a failure."""

    state: EndpointState
    failures: int
    quiet_until_ms: int
    """Nothing is told before."""
    is_archived: bool = False
    """The account of the event is: what waits for it is dropped next."""


def settle_told(tx: Tx, attempt: WebhookAttemptRow, event_ids: Sequence[int], now_ms: int, *, is_back: bool) -> bool:
    """The receiver took the events.

    `is_back`: it had failed several times, so others need not wait any more;
    the answer is whether more of them wait, for the next success.
    """
    tx.add(attempt)
    outbox.succeeded(tx, attempt.endpoint_id, event_ids, now_ms)
    return is_back and outbox.hasten(tx, attempt.endpoint_id, now_ms, _HASTENED) == _HASTENED


def settle_partner_told(
    tx: Tx, attempt: WebhookAttemptRow, row: Waiting, partner: Partner, now_ms: int, *, is_back: bool
) -> bool:
    """The receiver took an event in SuperIMAP's form; `is_back` and the answer are as in `settle_told`.

    Where tries are counted, what waits keeps its pause: a receiver that comes and goes would use them up.
    """
    account_events.set_told(tx, partner.account_id, partner.number, now_ms)
    return settle_told(tx, attempt, [row.event_id], now_ms, is_back=is_back and not partner.retries)


def settle_partner_failed(
    tx: Tx,
    attempt: WebhookAttemptRow,
    epoch: int,
    row: Waiting,
    partner: Partner,
    reply: Reply,
    now_ms: int,
    chance: float,
) -> Verdict | None:
    """The receiver did not take an event in SuperIMAP's form: it is tried again or given up, and the next goes on.

    403: the account is archived and its queue dropped, unless it takes tracers; then only the event is given up.
    The endpoint is never paused. None: as in `settle_failed`.
    """
    endpoint_id, error = attempt.endpoint_id, reply.in_words()
    failing = outbox.failed(tx, endpoint_id, epoch, now_ms, error)
    if failing is None:
        tx.add(attempt._replace(why=f"{error}; another node tells these events now"))
        return None
    tries, first_ms = row.tries + 1, row.first_tried_ms or now_ms
    since_ms = max(first_ms, failing.resumed_ms)
    archived = ""
    if reply.status == FORBIDDEN:
        archived = _refuse(tx, endpoint_id, row, partner, now_ms)
        why = archived or "given up"
    elif tries >= partner.retries if partner.retries else now_ms - since_ms >= retry.GIVE_UP_MS:
        _give_up(tx, endpoint_id, row, partner, now_ms)
        why = f"given up after {tries} tries" if partner.retries else f"given up after {in_words(retry.GIVE_UP_MS)}"
    else:
        pause = max(retry.superimap_pause_ms(tries), reply.retry_after_ms or 0)
        left = since_ms + retry.GIVE_UP_MS - now_ms
        due_ms = now_ms + (pause if partner.retries else min(pause, left))
        outbox.retry_later(tx, endpoint_id, [row._replace(due_ms=due_ms, tries=tries, first_tried_ms=first_ms)])
        why = f"tried again in {in_words(due_ms - now_ms)}"
    quiet_until_ms = now_ms + (reply.retry_after_ms or retry.quiet_ms(failing.failures, chance))
    if quiet_until_ms > now_ms:
        outbox.be_quiet(tx, endpoint_id, quiet_until_ms)
    tx.add(attempt._replace(why=f"{error}; {why}"))
    return Verdict(EndpointState.ACTIVE, failing.failures, quiet_until_ms, bool(archived))


def drop_queue(tx: Tx, partner: Partner, now_ms: int) -> bool:
    """Give up what waits for an account that was archived; tell whether there is more."""
    return account_events.drop_queue(tx, partner.workspace_id, partner.account_id, now_ms, _DROPPED) == _DROPPED


def _refuse(tx: Tx, endpoint_id: int, row: Waiting, partner: Partner, now_ms: int) -> str:
    _give_up(tx, endpoint_id, row, partner, now_ms)
    account = accounts.any_account(tx, partner.account_id)
    if account is None or account.is_tracer:
        return ""
    accounts.archive_account(tx, partner.workspace_id, partner.account_id, now_ms)
    return "the account is archived"


def _give_up(tx: Tx, endpoint_id: int, row: Waiting, partner: Partner, now_ms: int) -> None:
    outbox.give_up(tx, endpoint_id, [row.event_id])
    account_events.set_given_up(tx, partner.account_id, partner.number, now_ms)


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
