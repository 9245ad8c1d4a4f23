"""Tells an endpoint events in SuperIMAP's form: one in a request, tried as often as the workspace says."""

from functools import partial

from postroom.base.ids import show_id
from postroom.base.secrets import CannotOpen
from postroom.ledger.webhook_rows import WebhookEndpointRow
from postroom.net.webhook_request import Reply, send
from postroom.store import webhook_facts
from postroom.store import webhook_outbox as outbox
from postroom.store.webhook_facts import PartnerFacts, ToldEvent
from postroom.store.webhook_outbox import Waiting
from postroom.webhooks.outcome import Partner, drop_queue, settle_partner_failed, settle_partner_told
from postroom.webhooks.request import Request, attempt_row, compose_superimap, not_sent
from postroom.webhooks.standing import Standing
from postroom.webhooks.superimap import is_told_in_form, number_of
from postroom.webhooks.tools import Tools


async def tell_in_superimaps_form(
    tools: Tools,
    standing: Standing,
    endpoint: WebhookEndpointRow,
    row: Waiting,
    event: ToldEvent | None,
    facts: PartnerFacts,
) -> int:
    """Send one event and settle it; return 1 where it is done with: it was told, or this form has no words for it.

    0: the receiver did not take it. None for an event: it is gone. The bytes of a large mail are read here.
    """
    if event is None or not is_told_in_form(event):
        await standing.write(lambda tx: outbox.give_up(tx, endpoint.id, [row.event_id]))
        return 1
    partner = Partner(endpoint.workspace_id, event.account_id or 0, number_of(event), facts.retries)
    request, reply = await _send(tools, endpoint, event, facts)
    attempt, now_ms = attempt_row(tools.ids.next(), endpoint, request, reply, ""), tools.clock.now_ms()
    if reply.is_success:
        await standing.told(
            reply, lambda tx, is_back: settle_partner_told(tx, attempt, row, partner, now_ms, is_back=is_back)
        )
        return 1
    verdict = await standing.refused(
        reply,
        lambda tx, chance: settle_partner_failed(tx, attempt, standing.epoch, row, partner, reply, now_ms, chance),
    )
    if verdict is not None and verdict.is_archived:
        while await standing.write(lambda tx: drop_queue(tx, partner, now_ms)):
            pass
    return 0


async def _send(
    tools: Tools, endpoint: WebhookEndpointRow, event: ToldEvent, facts: PartnerFacts
) -> tuple[Request, Reply]:
    is_large = webhook_facts.is_large(event)
    if is_large:
        read = partial(webhook_facts.with_bytes_of_mail, workspace_id=endpoint.workspace_id, event=event)
        event = await tools.database.read(read)
    now_ms = tools.clock.now_ms()
    work = partial(compose_superimap, tools.sealer, endpoint, facts.key, event, now_ms)
    try:
        request = await tools.slow.run(work) if is_large else work()
    except CannotOpen as error:
        return not_sent(show_id("evt", event.id), [event.id], error, now_ms)
    return request, await send(tools.client, tools.clock, endpoint.url, request.header, request.body)
