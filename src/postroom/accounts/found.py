"""A mail that was found in a mailbox: read for what its event tells, and put into rows. Pure but for packing."""

from collections.abc import Mapping
from dataclasses import dataclass

from postroom.base.packing import pack
from postroom.events.accounts import Found, NewEvent
from postroom.ledger.account_rows import AccountMailRow, MailboxRow, Outcome
from postroom.ledger.event_kinds import EventKind
from postroom.mail.date import parse_date
from postroom.mail.encoded_words import decode_words
from postroom.mail.header import find, split_header
from postroom.mail.imap_envelope import MAX_HEADER, envelope_of_fields
from postroom.mail.tracer import code_in
from postroom.net.imap.names import shown_name

SLOW_BYTES = 48 * 1024
"""More than this is read and packed in a thread: it takes more than a few milliseconds."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as its server gave it."""

    uid: int
    size_bytes: int
    """Of the bytes where they are here, else as the server says."""
    internal_ms: int | None
    body: bytes | None
    """None: it is larger than what is fetched, or the server does not give it."""
    header: bytes
    """Where there is no body: its beginning."""
    noticed_ms: int
    fetched_ms: int


@dataclass(frozen=True, slots=True)
class Gone:
    """A mail that was gone before it could be fetched."""

    uid: int
    noticed_ms: int


@dataclass(frozen=True, slots=True)
class Read:
    """A mail with what was read in it."""

    mail: Mail
    message_id: str
    envelope: Mapping[str, object]
    sent_ms: int | None
    """When the last server on its way handed it over, as that server says."""
    tracer: str | None
    """The code in its subject: it may be a tracer of ours."""
    packed: bytes | None


def read(mail: Mail) -> Read:
    """Return what a mail's event tells. Any bytes are allowed."""
    raw = mail.header if mail.body is None else mail.body
    fields, _ = split_header(raw[:MAX_HEADER])
    envelope = envelope_of_fields(fields)
    return Read(
        mail,
        str(envelope["message_id"] or ""),
        envelope,
        _time_of(find(fields, b"received") or b""),
        code_in(decode_words(find(fields, b"subject") or b"")),
        None if mail.body is None else pack(mail.body),
    )


def row_of(one: Read, mailbox: MailboxRow, recorded_ms: int, *, is_tracer: bool) -> Found:
    """Return the rows of a mail that was found."""
    mail = one.mail
    outcome = Outcome.TRACER if is_tracer else Outcome.TRUNCATED if mail.body is None else Outcome.DELIVERED
    row = AccountMailRow(
        mailbox.id,
        mailbox.uid_validity,
        mail.uid,
        mailbox.account_id,
        mailbox.workspace_id,
        outcome.value,
        None,
        mail.size_bytes,
        one.sent_ms,
        mail.internal_ms,
        mail.noticed_ms,
        mail.fetched_ms,
        recorded_ms,
    )
    if is_tracer:
        return Found(row, None)
    detail = {
        "mailbox": mailbox.name,
        "mailbox_name": shown_name(mailbox.name),
        "uid_validity": mailbox.uid_validity,
        "uid": mail.uid,
        "size_bytes": mail.size_bytes,
        "truncated": mail.body is None,
        "message_id": one.message_id,
        "envelope": one.envelope,
    }
    return Found(row, NewEvent(EventKind.MAIL_ARRIVED, recorded_ms, detail, one.packed))


def row_of_gone(gone: Gone, mailbox: MailboxRow, recorded_ms: int) -> Found:
    """Return the row of a mail that could not be fetched any more."""
    row = AccountMailRow(
        mailbox.id,
        mailbox.uid_validity,
        gone.uid,
        mailbox.account_id,
        mailbox.workspace_id,
        Outcome.VANISHED.value,
        None,
        0,
        None,
        None,
        gone.noticed_ms,
        recorded_ms,
        recorded_ms,
    )
    return Found(row, None)


def _time_of(received: bytes) -> int | None:
    # RFC 5322 3.6.7: the date stands behind the last semicolon.
    _, semicolon, text = received.rpartition(b";")
    date = parse_date(text.decode("ascii", "replace")) if semicolon else None
    return None if date is None else int(date.timestamp() * 1000)
