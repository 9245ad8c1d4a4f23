"""What the machine and a process tree did: CPU time, memory, and how busy others were. From /proc."""

import contextlib
import os
import platform
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGESIZE")
BUSY_LIMIT = 0.5
"""Cores that others may use when a run starts."""


class Process(NamedTuple):
    """One process now."""

    parent: int
    cpu_seconds: float
    """Of itself and of its children that have ended."""
    rss_bytes: int


def processes() -> dict[int, Process]:
    """Return all processes by pid."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                text = Path(f"/proc/{name}/stat").read_text()
                fields = text[text.rindex(")") + 2 :].split()
                cpu = sum(map(int, fields[11:15])) / _TICK
                found[int(name)] = Process(int(fields[1]), cpu, int(fields[21]) * _PAGE)
    return found


def tree(roots: Iterable[int]) -> dict[int, Process]:
    """Return the processes `roots` and all below them."""
    everything = processes()
    children: dict[int, list[int]] = {}
    for pid, process in everything.items():
        children.setdefault(process.parent, []).append(pid)
    found: dict[int, Process] = {}
    waiting = [pid for pid in roots if pid in everything]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found[pid] = everything[pid]
            waiting += children.get(pid, [])
    return found


def cpu_seconds(roots: Iterable[int]) -> float:
    """Return the CPU time of process trees."""
    return sum(process.cpu_seconds for process in tree(roots).values())


def busy_seconds() -> float:
    """Return how long the machine's cores have computed, all together; time stolen by other guests is in it."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / _TICK


def foreign_load(wait_seconds: float = 30.0) -> float:
    """Return how many cores others use now, after waiting for less than BUSY_LIMIT. Our peers idle meanwhile."""
    end = time.monotonic() + wait_seconds
    while True:
        before, began = busy_seconds(), time.monotonic()
        time.sleep(1.0)
        load = (busy_seconds() - before) / (time.monotonic() - began)
        if load < BUSY_LIMIT or time.monotonic() > end:
            return load


class Memory(threading.Thread):
    """Samples the memory of a process tree: the sum of RSS four times a second, PSS every second."""

    def __init__(self, roots: Iterable[int]) -> None:
        super().__init__(daemon=True)
        self._roots = list(roots)
        self._ended = threading.Event()
        self.rss_bytes = 0
        self.pss_bytes = 0
        self.processes = 0

    def __enter__(self) -> "Memory":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()
        self._sample_pss()

    def run(self) -> None:
        turn = 0
        while not self._ended.wait(0.25):
            now = tree(self._roots)
            self.rss_bytes = max(self.rss_bytes, sum(process.rss_bytes for process in now.values()))
            self.processes = max(self.processes, len(now))
            if turn % 4 == 3:
                self._sample_pss()
            turn += 1

    def _sample_pss(self) -> None:
        total = 0
        for pid in tree(self._roots):
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1]) * 1024
        self.pss_bytes = max(self.pss_bytes, total)


def description() -> str:
    """Return one line about this machine and today."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 2**20
    return (
        f"{time.strftime('%Y-%m-%d %H:%M %Z')}, {os.cpu_count()} cores {model}, {memory:.0f} GiB, "
        f"Linux {platform.release()}, Python {platform.python_version()}"
    )
