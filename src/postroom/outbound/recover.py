"""What a crash left: recipients that this node had claimed and never settled.

The journals of the data folder decide: not begun means queued again, a reply
means settled, a final dot without a reply means in doubt. After a reboot the
journals are not believed, and a node whose folder is gone has none: then all
that it had claimed is in doubt.
"""

from collections.abc import Mapping
from functools import partial

import structlog

from postroom.base.clock import Clock
from postroom.base.ids import IdSource
from postroom.ledger.outcomes import Outcome, OutcomeKind
from postroom.ledger.rows import MessageRow, WorkspaceRow
from postroom.mail.smtp_reply import SmtpReply
from postroom.outbound.journal import Flights
from postroom.outbound.retry import RetrySchedule
from postroom.outbound.settle import Decision, Tried, decide, retries_in_doubt, write
from postroom.store import queue
from postroom.store.database import Database
from postroom.store.queue import Claimed

_log = structlog.get_logger(__name__)

_NOT_BEGUN = Outcome(OutcomeKind.RETURNED, SmtpReply(451, "4.3.0", "the process ended before this try began"))
_NO_REPLY = Outcome(
    OutcomeKind.IN_DOUBT, SmtpReply(451, "4.4.2", "the process ended after the content was sent and before a reply")
)
_NO_JOURNAL = Outcome(OutcomeKind.IN_DOUBT, SmtpReply(451, "4.4.2", "the process ended and its journal cannot be read"))


def outcome_after_crash(claimed: Claimed, flights: Flights | None) -> Outcome:
    """Return how the try of a claimed recipient ended; `flights` None means that no journal can be read."""
    key = (claimed.id, claimed.epoch)
    if flights is None:
        return _NO_JOURNAL
    if key in flights.replied:
        return flights.replied[key]
    if key in flights.dotted:
        return _NO_REPLY
    return _NO_JOURNAL if flights.boot_id_differs else _NOT_BEGUN


async def recover(
    database: Database,
    *,
    node: int,
    flights: Flights | None,
    workspaces: Mapping[int, WorkspaceRow],
    schedule: RetrySchedule,
    ids: IdSource,
    clock: Clock,
) -> int:
    """Settle everything that `node` had claimed, in pages; return how many recipients that were."""
    total = 0
    while claimed := await database.read(lambda conn: queue.in_flight_of(conn, node)):
        wanted = sorted({one.message_id for one in claimed})
        rows = await database.read(partial(queue.messages_in, message_ids=wanted))
        messages = {row.id: row for row in rows}
        decisions = [
            _decision(one, messages[one.message_id], flights, workspaces, schedule, ids.next(), clock.now_ms())
            for one in claimed
        ]
        await database.write(partial(write, decisions=decisions))
        total += len(claimed)
    if total:
        _log.warning("recovered after a crash", node=node, recipients=total)
    return total


def _decision(
    claimed: Claimed,
    message: MessageRow,
    flights: Flights | None,
    workspaces: Mapping[int, WorkspaceRow],
    schedule: RetrySchedule,
    event_id: int,
    now_ms: int,
) -> Decision:
    workspace = workspaces[claimed.workspace_id]
    retry = retries_in_doubt(
        message.stream, transactional=workspace.in_doubt_transactional, bulk=workspace.in_doubt_bulk
    )
    tried = Tried(claimed, message, outcome_after_crash(claimed, flights), event_id, now_ms, retry)
    return decide(tried, schedule, 0.0)
