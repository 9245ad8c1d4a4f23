"""Samples where this Python process spends CPU time, from its start to its end: for `bench relay --profile`.

A timer of the process's CPU time interrupts the main thread every millisecond
of it; what every thread has used since the last look is put at the stack where
it is found. Between two looks at a thread only bytecodes can be told apart: what
C code costs stands at the Python function that comes right behind it, so the
times "with what it calls" are exact and the own times of small functions are not.
Written as JSON into the folder BENCH_SAMPLES when the process ends.
"""

import atexit
import collections
import json
import os
import signal
import sys
import threading
import time

_PAUSE = 0.001
_DEPTH = 40


def _sample(folder: str) -> None:
    stacks: collections.Counter[tuple[str, tuple[str, ...]]] = collections.Counter()
    last: dict[int, float] = {}
    names: dict[object, str] = {}
    main = threading.get_ident()

    def label(code: object) -> str:
        known = names.get(code)
        if known is None:
            path = code.co_filename  # type: ignore[attr-defined]
            for mark in ("/src/", "/site-packages/", "/lib/python3.11/"):
                path = path.rpartition(mark)[2]
            known = names[code] = f"{path}:{code.co_qualname}"  # type: ignore[attr-defined]
        return known

    def look(_: int, interrupted: object) -> None:
        frames = sys._current_frames()
        for thread in threading.enumerate():
            ident = thread.ident
            frame = interrupted if ident == main else frames.get(ident or 0)
            if frame is None or ident is None:
                continue
            try:
                now = time.clock_gettime(time.pthread_getcpuclockid(ident))
            except OSError:
                continue
            used = now - last.get(ident, 0.0)
            last[ident] = now
            if used <= 0:
                continue
            stack = []
            while frame is not None and len(stack) < _DEPTH:
                stack.append(label(frame.f_code))  # type: ignore[attr-defined]
                frame = frame.f_back  # type: ignore[attr-defined]
            stacks[thread.name.rstrip("0123456789_-"), tuple(stack)] += used

    def write() -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        said = {
            "argv": sys.orig_argv,
            "pid": os.getpid(),
            "cpu_seconds": time.process_time(),
            "stacks": [[name, list(stack), used] for (name, stack), used in stacks.items()],
        }
        with open(f"{folder}/samples-{os.getpid()}.json", "w") as file:
            json.dump(said, file)

    signal.signal(signal.SIGPROF, look)
    signal.siginterrupt(signal.SIGPROF, False)
    signal.setitimer(signal.ITIMER_PROF, _PAUSE, _PAUSE)
    atexit.register(write)


if _folder := os.environ.get("BENCH_SAMPLES"):
    _sample(_folder)
