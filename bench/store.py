"""Accepts and settlements a second on SQLite (FULL) and on PostgreSQL: no doors, no compiling."""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import structlog
import uvloop
from peers.postgres import PostgresServer
from peers.require import missing

from bench.machine import description, foreign_load
from bench.mails import AUTHOR, AUTHOR_DOMAIN, template
from bench.peers import SYNCHRONOUS_FULL, durability, prepared_settings
from postroom.app.outbound import Outbound
from postroom.app.services import Services, open_services
from postroom.base.clock import SystemClock
from postroom.ledger.claimed import Claimed
from postroom.ledger.outcomes import Outcome, OutcomeKind
from postroom.mail.envelope import Envelope, EnvelopeRecipient
from postroom.mail.smtp_reply import SmtpReply
from postroom.outbound.prepared import Prepared
from postroom.outbound.retry import RetrySchedule
from postroom.outbound.settle import Tried, decide, write
from postroom.outbound.submission import Submission
from postroom.store import queue

BATCH = 100
_DELIVERED = Outcome(OutcomeKind.DELIVERED, SmtpReply(250, "2.0.0", "Ok"), "127.0.0.1:25", "", 3)


async def _rate(jobs: list[Callable[[], Awaitable[Any]]], at_once: int, units: int) -> tuple[float, float, list[Any]]:
    """Run the jobs, so many at once; return units a second, CPU milliseconds a unit, and their results."""
    waiting = iter(jobs)
    results: list[Any] = []

    async def some() -> None:
        for job in waiting:
            results.append(await job())

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(some() for _ in range(at_once)))
    seconds = time.perf_counter() - began
    return units / seconds, (time.process_time() - cpu) * 1000 / units, results


async def _prepared(services: Services, count: int) -> AsyncIterator[Prepared]:
    acceptance = Outbound(services).acceptance
    workspace = next(iter(services.workspaces.rows.values()))
    made = template(4096)
    for number in range(count):
        envelope = Envelope(AUTHOR, (EnvelopeRecipient(f"user{number:08d}@sink.test"),))
        yield await acceptance.prepare(Submission(workspace, envelope, made.mail(number), "smtp"))


async def measure(url: str, folder: Path, count: int) -> str:
    """Return the figures of one engine."""
    settings = prepared_settings(folder, {"POSTROOM_DATABASE_URL": url} if url else {})
    clock = SystemClock()
    async with open_services(settings, clock) as services:
        database = services.database
        if not services.workspaces.rows:
            workspace = await services.workspaces.create("default")
            await services.domains.create(workspace, AUTHOR_DOMAIN, vouched=True, ed25519=False)
        synchronous, _ = await database.write(durability)
        if synchronous != SYNCHRONOUS_FULL:
            raise SystemExit(f"PRAGMA synchronous is {synchronous}, not FULL: no figures")
        ready = [one async for one in _prepared(services, count)]
        messages = {one.message.id: one.message for one in ready}
        accepts, accept_cpu, _ = await _rate(
            [lambda one=one: database.write(one.write, size_bytes=one.content.size_bytes) for one in ready],  # type: ignore[misc]
            200,
            count,
        )
        lane = ready[0].recipients[0].lane_id
        now = clock.now_ms() + 1000

        def claim_one() -> Awaitable[list[Claimed]]:
            return database.write(
                lambda tx: queue.claim(
                    tx, lane, limit=BATCH, node=services.ids.node, now_ms=now, lease_ms=now + 300_000
                )
            )

        claims, claim_cpu, batches = await _rate([claim_one] * (count // BATCH), 4, count)

        def settle_one(batch: list[Claimed]) -> Awaitable[set[int]]:
            tried = [Tried(one, messages[one.message_id], _DELIVERED, services.ids.next(), now, True) for one in batch]
            decisions = [decide(one, RetrySchedule(give_up_after=settings.give_up_days), 0.5) for one in tried]
            return database.write(lambda tx: write(tx, decisions))

        settles, settle_cpu, ours = await _rate([lambda batch=batch: settle_one(batch) for batch in batches], 4, count)  # type: ignore[misc]
        if sum(map(len, ours)) != count // BATCH * BATCH:
            raise SystemExit(f"{sum(map(len, ours))} of {count} were settled")
    return (
        f"accepts {accepts:7,.0f}/s ({accept_cpu:.3f} ms CPU each)  claims {claims:7,.0f}/s ({claim_cpu:.3f})  "
        f"settlements {settles:7,.0f}/s ({settle_cpu:.3f})"
    )


def main() -> int:
    """Print the figures of each engine."""
    parser = argparse.ArgumentParser(prog="bench store", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--count", type=int)
    said = parser.parse_args()
    count = said.count or (2000 if said.quick else 10_000)
    sys.setswitchinterval(0.0005)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    print(description())
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as name:
        busy = foreign_load(10)
        print(f"SQLite FULL  {uvloop.run(measure('', Path(name), count))}  others {busy:.2f}")
    if reason := missing("postgresql"):
        print(f"PostgreSQL   left out: {reason}")
        return 0
    server = PostgresServer.make()
    try:
        with tempfile.TemporaryDirectory(prefix="postroom-bench-") as name:
            busy = foreign_load(10)
            url = server.databases().fresh_database()
            print(f"PostgreSQL   {uvloop.run(measure(url, Path(name), count))}  others {busy:.2f}")
    finally:
        server.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
