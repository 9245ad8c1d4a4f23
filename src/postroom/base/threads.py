"""Small thread pools with a bound on what waits. asyncio's default executor is never used."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from postroom.base.errors import TryLater

_T = TypeVar("_T")


class Threads:
    """`threads` threads for one kind of work."""

    def __init__(self, name: str, threads: int, *, waiting: int | None = None) -> None:
        """`waiting` is how many calls may wait for a thread; None means any number."""
        self._name = name
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._most = None if waiting is None else threads + waiting
        self._running = 0

    async def run(self, function: Callable[[], _T]) -> _T:
        """Return what `function` returns on a thread. Raises TryLater where too much waits already."""
        if self._most is not None and self._running >= self._most:
            raise TryLater(f"too much work waits for the {self._name} threads")
        self._running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, function)
        finally:
            self._running -= 1

    def close(self) -> None:
        """Wait for what is running and end the threads."""
        self._executor.shutdown(wait=True)
