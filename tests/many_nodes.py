"""Nodes of one installation: running servers that share a PostgreSQL database and a master key."""

import os
import signal
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from running_server import RunningServer

SECRET = "5" * 64


class Node(RunningServer):
    """A running server on a PostgreSQL database; the first one with `initialised` makes key and login."""

    def __init__(
        self, database_url: str, *, initialised: bool = False, vouched: Iterable[str] = (), **settings: str
    ) -> None:
        super().__init__(initialised=initialised, vouched=vouched, database_url=database_url, secret=SECRET, **settings)
        self._url = database_url

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Read the database; `?` are parameters."""
        with closing(psycopg.connect(self._url, autocommit=True)) as connection:
            return connection.execute(sql.replace("?", "%s").encode(), parameters or None).fetchall()

    def act(self, sql: str, *parameters: object) -> None:
        """Execute a statement."""
        with closing(psycopg.connect(self._url, autocommit=True)) as connection:
            connection.execute(sql.replace("?", "%s").encode(), parameters or None)


def pid_of(server: RunningServer) -> int:
    """Return the process id of a running server."""
    assert server._process is not None
    return server._process.pid


def helpers_of(server: RunningServer) -> list[int]:
    """Return the process ids of its helpers."""
    pid = pid_of(server)
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def kill(pid: int) -> None:
    """Kill -9 a process of ours, if it is still there."""
    # 0 and -1 would mean all the processes that we may kill.
    assert pid > 1
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
