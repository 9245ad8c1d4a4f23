"""What a crash left: recipients that a node had claimed and never settled.

The journals of the data folder decide: not begun means queued again, a reply
means settled, a final dot without a reply means in doubt. After a reboot the
journals are not believed, and a node whose folder is gone has none: then all
that it had claimed is in doubt.
"""

from collections.abc import Callable, Sequence
from functools import partial

import structlog

from postroom.base.clock import Clock
from postroom.base.ids import IdSource
from postroom.ledger.claimed import Claimed
from postroom.ledger.outcomes import Outcome, OutcomeKind
from postroom.mail.smtp_reply import SmtpReply
from postroom.outbound.journal import Flights
from postroom.outbound.settle import Tried
from postroom.outbound.settler import Settler
from postroom.store import queue
from postroom.store.database import Database

_log = structlog.get_logger(__name__)

NOT_BEGUN = Outcome(OutcomeKind.RETURNED, SmtpReply(451, "4.3.0", "the process ended before this try began"))
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
    return _NO_JOURNAL if flights.boot_id_differs else NOT_BEGUN


class Recovery:
    """Settles what nobody tries any more."""

    def __init__(
        self,
        database: Database,
        settler: Settler,
        retries_in_doubt: Callable[[int, str], bool],
        ids: IdSource,
        clock: Clock,
    ) -> None:
        """`retries_in_doubt` answers a workspace's policy for a stream."""
        self._database = database
        self._settler = settler
        self._retries_in_doubt = retries_in_doubt
        self._ids = ids
        self._clock = clock

    async def recover(self, node: int, flights: Flights | None, *, leased_before_ms: int | None = None) -> int:
        """Settle everything that `node` had claimed, in pages; return how many recipients that were. Raises TryLater.

        `leased_before_ms`: only what nobody has renewed since.
        """
        total = after = 0
        while True:
            read = partial(queue.sending_of, node=node, after=after)
            if leased_before_ms is not None:
                read = partial(read, leased_before_ms=leased_before_ms)
            if not (page := await self._database.read(read)):
                break
            total += await self._settle([(one, outcome_after_crash(one, flights)) for one in page])
            after = page[-1].id
        if total:
            _log.warning("settled what a crash left", node=node, recipients=total, journal=flights is not None)
        return total

    async def give_back(self, node: int, recipient_ids: Sequence[int]) -> int:
        """Return recipients that this node has claimed and never tried; tell how many. Raises TryLater."""
        rows = await self._database.read(lambda conn: queue.sending_among(conn, node, recipient_ids))
        return await self._settle([(one, NOT_BEGUN) for one in rows])

    async def _settle(self, ended: Sequence[tuple[Claimed, Outcome]]) -> int:
        wanted = sorted({claimed.message_id for claimed, _ in ended})
        rows = await self._database.read(lambda conn: queue.messages_in(conn, wanted))
        messages = {row.id: row for row in rows}
        now = self._clock.now_ms()
        tried = []
        for claimed, outcome in ended:
            message = messages.get(claimed.message_id)
            if message is None:
                _log.error("a recipient without its message stays as it is", recipient=claimed.id)
                continue
            retry = self._retries_in_doubt(claimed.workspace_id, message.stream)
            tried.append(Tried(claimed, message, outcome, self._ids.next(), now, retry))
        return len((await self._settler.settle(tried)).ours)
