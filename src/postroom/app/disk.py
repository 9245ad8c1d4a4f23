"""The room on the disk of a folder."""

import os
from pathlib import Path

LEAST_FREE_BYTES = 4 << 20
"""With less than this a group of small mails with its WAL may not fit any more, so none is asked for."""


def free_bytes(folder: Path) -> int:
    """Return what this user may still write."""
    room = os.statvfs(folder)
    return room.f_bavail * room.f_frsize


def free_inodes(folder: Path) -> int | None:
    """Return how many files may still be made; None where the file system has no such limit."""
    room = os.statvfs(folder)
    return room.f_favail if room.f_files else None
