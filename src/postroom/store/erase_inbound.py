"""What erasing a person reads and writes of mail that came in. Rows stay, since counters rest on them."""

from collections.abc import Sequence
from typing import NamedTuple

from postroom.ledger.inbound_rows import InboundContentRow, InboundState
from postroom.mail.mention import CUT
from postroom.store.database import Conn, Tx, statement


class StoredMail(NamedTuple):
    """A mail that came in, as far as it says whose it is."""

    id: int
    content_id: int
    state: str
    recipient_key: str
    author: str
    reverse_path: str
    own_recipient_id: int | None
    answers_recipient_id: int | None


_MAILS = statement(
    f"SELECT {', '.join(StoredMail._fields)} FROM inbound WHERE workspace_id = ? AND id > ? ORDER BY id LIMIT ?"
)
_CONTENTS = statement(
    f"SELECT {', '.join(InboundContentRow._fields)} FROM inbound_content "
    "WHERE workspace_id = ? AND id > ? ORDER BY id LIMIT ?"
)
_WAITS = f"SELECT 1 FROM inbound i WHERE i.content_id = inbound_content.id AND i.state = '{InboundState.WAITING.value}'"
_DROP_CONTENT = statement(
    f"DELETE FROM inbound_content WHERE workspace_id = ? AND id = ? AND NOT EXISTS ({_WAITS}) RETURNING id"
)
_DROP_OUTBOX = statement("DELETE FROM route_outbox WHERE inbound_id IN (SELECT id FROM inbound WHERE content_id = ?) ")
_BLANK = "reverse_path = '', author = '', author_key = '', author_name = '', subject = '', message_id = '', detail = ''"
_ERASE = statement(
    sqlite=f"UPDATE inbound SET {_BLANK} WHERE id IN (SELECT value FROM json_each(?)) RETURNING id",
    postgresql=f"UPDATE inbound SET {_BLANK} WHERE id = ANY(?) RETURNING id",
)
# Its domain stays: what was counted under it is counted again by it.
_HIDE_RECIPIENT = statement(
    "UPDATE inbound SET recipient = ?, recipient_key = ? WHERE workspace_id = ? AND recipient_key = ?"
)
_SOFT_FAILURES = statement("DELETE FROM soft_failure WHERE workspace_id = ? AND address_key = ?")


def mails_after(conn: Conn, workspace_id: int, after: int, limit: int) -> list[StoredMail]:
    """Return mails with ids above `after`, by id."""
    return [StoredMail._make(row) for row in conn.all(_MAILS, (workspace_id, after, limit))]


def contents_after(conn: Conn, workspace_id: int, after: int, limit: int) -> list[InboundContentRow]:
    """Return contents with ids above `after`, by id, the pieces of large ones not read."""
    return [InboundContentRow._make(row) for row in conn.all(_CONTENTS, (workspace_id, after, limit))]


def drop_content(tx: Tx, workspace_id: int, content_id: int) -> bool:
    """Delete a content, and that it is to be handed on; False where it is not there, or its mail still waits."""
    if not tx.run(_DROP_CONTENT, (workspace_id, content_id)):
        return False
    tx.run(_DROP_OUTBOX, (content_id,))
    return True


def erase_mails(tx: Tx, ids: Sequence[int]) -> int:
    """Take what names people from mails; return from how many."""
    return len(tx.run(_ERASE, (tx.many(list(ids)),)))


def hide_recipient(tx: Tx, workspace_id: int, address_key: str) -> None:
    """Take an address from the mails that were sent to it."""
    hidden = f"{CUT}@{address_key.rpartition('@')[2]}"
    tx.run(_HIDE_RECIPIENT, (hidden, hidden, workspace_id, address_key))


def forget_failures(tx: Tx, workspace_id: int, address_key: str) -> None:
    """Delete the soft failures of an address."""
    tx.run(_SOFT_FAILURES, (workspace_id, address_key))
