"""`/w/NAME/`: how the workspace does, for a period against the one before.

Every number is a sum of `counter`, and leads to the activity list that explains
it. What machines opened and clicked stands beside the number and is never part
of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import msgspec
from litestar import Response, get

from postroom.base.clock import HOUR_MS
from postroom.doors.dashboard.event_words import EventWords, address_of_event, path_of_event, words_of
from postroom.doors.dashboard.first_mail import first_mail
from postroom.doors.dashboard.page import address_of, render, workspace_of
from postroom.doors.dashboard.reasons import provider_name
from postroom.doors.dashboard.search import time_text
from postroom.doors.dashboard.services import PageRequest, services_of
from postroom.ledger.rows import COUNTERS, WorkspaceRow
from postroom.store import activity, overview
from postroom.store.activity import NEWEST, ActivityFilter, FoundEvent
from postroom.store.database import Conn

FEED_EVENTS = 12
_PROVIDERS = 10

Amounts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Period:
    """A period that can be chosen."""

    key: str
    """As the address has it: `?period=7d`."""
    label: str
    hours: int
    bucket_hours: int
    """How much time one point of the chart is."""


PERIODS = (Period("24h", "24 hours", 24, 1), Period("7d", "7 days", 168, 6), Period("30d", "30 days", 720, 24))


@dataclass(frozen=True, slots=True)
class Change:
    """A number against that of the period before."""

    arrow: str
    """`↑`, `↓` or `=`."""
    words: str
    tone: str
    """`good`, `bad` or empty."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One of the eight counters."""

    label: str
    value: int
    change: Change
    beside: str
    """What is not part of the number, such as opens by machines; often empty."""
    query: str
    """The search that lists what was counted."""


@dataclass(frozen=True, slots=True)
class ProviderLine:
    """One receiving provider."""

    name: str
    key: str
    outbound: int
    sent: int
    failed: int
    opened: int

    @property
    def share(self) -> int:
        """How much of what was settled was sent, in percent."""
        settled = self.sent + self.failed
        return round(100 * self.sent / settled) if settled else 0


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the chart and one line of its table."""

    at_ms: int
    end_ms: int
    amounts: Amounts


@dataclass(frozen=True, slots=True)
class FeedLine:
    """One event of the live feed."""

    event_id: int
    at_ms: int
    words: EventWords
    address: str
    subject: str
    path: str
    """Of the story below the workspace; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Overview:
    """What the page shows."""

    period: Period
    first_ms: int
    figures: tuple[Figure, ...]
    points: tuple[Point, ...]
    funnel: tuple[tuple[str, int, str], ...]
    """Step, number, search."""
    providers: tuple[ProviderLine, ...]
    is_new: bool
    """Nothing was counted in either period."""

    @property
    def chart(self) -> str:
        """The figures for the chart's script: seconds, then one list a line, as JSON that may stand in a page."""
        series = [[point.amounts[name] for point in self.points] for _, name in LINES]
        data = {"labels": [label for label, _ in LINES], "data": [[p.at_ms // 1000 for p in self.points], *series]}
        # `</script>` and `<!--` cannot come to stand in it.
        return msgspec.json.encode(data).decode().replace("<", "\\u003c")


LINES = (
    ("Outbound", "outbound"),
    ("Sent", "sent"),
    ("Failed", "failed"),
    ("Opens", "opens_human"),
    ("Clicks", "clicks_human"),
)
"""The lines of the chart and the counters behind them."""

_FIGURES = (
    ("Outbound", "outbound", "", None),
    ("Sent", "sent", "event:delivered", True),
    ("Failed", "failed", "event:failed event:bounced", False),
    ("Complaints", "complaints", "event:complained", False),
    ("Opens", "opens_human", "event:opened label:human", True),
    ("Clicks", "clicks_human", "event:clicked label:human", True),
    ("Unsubscribes", "unsubscribes", "event:unsubscribed", False),
    ("Inbound", "inbound", "event:replied event:received", None),
)
"""Label, counter, what explains it, and whether more is better."""

_UNIQUE = {"opens_human": "opens_unique", "clicks_human": "clicks_unique"}


def period_of(text: str) -> Period:
    """Return the period that an address names, else the first."""
    return next((one for one in PERIODS if one.key == text), PERIODS[0])


def overview_of(
    period: Period,
    end_hour: int,
    buckets: Mapping[int, Amounts],
    before: Amounts,
    providers: Mapping[str, Amounts],
) -> Overview:
    """Return what the page shows; `end_hour` is the one behind the last, `buckets` are by their first hour.

    `before` are the sums of the period before.
    """
    first = end_hour - period.hours
    now = _sum(buckets.values())
    since = f"since:{time_text(first * HOUR_MS)}"
    figures = tuple(
        Figure(
            label,
            now[name],
            change_of(now[name], before[name], period, more_is_better=better),
            _beside(name, now),
            f"{query} {since}".strip(),
        )
        for label, name, query, better in _FIGURES
    )
    funnel = (
        ("Outbound", now["outbound"], since),
        ("Sent", now["sent"], f"event:delivered {since}"),
        ("Opened by people", now["opens_human"], f"event:opened label:human {since}"),
        ("Clicked by people", now["clicks_human"], f"event:clicked label:human {since}"),
    )
    lines = [
        ProviderLine(provider_name(key), key, one["outbound"], one["sent"], one["failed"], one["opens_human"])
        for key, one in providers.items()
    ]
    lines.sort(key=lambda line: (-line.outbound, -line.sent, line.name))
    is_new = not any(now.values()) and not any(before.values())
    return Overview(
        period, first * HOUR_MS, figures, _points(period, end_hour, buckets), funnel, tuple(lines[:_PROVIDERS]), is_new
    )


def change_of(now: int, before: int, period: Period, *, more_is_better: bool | None) -> Change:
    """Return a number against the one before it. `more_is_better` None: neither is good or bad."""
    if now == before:
        return Change("=", f"as in the {period.label} before", "")
    more = now > before
    tone = "" if more_is_better is None else "good" if more == more_is_better else "bad"
    difference = f"{abs(now - before):,} {'more' if more else 'fewer'}"
    if before and now:
        percent = round(100 * abs(now - before) / before)
        # Above that a factor says more than 12,300 %.
        difference = f"{percent} % {'more' if more else 'less'}" if percent < 1000 else f"{now / before:,.0f} times"
    elif not before:
        difference = "none"
    than = "" if not before else "than "
    told = f"{difference} {than}in the {period.label} before"
    return Change("↑" if more else "↓", told, tone)


def feed_of(rows: Sequence[FoundEvent]) -> tuple[FeedLine, ...]:
    """Return the lines of the live feed."""
    return tuple(_feed_line(row) for row in rows)


def _feed_line(row: FoundEvent) -> FeedLine:
    event = row.event
    words, path = words_of(event, row.provider, row.domain), path_of_event(event)
    return FeedLine(event.id, event.at_ms, words, row.address or address_of_event(event), row.subject, path)


def _sum(many: Iterable[Amounts]) -> dict[str, int]:
    total = dict.fromkeys(COUNTERS, 0)
    for amounts in many:
        for name, amount in amounts.items():
            total[name] += amount
    return total


def _beside(name: str, now: Amounts) -> str:
    unique = _UNIQUE.get(name)
    if unique is None:
        return ""
    # Of a recipient whose first hit was a machine's and later one a person's, both are counted: never below zero.
    others = max(0, now[unique] - now[name])
    return f"and {others:,} only by machines or unknown" if others else ""


def _points(period: Period, end_hour: int, buckets: Mapping[int, Amounts]) -> tuple[Point, ...]:
    step, first = period.bucket_hours, end_hour - period.hours
    nothing = dict.fromkeys(COUNTERS, 0)
    # Buckets begin at full days or quarters of them; the first and the last are there in part.
    starts = range(first - first % step, end_hour, step)
    return tuple(
        Point(max(at, first) * HOUR_MS, min(at + step, end_hour) * HOUR_MS, buckets.get(at, nothing)) for at in starts
    )


# The page


@get("/w/{workspace:str}/")
async def show(request: PageRequest) -> Response[bytes]:
    """Show the overview of a workspace."""
    workspace = await workspace_of(request)
    services = services_of(request)
    period = period_of(request.query_params.get("period", ""))
    end_hour = services.clock.now_ms() // HOUR_MS + 1

    def read(conn: Conn) -> tuple[Overview, tuple[FeedLine, ...]]:
        first = end_hour - period.hours
        buckets = overview.buckets(conn, workspace.id, first, end_hour, period.bucket_hours)
        before = overview.total(conn, workspace.id, first - period.hours, first)
        providers = overview.by_provider(conn, workspace.id, first, end_hour)
        return overview_of(period, end_hour, buckets, before, providers), _feed(conn, workspace)

    view, feed = await services.database.read(read)
    base = address_of(workspace)
    return render(
        request,
        "overview.html",
        title="Overview",
        at="",
        view=view,
        feed=feed,
        periods=[(f"{base}?period={one.key}", one.label, one is period) for one in PERIODS],
        search=lambda query: f"{base}activity?{urlencode({'q': query})}",
        since=_since,
        lines=LINES,
        first_mail=first_mail(services.facts) if view.is_new and not feed else None,
    )


@get("/w/{workspace:str}/feed")
async def show_feed(request: PageRequest) -> Response[bytes]:
    """Show the last events; the overview asks for them every few seconds."""
    workspace = await workspace_of(request)
    feed = await services_of(request).database.read(lambda conn: _feed(conn, workspace))
    return render(request, "overview_feed.html", title="Live", at="", feed=feed)


def _since(at_ms: int, end_ms: int | None = None) -> str:
    """Return the search for a span of time."""
    since = f"since:{time_text(at_ms)}"
    return since if end_ms is None else f"{since} before:{time_text(end_ms)}"


def _feed(conn: Conn, workspace: WorkspaceRow) -> tuple[FeedLine, ...]:
    step = activity.events_step(
        conn, workspace.id, ActivityFilter(), NEWEST, older=True, window=FEED_EVENTS, limit=FEED_EVENTS
    )
    return feed_of(step.rows)


HANDLERS = (show, show_feed)
