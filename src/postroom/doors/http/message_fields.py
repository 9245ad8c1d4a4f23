"""The fields of a message in JSON and what they become: a submission (DESIGN section 6, `POST /api/v1/messages`).

Pure: no store, no clock but the one handed in. Every wrong field is named.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, NamedTuple

from msgspec import UNSET, Meta, Struct, UnsetType, field

from postroom.base.errors import WrongInput
from postroom.doors.http.fields import Errors, FileBytes, read_object
from postroom.doors.http.words import read_time
from postroom.ledger.rows import WorkspaceRow
from postroom.ledger.states import Stream
from postroom.mail.address import check_address, parse_address
from postroom.mail.address_list import Mailbox, check_name, parse_mailbox
from postroom.mail.compose import Attachment, Draft, check_fields, compose
from postroom.mail.control_fields import (
    MAX_METADATA,
    MAX_METADATA_NAME,
    MAX_METADATA_VALUE,
    MAX_TAG,
    MAX_TAGS,
    TrackSwitches,
)
from postroom.mail.envelope import BodyType, Envelope, EnvelopeRecipient, Notify
from postroom.mail.header import field_name, split_header
from postroom.mail.pieces import Content, crlf, joined, pieces_of
from postroom.outbound.submission import (
    DEFAULT_TRACK,
    MAX_RECIPIENTS,
    MOST_DAYS_AHEAD,
    Submission,
    Track,
    too_far_ahead,
)

MAX_SUBJECT = 998
"""Letters: as long as RFC 5322 2.1.1 lets a line be."""
MAX_TEXT = 10_000_000
"""Letters: far beyond what any reader shows, and a text is in memory as a whole. What is larger can be attached."""
_MAX_HEADER_BYTES = 256 * 1024
"""Of a mail that is handed in whole; as at the submission door."""

_LINE = r"^[^\x00-\x1f\x7f]*$"
_ONE_LINE = {"remedy": "must be one line: take line ends and control characters out"}
_WORD = r"^[^\x00-\x1f\x7f-\x9f]+$"
_ADDRESS_TEXT: dict[str, Any] = {
    "anyOf": [
        {"format": "email"},
        # One safe form of `Name <address>`; for every other name there is the object.
        {"pattern": r"^[A-Za-z0-9 '.-]{1,60}<[a-z0-9_+-]{1,60}@([a-z0-9]{1,60}\.){1,3}[a-z]{2,20}>$"},
    ]
}
_RESERVED = (
    "from", "to", "cc", "bcc", "reply-to", "subject", "received", "return-path", "dkim-signature", "delivered-to",
    "authentication-results", "mime-version", "sender", "cfbl-address", "cfbl-feedback-id", "x-original-to",
    "domainkey-signature", "received-spf", "message-id", "date", "content-.*", "resent-.*", "arc-.*", "x-postroom-.*",
)  # fmt: skip


def _any_case(name: str) -> str:
    return "".join(f"[{letter.upper()}{letter}]" if letter.isalpha() else letter for letter in name)


def _nonempty(name: str) -> dict[str, Any]:
    return {"required": [name], "properties": {name: {"not": {"const": []}}}}


class Person(Struct, frozen=True, forbid_unknown_fields=True):
    """An address with a display name."""

    address: Annotated[str, Meta(description="local-part@domain", extra_json_schema={"format": "email"})]
    name: Annotated[str, Meta(pattern=_LINE, max_length=500, description="Display name.", extra=_ONE_LINE)] = ""


AddressText = Annotated[
    str, Meta(description="ada@example.com or Ada Lovelace <ada@example.com>", extra_json_schema=_ADDRESS_TEXT)
]
AnyAddress = AddressText | Person
Addresses = Annotated[list[AnyAddress], Meta(max_length=MAX_RECIPIENTS)] | AddressText | Person


class AttachmentIn(Struct, frozen=True, forbid_unknown_fields=True):
    """A file that goes with the mail."""

    filename: Annotated[str, Meta(pattern=_LINE, min_length=1, max_length=255, extra=_ONE_LINE)]
    content: Annotated[FileBytes, Meta(description="Base64 (RFC 4648 4).")]
    content_type: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,80}/[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,80}"
            r"(?:; ?[A-Za-z0-9!#$&+.^_-]{1,40}=(?:[A-Za-z0-9!#$&+.^_-]{1,80}|\"[ !#-\[\]-~]{0,80}\")){0,5}$",
            max_length=255,
            extra={"remedy": "must be a content type such as text/csv; charset=utf-8"},
            description="Type and subtype; a multipart cannot be attached.",
            extra_json_schema={"not": {"pattern": f"^{_any_case('multipart')}/"}},
        ),
    ] = "application/octet-stream"
    content_id: Annotated[
        str,
        Meta(
            pattern=r"^(?:<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.@-]{1,200}>|[A-Za-z0-9!#$%&'*+/=?^_`{|}~.@-]{1,200}|)$",
            description="The HTML shows the file by `cid:` and this.",
            extra={"remedy": "must be up to 200 letters, digits and . _ - @, such as logo@example.com"},
        ),
    ] = ""


class TrackIn(Struct, frozen=True, forbid_unknown_fields=True):
    """What is tracked; opens and clicks are by default."""

    opens: bool = True
    clicks: bool = True
    replies: Annotated[bool, Meta(description="Replies come to Postroom.")] = False
    text_clicks: Annotated[bool, Meta(description="URLs in plain text become tracked links too.")] = False


HeaderName = Annotated[
    str,
    Meta(
        pattern=r"^[!-9;-~]{1,76}$",
        extra={"remedy": "is no name of a header field: use up to 76 printable ASCII characters, no colon"},
        extra_json_schema={"not": {"pattern": f"^(?:{'|'.join(_any_case(name) for name in _RESERVED)})$"}},
    ),
]
HeaderValue = Annotated[str, Meta(pattern=r"^[^\x00-\x08\x0a-\x1f\x7f]*$", max_length=10_000, extra=_ONE_LINE)]
Tag = Annotated[
    str,
    Meta(
        pattern=r"^[^\x00-\x1f\x7f-\x9f,]+$",
        min_length=1,
        max_length=MAX_TAG,
        extra={"remedy": "must not hold commas or control characters"},
    ),
]
Tags = Annotated[list[Tag], Meta(max_length=MAX_TAGS, description="To count and search by.")]
Metadata = Annotated[
    dict[
        Annotated[str, Meta(pattern=_WORD, min_length=1, max_length=MAX_METADATA_NAME, extra=_ONE_LINE)],
        Annotated[str, Meta(max_length=MAX_METADATA_VALUE)],
    ],
    Meta(max_length=MAX_METADATA, description="Kept with the message and told with its events."),
]
SendAt = Annotated[
    str,
    Meta(
        description="Not before this time (RFC 3339 with offset). A time that has passed means at once; "
        f"at most {MOST_DAYS_AHEAD} days ahead.",
        extra_json_schema={"format": "date-time"},
    ),
]
_NEVER: dict[str, Any] = {"not": {}}


class MessageIn(Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A message: every address in to, cc and bcc gets a copy of its own. Give text, html or attachments."""

    schema_extra: ClassVar[dict[str, Any]] = {
        "allOf": [
            {"anyOf": [_nonempty("to"), _nonempty("cc"), _nonempty("bcc")]},
            {"anyOf": [{"required": ["text"]}, {"required": ["html"]}, {"required": ["attachments"]}]},
        ]
    }

    from_: Annotated[AnyAddress, Meta(description="The author.")]
    to: Annotated[Addresses, Meta(description="One address or a list.")] = field(default_factory=list)
    cc: Addresses = field(default_factory=list)
    bcc: Annotated[Addresses, Meta(description="Shown in no copy.")] = field(default_factory=list)
    reply_to: Addresses = field(default_factory=list)
    subject: Annotated[
        str,
        Meta(pattern=r"^[^\x00-\x08\x0a-\x1f\x7f]*$", max_length=MAX_SUBJECT, description="One line.", extra=_ONE_LINE),
    ] = ""
    text: Annotated[str, Meta(description="The mail as plain text.", max_length=MAX_TEXT)] | UnsetType = UNSET
    html: Annotated[str, Meta(description="The mail as HTML.", max_length=MAX_TEXT)] | UnsetType = UNSET
    headers: Annotated[
        dict[HeaderName, HeaderValue],
        Meta(max_length=100, description="Further header fields. Those with a field of their own here are refused."),
    ] = field(default_factory=dict)
    attachments: Annotated[list[AttachmentIn], Meta(max_length=200)] | UnsetType = UNSET
    template: Annotated[
        Any, Meta(description="Not available yet: send the finished mail.", extra_json_schema=_NEVER)
    ] = UNSET
    variables: Annotated[
        Any, Meta(description="Not available yet: send the finished mail.", extra_json_schema=_NEVER)
    ] = UNSET
    stream: Annotated[Stream, Meta(description="What the message is for.")] = Stream.TRANSACTIONAL
    tags: Tags = field(default_factory=list)
    metadata: Metadata = field(default_factory=dict)
    track: TrackIn = TrackIn()
    send_at: SendAt | None = None


class RawMessageIn(Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A whole mail with its envelope. Line ends become CRLF; a mail without From gets the reverse-path as author."""

    from_: Annotated[str, Meta(description="The reverse-path.", extra_json_schema={"format": "email"})]
    to: Annotated[
        list[Annotated[str, Meta(extra_json_schema={"format": "email"})]],
        Meta(min_length=1, max_length=MAX_RECIPIENTS, description="The envelope recipients."),
    ]
    raw: Annotated[FileBytes, Meta(description="The mail (RFC 5322) in base64.", extra_json_schema={"minLength": 4})]
    stream: Stream = Stream.TRANSACTIONAL
    tags: Tags = field(default_factory=list)
    metadata: Metadata = field(default_factory=dict)
    track: TrackIn = TrackIn()
    send_at: SendAt | None = None


class Context(NamedTuple):
    """Who hands in, and when."""

    workspace: WorkspaceRow
    now_ms: int


class HandedIn(NamedTuple):
    """A submission whose content is still to be stored or put in."""

    submission: Submission
    """Its content is empty."""
    content: Content


def message_submission(value: object, context: Context) -> HandedIn:
    """Return the submission that the JSON value of a message describes. Raises Problem, naming every wrong field.

    NOTIFY=NEVER (RFC 3461 4.1): who sends by HTTP reads events, no report by mail is owed.
    """
    errors = Errors()
    given = read_object(value, MessageIn, errors)
    for name in ("template", "variables"):
        if getattr(given, name) is not UNSET and name not in errors:
            errors.add(name, "not_available", "templates are not available yet: send the finished mail; take it out")
    author = _one_person(given.from_, "from", errors)
    to, cc, bcc, reply_to = (_people(getattr(given, name), name, errors) for name in ("to", "cc", "bcc", "reply_to"))
    _check_recipients([*to, *cc, *bcc], errors)
    _check_headers(given.headers, errors)
    attachments = _check_content(given, errors)
    send_at_ms = _send_at(given.send_at, context.now_ms, errors)
    errors.end()
    draft = Draft(
        author=author[0],
        to=tuple(to),
        cc=tuple(cc),
        reply_to=tuple(reply_to),
        subject=given.subject,
        text=given.text if isinstance(given.text, str) else None,
        html=given.html if isinstance(given.html, str) else None,
        fields=tuple(given.headers.items()),
        attachments=tuple(
            Attachment(item.filename, item.content.content, item.content_type, item.content_id) for item in attachments
        ),
    )
    if draft.text is None and draft.html is None and not attachments:
        draft = replace(draft, text="")
    composed = compose(draft)
    addresses = list(dict.fromkeys(person.address for person in (*to, *cc, *bcc)))
    smtputf8 = composed.needs_smtputf8 or _needs_smtputf8([author[0].address, *addresses])
    envelope = Envelope(
        author[0].address,
        tuple(EnvelopeRecipient(address, Notify.NEVER) for address in addresses),
        BodyType.EIGHT_BIT if composed.needs_8bitmime or smtputf8 else BodyType.SEVEN_BIT,
        smtputf8,
    )
    return HandedIn(_submission(given, context, envelope, send_at_ms), composed.pieces)


def raw_submission(value: object, context: Context) -> HandedIn:
    """Return the submission of a whole mail with envelope. Raises Problem, naming every wrong field."""
    errors = Errors()
    given = read_object(value, RawMessageIn, errors)
    reverse_path = _checked_address(given.from_, "from", errors)
    addresses = [
        _checked_address(address, f"to[{number}]", errors)
        for number, address in enumerate(given.to if "to" not in errors else [])
    ]
    head = b""
    if "raw" not in errors:
        content = crlf(given.raw.content)
        head = _beginning(content, errors)
    send_at_ms = _send_at(given.send_at, context.now_ms, errors)
    errors.end()
    header = head[: max(head.find(b"\r\n\r\n"), 0)]
    author = _missing_author(head, reverse_path)
    if author:
        content = joined((author, content))
    recipients = tuple(EnvelopeRecipient(address, Notify.NEVER) for address in dict.fromkeys(addresses))
    smtputf8 = _needs_smtputf8([reverse_path, *addresses]) or not (author + header).isascii()
    body = BodyType.SEVEN_BIT if all(piece.isascii() for piece in pieces_of(content)) else BodyType.EIGHT_BIT
    envelope = Envelope(reverse_path, recipients, body, smtputf8)
    return HandedIn(_submission(given, context, envelope, send_at_ms), content)


def track_of(switches: TrackIn | TrackSwitches) -> Track:
    """Return the switches as flags; what is not said is as DEFAULT_TRACK has it."""
    track = DEFAULT_TRACK
    for flag, switch in (
        (Track.OPENS, switches.opens),
        (Track.CLICKS, switches.clicks),
        (Track.REPLIES, switches.replies),
        (Track.TEXT_CLICKS, switches.text_clicks),
    ):
        if switch is not None:
            track = track | flag if switch else track & ~flag
    return track


def _submission(
    given: MessageIn | RawMessageIn, context: Context, envelope: Envelope, send_at_ms: int | None
) -> Submission:
    return Submission(
        workspace=context.workspace,
        envelope=envelope,
        content=b"",
        source="http",
        stream=given.stream,
        tags=tuple(dict.fromkeys(given.tags)),
        metadata=given.metadata,
        track=track_of(given.track),
        send_at_ms=send_at_ms,
    )


def _people(value: Any, name: str, errors: Errors) -> list[Mailbox]:
    if not isinstance(value, list):
        return _one_person(value, name, errors)
    return [person for number, item in enumerate(value) for person in _one_person(item, f"{name}[{number}]", errors)]


def _one_person(value: Any, at: str, errors: Errors) -> list[Mailbox]:
    if at in errors:
        return []
    try:
        if isinstance(value, Person):
            return [Mailbox(check_address(value.address, field=f"{at}.address"), check_name(value.name, field=at))]
        return [parse_mailbox(value, field=at)]
    except WrongInput as error:
        errors.add(error.field, "invalid_address", str(error))
        return []


def _checked_address(value: Any, at: str, errors: Errors) -> str:
    if at in errors:
        return ""
    try:
        return check_address(value, field=at)
    except WrongInput as error:
        errors.add(at, "invalid_address", str(error))
        return ""


def _check_recipients(people: Sequence[Mailbox], errors: Errors) -> None:
    if any(name in errors for name in ("to", "cc", "bcc")):
        return
    count = len({person.address for person in people})
    if not count:
        errors.add("to", "missing", "give at least one address in to, cc or bcc")
    elif count > MAX_RECIPIENTS:
        errors.add("to", "too_many", f"to, cc and bcc together take at most {MAX_RECIPIENTS} addresses, not {count}")


def _check_headers(headers: Any, errors: Errors) -> None:
    if not isinstance(headers, dict):
        return
    once: set[str] = set()
    for name, value in headers.items():
        if f"headers.{name}" in errors:
            continue
        try:
            check_fields([(name, value)])
        except WrongInput as error:
            errors.add(error.field, "invalid", str(error))
        lower = name.lower()
        if lower in once:
            errors.add(f"headers.{name}", "twice", "stands twice in different letter case: keep one")
        once.add(lower)


def _check_content(given: MessageIn, errors: Errors) -> Sequence[AttachmentIn]:
    attachments = given.attachments if isinstance(given.attachments, list) else []
    if all(value is UNSET for value in (given.text, given.html, given.attachments)) and not any(
        name in errors for name in ("text", "html", "attachments")
    ):
        errors.add("text", "missing", "give text, html or attachments")
    for number, attachment in enumerate(attachments):
        at = f"attachments[{number}].content_type"
        if f"attachments[{number}]" not in errors and attachment.content_type.lower().startswith("multipart/"):
            errors.add(at, "invalid", "a multipart cannot be attached: attach it as message/rfc822")
    return attachments


def _send_at(value: Any, now_ms: int, errors: Errors) -> int | None:
    if value is None or "send_at" in errors:
        return None
    at_ms = read_time(value)
    if at_ms is None:
        errors.add("send_at", "invalid_time", "write 2026-01-31T08:00:00Z, with Z or an offset")
        return None
    wrong = too_far_ahead(at_ms, now_ms)
    if wrong:
        errors.add("send_at", "too_far_ahead", wrong)
        return None
    return at_ms if at_ms > now_ms else None


def _needs_smtputf8(addresses: Sequence[str]) -> bool:
    # RFC 6531 3.2: the local-part needs the extension, a domain alone can be said in A-labels.
    return any(not address.isascii() and parse_address(address).needs_smtputf8 for address in addresses)


def _beginning(content: Content, errors: Errors) -> bytes:
    """Return the mail's beginning with the whole header in it."""
    head = b""
    for piece in pieces_of(content):
        head += piece
        if len(head) > _MAX_HEADER_BYTES:
            break
    if not head:
        errors.add("raw", "empty", "must hold a mail")
    elif len(head) > _MAX_HEADER_BYTES and b"\r\n\r\n" not in head[:_MAX_HEADER_BYTES] and head[:2] != b"\r\n":
        errors.add("raw", "too_long", f"has a header of more than {_MAX_HEADER_BYTES >> 10} kB: shorten it")
    return head


def _missing_author(head: bytes, reverse_path: str) -> bytes:
    # RFC 6409 8 lets a submission server add what is missing; From is required (RFC 5322 3.6).
    header, _ = split_header(head)
    if any(field_name(one) == b"from" for one in header):
        return b""
    gap = b"" if header and field_name(header[0]) else b"\r\n"
    return f"From: <{reverse_path}>\r\n".encode() + gap
