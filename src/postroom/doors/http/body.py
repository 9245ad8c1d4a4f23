"""The body of a request: in memory where it is small, in a file without a name where it is large.

A mail of 35 MB in JSON would be held four times while it is decoded and
composed. So a large body goes to a file of the data folder as it comes, which
is gone when the request or the process ends, and is read from there in pieces.
"""

import asyncio
import errno
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import IO, TypeVar

from postroom.base.threads import Threads
from postroom.doors.http.fields import NOT_JSON, not_json, parse_json
from postroom.doors.http.large_bodies import LARGE_BYTES, LargeBodies
from postroom.doors.http.long_texts import MAX_REST_BYTES, Spool, TooMuchElse, decode_but_long
from postroom.doors.http.problems import Problem, busy

MAX_BODY_BYTES = 50 * 1024 * 1024
"""About 36 MB of attachments in base64."""
THREAD_BYTES = 64 * 1024
"""A body above this is decoded and composed on a thread: below, the change of thread costs more."""
_PIECE_BYTES = 256 * 1024
_WRITERS = 2
"""More would only take the threads from others."""
_FULL = {errno.ENOSPC, errno.EDQUOT}

_T = TypeVar("_T")


class Bodies:
    """Reads bodies, and lets the large ones be worked on one at a time."""

    def __init__(self, slow: Threads, folder: Path | None = None, room: LargeBodies | None = None) -> None:
        """`slow` is where large bodies are written and read; `folder` holds their files (None: the system's)."""
        self._slow = slow
        self._folder = folder
        self._room = room or LargeBodies()
        self._writers = asyncio.Semaphore(_WRITERS)
        self._one_large = asyncio.Semaphore(1)

    @asynccontextmanager
    async def read(self, stream: AsyncIterator[bytes], announced: int | None, path: str) -> AsyncIterator["Body"]:
        """Read the body of a request to `path`. `announced`: its Content-Length. Raises Problem 413 and 503."""
        most = MAX_BODY_BYTES if announced is None else announced
        if most > MAX_BODY_BYTES:
            raise _too_large()
        async with self._room.room(most):
            body = Body(path, self._slow, self._folder, self._writers, self._one_large)
            try:
                async for piece in stream:
                    await body.add(piece)
                    if body.size_bytes > most:
                        raise _too_large()
                await body.end()
                yield body
            finally:
                body.close()


class Body:
    """One body that was read."""

    def __init__(
        self, path: str, slow: Threads, folder: Path | None, writers: asyncio.Semaphore, one_large: asyncio.Semaphore
    ) -> None:
        self._slow = slow
        self._folder = folder
        self._writers = writers
        self._one_large = one_large
        self._held = bytearray()
        self._file: IO[bytes] | None = None
        self._digest = hashlib.sha256(path.encode() + b"\0")
        self.size_bytes = 0

    @property
    def digest(self) -> bytes:
        """What two requests with one Idempotency-Key must have in common: path and body."""
        # Few requests have a key, so a small body is not hashed before it is asked for.
        digest = self._digest.copy()
        digest.update(self._held)
        return digest.digest()

    async def add(self, piece: bytes) -> None:
        """Take the next piece. Raises Problem 503 where the disk is full."""
        self._held += piece
        self.size_bytes += len(piece)
        if len(self._held) >= _PIECE_BYTES and self.size_bytes > LARGE_BYTES:
            await self._write()

    async def end(self) -> None:
        """Nothing follows."""
        if self._file is not None:
            await self._write()

    def close(self) -> None:
        """Forget the body."""
        self._held.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    def turn(self) -> AbstractAsyncContextManager[object]:
        """Return what lets large bodies be worked on one at a time; nothing waits for a small one."""
        return nullcontext() if self._file is None else self._one_large

    async def json(self) -> object:
        """Return the JSON value, a LongText in the place of each long text of a large body.

        Raises Problem 400 and 413.
        """
        return await self.aside(self._parse)

    async def aside(self, function: Callable[[], _T]) -> _T:
        """Return what `function` returns; on a thread, where a body of this size keeps it busy."""
        return function() if self.size_bytes <= THREAD_BYTES else await self._slow.run(function)

    def _parse(self) -> object:
        if self._file is None:
            return parse_json(self._held)
        try:
            return decode_but_long(Spool(self._file.fileno(), self.size_bytes))
        except TooMuchElse:
            raise Problem(
                413, "too-large", f"Beside its long texts a request has at most {MAX_REST_BYTES >> 20} MB."
            ) from None
        except NOT_JSON as error:
            raise not_json(error) from None

    async def _write(self) -> None:
        piece, self._held = self._held, bytearray()
        try:
            async with self._writers:
                await self._slow.run(lambda: self._write_piece(piece))
        except OSError as error:
            if error.errno in _FULL:
                raise busy("The disk is full; nothing was kept. Repeat the request later.") from error
            raise

    def _write_piece(self, piece: bytearray) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 - `close` closes it
        self._digest.update(piece)
        view = memoryview(piece)
        while view:
            view = view[os.write(self._file.fileno(), view) :]


def _too_large() -> Problem:
    return Problem(413, "too-large", f"A request has at most {MAX_BODY_BYTES >> 20} MB.")
