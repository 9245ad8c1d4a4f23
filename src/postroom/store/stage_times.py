"""How long found mail took by stage and provider: percentiles over the newest rows of `account_mail`.

A mail that a sweep found was old when we came: its times say nothing about us and are left out.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from postroom.store.database import Conn, statement

STAGES = ("provider", "notify", "fetch", "queue", "hook")
"""Hand-over to INTERNALDATE, up to when we knew, up to its bytes, up to COMMIT, up to the first receiver's answer."""
MOST_MAILS = 2_000
"""Of a workspace, the newest ones, that are looked at."""

_MAILS = statement(
    "SELECT c.provider, m.sent_ms, m.internal_ms, m.noticed_ms, m.fetched_ms, m.recorded_ms, e.told_ms "
    "FROM account_mail m JOIN account a ON a.id = m.account_id JOIN connection c ON c.id = a.connection_id "
    "JOIN mailbox b ON b.id = m.mailbox_id "
    "LEFT JOIN account_event e ON e.account_id = m.account_id AND e.number = m.number "
    "WHERE m.workspace_id = ? AND m.recorded_ms >= ? AND m.outcome <> 'vanished' "
    "AND (m.uid >= b.first_uid OR m.uid_validity <> b.uid_validity) ORDER BY m.recorded_ms DESC LIMIT ?"
)


class MailTimes(NamedTuple):
    """When one mail passed which stage."""

    provider: str
    sent_ms: int | None
    internal_ms: int | None
    noticed_ms: int
    fetched_ms: int
    recorded_ms: int
    told_ms: int | None


class StageTimes(NamedTuple):
    """How long the mails of one provider took for one stage, in milliseconds."""

    provider: str
    stage: str
    """One of STAGES."""
    mails: int
    p50_ms: int
    p95_ms: int
    p99_ms: int


def stage_times(conn: Conn, workspace_id: int, since_ms: int) -> list[StageTimes]:
    """Return the times of mails that were found since then, by provider and stage; at most the newest MOST_MAILS."""
    rows = conn.all(_MAILS, (workspace_id, since_ms, MOST_MAILS))
    return percentiles(MailTimes._make(row) for row in rows)


def percentiles(mails: Iterable[MailTimes]) -> list[StageTimes]:
    """Return the nearest-rank percentiles of each provider's stages; what a server did not say is left out."""
    taken: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for mail in mails:
        marks = (mail.sent_ms, mail.internal_ms, mail.noticed_ms, mail.fetched_ms, mail.recorded_ms, mail.told_ms)
        for stage, begin, end in zip(STAGES, marks, marks[1:], strict=False):
            if begin is not None and end is not None:
                # Clocks differ, and INTERNALDATE has whole seconds.
                taken[mail.provider, stage].append(max(0, end - begin))
    order = {stage: position for position, stage in enumerate(STAGES)}
    found = []
    for (provider, stage), times in sorted(taken.items(), key=lambda one: (one[0][0], order[one[0][1]])):
        times.sort()
        found.append(StageTimes(provider, stage, len(times), *(_rank(times, part) for part in (50, 95, 99))))
    return found


def _rank(times: Sequence[int], percent: int) -> int:
    return times[max(0, -(-len(times) * percent // 100) - 1)]
