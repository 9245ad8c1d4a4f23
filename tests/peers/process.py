"""Small things that every peer process needs: a free port, a wait for a port, running a program to its end."""

import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


class PeerFailed(Exception):
    """A peer did not start, stop or answer; the text says what it printed."""


def free_port() -> int:
    """Return a loopback port that nobody listens on now.

    For programs that cannot be told to choose one. Another process may take it
    in between: whoever uses this tries again with a new port.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def run(command: Sequence[str | Path], *, input: bytes | None = None, cwd: Path | None = None,
        environment: Mapping[str, str] | None = None, timeout: float = 60) -> str:  # fmt: skip
    """Run a program to its end and return what it printed; raise PeerFailed when it fails."""
    done = subprocess.run(
        [str(word) for word in command],
        input=input,
        cwd=cwd,
        env=environment,
        timeout=timeout,
        stdin=subprocess.DEVNULL if input is None else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    printed = done.stdout.decode(errors="replace")
    if done.returncode:
        raise PeerFailed(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{printed}")
    return printed


def wait_until(claim: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Return when `claim` holds; raise PeerFailed naming `what` after `seconds`."""
    end = time.monotonic() + seconds
    pause = 0.005
    while not claim():
        if time.monotonic() > end:
            raise PeerFailed(f"waited {seconds} s in vain until {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def listens(port: int, host: str = "127.0.0.1") -> bool:
    """Tell whether something accepts connections there."""
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True
