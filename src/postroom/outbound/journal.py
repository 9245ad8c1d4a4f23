"""What was in flight: an append-only local file for each process that makes attempts.

One write() before the bytes that hold the final dot, one with the reply; no
fsync, because it has to survive the process, not the machine. After a crash the
owner of the data folder reads all journals: not begun means that nothing was
sent, a reply means that it can be settled, a dot without a reply is in doubt.
The first line holds the boot id: after a reboot the page cache may be lost, so
the journal is not believed. Each journal is locked while its process lives.

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


class _Segment:
    """One file of a journal and the tries in it that are not settled."""

    def __init__(self, path: Path, boot_id: str) -> None:
        self.path = path
        self.open: set[tuple[int, int]] = set()
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.size = 0
        self.write(_line("boot", boot_id))

    def write(self, line: bytes) -> None:
        written = os.write(self._fd, line)
        self.size += written
        if written < len(line):
            raise OSError(f"{self.path.name} could not be written whole")

    def end(self) -> None:
        """Close the file, and remove it where everything in it is settled."""
        if not self.open:
            self.path.unlink(missing_ok=True)
        os.close(self._fd)


class Journal:
    """The journal that one process writes: segments of about a mebibyte, gone when settled."""

    def __init__(self, folder: Path, name: str, boot_id: str) -> None:
        """Write `NAME-1.journal`, `NAME-2.journal`, … in `folder`; `name` is new for each process."""
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
        if self._current.size > _SEGMENT_BYTES:
            self._old.append(self._current)
            self._current = self._new_segment()
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

    def _new_segment(self) -> _Segment:
        self._number += 1
        return _Segment(self._folder / f"{self._name}-{self._number}.journal", self._boot_id)


@dataclass(slots=True)
class Flights:
    """What the journals of a data folder say about tries that were not settled."""

    boot_id_differs: bool = False
    """The machine was rebooted since (or a journal has no readable head): believe nothing."""
    dotted: set[tuple[int, int]] = field(default_factory=set)
    """(recipient, epoch) whose final dot went out and whose reply is not known."""
    replied: dict[tuple[int, int], Outcome] = field(default_factory=dict)


def read_journals(folder: Path, boot_id: str, name: str = "*") -> Flights:
    """Return what the journals in `folder` say, of one process or of all. Waits until these processes are gone."""
    flights = Flights()
    for path in sorted(folder.glob(f"{name}-*.journal" if name != "*" else "*.journal")):
        with path.open("rb") as file:
            # A helper outlives its owner by moments: its last lines matter.
            fcntl.flock(file, fcntl.LOCK_EX)
            _read_one(file.read(), boot_id, flights)
    return flights


def remove_journals(folder: Path, name: str = "*") -> None:
    """Delete journals whose tries are all settled."""
    for path in folder.glob(f"{name}-*.journal" if name != "*" else "*.journal"):
        path.unlink(missing_ok=True)


def _read_one(content: bytes, boot_id: str, flights: Flights) -> None:
    lines = content.split(b"\n")
    if not content:
        return
    head = _parsed(lines[0])
    if head != ["boot", boot_id]:
        flights.boot_id_differs = True
        return
    for raw in lines[1:]:
        match _parsed(raw):
            case ["dot", int(recipient), int(epoch)]:
                flights.dotted.add((recipient, epoch))
            case ["reply", int(recipient), int(epoch), str(kind), int(code), str(enhanced), str(text), str(hop)]:
                flights.dotted.discard((recipient, epoch))
                reply = SmtpReply(code, enhanced, text)
                flights.replied[(recipient, epoch)] = Outcome(OutcomeKind(kind), reply, next_hop=hop)
            case _:
                # The last line may be torn by the kill; a torn "dot" line means that its dot was not sent.
                continue


def _parsed(raw: bytes) -> object:
    try:
        return json.loads(raw)
    except ValueError:
        return None


def _line(*fields: object) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"
