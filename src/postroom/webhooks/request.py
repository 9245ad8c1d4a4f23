"""One request to an endpoint: what is sent, and its row in the log."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from postroom.base.ids import show_id
from postroom.base.secrets import CannotOpen, Sealer
from postroom.ledger.account_rows import PartnerKeyRow
from postroom.ledger.webhook_rows import WebhookAttemptRow, WebhookEndpointRow
from postroom.net.webhook_request import Reply, request_header
from postroom.store.webhook_facts import ToldEvent
from postroom.webhooks.endpoint_row import open_secrets
from postroom.webhooks.payload import batch_body, test_event_body
from postroom.webhooks.superimap import superimap_body

FORBIDDEN = 403
GONE = 410

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent."""

    id: str
    event_ids: tuple[int, ...]
    header: tuple[tuple[str, str], ...]
    body: bytes
    is_batch: bool
    is_test: bool = False


def compose(
    secrets: Sequence[str],
    request_id: str,
    event_ids: Sequence[int],
    body: bytes,
    now_ms: int,
    *,
    is_batch: bool = False,
    is_test: bool = False,
) -> Request:
    """Return a signed request."""
    header = request_header(secrets, request_id, body, now_ms)
    return Request(request_id, tuple(event_ids), header, body, is_batch, is_test)


def compose_test(sealer: Sealer, endpoint: WebhookEndpointRow, event_id: int, now_ms: int) -> Request:
    """Return a request of our own form that tells an event of type `test`. Raises CannotOpen."""
    secrets = open_secrets(sealer, endpoint, now_ms)
    body, is_batch = test_event_body(event_id, now_ms), endpoint.batch > 1
    if is_batch:
        body = batch_body([body])
    return compose(secrets, show_id("evt", event_id), [event_id], body, now_ms, is_batch=is_batch, is_test=True)


def compose_superimap(
    sealer: Sealer,
    endpoint: WebhookEndpointRow,
    key: PartnerKeyRow | None,
    event: ToldEvent,
    now_ms: int,
    *,
    is_test: bool = False,
) -> Request:
    """Return a request in SuperIMAP's form, signed in its body and in its header. Raises CannotOpen."""
    body = superimap_body(event, open_key(sealer, key), now_ms)
    secrets = open_secrets(sealer, endpoint, now_ms)
    return compose(secrets, show_id("evt", event.id), [event.id], body, now_ms, is_test=is_test)


def not_sent(
    request_id: str, event_ids: Sequence[int], error: CannotOpen, now_ms: int, *, is_batch: bool = False
) -> tuple[Request, Reply]:
    """Return what the log shows of a request that cannot be signed, and what came of it."""
    return Request(request_id, tuple(event_ids), (), b"", is_batch), Reply(now_ms, 0, None, str(error), {}, "", None)


def open_key(sealer: Sealer, key: PartnerKeyRow | None) -> str:
    """Return the SuperIMAP key that signs. Raises CannotOpen."""
    if key is None:
        raise CannotOpen("the workspace has no SuperIMAP key to sign with")
    return sealer.open(key.sealed, f"partner_key/{key.id}/sealed").decode()


def attempt_row(
    attempt_id: int, endpoint: WebhookEndpointRow, request: Request, reply: Reply, why: str
) -> WebhookAttemptRow:
    """Return the log's row of a request."""
    return WebhookAttemptRow(
        id=attempt_id,
        workspace_id=endpoint.workspace_id,
        endpoint_id=endpoint.id,
        at_ms=reply.at_ms,
        duration_ms=reply.duration_ms,
        succeeded=int(reply.is_success),
        status=reply.status,
        why=why,
        is_test=int(request.is_test),
        is_batch=int(request.is_batch),
        request_id=request.id,
        event_count=len(request.event_ids),
        events=_encode(request.event_ids).decode(),
        request_header=_encode(dict(request.header)).decode(),
        response_header=_encode(reply.header).decode(),
        response_body=reply.body,
    )
