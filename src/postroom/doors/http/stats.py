"""`GET /stats`: the eight counters as time series."""

from enum import StrEnum

from litestar import Response, get
from msgspec import Struct

from postroom.base.clock import DAY_MS, HOUR_MS
from postroom.doors.http.fields import read_query
from postroom.doors.http.lists import Limit, Offset, TimeText, time_of
from postroom.doors.http.operation import Operation, described
from postroom.doors.http.requests import answer, cut_page
from postroom.doors.http.services import ApiRequest, services_of
from postroom.doors.http.views import Time
from postroom.doors.http.words import show_time
from postroom.store import stats
from postroom.store.stats import Sums

_DEFAULT_SPAN_MS = 30 * DAY_MS
_MAX_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""


class Interval(StrEnum):
    """How long a bucket of time is."""

    HOUR = "hour"
    DAY = "day"
    TOTAL = "total"


class Dimension(StrEnum):
    """What is told apart."""

    DOMAIN = "domain"
    STREAM = "stream"
    CAMPAIGN = "campaign"
    TAG = "tag"
    PROVIDER = "provider"
    REASON = "reason"
    """Why recipients failed: `failed` only."""
    PROVIDER_REASON = "provider_reason"
    """The same by provider: `google mailbox_full`."""


_BUCKET_HOURS = {Interval.HOUR: 1, Interval.DAY: 24, Interval.TOTAL: None}


class StatsQuery(Struct, frozen=True, rename={"since": "from", "until": "to"}):
    """Which span, cut how, told apart by what."""

    since: TimeText | None = None
    until: TimeText | None = None
    interval: Interval = Interval.DAY
    by: Dimension | None = None
    cursor: Offset | None = None
    limit: Limit = 500


class Hits(Struct, frozen=True):
    """Opens or clicks."""

    total: int
    unique: int
    """Recipients, each in the hour of its first."""
    human: int
    """Recipients with one that is labelled human."""


class StatsItem(Struct, frozen=True):
    """The counters of one bucket of time and one key."""

    time: Time
    """Where the bucket begins."""
    key: str
    """Which domain, stream, …; empty without `by`."""
    outbound: int
    sent: int
    failed: int
    complaints: int
    opens: Hits
    clicks: Hits
    unsubscribes: int
    inbound: int


class StatsPage(Struct, frozen=True):
    """Counters by time and key. Buckets in which nothing was counted are left out."""

    items: list[StatsItem]
    next: str | None


@get("/stats", opt=described(Operation("Read the counters", answers=StatsPage, query=StatsQuery)))
async def read_stats(request: ApiRequest) -> Response[bytes]:
    """Return the counters of the hours from `from` (default: 30 days ago) until `to` (default: now).

    Counters are kept by the hour: the hour that `from` lies in is told whole, and so is that which `to` lies in.
    """
    query = read_query(request.scope["query_string"], StatsQuery)
    services, workspace_id = services_of(request), request.user.id
    until_ms = _given_or(time_of(query.until, "to"), services.clock.now_ms() + 1)
    since_ms = _given_or(time_of(query.since, "from"), until_ms - _DEFAULT_SPAN_MS)
    # A span ends with the hour that `to` lies in, unless it is the full hour itself.
    first_hour, end_hour = since_ms // HOUR_MS, -(-until_ms // HOUR_MS)
    offset = int(query.cursor or 0)
    rows = await services.database.read(
        lambda conn: stats.series(
            conn,
            workspace_id,
            query.by.value if query.by else "total",
            first_hour,
            end_hour,
            _BUCKET_HOURS[query.interval],
            limit=query.limit + 1,
            offset=offset,
        )
    )
    shown, more = cut_page(rows, query.limit)
    items = [_item(row) for row in shown]
    return answer(StatsPage(items, str(offset + query.limit) if more else None))


def _given_or(given: int | None, default: int) -> int:
    return max(0, min(default if given is None else given, _MAX_MS))


def _item(row: Sums) -> StatsItem:
    amounts = row.amounts
    return StatsItem(
        time=show_time(row.hour * HOUR_MS),
        key=row.key,
        outbound=amounts["outbound"],
        sent=amounts["sent"],
        failed=amounts["failed"],
        complaints=amounts["complaints"],
        opens=Hits(amounts["opens_total"], amounts["opens_unique"], amounts["opens_human"]),
        clicks=Hits(amounts["clicks_total"], amounts["clicks_unique"], amounts["clicks_human"]),
        unsubscribes=amounts["unsubscribes"],
        inbound=amounts["inbound"],
    )
