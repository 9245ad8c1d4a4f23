"""Nodes of a stress run: real `postroom serve` processes, each with a temporary data folder of its own."""

import asyncio
import os
import re
import resource
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from postroom.base.errors import PostroomError

_READY = re.compile(rb"Postroom is ready\. API: http://127\.0\.0\.1:(\d+)/")
_READY_SECONDS = 120.0
_STOP_SECONDS = 60.0
_LOOK_SECONDS = 0.1


class NodeFailed(PostroomError):
    """A node did not start."""


class Node:
    """One process from `start` to `stop` or `kill`."""

    def __init__(
        self, name: str, folder: Path, settings: Mapping[str, str], environment: Mapping[str, str] | None = None
    ) -> None:
        """`settings` are POSTROOM_* without that prefix, in small letters; `environment` is handed on beside them."""
        self.name = name
        self.data = folder / name
        self.log_path = folder / f"{name}.log"
        self.port = 0
        """Of its HTTP listener, once it is ready."""
        self.was_ended = False
        self._settings = {"data": str(self.data), **settings}
        self._environment = environment or {}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Its process id; 0 where it was never started."""
        return self._process.pid if self._process is not None else 0

    @property
    def is_running(self) -> bool:
        """Tell whether its process is there."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it and return when it serves. Raises NodeFailed."""
        # The operator's own settings are not meant for it: nothing of the environment is handed on.
        settings = {f"POSTROOM_{name.upper()}": value for name, value in self._settings.items()}
        environment = {**self._environment, **settings}
        environment["PYTHONPATH"] = os.pathsep.join(one for one in sys.path if one)
        with self.log_path.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "postroom", "serve",
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd=self.log_path.parent,
            )  # fmt: skip
        try:
            await asyncio.wait_for(self._ready(), _READY_SECONDS)
        except TimeoutError as error:
            raise NodeFailed(f"{self.name} does not get ready: {self.last_lines()}") from error

    async def stop(self) -> None:
        """End it cleanly (SIGTERM); kill it where that takes too long."""
        self.was_ended = True
        if self._process is None or not self.is_running:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """Kill it (SIGKILL)."""
        self.was_ended = True
        if self._process is not None and self.is_running:
            self._process.kill()
            await self._process.wait()

    def memory_kb(self) -> int:
        """Return its resident memory; 0 where nobody can say."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return 0
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        return int(found[1]) if found else 0

    def descriptors(self) -> int:
        """Return how many files and sockets it has open; 0 where nobody can say."""
        try:
            return len(os.listdir(f"/proc/{self.pid}/fd"))
        except OSError:
            return 0

    def last_lines(self, count: int = 5) -> str:
        """Return the end of its log."""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-count:])

    def error_lines(self) -> list[str]:
        """Return the lines of its log that tell of an error."""
        lines = self.log_path.read_text(errors="replace").splitlines()
        return [line for line in lines if '"level": "error"' in line or '"level":"error"' in line]

    async def _ready(self) -> None:
        while True:
            found = _READY.search(self.log_path.read_bytes())
            if found:
                self.port = int(found[1])
                return
            if not self.is_running:
                raise NodeFailed(f"{self.name} has ended: {self.last_lines()}")
            await asyncio.sleep(_LOOK_SECONDS)


def allow_many_files() -> None:
    """Let this process, and those that it starts, open as many files as the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
