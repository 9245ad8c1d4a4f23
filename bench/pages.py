"""Every page of the dashboard over ten million events and a million recipients, on both engines.

The history is written into the tables (`bench.much_mail`), then a server starts
on it and each page is asked for again and again by a logged-in operator: plain
HTTP, the whole page, without what it loads. The aim is 300 ms at the 95th
percentile for each page.
"""

import argparse
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dashboard_browser import Client, log_in
from many_nodes import Node
from peers.postgres import PostgresServer
from running_server import RunningServer

from bench.machine import description
from bench.much_mail import DOMAINS, House, fill
from postroom.base.ids import parse_id, show_id

AIM_MS = 300.0
RECIPIENTS = 1_000_000
TIMES = 20


@contextmanager
def server_on(engine: str) -> Iterator[RunningServer]:
    """Give a running server with an empty database of an engine."""
    if engine == "sqlite":
        with RunningServer() as server:
            yield server
        return
    cluster = PostgresServer.make()
    try:
        with Node(cluster.databases().fresh_database(), initialised=True) as server:
            yield server
    finally:
        cluster.remove()


def measure(client: Client, paths: list[str], times: int) -> tuple[float, float]:
    """Return the median and the 95th percentile in ms of asking for these paths in turn."""
    took = []
    for number in range(times):
        path = paths[number % len(paths)]
        began = time.monotonic()
        answer = client.get(path)
        took.append((time.monotonic() - began) * 1000)
        if answer.status_code != 200:
            # A page that gives up after its two seconds is slow, not fast.
            took[-1] = float("inf")
    took.sort()
    return took[len(took) // 2], took[int(len(took) * 0.95)]


def pages(client: Client, now_ms: int) -> dict[str, list[str]]:
    """Return the paths of each page, with what operators ask of it."""
    base = "/w/default"
    found = re.findall(r"/w/default/recipients/[a-z0-9_]+", client.get(f"{base}/activity").text)
    stories = sorted(set(found))[:5]
    webhook = _link(client, f"{base}/webhooks", "webhooks")
    domain = _link(client, f"{base}/domains", "domains")
    inbound = _link(client, f"{base}/inbound", "inbound")
    told = client.get(stories[0]).text if stories else ""
    messages = sorted(set(re.findall(r"/w/default/messages/[a-z0-9_]+", told)))[:5]
    searches = [
        "to:reader77@gmail.com", "state:failed", "state:deferred", "domain:web.de", "tag:tag7", "provider:google",
        "stream:transactional", "tag:tag7 state:failed", "domain:web.de state:failed since:7d", "letter number 4711",
        "to:nobody@nowhere.test", "since:30d before:20d state:delivered", "state:suppressed provider:apple",
    ]  # fmt: skip
    asked = {
        "overview": [f"{base}/{period}" for period in ("", "?period=24h", "?period=7d", "?period=30d")],
        "activity": [f"{base}/activity"],
        **{f"activity {text}": [f"{base}/activity?q={_quoted(text)}"] for text in searches},
        "story of a recipient": stories,
        "story of a message": messages,
        "sandbox": [f"{base}/sandbox"],
        "suppressions": [f"{base}/suppressions", f"{base}/suppressions?address=gone77@example.net"],
        "queue": [f"{base}/queue", *(f"{base}/queue/recipients?domain={name}" for name in DOMAINS[:3])],
        "webhooks": [f"{base}/webhooks"],
        "a webhook": webhook,
        "domains": [f"{base}/domains"],
        "a domain": domain,
        "inbound": [f"{base}/inbound", f"{base}/inbound?kind=bounce", f"{base}/inbound?kind=complaint"],
        "an inbound mail": inbound,
        "bounces": [f"{base}/bounces"],
        "complaints": [f"{base}/complaints"],
        "routes": [f"{base}/routes"],
        "keys": [f"{base}/keys"],
        "settings": ["/settings"],
    }
    return {name: paths for name, paths in asked.items() if paths}


def _link(client: Client, page: str, room: str) -> list[str]:
    """Return the first address below a room that its page links to."""
    found = re.search(rf'href="(/w/default/{room}/(?!new)[A-Za-z0-9_.-]+)"', client.get(page).text)
    return [found[1]] if found else []


def _quoted(text: str) -> str:
    return text.replace(" ", "+").replace(":", "%3A").replace("@", "%40")


def prepare(server: RunningServer, recipients: int) -> None:
    """Write the history into a stopped server's database."""
    url = server.environment().get("POSTROOM_DATABASE_URL") or f"sqlite:///{server.folder}/data/postroom.db"
    house = _house(server)
    server.stop()
    fill(url, house, recipients, time.time_ns() // 1_000_000)
    server.start()


def _house(server: RunningServer) -> House:
    """Make a domain and a paused endpoint, and send a message whose content the whole history shares."""
    server.api.post("/domains", {"name": "shop.test"})
    endpoint = server.api.post("/webhooks", {"url": "https://hooks.shop.test/postroom"})
    server.api.post(f"/webhooks/{endpoint['endpoint']['id']}/pause", {})
    sent = server.api.post(
        "/messages",
        {"from": "news@shop.test", "to": ["a@example.net"], "subject": "First", "html": "<p>Hello</p>"},
    )
    rows: list[Any] = server.rows("SELECT id, workspace_id, content_key FROM message")
    chosen = next(row for row in rows if show_id("msg", row[0]) == sent["id"])
    return House(chosen[1], bytes(chosen[2]), parse_id("whk", endpoint["endpoint"]["id"]) or 0)


def run(engine: str, recipients: int, times: int, tell: Callable[[str], None]) -> bool:
    """Measure all pages on one engine; tell whether each meets the aim."""
    good = True
    with server_on(engine) as server:
        tell(f"{engine}: {recipients:,} recipients, {recipients * 10:,} events")
        prepare(server, recipients)
        with log_in(server) as client:
            for name, paths in pages(client, time.time_ns() // 1_000_000).items():
                median, late = measure(client, paths, times)
                good = good and late <= AIM_MS
                tell(f"  {name:45} p50 {median:6.0f} ms   p95 {late:6.0f} ms{'' if late <= AIM_MS else '   TOO SLOW'}")
    return good


def main() -> int:
    """Run the benchmark; the exit code tells whether the aim is met."""
    parser = argparse.ArgumentParser(prog="bench pages", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the rows")
    parser.add_argument("--engine", choices=("sqlite", "postgresql"))
    parser.add_argument("--recipients", type=int)
    parser.add_argument("--times", type=int, default=TIMES, help="requests of each page")
    said = parser.parse_args()
    print(description())
    recipients = said.recipients or (RECIPIENTS // 100 if said.quick else RECIPIENTS)
    engines = [said.engine] if said.engine else ["sqlite", "postgresql"]
    results = [run(engine, recipients, said.times, lambda line: print(line, flush=True)) for engine in engines]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
