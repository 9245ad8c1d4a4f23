"""`/metrics` in the text format of Prometheus: a registry of our own, filled when somebody reads.

What is asked of the store is bounded; a page is made at most once a second,
whoever asks for it.
"""

import asyncio
import platform
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from postroom import __version__
from postroom.accounts.supervisor import Supervisor
from postroom.accounts.tracers import Tracers
from postroom.app.account_metrics import AccountsSeen, account_families, look_at_accounts
from postroom.app.outbound import Outbound
from postroom.app.services import Services
from postroom.base.errors import TryLater
from postroom.base.metrics import Histogram
from postroom.doors.smtp.guessers import Guessers
from postroom.inbound.arrived import FOLDER, set_aside, waiting
from postroom.net.smtp.server import SmtpServer
from postroom.store.database import Conn
from postroom.store.inbound import next_due_ms
from postroom.store.queue import waiting_lanes
from postroom.store.queue_depth import endpoints_by_state, hand_on_depth, inbound_depth, outbox_depth, queue_depth
from postroom.tracking.ingest import Ingest
from postroom.tracking.spool import Spool

_log = structlog.get_logger(__name__)

_KEEP_SECONDS = 1.0
_LANES = 1000
"""Lanes that are looked at for the oldest mail."""


class MetricsPage:
    """Makes the page out of what the parts of this process have counted."""

    def __init__(self, services: Services, outbound: Outbound, ingest: Ingest, spool: Spool) -> None:
        self._services = services
        self._outbound = outbound
        self._ingest = ingest
        self._spool = spool
        self.smtp: SmtpServer | None = None
        """Set where this process has a submission door."""
        self.inbound: SmtpServer | None = None
        self.guessers: Guessers | None = None
        """Both set where it has an inbound door."""
        self.mailboxes: Supervisor | None = None
        self.tracers: Tracers | None = None
        """Both set where it watches accounts."""
        self._lock = asyncio.Lock()
        self._page = b""
        self._made = float("-inf")

    def silent_seconds(self, account_id: int) -> float | None:
        """Return for how long an account's server has said nothing; None: it is not watched by this process."""
        return None if self.mailboxes is None else self.mailboxes.silent_seconds(account_id)

    async def render(self) -> bytes:
        """Return the page; one that is younger than a second is given again."""
        async with self._lock:
            now = time.monotonic()
            if now - self._made >= _KEEP_SECONDS:
                self._page = self._text(replace(await self._look(), files=await self._files()))
                self._made = now
            return self._page

    async def _look(self) -> "_Queue":
        workspaces = list(self._services.workspaces.rows)

        def look(conn: Conn) -> _Queue:
            depth = queue_depth(conn, workspaces)
            # Lanes stand for their mail: looking at each recipient would cost what the queue is long.
            due = min((lane.due_ms for lane in waiting_lanes(conn, limit=_LANES)), default=None)
            inbound, inbound_due = inbound_depth(conn), next_due_ms(conn)
            return _Queue(
                depth,
                due,
                outbox_depth(conn),
                endpoints_by_state(conn),
                inbound,
                inbound_due,
                hand_on_depth(conn),
                look_at_accounts(conn, self._services.clock.now_ms()),
            )

        try:
            return await self._services.database.read(look)
        except TryLater as error:
            _log.info("metrics without the queue", reason=str(error))
            return _Queue({}, None, None, {}, {}, None, None, AccountsSeen())

    async def _files(self) -> Mapping[str, int]:
        """Return how many mails lie in files, by state. On a thread: there may be tens of thousands."""
        folder = self._services.settings.data / FOLDER
        try:
            return await self._services.slow.run(
                lambda: {"waiting": len(waiting(folder)), "set_aside": len(set_aside(folder))}
            )
        except OSError as error:
            _log.info("metrics without the files of mail", reason=str(error))
            return {}

    def _text(self, queue: "_Queue") -> bytes:
        registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        registry.register(_Families(self._families(queue)))
        return generate_latest(registry)

    def _families(self, queue: "_Queue") -> Iterator[Metric]:
        database = self._services.database
        yield _labelled_gauge(
            "postroom_build_info",
            "Which version runs, on which Python and database.",
            ("version", "python", "database"),
            {(__version__, platform.python_version(), database.engine): 1},
        )
        yield from self._recipients(queue)
        yield from self._inbound(queue)
        yield from account_families(queue.accounts, self.mailboxes, self.tracers)
        yield from self._doors()
        yield from self._store()
        yield from self._tracking()
        yield from self._helpers()

    def _recipients(self, queue: "_Queue") -> Iterator[Metric]:
        metrics, worker = self._services.metrics, self._outbound.worker
        yield _labelled_gauge(
            "postroom_queue_recipients",
            "Recipients by state, over all nodes, each counted up to 100,000. Empty where the store did not answer.",
            ("state",),
            {(state,): count for state, count in queue.depth.items()},
        )
        told = "How long the mail that is due longest has been due."
        yield _gauge("postroom_queue_overdue_seconds", told, self._overdue_seconds(queue.due_ms))
        if queue.outbox is not None:
            told = "Events that wait to be told to webhook endpoints, over all nodes, counted up to 100,000."
            yield _gauge("postroom_webhook_outbox", told, queue.outbox)
        if queue.hand_on is not None:
            told = "Mails that wait to be handed on by routes, over all nodes, counted up to 100,000."
            yield _gauge("postroom_route_outbox", told, queue.hand_on)
        yield _labelled_gauge(
            "postroom_webhook_endpoints",
            "Webhook endpoints by state.",
            ("state",),
            {(state,): count for state, count in queue.endpoints.items()},
        )
        yield _labelled_counter(
            "postroom_recipients_settled",
            "Ends of attempts by the state that the recipient went to.",
            ("state",),
            {(state,): count for state, count in metrics.settled.items()},
        )
        yield _labelled_counter(
            "postroom_messages_accepted",
            "Messages that were stored, by the door that took them.",
            ("source",),
            {(source,): count for source, count in metrics.accepted.items()},
        )
        if worker is not None:
            yield _gauge("postroom_attempts_in_flight", "Recipients claimed by this node.", worker.in_flight)
            yield _counter("postroom_dkim_signatures", "DKIM signatures of copies.", worker.signatures)

    def _inbound(self, queue: "_Queue") -> Iterator[Metric]:
        yield _labelled_gauge(
            "postroom_inbound_mails",
            "Mails that came in and wait for the worker, or that it gave up, over all nodes, counted up to 100,000.",
            ("state",),
            {(state,): count for state, count in queue.inbound.items()},
        )
        told = "How long the mail that came in and is due longest has been due."
        yield _gauge("postroom_inbound_overdue_seconds", told, self._overdue_seconds(queue.inbound_due_ms))
        yield _labelled_counter(
            "postroom_inbound_understood",
            "Mails that came in and were worked on, by what they are.",
            ("kind",),
            {(kind,): count for kind, count in list(self._services.metrics.understood.items())},
        )
        yield _labelled_gauge(
            "postroom_inbound_files",
            "Mails that `postroom receive` took without a server: those that wait, those that could not be taken in.",
            ("state",),
            {(state,): count for state, count in queue.files.items()},
        )

    def _overdue_seconds(self, due_ms: int | None) -> float:
        return 0.0 if due_ms is None else max(0.0, (self._services.clock.now_ms() - due_ms) / 1000)

    def _doors(self) -> Iterator[Metric]:
        if self.smtp is not None:
            yield _gauge("postroom_smtp_sessions", "SMTP sessions that are open.", self.smtp.sessions)
            yield _counter("postroom_smtp_sessions_opened", "SMTP connections that came in.", self.smtp.opened_sessions)
            yield _counter(
                "postroom_smtp_sessions_refused", "SMTP connections turned away with 421.", self.smtp.refused_sessions
            )
            yield _counter("postroom_smtp_logins_failed", "Wrong SMTP logins.", self.smtp.delays.failures)
        if self.inbound is not None:
            yield _gauge("postroom_inbound_sessions", "SMTP sessions of the inbound door.", self.inbound.sessions)
            opened, refused = self.inbound.opened_sessions, self.inbound.refused_sessions
            yield _counter("postroom_inbound_sessions_opened", "SMTP connections to the inbound door.", opened)
            yield _counter("postroom_inbound_sessions_refused", "Those of them turned away with 421.", refused)
        if self.guessers is not None:
            told = "Recipients that the inbound door refused because there is no such address."
            yield _counter("postroom_inbound_wrong_recipients", told, self.guessers.guesses)
        yield _labelled_counter(
            "postroom_inbound_received",
            "Mails that came in and were stored, by the way that they took.",
            ("source",),
            {(source,): count for source, count in list(self._services.metrics.received.items())},
        )
        yield _labelled_counter(
            "postroom_http_requests",
            "Answers of the main HTTP listener by class of route and status; /o /c /u are counted as hits.",
            ("route", "status"),
            {(kind, str(status)): count for (kind, status), count in list(self._services.metrics.requests.items())},
        )

    def _store(self) -> Iterator[Metric]:
        database = self._services.database
        yield _gauge("postroom_store_writable", "1 while the database can be written.", database.trouble is None)
        yield _gauge("postroom_store_waiting", "Write functions without an answer.", database.waiting)
        yield _histogram("postroom_store_group_size", "Write functions that shared a commit.", database.group_sizes)
        yield _histogram("postroom_store_commit_seconds", "Writing a group and its COMMIT.", database.commit_seconds)

    def _tracking(self) -> Iterator[Metric]:
        yield _counter("postroom_hits_recorded", "Opens and clicks carried into the store.", self._ingest.carried)
        yield _gauge("postroom_hits_in_spool", "Opens and clicks that wait in the spool.", self._spool.waiting)
        yield _counter("postroom_hits_lost", "Opens and clicks that the disk refused.", self._spool.lost)

    def _helpers(self) -> Iterator[Metric]:
        running = self._outbound.helper_processes
        yield _gauge("postroom_helpers", "Helper processes that run.", len(running))
        yield _counter("postroom_helpers_started", "Helper processes started so far.", self._outbound.helpers_started)
        resident = sum(map(_resident_bytes, running))
        yield _gauge("postroom_helpers_resident_memory_bytes", "Memory of the helpers, as RSS.", resident)


@dataclass(frozen=True, slots=True)
class _Queue:
    """What the store said about the queue."""

    depth: Mapping[str, int]
    due_ms: int | None
    """Of the mail that is due first."""
    outbox: int | None
    """Events that wait to be told to webhook endpoints."""
    endpoints: Mapping[str, int]
    """Webhook endpoints by state."""
    inbound: Mapping[str, int]
    """Mails that came in, by the states in which somebody should look after them."""
    inbound_due_ms: int | None
    hand_on: int | None
    """Mails that wait to be handed on by routes."""
    accounts: AccountsSeen
    files: Mapping[str, int] = field(default_factory=dict)
    """Mails that `postroom receive` took without a server, by state."""


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._all = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._all


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _labelled_gauge(name: str, text: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _labelled_counter(name: str, text: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    return HistogramMetricFamily(name, text, buckets=histogram.cumulative(), sum_value=histogram.total)


def _resident_bytes(process_id: int) -> int:
    try:
        pages = int(Path(f"/proc/{process_id}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        # It has ended, or the system has no /proc.
        return 0
    return pages * 4096
