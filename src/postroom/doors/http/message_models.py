"""The fields of a message in JSON, as the API describes them (`POST /api/v1/messages`)."""

from typing import Annotated, Any, ClassVar

from msgspec import UNSET, Meta, Struct, UnsetType, field

from postroom.doors.http.fields import FileBytes
from postroom.ledger.states import Stream
from postroom.mail.control_fields import MAX_METADATA, MAX_METADATA_NAME, MAX_METADATA_VALUE, MAX_TAG, MAX_TAGS
from postroom.mail.return_path import MOST_DAYS_AHEAD
from postroom.outbound.submission import MAX_RECIPIENTS

MAX_SUBJECT = 998
"""Letters: as long as RFC 5322 2.1.1 lets a line be."""
MAX_TEXT = 10_000_000
"""Letters: far beyond what any reader shows, and a text is in memory as a whole. What is larger can be attached."""

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
