"""`/w/NAME/bounces`: why mail was not delivered, by reason, provider and time.

Every number is a sum of `counter`, and leads to the recipients behind it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import msgspec
from litestar import Response, get

from postroom.base.clock import HOUR_MS
from postroom.doors.dashboard.overview import PERIODS, Period
from postroom.doors.dashboard.page import address_of, render, workspace_of
from postroom.doors.dashboard.reasons import provider_name
from postroom.doors.dashboard.search import time_text
from postroom.doors.dashboard.services import PageRequest, services_of
from postroom.mail.reasons import Reason
from postroom.store.failure_counts import Failures, failures

MOST_LINES = 5
"""Reasons with a line of their own in the chart; the rest is one more, which the chart's looks allow for."""
MOST_PROVIDERS = 6
"""Providers with a column of their own."""
_REST = "the rest"
_WORDS = {reason.value: reason for reason in Reason}


@dataclass(frozen=True, slots=True)
class Cell:
    """How many failed for a reason at a provider."""

    failed: int
    label: str
    query: str
    """The search that lists them; empty where it could not be one search."""


@dataclass(frozen=True, slots=True)
class ReasonLine:
    """A reason with how many failed for it."""

    reason: str
    meaning: str
    is_hard: bool
    failed: int
    query: str
    cells: tuple[Cell, ...]
    """One a column."""


@dataclass(frozen=True, slots=True)
class Series:
    """A line of the chart: a reason over time."""

    label: str
    amounts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bounces:
    """What the page shows."""

    failed: int
    hard: int
    query: str
    """The search that lists all who failed."""
    columns: tuple[str, ...]
    """Names of the providers."""
    lines: tuple[ReasonLine, ...]
    at_ms: tuple[int, ...]
    """When each piece of time of the chart begins."""
    series: tuple[Series, ...]

    @property
    def chart(self) -> str:
        """The figures for the chart's script, as JSON that may stand in a page."""
        times = [at_ms // 1000 for at_ms in self.at_ms]
        data = {"labels": [one.label for one in self.series], "data": [times, *(one.amounts for one in self.series)]}
        return msgspec.json.encode(data).decode().replace("<", "\\u003c")


def bounces_of(found: Sequence[Failures], period: Period, end_hour: int, provider: str) -> Bounces:
    """Return what the page shows of the period before `end_hour`; `provider` empty: of all of them."""
    first, step = end_hour - period.hours, period.bucket_hours
    since = f"since:{time_text(first * HOUR_MS)}"
    by_provider, cells = Counter[str](), Counter[tuple[str, str]]()
    by_reason, over_time = Counter[str](), Counter[tuple[str, int]]()
    for one in found:
        by_provider[one.provider] += one.failed
        cells[one.reason, one.provider] += one.failed
        if provider in ("", one.provider):
            by_reason[one.reason] += one.failed
            over_time[one.reason, one.bucket_hour] += one.failed
    reasons = [reason for reason, failed in by_reason.most_common() if failed > 0]
    columns = [name for name, failed in by_provider.most_common(MOST_PROVIDERS) if failed > 0]
    starts = range(first - first % step, end_hour, step)
    of_provider = f"provider:{provider} " if provider else ""
    return Bounces(
        failed=sum(by_reason[reason] for reason in reasons),
        query=f"state:failed {of_provider}{since}",
        hard=sum(by_reason[reason] for reason in reasons if _is_hard(reason)),
        columns=tuple(provider_name(name) for name in columns),
        lines=tuple(
            ReasonLine(
                reason,
                _meaning(reason),
                _is_hard(reason),
                by_reason[reason],
                f"state:failed reason:{reason} {of_provider}{since}",
                tuple(
                    Cell(
                        cells[reason, name],
                        provider_name(name),
                        f"state:failed reason:{reason} provider:{name} {since}",
                    )
                    for name in columns
                ),
            )
            for reason in reasons
        ),
        at_ms=tuple(max(at, first) * HOUR_MS for at in starts),
        series=_series(reasons, over_time, starts),
    )


def reason_words(reason: str) -> str:
    """Return a word of Reason as people write it."""
    return reason.replace("_", " ")


def _series(
    reasons: Sequence[str], over_time: Mapping[tuple[str, int], int], starts: Sequence[int]
) -> tuple[Series, ...]:
    shown = reasons[: MOST_LINES if len(reasons) <= MOST_LINES else MOST_LINES - 1]
    series = [
        Series(reason_words(reason), tuple(max(0, over_time.get((reason, at), 0)) for at in starts)) for reason in shown
    ]
    if rest := reasons[len(shown) :]:
        sums = (sum(over_time.get((reason, at), 0) for reason in rest) for at in starts)
        series.append(Series(_REST, tuple(max(0, one) for one in sums)))
    return tuple(series)


def _is_hard(reason: str) -> bool:
    return reason in _WORDS and _WORDS[reason].is_hard


def _meaning(reason: str) -> str:
    return _WORDS[reason].meaning if reason in _WORDS else ""


# The page


@get("/w/{workspace:str}/bounces")
async def show(request: PageRequest) -> Response[bytes]:
    """Show why mail failed in a `period`, at all providers or at one (`provider`)."""
    workspace = await workspace_of(request)
    services = services_of(request)
    query = request.query_params
    period = next((one for one in PERIODS if one.key == query.get("period", "")), PERIODS[1])
    provider = query.get("provider", "").strip().lower()[:100]
    end_hour = services.clock.now_ms() // HOUR_MS + 1
    found = await services.database.read(
        lambda conn: failures(conn, workspace.id, end_hour - period.hours, end_hour, period.bucket_hours)
    )
    base = address_of(workspace, "bounces")
    names = sorted({one.provider for one in found}, key=lambda name: provider_name(name).casefold())
    return render(
        request,
        "bounces.html",
        title="Bounces",
        at="bounces",
        view=bounces_of(found, period, end_hour, provider),
        period=period,
        periods=[(_with(base, one.key, provider), one.label, one is period) for one in PERIODS],
        provider=provider,
        providers=[("", "All providers"), *((name, provider_name(name)) for name in names)],
        is_quiet=not found,
        reason_words=reason_words,
        search=lambda text: f"{address_of(workspace, 'activity')}?{urlencode({'q': text})}",
    )


HANDLERS = (show,)


def _with(base: str, period: str, provider: str) -> str:
    return f"{base}?{urlencode({'period': period, **({'provider': provider} if provider else {})})}"
