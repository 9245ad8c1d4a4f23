"""The lock of the data folder: one process owns it, and on SQLite the database in it."""

import fcntl
import os
from pathlib import Path

from postroom.base.errors import PostroomError, SettingsError

_NAME = "lock"


class FolderInUse(PostroomError):
    """Another process owns the data folder: use it through that one, or stop it first."""


class FolderLock:
    """Held until `release` or the end of the process, however that comes."""

    def __init__(self, descriptor: int) -> None:
        """For `lock_data_folder` only."""
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Give the folder back. A second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def lock_data_folder(path: Path) -> FolderLock:
    """Take the folder, making it (0700) where it is missing.

    Raises FolderInUse at once, and SettingsError where it cannot be made or written.
    The lock is flock's, which ends with the process: a file left by a crash
    locks nobody out. It does not work on network folders, nor does SQLite's WAL.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Not inherited by helper processes: they would keep the folder locked after the owner's death.
        descriptor = os.open(path / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SettingsError(f"POSTROOM_DATA names {path}, which cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        remedy = "stop it, or set POSTROOM_DATA to another folder"
        raise FolderInUse(f"the data folder {path} is in use by process {owner or 'unknown'}: {remedy}") from None
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return FolderLock(descriptor)
