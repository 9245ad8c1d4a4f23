"""What can go wrong in the store, by what the caller can do about it."""

from enum import Enum

from postroom.base.errors import PostroomError, TryLater


class StoreBusy(TryLater):
    """Too much waits, the database is locked, or a read took too long: nothing was written, repeat it later."""


class StoreLost(TryLater):
    """The database is full, gone or closing: repeat it later.

    Nothing was written, with one exception that no client can rule out: the
    connection to PostgreSQL broke during COMMIT and did not come back within
    `group.IN_DOUBT_SECONDS`.
    """


class StoreConflict(PostroomError):
    """A row breaks a rule of its table: its key exists or what it points at does not. `table` is empty if unknown."""

    def __init__(self, message: str, table: str = "") -> None:
        super().__init__(message)
        self.table = table


class NewerDatabase(PostroomError):
    """The database was written by a newer Postroom: start that one, or restore a backup."""


class WrongEngine(PostroomError):
    """The other database is meant: SQLite copies itself, PostgreSQL has tools of its own."""


class CopyFailed(PostroomError):
    """A copy of the database could not be written or read: its disk is full, or the copy is damaged."""


class Fault(Enum):
    """What an error that came out of a group means for it."""

    FUNCTION = "function"
    """One of the functions is at fault."""
    REPEAT = "repeat"
    """Another transaction was in the way; the group runs again."""
    CONNECTION = "connection"
    """The connection broke, perhaps after COMMIT was sent."""
    LOCKED = "locked"
    """Somebody else holds the database or a row for too long."""
    UNUSABLE = "unusable"
    """Disk full, read-only, damaged, shutting down."""
