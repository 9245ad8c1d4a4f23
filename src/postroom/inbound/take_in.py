"""Takes in what `postroom receive` kept while no server ran: exactly once, wherever the process dies.

The rows of a mail are written with a mark that names its file, in one
transaction; then the file is deleted for good, then the mark. A file whose
mark stands was taken in by a process that died before it could delete it.
"""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog

from postroom.base.clock import DAY_MS, HOUR_MS, Clock
from postroom.base.errors import PostroomError, TryLater
from postroom.base.threads import Threads
from postroom.inbound.arrived import Arrived, Broken, Waiting, blocks_of, check, forget, put_aside, sweep, waiting
from postroom.inbound.receive import Incoming, Receiver, Refused, StagedRest
from postroom.inbound.recipients import NO_SUCH_ADDRESS
from postroom.ledger.rows import IdempotencyRow
from postroom.store import idempotency
from postroom.store.content import Uploads
from postroom.store.database import Database, Tx
from postroom.store.faults import StoreConflict

SOURCE = "pipe"
PROTOCOL = "LOCAL"
"""How `mail.trace.Arrival.protocol` tells of standard input."""

_LOOK_SECONDS = 2.0
_DRAFT_MS = 6 * HOUR_MS
"""A draft that nobody touched for so long was left by a command that died."""
_MARK_MS = 400 * DAY_MS
"""A mark goes with its file; one that was left over goes after so long, with the idempotency keys."""
_AT_ONCE = 16
_NOBODY = 0
"""No workspace: the idempotency keys of clients are not in the way."""

_log = structlog.get_logger(__name__)


class TakeIn:
    """Takes in the files of one folder. One process does."""

    def __init__(
        self,
        folder: Path,
        receiver: Receiver,
        database: Database,
        uploads: Uploads,
        clock: Clock,
        slow: Threads,
        one: asyncio.Lock,
    ) -> None:
        """`one` is held while files are taken in: who takes in the same folder shares it."""
        self._folder = folder
        self._receiver = receiver
        self._database = database
        self._uploads = uploads
        self._clock = clock
        self._slow = slow
        self._one = one
        self._told: set[str] = set()

    async def run(self) -> None:
        """Take in what comes, until cancelled."""
        while True:
            try:
                await self.take_all()
            except TryLater as error:
                self._tell(f"mail that arrived without a server has to wait on: {error}")
            await self._clock.sleep(_LOOK_SECONDS)

    async def take_all(self) -> int:
        """Take in what waits, and return how many mails came into the store. Raises TryLater."""
        async with self._one:
            try:
                sweep(self._folder, (self._clock.now_ms() - _DRAFT_MS) / 1000)
                paths, taken = waiting(self._folder), 0
                for first in range(0, len(paths), _AT_ONCE):
                    taken += await self._take_some(paths[first : first + _AT_ONCE])
            except OSError as error:
                raise TryLater(f"{self._folder}: {error}") from error
        if taken:
            _log.info("mail that arrived without a server was taken in", mails=taken)
            self._told.clear()
        return taken

    async def _take_some(self, paths: Sequence[Path]) -> int:
        # Beside one another: each asks DNS, and their commits are one.
        ends = await asyncio.gather(*map(self._take, paths), return_exceptions=True)
        await self._forget([path for path, end in zip(paths, ends, strict=True) if isinstance(end, int)])
        for path, end in zip(paths, ends, strict=True):
            if isinstance(end, OSError):
                # Those behind it may be readable.
                self._tell(f"mail that arrived without a server cannot be read: {path}: {end.strerror}")
            elif isinstance(end, BaseException):
                raise end
        return sum(end for end in ends if isinstance(end, int))

    async def _take(self, path: Path) -> int:
        mark = _mark(path)
        if await self._database.read(lambda conn: idempotency.get(conn, _NOBODY, mark)) is not None:
            return 0
        try:
            return await self._receive(await self._slow.run(lambda: check(path)), mark)
        except (Broken, Refused) as error:
            if isinstance(error, Refused) and error.reply == NO_SUCH_ADDRESS:
                # What it answers was deleted meanwhile, as it may be for any mail between RCPT and the commit.
                _log.warning("mail that arrived without a server is for nobody any more", file=path.name)
                return 0
            self._put_aside(path, error)
        except StoreConflict:
            # The mark stands: a commit that nobody confirmed was made after all.
            return 0
        except (TryLater, OSError):
            raise
        except Exception as error:
            # Whatever one mail does to us, those behind it are taken in.
            _log.exception("mail that arrived without a server could not be taken in", file=path.name)
            self._put_aside(path, error)
        return 0

    async def _receive(self, found: Waiting, mark: str) -> int:
        now, blocks = self._clock.now_ms(), blocks_of(found)
        first = await self._slow.run(lambda: next(blocks, b""))
        second = await self._slow.run(lambda: next(blocks, b""))
        upload_id = await self._uploads.begin() if second else None
        row = IdempotencyRow(_NOBODY, mark, b"", 0, b"", now, now + _MARK_MS)

        def note(tx: Tx) -> None:
            tx.add(row)

        try:
            rest = None if upload_id is None else await self._upload(upload_id, second, blocks)
            await self._receiver.receive(_incoming(found.arrived, first, rest, now), in_transaction=note)
        except (PostroomError, OSError):
            if upload_id is not None:
                await self._uploads.drop(upload_id)
            raise
        return 1

    async def _upload(self, upload_id: int, block: bytes, blocks: Iterator[bytes]) -> StagedRest:
        number = size_bytes = 0
        while block:
            number, size_bytes = number + 1, size_bytes + len(block)
            await self._uploads.add(upload_id, number, block)
            block = await self._slow.run(lambda: next(blocks, b""))
        return StagedRest(upload_id, size_bytes)

    async def _forget(self, done: list[Path]) -> None:
        if not done:
            return
        await self._slow.run(lambda: forget(self._folder, done))
        marks = [_mark(path) for path in done]
        # Only now: a file that comes back with a crash of the machine would be taken in twice.
        await self._database.write(lambda tx: idempotency.forget(tx, _NOBODY, marks))

    def _put_aside(self, path: Path, error: Exception) -> None:
        where = put_aside(path)
        _log.error("mail that arrived without a server was set aside", file=str(where), reason=str(error))

    def _tell(self, text: str) -> None:
        """Tell it once: everything is tried again every two seconds."""
        if text not in self._told:
            _log.warning(text)
            self._told.add(text)


def _incoming(arrived: Arrived, first: bytes, rest: StagedRest | None, now_ms: int) -> Incoming:
    return Incoming(
        source=SOURCE,
        protocol=PROTOCOL,
        peer="",
        helo="",
        tls="",
        reverse_path=arrived.reverse_path,
        recipients=arrived.recipients,
        content=first,
        rest=rest,
        arrived_ms=min(arrived.at_ms, now_ms),
    )


def _mark(path: Path) -> str:
    return f"arrived/{path.stem}"
