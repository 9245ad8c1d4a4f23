"""What retention deletes of mail that came in, at most some hundred rows at a time: contents first, rows later.

What still waits for its worker, or to be handed on, stays whole.
"""

from postroom.base.clock import HOUR_MS
from postroom.base.ids import first_id_at
from postroom.store import keeping
from postroom.store.database import Tx, statement

_NEEDED = "i.state = 'waiting' OR EXISTS (SELECT 1 FROM route_outbox o WHERE o.inbound_id = i.id)"
# What it was stored in, the pieces of a large one, is swept once nothing links it.
_CONTENTS = statement(
    "DELETE FROM inbound_content WHERE id IN (SELECT c.id FROM inbound_content c WHERE c.workspace_id = ? AND c.id < ? "
    f"AND NOT EXISTS (SELECT 1 FROM inbound i WHERE i.content_id = c.id AND ({_NEEDED})) ORDER BY c.id LIMIT ?) "
    "RETURNING id"
)
_MAILS = statement(
    f"DELETE FROM inbound WHERE id IN (SELECT i.id FROM inbound i WHERE i.workspace_id = ? AND i.id < ? "
    f"AND NOT ({_NEEDED}) ORDER BY i.id LIMIT ?) RETURNING id"
)
_SOFT_FAILURES = statement("DELETE FROM soft_failure WHERE workspace_id = ? AND day < ?")


def drop_inbound_contents(tx: Tx, workspace_id: int, before_ms: int, limit: int) -> int:
    """Delete up to `limit` contents of mail that came in before a time; return how many."""
    return len(tx.run(_CONTENTS, (workspace_id, first_id_at(before_ms), limit)))


def drop_inbound(tx: Tx, workspace_id: int, before_ms: int, limit: int) -> int:
    """Delete up to `limit` mails that came in before a time; return how many. Their hours are not counted again."""
    gone = tx.run(_MAILS, (workspace_id, first_id_at(before_ms), limit))
    if gone:
        keeping.lock(tx, workspace_id)
        keeping.seal(tx, workspace_id, before_ms // HOUR_MS + 1)
    return len(gone)


def drop_soft_failures(tx: Tx, workspace_id: int, before_day: int) -> None:
    """Forget the soft failures of days that no policy looks at any more."""
    tx.run(_SOFT_FAILURES, (workspace_id, before_day))
