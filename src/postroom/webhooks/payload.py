"""What a request says: one event as its body, or several in a list.

The body is made of the event and of what never changes of its message and
recipient, so an event looks the same each time it is told. It leaves the SMTP
transcript out, which is as long as a mail's route; the API has it.
"""

import base64
import hashlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from postroom.base.ids import show_id
from postroom.base.packing import unpack
from postroom.base.spans import rfc3339
from postroom.ledger.event_kinds import EventKind
from postroom.store.webhook_facts import InboundFacts, ToldEvent

MOST_BODY_BYTES = 256 << 10
"""Of a batch; an event that is larger alone goes alone."""
_MOST_TEXT = 2_000
"""Characters of one text in the detail: a peer's reply may be long, and a receiver's patience is short."""
ACCOUNT_WORDS = ("tag", "provider", "email")
"""What the detail of an account's event tells of the account, as it was then."""
_LEFT_OUT = ("transcript",)
_WHOLE = ("written",)
"""What somebody wrote in a reply was cut where it was recorded, if at all."""

_encode = msgspec.json.Encoder().encode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


class MessageData(Struct, frozen=True):
    """The message that an event tells of."""

    id: str
    message_id: str
    """Value of the Message-ID field."""
    author: str
    """Address of From."""
    subject: str
    stream: str
    tags: msgspec.Raw
    metadata: msgspec.Raw


class RecipientData(Struct, frozen=True):
    """The recipient that an event tells of."""

    id: str
    address: str
    domain: str
    provider: str


class AccountData(Struct, frozen=True):
    """The watched account that an event tells of."""

    id: str
    tag: str
    provider: str
    """Code of its connection's provider."""
    email: str


class RawMail(Struct, frozen=True):
    """The bytes of a mail that came in, or was found in a watched account."""

    path: str
    """Where the API has them: GET, below the server's address."""
    size_bytes: int
    base64: str | None
    """None above 64 kB, or where they are gone."""


class EventData(Struct, frozen=True, omit_defaults=True):
    """What an event tells."""

    message: MessageData | None
    recipient: RecipientData | None
    detail: dict[str, Any]
    raw: RawMail | None = None
    """Of an event that tells what somebody wrote, or what was found; else it is not there."""
    account: AccountData | None = None
    """Of an event that tells of a watched account; else it is not there."""


class EventBody(Struct, frozen=True):
    """An event as receivers see it."""

    id: str
    """`evt_…`: the same each time it is told."""
    type: str
    timestamp: str
    """When it happened, RFC 3339 in UTC."""
    data: EventData


def event_body(event: ToldEvent) -> bytes:
    """Return an event as JSON."""
    message = recipient = None
    if event.message_id is not None and event.message is not None:
        fields = event.message
        message = MessageData(
            show_id("msg", event.message_id),
            fields.message_id,
            fields.author_address,
            fields.subject,
            fields.stream,
            msgspec.Raw(fields.tags.encode()),
            msgspec.Raw(fields.metadata.encode()),
        )
    if event.recipient_id is not None and event.recipient is not None:
        to = event.recipient
        recipient = RecipientData(show_id("rcp", event.recipient_id), to.address, to.domain, to.provider)
    detail = _detail(event.detail)
    if event.account_id is None:
        data = EventData(message, recipient, detail, _raw(event.inbound))
    else:
        account = _account(event.account_id, detail)
        data = EventData(None, None, detail, _found(event, account, detail), account)
    return _encode(EventBody(show_id("evt", event.id), event.kind, rfc3339(event.at_ms), data))


def test_event_body(event_id: int, at_ms: int) -> bytes:
    """Return an event of type `test`, which tells nothing but that requests arrive."""
    data = EventData(None, None, {"text": "This is a test event that somebody asked for in Postroom."})
    return _encode(EventBody(show_id("evt", event_id), "test", rfc3339(at_ms), data))


def batch_body(bodies: Sequence[bytes]) -> bytes:
    """Return the body of a request that tells several events."""
    return b'{"events":[' + b",".join(bodies) + b"]}"


def request_id(event_ids: Sequence[int], *, is_batch: bool) -> str:
    """Return the value of webhook-id: the same whenever the same events are told together."""
    if not is_batch:
        return show_id("evt", event_ids[0])
    digest = hashlib.sha256(b",".join(b"%d" % event_id for event_id in event_ids)).digest()
    return show_id("bat", int.from_bytes(digest[:8], "big") >> 1)


def _detail(text: str) -> dict[str, Any]:
    detail = _decode_object(text) if text else {}
    for name in _LEFT_OUT:
        detail.pop(name, None)
    next_try_ms = detail.pop("next_try_ms", None)
    if isinstance(next_try_ms, int):
        detail["next_try_at"] = rfc3339(next_try_ms)
    return {name: value if name in _WHOLE else _cut(value) for name, value in detail.items()}


def _raw(mail: InboundFacts | None) -> RawMail | None:
    if mail is None:
        return None
    content = None if mail.raw is None else base64.b64encode(mail.raw).decode()
    return RawMail(f"/api/v1/inbound/{show_id('inb', mail.id)}/raw", mail.size_bytes, content)


def _account(account_id: int, detail: dict[str, Any]) -> AccountData:
    """Take what tells of the account out of the detail."""
    return AccountData(show_id("acc", account_id), *(str(detail.pop(name, "")) for name in ACCOUNT_WORDS))


def _found(event: ToldEvent, account: AccountData, detail: dict[str, Any]) -> RawMail | None:
    if event.kind != EventKind.MAIL_ARRIVED:
        return None
    size_bytes = detail.pop("size_bytes", 0)
    path = raw_path(account.provider, account.tag, detail.get("number", 0))
    return RawMail(path, size_bytes, None if event.packed is None else base64.b64encode(unpack(event.packed)).decode())


def raw_path(provider: str, tag: str, number: int) -> str:
    """Return where the API has the bytes of a mail that was found."""
    return f"/api/v1/connections/{quote(provider, safe='')}/users/{quote(tag, safe='')}/events/{number}/raw"


def _cut(value: object) -> object:
    if isinstance(value, str) and len(value) > _MOST_TEXT:
        return value[: _MOST_TEXT - 1] + "…"
    return value
