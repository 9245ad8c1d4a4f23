"""Tells an endpoint events in our own form: one in a request, or a batch."""

from collections.abc import Sequence

from postroom.base.secrets import CannotOpen
from postroom.ledger.webhook_rows import WebhookEndpointRow
from postroom.net.webhook_request import Reply, send
from postroom.store import webhook_outbox as outbox
from postroom.store.webhook_facts import ToldEvent
from postroom.store.webhook_outbox import Waiting
from postroom.webhooks.endpoint_row import open_secrets
from postroom.webhooks.outcome import settle_failed, settle_told
from postroom.webhooks.payload import MOST_BODY_BYTES, batch_body, event_body, request_id
from postroom.webhooks.request import Request, attempt_row, compose, not_sent
from postroom.webhooks.standing import Standing
from postroom.webhooks.tools import Tools


async def tell(
    tools: Tools, standing: Standing, endpoint: WebhookEndpointRow, rows: Sequence[Waiting], events: Sequence[ToldEvent]
) -> int:
    """Send one request that tells `events` and settle it; return how many of the rows are done with.

    Those are the ones that were told, and those whose event is gone; what is too much for one request is left.
    0: the receiver did not take it.
    """
    bodies = {event.id: event_body(event) for event in events}
    if gone := [row.event_id for row in rows if row.event_id not in bodies]:
        # Erased or purged: there is nothing left to tell.
        await standing.write(lambda tx: outbox.give_up(tx, endpoint.id, gone))
    told = _within_size([row for row in rows if row.event_id in bodies], bodies)
    if not told:
        return len(gone)
    request, reply = await _send(tools, endpoint, [bodies[row.event_id] for row in told], told)
    attempt, now_ms = attempt_row(tools.ids.next(), endpoint, request, reply, ""), tools.clock.now_ms()
    if reply.is_success:
        await standing.told(
            reply, lambda tx, is_back: settle_told(tx, attempt, request.event_ids, now_ms, is_back=is_back)
        )
        return len(told) + len(gone)
    await standing.refused(
        reply, lambda tx, chance: settle_failed(tx, attempt, standing.epoch, told, reply, now_ms, chance)
    )
    return 0


async def _send(
    tools: Tools, endpoint: WebhookEndpointRow, bodies: Sequence[bytes], rows: Sequence[Waiting]
) -> tuple[Request, Reply]:
    is_batch, now_ms = endpoint.batch > 1, tools.clock.now_ms()
    event_ids = [row.event_id for row in rows]
    name = request_id(event_ids, is_batch=is_batch)
    try:
        secrets = open_secrets(tools.sealer, endpoint, now_ms)
    except CannotOpen as error:
        return not_sent(name, event_ids, error, now_ms, is_batch=is_batch)
    body = batch_body(bodies) if is_batch else bodies[0]
    request = compose(secrets, name, event_ids, body, now_ms, is_batch=is_batch)
    return request, await send(tools.client, tools.clock, endpoint.url, request.header, request.body)


def _within_size(rows: list[Waiting], bodies: dict[int, bytes]) -> list[Waiting]:
    """Return the first of the rows whose bodies fit into a request together, at least one."""
    size = 0
    for count, row in enumerate(rows):
        size += len(bodies[row.event_id]) + 1
        if size > MOST_BODY_BYTES and count:
            return rows[:count]
    return rows
