"""`GET /events`: everything that happened in a workspace, as a feed to follow."""

from litestar import Response, get
from msgspec import Struct

from postroom.base.ids import first_id_at, show_id
from postroom.doors.http.fields import read_query
from postroom.doors.http.lists import EventCursor, Limit, id_or_none
from postroom.doors.http.operation import Operation, described
from postroom.doors.http.requests import answer
from postroom.doors.http.services import ApiRequest, services_of
from postroom.doors.http.views import EventOut, event_view
from postroom.ledger.event_kinds import EventKind
from postroom.store import events

SETTLES_MS = 10_000
"""An event's id is made before its commit, so one with a lower id can appear after one with a higher: the store
refuses writers that waited 5 s, and the commit itself is given as long again."""


class FeedQuery(Struct, frozen=True):
    """From where on, and which."""

    after: EventCursor | None = None
    kind: EventKind | None = None
    limit: Limit = 100


class EventFeed(Struct, frozen=True):
    """Events, oldest first."""

    items: list[EventOut]
    next: str
    """What to give as `after` the next time."""


@get("/events", opt=described(Operation("Follow the events", answers=EventFeed, query=FeedQuery)))
async def follow_events(request: ApiRequest) -> Response[bytes]:
    """Return events, oldest first, and in `next` where to go on; it is there also when nothing new happened.

    No event is missed. One of the last ten seconds may be told twice: compare ids.
    """
    query = read_query(request.scope["query_string"], FeedQuery)
    services, workspace_id = services_of(request), request.user.id
    after_id = id_or_none("evt", query.after) or 0
    rows = await services.database.read(lambda conn: events.feed(conn, workspace_id, after_id, query.limit, query.kind))
    settled_id = max(0, first_id_at(services.clock.now_ms() - SETTLES_MS) - 1)
    last_id = rows[-1].id if rows else settled_id
    next_id = max(after_id, min(last_id, settled_id))
    return answer(EventFeed([event_view(row) for row in rows], show_id("evt", next_id)))
