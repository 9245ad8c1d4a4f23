"""Looking through recipients and events, newest first, a bounded piece at a time.

A search has one condition that an index answers (the *driver*) and others that
are asked of each row that the driver gives. A step examines a window of so many
rows of the driver and returns those that match, with the position that it
reached: whoever pages on goes from there. So no search is ever longer than its
window, whatever it asks for.

Positions are pairs. Most drivers give recipients by id, then both halves are
the id. Tags are an index of messages: then rows are in order of message and
recipient, and a position names both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, Subquery, and_, func, or_, select, union, union_all

from postroom.ledger.rows import EventRow, RecipientRow
from postroom.ledger.states import SETTLED, RecipientState
from postroom.store import schema
from postroom.store.database import Conn
from postroom.store.messages import has_tag
from postroom.store.window import Looked, events_by, recipients_by

_R = schema.mail.recipient.c
_M = schema.mail.message.c
_T = schema.mail.message_tag.c
_E = schema.facts.event.c

_MAX_ID = (1 << 63) - 1
_ALL_STATES = tuple(state.value for state in RecipientState)
_SETTLED = frozenset(state.value for state in SETTLED)
_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}

ADDRESS_RECIPIENTS = 200
"""Events of an address are looked for among this many of its newest recipients."""


class Position(NamedTuple):
    """Where a walk stands; rows at it are not among what comes next."""

    group: int
    """Message id where tags drive, else the row's own."""
    id: int


NEWEST = Position(_MAX_ID, _MAX_ID)


@dataclass(frozen=True, slots=True)
class ActivityFilter:
    """What is asked for. Values of one field are alternatives, fields that are not empty must all hold."""

    address_keys: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    """Words of `mail.reasons.Reason`: why recipients failed."""
    streams: tuple[str, ...] = ()
    recipient_ids: tuple[int, ...] = ()
    message_ids: tuple[int, ...] = ()
    words: tuple[str, ...] = ()
    """Pieces of the subject, all of them, in whatever letter case."""
    kinds: tuple[str, ...] = ()
    """Of events, as is the next; recipients have neither."""
    labels: tuple[str, ...] = ()
    """Whose an open or a click was taken for when its event was told."""
    least_id: int | None = None
    before_id: int | None = None

    @property
    def is_by_tag(self) -> bool:
        """The index of tags drives: nothing else narrows the search more."""
        waiting = bool(self.states) and not _SETTLED & set(self.states)
        return bool(self.tags) and not (self.recipient_ids or self.message_ids or self.address_keys or waiting)


class FoundRecipient(NamedTuple):
    """A recipient with what its line shows of the message."""

    recipient: RecipientRow
    subject: str
    stream: str

    @property
    def position(self) -> Position:
        """Where it stands in a search that tags drive."""
        return Position(self.recipient.message_id, self.recipient.id)


class FoundEvent(NamedTuple):
    """An event with whom and what it is about, empty where it is about nobody."""

    event: EventRow
    address: str
    provider: str
    domain: str
    subject: str


class Step(NamedTuple):
    """What one window held."""

    rows: Sequence[Any]
    reached: Position | None
    """Where to go on; None: there is nothing behind."""
    examined: int


def recipients_step(
    conn: Conn, workspace_id: int, asked: ActivityFilter, start: Position, *, older: bool, window: int, limit: int
) -> Step:
    """Return up to `limit` matching recipients (FoundRecipient) among the next `window` of the driver.

    In the order of the walk: newest first where it goes to what is `older`, else oldest first.
    """
    if asked.is_by_tag:
        return _by_tag(conn, workspace_id, asked, start, older=older, window=window, limit=limit)
    if not has_residue(asked):
        window = limit
    inside = _window(_drivers(asked), workspace_id, asked, start.id, older=older, size=window)
    end, count = _extent(conn, inside.c.id, older=older)
    if not count:
        return Step([], None, 0)
    looked = recipients_by(conn, inside, _R.id)
    ids = looked.recipient.id
    query = (
        _shown(looked)
        .where(*_residue(conn, workspace_id, asked, looked))
        .order_by(ids.desc() if older else ids.asc())
        .limit(limit)
    )
    rows = _found(conn.select(query))
    if len(rows) == limit:
        last = rows[-1].recipient.id
        return Step(rows, Position(last, last), count)
    return Step(rows, Position(end, end) if count == window else None, count)


def position_of(conn: Conn, workspace_id: int, recipient_id: int) -> Position:
    """Return where a recipient stands in a search that tags drive; where it would, when it is gone."""
    query = select(_R.message_id).where(_R.id == recipient_id, _R.workspace_id == workspace_id)
    rows = conn.select(query)
    return Position(rows[0][0] if rows else recipient_id, recipient_id)


def events_step(
    conn: Conn, workspace_id: int, asked: ActivityFilter, start: Position, *, older: bool, window: int, limit: int
) -> Step:
    """Return up to `limit` matching events (FoundEvent) among the next `window` of the workspace's, as above."""
    bounds = _between(_E.id, asked, start.id, older=older)
    if asked.recipient_ids or asked.address_keys:
        ids = (*asked.recipient_ids, *_newest_of(conn, workspace_id, asked.address_keys))
        if not ids:
            return Step([], None, 0)
        bounds += [_E.workspace_id + 0 == workspace_id, _E.recipient_id.in_(ids)]
    elif asked.message_ids:
        bounds += [_E.workspace_id + 0 == workspace_id, _E.message_id.in_(asked.message_ids)]
    else:
        bounds.append(_E.workspace_id == workspace_id)
    order = _E.id.desc() if older else _E.id.asc()
    if not (has_residue(asked) or asked.kinds or asked.labels or asked.states or asked.domains or asked.tags):
        window = limit
    inside = select(_E.id).where(*bounds).order_by(order).limit(window).subquery("inside")
    end, count = _extent(conn, inside.c.id, older=older)
    if not count:
        return Step([], None, 0)
    looked = events_by(conn, inside)
    conditions = _residue(conn, workspace_id, asked, looked)
    event, recipient = looked.event, looked.recipient
    for column, values in (
        (event.kind, asked.kinds), (recipient.state, asked.states), (recipient.domain, asked.domains)
    ):  # fmt: skip
        if values:
            conditions.append(_looked_at(column).in_(values))
    if asked.tags and asked.is_by_tag:
        conditions.append(_any_tag(workspace_id, asked, looked))
    if asked.labels:
        # As msgspec writes it; a quote inside of another value stands behind a backslash.
        position = func.instr if conn.engine == "sqlite" else func.strpos
        conditions.append(or_(*(position(event.detail, f'"label":"{label}"') > 0 for label in asked.labels)))
    about = (recipient.address, recipient.provider, recipient.domain, looked.message.subject)
    query = (
        select(*event, *(func.coalesce(one, "") for one in about))
        .select_from(looked.source)
        .where(*conditions)
        .order_by(event.id.desc() if older else event.id.asc())
        .limit(limit)
    )
    width = len(EventRow._fields)
    rows = [FoundEvent(EventRow._make(row[:width]), *row[width:]) for row in conn.select(query)]
    if len(rows) == limit:
        last = rows[-1].event.id
        return Step(rows, Position(last, last), count)
    return Step(rows, Position(end, end) if count == window else None, count)


def has_residue(asked: ActivityFilter) -> bool:
    """Tell whether rows of the driver have to be looked at, so that a step may find fewer than it examines."""
    return bool(
        asked.words
        or asked.streams
        or asked.providers
        or asked.causes
        or (asked.tags and not asked.is_by_tag)
        or sum(map(bool, (asked.recipient_ids, asked.message_ids, asked.address_keys, asked.domains, asked.states))) > 1
    )


def _by_tag(
    conn: Conn, workspace_id: int, asked: ActivityFilter, start: Position, *, older: bool, window: int, limit: int
) -> Step:
    group, last = start
    order = _T.message_id.desc() if older else _T.message_id.asc()
    # The message of the position is looked at again: some of its recipients may be left.
    bounds = _between(_T.message_id, asked, min(group + 1, _MAX_ID) if older else max(group - 1, 0), older=older)
    branches = [
        select(_T.message_id.label("id"))
        .where(_T.workspace_id == workspace_id, _T.tag == tag, *bounds)
        .order_by(order)
        .limit(window)
        .subquery()
        for tag in asked.tags
    ]
    # A message may have several of the tags: it counts once.
    some = union(*[select(branch.c.id) for branch in branches]).subquery()
    inside = select(some.c.id).order_by(some.c.id.desc() if older else some.c.id.asc()).limit(window).subquery("inside")
    end, count = _extent(conn, inside.c.id, older=older)
    if not count:
        return Step([], None, 0)
    looked = recipients_by(conn, inside, _R.message_id)
    recipient = looked.recipient
    conditions = [recipient.workspace_id + 0 == workspace_id, *_residue(conn, workspace_id, asked, looked)]
    for column, values in ((recipient.domain, asked.domains), (recipient.state, asked.states)):
        if values:
            conditions.append(_looked_at(column).in_(values))
    behind = recipient.id < last if older else recipient.id > last
    query = (
        _shown(looked)
        .where(or_(recipient.message_id != group, behind), *conditions)
        .order_by(
            *((recipient.message_id.desc(), recipient.id.desc()) if older else (recipient.message_id, recipient.id))
        )
        .limit(limit)
    )
    rows = _found(conn.select(query))
    if len(rows) == limit:
        return Step(rows, rows[-1].position, count)
    # All recipients of the last message are among these rows: the walk goes on behind it.
    reached = Position(end, 0 if older else _MAX_ID)
    return Step(rows, reached if count == window else None, count)


def _drivers(asked: ActivityFilter) -> list[ColumnElement[bool]]:
    """Return conditions that an index answers in order of ids, one branch each."""
    if asked.recipient_ids:
        return [_R.id == one for one in asked.recipient_ids]
    if asked.message_ids:
        return [_R.message_id == one for one in asked.message_ids]
    if asked.address_keys:
        return [_R.address_key == one for one in asked.address_keys]
    waits = bool(asked.states) and not _SETTLED & set(asked.states)
    if asked.domains and not waits:
        return [_R.domain == one for one in asked.domains]
    # Without any condition an index has to give the order too, and that of states does.
    return [_R.state == one for one in asked.states or _ALL_STATES]


def _window(
    drivers: Sequence[ColumnElement[bool]],
    workspace_id: int,
    asked: ActivityFilter,
    start: int,
    *,
    older: bool,
    size: int,
) -> Subquery:
    order = _R.id.desc() if older else _R.id.asc()
    bounds = _between(_R.id, asked, start, older=older)
    branches: list[Select[Any]] = [
        select(_R.id.label("id")).where(_R.workspace_id == workspace_id, driver, *bounds).order_by(order).limit(size)
        for driver in drivers
    ]
    if len(branches) == 1:
        return branches[0].subquery("inside")
    some = union_all(*[select(branch.subquery().c.id) for branch in branches]).subquery()
    ids = some.c.id
    return select(ids).order_by(ids.desc() if older else ids.asc()).limit(size).subquery("inside")


def _extent(conn: Conn, ids: ColumnElement[int], *, older: bool) -> tuple[int, int]:
    """Return the last id of a window and how many it has."""
    columns: list[Any] = [func.min(ids) if older else func.max(ids), func.count(ids)]
    row = conn.select(select(*columns))[0]
    return row[0] or 0, row[1]


def _between(
    column: ColumnElement[int], asked: ActivityFilter, start: int, *, older: bool
) -> list[ColumnElement[bool]]:
    # One bound at each end: of two upper ones SQLite seeks by either, and may walk through all that the other excludes.
    least, end = asked.least_id or 0, asked.before_id if asked.before_id is not None else _MAX_ID
    if older:
        end = min(end, start)
    else:
        least = max(least, start + 1) if start < _MAX_ID else _MAX_ID
    return [column >= least, column < end]


def _shown(looked: Looked) -> Select[Any]:
    columns = [*looked.recipient, looked.message.subject, looked.message.stream]
    return select(*columns).select_from(looked.source)


def _residue(conn: Conn, workspace_id: int, asked: ActivityFilter, looked: Looked) -> list[ColumnElement[bool]]:
    recipient, message = looked.recipient, looked.message
    conditions: list[ColumnElement[bool]] = []
    if asked.providers:
        conditions.append(_looked_at(recipient.provider).in_(asked.providers))
    if asked.causes:
        conditions.append(_looked_at(recipient.cause).in_(asked.causes))
    if asked.streams:
        conditions.append(_looked_at(message.stream).in_(asked.streams))
    if asked.tags and not asked.is_by_tag:
        conditions.append(_any_tag(workspace_id, asked, looked))
    given = (
        (recipient.id + 0, asked.recipient_ids),
        (recipient.message_id + 0, asked.message_ids),
        (_looked_at(recipient.address_key), asked.address_keys),
        (_looked_at(recipient.domain), asked.domains),
        (_looked_at(recipient.state), asked.states),
    )
    if sum(bool(values) for _, values in given) > 1:
        conditions += [column.in_(values) for column, values in given if values]
    return [*conditions, *(_in_subject(conn, message.subject, word) for word in asked.words)]


def _looked_at(column: ColumnElement[str]) -> ColumnElement[str]:
    # Rows of the window are looked at one by one. With the bare column SQLite rather goes through everything that an
    # index has for the value (every failed recipient of the workspace), and looks which of it lies in the window.
    return func.coalesce(column, "")


def _any_tag(workspace_id: int, asked: ActivityFilter, looked: Looked) -> ColumnElement[bool]:
    return or_(*(has_tag(workspace_id, tag, looked.message.id) for tag in asked.tags))


def _in_subject(conn: Conn, subject: ColumnElement[str], word: str) -> ColumnElement[bool]:
    # SQLite's lower() knows ASCII only, so other letters are asked for in the cases that people write.
    position = func.instr if conn.engine == "sqlite" else func.strpos
    cases = {case.translate(_ASCII_LOWER) for case in (word, word.lower(), word.upper(), word.capitalize())}
    return and_(subject != "", or_(*(position(func.lower(subject), case) > 0 for case in sorted(cases))))


def _newest_of(conn: Conn, workspace_id: int, address_keys: Sequence[str]) -> list[int]:
    found: list[int] = []
    for key in address_keys:
        query = select(_R.id).where(_R.workspace_id == workspace_id, _R.address_key == key)
        found += [row[0] for row in conn.select(query.order_by(_R.id.desc()).limit(ADDRESS_RECIPIENTS))]
    return found


def _found(rows: Sequence[Sequence[Any]]) -> list[FoundRecipient]:
    width = len(RecipientRow._fields)
    return [FoundRecipient(RecipientRow._make(row[:width]), *row[width:]) for row in rows]
