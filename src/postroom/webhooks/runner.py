"""Tells one endpoint its events, while this node holds the endpoint's lease.

A window of due events is held in memory, by recipient. Of a recipient only the
first ones go, and the next wait until those are told or put off; other
recipients go on. A few requests run side by side. What fails leaves the window
and comes back from the store once it is due again.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import structlog

from postroom.base.errors import TryLater
from postroom.base.ids import show_id
from postroom.base.nursery import Nursery
from postroom.base.secrets import CannotOpen
from postroom.ledger.webhook_rows import EndpointForm, EndpointState, WebhookEndpointRow, WebhookProgressRow
from postroom.net.webhook_request import Reply, send
from postroom.store import webhook_facts
from postroom.store import webhook_outbox as outbox
from postroom.store.database import Conn, Tx
from postroom.store.webhook_facts import PartnerFacts, ToldEvent
from postroom.store.webhook_outbox import Due, Waiting
from postroom.webhooks import retry
from postroom.webhooks.outcome import (
    Partner,
    drop_queue,
    settle_failed,
    settle_partner_failed,
    settle_partner_told,
    settle_told,
)
from postroom.webhooks.payload import MOST_BODY_BYTES, batch_body, event_body, request_id
from postroom.webhooks.request import Request, attempt_row, compose, compose_superimap, open_secrets
from postroom.webhooks.superimap import is_told_in_form, number_of
from postroom.webhooks.tools import Tools

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")

REQUESTS = 4
"""Requests to one endpoint at a time; one to an endpoint that never took any, or that fails."""
SUPERIMAP_REQUESTS = 8
"""As REQUESTS in SuperIMAP's form, which has no batches: one receiver hears of all accounts, a mail a request.

Each request costs time for every connection that is kept, so more would not be more."""
SETTLING = 16
"""Requests to one endpoint that were answered and are not committed: so many may be told twice after a crash."""
WINDOW = 1_000
"""Events of one endpoint in memory: less than 200 kB."""
OF_RECIPIENT = 50
"""Events of one recipient in the window, so that it leaves room for others."""
SLOW_MS = 1_000
"""An endpoint whose last answer took longer, or failed, shares its requests with its like."""
_LOAD = 500
_LOOKS = 4
_LATER_SECONDS = 1.0


class Runner:
    """Works on one endpoint. `run` until it ends; the other methods are for the worker."""

    def __init__(self, tools: Tools, endpoint_id: int, epoch: int, lease_ms: int) -> None:
        self.endpoint_id = endpoint_id
        self.epoch = epoch
        self.lease_ms = lease_ms
        """Until when the lease holds."""
        self._tools = tools
        self._requests = Nursery("webhooks")
        self._awake = asyncio.Event()
        self._ending = False
        self._news = True
        self._more = False
        self._window: dict[int, list[Waiting]] = {}
        self._known: set[int] = set()
        self._busy: set[int] = set()
        self._failed: set[int] = set()
        """What failed since the store was last asked."""
        self._settling = 0
        """Requests whose receiver has answered, and that wait for a commit."""
        self._batch, self._most = 1, REQUESTS
        self._failures = 0
        self._quiet_until_ms = 0
        self._is_proved = False
        self._is_slow = False
        self._is_back = False
        self._idle_since = tools.clock.monotonic()

    @property
    def requests(self) -> int:
        """How many requests are under way."""
        return len(self._requests)

    def wake(self) -> None:
        """Look for events: some were recorded, or are due."""
        self._news = True
        self._awake.set()

    def end(self) -> None:
        """Begin no more requests; `run` returns after those that are under way."""
        self._ending = True
        self._awake.set()

    def idle_seconds(self) -> float:
        """Return how long it has had nothing to do."""
        return self._tools.clock.monotonic() - self._idle_since if not self._known else 0.0

    async def run(self) -> None:
        """Tell what is due until `end`, a lost lease, or the endpoint's own end; then give it back."""
        try:
            while True:
                self._awake.clear()
                if not self._ending:
                    await self._look()
                    self._begin()
                if self._ending and not self._requests:
                    return
                await self._awake.wait()
        finally:
            await self._requests.drain(0)
            with contextlib.suppress(TryLater):
                await self._tools.database.write(lambda tx: outbox.release(tx, self.endpoint_id, self.epoch))

    # What is due

    async def _look(self) -> None:
        for _ in range(_LOOKS):
            if not (self._news or self._more) or len(self._known) >= WINDOW or self._is_quiet():
                return
            self._news = False
            try:
                added = await self._load()
            except TryLater as error:
                # The worker wakes us again while something is due.
                _log.warning("cannot read what endpoints are to be told", reason=str(error))
                return
            if not added or added >= _LOAD // 2:
                return

    async def _load(self) -> int:
        """Fill the window; return how many events came."""
        # What is known now: an event that is told while the store reads must not come back with its answer.
        known = frozenset(self._known)
        self._failed.clear()
        skip = [key for key, rows in self._window.items() if key > 0 and len(rows) >= OF_RECIPIENT]
        now_ms, limit = self._tools.clock.now_ms(), _LOAD + len(known)

        def read(conn: Conn) -> tuple[WebhookEndpointRow | None, WebhookProgressRow | None, Due]:
            endpoint = webhook_facts.endpoint_now(conn, self.endpoint_id)
            progress = webhook_facts.progress_now(conn, self.endpoint_id)
            return endpoint, progress, outbox.due(conn, self.endpoint_id, now_ms, skip, limit)

        endpoint, progress, due = await self._tools.database.read(read)
        if endpoint is None or endpoint.state != EndpointState.ACTIVE or progress is None:
            self.end()
            return 0
        if progress.epoch != self.epoch:
            _log.warning("another node has taken an endpoint over", endpoint=self.endpoint_id)
            self.end()
            return 0
        self._batch, self._failures = endpoint.batch, progress.failures
        self._most = SUPERIMAP_REQUESTS if endpoint.form == EndpointForm.SUPERIMAP else REQUESTS
        self._quiet_until_ms = progress.quiet_until_ms
        self._is_proved = progress.last_success_ms is not None
        self._more = bool(skip) or len(due.rows) + len(due.blocked) >= limit
        if due.blocked:
            await self._tools.database.write(lambda tx: outbox.put_off(tx, self.endpoint_id, due.blocked[:_LOAD]))
        # What failed while the store read has left the window with all that came behind it: none of that is in `known`
        # any more, and what was read here would overtake it.
        self._news = self._news or bool(self._failed)
        return self._take([row for row in due.rows if row.event_id not in known and _key(row) not in self._failed])

    def _take(self, rows: Sequence[Waiting]) -> int:
        before = len(self._known)
        for row in rows:
            self._window.setdefault(_key(row), []).append(row)
            self._known.add(row.event_id)
        for key in {_key(row) for row in rows}:
            waiting = sorted(self._window[key])
            self._window[key] = waiting[:OF_RECIPIENT]
            self._more = self._more or len(waiting) > OF_RECIPIENT
            self._known.difference_update(row.event_id for row in waiting[OF_RECIPIENT:])
        return len(self._known) - before

    # Requests

    def _is_quiet(self) -> bool:
        return self._tools.clock.now_ms() < self._quiet_until_ms

    def _begin(self) -> None:
        most = self._most if self._is_proved and self._failures < retry.FAILING else 1
        while len(self._requests) - self._settling < most and not self._ending and not self._is_quiet():
            if self._settling >= SETTLING:
                return
            rows = self._next_rows()
            if not rows:
                return
            request = self._requests.start(self._tell(rows), str(self.endpoint_id))
            # Behind the nursery's own callback: whoever wakes sees the place that became free.
            request.add_done_callback(lambda _: self._awake.set())

    def _next_rows(self) -> list[Waiting]:
        """Take what goes into one request out of the window."""
        chosen: list[Waiting] = []
        limit = tries = 0
        for key in [key for key in self._window if key not in self._busy]:
            waiting = self._window[key]
            if not chosen:
                tries = waiting[0].tries
                # A batch that failed is told in smaller ones, down to the event that the receiver does not like.
                limit = max(1, self._batch >> 2 * tries)
            count = 0
            while count < len(waiting) and len(chosen) < limit and waiting[count].tries == tries:
                chosen.append(waiting[count])
                count += 1
            if count:
                self._busy.add(key)
                self._leave(key, waiting[count:])
            if len(chosen) >= limit:
                break
        # By event id, so that within a request each recipient's events are in order too.
        return sorted(chosen)

    def _leave(self, key: int, rows: list[Waiting]) -> None:
        if rows:
            self._window[key] = rows
        else:
            self._window.pop(key, None)

    async def _tell(self, rows: list[Waiting]) -> None:
        settled = False
        try:
            async with self._tools.slots.take(is_slow=self._is_slow):
                settled = await self._tell_now(rows)
        except TryLater as error:
            _log.warning("cannot tell an endpoint now", endpoint=self.endpoint_id, reason=str(error))
        finally:
            self._done(rows, settled)

    def _done(self, rows: Sequence[Waiting], settled: bool) -> None:
        for row in rows:
            key = _key(row)
            self._busy.discard(key)
            if not settled:
                self._failed.add(key)
                # What comes behind must not overtake it; the store has all of them.
                self._known.difference_update(one.event_id for one in self._window.pop(key, ()))
        self._known.difference_update(row.event_id for row in rows)
        self._idle_since = self._tools.clock.monotonic()

    async def _tell_now(self, rows: list[Waiting]) -> bool:
        """Send one request and settle it; return whether all its events were told."""
        tools = self._tools
        if self._may_not_begin():
            return False
        ids = [row.event_id for row in rows]

        def read(conn: Conn) -> tuple[WebhookEndpointRow | None, list[ToldEvent], PartnerFacts | None]:
            endpoint = webhook_facts.endpoint_now(conn, self.endpoint_id)
            if endpoint is None:
                return None, [], None
            events = webhook_facts.told_events(conn, endpoint.workspace_id, ids)
            is_ours = endpoint.form != EndpointForm.SUPERIMAP
            return endpoint, events, None if is_ours else webhook_facts.partner_facts(conn, endpoint.workspace_id)

        endpoint, events, facts = await tools.database.read(read)
        if endpoint is None or endpoint.state != EndpointState.ACTIVE:
            self.end()
            return False
        if facts is not None:
            return await self._tell_partner(endpoint, rows[0], events, facts)
        bodies = {event.id: event_body(event) for event in events}
        if gone := [event_id for event_id in ids if event_id not in bodies]:
            # Erased or purged: there is nothing left to tell.
            await self._write(lambda tx: outbox.give_up(tx, self.endpoint_id, gone))
        told = _within_size([row for row in rows if row.event_id in bodies], bodies)
        if not told:
            return True
        is_batch = endpoint.batch > 1
        sent = [row.event_id for row in told]
        body = batch_body([bodies[event_id] for event_id in sent]) if is_batch else bodies[sent[0]]
        request, reply = await self._request(endpoint, sent, body, is_batch=is_batch)
        if not await self._settle(endpoint, told, request, reply):
            return False
        # What did not fit into the request is read again.
        self._news = self._news or len(told) + len(gone) < len(rows)
        return len(told) + len(gone) == len(rows)

    def _was_away(self) -> bool:
        return self._is_back or self._failures >= retry.FAILING

    def _may_not_begin(self) -> bool:
        # Near its end the lease may pass to another node while the request runs.
        return self._ending or self.lease_ms - self._tools.clock.now_ms() < self._tools.request_ms

    async def _tell_partner(
        self, endpoint: WebhookEndpointRow, row: Waiting, events: Sequence[ToldEvent], facts: PartnerFacts
    ) -> bool:
        """Send one event in SuperIMAP's form and settle it; return whether it was told."""
        if not events or not is_told_in_form(events[0]):
            await self._write(lambda tx: outbox.give_up(tx, self.endpoint_id, [row.event_id]))
            return True
        event = events[0]
        if not webhook_facts.is_large(event):
            return await self._tell_partner_now(endpoint, row, event, facts)
        # A place for a large one is waited for before its bytes are read.
        async with self._tools.large.take(is_slow=self._is_slow):
            if self._may_not_begin():
                return False
            read = partial(webhook_facts.with_bytes_of_mail, workspace_id=endpoint.workspace_id, event=event)
            return await self._tell_partner_now(endpoint, row, await self._tools.database.read(read), facts)

    async def _tell_partner_now(
        self, endpoint: WebhookEndpointRow, row: Waiting, event: ToldEvent, facts: PartnerFacts
    ) -> bool:
        tools, is_large = self._tools, webhook_facts.is_large(event)
        partner = Partner(endpoint.workspace_id, event.account_id or 0, number_of(event), facts.retries)
        now_ms = tools.clock.now_ms()
        work = partial(compose_superimap, tools.sealer, endpoint, facts.key, event, now_ms)
        try:
            request = await tools.slow.run(work) if is_large else work()
        except CannotOpen as error:
            request = Request(show_id("evt", event.id), (event.id,), (), b"", is_batch=False)
            reply = Reply(now_ms, 0, None, str(error), {}, "", None)
        else:
            reply = await send(tools.client, tools.clock, endpoint.url, request.header, request.body)
        attempt = attempt_row(tools.ids.next(), endpoint, request, reply, "")
        now_ms, chance = tools.clock.now_ms(), tools.chance()
        self._is_slow = not reply.is_success or reply.duration_ms > SLOW_MS
        if reply.is_success:
            is_back = self._was_away()
            more = await self._write_told(
                lambda tx: settle_partner_told(tx, attempt, row, partner, now_ms, is_back=is_back)
            )
            self._failures, self._is_back, self._is_proved = 0, more, True
            return True
        verdict = await self._write(
            lambda tx: settle_partner_failed(tx, attempt, self.epoch, row, partner, reply, now_ms, chance)
        )
        if verdict is None:
            self.end()
            return False
        self._failures, self._quiet_until_ms = verdict.failures, verdict.quiet_until_ms
        while verdict.is_archived and await self._write(lambda tx: drop_queue(tx, partner, now_ms)):
            pass
        return False

    async def _request(
        self, endpoint: WebhookEndpointRow, event_ids: list[int], body: bytes, *, is_batch: bool
    ) -> tuple[Request, Reply]:
        tools = self._tools
        now_ms, name = tools.clock.now_ms(), request_id(event_ids, is_batch=is_batch)
        try:
            secrets = open_secrets(tools.sealer, endpoint, now_ms)
        except CannotOpen as error:
            request = Request(name, tuple(event_ids), (), body, is_batch)
            return request, Reply(now_ms, 0, None, str(error), {}, "", None)
        request = compose(secrets, name, event_ids, body, now_ms, is_batch=is_batch)
        return request, await send(tools.client, tools.clock, endpoint.url, request.header, request.body)

    async def _settle(self, endpoint: WebhookEndpointRow, rows: list[Waiting], request: Request, reply: Reply) -> bool:
        tools = self._tools
        attempt = attempt_row(tools.ids.next(), endpoint, request, reply, "")
        now_ms, chance = tools.clock.now_ms(), tools.chance()
        is_back = self._was_away()
        self._is_slow = not reply.is_success or reply.duration_ms > SLOW_MS
        if reply.is_success:
            more = await self._write_told(
                lambda tx: settle_told(tx, attempt, request.event_ids, now_ms, is_back=is_back)
            )
            self._failures, self._is_back, self._is_proved = 0, more, True
            return True
        verdict = await self._write(lambda tx: settle_failed(tx, attempt, self.epoch, rows, reply, now_ms, chance))
        if verdict is None or verdict.state is not EndpointState.ACTIVE:
            self.end()
        else:
            self._failures, self._quiet_until_ms = verdict.failures, verdict.quiet_until_ms
        return False

    async def _write_told(self, function: Callable[[Tx], bool]) -> bool:
        """Write that a receiver took a request; it is asked the next one meanwhile."""
        self._settling += 1
        self._awake.set()
        try:
            return await self._write(function)
        finally:
            self._settling -= 1

    async def _write(self, function: Callable[[Tx], _T]) -> _T:
        """Write what came of a request; what was told is told, so this waits for a store that is away."""
        while True:
            try:
                return await self._tools.database.write(function)
            except TryLater as error:
                _log.warning("cannot write what came of a webhook", endpoint=self.endpoint_id, reason=str(error))
                await self._tools.clock.sleep(_LATER_SECONDS)


def _key(row: Waiting) -> int:
    """Return what a row waits in line with: its recipient, or itself."""
    return row.recipient_id or -row.event_id


def _within_size(rows: list[Waiting], bodies: dict[int, bytes]) -> list[Waiting]:
    """Return the first of the rows whose bodies fit into a request together, at least one."""
    size = 0
    for count, row in enumerate(rows):
        size += len(bodies[row.event_id]) + 1
        if size > MOST_BODY_BYTES and count:
            return rows[:count]
    return rows
