"""Counting again: what table `counter` has to hold, from recipients and events.

The rule is that of `events.record`: outbound by the message's `created_ms`,
sent by `sent_hour` of delivered recipients, failed by `settled_ms` of failed
ones, unique and human opens and clicks and unsubscribes by the recipient's
times of the first, totals from the events. Mail that came in counts where its
row says so: a reply like the recipient that it answers, other mail under its
domain. `store.stats` reads the series.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec

from postroom.base.clock import HOUR_MS
from postroom.base.ids import first_id_at
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.rows import COUNTERS, CounterKey
from postroom.ledger.states import RecipientState
from postroom.mail.address import domain_of
from postroom.store.database import Conn, Statement, Tx, statement

Dimensions = Callable[[str, str, tuple[str, ...], str, str], Iterable[tuple[str, str]]]
"""`events.record.counted_under`: stream, author domain, tags, provider, cause of a failure → dimensions and keys."""

Amounts = dict[tuple[int, str, str, str], int]
"""Hour, dimension, key and counter to what is counted there."""

PAGE = 1_000
"""Messages that are counted in one read: a fraction of a second also where each has many recipients."""

_SLACK_MS = 600_000
"""An event's id is made a moment before or after the time that it tells."""

_LAST_ID = (1 << 63) - 1

_tags = msgspec.json.Decoder(tuple[str, ...]).decode

_TIMES = (
    "complained_ms", "opened_ms", "human_opened_ms", "clicked_ms", "human_clicked_ms", "unsubscribed_ms",
)  # fmt: skip
_COUNTED_BY_TIME = ("complaints", "opens_unique", "opens_human", "clicks_unique", "clicks_human", "unsubscribes")
_COUNTED_BY_EVENT = {EventKind.OPENED.value: "opens_total", EventKind.CLICKED.value: "clicks_total"}

PAGE_INBOUND = 5_000
"""Mails that came in and are counted in one read."""

_HOURS = ", ".join(f"r.{name} / {HOUR_MS}" for name in ("settled_ms", *_TIMES))
_BETWEEN = "m.workspace_id = ? AND m.id > ? AND m.id <= ?"


def _recipients(messages: str) -> str:
    """How many recipients of some messages are counted alike: their hours, and what they are counted under."""
    columns = (
        "m.stream, m.author_domain, m.tags, r.provider, r.cause, r.state, "
        f"m.created_ms / {HOUR_MS}, r.sent_hour, {_HOURS}"
    )
    places = ", ".join(str(place) for place in range(1, 9 + len(_TIMES) + 1))
    return (
        f"SELECT {columns}, count(*) FROM message m JOIN recipient r ON r.message_id = m.id "
        f"WHERE {messages} GROUP BY {places}"
    )


def _events(messages: str) -> str:
    """How many opens and clicks of some messages are counted alike."""
    kinds = ", ".join(f"'{kind}'" for kind in _COUNTED_BY_EVENT)
    return (
        f"SELECT m.stream, m.author_domain, m.tags, r.provider, e.kind, e.at_ms / {HOUR_MS}, count(*) "
        "FROM message m JOIN event e ON e.message_id = m.id JOIN recipient r ON r.id = e.recipient_id "
        f"WHERE {messages} AND e.kind IN ({kinds}) GROUP BY 1, 2, 3, 4, 5, 6"
    )


_PAGE_RECIPIENTS, _PAGE_EVENTS = statement(_recipients(_BETWEEN)), statement(_events(_BETWEEN))
_AMONG_SQLITE, _AMONG_POSTGRESQL = "m.id IN (SELECT value FROM json_each(?))", "m.id = ANY(?)"
_THESE_RECIPIENTS = statement(sqlite=_recipients(_AMONG_SQLITE), postgresql=_recipients(_AMONG_POSTGRESQL))
_THESE_EVENTS = statement(sqlite=_events(_AMONG_SQLITE), postgresql=_events(_AMONG_POSTGRESQL))
_PAGE_END = statement(
    "SELECT max(id) FROM (SELECT id FROM message WHERE workspace_id = ? AND id > ? ORDER BY id LIMIT ?) AS page"
)
_INBOUND = statement(
    f"SELECT i.received_ms / {HOUR_MS}, i.recipient_key, m.stream, m.author_domain, m.tags, r.provider, count(*) "
    "FROM inbound i LEFT JOIN recipient r ON r.id = i.answers_recipient_id LEFT JOIN message m ON m.id = r.message_id "
    "WHERE i.workspace_id = ? AND i.id > ? AND i.id <= ? AND i.is_counted = 1 GROUP BY 1, 2, 3, 4, 5, 6"
)
_INBOUND_END = statement(
    "SELECT max(id) FROM (SELECT id FROM inbound WHERE workspace_id = ? AND id > ? ORDER BY id LIMIT ?) AS page"
)
_TOUCHED = statement(
    "SELECT DISTINCT message_id FROM event WHERE workspace_id = ? AND id >= ? AND message_id IS NOT NULL"
)

_SUMS = f"SELECT hour, dimension, key, {', '.join(f'sum({name})' for name in COUNTERS)} FROM counter "
_STORED = statement(_SUMS + "WHERE workspace_id = ? AND hour >= ? AND hour < ? GROUP BY hour, dimension, key")
_STORED_ONE = statement(
    _SUMS + "WHERE workspace_id = ? AND hour = ? AND dimension = ? AND key = ? GROUP BY hour, dimension, key"
)


class Difference(NamedTuple):
    """A counter, summed over nodes, that is not what the ledger says."""

    hour: int
    dimension: str
    key: str
    counter: str
    stored: int
    counted: int


def differences(
    reader: Conn | Tx, workspace_id: int, first_hour: int, end_hour: int, dimensions: Dimensions
) -> tuple[int, list[Difference]]:
    """Return how many counters were compared, and those that differ, from `first_hour` up to and without `end_hour`.

    Walks all messages of the workspace in this one transaction: `upkeep.recount` does it in many.
    """
    counted: Amounts = {}
    after: int | None = 0
    while after is not None:
        after = count_page(reader, workspace_id, after, first_hour, end_hour, dimensions, counted)
    after = 0
    while after is not None:
        after = count_inbound_page(reader, workspace_id, after, first_hour, end_hour, dimensions, counted)
    return compare(stored_amounts(reader, workspace_id, first_hour, end_hour), counted)


def recount(
    tx: Tx, workspace_id: int, first_hour: int, end_hour: int, dimensions: Dimensions
) -> tuple[int, list[Difference]]:
    """Make the counters equal to the ledger; return what `differences` found, all of it corrected."""
    compared, found = differences(tx, workspace_id, first_hour, end_hour, dimensions)
    correct(tx, workspace_id, found)
    return compared, found


def count_page(
    reader: Conn | Tx,
    workspace_id: int,
    after: int,
    first_hour: int,
    end_hour: int,
    dimensions: Dimensions,
    counted: Amounts,
) -> int | None:
    """Add what the next messages with ids above `after` count to `counted`; return the last one's id, or None."""
    last = _rows(reader, _PAGE_END, (workspace_id, after, PAGE))[0][0]
    if last is None:
        return None
    given = (workspace_id, after, last)
    recipients, events = _rows(reader, _PAGE_RECIPIENTS, given), _rows(reader, _PAGE_EVENTS, given)
    _add(recipients, events, first_hour, end_hour, dimensions, counted)
    return int(last)


def count_inbound_page(
    reader: Conn | Tx,
    workspace_id: int,
    after: int,
    first_hour: int,
    end_hour: int,
    dimensions: Dimensions,
    counted: Amounts,
) -> int | None:
    """Add what the next mails that came in count to `counted`, ids above `after`; return the last one's id, or None."""
    last = _rows(reader, _INBOUND_END, (workspace_id, after, PAGE_INBOUND))[0][0]
    if last is None:
        return None
    _add_inbound(_rows(reader, _INBOUND, (workspace_id, after, last)), first_hour, end_hour, dimensions, counted)
    return int(last)


def differences_since(
    reader: Conn | Tx, workspace_id: int, first_hour: int, dimensions: Dimensions
) -> tuple[int, list[Difference]]:
    """Compare the counters from `first_hour` on, in one transaction: reads the messages that have an event since."""
    since_id, end_hour = first_id_at(first_hour * HOUR_MS - _SLACK_MS), 1 << 40
    touched = [row[0] for row in _rows(reader, _TOUCHED, (workspace_id, since_id))]
    counted: Amounts = {}
    for start in range(0, len(touched), PAGE):
        given = (reader.many(touched[start : start + PAGE]),)
        recipients, events = _rows(reader, _THESE_RECIPIENTS, given), _rows(reader, _THESE_EVENTS, given)
        _add(recipients, events, first_hour, end_hour, dimensions, counted)
    came_in = _rows(reader, _INBOUND, (workspace_id, since_id, _LAST_ID))
    _add_inbound(came_in, first_hour, end_hour, dimensions, counted)
    return compare(stored_amounts(reader, workspace_id, first_hour, end_hour), counted)


def compare(stored: Amounts, counted: Amounts) -> tuple[int, list[Difference]]:
    """Return how many counters there are, and those that differ, in order."""
    keys = stored.keys() | counted.keys()
    found = [
        Difference(*at, stored.get(at, 0), counted.get(at, 0))
        for at in sorted(keys)
        if stored.get(at, 0) != counted.get(at, 0)
    ]
    return len(keys), found


def correct(tx: Tx, workspace_id: int, found: Sequence[Difference]) -> None:
    """Add what is missing or too much to this node's rows.

    The other nodes' stay as they are, so nothing that they count at this moment is lost.
    """
    for one in found:
        key = CounterKey(workspace_id, one.hour, one.dimension, one.key)
        tx.count(key, one.counter, one.counted - one.stored)


def correct_unchanged(tx: Tx, workspace_id: int, found: Sequence[Difference]) -> int:
    """Correct those counters that still hold what was compared; return how many."""
    done = []
    for one in found:
        rows = tx.run(_STORED_ONE, (workspace_id, one.hour, one.dimension, one.key))
        if _amounts(rows).get(one[:4], 0) == one.stored:
            done.append(one)
    correct(tx, workspace_id, done)
    return len(done)


def stored_amounts(reader: Conn | Tx, workspace_id: int, first_hour: int, end_hour: int) -> Amounts:
    """Return the stored counters of some hours."""
    return _amounts(_rows(reader, _STORED, (workspace_id, first_hour, end_hour)))


def _amounts(rows: Iterable[tuple]) -> Amounts:  # type: ignore[type-arg]
    amounts: Amounts = {}
    for hour, dimension, key, *sums in rows:
        for counter, amount in zip(COUNTERS, sums, strict=True):
            if amount:
                amounts[hour, dimension, key, counter] = int(amount)
    return amounts


def _add(
    recipients: Iterable[tuple],  # type: ignore[type-arg]
    events: Iterable[tuple],  # type: ignore[type-arg]
    first_hour: int,
    end_hour: int,
    dimensions: Dimensions,
    counted: Amounts,
) -> None:
    found: defaultdict[tuple[str, str, str, str, str, int, str], int] = defaultdict(int)
    for stream, domain, tags, provider, cause, state, created, sent, settled, *times, amount in recipients:
        hours = {"outbound": created, **dict(zip(_COUNTED_BY_TIME, times, strict=True))}
        if state == RecipientState.DELIVERED.value:
            hours["sent"] = sent
        elif state == RecipientState.FAILED.value:
            hours["failed"] = settled
        for counter, hour in hours.items():
            if hour is not None and first_hour <= hour < end_hour:
                found[stream, domain, tags, provider, cause if counter == "failed" else "", hour, counter] += amount
    for stream, domain, tags, provider, kind, hour, amount in events:
        if first_hour <= hour < end_hour:
            found[stream, domain, tags, provider, "", hour, _COUNTED_BY_EVENT[kind]] += amount
    for (stream, domain, tags, provider, cause, hour, counter), amount in found.items():
        for dimension, key in dimensions(stream, domain, _tags(tags), provider, cause):
            at = (hour, dimension, key, counter)
            counted[at] = counted.get(at, 0) + amount


def _add_inbound(
    rows: Iterable[tuple],  # type: ignore[type-arg]
    first_hour: int,
    end_hour: int,
    dimensions: Dimensions,
    counted: Amounts,
) -> None:
    for hour, recipient_key, stream, domain, tags, provider, amount in rows:
        if first_hour <= hour < end_hour:
            under = (("total", ""), ("domain", domain_of(recipient_key)))
            for dimension, key in under if stream is None else dimensions(stream, domain, _tags(tags), provider, ""):
                at = (hour, dimension, key, "inbound")
                counted[at] = counted.get(at, 0) + amount


def _rows(reader: Conn | Tx, asked: Statement, parameters: tuple[object, ...]) -> list[tuple]:  # type: ignore[type-arg]
    return reader.run(asked, parameters) if isinstance(reader, Tx) else reader.all(asked, parameters)
