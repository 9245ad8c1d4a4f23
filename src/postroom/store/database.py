"""The database as the rest of Postroom sees it: `await database.write(f)` and `await database.read(f)`.

A store function is a plain function of a `Tx` (to write) or a `Conn` (to
read) that runs on one of the store's threads, so nobody can wait for the
network inside a transaction. Waiting writers share a commit (`store.group`).
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from postroom.base.clock import Clock
from postroom.base.errors import TryLater
from postroom.base.metrics import Histogram
from postroom.store.faults import NewerDatabase, StoreBusy, StoreConflict, StoreLost
from postroom.store.group import Writer
from postroom.store.jobs import Aside, Failed, Job, Session
from postroom.store.reader import READ_SECONDS, Read, Readers
from postroom.store.source import source_of
from postroom.store.statement import RowsStatement, Statement, statement
from postroom.store.transaction import Conn, Engine, Tx

__all__ = [
    "Conn",
    "Database",
    "NewerDatabase",
    "RowsStatement",
    "Statement",
    "StoreBusy",
    "StoreConflict",
    "StoreLost",
    "Tx",
    "open_database",
    "statement",
]

T = TypeVar("T")

MOST_WAITING = 2_000
MOST_WAITING_BYTES = 64 << 20
LONGEST_WAIT_SECONDS = 5.0
MOST_READS_WAITING = 1_000


class Database:
    """One open database. Belongs to the event loop in which it was opened."""

    def __init__(self, engine: Engine, clock: Clock, loop: asyncio.AbstractEventLoop) -> None:
        """For `open_database` only."""
        self.engine: Engine = engine
        self._clock = clock
        self._loop = loop
        self._since: deque[float] = deque()
        self._bytes = 0
        self._reads = 0
        self._closing = False
        self._listeners: dict[str, list[Callable[[set[int]], None]]] = {}
        self._writer: Writer
        self._readers: Readers

    async def write(self, function: Callable[[Tx], T], *, size_bytes: int = 0) -> T:
        """Run `function` in a transaction and return its value after COMMIT.

        `size_bytes` is about how much it writes, where that is more than rows.
        The function may run more than once. When the waiting task is cancelled
        the function is still run. Raises StoreBusy and StoreLost (nothing was
        written, repeat it later), StoreConflict, or what the function raised.
        """
        writer = self._writer
        if writer.trouble is not None:
            raise _again(writer.trouble)
        if self._closing:
            raise StoreLost("the database is closing")
        now = self._clock.monotonic()
        since = self._since
        if since and (
            len(since) >= MOST_WAITING
            or self._bytes + size_bytes > MOST_WAITING_BYTES
            or now - since[0] > LONGEST_WAIT_SECONDS
        ):
            raise StoreBusy("too much waits to be written")
        since.append(now)
        self._bytes += size_bytes
        future: asyncio.Future[Any] = self._loop.create_future()
        writer.submit(Job(function, future, size_bytes))
        return cast(T, await future)

    async def read(self, function: Callable[[Conn], T]) -> T:
        """Run `function` in a read transaction and return its value.

        Raises StoreBusy where it takes more than 2 seconds or too many wait,
        StoreLost where the database is gone, or what the function raised.
        """
        if self._closing:
            raise StoreLost("the database is closing")
        if self._reads >= MOST_READS_WAITING:
            raise StoreBusy("too many wait to read")
        read = Read(function, self._loop.create_future())
        self._reads += 1
        timer = self._loop.call_later(READ_SECONDS, self._readers.expire, read)
        try:
            self._readers.submit(read)
            return cast(T, await read.future)
        finally:
            self._reads -= 1
            timer.cancel()

    def on_commit(self, word: str, listener: Callable[[set[int]], None]) -> None:
        """Have `listener` called on the loop with the subjects that functions of a committed group gave `Tx.wake`.

        Groups of other processes, and one whose COMMIT nobody confirmed, are not told: who listens also polls.
        """
        self._listeners.setdefault(word, []).append(listener)

    async def copy(self, path: Path, told: Callable[[int, int], None]) -> None:
        """Write a copy of the database to a new file at `path` while others read and write (SQLite only).

        It is that of the moment in which this returns. `told` is called in
        another thread with how many pages are copied, of how many. Nothing
        keeps the WAL from being moved into the file meanwhile. Raises TryLater,
        CopyFailed, or WrongEngine; then a part of the file may be there.
        """

        def work(session: Session, between: Callable[[], None]) -> None:
            def step(done: int, whole: int) -> None:
                told(done, whole)
                between()

            session.copy_to(path, step)

        await self._aside(work)

    async def empty_wal(self) -> bool:
        """Move the WAL into the file and cut it to nothing (SQLite); tell whether no reader was in the way."""
        return cast(bool, await self._aside(lambda session, between: session.checkpoint()))

    async def compact(self) -> None:
        """Write the file anew without its unused parts (SQLite). Everything else waits or is refused meanwhile."""
        await self._aside(lambda session, between: session.compact())

    async def _aside(self, work: Callable[[Session, Callable[[], None]], Any]) -> Any:
        if self._closing:
            raise StoreLost("the database is closing")
        future: asyncio.Future[Any] = self._loop.create_future()

        def hand_out(value: Any, failure: Exception | None) -> None:
            if future.done():
                return
            if failure is not None:
                future.set_exception(failure)
            else:
                future.set_result(value)

        def ended(value: Any, failure: Exception | None) -> None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(hand_out, value, failure)

        self._writer.submit(Aside(work, ended))
        return await future

    def use_node(self, number: int) -> None:
        """Count in this node's rows from now on."""
        self._writer.node = number

    @property
    def trouble(self) -> TryLater | None:
        """Why the database cannot be written now, or None."""
        return self._writer.trouble

    @property
    def waiting(self) -> int:
        """How many write functions have not been answered."""
        return len(self._since)

    @property
    def groups(self) -> int:
        """How many groups have been committed."""
        return self._writer.groups

    @property
    def group_sizes(self) -> Histogram:
        """How many functions shared a commit."""
        return self._writer.group_sizes

    @property
    def commit_seconds(self) -> Histogram:
        """How long commits took."""
        return self._writer.commit_seconds

    async def close(self) -> None:
        """Finish what waits, move the WAL into the file (SQLite) and close. New work gets StoreLost."""
        if self._closing:
            return
        self._closing = True
        self._readers.stop()
        self._writer.stop()
        await _in_thread(self._loop, "store-close", self._join)

    def _join(self) -> None:
        self._readers.join(READ_SECONDS + 1)
        self._writer.join(30)

    def _deliver_writes(self, jobs: list[Job], values: list[Any]) -> None:
        with contextlib.suppress(RuntimeError):
            # The loop is closed: nobody waits any more.
            self._loop.call_soon_threadsafe(self._hand_out, jobs, values)

    def _hand_out(self, jobs: list[Job], values: list[Any]) -> None:
        since = self._since
        for job, value in zip(jobs, values, strict=True):
            since.popleft()
            self._bytes -= job.size_bytes
            future = job.future
            if future.done():
                continue
            if type(value) is Failed:
                future.set_exception(_again(value.error))
            else:
                future.set_result(value)

    def _committed(self, words: dict[str, set[int]]) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._tell, words)

    def _tell(self, words: dict[str, set[int]]) -> None:
        for word, subjects in words.items():
            for listener in self._listeners.get(word, ()):
                listener(subjects)

    def _deliver_read(self, read: Read, value: Any, error: Exception | None) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(_hand_out_read, read, value, error)


def _hand_out_read(read: Read, value: Any, error: Exception | None) -> None:
    if read.future.done():
        return
    if error is not None:
        read.future.set_exception(error)
    else:
        read.future.set_result(value)


def _again(error: Exception) -> Exception:
    """Return an exception of one's own for each who waits: a shared one would gather all their tracebacks."""
    if not isinstance(error, StoreBusy | StoreLost):
        return error
    copy = type(error)(str(error))
    copy.__cause__ = error.__cause__
    return copy


async def open_database(url: str, *, node: int = 0, clock: Clock) -> Database:
    """Open the database, bringing its tables up to date first.

    `url` is `sqlite:///PATH` (three slashes and a path, absolute with four) or
    `postgresql://…`. `node` is the number under which counters are kept, until
    `use_node`. Raises NewerDatabase, SettingsError for another kind of URL, and
    StoreLost where the database cannot be reached.
    """
    loop = asyncio.get_running_loop()
    return await _in_thread(loop, "store-open", lambda: _open(url, node, clock, loop))


def _open(url: str, node: int, clock: Clock, loop: asyncio.AbstractEventLoop) -> Database:
    source = source_of(url)
    try:
        source.prepare()
        database = Database(source.engine, clock, loop)
        database._writer = Writer(source.writer, database._deliver_writes, clock, node)
        database._writer.committed = database._committed
    except source.errors as error:
        raise StoreLost(f"the database (POSTROOM_DATABASE_URL) cannot be opened: {error}") from error
    database._readers = Readers(source.reader, database._deliver_read, source.readers)
    return database


async def _in_thread(loop: asyncio.AbstractEventLoop, name: str, function: Callable[[], T]) -> T:
    """Run `function` in a thread made for it: asyncio's default executor is never used."""
    future: asyncio.Future[T] = loop.create_future()

    def tell(value: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(cast(T, value))

    def run() -> None:
        try:
            value, error = function(), None
        except Exception as failure:
            loop.call_soon_threadsafe(tell, None, failure)
        else:
            loop.call_soon_threadsafe(tell, value, error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await future
