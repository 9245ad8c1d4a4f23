"""The data folder: who may read it, whether it can be written, how much room there is."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from postroom.app.check.findings import Finding, fail, ok, warn
from postroom.app.disk import LEAST_FREE_BYTES, free_bytes, free_inodes
from postroom.config import Settings
from postroom.inbound.arrived import FOLDER, set_aside, waiting

_LOW_BYTES = 1 << 30
_LOW_INODES = 10_000
_LARGE_WAL_BYTES = 512 << 20
_LARGE_SPOOL_BYTES = 256 << 20


def check_folder(settings: Settings) -> list[Finding]:
    """Look at the data folder, which has to exist."""
    folder = settings.data
    try:
        return [*_rights(folder), *_key_file(settings), *_room(folder), *_files(settings), *_arrived(folder)]
    except OSError as error:
        return [fail("folder", f"{folder} cannot be read: {error.strerror}", f"give it to the user {os.getuid()}")]


def _rights(folder: Path) -> Iterator[Finding]:
    status = folder.stat()
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid != os.geteuid():
        remedy = "run the server and its commands as one user, to whom the folder belongs"
        yield warn("folder", f"{folder} belongs to user {status.st_uid}, this is user {os.geteuid()}", remedy)
    probe = folder / f".check-{os.getpid()}"
    try:
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        probe.unlink()
    except OSError as error:
        yield fail("folder", f"{folder} cannot be written: {error.strerror}", "correct its rights, or make room")
    else:
        yield ok("folder", f"{folder} can be written")
    if mode & 0o077:
        yield warn("folder", f"{folder} has the mode {mode:04o}: others may look into it", f"chmod 700 {folder}")


def _key_file(settings: Settings) -> Iterator[Finding]:
    if settings.secret:
        yield ok("key", "the master key comes from POSTROOM_SECRET")
        return
    path = settings.data / "secret.key"
    if not path.exists():
        yield fail("key", f"{path} is missing", "put it back from a backup: without it sealed secrets are lost")
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield fail("key", f"{path} has the mode {mode:04o}: others may read the master key", f"chmod 600 {path}")
    else:
        yield ok("key", f"{path} is readable by its owner only; is it in your backup?")


def _room(folder: Path) -> Iterator[Finding]:
    free, inodes = free_bytes(folder), free_inodes(folder)
    shown = f"{size(free)} are free for {folder}"
    if free < LEAST_FREE_BYTES:
        yield fail("disk", shown, "make room: no mail is taken in")
    elif free < _LOW_BYTES:
        yield warn("disk", shown, "make room before the disk is full")
    else:
        yield ok("disk", shown)
    if inodes is not None and inodes < _LOW_INODES:
        blame = fail if inodes < 100 else warn
        yield blame("disk", f"{inodes} more files can be made", "delete files, or make a file system with more inodes")


def _files(settings: Settings) -> Iterator[Finding]:
    folder = settings.data
    if settings.database.startswith("sqlite"):
        path = Path(settings.database.partition("://")[2])
        wal = path.with_name(path.name + "-wal")
        bytes_of = {one: one.stat().st_size for one in (path, wal) if one.exists()}
        if path in bytes_of:
            shown = f"{path.name} has {size(bytes_of[path])}, its WAL {size(bytes_of.get(wal, 0))}"
            if bytes_of.get(wal, 0) > _LARGE_WAL_BYTES:
                yield warn("disk", shown, "another program may hold a long read on the file: end it")
            else:
                yield ok("disk", shown)
    spool = sum(one.stat().st_size for one in folder.glob("spool/*.hits"))
    if spool > _LARGE_SPOOL_BYTES:
        yield warn(
            "disk", f"{size(spool)} of opens and clicks wait in the spool", "see whether the database is written"
        )
    if (refused := folder / "spool" / "refused.json").exists():
        yield warn("disk", f"{refused} holds hits that the database refused", "look into it, then delete it")


def _arrived(folder: Path) -> Iterator[Finding]:
    arrived = folder / FOLDER
    if paths := waiting(arrived):
        shown = f"{len(paths)} mails wait in {arrived} for the server"
        yield warn("arrived", shown, "start it: it takes them in; where it runs, its log says why they wait")
    if paths := set_aside(arrived):
        shown = f"{len(paths)} mails in {arrived} could not be taken in, such as {paths[0].name}"
        yield warn("arrived", shown, "the log says why; delete them, or take .broken off their names for another try")


def size(count: int) -> str:
    """Return a number of bytes in words."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit in ("B", "kB") else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
