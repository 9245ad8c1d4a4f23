"""The rows that say how long things are kept, and what came back from a backup; in the form of `ledger.rows`."""

from typing import NamedTuple


class KeepingRow(NamedTuple):
    """How long a workspace keeps what, and how far upkeep has come with it. No row: the defaults, nothing done yet."""

    workspace_id: int
    bodies_ms: int | None = None
    """How long contents are kept after the last recipient settled; None: the default (`upkeep.periods`)."""
    hits_ms: int | None = None
    """How long hits are kept with their evidence."""
    ledger_ms: int | None = None
    """How long messages, recipients and events are kept after the last thing that happened to the message."""
    sandbox_ms: int | None = None
    """How long copies that the sandbox kept are there."""
    sealed_hour: int = 0
    """Rows of hours before this one may be gone: their counters stand, a recount does not touch them."""
    bodies_examined_id: int = 0
    """Messages with lower ids were looked at: whose content has to stay longer is in `keep_later`."""
    bodies_done_id: int = 0
    """Contents of messages with lower ids are gone, but for those in `keep_later`."""
    ledger_examined_id: int = 0
    ledger_done_id: int = 0


class KeepLaterRow(NamedTuple):
    """A message whose content (`bodies`) or rows (`ledger`) stay longer than its age says."""

    workspace_id: int
    what: str
    """`bodies` or `ledger`."""
    message_id: int
    content_key: bytes
    look_ms: int
    """When to look again."""


class RestorationRow(NamedTuple):
    """A backup that became this database. A backup carries its row already, so that no server starts on it by hand."""

    id: int
    backup_ms: int
    """When the backup was made."""
    finished_ms: int | None = None
    """When everything that waited was held; None: nobody may send from this database yet."""
    held: int = 0
    """Recipients that were queued or deferred and are held now."""
    in_doubt: int = 0
    """Recipients that were being sent."""
