"""The body of a small request, read within its bounds by an ASGI application."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import cast


class NoBody(Enum):
    """Why there is no body."""

    TOO_LARGE = "too large"
    BROKEN_OFF = "broken off"
    LATE = "late"


async def read_body(
    receive: Callable[[], Awaitable[Mapping[str, object]]], *, most_bytes: int, seconds: float
) -> bytes | NoBody:
    """Return the body of a request; of one that is too large no more is read."""
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return NoBody.BROKEN_OFF
                body += cast(bytes, message["body"])
                if len(body) > most_bytes:
                    return NoBody.TOO_LARGE
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError:
        return NoBody.LATE
