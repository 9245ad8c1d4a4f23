"""CPU time a mail of each stage, each measured alone with the functions that the server runs.

    python -m bench.stages [--quick] [--size BYTES]
    python -m bench.stages door     a submission door that accepts and forgets, for the stage `door`

Stages without I/O are timed by the thread's clock, the least of several
rounds; those with threads or sockets by the process's clock over a whole run.
What the server uses beyond the sum (loops, threads, waits for the
interpreter, start) is the rest; `bench relay` shows the process totals.
"""

import argparse
import asyncio
import gc
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog
import uvloop
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from bench.load import Generator
from bench.machine import cpu_seconds, description
from bench.mails import AUTHOR, AUTHOR_DOMAIN, template
from bench.peers import Sink, prepared_settings
from bench.stage_table import table
from postroom.access.keys import CheckedLogin
from postroom.app.outbound import Outbound
from postroom.app.services import Services, open_services
from postroom.base.clock import SystemClock
from postroom.base.packing import pack
from postroom.base.tokens import TokenKeys
from postroom.doors.smtp.submission import SubmissionDoor
from postroom.ledger.claimed import Claimed
from postroom.ledger.outcomes import Outcome, OutcomeKind
from postroom.ledger.rows import WorkspaceRow
from postroom.mail.envelope import Envelope, EnvelopeRecipient
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp.server import ServerOptions, SmtpServer
from postroom.outbound import helper_frames as frames
from postroom.outbound.attempt import Attempted, Tools, Work, copy_of, envelope_of
from postroom.outbound.compilation import content_key
from postroom.outbound.compile import CompileOptions, compile_content, from_plan
from postroom.outbound.frame_pipe import frame
from postroom.outbound.journal import Journal
from postroom.outbound.local import Flight
from postroom.outbound.segments import Variant
from postroom.outbound.sign import load_key, new_rsa_key, sign
from postroom.outbound.submission import DEFAULT_TRACK, Accepted, Submission
from postroom.outbound.transport import Delivery, NextHop, Rendered, TransportKind

_DELIVERED = Outcome(OutcomeKind.DELIVERED, SmtpReply(250, "2.0.0", "Ok"), "127.0.0.1:25", "", 3)


def least(function: Callable[[int], object], count: int, rounds: int = 5) -> float:
    """Return the least CPU milliseconds a call over some rounds; `function` gets a new number each time."""
    best, number = float("inf"), 0
    for _ in range(rounds):
        gc.collect()
        began = time.thread_time()
        for _ in range(count):
            function(number)
            number += 1
        best = min(best, (time.thread_time() - began) / count)
    return best * 1000


# ── door ──────────────────────────────────────────────────────────────────────────────────


class _Everybody:
    """Every login is right."""

    async def check(self, username: str, password: str) -> CheckedLogin | None:
        return CheckedLogin(WorkspaceRow(1, "bench", 0), None)


class _Forgets:
    """Accepts and stores nothing."""

    async def accept(self, submission: Submission, idempotency_key: str | None) -> Accepted:
        return Accepted(1, ())


async def serve_door() -> None:
    """Serve until standard input ends; the first line on standard output is the port."""
    door = SubmissionDoor(_Everybody(), _Forgets(), None)  # type: ignore[arg-type]
    server = SmtpServer(door, ServerOptions("bench.test"), clock=SystemClock())
    _, port = await server.listen("127.0.0.1", 0)
    print(port, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    await server.close(1)


def measure_door(count: int, size: int) -> float:
    """Return the CPU milliseconds a mail of a door whose accept costs nothing, sockets and loop with it."""
    import subprocess  # noqa: PLC0415

    command = [sys.executable, "-m", "bench.stages", "door"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    port = int(process.stdout.readline())
    Generator(port, 200, size, login=("u", "p")).go_and_wait()
    load = Generator(port, count, size, login=("u", "p"))
    before = cpu_seconds([process.pid])
    load.go_and_wait()
    used = cpu_seconds([process.pid]) - before
    process.communicate("end\n")
    return used * 1000 / count


# ── compile, render, sign ─────────────────────────────────────────────────────────────────


class Parts:
    """A mail on its way, made by the real functions."""

    def __init__(self, size: int) -> None:
        self.template = template(size)
        self.options = CompileOptions(
            tracking_url="https://track.bench.test", track=DEFAULT_TRACK, is_bulk=False, is_personal=False
        )
        self.keys = TokenKeys({0: b"k" * 32, 1: b"k" * 32})
        self.key = load_key(AUTHOR_DOMAIN, "postroom1", new_rsa_key())
        compiled, _ = compile_content(self.template.mail(1), self.options)
        self.raw, self.plan = compiled.raw, compiled.to_plan()
        self.compiled = from_plan(self.raw, self.plan)

    def work(self, message: Any, claimed: Claimed) -> Work:
        """Return work of a claimed recipient."""
        return Work(claimed, message, NextHop(TransportKind.SMARTHOST, "s"), 1 << 62)

    def tools(self) -> Tools:
        """Return the tools that `copy_of` looks at."""
        return Tools("bench.test", lambda: self.keys, None, None, None, {})  # type: ignore[arg-type]


def measure_pure(parts: Parts, works: list[Work], count: int) -> dict[str, float]:
    """Return the stages without I/O."""
    mail = parts.template.mail
    mails = [mail(number) for number in range(count * 5)]
    found: dict[str, float] = {}

    def compile_one(number: int) -> None:
        compiled, _ = compile_content(mails[number], parts.options)
        compiled.to_plan()

    found["compile, miss"] = least(compile_one, count)
    found["content key and body packed"] = least(
        lambda n: (content_key(mails[n], parts.options), pack(mails[n])), count
    )
    work, tools = works[0], parts.tools()
    found["plan read (helper)"] = least(lambda _: from_plan(parts.raw, parts.plan), count)

    def render_fresh(_: int) -> None:
        copy_of(work, from_plan(parts.raw, parts.plan), tools, Variant.EIGHT_BIT)

    found["render, first copy of a content"] = least(render_fresh, count) - found["plan read (helper)"]
    copy_of(work, parts.compiled, tools, Variant.EIGHT_BIT)
    found["render, further copies"] = least(lambda _: copy_of(work, parts.compiled, tools, Variant.EIGHT_BIT), count)
    found["envelope"] = least(lambda _: envelope_of(work, parts.compiled, parts.keys), count)
    copy = copy_of(work, parts.compiled, tools, Variant.EIGHT_BIT)
    few = max(50, count // 4)
    private = parts.key.private_key
    assert isinstance(private, rsa.RSAPrivateKey)
    scheme, digest, data = padding.PKCS1v15(), hashes.SHA256(), b"x" * 1000
    found["RSA"] = least(lambda _: private.sign(data, scheme, digest), few)
    found["signature field around RSA"] = max(
        0.0, least(lambda _: sign(copy.header, copy.body_sha256, [parts.key], 1), few) - found["RSA"]
    )
    (_, give), (_, do) = frame(frames.GiveContent(1, parts.raw, parts.plan)), frame(frames.DoWork(1, work))
    _, ended = frame(frames.Ended(1, Attempted(_DELIVERED)))

    def owner_frames(_: int) -> None:
        frame(frames.GiveContent(1, parts.raw, parts.plan))
        frame(frames.DoWork(1, work))
        frames.READS_UPWARD.decode(ended)

    def helper_frames(_: int) -> None:
        frames.READS_DOWNWARD.decode(give)
        frames.READS_DOWNWARD.decode(do)
        frame(frames.Ended(1, Attempted(_DELIVERED)))

    found["frames, owner"] = least(owner_frames, count)
    found["frames, helper"] = least(helper_frames, count)
    return found


# ── accept, claim, settle ─────────────────────────────────────────────────────────────────


async def _many(count: int, at_once: int, one: Callable[[int], Awaitable[object]]) -> float:
    """Call `one` with 0 to count - 1, so many at once; return CPU milliseconds of the process a call."""
    numbers = iter(range(count))

    async def some() -> None:
        for number in numbers:
            await one(number)

    gc.collect()
    began = time.process_time()
    await asyncio.gather(*(some() for _ in range(at_once)))
    return (time.process_time() - began) * 1000 / count


class _AtOnce:
    """Attempts that are delivered at once."""

    def __init__(self) -> None:
        self.works: list[Work] = []
        self.count = 0

    def start(self, work: Work, done: Callable[[Attempted], None]) -> None:
        if len(self.works) < 10:
            self.works.append(work)
        self.count += 1
        asyncio.get_running_loop().call_later(0.02, done, Attempted(_DELIVERED))

    def renewed(self, keys: object, lease_ms: int) -> None: ...

    def settled(self, keys: object) -> None: ...

    async def drain(self, seconds: float) -> None: ...


async def measure_store(services: Services, parts: Parts, count: int) -> tuple[float, float, float, list[Work]]:
    """Return CPU milliseconds of accept without its compiling, of its writes alone, and of claim + settle."""
    outbound = Outbound(services)
    workspace = next(iter(services.workspaces.rows.values()))

    def submission(number: int) -> Submission:
        envelope = Envelope(AUTHOR, (EnvelopeRecipient(f"user{number:08d}@sink.test"),))
        return Submission(workspace, envelope, parts.template.mail(number), "smtp")

    await _many(100, 40, lambda number: outbound.acceptance.accept(submission(900_000 + number)))
    prepared: list[Any] = []

    async def prepare(number: int) -> None:
        prepared.append(await outbound.acceptance.prepare(submission(number)))

    preparing = await _many(count, 40, prepare)
    writing = await _many(
        count,
        40,
        lambda number: services.database.write(prepared[number].write, size_bytes=prepared[number].content.size_bytes),
    )
    worker = await outbound.open()
    attempts = _AtOnce()
    worker._attempts = attempts  # type: ignore[assignment]
    gc.collect()
    began = time.process_time()
    running = asyncio.create_task(worker.run())
    while attempts.count < count + 100 or worker.in_flight:  # noqa: ASYNC110 - the worker has no event for its end
        await asyncio.sleep(0.05)
    delivering = (time.process_time() - began) * 1000 / (count + 100)
    await worker.stop(1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await outbound.close()
    return preparing, writing, delivering, attempts.works


# ── client ────────────────────────────────────────────────────────────────────────────────


async def measure_client(parts: Parts, works: list[Work], sink_port: int, folder: Path, count: int) -> float:
    """Return CPU milliseconds a mail of handing finished copies over kept connections to a sink, journal with it."""
    from postroom.app.delivery import make_transports  # noqa: PLC0415
    from postroom.net.smtp.client import Endpoint  # noqa: PLC0415

    clock = SystemClock()
    pool, transports = make_transports("bench.test", 20, clock)
    journal = Journal(folder, "bench", "boot")
    endpoint = Endpoint("127.0.0.1", "127.0.0.1", sink_port)
    hop = NextHop(TransportKind.SMARTHOST, "s", groups=((endpoint,),))
    work = replace(works[0], next_hop=hop)
    copy = copy_of(work, parts.compiled, parts.tools(), Variant.EIGHT_BIT)
    signatures = sign(copy.header, copy.body_sha256, [parts.key], 1)
    rendered = Rendered(tuple(map(bytes, copy.pieces(signatures))), copy.size_bytes + sum(map(len, signatures)), False)
    envelope = envelope_of(work, parts.compiled, parts.keys)

    async def render(abilities: object) -> Rendered:
        return rendered

    async def one(number: int) -> None:
        mine = replace(work, claimed=work.claimed._replace(id=number + 1))
        result = await transports[TransportKind.SMARTHOST].deliver(
            Delivery(hop, envelope, render, Flight(mine, clock, journal, lambda: True))
        )
        assert result.outcome.kind is OutcomeKind.DELIVERED, result
        journal.settled(number + 1, mine.claimed.epoch)

    await _many(200, 20, one)
    used = await _many(count, 20, one)
    await pool.close()
    journal.close()
    return used


# ── the table ─────────────────────────────────────────────────────────────────────────────


async def _inside(size: int, count: int, folder: Path, sink_port: int) -> dict[str, float]:
    parts = Parts(size)
    async with open_services(
        prepared_settings(folder, {"POSTROOM_HELPERS": "0", "POSTROOM_TRANSPORT": f"smtp://127.0.0.1:{sink_port}"}),
        SystemClock(),
    ) as services:
        if not services.workspaces.rows:
            workspace = await services.workspaces.create("default")
            await services.domains.create(workspace, AUTHOR_DOMAIN, vouched=True, ed25519=False)
        preparing, writing, delivering, works = await measure_store(services, parts, count)
    found = measure_pure(parts, works, max(100, count // 8))
    found["prepare, compile and packing taken off"] = max(
        0.0, preparing - found["compile, miss"] - found["content key and body packed"]
    )
    found["accept, written in groups"] = writing
    found["claim + settle"] = delivering
    journals = folder / "client"
    journals.mkdir()
    found["client"] = await measure_client(parts, works, sink_port, journals, count)
    return found


def measure(size: int, count: int) -> dict[str, float]:
    """Return all stages."""
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        sink = Sink(folder)
        try:
            found = uvloop.run(_inside(size, count, folder, sink.port))
        finally:
            sink.close()
    found["door"] = measure_door(count, size)
    return found


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", nargs="?", choices=("table", "door"), default="table")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--count", type=int)
    said = parser.parse_args()
    sys.setswitchinterval(0.0005)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if said.command == "door":
        uvloop.run(serve_door())
        return 0
    os.environ.pop("POSTROOM_DATA", None)
    print(description())
    found = measure(said.size, said.count or (800 if said.quick else 3000))
    print(f"stages at {said.size} bytes\n")
    print(table(found, said.size))
    return 0


if __name__ == "__main__":
    sys.exit(main())
