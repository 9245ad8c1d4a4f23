"""Hands on what routes took: by webhook or by forward, again and again until it is done or given up.

A mail is claimed for as long as one try may take. A few mails of a route are
tried side by side, in the order in which they came; one that is tried again
later holds up none behind it. Webhooks that answer late share their requests
with their like (`net.slots`), so a slow one delays nobody else. A webhook may
be told a mail twice, with the same `webhook-id`; a forward is queued in the
transaction that takes it out of the outbox, so once.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog

from postroom.base.clock import HOUR_MS, Clock, set_or_after
from postroom.base.errors import TryLater, WrongInput
from postroom.base.ids import IdSource, show_id
from postroom.base.nursery import Nursery
from postroom.base.secrets import CannotOpen, Sealer
from postroom.base.spans import in_words
from postroom.base.threads import Threads
from postroom.inbound.forward import Forwarder
from postroom.inbound.forwarded_mail import GoesInCircle
from postroom.inbound.told import webhook_body
from postroom.ledger.inbound_rows import InboundRow
from postroom.ledger.route_rows import RouteAction, RouteAttemptRow, RouteOutboxRow
from postroom.net.http_client import HttpClient
from postroom.net.slots import Slots
from postroom.net.webhook_request import request_header, send
from postroom.outbound.submission import SMALL_CONTENT_BYTES, Accepted, Refused
from postroom.store import inbound, route_outbox, routes
from postroom.store.database import Conn, Database, Tx
from postroom.store.route_outbox import NO_ROUTE, Key

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")

MOST_TRIES = 10
_MINUTE_MS = 60_000
_PAUSES_MS = (
    _MINUTE_MS, 5 * _MINUTE_MS, 14 * _MINUTE_MS, 40 * _MINUTE_MS, HOUR_MS, HOUR_MS, HOUR_MS, 2 * HOUR_MS, 4 * HOUR_MS,
)  # fmt: skip
"""Between ten tries; together ten hours."""
FORBIDDEN = 403
"""The receiver wants no other try of this mail."""
OF_ROUTE = 4
"""Mails of one route that are tried side by side."""
REQUESTS = 32
"""Requests at a time to webhooks that answer soon, and as many to those that do not."""
_LATE_SECONDS = 0.5
_SLOW_MS = 1_000
_AT_ONCE = 5 * REQUESTS
"""Mails that this node tries or is about to."""
_CLAIM_MS = 120_000
"""Longer than a mail waits for its turn and a try takes; a forward of a large mail may wait longer and begins again."""
_LOOK_SECONDS = 1.0
_LARGE_AT_ONCE = 2


class ClaimLost(Exception):
    """The claim has ended, and another node may be trying."""


@dataclass(frozen=True, slots=True)
class Job:
    """A mail, and where it goes."""

    claimed: RouteOutboxRow
    row: InboundRow
    action: RouteAction
    target: str
    secret: bytes | None

    @property
    def key(self) -> Key:
        """Of the claim."""
        return Key(self.claimed.inbound_id, self.claimed.route_id, self.claimed.epoch)


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a try that did not settle itself."""

    at_ms: int
    duration_ms: int = 0
    succeeded: bool = False
    status: int | None = None
    error: str = ""
    is_final: bool = False
    """Another try would bring the same."""
    retry_after_ms: int = 0
    response_body: str = ""


class HandOn:
    """Hands mail on for one node. `run` until cancelled; `stop` before."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: IdSource,
        sealer: Sealer,
        client: HttpClient,
        forwarder: Forwarder,
        slow: Threads,
        chance: Callable[[], float],
    ) -> None:
        """`chance` gives 0.0 to 1.0."""
        self._database = database
        self._clock = clock
        self._ids = ids
        self._sealer = sealer
        self._client = client
        self._forwarder = forwarder
        self._slow = slow
        self._chance = chance
        self._slots = Slots(REQUESTS, _LATE_SECONDS)
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)
        self._nursery = Nursery("mail handed on")
        self._under_way: Counter[int] = Counter()
        self._slow_routes: set[int] = set()
        self._cut: list[Key] = []
        self._awake = asyncio.Event()
        self._stopping = False
        database.on_commit(route_outbox.WAKE, lambda _: self._awake.set())

    @property
    def under_way(self) -> int:
        """How many mails are being tried."""
        return len(self._nursery)

    async def run(self) -> None:
        """Hand on until cancelled."""
        while not self._stopping:
            self._awake.clear()
            await self._went_well(self._look())
            pause = _LOOK_SECONDS * (0.75 + 0.5 * self._chance())
            await set_or_after(self._awake, self._clock, pause)

    async def stop(self, seconds: float) -> None:
        """Begin nothing more, and let tries that are under way end for `seconds`; the rest is tried again later."""
        self._stopping = True
        self._awake.set()
        await self._nursery.drain(seconds)
        await self._give_back(self._cut, self._clock.now_ms())

    # What is due

    async def _look(self) -> None:
        for route_id in await self._database.read(lambda conn: route_outbox.due_routes(conn, self._clock.now_ms())):
            room = self._room(route_id)
            if room > 0 and not self._stopping:
                await self._claim(route_id, room)

    def _room(self, route_id: int) -> int:
        """Return how many more mails of a route may be tried beside those that are."""
        under_way = self._under_way[route_id]
        if route_id not in self._slow_routes:
            return min(OF_ROUTE - under_way, _AT_ONCE - len(self._nursery))
        slow = sum(self._under_way[one] for one in self._slow_routes)
        return min(1 - under_way, REQUESTS - slow)

    async def _claim(self, route_id: int, room: int) -> None:
        now_ms = self._clock.now_ms()
        claimed = await self._database.write(
            lambda tx: route_outbox.claim(tx, route_id, now_ms=now_ms, until_ms=now_ms + _CLAIM_MS, limit=room)
        )
        for row in claimed:
            self._under_way[route_id] += 1
            self._nursery.start(self._work(row), str(row.inbound_id))

    # One try

    async def _work(self, claimed: RouteOutboxRow) -> None:
        key = Key(claimed.inbound_id, claimed.route_id, claimed.epoch)
        try:
            job = await self._database.read(lambda conn: _job(conn, claimed))
            if job is None:
                # Erased or purged, or the route is gone: there is nothing to hand on, or nobody to hand it to.
                await self._database.write(lambda tx: route_outbox.settle(tx, key))
                return
            await self._try(job)
        except TryLater as error:
            _log.warning("cannot hand a mail on now", mail=claimed.inbound_id, reason=str(error))
            await self._give_back([key], self._clock.now_ms() + _MINUTE_MS)
        except ClaimLost:
            _log.warning("another node hands this mail on by now", mail=claimed.inbound_id)
        except asyncio.CancelledError:
            self._cut.append(key)
            raise
        finally:
            self._under_way[claimed.route_id] -= 1
            self._awake.set()

    async def _give_back(self, keys: Sequence[Key], due_ms: int) -> None:
        with contextlib.suppress(TryLater):
            await self._database.write(lambda tx: route_outbox.give_back(tx, keys, due_ms))

    async def _try(self, job: Job) -> None:
        at_ms = self._clock.now_ms()
        if job.claimed.tries > MOST_TRIES:
            await self._settle(job, Tried(at_ms, error="the process ended during each of its tries", is_final=True))
            return
        try:
            tried = await (self._tell(job) if job.action is RouteAction.WEBHOOK else self._forward(job))
        except (TryLater, ClaimLost):
            raise
        except Exception:
            # A fault of ours in what a stranger wrote: it is tried as often as a receiver that fails.
            _log.exception("a mail could not be handed on", mail=job.row.id)
            tried = Tried(at_ms, error="an internal error; it is in the log")
        if tried is not None:
            await self._settle(job, tried)

    async def _tell(self, job: Job) -> Tried:
        """Tell a mail to its webhook."""
        route_id = job.claimed.route_id
        body = await self._of_content(job, lambda raw: self._slow.run(lambda: webhook_body(job.row, raw)))
        async with self._slots.take(is_slow=route_id in self._slow_routes):
            tried = await self._request(job, body)
        if tried.succeeded and tried.duration_ms <= _SLOW_MS:
            self._slow_routes.discard(route_id)
        else:
            self._slow_routes.add(route_id)
        return tried

    async def _request(self, job: Job, body: bytes | None) -> Tried:
        now_ms = self._clock.now_ms()
        if body is None:
            return _content_gone(now_ms)
        try:
            secret = self._sealer.open(job.secret or b"", f"route/{job.claimed.route_id}/secret").decode()
        except CannotOpen as error:
            return Tried(now_ms, error=str(error))
        header = request_header([secret], show_id("inb", job.row.id), body, now_ms)
        reply = await send(self._client, self._clock, job.target, header, body)
        return Tried(
            now_ms,
            reply.duration_ms,
            reply.is_success,
            reply.status,
            "" if reply.is_success else reply.in_words(),
            is_final=reply.status == FORBIDDEN,
            retry_after_ms=reply.retry_after_ms or 0,
            response_body=reply.body,
        )

    async def _forward(self, job: Job) -> Tried | None:
        """Queue a mail to its target; None where that has settled it."""
        at_ms, began = self._clock.now_ms(), self._clock.monotonic()

        def queued(tx: Tx, accepted: Accepted) -> None:
            if not route_outbox.settle(tx, job.key):
                raise ClaimLost
            duration_ms = round((self._clock.monotonic() - began) * 1000)
            tx.add(_attempt(attempt_id, job, Tried(at_ms, duration_ms, succeeded=True), "", accepted.message_id))

        async def forward(raw: bytes) -> bool:
            await self._forwarder.forward(job.row, raw, job.target, queued)
            return True

        attempt_id = self._ids.next()
        try:
            is_there = await self._of_content(job, forward)
        except (GoesInCircle, WrongInput) as error:
            return Tried(at_ms, error=str(error), is_final=True)
        except Refused as refused:
            reply = refused.reply
            return Tried(at_ms, status=reply.code, error=reply.text, is_final=not reply.is_transient)
        return None if is_there else _content_gone(at_ms)

    async def _of_content(self, job: Job, use: Callable[[bytes], Awaitable[_T]]) -> _T | None:
        """Return what `use` makes of a mail's bytes, a few large ones at a time; None where they are gone."""
        is_large = job.row.size_bytes > SMALL_CONTENT_BYTES
        async with self._large if is_large else contextlib.nullcontext():
            raw = await inbound.load(self._database, job.row.workspace_id, job.row.content_id)
            return None if raw is None else await use(raw)

    async def _settle(self, job: Job, tried: Tried) -> None:
        now_ms, attempt_id = self._clock.now_ms(), self._ids.next()
        tries = job.claimed.tries
        pause = 0
        if not tried.succeeded and not tried.is_final and tries < MOST_TRIES:
            spread = 0.95 + 0.1 * self._chance()
            pause = max(round(_PAUSES_MS[tries - 1] * spread), tried.retry_after_ms)
        why = _why(tried, tries, pause)

        def write(tx: Tx) -> None:
            holds = route_outbox.retry_later(tx, job.key, now_ms + pause) if pause else route_outbox.settle(tx, job.key)
            is_late = not holds and not tried.succeeded
            told = f"{tried.error}; its route has changed, or another node hands it on" if is_late else why
            tx.add(_attempt(attempt_id, job, tried, told, None))

        await self._database.write(write)

    async def _went_well(self, work: Awaitable[None]) -> None:
        try:
            await work
        except TryLater as error:
            _log.warning("cannot look for mail to hand on now", reason=str(error))
        except Exception:
            # The edge of a loop: a fault in one turn must not end the others.
            _log.exception("cannot look for mail to hand on")


def _job(conn: Conn, claimed: RouteOutboxRow) -> Job | None:
    row = inbound.by_id(conn, claimed.workspace_id, claimed.inbound_id)
    if row is None:
        return None
    if claimed.route_id == NO_ROUTE:
        return Job(claimed, row, RouteAction.FORWARD, claimed.target, None)
    route = routes.route_by_id(conn, claimed.workspace_id, claimed.route_id)
    if route is None or route.action not in (RouteAction.WEBHOOK, RouteAction.FORWARD):
        return None
    return Job(claimed, row, RouteAction(route.action), route.target, route.secret)


def _content_gone(at_ms: int) -> Tried:
    return Tried(at_ms, error="its content is gone", is_final=True)


def _why(tried: Tried, tries: int, pause_ms: int) -> str:
    if tried.succeeded:
        return ""
    if pause_ms:
        return f"{tried.error}; tried again in {in_words(pause_ms)}"
    if tried.is_final:
        return f"{tried.error}; not tried again"
    return f"{tried.error}; given up after {tries} tries"


def _attempt(attempt_id: int, job: Job, tried: Tried, why: str, message_id: int | None) -> RouteAttemptRow:
    return RouteAttemptRow(
        id=attempt_id,
        workspace_id=job.claimed.workspace_id,
        inbound_id=job.claimed.inbound_id,
        route_id=job.claimed.route_id,
        action=job.action.value,
        target=job.target,
        at_ms=tried.at_ms,
        duration_ms=tried.duration_ms,
        succeeded=int(tried.succeeded),
        status=tried.status,
        why=why,
        message_id=message_id,
        response_body=tried.response_body,
    )
