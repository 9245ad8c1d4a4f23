"""What people do with webhook endpoints: make, change, pause, resume, test, replay, delete."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from postroom.base.clock import HOUR_MS, Clock
from postroom.base.errors import WrongInput
from postroom.base.ids import IdSource, first_id_at
from postroom.base.secrets import Sealer
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.states import Stream
from postroom.ledger.webhook_rows import (
    EndpointForm,
    EndpointState,
    WebhookAttemptRow,
    WebhookEndpointRow,
    WebhookProgressRow,
)
from postroom.net.address_guard import Network
from postroom.net.http_client import HttpClient, url_problem
from postroom.net.webhook_request import send
from postroom.store import webhook_facts, webhooks
from postroom.store import webhook_outbox as outbox
from postroom.store.database import Conn, Database, Tx
from postroom.store.together import InTransaction, if_done, nothing_else
from postroom.store.webhook_facts import PartnerFacts, ToldEvent
from postroom.store.webhooks import EndpointHealth
from postroom.webhooks.endpoint_row import kinds_of, kinds_text, new_endpoint, with_new_secret
from postroom.webhooks.payload import batch_body, event_body, test_event_body
from postroom.webhooks.request import attempt_row, compose_superimap, compose_test, open_key
from postroom.webhooks.superimap import superimap_body, test_event

MOST_ENDPOINTS = 10
"""Of a workspace: each event is written once for every endpoint that asks for it."""
MOST_BATCH = 500
OVERLAP_HOURS = 24
"""How long the old secret goes on signing beside a new one."""
_PAGE = 500
_MOST_PAGES = 100
MOST_REPLAYED = _PAGE * _MOST_PAGES
"""Events that one call looks through to replay or makes due; the caller asks again for the rest."""

_PAGES_OF_DELETE = 20

_decode_ids = msgspec.json.Decoder(list[int]).decode


@dataclass(frozen=True, slots=True)
class Asked:
    """What an endpoint shall be told, and where."""

    url: str
    description: str = ""
    kinds: tuple[EventKind, ...] = ()
    """Empty: every kind."""
    stream: Stream | None = None
    """None: both."""
    batch: int = 1
    """Most events of one request, 1 to MOST_BATCH."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay put into the outbox."""

    events: int
    next_id: int | None
    """There may be more behind this event: ask again; None: that was all."""


class TooManyEndpoints(WrongInput):
    """The workspace has as many endpoints as it may."""

    def __init__(self) -> None:
        super().__init__("url", f"a workspace has at most {MOST_ENDPOINTS} endpoints; delete one", code="too_many")


class Disabled(WrongInput):
    """The endpoint is disabled: nothing is kept for it until somebody resumes it."""

    def __init__(self) -> None:
        super().__init__("state", "this endpoint is disabled; resume it first", code="disabled")


class Webhooks:
    """The endpoints of all workspaces.

    `in_transaction` of a change runs in its transaction, where there is something to change.
    """

    def __init__(
        self,
        database: Database,
        ids: IdSource,
        clock: Clock,
        sealer: Sealer,
        client: HttpClient,
        allow_private: tuple[Network, ...] = (),
    ) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock
        self._sealer = sealer
        self._client = client
        self._allow_private = allow_private

    def url_problem(self, url: str) -> str | None:
        """Return in words why an address cannot be an endpoint's, or None. A name is looked up when it is dialled."""
        return url_problem(url, self._allow_private)

    # Reading

    async def list(self, workspace_id: int) -> list[EndpointHealth]:
        """Return the endpoints of a workspace with how each fares, oldest first."""
        return await self._database.read(lambda conn: webhooks.healths_of(conn, workspace_id))

    async def get(self, workspace_id: int, endpoint_id: int) -> EndpointHealth | None:
        """Return an endpoint of a workspace, or None."""
        return await self._database.read(lambda conn: webhooks.health_of(conn, workspace_id, endpoint_id))

    async def body_of(self, attempt: WebhookAttemptRow) -> str | None:
        """Return the body of a request of the log, made of its events again; None where one of them is gone."""
        ids = _decode_ids(attempt.events)
        endpoint = await self._database.read(lambda conn: webhook_facts.endpoint_now(conn, attempt.endpoint_id))
        if endpoint is not None and endpoint.form == EndpointForm.SUPERIMAP:
            return await self._superimap_body_of(endpoint, attempt, ids[0])
        if attempt.is_test:
            bodies = [test_event_body(ids[0], attempt.at_ms)]
        else:
            events = await self._database.read(lambda conn: webhook_facts.told_events(conn, attempt.workspace_id, ids))
            bodies = [event_body(event) for event in events]
        if len(bodies) < len(ids):
            return None
        return (batch_body(bodies) if attempt.is_batch else bodies[0]).decode()

    async def _superimap_body_of(
        self, endpoint: WebhookEndpointRow, attempt: WebhookAttemptRow, event_id: int
    ) -> str | None:
        # The bytes of a large mail are left out, and it is signed with the newest key.
        def read(conn: Conn) -> tuple[PartnerFacts, list[ToldEvent]]:
            facts = webhook_facts.partner_facts(conn, endpoint.workspace_id)
            return facts, webhook_facts.told_events(conn, endpoint.workspace_id, [event_id])

        facts, events = await self._database.read(read)
        if attempt.is_test:
            events = [test_event(event_id, kinds_of(endpoint)[0])]
        key = facts.key and open_key(self._sealer, facts.key)
        return superimap_body(events[0], key or "", attempt.at_ms).decode() if events else None

    # Changing

    async def create(
        self, workspace_id: int, asked: Asked, *, in_transaction: InTransaction = nothing_else
    ) -> tuple[EndpointHealth, str]:
        """Make an endpoint; return it with its secret, which is shown this once.

        Raises WrongInput, and of these TooManyEndpoints.
        """
        self._check(asked)
        row, secret = new_endpoint(
            self._sealer,
            self._ids.next(),
            workspace_id,
            self._clock.now_ms(),
            url=asked.url,
            description=asked.description,
            kinds=_kinds(asked),
            stream=asked.stream or "",
            batch=asked.batch,
        )

        def write(tx: Tx) -> None:
            if webhooks.count_endpoints(tx, workspace_id) >= MOST_ENDPOINTS:
                raise TooManyEndpoints
            webhooks.create(tx, row)
            in_transaction(tx)

        await self._database.write(write)
        return EndpointHealth(row, WebhookProgressRow(row.id), 0, None), secret

    async def update(
        self, row: WebhookEndpointRow, asked: Asked, *, in_transaction: InTransaction = nothing_else
    ) -> bool:
        """Write what an endpoint is told, and where; tell whether it is still there. Raises WrongInput.

        At a new address everything that waits is tried at once.
        """
        self._check(asked)
        told = (_kinds(asked), asked.stream or "", asked.batch)
        if row.form == EndpointForm.SUPERIMAP and told != (row.kinds, row.stream, row.batch):
            raise WrongInput("kinds", "a webhook in SuperIMAP's form tells one kind of event, one in a request")
        after = row._replace(
            url=asked.url,
            description=asked.description,
            kinds=_kinds(asked),
            stream=asked.stream or "",
            batch=asked.batch,
        )
        now_ms = self._clock.now_ms()

        def write(tx: Tx) -> bool:
            if after.url != row.url:
                webhooks.begin_again(tx, row.id, now_ms)
            return if_done(webhooks.update(tx, after), tx, in_transaction)

        found = await self._database.write(write)
        if found and after.url != row.url:
            await self._hasten(row.id)
        return found

    async def delete(
        self, workspace_id: int, endpoint_id: int, *, in_transaction: InTransaction = nothing_else
    ) -> bool:
        """Delete an endpoint with what it was still to be told; tell whether there was one."""

        def write(tx: Tx) -> bool:
            return if_done(webhooks.delete(tx, workspace_id, endpoint_id), tx, in_transaction)

        if not await self._database.write(write):
            return False
        for _ in range(_PAGES_OF_DELETE):
            # What is left after this goes by upkeep.
            if await self._database.write(lambda tx: outbox.drop(tx, endpoint_id, _PAGE)) < _PAGE:
                break
        return True

    async def rotate(
        self,
        row: WebhookEndpointRow,
        overlap_hours: int = OVERLAP_HOURS,
        *,
        in_transaction: InTransaction = nothing_else,
    ) -> str | None:
        """Give an endpoint a new secret and return it; None where it is gone meanwhile.

        Requests are signed with the old one too for `overlap_hours`, 0: not at all.
        """
        until_ms = self._clock.now_ms() + overlap_hours * HOUR_MS if overlap_hours else None
        after, secret = with_new_secret(self._sealer, row, until_ms)

        def write(tx: Tx) -> bool:
            return if_done(webhooks.set_secrets(tx, after), tx, in_transaction)

        return secret if await self._database.write(write) else None

    async def pause(self, row: WebhookEndpointRow, by: str, *, in_transaction: InTransaction = nothing_else) -> None:
        """Tell an endpoint nothing until it is resumed; its events wait. `by`: `the API`, an operator's name."""
        now_ms = self._clock.now_ms()
        why = f"Paused by {by}."

        def write(tx: Tx) -> None:
            webhooks.set_state(tx, row.id, EndpointState.ACTIVE.value, EndpointState.PAUSED.value, why, now_ms)
            in_transaction(tx)

        await self._database.write(write)

    async def resume(self, row: WebhookEndpointRow, *, in_transaction: InTransaction = nothing_else) -> None:
        """Tell an endpoint everything that waits for it, at once, and what comes."""
        now_ms = self._clock.now_ms()

        def write(tx: Tx) -> None:
            for before in (EndpointState.PAUSED, EndpointState.DISABLED):
                webhooks.set_state(tx, row.id, before.value, EndpointState.ACTIVE.value, "", now_ms)
            webhooks.begin_again(tx, row.id, now_ms)
            in_transaction(tx)

        await self._database.write(write)
        await self._hasten(row.id)

    async def test(self, row: WebhookEndpointRow) -> WebhookAttemptRow:
        """Send an event of type `test` now and return the log's row of it. Raises TryLater, CannotOpen."""
        event_id, now_ms = self._ids.next(), self._clock.now_ms()
        if row.form == EndpointForm.SUPERIMAP:
            facts = await self._database.read(lambda conn: webhook_facts.partner_facts(conn, row.workspace_id))
            event = test_event(event_id, kinds_of(row)[0])
            request = compose_superimap(self._sealer, row, facts.key, event, now_ms, is_test=True)
        else:
            request = compose_test(self._sealer, row, event_id, now_ms)
        reply = await send(self._client, self._clock, row.url, request.header, request.body)
        attempt = attempt_row(self._ids.next(), row, request, reply, "" if reply.is_success else reply.in_words())
        attempt = attempt._replace(at_ms=now_ms)

        def write(tx: Tx) -> None:
            tx.add(attempt)

        await self._database.write(write)
        return attempt

    # Replay

    async def replay_events(self, row: WebhookEndpointRow, event_ids: Sequence[int]) -> Replayed:
        """Tell an endpoint these events of its workspace again, whatever it asks for. Raises Disabled.

        SuperIMAP's form has words for the kind of its webhook only: other events are left out.
        """
        _refuse_disabled(row)
        workspace_id, now_ms = row.workspace_id, self._clock.now_ms()
        kinds = kinds_of(row) if row.form == EndpointForm.SUPERIMAP else ()
        total = 0
        for start in range(0, len(event_ids), _PAGE):
            asked = event_ids[start : start + _PAGE]
            found = await self._database.read(
                lambda conn, asked=asked: outbox.existing_events(conn, workspace_id, asked, kinds)  # type: ignore[misc]
            )
            await self._tell_again(row.id, found, now_ms)
            total += len(found)
        return Replayed(total, None)

    async def replay_span(
        self, row: WebhookEndpointRow, since_ms: int, until_ms: int, kinds: Sequence[EventKind], after_id: int = 0
    ) -> Replayed:
        """Tell an endpoint what was recorded between two times again, of these kinds or (empty) of those it asks for.

        `after_id` is `next_id` of the call before. Raises Disabled.
        """
        _refuse_disabled(row)
        listener = outbox.listener_of(row)
        if kinds:
            asked = frozenset(kind.value for kind in kinds)
            if row.form == EndpointForm.SUPERIMAP and not (asked := asked & listener.kinds):
                return Replayed(0, None)
            listener = listener._replace(kinds=asked)
        workspace_id, now_ms = row.workspace_id, self._clock.now_ms()
        after_id, before_id = max(after_id, first_id_at(since_ms) - 1), first_id_at(until_ms)
        total = 0
        for _ in range(_MOST_PAGES):
            page = await self._database.read(
                lambda conn, after_id=after_id: outbox.past_events(  # type: ignore[misc]
                    conn, workspace_id, after_id, before_id, _PAGE
                )
            )
            heard = [(event.id, event.recipient_id) for event in page if listener.hears(event.kind, event.stream)]
            await self._tell_again(row.id, heard, now_ms)
            total += len(heard)
            if len(page) < _PAGE:
                return Replayed(total, None)
            after_id = page[-1].id
        return Replayed(total, after_id)

    async def replay_attempt(self, row: WebhookEndpointRow, attempt: WebhookAttemptRow) -> Replayed:
        """Tell an endpoint the events of a request again. Raises Disabled."""
        return await self.replay_events(row, _decode_ids(attempt.events))

    async def _tell_again(self, endpoint_id: int, events: Sequence[tuple[int, int]], now_ms: int) -> None:
        if events:
            await self._database.write(lambda tx: outbox.tell_again(tx, endpoint_id, events, now_ms))

    async def _hasten(self, endpoint_id: int) -> None:
        now_ms = self._clock.now_ms()
        for _ in range(_MOST_PAGES):
            if await self._database.write(lambda tx: outbox.hasten(tx, endpoint_id, now_ms, _PAGE)) < _PAGE:
                break

    def _check(self, asked: Asked) -> None:
        problem = self.url_problem(asked.url)
        if problem is not None:
            raise WrongInput("url", problem, code="invalid_url")
        if not 1 <= asked.batch <= MOST_BATCH:
            raise WrongInput("batch", f"must be a whole number from 1 to {MOST_BATCH}", code="range")


def asked_of(row: WebhookEndpointRow) -> Asked:
    """Return what an endpoint is told, and where."""
    known = [kind for kind in EventKind if kind.value in kinds_of(row)]
    return Asked(row.url, row.description, tuple(known), Stream(row.stream) if row.stream else None, row.batch)


def _kinds(asked: Asked) -> str:
    return kinds_text([kind.value for kind in asked.kinds])


def _refuse_disabled(row: WebhookEndpointRow) -> None:
    if row.state == EndpointState.DISABLED:
        raise Disabled
