"""The folder `arrived` of the data folder: mail that `postroom receive` took while no server ran.

Each mail is a file with its envelope, written under a name that nobody takes
in, and renamed once it is on the disk. The server takes the files in
(`inbound.take_in`). A file is one line of fixed length with the size and the
CRC-32 of what follows, one line of JSON (the envelope), and the mail with CRLF line ends.
"""

import json
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from postroom.base.errors import PostroomError
from postroom.inbound.recipients import Addressed
from postroom.ledger.inbound_rows import Destination

FOLDER = "arrived"
BLOCK_BYTES = 256 * 1024
"""In which a mail is read; the first one has the whole header."""

_MAIL, _DRAFT, _BROKEN = ".mail", ".draft", ".broken"
_HEAD = re.compile(rb"postroom-arrived 1 ([0-9a-f]{16}) ([0-9a-f]{8})\n")
_HEAD_BYTES = 45
_MOST_ENVELOPE_BYTES = 1 << 20


class Broken(PostroomError):
    """A file is not what was written: the disk lost a part, or somebody changed it."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """The envelope of a mail that waits."""

    at_ms: int
    """When it came."""
    reverse_path: str
    recipients: tuple[Addressed, ...]
    """As they were decided then."""


class Waiting(NamedTuple):
    """A file that was found whole."""

    path: Path
    arrived: Arrived
    begins: int
    """Offset of the mail in the file."""


def keep(folder: Path, arrived: Arrived, blocks: Iterable[bytes]) -> Path:
    """Write a mail, which is on the disk when this returns. Raises OSError, and what `blocks` raises: nothing is kept.

    The data folder, in which `folder` is made, has to exist.
    """
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        _give_to_owner_of(folder.parent, folder)
        _sync_folder(folder.parent)
    name = f"{arrived.at_ms:013d}-{os.urandom(8).hex()}"
    draft, mail = folder / (name + _DRAFT), folder / (name + _MAIL)
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            _give_to_owner_of(folder.parent, draft)
            _write(file, arrived, blocks)
            file.flush()
            os.fsync(descriptor)
        draft.rename(mail)
        _sync_folder(folder)
    except BaseException:
        # What the MTA is not told of must not be taken in: it hands the mail over again.
        for path in (draft, mail):
            with suppress(OSError):
                path.unlink()
        raise
    return mail


def waiting(folder: Path) -> list[Path]:
    """Return the files that wait, oldest first; none where there is no folder."""
    return sorted(_named(folder, _MAIL))


def set_aside(folder: Path) -> list[Path]:
    """Return the files that were set aside, oldest first."""
    return sorted(_named(folder, _BROKEN))


def check(path: Path) -> Waiting:
    """Read a file through and return what it holds. Raises Broken, and OSError where it cannot be read."""
    with path.open("rb") as file:
        head = _HEAD.fullmatch(file.read(_HEAD_BYTES))
        if head is None:
            raise Broken("it does not begin as such a file does")
        line = file.readline(_MOST_ENVELOPE_BYTES)
        size, crc = len(line), zlib.crc32(line)
        for block in _blocks(file):
            size, crc = size + len(block), zlib.crc32(block, crc)
    if (size, crc) != (int(head[1], 16), int(head[2], 16)):
        raise Broken(f"{size} bytes with the sum {crc:08x} were found where others were written")
    return Waiting(path, _read_envelope(line), _HEAD_BYTES + len(line))


def blocks_of(found: Waiting) -> Iterator[bytes]:
    """Yield the mail in blocks of BLOCK_BYTES; at least one."""
    with found.path.open("rb") as file:
        file.seek(found.begins)
        yield file.read(BLOCK_BYTES)
        yield from _blocks(file)


def put_aside(path: Path) -> Path:
    """Let nobody try a file again, and return where it is."""
    return path.rename(path.with_name(path.name + _BROKEN))


def sweep(folder: Path, before_seconds: float) -> int:
    """Delete what was half written by a time (seconds of the epoch) and since then not touched; return how many."""
    swept = 0
    for path in _named(folder, _DRAFT):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < before_seconds:
                path.unlink()
                swept += 1
    return swept


def forget(folder: Path, paths: Iterable[Path]) -> None:
    """Delete files for good: they do not come back after a crash of the machine."""
    for path in paths:
        path.unlink(missing_ok=True)
    _sync_folder(folder)


def _write(file: BinaryIO, arrived: Arrived, blocks: Iterable[bytes]) -> None:
    line = _envelope(arrived)
    file.write(b"\0" * _HEAD_BYTES + line)
    size, crc = len(line), zlib.crc32(line)
    for block in blocks:
        file.write(block)
        size, crc = size + len(block), zlib.crc32(block, crc)
    file.seek(0)
    file.write(b"postroom-arrived 1 %016x %08x\n" % (size, crc))


def _envelope(arrived: Arrived) -> bytes:
    recipients = [
        {
            "address": one.address,
            "destination": one.destination.value,
            "workspace_id": one.workspace_id,
            "own_recipient_id": one.own_recipient_id,
        }
        for one in arrived.recipients
    ]
    # ASCII: an address may hold halves of characters that have no other form.
    envelope = {"at_ms": arrived.at_ms, "from": arrived.reverse_path, "recipients": recipients}
    return json.dumps(envelope).encode("ascii") + b"\n"


def _read_envelope(line: bytes) -> Arrived:
    try:
        read: dict[str, Any] = json.loads(line)
        recipients = tuple(
            Addressed(one["address"], Destination(one["destination"]), one["workspace_id"], one["own_recipient_id"])
            for one in read["recipients"]
        )
        return Arrived(read["at_ms"], read["from"], recipients)
    except (ValueError, KeyError, TypeError) as error:
        raise Broken(f"its envelope cannot be read: {error}") from error


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(BLOCK_BYTES):
        yield block


def _named(folder: Path, suffix: str) -> Iterator[Path]:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(suffix):
                yield Path(entry.path)


def _give_to_owner_of(owner: Path, path: Path) -> None:
    if os.geteuid() == 0:
        # An MTA may run the command as root: the server's user has to read the file, and to delete it.
        found = owner.stat()
        os.chown(path, found.st_uid, found.st_gid)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
