"""Group commit: the writer thread.

It takes the functions that wait, runs them one after the other in one
transaction, writes what they collected as one statement a table, commits, and
only then hands out their results.

There are no savepoints. Where a function raises, the group is rolled back, the
others run again without it, and it runs alone; where that or the flush fails,
each runs alone. So a function touches nothing but its `Tx`.

A connection to PostgreSQL that breaks may break after COMMIT was sent. Keys
alone cannot tell whether the group is there, since counters and updates have
none. So each group also writes its number to the row of this writer (table
`writer`). After connecting again that row is read FOR UPDATE: where the server
still works on the old transaction, which holds the row, this waits for its
end. The number is there: the group is durable and its results are handed out.
It is not: the group runs again. No feature of PostgreSQL's own is needed.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import structlog

from postroom.base.clock import Clock
from postroom.base.errors import TryLater
from postroom.base.metrics import Histogram
from postroom.store.faults import Fault, StoreBusy, StoreLost
from postroom.store.jobs import Aside, Failed, Job, Session
from postroom.store.transaction import Tx

GROUP_FUNCTIONS = 200
GROUP_SECONDS = 0.020
GATHER_SECONDS = 0.002
"""How long a group of a busy writer waits for company. A commit costs the same for one function as for many,
and the loop's thread computes without being interrupted by this one; who hands mail in one by one never waits."""
BUSY_FUNCTIONS = 3
"""A group of this size means that several wait side by side, and so the next one gathers."""
LARGE_BYTES = 64 << 10
"""A function that writes more lets smaller ones go first: pieces of content must not delay an accept."""
GROUP_BYTES = 512 << 10
"""A group of large functions takes them up to this; one with small ones takes a single large one where any wait."""
IN_DOUBT_SECONDS = 5.0
"""How long a group whose connection broke waits to learn whether it was committed."""

_GROUP_BOUNDS = (1, 2, 5, 10, 20, 50, 100, 200)
_COMMIT_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Seconds: from what a fast disk takes for an fsync to what clients begin to notice."""

_REPEATS = 5
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0

_log = structlog.get_logger(__name__)


class _FunctionFailed(Exception):
    """A function raised `error`; `position` tells which of the group."""

    def __init__(self, position: int, error: Exception) -> None:
        super().__init__(position)
        self.position = position
        self.error = error


class _Trouble(Exception):
    """The database cannot be written now; `error` is for all who wait."""

    def __init__(self, error: TryLater) -> None:
        super().__init__(str(error))
        self.error = error


class Writer:
    """The thread that writes. `submit`, `stop` and `join` are for the loop's thread."""

    def __init__(
        self,
        connect: Callable[[], Session],
        deliver: Callable[[list[Job], list[Any]], None],
        clock: Clock,
        node: int,
    ) -> None:
        """`connect` makes a session or raises; `deliver` is called in the writer's thread."""
        self.node = node
        self.trouble: TryLater | None = None
        """What new functions are refused with, or None."""
        self.groups = 0
        """How many groups were committed."""
        self.group_sizes = Histogram(_GROUP_BOUNDS)
        """Functions of a committed group."""
        self.commit_seconds = Histogram(_COMMIT_BOUNDS)
        """What writing a group's rows and its COMMIT took."""
        self.committed: Callable[[dict[str, set[int]]], None] = _nobody
        """Called in the writer's thread with the words of a group (`Tx.wake`) that was committed."""
        self._connect = connect
        self._deliver = deliver
        self._clock = clock
        self._session = connect()
        self._number = 0
        self._last_group = 0
        self._queue: queue.SimpleQueue[Job | Aside | None] = queue.SimpleQueue()
        self._asides: deque[Aside] = deque()
        self._in_aside = False
        self._large: deque[Job] = deque()
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Job | Aside) -> None:
        """Queue a function, or work between groups."""
        self._queue.put(job)

    def stop(self) -> None:
        """Let the thread finish what was submitted before, then end."""
        self._queue.put(None)

    def join(self, seconds: float) -> bool:
        """Wait for the thread's end; tell whether it came."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _serve(self) -> None:
        while (job := self._next()) is not None:
            trouble = self._serve_aside(job) if isinstance(job, Aside) else self._serve_one(job)
            if trouble is not None:
                self._refuse_until_back(trouble)
        for aside in self._asides:
            aside.ended(None, StoreLost("the database is closing"))
        self._session.close(clean=True)

    def _serve_one(self, job: Job) -> TryLater | None:
        """Run a group that begins with `job`; return why the database cannot be written any more, or None."""
        taken = [job]
        try:
            self._serve_group(taken)
        except _Trouble as trouble:
            found = trouble.error
        except Exception as error:
            # A fault of ours, not of a function: who waits is told, the thread lives on.
            _log.error("the writer failed", exc_info=error)
            found = StoreLost("the store failed, see the log")
        else:
            self._session.tidy()
            return None
        # Before the answers: who is refused and asks again must not wait for a database that is away.
        self.trouble = found
        self._refuse([job for job in taken if not job.is_answered], found)
        return found

    def _serve_aside(self, aside: Aside) -> TryLater | None:
        """Do work between groups; return as `_serve_one` does."""
        found: TryLater | None = None

        def between() -> None:
            nonlocal found
            if self._queue.qsize() or self._large:
                job = self._next()
                if isinstance(job, Job):
                    found = self._serve_one(job)
            if self._stopping or found is not None:
                # The connection is about to go.
                raise found or StoreLost("the database is closing")

        value, failure, self._in_aside = None, None, True
        try:
            value = aside.work(self._session, between)
        except Exception as error:
            failure = error
        self._in_aside = False
        aside.ended(value, failure)
        return found

    def _next(self) -> Job | Aside | None:
        """Wait for the first function of a group, or for work between groups; None at the end."""
        while not self._stopping:
            if self._asides and not self._in_aside:
                return self._asides.popleft()
            if self._large and not self._queue.qsize():
                break
            if self._in_aside and not self._queue.qsize():
                return None
            job = self._taken()
            if job is not None:
                return job
        return self._large.popleft() if self._large else None

    def _taken(self) -> Job | None:
        """Take what was submitted next and return it where its turn is now; else it waits behind its like."""
        job = self._queue.get()
        if job is None:
            self._stopping = True
        elif isinstance(job, Aside):
            self._asides.append(job)
        elif job.size_bytes > LARGE_BYTES:
            self._large.append(job)
        else:
            return job
        return None

    def _serve_group(self, taken: list[Job]) -> None:
        """Run a group; `taken` holds its first function and grows by those that wait behind it."""
        try:
            values = self._commit(self._take(taken), taken)
        except _FunctionFailed as failed:
            self._serve_again([job for at, job in enumerate(taken) if at != failed.position])
            self._serve_alone([taken[failed.position]])
        except _Trouble:
            raise
        except Exception:
            self._serve_alone(taken)
        else:
            self._deliver(taken, values)
        self._last_group = len(taken)

    def _take(self, taken: list[Job]) -> Iterator[Job]:
        if self._last_group >= BUSY_FUNCTIONS and self._queue.qsize() < self._last_group:
            time.sleep(GATHER_SECONDS)
        began = self._clock.monotonic()
        yield taken[0]
        while (
            self._queue.qsize()
            and not self._stopping
            and len(taken) < GROUP_FUNCTIONS
            and self._clock.monotonic() - began <= GROUP_SECONDS
        ):
            job = self._taken()
            if job is not None:
                taken.append(job)
                yield job
        size_bytes = taken[0].size_bytes
        # Beside small ones a single large one: they wait for the whole group, and so do those that come meanwhile.
        most = GROUP_BYTES if size_bytes > LARGE_BYTES else size_bytes + 1
        while self._large and size_bytes < most:
            job = self._large.popleft()
            size_bytes += job.size_bytes
            taken.append(job)
            yield job

    def _serve_again(self, jobs: list[Job]) -> None:
        if not jobs:
            return
        try:
            values = self._commit(jobs, jobs)
        except _Trouble:
            raise
        except Exception:
            self._serve_alone(jobs)
        else:
            self._answer(jobs, values)

    def _serve_alone(self, jobs: list[Job]) -> None:
        for job in jobs:
            try:
                values = self._commit([job], [job])
            except _Trouble:
                raise
            except Exception as error:
                cause = error.error if isinstance(error, _FunctionFailed) else error
                told = self._session.explain(cause)
                if told is not cause:
                    told.__cause__ = cause
                values = [Failed(told)]
            self._answer([job], values)

    def _commit(self, jobs: Iterable[Job], taken: list[Job]) -> list[Any]:
        """Run functions in one transaction until it is durable; return their values.

        `jobs` is what to run first, `taken` what to run where that has to be
        repeated. Raises _Trouble, _FunctionFailed, or what the flush raised.
        """
        repeats = 0
        while True:
            self._number += 1
            values: list[Any] = []
            try:
                self._transaction(jobs, values)
            except Exception as error:
                cause = error.error if isinstance(error, _FunctionFailed) else error
                fault = self._session.fault(cause)
                self._session.rollback()
                if fault is Fault.FUNCTION:
                    raise
                repeats += 1
                if fault not in (Fault.REPEAT, Fault.CONNECTION) or repeats > _REPEATS:
                    raise _Trouble(_told(fault, cause)) from cause
                if fault is Fault.CONNECTION and self._is_durable_after_all(cause):
                    break
                jobs = taken
            else:
                break
        self.groups += 1
        return values

    def _transaction(self, jobs: Iterable[Job], values: list[Any]) -> None:
        session = self._session
        session.begin()
        tx = Tx(session, self.node)
        size_bytes = 0
        for position, job in enumerate(jobs):
            size_bytes += job.size_bytes
            try:
                values.append(job.function(tx))
            except Exception as error:
                raise _FunctionFailed(position, error) from error
        began = self._clock.monotonic()
        session.commit(tx.take_batches(), self._number, size_bytes)
        self.commit_seconds.observe(self._clock.monotonic() - began)
        self.group_sizes.observe(len(values))
        if tx.words:
            # A hint only: a group whose COMMIT nobody confirmed is found by those who poll.
            self.committed(tx.words)

    def _is_durable_after_all(self, cause: Exception) -> bool:
        """Connect again and tell whether the group was committed. Raises _Trouble where that takes too long."""
        waited, pause = 0.0, _FIRST_PAUSE
        trouble = _told(Fault.CONNECTION, cause)
        while True:
            try:
                self._connect_again()
                durable = self._session.has_committed(self._number)
            except Exception as error:
                # Only this group is in doubt: the others learn at once that they were not written.
                self.trouble = trouble
                if waited >= IN_DOUBT_SECONDS:
                    raise _Trouble(trouble) from error
                self._refuse_for(pause, trouble)
                waited, pause = waited + pause, min(pause * 2, _LONGEST_PAUSE)
            else:
                self.trouble = None
                return durable

    def _refuse_until_back(self, trouble: TryLater) -> None:
        """Refuse everything until a commit goes through again, or until the end."""
        _log.warning("the database cannot be written", reason=str(trouble))
        self.trouble = trouble
        pause = _FIRST_PAUSE
        while not self._stopping:
            self._refuse_for(pause, trouble)
            try:
                self._connect_again()
                self._session.probe()
            except Exception as error:
                _log.info("the database still cannot be written", reason=str(error))
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                self.trouble = None
                _log.info("the database can be written again")
                return

    def _refuse_for(self, seconds: float, trouble: TryLater) -> None:
        """Wait, and answer with `trouble` whoever came before seeing that there is some."""
        began = time.monotonic()
        self._refuse(list(self._large), trouble)
        self._large.clear()
        while not self._stopping and (left := began + seconds - time.monotonic()) > 0:
            try:
                job = self._queue.get(timeout=left)
            except queue.Empty:
                return
            if job is None:
                self._stopping = True
            elif isinstance(job, Aside):
                job.ended(None, trouble)
            else:
                self._refuse([job], trouble)

    def _connect_again(self) -> None:
        self._session.close(clean=False)
        self._session = self._connect()

    def _refuse(self, jobs: list[Job], trouble: TryLater) -> None:
        if jobs:
            self._answer(jobs, [Failed(trouble)] * len(jobs))

    def _answer(self, jobs: list[Job], values: list[Any]) -> None:
        for job in jobs:
            job.is_answered = True
        self._deliver(jobs, values)


def _nobody(words: dict[str, set[int]]) -> None:
    """Nobody asked."""


def _told(fault: Fault, cause: Exception) -> TryLater:
    text = str(cause).strip().split("\n")[0]
    if fault in (Fault.LOCKED, Fault.REPEAT):
        return StoreBusy(f"the database is locked by others: {text}")
    return StoreLost(f"the database cannot be written: {text}")
