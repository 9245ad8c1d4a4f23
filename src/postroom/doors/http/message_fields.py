"""What the fields of a message become: a submission and its content.

Pure: no store, no clock but the one handed in. Every wrong field is named.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from msgspec import UNSET

from postroom.base.errors import WrongInput
from postroom.doors.http.fields import Errors, read_object
from postroom.doors.http.message_models import AttachmentIn, MessageIn, Person, RawMessageIn, TrackIn
from postroom.doors.http.words import NO_TIME, read_time
from postroom.ledger.rows import WorkspaceRow
from postroom.mail.address import check_address, parse_address
from postroom.mail.address_list import Mailbox, check_name, parse_mailbox
from postroom.mail.compose import Attachment, Draft, check_fields, compose
from postroom.mail.control_fields import TrackSwitches
from postroom.mail.envelope import BodyType, Envelope, EnvelopeRecipient, Notify
from postroom.mail.pieces import Content, crlf, pieces_of
from postroom.outbound.submission import (
    DEFAULT_TRACK,
    MAX_RECIPIENTS,
    Submission,
    Track,
    too_far_ahead,
)

_MAX_HEADER_BYTES = 256 * 1024
"""Of a mail that is handed in whole; as at the submission door."""


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
    if "raw" not in errors:
        content = crlf(given.raw.content)
        _check_header_size(content, errors)
    send_at_ms = _send_at(given.send_at, context.now_ms, errors)
    errors.end()
    recipients = tuple(EnvelopeRecipient(address, Notify.NEVER) for address in dict.fromkeys(addresses))
    smtputf8 = _needs_smtputf8([reverse_path, *addresses])
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
        errors.add("send_at", "invalid_time", NO_TIME)
        return None
    wrong = too_far_ahead(at_ms, now_ms)
    if wrong:
        errors.add("send_at", "too_far_ahead", wrong)
        return None
    return at_ms if at_ms > now_ms else None


def _needs_smtputf8(addresses: Sequence[str]) -> bool:
    # RFC 6531 3.2: the local-part needs the extension, a domain alone can be said in A-labels.
    return any(not address.isascii() and parse_address(address).needs_smtputf8 for address in addresses)


def _check_header_size(content: Content, errors: Errors) -> None:
    head = b""
    for piece in pieces_of(content):
        head += piece
        if len(head) > _MAX_HEADER_BYTES:
            break
    if not head:
        errors.add("raw", "empty", "must hold a mail")
    elif len(head) > _MAX_HEADER_BYTES and b"\r\n\r\n" not in head[:_MAX_HEADER_BYTES] and head[:2] != b"\r\n":
        errors.add("raw", "too_long", f"has a header of more than {_MAX_HEADER_BYTES >> 10} kB: shorten it")
