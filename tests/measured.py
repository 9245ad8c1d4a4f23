"""What work costs a running server: the memory of its processes, and what small mails wait for meanwhile."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from many_nodes import helpers_of, pid_of
from peers.process import wait_until
from running_server import RunningServer

KEPT_MB = 30
"""What may stay beyond idle, in heaps that are not empty."""
_LOOKS = 20


@dataclass(frozen=True, slots=True)
class Measured:
    """What large mails cost that came together."""

    idle_mb: int
    most_mb: int
    delays: tuple[float, ...]
    """How much longer than before each small mail took meanwhile, in seconds, ascending."""

    @property
    def growth_mb(self) -> int:
        """What was used beyond idle. Idle itself depends on how many pages the helpers share."""
        return self.most_mb - self.idle_mb

    def delay(self, share: float) -> float:
        """Return the delay that this share of the small mails did not reach."""
        return self.delays[int(len(self.delays) * share)]

    def __str__(self) -> str:
        return (
            f"idle {self.idle_mb} MB, at most {self.most_mb} MB; a small mail is delayed by "
            f"{self.delay(0.5) * 1000:.0f} ms (median), {self.delay(0.99) * 1000:.0f} ms (p99), "
            f"{self.delays[-1] * 1000:.0f} ms (worst of {len(self.delays)})"
        )


def memory_mb(server: RunningServer) -> int:
    """Return what the server and its helpers use, shared pages divided."""
    total = 0
    for pid in (pid_of(server), *helpers_of(server)):
        told = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += next(int(line.split()[1]) for line in told.splitlines() if line.startswith("Pss:"))
    return total // 1024


def measure(server: RunningServer, send_small: Callable[[], float], is_working: Callable[[], bool],
            begin: Callable[[], None]) -> Measured:  # fmt: skip
    """Begin the work, send a small mail again and again until it is done, and return what it cost.

    `send_small` returns what it took in seconds. What the work took has to be given back soon after it.
    """
    usual = sorted(send_small() for _ in range(50))[25]
    server.wait_until_settled()
    idle = min(memory_mb(server) for _ in range(_LOOKS))
    most, delays = 0, []
    begin()
    while is_working():
        delays.append(send_small() - usual)
        most = max(most, memory_mb(server))
    measured = Measured(idle, most, tuple(sorted(delays)))
    print(measured)
    wait_until(lambda: memory_mb(server) < idle + KEPT_MB, f"memory is given back to {idle} MB", 30)
    return measured
