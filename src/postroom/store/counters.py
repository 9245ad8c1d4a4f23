"""Counting again: what table `counter` has to hold, from recipients and events.

The rule is that of `events.record`: outbound by the message's `created_ms`,
sent by `sent_hour` of delivered recipients, failed by `settled_ms` of failed
ones, unique and human opens and clicks and unsubscribes by the recipient's
times of the first, totals from the events. Inbound mail is counted by nothing
here yet, so its counter is left alone. `store.stats` reads the series.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from postroom.base.clock import HOUR_MS
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.rows import COUNTERS, CounterKey
from postroom.ledger.states import RecipientState
from postroom.store.database import Conn, Statement, Tx, statement

Dimensions = Callable[[str, str, tuple[str, ...], str], Iterable[tuple[str, str]]]
"""`events.record.counted_under`: stream, author domain, tags and provider to dimensions and keys."""

_tags = msgspec.json.Decoder(tuple[str, ...]).decode


class Difference(NamedTuple):
    """A counter, summed over nodes, that is not what the ledger says."""

    hour: int
    dimension: str
    key: str
    counter: str
    stored: int
    counted: int


def _recipients(hour: str, condition: str) -> Statement:
    """How many recipients of a workspace by an hour of theirs, for hours from ? up to and without ?."""
    return statement(
        f"SELECT {hour} AS hour, m.stream, m.author_domain, m.tags, r.provider, count(*) "
        "FROM recipient r JOIN message m ON m.id = r.message_id "
        f"WHERE r.workspace_id = ? AND {hour} >= ? AND {hour} < ? AND {condition} "
        "GROUP BY 1, 2, 3, 4, 5"
    )


def _by(column: str, condition: str = "1 = 1") -> Statement:
    return _recipients(f"{column} / {HOUR_MS}", condition)


def _events(kind: EventKind) -> Statement:
    """How many events of a kind."""
    return statement(
        f"SELECT e.at_ms / {HOUR_MS} AS hour, m.stream, m.author_domain, m.tags, r.provider, count(*) "
        "FROM event e JOIN recipient r ON r.id = e.recipient_id JOIN message m ON m.id = r.message_id "
        f"WHERE e.workspace_id = ? AND e.at_ms / {HOUR_MS} >= ? AND e.at_ms / {HOUR_MS} < ? "
        f"AND e.kind = '{kind.value}' GROUP BY 1, 2, 3, 4, 5"
    )


_COUNTED: dict[str, Statement] = {
    "outbound": _by("m.created_ms"),
    "sent": _recipients("r.sent_hour", f"r.state = '{RecipientState.DELIVERED.value}'"),
    "failed": _by("r.settled_ms", f"r.state = '{RecipientState.FAILED.value}'"),
    "complaints": _by("r.complained_ms"),
    "opens_total": _events(EventKind.OPENED),
    "opens_unique": _by("r.opened_ms"),
    "opens_human": _by("r.human_opened_ms"),
    "clicks_total": _events(EventKind.CLICKED),
    "clicks_unique": _by("r.clicked_ms"),
    "clicks_human": _by("r.human_clicked_ms"),
    "unsubscribes": _by("r.unsubscribed_ms"),
}

_STORED = statement(
    f"SELECT hour, dimension, key, {', '.join(f'sum({name})' for name in COUNTERS)} FROM counter "
    "WHERE workspace_id = ? AND hour >= ? AND hour < ? GROUP BY hour, dimension, key"
)


def differences(
    reader: Conn | Tx, workspace_id: int, first_hour: int, end_hour: int, dimensions: Dimensions
) -> tuple[int, list[Difference]]:
    """Return how many counters were compared, and those that differ, from `first_hour` up to and without `end_hour`.

    Walks all recipients of the workspace. As a read it ends after 2 seconds;
    in a `Tx` it holds up other writers for as long as it takes.
    """
    stored = _stored(reader, workspace_id, first_hour, end_hour)
    counted = _counted(reader, workspace_id, first_hour, end_hour, dimensions)
    keys = stored.keys() | counted.keys()
    found = [
        Difference(hour, dimension, key, counter, stored.get(at, 0), counted.get(at, 0))
        for at in sorted(keys)
        for hour, dimension, key, counter in (at,)
        if stored.get(at, 0) != counted.get(at, 0)
    ]
    return len(keys), found


def recount(
    tx: Tx, workspace_id: int, first_hour: int, end_hour: int, dimensions: Dimensions
) -> tuple[int, list[Difference]]:
    """Make the counters equal to the ledger; return what `differences` found, all of it corrected.

    What is missing or too much is added to this node's rows: the other nodes'
    stay as they are, so nothing that they count at this moment is lost.
    """
    compared, found = differences(tx, workspace_id, first_hour, end_hour, dimensions)
    for one in found:
        key = CounterKey(workspace_id, one.hour, one.dimension, one.key)
        tx.count(key, one.counter, one.counted - one.stored)
    return compared, found


_Amounts = dict[tuple[int, str, str, str], int]


def _stored(reader: Conn | Tx, workspace_id: int, first_hour: int, end_hour: int) -> _Amounts:
    amounts: _Amounts = {}
    for hour, dimension, key, *sums in _rows(reader, _STORED, (workspace_id, first_hour, end_hour)):
        for counter, amount in zip(COUNTERS, sums, strict=True):
            if amount and counter in _COUNTED:
                amounts[hour, dimension, key, counter] = int(amount)
    return amounts


def _counted(reader: Conn | Tx, workspace_id: int, first_hour: int, end_hour: int, dimensions: Dimensions) -> _Amounts:
    amounts: defaultdict[tuple[int, str, str, str], int] = defaultdict(int)
    for counter, asked in _COUNTED.items():
        rows = _rows(reader, asked, (workspace_id, first_hour, end_hour))
        for hour, stream, author_domain, tags, provider, amount in rows:
            for dimension, key in dimensions(stream, author_domain, _tags(tags), provider):
                amounts[hour, dimension, key, counter] += amount
    return dict(amounts)


def _rows(reader: Conn | Tx, asked: Statement, parameters: tuple[int, ...]) -> list[tuple]:  # type: ignore[type-arg]
    return reader.run(asked, parameters) if isinstance(reader, Tx) else reader.all(asked, parameters)
