"""The only way to append an event, and what follows from it in the same transaction.

An event has four consequences: it is appended, it may suppress an address
(`events.suppression`, `events.failures`), it is put into the outbox of the webhook endpoints that
ask for it (`events.append`), and it is counted. Counters count recipients, in the UTC hour in which
the event happened, under every dimension of `counted_under` (DESIGN section 5); inbound alone counts mails.

The rule by which `postroom recount` must come to the same numbers:

- outbound: every recipient, in the hour of its message's `created_ms`;
- sent: recipients in state delivered, in their `sent_hour`;
- failed: recipients in state failed, in the hour of their `settled_ms`, also by `cause`;
- opens and clicks: total from the events, unique from `opened_ms` and
  `clicked_ms`, human from `human_opened_ms` and `human_clicked_ms`;
- unsubscribes and complaints: from `unsubscribed_ms` and `complained_ms`;
- inbound: mails with `is_counted`, in the hour of their `received_ms` (`events.returned`).

Nothing here checks whether an event is told twice. The caller first moves the
recipient with `UPDATE … WHERE … RETURNING` and records only what came back.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from postroom.base.clock import HOUR_MS
from postroom.events.append import append
from postroom.events.erased import is_erased, trimmed
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.outcomes import Outcome
from postroom.ledger.rows import CounterKey, EventRow, MessageRow, RecipientRow
from postroom.mail.bounce_rules import UNDETERMINED, Judged
from postroom.mail.reasons import Reason
from postroom.store.database import Tx

_encode = msgspec.json.Encoder().encode
_decode_tags = msgspec.json.Decoder(list[str]).decode


class Facts(NamedTuple):
    """What recording needs of a recipient and its message, so that no row is read again."""

    workspace_id: int
    message_id: int
    recipient_id: int
    address_key: str
    stream: str
    author_domain: str
    tags: tuple[str, ...]
    provider: str


def facts_of(message: MessageRow, recipient: RecipientRow) -> Facts:
    """Return the facts of a recipient whose rows are at hand."""
    return Facts(
        recipient.workspace_id,
        recipient.message_id,
        recipient.id,
        recipient.address_key,
        message.stream,
        message.author_domain,
        tags_of(message.tags),
        recipient.provider,
    )


@lru_cache(maxsize=4096)
def tags_of(tags: str) -> tuple[str, ...]:
    """Return the tags that the column `message.tags` holds as JSON."""
    return tuple(_decode_tags(tags))


def hour_of(at_ms: int) -> int:
    """Return the UTC hour, counted since the epoch, that a time lies in."""
    return at_ms // HOUR_MS


@lru_cache(maxsize=4096)
def counted_under(
    stream: str, author_domain: str, tags: tuple[str, ...], provider: str, cause: str = ""
) -> tuple[tuple[str, str], ...]:
    """Return the dimensions and keys that one recipient is counted under. A tag that stands twice counts once.

    `cause` is that of a failed one: failures are counted by reason and by provider and reason too.
    """
    reasons = (("reason", cause), ("provider_reason", f"{provider} {cause}")) if cause else ()
    return (
        ("total", ""),
        ("domain", author_domain),
        ("stream", stream),
        ("provider", provider),
        *(("tag", tag) for tag in dict.fromkeys(tags)),
        *reasons,
    )


def count(tx: Tx, facts: Facts, hour: int, counter: str, amount: int = 1, cause: str = "") -> None:
    """Add `amount` to one counter under all dimensions of a recipient; `cause` for the counter of failures only."""
    workspace_id = facts.workspace_id
    for dimension, key in counted_under(facts.stream, facts.author_domain, facts.tags, facts.provider, cause):
        tx.count(CounterKey(workspace_id, hour, dimension, key), counter, amount)


def record_accepted(tx: Tx, message: MessageRow, providers: Sequence[str], event_id: int) -> None:
    """A message was stored with a recipient for each of `providers`: one event, each recipient counts as outbound."""
    count_accepted(tx, message, providers)
    detail = {"recipients": len(providers), "source": message.source, "size_bytes": message.size_bytes}
    event = EventRow(
        event_id,
        message.workspace_id,
        message.id,
        None,
        EventKind.ACCEPTED.value,
        message.created_ms,
        _encode(detail).decode(),
    )
    append(tx, event, message.stream)


def count_accepted(tx: Tx, message: MessageRow, providers: Sequence[str]) -> None:
    """Count each recipient of a new message as outbound; `providers` has an entry for each recipient."""
    hour = hour_of(message.created_ms)
    workspace_id = message.workspace_id
    tags = tags_of(message.tags)
    shared = counted_under(message.stream, message.author_domain, tags, "")
    for dimension, key in shared:
        if dimension != "provider":
            tx.count(CounterKey(workspace_id, hour, dimension, key), "outbound", len(providers))
    for provider, amount in Counter(providers).items():
        tx.count(CounterKey(workspace_id, hour, "provider", provider), "outbound", amount)


def tell(tx: Tx, facts: Facts, event_id: int, kind: EventKind, at_ms: int, detail: Mapping[str, object]) -> None:
    """Append an event of a recipient that counts nothing. Of one who was erased nothing is told that names him."""
    told = trimmed(detail) if is_erased(facts.address_key) else detail
    event = EventRow(
        event_id,
        facts.workspace_id,
        facts.message_id,
        facts.recipient_id,
        kind.value,
        at_ms,
        _encode(told).decode(),
    )
    append(tx, event, facts.stream)


def record_delivered(tx: Tx, facts: Facts, event_id: int, at_ms: int, outcome: Outcome, tries: int) -> None:
    """The next hop accepted the copy: counts as sent. The caller stamps `hour_of(at_ms)` on `recipient.sent_hour`."""
    count(tx, facts, hour_of(at_ms), "sent")
    tell(tx, facts, event_id, EventKind.DELIVERED, at_ms, _told(outcome, tries))


def record_failed(
    tx: Tx,
    facts: Facts,
    event_id: int,
    at_ms: int,
    outcome: Outcome,
    tries: int,
    judged: Judged = UNDETERMINED,
    suppressed: str = "",
) -> None:
    """A permanent failure, or given up: counts as failed, also by its reason.

    `suppressed` is the scope that the failure suppressed for the address. The
    caller sets `recipient.settled_ms` to `at_ms` and `recipient.cause` to the reason.
    """
    count(tx, facts, hour_of(at_ms), "failed", cause=judged.reason.value)
    detail = _told(outcome, tries)
    detail |= {"reason": judged.reason.value, "hard": judged.is_hard, "rule": judged.rule}
    if suppressed:
        detail["suppressed"] = suppressed
    tell(tx, facts, event_id, EventKind.FAILED, at_ms, detail)


def record_bounced(
    tx: Tx,
    facts: Facts,
    event_id: int,
    at_ms: int,
    reason: Reason,
    detail: Mapping[str, object],
    *,
    sent_hour: int | None,
) -> None:
    """A bounce came back: counts as failed, by its reason too, and no longer as sent in `sent_hour`, where it was.

    The caller sets `recipient.settled_ms` to `at_ms` and `recipient.cause` to the reason.
    """
    if sent_hour is not None:
        count(tx, facts, sent_hour, "sent", -1)
    count(tx, facts, hour_of(at_ms), "failed", cause=reason.value)
    tell(tx, facts, event_id, EventKind.BOUNCED, at_ms, detail)


def record_deferred(
    tx: Tx, facts: Facts, event_id: int, at_ms: int, outcome: Outcome, tries: int, next_try_ms: int
) -> None:
    """A try ended in a persistent transient failure; nothing is counted."""
    detail = _told(outcome, tries)
    detail["next_try_ms"] = next_try_ms
    tell(tx, facts, event_id, EventKind.DEFERRED, at_ms, detail)


def record_in_doubt(tx: Tx, facts: Facts, event_id: int, at_ms: int, why: str) -> None:
    """The process died between the end of DATA and the reply; nothing is counted."""
    tell(tx, facts, event_id, EventKind.IN_DOUBT, at_ms, {"why": why})


def record_suppressed(tx: Tx, facts: Facts, event_id: int, at_ms: int, scope: str, reason: str) -> None:
    """The recipient is not tried because a suppression of `scope` stands; counted neither as sent nor as failed."""
    tell(tx, facts, event_id, EventKind.SUPPRESSED, at_ms, {"scope": scope, "reason": reason})


def record_taken_from_failed(tx: Tx, facts: Facts, settled_ms: int, cause: str) -> None:
    """Take one from failed in the hour of `settled_ms`, because a recipient that failed by `cause` is tried again."""
    count(tx, facts, hour_of(settled_ms), "failed", -1, cause)


def record_moved(
    tx: Tx, facts: Facts, event_id: int, kind: EventKind, at_ms: int, before: str, by: str, why: str = ""
) -> None:
    """An operator or the API moved the recipient: HELD, RELEASED, CANCELLED or RETRIED.

    `before` is the state that it left, `by` who did it (`api`, `operator`, `policy`).
    """
    detail: dict[str, object] = {"from": before, "by": by}
    if why:
        detail["why"] = why
    tell(tx, facts, event_id, kind, at_ms, detail)


class Fetched(NamedTuple):
    """One open or click, ready to be recorded."""

    facts: Facts
    event_id: int
    """Made when the event is written, not when the hit came in: readers of the event feed page by id."""
    at_ms: int
    """Time of the hit."""
    is_first: bool
    """Of its kind for this recipient."""
    is_first_human: bool
    detail: Mapping[str, object]


def record_opened(tx: Tx, opens: Sequence[Fetched]) -> None:
    """Pixels were fetched: total counts each, unique the first of a recipient, human the first by a person."""
    _record_hits(tx, EventKind.OPENED, "opens", opens)


def record_clicked(tx: Tx, clicks: Sequence[Fetched]) -> None:
    """Links were followed; counted like opens."""
    _record_hits(tx, EventKind.CLICKED, "clicks", clicks)


def record_unsubscribed(
    tx: Tx, facts: Facts, event_id: int, at_ms: int, by: str, evidence: Mapping[str, str], *, first: bool
) -> None:
    """The recipient unsubscribed; counts only the `first` time. `by` is a word of `unsubscribing.By`."""
    if first:
        count(tx, facts, hour_of(at_ms), "unsubscribes")
    tell(tx, facts, event_id, EventKind.UNSUBSCRIBED, at_ms, {"by": by, **evidence})


def _record_hits(tx: Tx, kind: EventKind, what: str, hits: Sequence[Fetched]) -> None:
    # Hits of one message and provider in one hour are counted under the same keys, so they are added up first:
    # one by one they were a quarter of the writer's work.
    amounts: dict[tuple[int, str, int], list[int]] = {}
    examples: dict[tuple[int, str, int], Facts] = {}
    for hit in hits:
        facts = hit.facts
        alike = (facts.message_id, facts.provider, hour_of(hit.at_ms))
        amount = amounts.get(alike)
        if amount is None:
            amount = amounts[alike] = [0, 0, 0]
            examples[alike] = facts
        amount[0] += 1
        amount[1] += hit.is_first
        amount[2] += hit.is_first_human
        tell(tx, facts, hit.event_id, kind, hit.at_ms, hit.detail)
    for alike, amount in amounts.items():
        for counter, number in zip(("total", "unique", "human"), amount, strict=True):
            if number:
                count(tx, examples[alike], alike[2], f"{what}_{counter}", number)


def _told(outcome: Outcome, tries: int) -> dict[str, object]:
    detail: dict[str, object] = {"reply": str(outcome.reply), "try": tries, "duration_ms": outcome.duration_ms}
    if outcome.next_hop:
        detail["next_hop"] = outcome.next_hop
    if outcome.tls:
        detail["tls"] = outcome.tls
    if outcome.transcript:
        detail["transcript"] = outcome.transcript
    return detail
