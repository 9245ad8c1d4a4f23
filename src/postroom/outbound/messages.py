"""Message rows by id: those of mail that was just accepted are at hand, the rest is read."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from postroom.ledger.rows import MessageRow
from postroom.store import queue
from postroom.store.database import Database

_KEPT = 20_000


class Messages:
    """The message rows that were used last. They never change, so they may be kept."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows: OrderedDict[int, MessageRow] = OrderedDict()

    def put(self, row: MessageRow) -> None:
        """Keep a row that was just written."""
        self._rows[row.id] = row
        if len(self._rows) > _KEPT:
            self._rows.popitem(last=False)

    async def get(self, message_ids: Sequence[int]) -> Mapping[int, MessageRow]:
        """Return the rows of these messages. Raises TryLater where the store cannot say."""
        missing = sorted({one for one in message_ids if one not in self._rows})
        found = {one: self._rows[one] for one in message_ids if one in self._rows}
        if missing:
            for row in await self._database.read(lambda conn: queue.messages_in(conn, missing)):
                found[row.id] = row
                self.put(row)
        return found
