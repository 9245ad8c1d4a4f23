"""The threads that read: each has a connection of its own, and each read has an end."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from postroom.store.faults import StoreBusy, StoreLost
from postroom.store.transaction import Conn, ReadSession

READ_SECONDS = 2.0
"""A read ends after this, waiting for a thread included: long ones hold up the checkpoint and the pages of others."""


class Session(ReadSession, Protocol):
    """A reader's connection as its thread drives it; one implementation an engine."""

    def begin(self) -> None: ...

    def end(self) -> None: ...

    def interrupt(self) -> None: ...

    def is_lost(self, error: Exception) -> bool: ...

    def explain(self, error: Exception) -> Exception: ...

    def close(self) -> None: ...


@dataclass(slots=True, eq=False)
class Read:
    """A function that waits for a reader, and who waits for it."""

    function: Callable[[Conn], Any]
    future: asyncio.Future[Any]
    thread: "_Thread | None" = None
    is_over: bool = False


class Readers:
    """Threads that read. `submit` and `expire` are for the loop's thread."""

    def __init__(
        self,
        connect: Callable[[], Session],
        deliver: Callable[[Read, Any, Exception | None], None],
        count: int,
    ) -> None:
        """`deliver` is called in a reader's thread."""
        self._queue: queue.SimpleQueue[Read | None] = queue.SimpleQueue()
        self._threads = [_Thread(f"store-reader-{number}", self._queue, connect, deliver) for number in range(count)]

    def submit(self, read: Read) -> None:
        """Queue a function."""
        self._queue.put(read)

    def expire(self, read: Read) -> None:
        """End a read whose time is over; its caller gets StoreBusy."""
        if not read.future.done():
            read.future.set_exception(StoreBusy("the read took too long and was ended"))
        read.is_over = True
        thread = read.thread
        if thread is not None:
            thread.interrupt(read)

    def stop(self) -> None:
        """Let the threads finish what was submitted before, then end."""
        for _ in self._threads:
            self._queue.put(None)

    def join(self, seconds: float) -> None:
        """Wait for the threads' end."""
        for thread in self._threads:
            thread.join(seconds)


class _Thread(threading.Thread):
    def __init__(
        self,
        name: str,
        reads: "queue.SimpleQueue[Read | None]",
        connect: Callable[[], Session],
        deliver: Callable[[Read, Any, Exception | None], None],
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._reads = reads
        self._connect = connect
        self._deliver = deliver
        self._session: Session | None = None
        self._current: Read | None = None
        self._lock = threading.Lock()
        self.start()

    def run(self) -> None:
        while (read := self._reads.get()) is not None:
            with self._lock:
                if read.is_over or read.future.cancelled():
                    continue
                read.thread, self._current = self, read
            try:
                value, error = self._read(read), None
            except Exception as failure:
                value, error = None, failure
            with self._lock:
                self._current = None
            self._deliver(read, value, error)
        if self._session is not None:
            self._session.close()

    def interrupt(self, read: Read) -> None:
        """End what this thread runs, if it still is `read`."""
        with self._lock:
            # Under the lock: the next read of this connection must not be hit.
            if self._current is read and self._session is not None:
                self._session.interrupt()

    def _read(self, read: Read) -> Any:
        try:
            return self._read_once(read)
        except Exception as error:
            session = self._session
            if session is None or not session.is_lost(error):
                self._raise(error)
            # The connection may have died while it was idle, and a read changes nothing.
            self._session = None
            session.close()
        try:
            return self._read_once(read)
        except Exception as error:
            self._raise(error)

    def _raise(self, error: Exception) -> NoReturn:
        """Raise what the caller is told."""
        if self._session is None:
            raise StoreLost(f"the database cannot be read: {error}") from error
        told = self._session.explain(error)
        if told is error:
            raise error
        raise told from error

    def _read_once(self, read: Read) -> Any:
        session = self._session
        if session is None:
            session = self._session = self._connect()
        session.begin()
        try:
            return read.function(Conn(session))
        finally:
            with contextlib.suppress(Exception):
                # Its failure follows from the one that is on its way, or shows with the next read.
                session.end()
