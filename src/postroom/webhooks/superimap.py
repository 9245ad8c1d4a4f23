"""Requests in SuperIMAP's form: its fields in its order with its signature, and ours behind them.

The signature covers the time and the SHA-1 of what SuperIMAP signed: the text of
the mail, or the tag of the user. Whoever wants the whole body covered verifies
the header fields of Standard Webhooks, which these requests carry too. The time
and the signature are new at every try; all the rest is the same.

`rfc822` is text, so bytes that are no UTF-8 became U+FFFD in it, as SuperIMAP
has it. `raw` is base64 of the very bytes.
"""

import base64
import hashlib
import hmac
from typing import Any

import msgspec
from msgspec import Struct

from postroom.base.ids import show_id
from postroom.base.packing import pack, unpack
from postroom.ledger.event_kinds import EventKind
from postroom.mail.imap_envelope import envelope_of
from postroom.store.webhook_facts import ToldEvent

FIELDS = {
    EventKind.MAIL_ARRIVED: "new_mail_webhook",
    EventKind.ACCOUNT_CONNECTED: "user_connected_webhook",
    EventKind.ACCOUNT_DISCONNECTED: "user_disconnected_webhook",
    EventKind.ACCOUNT_AUTH_FAILED: "user_auth_failed_webhook",
    EventKind.MAILBOX_RESET: "mailbox_reset_webhook",
}
"""The kinds that are told in this form, and what SuperIMAP calls their webhooks; the last two are ours."""
KINDS = frozenset(kind.value for kind in FIELDS)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


_TEST_MAIL = (
    b"From: Postroom <test@example.com>\r\nTo: test@example.com\r\nSubject: A test that somebody asked for\r\n"
    b"\r\nThis mail was in no mailbox.\r\n"
)


class NewMail(Struct, frozen=True):
    """A mail that arrived."""

    timestamp: int
    sha1: str
    user_tag: str
    imap_provider_code: str
    envelope: object
    rfc822: str
    """Empty where the bytes are not here."""
    signature: str
    sequence_number: int
    event_id: str
    raw: str | None
    """None: the mail is `truncated`, or its bytes are not kept any more."""
    size: int
    truncated: bool
    mailbox: str
    """As the server writes it (RFC 3501 5.1.3)."""
    mailbox_name: str
    """As people read it."""
    uid_validity: int
    uid: int


class Connected(Struct, frozen=True):
    """Somebody connected an account."""

    timestamp: int
    sha1: str
    user_tag: str
    imap_provider_code: str
    email: str
    signature: str
    sequence_number: int
    event_id: str


class Disconnected(Struct, frozen=True):
    """Somebody disconnected an account."""

    timestamp: int
    sha1: str
    user_tag: str
    imap_provider_code: str
    signature: str
    sequence_number: int
    event_id: str


class Changed(Struct, frozen=True):
    """What SuperIMAP never told: the credentials are refused, or the mailbox has new UIDs."""

    timestamp: int
    sha1: str
    user_tag: str
    imap_provider_code: str
    email: str
    signature: str
    sequence_number: int
    event_id: str
    event: str
    """The kind."""
    detail: dict[str, Any]
    """What docs/events.md tells of it."""


class _Numbered(Struct):
    number: int = 0


_decode_number = msgspec.json.Decoder(_Numbered).decode


def is_told_in_form(event: ToldEvent) -> bool:
    """Tell whether this form has words for an event: replays may ask for any."""
    return event.account_id is not None and event.kind in KINDS


def number_of(event: ToldEvent) -> int:
    """Return the number of an account's event."""
    return _decode_number(event.detail).number


def test_event(event_id: int, kind: str) -> ToldEvent:
    """Return an event of no account, which tells nothing but that requests arrive. Its number is 0."""
    detail: dict[str, Any] = {"number": 0, "tag": "postroom-test", "provider": "TEST", "email": "test@example.com"}
    packed = None
    if kind == EventKind.MAIL_ARRIVED:
        packed = pack(_TEST_MAIL)
        detail |= {"envelope": envelope_of(_TEST_MAIL), "size_bytes": len(_TEST_MAIL)}
    return ToldEvent(event_id, None, None, kind, 0, _encode(detail).decode(), None, None, packed=packed)


def signature(key: str, at_seconds: int, sha1: str) -> str:
    """Return SuperIMAP's signature: HMAC-SHA256 with the key over the time and the hex SHA-1, in hex."""
    return hmac.new(key.encode(), f"{at_seconds}{sha1}".encode(), hashlib.sha256).hexdigest()


def superimap_body(event: ToldEvent, key: str, at_ms: int) -> bytes:
    """Return an event as JSON, signed at a time. Some milliseconds for each megabyte of the mail."""
    detail, at = _decode(event.detail), at_ms // 1000
    tag, provider, email = (str(detail.pop(name, "")) for name in ("tag", "provider", "email"))
    number, event_id = detail.pop("number", 0), show_id("evt", event.id)
    if event.kind == EventKind.MAIL_ARRIVED:
        raw = None if event.packed is None else unpack(event.packed)
        text, sha1 = _text_of(raw or b"")
        return _encode(
            NewMail(
                at,
                sha1,
                tag,
                provider,
                detail.get("envelope"),
                text,
                signature(key, at, sha1),
                number,
                event_id,
                None if raw is None else base64.b64encode(raw).decode(),
                detail.get("size_bytes", 0),
                bool(detail.get("truncated")),
                detail.get("mailbox", ""),
                detail.get("mailbox_name", ""),
                detail.get("uid_validity", 0),
                detail.get("uid", 0),
            )
        )
    sha1 = hashlib.sha1(tag.encode(), usedforsecurity=False).hexdigest()
    signed = signature(key, at, sha1)
    if event.kind == EventKind.ACCOUNT_DISCONNECTED:
        return _encode(Disconnected(at, sha1, tag, provider, signed, number, event_id))
    if event.kind == EventKind.ACCOUNT_CONNECTED:
        return _encode(Connected(at, sha1, tag, provider, email, signed, number, event_id))
    return _encode(Changed(at, sha1, tag, provider, email, signed, number, event_id, event.kind, detail))


def _text_of(raw: bytes) -> tuple[str, str]:
    """Return a mail as text, and the SHA-1 of that text in UTF-8."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("utf-8", "replace")
        raw = text.encode()
    return text, hashlib.sha1(raw, usedforsecurity=False).hexdigest()
