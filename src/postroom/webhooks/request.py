"""One request to an endpoint: its header and body, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from postroom import __version__
from postroom.base.clock import Clock
from postroom.base.secrets import Sealer
from postroom.ledger.webhook_rows import WebhookAttemptRow, WebhookEndpointRow
from postroom.net.http_client import HttpClient, NoAnswer
from postroom.webhooks.retry import retry_after_ms
from postroom.webhooks.signature import signed_header

GONE = 410
_ASKS_FOR_TIME = (429, 503)
_SHOWN_BODY = 4_000
"""Characters of an answer that the log keeps."""
_SHOWN_HEADER = 8_000

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


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of it."""

    at_ms: int
    """When it was sent."""
    duration_ms: int
    status: int | None
    """None: no answer, and `error` says why."""
    error: str
    header: dict[str, str]
    body: str
    retry_after_ms: int | None
    """The pause that a 429 or 503 asks for."""

    @property
    def is_success(self) -> bool:
        """The receiver took it."""
        return self.status is not None and 200 <= self.status < 300

    def in_words(self) -> str:
        """Return what went wrong."""
        if self.status is None:
            return self.error
        if 300 <= self.status < 400:
            return f"HTTP {self.status}: redirects are not followed"
        return f"HTTP {self.status}"


def open_secrets(sealer: Sealer, endpoint: WebhookEndpointRow, now_ms: int) -> list[str]:
    """Return the secrets that receivers may hold now, the newest first. Raises CannotOpen."""
    found = [sealer.open(endpoint.secret, f"webhook_endpoint/{endpoint.id}/secret").decode()]
    if endpoint.old_secret is not None and (endpoint.old_secret_until_ms or 0) > now_ms:
        found.append(sealer.open(endpoint.old_secret, f"webhook_endpoint/{endpoint.id}/old_secret").decode())
    return found


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
    header = (
        ("Content-Type", "application/json"),
        ("User-Agent", f"Postroom/{__version__}"),
        ("Accept-Encoding", "identity"),
        *signed_header(secrets, request_id, now_ms // 1000, body),
    )
    return Request(request_id, tuple(event_ids), header, body, is_batch, is_test)


async def send(client: HttpClient, clock: Clock, url: str, request: Request) -> Reply:
    """Send a request and return what came of it; raises nothing that a receiver can cause."""
    at_ms, began = clock.now_ms(), clock.monotonic()
    try:
        answer = await client.post(url, request.header, request.body)
    except (NoAnswer, ValueError) as error:
        return Reply(at_ms, _since(clock, began), None, str(error), {}, "", None)
    asked = retry_after_ms(answer.field("retry-after"), clock.now_ms()) if answer.status in _ASKS_FOR_TIME else None
    text = answer.body[: 4 * _SHOWN_BODY].decode("utf-8", "replace")[:_SHOWN_BODY].replace("\0", "�")
    return Reply(at_ms, _since(clock, began), answer.status, "", _shown(answer.header), text, asked)


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


def _shown(header: Sequence[tuple[str, str]]) -> dict[str, str]:
    shown: dict[str, str] = {}
    size = 0
    for name, value in header:
        size += len(name) + len(value)
        if size > _SHOWN_HEADER:
            break
        text = value.replace("\0", "�")
        shown[name] = f"{shown[name]}, {text}" if name in shown else text
    return shown


def _since(clock: Clock, began: float) -> int:
    return max(0, round((clock.monotonic() - began) * 1000))
