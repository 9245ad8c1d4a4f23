"""A submission that is ready to be written: everything that needs no transaction was done before.

`write` is one transaction, or a part of a larger one: a DSN is written in the
settlement that it tells of.
"""

from dataclasses import dataclass

from postroom.events import record
from postroom.ledger.outcomes import suppressed_in_words
from postroom.ledger.rows import ContentRow, LaneRow, MessageRow, RecipientRow
from postroom.ledger.states import RecipientState
from postroom.outbound.compilation import Compilation, columns_of, packed_links
from postroom.outbound.submission import Accepted, AcceptedRecipient
from postroom.store import messages as store_messages
from postroom.store.database import Tx
from postroom.store.queue import DueLane
from postroom.store.suppressions import suppressed


@dataclass(frozen=True, slots=True)
class Prepared:
    """A submission that is ready to be written."""

    message: MessageRow
    content: ContentRow
    """Body and links are missing: `write` takes them from the compilation."""
    compilation: Compilation
    recipients: tuple[RecipientRow, ...]
    lanes: tuple[LaneRow, ...]
    event_id: int
    suppressed_event_ids: tuple[int, ...]
    hidden: tuple[str, ...]
    """The keyed hash of each recipient's address: who was erased stays suppressed by it."""

    @property
    def due_lanes(self) -> list[DueLane]:
        """The lanes that get mail, for the worker."""
        due = self.recipients[0].due_ms
        lanes = {row.lane_id: row.domain for row in self.recipients}
        message = self.message
        return [DueLane(lane, message.workspace_id, message.stream, domain, due) for lane, domain in lanes.items()]

    @property
    def written_bytes(self) -> int:
        """About how much `write` writes; the pieces of a large content are stored already."""
        return 0 if self.content.upload_id is not None else self.content.size_bytes

    def write(self, tx: Tx) -> Accepted:
        """Store everything; recipients whose address is suppressed are stored as suppressed."""
        message = self.message
        tx.add(self._stored_content())
        store_messages.add(tx, message)
        for lane in self.lanes:
            tx.add(lane)
        record.record_accepted(tx, message, [row.provider for row in self.recipients], self.event_id)
        asked = [(row.address_key, message.stream) for row in self.recipients]
        stopped = suppressed(tx, message.workspace_id, asked, message.created_ms, self.hidden)
        accepted = []
        for row, event_id in zip(self.recipients, self.suppressed_event_ids, strict=True):
            why = stopped.get((row.address_key, message.stream))
            if why is not None:
                row = _suppressed(row, why, message.created_ms)
                facts = record.facts_of(message, row)
                record.record_suppressed(tx, facts, event_id, message.created_ms, *why)
            tx.add(row)
            accepted.append(AcceptedRecipient(row.id, row.address, RecipientState(row.state)))
        return Accepted(message.id, tuple(accepted))

    def _stored_content(self) -> ContentRow:
        # What no helper has compressed is compressed here, on the store's thread: each call lets the
        # interpreter go, and on the loop's thread that means waiting for it in the middle of every mail.
        row = self.content
        if row.upload_id is not None:
            return row._replace(links=packed_links(self.compilation))
        columns = columns_of(self.compilation)
        return row._replace(body=columns.body, links=columns.links)


def _suppressed(row: RecipientRow, why: tuple[str, str], now_ms: int) -> RecipientRow:
    scope, reason = why
    return row._replace(
        state=RecipientState.SUPPRESSED.value,
        reason=suppressed_in_words(scope, reason),
        settled_ms=now_ms,
    )
