"""What was in flight: an append-only local file for each process that makes attempts.

One write() before the bytes that hold the final dot, one with the reply; no
fsync, because it has to survive the process, not the machine. After a crash the
owner of the data folder reads all journals: not begun means that nothing was
sent, a reply means that it can be settled, a dot without a reply is in doubt.
After a reboot the page cache may be lost, and with it whole files: so the folder
also holds the boot id in a small file that is synced before anything is claimed
(`stamp_boot`), and journals of another boot are not believed. Each journal is
locked while its process lives.

Lines are JSON arrays: ["boot", id], ["dot", recipient, epoch],
["reply", recipient, epoch, kind, code, enhanced, text, next hop].
"""

import fcntl
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from postroom.ledger.outcomes import Outcome, OutcomeKind
from postroom.mail.smtp_reply import SmtpReply

_SEGMENT_BYTES = 1 << 20
_BOOT = "boot"
_KINDS = {kind.value for kind in OutcomeKind}


class _Segment:
    """One file of a journal and the tries in it that are not settled."""

    def __init__(self, path: Path, boot_id: str) -> None:
        self.path = path
        self.open: set[tuple[int, int]] = set()
        self.size = 0
        self._is_torn = False
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.write(_line("boot", boot_id))
        except OSError:
            self.end()
            raise

    def write(self, line: bytes) -> None:
        # A line that a full disk has cut must not swallow the next one.
        whole = b"\n" + line if self._is_torn else line
        written = os.write(self._fd, whole)
        self.size += written
        self._is_torn = written < len(whole)
        if self._is_torn:
            raise OSError(f"{self.path.name} could not be written whole")

    def end(self) -> None:
        """Close the file, and remove it where everything in it is settled."""
        if not self.open:
            self.path.unlink(missing_ok=True)
        os.close(self._fd)


class Journal:
    """The journal that one process writes: segments of about a mebibyte, gone when settled."""

    def __init__(self, folder: Path, name: str, boot_id: str, *, segment_bytes: int = _SEGMENT_BYTES) -> None:
        """Write `NAME-1.journal`, `NAME-2.journal`, … in `folder`; `name` is new for each process."""
        self._segment_bytes = segment_bytes
        self._folder = folder
        self._name = name
        self._boot_id = boot_id
        self._number = 0
        self._old: list[_Segment] = []
        self._current = self._new_segment()

    def before_dot(self, recipient_id: int, epoch: int) -> None:
        """Note that the final dot of this try goes out next.

        Raises OSError where that cannot be written: then the dot must not be sent.
        """
        if self._current.size > self._segment_bytes:
            self._roll_over()
        self._current.open.add((recipient_id, epoch))
        self._current.write(_line("dot", recipient_id, epoch))

    def after_reply(self, recipient_id: int, epoch: int, outcome: Outcome) -> None:
        """Note the reply. A failed write is passed over: the outcome is settled from memory."""
        reply = outcome.reply
        line = _line(
            "reply", recipient_id, epoch, outcome.kind.value, reply.code, reply.enhanced, reply.text, outcome.next_hop
        )
        try:
            self._segment_of((recipient_id, epoch)).write(line)
        except OSError:
            return

    def settled(self, recipient_id: int, epoch: int) -> None:
        """Note that the settlement of this try is committed, or that its dot was never sent."""
        segment = self._segment_of((recipient_id, epoch))
        segment.open.discard((recipient_id, epoch))
        if segment is not self._current and not segment.open:
            self._old.remove(segment)
            segment.end()

    def close(self) -> None:
        """Close the files; those with something unsettled stay for the next start."""
        for segment in (*self._old, self._current):
            segment.end()

    def _segment_of(self, key: tuple[int, int]) -> _Segment:
        # A reply stands in the file of its dot, so that a file can go as a whole.
        return next((segment for segment in self._old if key in segment.open), self._current)

    def _roll_over(self) -> None:
        full, self._current = self._current, self._new_segment()
        if full.open:
            self._old.append(full)
        else:
            full.end()

    def _new_segment(self) -> _Segment:
        self._number += 1
        return _Segment(self._folder / f"{self._name}-{self._number}.journal", self._boot_id)


@dataclass(slots=True)
class Flights:
    """What the journals of a data folder say about tries that were not settled."""

    boot_id_differs: bool = False
    """The machine was rebooted since, or a file cannot be read: a try that no line tells of may have been made."""
    dotted: set[tuple[int, int]] = field(default_factory=set)
    """(recipient, epoch) whose final dot went out and whose reply is not known."""
    replied: dict[tuple[int, int], Outcome] = field(default_factory=dict)


def stamp_boot(folder: Path, boot_id: str) -> None:
    """Note durably that journals of this boot follow. Before the first claim, after what was there is resolved."""
    draft = folder / f"{_BOOT}.new"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, boot_id.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.rename(folder / _BOOT)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_folder(folder: Path, boot_id: str) -> Flights:
    """Return what all journals in `folder` say. Waits until the processes that wrote them are gone.

    Without the stamp of this boot a missing journal proves nothing: `boot_id_differs`.
    """
    flights = Flights()
    try:
        flights.boot_id_differs = (folder / _BOOT).read_text() != boot_id
    except OSError:
        flights.boot_id_differs = True
    _read_all(folder, "*.journal", boot_id, flights)
    return flights


def read_journals(folder: Path, boot_id: str, name: str) -> Flights:
    """Return what the journals of one process say, which has ended or is waited for."""
    flights = Flights()
    _read_all(folder, f"{name}-*.journal", boot_id, flights)
    return flights


def remove_journals(folder: Path) -> None:
    """Delete all journals: their tries are settled."""
    for path in folder.glob("*.journal"):
        path.unlink(missing_ok=True)


def _read_all(folder: Path, pattern: str, boot_id: str, flights: Flights) -> None:
    for path in sorted(folder.glob(pattern)):
        try:
            with path.open("rb") as file:
                # A helper outlives its owner by moments: its last lines matter.
                fcntl.flock(file, fcntl.LOCK_EX)
                content = file.read()
        except OSError:
            flights.boot_id_differs = True
        else:
            _read_one(content, boot_id, flights)


def _read_one(content: bytes, boot_id: str, flights: Flights) -> None:
    lines = content.split(b"\n")
    if len(lines) == 1:
        # Killed while it wrote its head: no dot can have followed. A reboot is told by the stamp.
        return
    head = _parsed(lines[0])
    if head != ["boot", boot_id]:
        flights.boot_id_differs = True
        return
    for raw in lines[1:]:
        match _parsed(raw):
            case ["dot", int(recipient), int(epoch)]:
                flights.dotted.add((recipient, epoch))
            case ["reply", int(recipient), int(epoch), str(kind), int(code), str(enhanced), str(text), str(hop)] if (
                kind in _KINDS
            ):
                flights.dotted.discard((recipient, epoch))
                reply = SmtpReply(code, enhanced, text)
                flights.replied[(recipient, epoch)] = Outcome(OutcomeKind(kind), reply, next_hop=hop)
            case _:
                # The last line may be torn by the kill; a torn "dot" line means that its dot was not sent.
                continue


def _parsed(raw: bytes) -> object:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _line(*fields: object) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"
