"""Postroom beside Postfix + OpenDKIM, in turn, with one load and one kind of sink.

Time runs from the first connection until the sink has answered all mails and the
queue is empty. No ratio is printed unless the database commits with
`synchronous=FULL`.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.load import Generator
from bench.machine import BUSY_LIMIT, Memory, busy_seconds, cpu_seconds, description, foreign_load, tree
from bench.peers import SYNCHRONOUS_FULL, PostfixRelay, PostroomRelay, Relay, Sink
from bench.profile import report
from bench.verify import verify

MEMORY_LIMIT = 300 << 20
AIMS = {4096: 3.0, 51200: 2.0}


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one relay."""

    name: str
    count: int
    foreign_before: float
    foreign_during: float
    seconds: float
    accept_seconds: float
    cpu_seconds: float
    by_process: tuple[float, ...]
    load_cpu_seconds: float
    sink_cpu_seconds: float
    wait_p50_ms: float
    wait_p99_ms: float
    rss_bytes: int
    pss_bytes: int
    processes: int
    waiting_at_accepted: int
    """Mails that the sink had not answered yet when the load had its last answer."""

    @property
    def rate(self) -> float:
        """Mails a second."""
        return self.count / self.seconds

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds a mail of the relay's processes."""
        return self.cpu_seconds * 1000 / self.count

    @property
    def is_disturbed(self) -> bool:
        """Tell whether others used more than BUSY_LIMIT of a core when it began or while it ran."""
        return self.foreign_before > BUSY_LIMIT or self.foreign_during > BUSY_LIMIT

    def line(self) -> str:
        """Return the run in one line."""
        parts = ", ".join(f"{seconds * 1000 / self.count:.2f}" for seconds in self.by_process[:3])
        each = 1000 / self.count
        return (
            f"  {self.name:17} {self.rate:7.1f} msg/s  {self.seconds:6.2f} s (accepted in {self.accept_seconds:.2f} s, "
            f"{self.waiting_at_accepted} waiting then, "
            f"answer p50 {self.wait_p50_ms:.0f} p99 {self.wait_p99_ms:.0f} ms)"
            f"  CPU {self.cpu_ms:.2f} ms a mail [{parts}]"
            f"  load {self.load_cpu_seconds * each:.3f} sink {self.sink_cpu_seconds * each:.3f}"
            f"  RSS {self.rss_bytes >> 20} PSS {self.pss_bytes >> 20} MiB in {self.processes}"
            f"  others {self.foreign_before:.2f} before, {self.foreign_during:.2f} during"
            + ("  DISTURBED" if self.is_disturbed else "")
        )


class Numbers:
    """Numbers of mails, so that no two mails of a whole benchmark are the same."""

    def __init__(self) -> None:
        self._next = 1

    def take(self, count: int) -> int:
        """Return the first of `count` new numbers."""
        first, self._next = self._next, self._next + count
        return first


def run_once(relay: Relay, sink: Sink, count: int, size: int, first: int, *, lockstep: bool = False,
             wait_seconds: float = 30.0, limit_seconds: float = 300.0) -> Run:  # fmt: skip
    """Send `count` mails through a relay and measure."""
    load = Generator(relay.port, count, size, first=first, login=relay.login, lockstep=lockstep)
    foreign = foreign_load(wait_seconds)
    base = sink.count()
    roots = relay.roots()
    before = {pid: process.cpu_seconds for pid, process in tree(roots).items()}
    cpu, sink_cpu, busy = sum(before.values()), cpu_seconds([sink.process.pid]), busy_seconds()
    own_began = time.process_time()
    outcome: list[dict[str, float]] = []
    reading = threading.Thread(target=lambda: outcome.append(load.result()), daemon=True)
    waiting_at_accepted = None
    with Memory(roots) as memory:
        began = time.monotonic()
        load.go()
        reading.start()
        while (answered := sink.count() - base) < count:
            if waiting_at_accepted is None and outcome:
                waiting_at_accepted = count - answered
            if time.monotonic() - began > limit_seconds or (not reading.is_alive() and not outcome):
                load.process.kill()
                raise RuntimeError(f"{relay.name}: the sink has {sink.count() - base} of {count} mails")
            time.sleep(0.01)
        while relay.queue_length():
            time.sleep(0.005)
        seconds = time.monotonic() - began
        reading.join(30)
    after = {pid: process.cpu_seconds for pid, process in tree(roots).items()}
    said = outcome[0]
    used = sum(after.values()) - cpu
    sink_used = cpu_seconds([sink.process.pid]) - sink_cpu
    harness = time.process_time() - own_began
    others = busy_seconds() - busy - used - sink_used - said["cpu_seconds"] - harness
    return Run(
        relay.name, count, foreign, max(0.0, others / seconds), seconds, said["seconds"], used,
        tuple(after[pid] - before.get(pid, 0.0) for pid in sorted(after)), said["cpu_seconds"], sink_used,
        said["wait_p50_ms"], said["wait_p99_ms"], memory.rss_bytes, memory.pss_bytes, memory.processes,
        waiting_at_accepted or 0,
    )  # fmt: skip


def counted(runs: Sequence[Run]) -> list[Run]:
    """Return the undisturbed runs where there are at least two, else all, by rate."""
    clean = [run for run in runs if not run.is_disturbed]
    return sorted(clean if len(clean) >= 2 else runs, key=lambda run: run.rate)


def median_rate(runs: Sequence[Run]) -> float:
    """Return the median of mails a second."""
    return statistics.median(run.rate for run in counted(runs))


def median_cpu_ms(runs: Sequence[Run]) -> float:
    """Return the median of CPU milliseconds a mail."""
    return statistics.median(run.cpu_ms for run in counted(runs))


def compare(size: int, count: int, runs: int, said: argparse.Namespace, numbers: Numbers) -> bool:
    """Run both in turn, print runs, medians and the ratio; tell whether all went as it should."""
    folder = Path(tempfile.mkdtemp(prefix="postroom-bench-sinks-"))
    folder.chmod(0o755)
    made: list[Relay] = []
    sinks: list[Sink] = []
    measured: dict[str, list[Run]] = {}
    try:
        if not said.only or said.only == "postfix":
            sinks.append(Sink(folder))
            made.append(PostfixRelay(sinks[-1].port))
        if not said.only or said.only == "postroom":
            sinks.append(Sink(folder))
            made.append(
                PostroomRelay(sinks[-1].port, ed25519=said.ed25519, settings=_settings(said), profile=said.samples)
            )
        print(f"\n{size} bytes, 8 links, {count} distinct mails, 40 sessions{' in lockstep' if said.lockstep else ''}")
        for relay, sink in zip(made, sinks, strict=True):
            run_once(
                relay, sink, max(200, count // 10), size, numbers.take(count), lockstep=said.lockstep, wait_seconds=0
            )
        for turn in range(runs):
            for relay, sink in zip(made, sinks, strict=True):
                few = max(300, count // 3) if relay.name != "postroom" else count
                run = _quiet_run(relay, sink, few, size, numbers, said)
                measured.setdefault(relay.name, []).append(run)
                print(run.line(), flush=True)
            del turn
        verdicts = [] if said.no_verify else [verify(relay, numbers.take(100), size) for relay in made]
        for verdict in verdicts:
            print(f"  {verdict}", flush=True)
        return _conclude(size, measured, made, bool(verdicts))
    finally:
        for relay in made:
            relay.close()  # type: ignore[attr-defined]
        for sink in sinks:
            sink.close()
        shutil.rmtree(folder, ignore_errors=True)


def _quiet_run(relay: Relay, sink: Sink, count: int, size: int, numbers: Numbers, said: argparse.Namespace) -> Run:
    run = run_once(relay, sink, count, size, numbers.take(count), lockstep=said.lockstep, wait_seconds=said.wait)
    for _ in range(said.repeat):
        if not run.is_disturbed:
            break
        print(run.line() + ", repeated", flush=True)
        run = run_once(relay, sink, count, size, numbers.take(count), lockstep=said.lockstep, wait_seconds=said.wait)
    return run


def _settings(said: argparse.Namespace) -> dict[str, str]:
    settings = {}
    for pair in said.set:
        key, _, value = pair.partition("=")
        settings[key] = value
    return settings


def _conclude(size: int, measured: dict[str, list[Run]], made: Sequence[Relay], verified: bool) -> bool:
    ours = measured.get(PostroomRelay.name)
    theirs = measured.get(PostfixRelay.name)
    fine = True
    if ours:
        middle = counted(ours)[len(counted(ours)) // 2]
        peak = max(run.pss_bytes for run in ours)
        fine = peak <= MEMORY_LIMIT
        owner, *helpers = middle.by_process
        print(
            f"  postroom: {median_rate(ours):.0f} msg/s, CPU ms a mail: owner {owner * 1000 / middle.count:.2f}, "
            f"helpers {sum(helpers) * 1000 / middle.count:.2f}; peak PSS {peak >> 20} MiB, "
            f"sum of RSS {max(run.rss_bytes for run in ours) >> 20} MiB "
            f"({'within' if fine else 'ABOVE'} {MEMORY_LIMIT >> 20} MiB)"
        )
    if not (ours and theirs):
        return fine
    relay = next(one for one in made if isinstance(one, PostroomRelay))
    if relay.synchronous != SYNCHRONOUS_FULL:
        print(f"  no ratio: PRAGMA synchronous is {relay.synchronous}, not FULL ({SYNCHRONOUS_FULL})")
        return False
    mine, peer = median_rate(ours), median_rate(theirs)
    mine_cpu, peer_cpu = median_cpu_ms(ours), median_cpu_ms(theirs)
    ratio, aim = mine / peer, AIMS.get(size)
    disturbed = sum(run.is_disturbed for run in [*ours, *theirs])
    print(
        f"  RATIO at {size} bytes: {mine:.0f} / {peer:.0f} msg/s = {ratio:.2f}"
        + (f" (aim {aim:.0f})" if aim else "")
        + f"; CPU a mail {peer_cpu:.2f} / {mine_cpu:.2f} ms = {peer_cpu / mine_cpu:.2f}"
        + (f"; {disturbed} of {len(ours) + len(theirs)} runs disturbed by others" if disturbed else "")
        + ("" if verified else "; copies not verified")
    )
    return fine and (aim is None or ratio >= aim)


def main(arguments: Sequence[str], *, quick: bool = False) -> bool:
    """Run the comparison; tell whether the aims are met."""
    parser = argparse.ArgumentParser(prog="bench relay", description=__doc__)
    parser.add_argument("--quick", action="store_true", default=quick, help="smaller numbers")
    parser.add_argument("--only", choices=("postfix", "postroom"))
    parser.add_argument("--size", type=int, action="append", help="bytes; 4096 and 51200 without it")
    parser.add_argument("--count", type=int, help="mails a run of Postroom; a third for Postfix")
    parser.add_argument("--runs", type=int)
    parser.add_argument("--lockstep", action="store_true", help="the load waits for every answer (smtp-source does)")
    parser.add_argument("--ed25519", action="store_true", help="sign with Ed25519 too")
    parser.add_argument("--set", action="append", default=[], metavar="POSTROOM_X=Y", help="a setting of Postroom")
    parser.add_argument("--wait", type=float, default=30.0, help="seconds to wait for a quiet machine before a run")
    parser.add_argument("--repeat", type=int, default=1, help="how often a disturbed run is repeated")
    parser.add_argument("--no-verify", action="store_true", help="skip the check of delivered copies")
    parser.add_argument("--profile", action="store_true", help="sample where Postroom's CPU time goes")
    said = parser.parse_args(arguments)
    said.samples = None
    count = said.count or (1200 if said.quick else 5000)
    runs = said.runs or (1 if said.profile or said.quick else 3)
    numbers = Numbers()
    print(description())
    if said.profile:
        said.only, said.no_verify = "postroom", True
        for size in said.size or [4096]:
            with tempfile.TemporaryDirectory() as name:
                said.samples = Path(name)
                compare(size, count, runs, said, numbers)
                print(report(said.samples, count * runs + max(200, count // 10)))
        return True
    results = [
        compare(size, count if size < 20_000 else count // 2, runs, said, numbers)
        for size in said.size or [4096, 51200]
    ]
    return all(results)


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1:]) else 1)
