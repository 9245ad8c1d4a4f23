"""A bar for long work, on a terminal only; programs that read the output see nothing of it."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as Bar
from rich.status import Status


def status(what: str) -> Status:
    """Show what is being done, while its block lasts, of work whose end nobody knows."""
    return Console(stderr=True).status(what)


class Progress:
    """Shows what is being done while its block lasts."""

    def __init__(self, *, of_bytes: bool = True) -> None:
        """`of_bytes`: what is done is counted in bytes, else in pieces."""
        console = Console(stderr=True)
        amount = DownloadColumn() if of_bytes else MofNCompleteColumn()
        columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeElapsedColumn())
        self._bar = Bar(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task: TaskID | None = None
        self._what = ""

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def told(self, what: str, done: int, whole: int) -> None:
        """Show that so much of `whole` is done; 0: nobody knows how much there is."""
        if self._task is None or what != self._what:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task, self._what = self._bar.add_task(what, total=whole or None), what
        self._bar.update(self._task, completed=done, total=whole or None)
