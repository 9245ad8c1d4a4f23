"""A mail as it is told to others: the body of a route's webhook, and what the API answers.

The bytes of a mail are stored as they came, so what is told is read from them
anew each time. Texts are capped; the whole mail is there as raw.
"""

import base64
from typing import Any

import msgspec
from msgspec import Struct

from postroom.base.ids import show_id
from postroom.base.spans import rfc3339
from postroom.inbound.storable import storable
from postroom.ledger.inbound_rows import InboundRow
from postroom.mail.address_list import parse_address_list
from postroom.mail.authentication import Verdicts
from postroom.mail.quoted_text import read_reply
from postroom.mail.reading import Reading, read_mail
from postroom.mail.received import Received

MOST_TEXT = 1 << 20
"""Characters of each text."""
MOST_RAW_BYTES = 1 << 20
"""A mail up to this size stands in a webhook's body whole; of a larger one the API has the bytes."""
_MOST_ADDRESSES = 500
_API = "/api/v1/inbound"


class Mailbox(Struct, frozen=True):
    """A mailbox that a header field names."""

    address: str
    name: str
    """Decoded; empty where there is none."""


class Attachment(Struct, frozen=True):
    """An attached file, or an image that a text shows."""

    number: int
    """For its address in the API."""
    name: str
    """Safe as a file name, never empty."""
    media_type: str
    size_bytes: int
    """Decoded."""
    content_id: str
    """Without angle brackets; empty where it has none."""
    is_inline: bool
    """A text shows it."""


class HeaderField(Struct, frozen=True):
    """A header field."""

    name: str
    value: str
    """Unfolded and decoded."""


class ParsedMail(Struct, frozen=True, rename={"from_": "from"}):
    """What stands in a mail."""

    from_: list[Mailbox]
    to: list[Mailbox]
    cc: list[Mailbox]
    reply_to: list[Mailbox]
    subject: str
    date: str
    """As written."""
    message_id: str
    in_reply_to: str
    references: str
    text: str
    """The plain text, or what the HTML shows where there is none."""
    html: str
    """As it came: untrusted. Empty where there is none."""
    written: str
    """What its author wrote: the text without what it quotes and without the signature."""
    quoted: str
    signature: str
    is_cut: bool
    """A text was longer than what is told of it."""
    attachments: list[Attachment]
    header: list[HeaderField]
    """In order, the topmost first."""


class Reported(Struct, frozen=True):
    """One recipient that a report names."""

    address: str
    reason: str
    hard: bool
    status: str
    reply_code: int | None
    evidence: str
    rule: str


class Classification(Struct, frozen=True):
    """What the mail was taken for, and why."""

    rule: str = ""
    """Name of the rule that decided its kind."""
    evidence: str = ""
    """The line or field that decided."""
    recipients: list[Reported] = []
    """Whom a report names, at most 20."""
    found_by: str = ""
    """What led to the copy of ours that it is about; empty where none was found."""
    doubtful: bool = False
    """It may ask for no more mail, or complain: nothing followed, and a person should look (`…/review`)."""
    why: str = ""
    """Why it could not be worked on; else empty."""


class InboundLine(Struct, frozen=True, kw_only=True):
    """A mail that came in, as lists show it."""

    id: str
    received_at: str
    state: str
    """`waiting`, `done` or `failed`: whether it is understood."""
    kind: str
    """What it is; empty until it is understood."""
    destination: str
    """What the recipient was when the mail was taken: `bounce`, `reply`, `unsubscribe`, `feedback`, `role`, `route`."""
    recipient: str
    """The envelope recipient."""
    reverse_path: str
    author: Mailbox
    subject: str
    message_id: str
    size_bytes: int
    source: str
    """`smtp`, `pipe` or `account`."""
    answers_recipient: str | None
    """The recipient of ours whose copy it answers, reports or complains about."""
    answers_message: str | None
    route: str | None
    """The route that took it."""
    is_counted: bool
    """It counts as inbound."""
    reviewed_at: str | None
    """When somebody looked at it."""


class ToldMail(InboundLine, frozen=True, kw_only=True):
    """A mail that came in, whole."""

    peer: str
    """IP address of the client; empty where there was none."""
    helo: str
    tls: str
    classification: Classification
    verdicts: Verdicts | None
    """What SPF, DKIM, DMARC and ARC say; null where nobody was asked."""
    mail: ParsedMail | None
    """Null where retention took the content."""


class RawMail(Struct, frozen=True):
    """The bytes of a mail."""

    path: str
    """Of the API, which has them with a key of the workspace."""
    size_bytes: int
    base64: str | None
    """Null above 1 MiB."""


class InboundData(ToldMail, frozen=True, kw_only=True):
    """The mail that a request tells."""

    raw: RawMail


class InboundBody(Struct, frozen=True):
    """A mail as a route's webhook is told it."""

    id: str
    """`inb_…`: the same at each try."""
    type: str
    """Always `inbound`."""
    timestamp: str
    """When it came, RFC 3339 in UTC."""
    data: InboundData


_encode = msgspec.json.Encoder().encode
_decode_detail = msgspec.json.Decoder(Classification).decode


def line_of(row: InboundRow) -> InboundLine:
    """Return a mail as lists show it."""
    return InboundLine(**_line(row))


def told_mail(row: InboundRow, raw: bytes | None) -> ToldMail:
    """Return a mail whole; `raw` None where its content is gone. Takes long for large mails: for a thread."""
    return ToldMail(**_line(row), **_whole(row, raw))


def webhook_body(row: InboundRow, raw: bytes) -> bytes:
    """Return the body of a route's webhook. Takes long for large mails: for a thread."""
    content = base64.b64encode(raw).decode() if len(raw) <= MOST_RAW_BYTES else None
    line = _line(row)
    data = InboundData(**line, **_whole(row, raw), raw=RawMail(f"{_API}/{line['id']}/raw", len(raw), content))
    return _encode(InboundBody(data.id, "inbound", data.received_at, data))


def parse_mail(raw: bytes) -> ParsedMail:
    """Return what stands in a mail. Any bytes are allowed."""
    mail = Received(raw)
    reading = read_mail(mail.raw)
    reply = read_reply(mail)
    text = reading.plain.text if reading.plain is not None else mail.body.strip()
    html = reading.html.text if reading.html is not None else ""
    # Some charsets decode to half characters, which JSON cannot say.
    texts = [storable(one) for one in (text, html, reply.written, reply.quoted, reply.signature)]
    text, html, written, quoted, signature = (one[:MOST_TEXT] for one in texts)
    return ParsedMail(
        from_=_people(reading, b"from"),
        to=_people(reading, b"to"),
        cc=_people(reading, b"cc"),
        reply_to=_people(reading, b"reply-to"),
        subject=storable(reading.value("subject")),
        date=storable(reading.value("date")),
        message_id=storable(reading.value("message-id")),
        in_reply_to=storable(reading.value("in-reply-to")),
        references=storable(reading.value("references")),
        text=text,
        html=html,
        written=written,
        quoted=quoted,
        signature=signature,
        is_cut=any(len(one) > MOST_TEXT for one in texts),
        attachments=[
            Attachment(
                file.number,
                storable(file.name),
                storable(file.media_type),
                file.size_bytes,
                storable(file.content_id),
                not file.is_attachment,
            )
            for file in reading.files
        ],
        header=[HeaderField(storable(name), storable(value)) for name, value in reading.fields],
    )


def _line(row: InboundRow) -> dict[str, Any]:
    return {
        "id": show_id("inb", row.id),
        "received_at": rfc3339(row.received_ms),
        "state": row.state,
        "kind": row.kind,
        "destination": row.destination,
        "recipient": row.recipient,
        "reverse_path": row.reverse_path,
        "author": Mailbox(row.author, row.author_name),
        "subject": row.subject,
        "message_id": row.message_id,
        "size_bytes": row.size_bytes,
        "source": row.source,
        "answers_recipient": _id_or_none("rcp", row.answers_recipient_id),
        "answers_message": _id_or_none("msg", row.answers_message_id),
        "route": _id_or_none("rte", row.route_id),
        "is_counted": bool(row.is_counted),
        "reviewed_at": None if row.reviewed_ms is None else rfc3339(row.reviewed_ms),
    }


def _whole(row: InboundRow, raw: bytes | None) -> dict[str, Any]:
    return {
        "peer": row.peer,
        "helo": row.helo,
        "tls": row.tls,
        "classification": _decode_detail(row.detail) if row.detail else Classification(),
        "verdicts": Verdicts.from_json(row.verdicts) if row.verdicts else None,
        "mail": None if raw is None else parse_mail(raw),
    }


def _id_or_none(kind: str, row_id: int | None) -> str | None:
    return None if row_id is None else show_id(kind, row_id)


def _people(reading: Reading, name: bytes) -> list[Mailbox]:
    found = [one for field in reading.all_raw(name) for one in parse_address_list(field)]
    return [Mailbox(storable(one.address), storable(one.name)) for one in found[:_MOST_ADDRESSES]]
