"""How long the mails that this process found took, by provider and stage: histograms since its start.

The stages are those of `store.stage_times`, up to what is written; who is told when is not known here.
"""

from postroom.accounts.found import Read
from postroom.base.metrics import Histogram
from postroom.store.stage_times import STAGES

_BOUNDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)


class StageCounts:
    """Seconds by provider and stage."""

    def __init__(self) -> None:
        self.by_stage: dict[tuple[str, str], Histogram] = {}
        """By code of the provider and word of the stage."""
        self.work = Histogram(_BOUNDS)
        """From a mail's bytes to its COMMIT, over all providers."""

    def observe(self, provider: str, one: Read, recorded_ms: int) -> None:
        """Count a mail that was found as it arrived; what its server did not say is left out."""
        mail = one.mail
        marks = (one.sent_ms, mail.internal_ms, mail.noticed_ms, mail.fetched_ms, recorded_ms)
        for stage, begin, end in zip(STAGES, marks, marks[1:], strict=False):
            if begin is not None and end is not None:
                key = (provider, stage)
                # Clocks differ, and INTERNALDATE has whole seconds.
                self.by_stage.setdefault(key, Histogram(_BOUNDS)).observe(max(0, end - begin) / 1000)
        self.work.observe(max(0, recorded_ms - mail.fetched_ms) / 1000)
