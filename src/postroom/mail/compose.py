"""A mail from the fields of the API: header, text, HTML, inline images, attachments (RFC 5322, 2045, 2046, 2183, 2387).

Bytes with CRLF line ends come out, 7-bit unless an attached mail needs 8-bit.
There is nothing random: the same fields give the same bytes. Bcc is not among
the fields, so it cannot be written.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from postroom.base.errors import WrongInput
from postroom.mail.address_list import Mailbox, format_mailbox
from postroom.mail.date import date_field, parse_date
from postroom.mail.encoded_words import fold_items, fold_text
from postroom.mail.entity import Entity, attachment_entity, multipart, text_entity
from postroom.mail.header import check_field
from postroom.mail.message_id import is_message_id
from postroom.mail.pieces import Content, joined, pieces_of

_OF_THE_API = {
    "from": "from", "to": "to", "cc": "cc", "bcc": "bcc", "reply-to": "reply_to", "subject": "subject",
    "x-postroom-stream": "stream", "x-postroom-tag": "tags", "x-postroom-metadata": "metadata",
    "x-postroom-track": "track", "x-postroom-send-at": "send_at",
}  # fmt: skip
"""Header fields that have a place of their own in the API."""
_OURS = frozenset({
    "received", "return-path", "dkim-signature", "authentication-results", "delivered-to", "mime-version", "sender",
    "cfbl-address", "cfbl-feedback-id", "x-original-to", "domainkey-signature", "received-spf",
})  # fmt: skip
_OUR_PREFIXES = ("content-", "resent-", "arc-", "x-postroom-")
_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+"  # noqa: S105 - the token of RFC 2045 5.1
_CONTENT_TYPE = re.compile(rf'{_TOKEN}/{_TOKEN}(?:[ \t]*;[ \t]*{_TOKEN}=(?:{_TOKEN}|"[^"\\\r\n]*"))*')
_CONTENT_ID = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.@-]{1,200}")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with the mail."""

    filename: str
    content: Content
    content_type: str = "application/octet-stream"
    """Type and subtype, parameters may follow."""
    content_id: str = ""
    """Without angle brackets; the HTML shows the file by `cid:` and this. Empty: a plain attachment."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be composed. Addresses are checked already (`mail.address_list.parse_mailbox`)."""

    author: Mailbox
    to: tuple[Mailbox, ...] = ()
    cc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()
    subject: str = ""
    text: str | None = None
    html: str | None = None
    fields: tuple[tuple[str, str], ...] = ()
    """Further header fields, name and body."""
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Composed:
    """A complete mail."""

    pieces: Content
    """Its bytes; a large attachment that came in pieces goes out in pieces."""
    needs_smtputf8: bool
    """The header shows an address whose local-part is not ASCII (RFC 6531)."""
    needs_8bitmime: bool
    """An attached mail has octets above 127, and a mail may not be encoded (RFC 2046 5.2.1)."""

    @property
    def content(self) -> bytes:
        """The mail as a whole."""
        return b"".join(pieces_of(self.pieces))


def compose(draft: Draft, *, message_id: str = "", date_ms: int | None = None) -> Composed:
    """Return the mail for `draft`.

    `message_id` (with angle brackets) and `date_ms` are left out where they are not given: accept adds them.
    Raises WrongInput that names the field of the API: a header field that is not allowed, a line end in a value,
    no content at all.
    """
    check_field("Subject", draft.subject, of="subject")
    check_fields(draft.fields)
    body = _body(draft)
    header = [*_identification(draft), *_origin(message_id, date_ms), b"MIME-Version: 1.0\r\n"]
    header += [_extra_field(name, value) for name, value in draft.fields]
    lines = b"".join((*header, *body.header))
    return Composed(joined((lines, b"\r\n", body.content)), not lines.isascii(), body.is_8bit)


def check_fields(fields: Sequence[tuple[str, str]]) -> None:
    """Raise WrongInput for the first of the further header fields that the API may not set, saying what to use."""
    seen = set()
    for name, value in fields:
        where = f"headers.{name[:76]}"
        check_field(name, value, of=where)
        lower = name.lower()
        if lower in _OF_THE_API:
            raise WrongInput(where, f"the header field {name} is set by `{_OF_THE_API[lower]}`: use that")
        if lower in _OURS or lower.startswith(_OUR_PREFIXES):
            raise WrongInput(where, f"the header field {name} is written by Postroom: take it out")
        if lower in ("message-id", "date") and lower in seen:
            raise WrongInput(where, f"the header field {name} may stand only once")
        if lower == "message-id" and not is_message_id(value.strip()):
            raise WrongInput(where, "a Message-ID looks like <unique@example.com>")
        if lower == "date" and parse_date(value) is None:
            raise WrongInput(where, "a Date looks like Thu, 01 Jan 2026 12:00:00 +0000")
        seen.add(lower)


def _identification(draft: Draft) -> list[bytes]:
    lists = (("From", (draft.author,)), ("To", draft.to), ("Cc", draft.cc), ("Reply-To", draft.reply_to))
    header = [fold_items(name, map(format_mailbox, boxes)) for name, boxes in lists if boxes]
    if not draft.to and not draft.cc:
        # Only Bcc: an empty group says so (RFC 5322 3.4), where filters distrust a mail without To.
        header.append(b"To: undisclosed-recipients:;\r\n")
    return [*header, fold_text("Subject", draft.subject)]


def _origin(message_id: str, date_ms: int | None) -> list[bytes]:
    header = [] if date_ms is None else [date_field(date_ms)]
    if message_id:
        header.append(f"Message-ID: {message_id}\r\n".encode("ascii"))
    return header


def _extra_field(name: str, value: str) -> bytes:
    return fold_text(name, value.replace("\t", " "))


def _body(draft: Draft) -> Entity:
    if draft.text is None and draft.html is None and not draft.attachments:
        raise WrongInput("text", "the message has no content: give text, html or attachments")
    inline: list[Entity] = []
    plain: list[Entity] = []
    for number, attachment in enumerate(draft.attachments):
        entity = _attachment(attachment, f"attachments[{number}]")
        (inline if attachment.content_id and draft.html is not None else plain).append(entity)
    parts: list[Entity] = []
    if draft.text is not None or draft.html is None:
        parts.append(text_entity("plain", draft.text or ""))
    if draft.html is not None:
        html = text_entity("html", draft.html)
        parts.append(multipart("related", [html, *inline], 'type="text/html"') if inline else html)
    content = parts[0] if len(parts) == 1 else multipart("alternative", parts)
    return multipart("mixed", [content, *plain]) if plain else content


def _attachment(attachment: Attachment, field: str) -> Entity:
    content_type = attachment.content_type.strip()
    if not content_type.isascii() or len(content_type) > 255 or not _CONTENT_TYPE.fullmatch(content_type):
        raise WrongInput(f"{field}.content_type", f"{content_type[:80]!r} is no content type: write type/subtype")
    if content_type.lower().startswith("multipart/"):
        raise WrongInput(f"{field}.content_type", "a multipart cannot be attached: attach it as message/rfc822")
    filename = attachment.filename
    if any(letter < " " or letter == "\x7f" for letter in filename) or len(filename) > 255:
        raise WrongInput(f"{field}.filename", "a file name has at most 255 letters and no control characters")
    content_id = attachment.content_id.removeprefix("<").removesuffix(">")
    if content_id and not _CONTENT_ID.fullmatch(content_id):
        raise WrongInput(f"{field}.content_id", "a content id is made of letters, digits and . _ - @, up to 200")
    return attachment_entity(content_type, attachment.content, filename, content_id)
