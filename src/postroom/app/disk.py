"""The room on the disk of a folder."""

import os
from pathlib import Path

LEAST_FREE_BYTES = 32 << 20
"""With less than this no mail is promised a place: one large mail, its copies in the spool and a WAL need it."""


def free_bytes(folder: Path) -> int:
    """Return what this user may still write."""
    room = os.statvfs(folder)
    return room.f_bavail * room.f_frsize


def free_inodes(folder: Path) -> int | None:
    """Return how many files may still be made; None where the file system has no such limit."""
    room = os.statvfs(folder)
    return room.f_favail if room.f_files else None
