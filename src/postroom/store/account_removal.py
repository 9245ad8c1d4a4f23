"""Takes away what was found in an account that is deleted: mails, events, what is still to be told. In pieces."""

from postroom.store.database import Tx, statement

_EVENTS = statement("SELECT number, event_id FROM account_event WHERE account_id = ? ORDER BY number LIMIT ?")
_ENDPOINTS = statement("SELECT id FROM webhook_endpoint WHERE workspace_id = ?")
_UNTELL = statement(
    sqlite="DELETE FROM webhook_outbox WHERE endpoint_id = ? AND event_id IN (SELECT value FROM json_each(?))",
    postgresql="DELETE FROM webhook_outbox WHERE endpoint_id = ? AND event_id = ANY(?)",
)
_DELETE_EVENTS = statement(
    sqlite="DELETE FROM event WHERE id IN (SELECT value FROM json_each(?))",
    postgresql="DELETE FROM event WHERE id = ANY(?)",
)
_DELETE_NUMBERED = tuple(
    statement(
        sqlite=f"DELETE FROM {table} WHERE account_id = ? AND number IN (SELECT value FROM json_each(?))",
        postgresql=f"DELETE FROM {table} WHERE account_id = ? AND number = ANY(?)",
    )
    for table in ("account_content", "account_mail", "account_event")
)
_MAILBOXES = statement("SELECT id FROM mailbox WHERE account_id = ?")
# Those that no event tells of: tracers, and what was gone before it could be fetched.
_DELETE_UNTOLD = statement(
    "DELETE FROM account_mail WHERE mailbox_id = ? AND (uid_validity, uid) IN "
    "(SELECT uid_validity, uid FROM account_mail WHERE mailbox_id = ? ORDER BY uid_validity, uid LIMIT ?) RETURNING uid"
)


def remove_found(tx: Tx, workspace_id: int, account_id: int, limit: int) -> bool:
    """Remove up to `limit` events of an account with their mails, then mails without events; tell whether all is gone.

    What ordinary lists of events showed of it goes too.
    """
    found = tx.run(_EVENTS, (account_id, limit))
    if found:
        events, numbers = tx.many([row[1] for row in found]), tx.many([row[0] for row in found])
        for (endpoint_id,) in tx.run(_ENDPOINTS, (workspace_id,)):
            tx.run(_UNTELL, (endpoint_id, events))
        tx.run(_DELETE_EVENTS, (events,))
        for statement_ in _DELETE_NUMBERED:
            tx.run(statement_, (account_id, numbers))
        return False
    for (mailbox_id,) in tx.run(_MAILBOXES, (account_id,)):
        if tx.run(_DELETE_UNTOLD, (mailbox_id, mailbox_id, limit)):
            return False
    return True
