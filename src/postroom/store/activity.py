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
OLDEST = Position(0, 0)


@dataclass(frozen=True, slots=True)
class ActivityFilter:
    """What is asked for. Values of one field are alternatives, fields that are not empty must all hold."""

    address_keys: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    recipient_ids: tuple[int, ...] = ()
    message_ids: tuple[int, ...] = ()
    words: tuple[str, ...] = ()
    """Pieces of the subject, all of them, in whatever letter case."""
    kinds: tuple[str, ...] = ()
    """Of events; nothing else asks it."""
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
    query = (
        select(schema.mail.recipient, _M.subject, _M.stream)
        .join(inside, inside.c.id == _R.id)
        .join(schema.mail.message, _M.id == _R.message_id)
        .where(*_residue(conn, workspace_id, asked))
        .order_by(_R.id.desc() if older else _R.id.asc())
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
    if not (has_residue(asked) or asked.kinds or asked.states or asked.domains or asked.tags):
        window = limit
    inside = select(_E.id).where(*bounds).order_by(order).limit(window).subquery("inside")
    end, count = _extent(conn, inside.c.id, older=older)
    if not count:
        return Step([], None, 0)
    conditions = _residue(conn, workspace_id, asked)
    for column, values in ((_E.kind, asked.kinds), (_R.state, asked.states), (_R.domain, asked.domains)):
        if values:
            conditions.append(_looked_at(column).in_(values))
    if asked.tags and asked.is_by_tag:
        conditions.append(_any_tag(workspace_id, asked))
    query = (
        select(
            schema.facts.event, *(func.coalesce(one, "") for one in (_R.address, _R.provider, _R.domain, _M.subject))
        )
        .select_from(schema.facts.event)
        .join(inside, inside.c.id == _E.id)
        .outerjoin(schema.mail.recipient, _R.id == _E.recipient_id)
        .outerjoin(schema.mail.message, _M.id == _E.message_id)
        .where(*conditions)
        .order_by(order)
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
    conditions = [_R.workspace_id + 0 == workspace_id, *_residue(conn, workspace_id, asked)]
    for column, values in ((_R.domain, asked.domains), (_R.state, asked.states)):
        if values:
            conditions.append(_looked_at(column).in_(values))
    behind = _R.id < last if older else _R.id > last
    query = (
        select(schema.mail.recipient, _M.subject, _M.stream)
        .join(inside, inside.c.id == _R.message_id)
        .join(schema.mail.message, _M.id == _R.message_id)
        .where(or_(_R.message_id != group, behind), *conditions)
        .order_by(*((_R.message_id.desc(), _R.id.desc()) if older else (_R.message_id, _R.id)))
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


def _residue(conn: Conn, workspace_id: int, asked: ActivityFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if asked.providers:
        conditions.append(_looked_at(_R.provider).in_(asked.providers))
    if asked.streams:
        conditions.append(_looked_at(_M.stream).in_(asked.streams))
    if asked.tags and not asked.is_by_tag:
        conditions.append(_any_tag(workspace_id, asked))
    given = (
        (_R.id + 0, asked.recipient_ids),
        (_R.message_id + 0, asked.message_ids),
        (_looked_at(_R.address_key), asked.address_keys),
        (_looked_at(_R.domain), asked.domains),
        (_looked_at(_R.state), asked.states),
    )
    if sum(bool(values) for _, values in given) > 1:
        conditions += [column.in_(values) for column, values in given if values]
    return [*conditions, *(_in_subject(conn, word) for word in asked.words)]


def _looked_at(column: ColumnElement[str]) -> ColumnElement[str]:
    # Rows of the window are looked at one by one. With the bare column SQLite rather goes through everything that an
    # index has for the value (every failed recipient of the workspace), and looks which of it lies in the window.
    return func.coalesce(column, "")


def _any_tag(workspace_id: int, asked: ActivityFilter) -> ColumnElement[bool]:
    return or_(*(has_tag(workspace_id, tag) for tag in asked.tags))


def _in_subject(conn: Conn, word: str) -> ColumnElement[bool]:
    # SQLite's lower() knows ASCII only, so other letters are asked for in the cases that people write.
    position = func.instr if conn.engine == "sqlite" else func.strpos
    cases = {case.translate(_ASCII_LOWER) for case in (word, word.lower(), word.upper(), word.capitalize())}
    return and_(_M.subject != "", or_(*(position(func.lower(_M.subject), case) > 0 for case in sorted(cases))))


def _newest_of(conn: Conn, workspace_id: int, address_keys: Sequence[str]) -> list[int]:
    found: list[int] = []
    for key in address_keys:
        query = select(_R.id).where(_R.workspace_id == workspace_id, _R.address_key == key)
        found += [row[0] for row in conn.select(query.order_by(_R.id.desc()).limit(ADDRESS_RECIPIENTS))]
    return found


def _found(rows: Sequence[Sequence[Any]]) -> list[FoundRecipient]:
    width = len(RecipientRow._fields)
    return [FoundRecipient(RecipientRow._make(row[:width]), *row[width:]) for row in rows]
