"""Pixel and click hits a second, recorded, with the serving process pinned to one core, and none lost at kill -9.

    python -m bench.hits                 the benchmark
    python -m bench.hits serve FOLDER    only the door, on FOLDER/postroom.db; prints its port

The door (uvicorn, httptools, uvloop, raw ASGI), its ingest and SQLite's writer
run in one process on core 0. `wrk` runs on core 1 and asks for pixels and
links of RECIPIENTS recipients in random order. Then everything is killed with
kill -9 while it is asked, started again on the same folder, and the hits that
wrk had an answer for are compared with those in the database.
"""

import argparse
import asyncio
import contextlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import structlog
import uvloop

from bench.tracked_mail import HOST, KEYS, add_mail, add_workspace
from postroom.base.clock import SystemClock
from postroom.base.ids import IdSource, first_id_at
from postroom.base.tokens import TokenKind
from postroom.doors.http.public import PublicDoor
from postroom.doors.http.server import serve_http
from postroom.store.database import open_database
from postroom.tracking.hosts import Hosts
from postroom.tracking.ingest import Ingest
from postroom.tracking.links import Links
from postroom.tracking.spool import Spool

ROOT = Path(__file__).parents[1]
RECIPIENTS = 20_000
FIRST_RECIPIENT = first_id_at(1_767_225_600_000)
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"


async def serve(folder: Path) -> None:
    """Answer tracking addresses until SIGTERM; the first line on standard output is the port."""
    clock = SystemClock()
    database = await open_database(f"sqlite:///{folder}/postroom.db", clock=clock)
    ids = IdSource(0, clock)
    spool = Spool(folder / "spool", clock)
    ingest = Ingest(spool, database, ids, clock)
    carrying = asyncio.create_task(ingest.run())
    door = PublicDoor(
        keys=KEYS,
        hosts=Hosts([HOST, "127.0.0.1"]),
        spool=spool,
        links=Links(database, clock),
        database=database,
        ids=ids,
        clock=clock,
    )
    listener = await serve_http(door, "127.0.0.1", 0)
    print(listener.port, flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await listener.stop(2)
    carrying.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await carrying
    await ingest.carry_all()
    spool.close()
    await database.close()


async def fill(folder: Path) -> None:
    """Store a delivered mail to RECIPIENTS recipients."""
    database = await open_database(f"sqlite:///{folder}/postroom.db", clock=SystemClock())
    await add_workspace(database)
    for start in range(0, RECIPIENTS, 500):
        await add_mail(
            database, range(FIRST_RECIPIENT + start, FIRST_RECIPIENT + start + 500), message_id=1_000 + start
        )
    await database.close()


def paths(kind: TokenKind) -> Iterator[str]:
    """Return the public addresses of all recipients: the pixel, or the link at position 1."""
    for recipient_id in range(FIRST_RECIPIENT, FIRST_RECIPIENT + RECIPIENTS):
        if kind is TokenKind.OPEN:
            yield f"/o/{KEYS.url_text(kind, 1, recipient_id)}.png"
        else:
            yield f"/c/{KEYS.url_text(kind, 1, recipient_id, 1)}"


LUA = """
local paths = {}
for line in io.lines("%s") do paths[#paths + 1] = line end
math.randomseed(%d)
wrk.headers["Host"] = "%s"
wrk.headers["User-Agent"] = "%s"
wrk.headers["Accept"] = "image/avif,image/webp,image/apng,*/*;q=0.8"
wrk.headers["Accept-Encoding"] = "gzip, deflate, br"
wrk.headers["Accept-Language"] = "en-GB,en;q=0.9"
request = function() return wrk.format("GET", paths[math.random(#paths)]) end
"""


class Door:
    """The serving process, pinned to core 0."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "bench.hits", "serve", str(folder)]
        pinned = ["taskset", "-c", "0", *command] if shutil.which("taskset") else command
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}/src:{ROOT}"}
        self.process = subprocess.Popen(pinned, stdout=subprocess.PIPE, cwd=ROOT, env=environment, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def cpu_seconds(self) -> float:
        """Return the CPU time that the process has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self, how: signal.Signals) -> None:
        """Send a signal and wait for the end."""
        self.process.send_signal(how)
        self.process.wait(60)


def wrk(folder: Path, port: int, kind: TokenKind, seconds: float) -> subprocess.Popen[str]:
    """Start to ask for addresses of one kind, from core 1."""
    script = folder / f"{kind.name}.lua"
    script.write_text(LUA % (folder / f"{kind.name}.txt", time.time_ns() % 1_000_000, HOST, CHROME))
    command = ["wrk", "-t1", "-c64", f"-d{max(1, round(seconds))}s", "--latency", "-s", str(script), f"http://127.0.0.1:{port}/"]
    pinned = ["taskset", "-c", "1", *command] if shutil.which("taskset") else command
    return subprocess.Popen(pinned, stdout=subprocess.PIPE, text=True)


def answered(report: str) -> int:
    """Return how many answers a report of wrk counts."""
    found = re.search(r"(\d+) requests in", report)
    return int(found[1]) if found else 0


def recorded(folder: Path) -> dict[str, int]:
    """Return what the database holds."""
    with contextlib.closing(sqlite3.connect(f"file:{folder}/postroom.db?mode=ro", uri=True)) as connection:
        one = lambda sql: connection.execute(sql).fetchone()[0] or 0  # noqa: E731
        return {
            "hits": one("SELECT COUNT(*) FROM hit"),
            "events": one("SELECT COUNT(*) FROM event"),
            "counted": one("SELECT SUM(opens_total + clicks_total) FROM counter WHERE dimension = 'total'"),
        }


def settle(folder: Path, process: subprocess.Popen[str]) -> float:
    """Wait until the spool is empty; return how long that took."""
    started = time.monotonic()
    while any((folder / "spool").glob("*.hits")) and process.poll() is None and time.monotonic() - started < 120:
        time.sleep(0.05)
    return time.monotonic() - started


def measure(folder: Path, kind: TokenKind, seconds: float) -> None:
    """Print hits a second of one kind."""
    door = Door(folder)
    before, cpu = recorded(folder)["hits"], door.cpu_seconds()
    report = wrk(folder, door.port, kind, seconds).communicate()[0]
    cpu = door.cpu_seconds() - cpu
    lag = settle(folder, door.process)
    total = recorded(folder)["hits"] - before
    door.end(signal.SIGTERM)
    p50, p99 = (re.search(rf"{part}%\s+(\S+)", report) for part in (50, 99))
    print(
        f"{kind.name.lower():6} {answered(report) / seconds:8,.0f} answered/s  {total / (seconds + lag):8,.0f} recorded/s  "
        f"p50 {p50[1] if p50 else '?'}  p99 {p99[1] if p99 else '?'}  door {cpu / seconds:.0%} of the core, {cpu / max(1, answered(report)) * 1e6:.0f} µs a hit  "
        f"spool empty {lag:.1f} s after the last answer; answered {answered(report):,}, recorded {total:,}"
    )


def kill(folder: Path, seconds: float) -> None:
    """Kill the door while it is asked, start it again and compare."""
    before = recorded(folder)["hits"]
    door = Door(folder)
    load = wrk(folder, door.port, TokenKind.OPEN, seconds)
    time.sleep(seconds * 0.7)
    door.end(signal.SIGKILL)
    got = answered(load.communicate()[0])
    spooled = sum(path.stat().st_size for path in (folder / "spool").glob("*.hits"))
    at_kill = recorded(folder)["hits"] - before
    door = Door(folder)
    settle(folder, door.process)
    door.end(signal.SIGTERM)
    found = recorded(folder)
    total = found["hits"] - before
    print(
        f"kill -9: answered {got:,}, in the database then {at_kill:,}, in the spool {spooled / 1e6:.1f} MB; "
        f"recorded after the start {total:,}; lost {max(0, got - total)}"
    )
    print(f"hits {found['hits']:,} = events {found['events']:,} = counted {found['counted']:,}")
    if total < got or not found["hits"] == found["events"] == found["counted"]:
        sys.exit("FAILED: hits were lost or counted twice")


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", nargs="?", choices=("all", "serve"), default="all")
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    if arguments.command == "serve":
        sys.setswitchinterval(0.0005)
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(arguments.folder))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in (TokenKind.OPEN, TokenKind.CLICK):
            (folder / f"{kind.name}.txt").write_text("\n".join(paths(kind)) + "\n")
        asyncio.run(fill(folder))
        measure(folder, TokenKind.OPEN, arguments.seconds)
        measure(folder, TokenKind.CLICK, arguments.seconds)
        kill(folder, arguments.seconds / 2)


if __name__ == "__main__":
    main()
