"""The local spool: hits lie here from before their answer leaves until they are in the database.

Segments are append-only files of JSON lines in one folder, numbered in order.
The hits of one turn of the event loop go out in one write(). There is no
fsync: what write() took survives a killed process, which is what is promised;
a machine that loses power may lose the last seconds of hits.

There is one way from here into the database, also after a crash: `read` gives
the oldest hits that are not yet taken, `take` moves on behind them once they
are committed and deletes the segments that are done. At the next start all
segments are read again from their beginning; the ids keep hits from counting
twice. So nothing piles up in memory while the database is down, only on disk.

When the disk refuses (full, or an I/O error), the answer still leaves; the hit
is counted in `lost` and logged at most once a second.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog

from postroom.base.clock import Clock
from postroom.tracking.hit import Hit

SEGMENT_BYTES = 4 * 1024 * 1024
"""A segment that is larger is closed: about 20,000 hits, read again at most after a crash."""
_READ_BYTES = 512 * 1024

_log = structlog.get_logger(__name__)


class Batch(NamedTuple):
    """Hits read from the spool, and how far `take` may move when they are stored."""

    hits: tuple[Hit, ...]
    end: tuple[int, int]
    """Segment number and offset behind the last hit."""
    perhaps_stored: bool
    """Read before, by an earlier process or by this one, which then could not learn whether they were stored."""


class Spool:
    """The spool of one data folder. One process owns it; all methods belong to the event loop's thread."""

    def __init__(self, folder: Path, clock: Clock, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Open the folder, making it where it is missing; segments of an earlier process become readable."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._clock = clock
        self._segment_bytes = segment_bytes
        segments = [path for path in folder.glob("*.hits") if path.stem.isdigit()]
        self._sizes = {int(path.stem): path.stat().st_size for path in segments}
        self._next_number = self._own_from = max(self._sizes, default=0) + 1
        self._writing: tuple[int, int] | None = None  # segment number and file descriptor
        self._taken = (min(self._sizes, default=self._next_number), 0)
        self._read_from: tuple[int, int] | None = None
        self._turn = bytearray()
        self._waiting: list[Callable[[], None]] = []
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(Hit)
        self._complained_at = float("-inf")
        self._torn = False
        self.waiting = 0
        """Hits written by this process and not yet taken."""
        self.lost = 0
        """Hits that the disk refused, since the start."""
        self.unreadable = 0
        """Lines that were torn by a crash of the machine, since the start."""
        self.written = asyncio.Event()
        """Set when there is something to read."""
        if self._sizes:
            self.written.set()

    def put(self, hit: Hit) -> asyncio.Future[None]:
        """Write a hit with the others of this turn of the loop.

        The future is done when write() has returned: then the answer may
        leave. It never fails.
        """
        future = asyncio.get_running_loop().create_future()
        self.put_then(hit, lambda: None if future.done() else future.set_result(None))
        return future

    def put_then(self, hit: Hit, written: Callable[[], None]) -> None:
        """Write a hit with the others of this turn of the loop; `written` is called when write() has returned."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        self._encoder.encode_into(hit, self._turn, -1)
        self._turn += b"\n"
        self._waiting.append(written)

    def flush(self) -> None:
        """Write what has gathered in this turn and let its answers go."""
        turn, waiting = self._turn, self._waiting
        self._turn, self._waiting = bytearray(), []
        if waiting:
            self.waiting += len(waiting) - self._write(turn)
            self.written.set()
        for written in waiting:
            written()

    def read(self, limit: int) -> Batch | None:
        """Return up to `limit` of the oldest hits that are not taken, or None when all are."""
        for number in sorted(self._sizes):
            offset = self._taken[1] if number == self._taken[0] else 0
            if number < self._taken[0] or offset >= self._sizes[number]:
                continue
            batch = self._read_segment(number, offset, limit)
            if batch is not None:
                return batch
        return None

    def take(self, batch: Batch) -> None:
        """Move on behind a batch whose hits are committed; segments that are done are deleted."""
        number, offset = self._taken = batch.end
        self.waiting = max(0, self.waiting - len(batch.hits))
        done = [old for old in self._sizes if old < number]
        if offset >= self._sizes.get(number, 0):
            if self._writing is not None and self._writing[0] == number:
                os.close(self._writing[1])
                self._writing = None
            done.append(number)
        for old in done:
            del self._sizes[old]
            self._path(old).unlink(missing_ok=True)
        if not self._sizes:
            self.waiting = 0
            self.written.clear()

    def set_aside(self, hits: Sequence[Hit]) -> None:
        """Keep hits that the database refuses for good in `refused.json`, for an operator to look at."""
        with (self._folder / "refused.json").open("ab") as file:
            file.write(b"".join(self._encoder.encode(hit) + b"\n" for hit in hits))

    def close(self) -> None:
        """Write what is left and close the segment."""
        self.flush()
        if self._writing is not None:
            os.close(self._writing[1])
            self._writing = None

    def _write(self, data: bytearray) -> int:
        """Append lines; return how many of them the disk refused."""
        sent = first = 0
        try:
            number, descriptor = self._segment()
            if self._torn:
                # A write that failed half-way left the beginning of a line: end it.
                data = bytearray(b"\n") + data
                first = 1
            while sent < len(data):
                sent += os.write(descriptor, memoryview(data)[sent:])
                self._torn = True
            self._torn = False
            self._sizes[number] += sent
        except OSError as error:
            if sent and self._writing is not None:
                self._sizes[self._writing[0]] += sent
            refused = data.count(b"\n", max(sent, first))
            self.lost += refused
            self._complain(error)
            return refused
        if self._sizes[number] >= self._segment_bytes:
            os.close(descriptor)
            self._writing = None
        return 0

    def _segment(self) -> tuple[int, int]:
        if self._writing is None:
            number = self._next_number
            descriptor = os.open(self._path(number), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            self._writing = (number, descriptor)
            self._next_number += 1
            self._sizes[number] = 0
            self._torn = False
        return self._writing

    def _read_segment(self, number: int, offset: int, limit: int) -> Batch | None:
        with self._path(number).open("rb") as file:
            file.seek(offset)
            raw = file.read(min(_READ_BYTES, self._sizes[number] - offset))
            lines = raw.split(b"\n", limit)
            # The last piece is what follows the last line end: another line, or one that is not whole.
            rest = lines.pop()
            if not lines and raw:
                # One line longer than we read: none of ours is. Skip to the segment's end.
                lines, rest = [raw], b""
        hits = []
        for line in lines:
            if not line:
                continue
            try:
                hits.append(self._decoder.decode(line))
            except msgspec.DecodeError:
                self.unreadable += 1
                _log.warning("a line of the hit spool is torn", segment=number, size_bytes=len(line))
        perhaps_stored = number < self._own_from or (number, offset) == self._read_from
        self._read_from = (number, offset)
        return Batch(tuple(hits), (number, offset + len(raw) - len(rest)), perhaps_stored)

    def _complain(self, error: OSError) -> None:
        now = self._clock.monotonic()
        if now - self._complained_at >= 1:
            self._complained_at = now
            _log.error("hits are lost: the spool cannot be written", lost=self.lost, error=str(error))

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:012d}.hits"
