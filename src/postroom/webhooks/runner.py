"""Has one endpoint told its events, while this node holds the endpoint's lease.

What is due comes into a window, and a few requests run side by side: this says
when the store is asked, and when a request may begin. The order of events is
`window`'s, a request in either form `telling`'s and `superimap_telling`'s.
"""

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from postroom.base.errors import TryLater
from postroom.base.nursery import Nursery
from postroom.ledger.webhook_rows import EndpointForm, EndpointState, WebhookEndpointRow, WebhookProgressRow
from postroom.store import webhook_facts
from postroom.store import webhook_outbox as outbox
from postroom.store.database import Conn
from postroom.store.webhook_facts import PartnerFacts, ToldEvent
from postroom.store.webhook_outbox import Due, Waiting
from postroom.webhooks.standing import Standing
from postroom.webhooks.superimap_telling import tell_in_superimaps_form
from postroom.webhooks.telling import tell
from postroom.webhooks.tools import Tools
from postroom.webhooks.window import Window

_log = structlog.get_logger(__name__)

REQUESTS = 4
"""Requests to one endpoint at a time; one to an endpoint that never took any, or that fails."""
SUPERIMAP_REQUESTS = 8
"""As REQUESTS in SuperIMAP's form, which has no batches: one receiver hears of all accounts, a mail a request.

Each request costs time for every connection that is kept, so more would not be more."""
SETTLING = 16
"""Requests to one endpoint that were answered and are not committed: so many may be told twice after a crash."""
_LOAD = 500
_LOOKS = 4


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
        self._window = Window()
        self._standing = Standing(tools, endpoint_id, epoch, wake=self._awake.set, end=self.end)
        self._batch, self._most = 1, REQUESTS
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
        return self._tools.clock.monotonic() - self._idle_since if not self._window else 0.0

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
            if not (self._news or self._window.more) or self._window.is_full or self._standing.is_quiet:
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
        window = self._window
        known, skip = window.known(), window.full_recipients()
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
        self._batch = endpoint.batch
        self._most = SUPERIMAP_REQUESTS if endpoint.form == EndpointForm.SUPERIMAP else REQUESTS
        self._standing.seen(progress)
        window.more = bool(skip) or len(due.rows) + len(due.blocked) >= limit
        if due.blocked:
            await self._tools.database.write(lambda tx: outbox.put_off(tx, self.endpoint_id, due.blocked[:_LOAD]))
        # What failed while the store read is not added, and is looked for once more.
        self._news = self._news or window.has_failed
        return window.add(due.rows, known)

    # Requests

    def _begin(self) -> None:
        most = self._most if self._standing.is_trusted else 1
        while self._may_begin() and len(self._requests) - self._standing.settling < most:
            rows = self._window.take(self._batch)
            if not rows:
                return
            request = self._requests.start(self._tell(rows), str(self.endpoint_id))
            # Behind the nursery's own callback: whoever wakes sees the place that became free.
            request.add_done_callback(lambda _: self._awake.set())

    def _may_begin(self) -> bool:
        return not self._ending and not self._standing.is_quiet and self._standing.settling < SETTLING

    async def _tell(self, rows: Sequence[Waiting]) -> None:
        settled = False
        try:
            async with self._tools.slots.take(is_slow=self._standing.is_slow):
                done = await self._tell_now(rows)
            settled = done == len(rows)
            # What did not fit into the request is read again.
            self._news = self._news or 0 < done < len(rows)
        except TryLater as error:
            _log.warning("cannot tell an endpoint now", endpoint=self.endpoint_id, reason=str(error))
        finally:
            self._window.done(rows, settled=settled)
            self._idle_since = self._tools.clock.monotonic()

    async def _tell_now(self, rows: Sequence[Waiting]) -> int:
        """Make and settle one request; return how many of the rows are done with."""
        if self._lease_ends_soon():
            return 0
        ids = [row.event_id for row in rows]

        def read(conn: Conn) -> tuple[WebhookEndpointRow | None, list[ToldEvent], PartnerFacts | None]:
            endpoint = webhook_facts.endpoint_now(conn, self.endpoint_id)
            if endpoint is None:
                return None, [], None
            events = webhook_facts.told_events(conn, endpoint.workspace_id, ids)
            is_ours = endpoint.form != EndpointForm.SUPERIMAP
            return endpoint, events, None if is_ours else webhook_facts.partner_facts(conn, endpoint.workspace_id)

        endpoint, events, facts = await self._tools.database.read(read)
        if endpoint is None or endpoint.state != EndpointState.ACTIVE:
            self.end()
            return 0
        if facts is None:
            return await tell(self._tools, self._standing, endpoint, rows, events)
        event = events[0] if events else None
        if event is None or not webhook_facts.is_large(event):
            return await tell_in_superimaps_form(self._tools, self._standing, endpoint, rows[0], event, facts)
        # A place for a large one is waited for before its bytes are read.
        async with self._tools.large.take(is_slow=self._standing.is_slow):
            if self._lease_ends_soon():
                return 0
            return await tell_in_superimaps_form(self._tools, self._standing, endpoint, rows[0], event, facts)

    def _lease_ends_soon(self) -> bool:
        # Near its end the lease may pass to another node while the request runs.
        return self._ending or self.lease_ms - self._tools.clock.now_ms() < self._tools.request_ms
