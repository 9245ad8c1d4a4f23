"""The receiver of a stress run's webhooks: an HTTP server that believes nothing that it cannot check.

It checks the signature of SuperIMAP's form (HMAC-SHA256 over timestamp and sha1), the sha1 over the text,
the text against the bytes, and the signature of Standard Webhooks over the whole body. With `refuse` it
answers a share of first tries with 503 although it has kept them: a repeated webhook must be the same one.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import msgspec
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from postroom.app.stress.verdict import NEW_MAIL, Told

_MOST_REFUSED = 100
_decode = msgspec.json.Decoder().decode


class NotValid(Exception):
    """A webhook that its receiver must not believe."""


@dataclass(slots=True)
class Receiver:
    """Takes webhooks. Secrets are set before the first one comes."""

    random: Random
    monotonic: Callable[[], float]
    refuse_percent: float = 0.0
    key: str = ""
    """The workspace's SuperIMAP key."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Path to the secret of its endpoint."""
    told: list[Told] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    requests: int = 0
    answered_503: int = 0
    port: int = 0
    _seen: set[str] = field(default_factory=set)
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def url(self, path: str) -> str:
        """Return the address of a path."""
        return f"http://127.0.0.1:{self.port}/{path}"

    async def open(self) -> None:
        """Listen on loopback."""
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0, limit=1024 * 1024, backlog=1024)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    def take(self, path: str, fields: Mapping[str, str], body: bytes) -> int:
        """Take one webhook and return the status that it is answered with."""
        self.requests += 1
        try:
            told = self.check(path, fields, body)
        except (NotValid, WebhookVerificationError, msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
            if len(self.refused) < _MOST_REFUSED:
                self.refused.append(f"{path}: {type(error).__name__}: {error}")
            return 400
        self.told.append(told)
        if told.event_id not in self._seen:
            self._seen.add(told.event_id)
            # Only the first try of an event: the pauses of SuperIMAP's form grow to minutes.
            if self.random.random() * 100 < self.refuse_percent:
                self.answered_503 += 1
                return 503
        return 200

    def check(self, path: str, fields: Mapping[str, str], body: bytes) -> Told:
        """Return what a webhook tells. Raises NotValid and others where it must not be believed."""
        Webhook(self.secrets[path]).verify(body, dict(fields))
        found: dict[str, Any] = _decode(body)
        said = hmac.new(self.key.encode(), f"{found['timestamp']}{found['sha1']}".encode(), hashlib.sha256)
        if not hmac.compare_digest(said.hexdigest(), str(found["signature"])):
            raise NotValid("the signature is not of our key")
        tag, number = str(found["user_tag"]), int(found["sequence_number"])
        if number < 1:
            raise NotValid(f"{number} is no number")
        digest, is_truncated = "", bool(found.get("truncated"))
        if path == NEW_MAIL:
            digest = _check_mail(found, is_truncated)
        message_id = str((found.get("envelope") or {}).get("message_id") or "")
        event_id = str(found["event_id"])
        return Told(path, tag, number, event_id, digest, message_id, self.monotonic(), is_truncated)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
                body = await reader.readexactly(int(fields.get("content-length", "0")))
                status = self.take(head[0].split(" ")[1].strip("/"), fields, body)
                writer.write(b"HTTP/1.1 %d Said\r\nContent-Length: 0\r\n\r\n" % status)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            return
        finally:
            self._writers.discard(writer)
            writer.close()


def _check_mail(found: Mapping[str, Any], is_truncated: bool) -> str:
    """Return the SHA-256 of a mail's bytes; empty where it carries none."""
    text = str(found["rfc822"] or "")
    if hashlib.sha1(text.encode()).hexdigest() != found["sha1"]:  # noqa: S324 - SuperIMAP's form
        raise NotValid("sha1 is not of rfc822")
    if is_truncated:
        return ""
    try:
        raw = base64.b64decode(str(found["raw"]), validate=True)
    except binascii.Error as error:
        raise NotValid("raw is no base64") from error
    if raw.decode("utf-8", "replace") != text:
        raise NotValid("rfc822 is not the text of raw")
    return hashlib.sha256(raw).hexdigest()
