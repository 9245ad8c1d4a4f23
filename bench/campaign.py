"""One content to many: 60 kB with 40 links, personal and bulk; mails a second at the sink.

All is accepted before the server starts. Every submission has 500 recipients
and all share one content, as a campaign's pages do. Time runs from the first mail that the sink has answered to the end
of the queue.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from bench.machine import BUSY_LIMIT, Memory, busy_seconds, cpu_seconds, description, foreign_load
from bench.mails import AUTHOR, template
from bench.peers import PostroomRelay, Sink
from postroom.app.outbound import Outbound
from postroom.app.services import Services
from postroom.ledger.states import Stream
from postroom.mail.envelope import Envelope, EnvelopeRecipient
from postroom.outbound.submission import Submission

AIM = 500.0
SIZE, LINKS, PAGE = 60_000, 40, 500
DOMAINS = 10


async def fill(services: Services, count: int) -> float:
    """Accept a personal message for `count` recipients in pages; return the seconds that it took."""
    acceptance = Outbound(services).acceptance
    workspace = next(iter(services.workspaces.rows.values()))
    content = template(SIZE, LINKS).mail(1)
    began = time.monotonic()
    for page in range(0, count, PAGE):
        numbers = range(page, min(page + PAGE, count))
        people = tuple(EnvelopeRecipient(f"user{number:08d}@sink{number % DOMAINS}.test") for number in numbers)
        await acceptance.accept(
            Submission(workspace, Envelope(AUTHOR, people), content, "http", stream=Stream.BULK, personal=True)
        )
    return time.monotonic() - began


def run(count: int, wait_seconds: float) -> bool:
    """Measure once and print; tell whether the aim is met."""
    folder = Path(tempfile.mkdtemp(prefix="postroom-bench-"))
    folder.chmod(0o755)
    sink = Sink(folder)
    seconds_of_fill = 0.0

    async def prepare(services: Services) -> None:
        nonlocal seconds_of_fill
        seconds_of_fill = await fill(services, count)

    relay = PostroomRelay(sink.port, prepare=prepare, run=False)
    try:
        foreign = foreign_load(wait_seconds)
        relay.start(sink.port)
        while not sink.count():
            time.sleep(0.005)
        base, began = sink.count(), time.monotonic()
        cpu, sink_cpu, busy = cpu_seconds(relay.roots()), cpu_seconds([sink.process.pid]), busy_seconds()
        with Memory(relay.roots()) as memory:
            while sink.count() < count:
                if time.monotonic() - began > 300:
                    raise RuntimeError(f"the sink has {sink.count()} of {count} mails")
                time.sleep(0.02)
            while relay.queue_length():
                time.sleep(0.005)
            seconds = time.monotonic() - began
        used, sink_used = cpu_seconds(relay.roots()) - cpu, cpu_seconds([sink.process.pid]) - sink_cpu
        others = max(0.0, (busy_seconds() - busy - used - sink_used) / seconds)
        sent = count - base
        rate = sent / seconds
        print(
            f"  {sent} mails of {SIZE} bytes with {LINKS} links: {rate:.0f} msg/s (aim {AIM:.0f}), "
            f"CPU {used * 1000 / sent:.2f} ms a mail, sink {sink_used * 1000 / sent:.2f}; "
            f"accepted before at {count / seconds_of_fill:.0f} recipients/s; "
            f"RSS {memory.rss_bytes >> 20} PSS {memory.pss_bytes >> 20} MiB; "
            f"others {foreign:.2f} before, {others:.2f} during"
            + ("  DISTURBED" if max(foreign, others) > BUSY_LIMIT else "")
        )
        return rate >= AIM
    finally:
        relay.close()
        sink.close()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Run the benchmark; the exit code tells whether the aim is met."""
    parser = argparse.ArgumentParser(prog="bench campaign", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--count", type=int)
    parser.add_argument("--runs", type=int)
    parser.add_argument("--wait", type=float, default=30.0)
    said = parser.parse_args()
    print(description())
    count = said.count or (3000 if said.quick else 20_000)
    results = [run(count, said.wait) for _ in range(said.runs or (1 if said.quick else 3))]
    return 0 if any(results) else 1


if __name__ == "__main__":
    sys.exit(main())
