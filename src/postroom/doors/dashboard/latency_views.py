"""How long found mail took, as bars: one provider below the other, all on one scale. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from postroom.accounts.providers import Providers
from postroom.base.clock import DAY_MS
from postroom.doors.dashboard.account_views import STAGE_WORDS, title_of
from postroom.doors.dashboard.times import duration
from postroom.store.stage_times import StageTimes

LATENCY_MS = DAY_MS
"""What the page looks back on."""


@dataclass(frozen=True, slots=True)
class StageBar:
    """One stage of one provider."""

    word: str
    label: str
    meaning: str
    middle: str
    slow: str
    middle_share: int
    """Percent of the bar's whole width, on a scale of powers of ten: 1 ms is none of it."""
    slow_share: int


@dataclass(frozen=True, slots=True)
class ProviderTimes:
    """The stages of one provider."""

    title: str
    mails: int
    stages: tuple[StageBar, ...]


def latency_view(times: Sequence[StageTimes], providers: Providers) -> list[ProviderTimes]:
    """Return the times of each provider."""
    slowest = max((one.p95_ms for one in times), default=1)
    found = []
    for code in dict.fromkeys(one.provider for one in times):
        of_it = [one for one in times if one.provider == code]
        bars = tuple(
            StageBar(
                one.stage,
                *STAGE_WORDS[one.stage],
                duration(one.p50_ms),
                duration(one.p95_ms),
                _share(one.p50_ms, slowest),
                _share(one.p95_ms, slowest),
            )
            for one in of_it
        )
        found.append(ProviderTimes(title_of(code, providers), max(one.mails for one in of_it), bars))
    return found


def _share(ms: int, slowest: int) -> int:
    # Stages differ by powers of ten: on a plain scale all but the slowest would be nothing.
    return max(1, round(100 * math.log10(ms + 1) / math.log10(max(slowest, 9) + 1)))
