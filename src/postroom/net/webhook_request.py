"""One signed request to a receiver of webhooks, and what came of it (Standard Webhooks 1.0, RFC 9110 10.2.3)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from postroom import __version__
from postroom.base.clock import HOUR_MS, Clock
from postroom.net.http_client import HttpClient, NoAnswer
from postroom.net.webhook_signature import signed_header

LONGEST_RETRY_AFTER_MS = HOUR_MS
"""A receiver may ask for a longer pause; nobody who mistypes a number shall wait for a year."""
_LONGEST_FIELD = 100
_ASKS_FOR_TIME = (429, 503)
_SHOWN_BODY = 4_000
"""Characters of an answer that a log keeps."""
_SHOWN_HEADER = 8_000


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a request."""

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


def request_header(secrets: Sequence[str], request_id: str, body: bytes, now_ms: int) -> tuple[tuple[str, str], ...]:
    """Return the header of a request with a JSON body, signed with each of the secrets."""
    return (
        ("Content-Type", "application/json"),
        ("User-Agent", f"Postroom/{__version__}"),
        ("Accept-Encoding", "identity"),
        *signed_header(secrets, request_id, now_ms // 1000, body),
    )


async def send(client: HttpClient, clock: Clock, url: str, header: Sequence[tuple[str, str]], body: bytes) -> Reply:
    """Send a request and return what came of it; raises nothing that a receiver can cause."""
    at_ms, began = clock.now_ms(), clock.monotonic()
    try:
        answer = await client.post(url, header, body)
    except (NoAnswer, ValueError) as error:
        return Reply(at_ms, _since(clock, began), None, str(error), {}, "", None)
    asked = retry_after_ms(answer.field("retry-after"), clock.now_ms()) if answer.status in _ASKS_FOR_TIME else None
    text = answer.body[: 4 * _SHOWN_BODY].decode("utf-8", "replace")[:_SHOWN_BODY].replace("\0", "�")
    return Reply(at_ms, _since(clock, began), answer.status, "", _shown(answer.header), text, asked)


def retry_after_ms(value: str, now_ms: int) -> int | None:
    """Return the pause that a Retry-After field asks for (RFC 9110 10.2.3), bounded; None where it says nothing."""
    text = value.strip()
    if not text or len(text) > _LONGEST_FIELD:
        return None
    if re.fullmatch(r"[0-9]{1,10}", text):
        return min(int(text) * 1000, LONGEST_RETRY_AFTER_MS)
    try:
        at = parsedate_to_datetime(text)
        if at.tzinfo is None:
            at = at.replace(tzinfo=UTC)
        wait = int(at.timestamp() * 1000) - now_ms
    except (ValueError, OverflowError, TypeError):
        return None
    return min(max(wait, 0), LONGEST_RETRY_AFTER_MS)


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
