"""What the writer's thread is given to do, and the connection that it does it on."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from postroom.store.faults import Fault
from postroom.store.transaction import Batch, Tx, WriteSession


class Session(WriteSession, Protocol):
    """A writer's connection as the group drives it; one implementation an engine."""

    def begin(self) -> None: ...

    def commit(self, batches: Sequence[Batch], number: int, size_bytes: int) -> None: ...

    def tidy(self) -> None: ...

    def rollback(self) -> None: ...

    def probe(self) -> None: ...

    def has_committed(self, number: int) -> bool: ...

    def fault(self, error: Exception) -> Fault: ...

    def explain(self, error: Exception) -> Exception: ...

    def copy_to(self, path: Path, between: Callable[[int, int], None]) -> None: ...

    def checkpoint(self) -> bool: ...

    def compact(self) -> None: ...

    def close(self, *, clean: bool) -> None: ...


@dataclass(slots=True, eq=False)
class Aside:
    """Work on the writer's connection outside of transactions, in short steps."""

    work: Callable[[Session, Callable[[], None]], Any]
    """Given the session, and what it calls after each step: then a group that waits is served."""
    ended: Callable[[Any, Exception | None], None]
    """Called in the writer's thread with its value, or with why it did not come to its end."""


@dataclass(slots=True, eq=False)
class Job:
    """A function that waits, and who waits for it."""

    function: Callable[[Tx], Any]
    future: asyncio.Future[Any]
    size_bytes: int
    is_answered: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """What is delivered in place of a function's value."""

    error: Exception
