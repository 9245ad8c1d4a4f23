"""Pixel and click hits a second, recorded, with the serving process pinned to one core, and none lost at kill -9.

    python -m bench.hits                 the benchmark
    python -m bench.hits serve FOLDER    only the door, on FOLDER/postroom.db; prints its port
    python -m bench.hits bare FOLDER     the same server with an application that only answers; prints its port

Figures of a busy machine say little: the ratio is to the bare server, measured
in the same run before and after.

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
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import structlog
import uvloop

from bench.tracked_mail import HOST, KEYS, add_mail, add_workspace
from postroom.base.clock import SystemClock
from postroom.base.collector import calm_collector
from postroom.base.ids import IdSource, first_id_at
from postroom.base.tokens import TokenKind
from postroom.doors.http.public import PublicDoor
from postroom.doors.http.server import serve_http
from postroom.doors.http.tracked import PIXEL
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
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    listener = await serve_http(door, "127.0.0.1", 0, at_once=door.at_once)
    # Who reads the port may stop us at once.
    print(listener.port, flush=True)
    await stop.wait()
    await listener.stop(2)
    carrying.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await carrying
    await ingest.carry_all()
    spool.close()
    await database.close()


async def serve_bare() -> None:
    """Answer every request with a pixel by the two messages of ASGI, record nothing: the reference."""
    fields = [(b"content-type", b"image/png"), (b"content-length", b"68"), (b"cache-control", b"no-store")]

    async def bare(scope: object, receive: object, send: Callable[[dict[str, object]], Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": PIXEL})

    listener = await serve_http(bare, "127.0.0.1", 0)  # type: ignore[arg-type]
    print(listener.port, flush=True)
    await listener.wait()


async def fill(folder: Path, recipients: int = RECIPIENTS) -> None:
    """Store delivered mails to `recipients` recipients, a multiple of 500."""
    database = await open_database(f"sqlite:///{folder}/postroom.db", clock=SystemClock())
    await add_workspace(database)
    for start in range(0, recipients, 500):
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


def both() -> Iterator[str]:
    """Return pixels, and a link for every fourth: readers open more than they click."""
    yield from paths(TokenKind.OPEN)
    yield from list(paths(TokenKind.CLICK))[::4]


ASKED: dict[str, Callable[[], Iterator[str]]] = {
    "both": both,
    "opens": lambda: paths(TokenKind.OPEN),
    "clicks": lambda: paths(TokenKind.CLICK),
}


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

    def __init__(self, folder: Path, what: str = "serve") -> None:
        command = [sys.executable, "-m", "bench.hits", what, str(folder)]
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
        if self.process.stdout is not None:
            self.process.stdout.close()


def wrk(folder: Path, port: int, asked: str, seconds: int) -> subprocess.Popen[str]:
    """Start to ask for addresses of one of ASKED, from core 1."""
    script = folder / f"{asked}.lua"
    script.write_text(LUA % (folder / f"{asked}.txt", time.time_ns() % 1_000_000, HOST, CHROME))
    command = ["wrk", "-t1", "-c64", f"-d{seconds}s", "--latency", "-s", str(script), f"http://127.0.0.1:{port}/"]
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


class Figures(NamedTuple):
    """What one measurement brought."""

    answered: float
    """Answers a second."""
    recorded: float
    """Hits a second in the database, over the time until the last was there."""
    cpu_us: float
    """CPU time of the serving process a hit, in microseconds: less shaken by what else the machine does."""


def measure(folder: Path, asked: str, seconds: int, what: str = "serve") -> Figures:
    """Ask for addresses of one of ASKED and print what came of it."""
    door = Door(folder, what)
    before, cpu = recorded(folder)["hits"], door.cpu_seconds()
    report = wrk(folder, door.port, asked, seconds).communicate()[0]
    lag = settle(folder, door.process)
    cpu = door.cpu_seconds() - cpu
    total = recorded(folder)["hits"] - before
    door.end(signal.SIGTERM)
    got = answered(report)
    figures = Figures(got / seconds, total / (seconds + lag), cpu / max(1, got) * 1e6)
    p50, p99 = (found[1] if (found := re.search(rf"{part}%\s+(\S+)", report)) else "?" for part in (50, 99))
    name = "bare" if what == "bare" else asked
    print(
        f"{name:6} {figures.answered:7,.0f} answered/s  {figures.recorded:7,.0f} recorded/s  p50 {p50}  p99 {p99}  "
        f"{figures.cpu_us:.0f} µs CPU a hit; answered {got:,}, recorded {total:,}, {lag:.1f} s after the last answer"
    )
    return figures


def kill(folder: Path, seconds: int) -> None:
    """Kill the door while it is asked, start it again and compare."""
    before = recorded(folder)["hits"]
    door = Door(folder)
    load = wrk(folder, door.port, "opens", seconds)
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
    parser.add_argument("command", nargs="?", choices=("all", "serve", "bare"), default="all")
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--seconds", type=int, default=10, help="of each measurement; even")
    arguments = parser.parse_args()
    if arguments.command != "all":
        sys.setswitchinterval(0.0005)
        calm_collector()
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve_bare() if arguments.command == "bare" else serve(arguments.folder))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for asked, addresses in ASKED.items():
            (folder / f"{asked}.txt").write_text("\n".join(addresses()) + "\n")
        asyncio.run(fill(folder))
        bare = [measure(folder, "opens", arguments.seconds // 2, "bare")]
        found = {asked: measure(folder, asked, arguments.seconds) for asked in ASKED}
        bare.append(measure(folder, "opens", arguments.seconds // 2, "bare"))
        rate, cpu_us = sum(one.answered for one in bare) / 2, sum(one.cpu_us for one in bare) / 2
        for asked, figures in found.items():
            print(
                f"{asked}: {figures.recorded / rate:.2f} of the bare {rate:,.0f}/s, "
                f"CPU {figures.cpu_us / cpu_us:.2f} times its {cpu_us:.0f} µs"
            )
        print(f"HITS recorded: {found['both'].recorded:,.0f} a second (aim 8,000)")
        kill(folder, arguments.seconds // 2)


if __name__ == "__main__":
    main()
