"""Settles what tries brought, for the worker and for what a crash left.

One recipient that cannot be settled, because of a fault of ours, must not keep
the others from it: where a batch fails each is settled alone, then without
its report and kept copy, and what still fails is handed back. It stays
`sending`: its outcome is known, so it must not be tried again by itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog

from postroom.base.errors import TryLater
from postroom.base.metrics import Metrics
from postroom.outbound.notifications import Notices
from postroom.outbound.retry import RetrySchedule
from postroom.outbound.settle import Decision, Tried, decide, write
from postroom.store.database import Database

_log = structlog.get_logger(__name__)


class Reports(Protocol):
    """What settlements owe to authors (`notifications.Notifications`)."""

    async def prepare(self, decisions: Sequence[Decision]) -> Notices:
        """Return the decisions with their reports. Raises TryLater."""
        ...

    def written(self, notices: Notices, ours: set[int]) -> None:
        """Tell the queue about the reports that a commit has stored."""
        ...


@dataclass(slots=True)
class Settled:
    """What became of a batch."""

    decisions: list[Decision] = field(default_factory=list)
    ours: set[int] = field(default_factory=set)
    """Ids that were still ours; the others had been settled by somebody else."""
    failed: list[Tried] = field(default_factory=list)
    """Not settled, because of a fault of ours that the log tells."""


class Settler:
    """Decides and writes."""

    def __init__(
        self,
        database: Database,
        reports: Reports,
        schedule: RetrySchedule,
        jitter: Callable[[], float],
        metrics: Metrics | None = None,
    ) -> None:
        """`jitter` gives 0.0 to 1.0, see `retry`."""
        self._database = database
        self._reports = reports
        self._schedule = schedule
        self._jitter = jitter
        self._metrics = metrics if metrics is not None else Metrics()

    async def settle(self, batch: Sequence[Tried]) -> Settled:
        """Settle in one transaction, or one each where that fails. Raises TryLater: ask again with the whole batch.

        Settled twice does no harm: the second time nothing is ours any more.
        """
        settled = Settled()
        try:
            await self._settle_together(batch, settled)
        except TryLater:
            raise
        except Exception:
            _log.exception("a batch of outcomes cannot be settled; one by one", recipients=len(batch))
            for tried in batch:
                await self._settle_alone(tried, settled)
        for decision in settled.decisions:
            if decision.tried.claimed.id in settled.ours:
                self._metrics.settled[decision.state.value] += 1
        return settled

    async def _settle_together(self, batch: Sequence[Tried], settled: Settled) -> None:
        decisions = [decide(tried, self._schedule, self._jitter()) for tried in batch]
        notices = await self._reports.prepare(decisions)
        ours = await self._database.write(lambda tx: write(tx, notices.decisions, notices.write))
        settled.decisions += notices.decisions
        settled.ours |= ours
        try:
            self._reports.written(notices, ours)
        except Exception:
            # It is committed: a poll of the store finds the reports too.
            _log.exception("the queue was not told of reports")

    async def _settle_alone(self, tried: Tried, settled: Settled) -> None:
        try:
            await self._settle_together([tried], settled)
            return
        except TryLater:
            raise
        except Exception:
            _log.exception("an outcome cannot be settled; without report and copy", recipient=tried.claimed.id)
        try:
            decision = decide(replace(tried, kept=None), self._schedule, self._jitter())
            settled.ours |= await self._database.write(lambda tx: write(tx, [decision]))
            settled.decisions.append(decision)
        except TryLater:
            raise
        except Exception:
            _log.exception("an outcome cannot be settled", recipient=tried.claimed.id)
            settled.failed.append(tried)
