"""Delivery status notifications, written by us (RFC 3461 6, RFC 3464, RFC 6522; RFC 6533 for addresses beyond ASCII).

A report has three parts: plain words for the author, the status for programs,
and the message that it is about, whole or its header. It goes out with the null
reverse-path, so nothing answers it. Reading the reports of others is not done here.
"""

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from postroom.mail.address_list import Mailbox, format_mailbox, header_address
from postroom.mail.compose import Composed
from postroom.mail.date import date_field, date_text
from postroom.mail.encoded_words import fold_items, fold_text
from postroom.mail.entity import Entity, has_long_line, multipart, text_entity
from postroom.mail.header import find, split_header
from postroom.mail.message_id import find_message_ids, is_message_id
from postroom.mail.pieces import crlf, joined
from postroom.mail.xtext import decode_orcpt, decode_xtext

MAX_RETURNED = 1_000_000
"""Octets of a message that is sent back whole; of a larger one the header is."""
MAX_RETURNED_HEADER = 65_536


class Action(StrEnum):
    """What was done with a recipient (RFC 3464 2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    """Handed on to a server that does not report itself."""


@dataclass(frozen=True, slots=True)
class ReportedRecipient:
    """What a report says about one recipient."""

    address: str
    """As it was dialled: the final recipient."""
    action: Action
    status: str
    """Enhanced status code; its class fits the action."""
    diagnostic: str
    """The reply in one line or more: `550 5.1.1 No such user`."""
    remote_mta: str = ""
    """Name of the host that answered; empty where the diagnostic is our own."""
    original: str = ""
    """ORCPT as sent, or empty."""
    last_attempt_ms: int | None = None
    will_retry_until_ms: int | None = None
    """Only of a delayed one."""


@dataclass(frozen=True, slots=True)
class Report:
    """What is reported, to whom, by whom."""

    reporting_mta: str
    """Our host name; also the domain of the report's From."""
    to: str
    """The reverse-path of the message, not null."""
    recipients: tuple[ReportedRecipient, ...]
    original: bytes
    """The message as it was accepted, CRLF line ends."""
    subject: str
    """Of the message, decoded."""
    arrival_ms: int
    envid: str = ""
    """ENVID as sent, or empty."""
    return_full: bool = False
    """RET=FULL; heeded only where a recipient failed (RFC 3461 4.3)."""


def compose_report(report: Report, *, message_id: str, date_ms: int) -> Composed:
    """Return the whole mail of a report. Send it with the null reverse-path and NOTIFY=NEVER (RFC 3461 6)."""
    is_global = not all(address.isascii() for address in _addresses(report))
    human = text_entity("plain", _human_text(report))
    body = multipart(
        "report", [human, _status_part(report, is_global), _returned_part(report)], "report-type=delivery-status"
    )
    author = Mailbox(f"MAILER-DAEMON@{report.reporting_mta}", "Mail Delivery System")
    header = [
        fold_items("From", [format_mailbox(author)]),
        fold_items("To", [header_address(report.to)]),
        fold_text("Subject", f"{_TITLES[_worst(report)]}: {report.subject[:200]}"),
        date_field(date_ms),
        f"Message-ID: {message_id}\r\n".encode("ascii"),
        b"MIME-Version: 1.0\r\n",
        b"Auto-Submitted: auto-replied\r\n",  # RFC 3834 5
        *_thread_fields(report.original),
    ]
    content = joined((*header, *body.header, b"\r\n", body.content))
    return Composed(content, is_global or not report.to.isascii(), body.is_8bit)


_TITLES = {
    Action.FAILED: "Not delivered",
    Action.DELAYED: "Delayed",
    Action.DELIVERED: "Delivered",
    Action.RELAYED: "Handed on",
}

_OPENINGS = {
    Action.FAILED: "Your message could not be delivered to",
    Action.DELAYED: "Your message has not been delivered yet, and we keep trying, to",
    Action.DELIVERED: "Your message was delivered to",
    Action.RELAYED: "Your message was handed on to a server that sends no reports of its own, for",
}

_REMEDIES = (
    ("5.1.2", "The domain behind the @ does not exist or takes no mail. Check how it is spelt."),
    ("5.1.10", "The domain behind the @ takes no mail at all. Check how it is spelt."),
    ("5.1", "The address seems to be wrong or no longer in use. Check how it is spelt, or ask for a new one."),
    ("5.2.2", "The mailbox is full. Try again later, or reach the person in another way."),
    ("5.2.3", "The message is too large for this mailbox. Send it without its attachments."),
    ("5.2", "The mailbox takes no mail. Reach the person in another way."),
    ("5.3.4", "The message is too large for the receiving server. Send it without its attachments."),
    ("5.4.7", "We have tried for days and give up. Check the address, and send the message again later."),
    ("5.6", "The receiving server cannot take this kind of message. Send it as plain text."),
    ("5.7", "The receiving server refuses the message by its rules. Ask its postmaster, and show this report."),
    ("5", "Read the answer above; the postmaster of the receiving server knows more."),
    ("4", "You need not do anything. Do not send the message again: you will hear when we give up."),
    ("2", "You need not do anything."),
)


def _thread_fields(original: bytes) -> list[bytes]:
    fields, _ = split_header(original[:MAX_RETURNED_HEADER])
    found = find_message_ids(find(fields, b"message-id") or b"")
    if not found or not is_message_id(found[0]):
        return []
    return [f"{name}: {found[0]}\r\n".encode("ascii") for name in ("In-Reply-To", "References")]


def _human_text(report: Report) -> str:
    paragraphs = [f"This is the mail server {report.reporting_mta}."]
    for recipient in report.recipients:
        paragraphs.append(f"{_OPENINGS[recipient.action]}\n\n    {_one_line(recipient.address)}")
        speaker = f"the server {_one_line(recipient.remote_mta)} answered" if recipient.remote_mta else "what happened"
        if recipient.diagnostic:
            paragraphs.append(f"{speaker[0].upper()}{speaker[1:]}:\n\n    {_one_line(recipient.diagnostic)}")
        remedies = (text for status, text in _REMEDIES if f"{recipient.status}.".startswith(f"{status}."))
        paragraphs.append(textwrap.fill(next(remedies, _REMEDIES[-1][1]), 72))
        if recipient.will_retry_until_ms is not None:
            paragraphs.append(f"We try until {date_text(recipient.will_retry_until_ms)}.")
    paragraphs.append(
        f"The message\n\n    Subject: {_one_line(report.subject)[:200]}\n    Accepted: {date_text(report.arrival_ms)}"
    )
    return "\n\n".join(paragraphs) + "\n"


def _status_part(report: Report, is_global: bool) -> Entity:
    """Write message/delivery-status, or message/global-delivery-status (RFC 6533 4)."""
    lines = [_status_field("Reporting-MTA", f"dns; {report.reporting_mta}", is_global)]
    if report.envid:
        lines.insert(0, _status_field("Original-Envelope-Id", decode_xtext(report.envid), is_global))
    lines.append(_status_field("Arrival-Date", date_text(report.arrival_ms), is_global))
    groups = [b"".join(lines)]
    groups += [b"".join(_recipient_fields(recipient, is_global)) for recipient in report.recipients]
    content = b"\r\n".join(groups)
    name = "global-delivery-status" if is_global else "delivery-status"
    encoding = "7bit" if content.isascii() else "8bit"
    return Entity(
        (f"Content-Type: message/{name}\r\n".encode(), f"Content-Transfer-Encoding: {encoding}\r\n".encode()),
        content,
        encoding == "8bit",
    )


def _recipient_fields(recipient: ReportedRecipient, is_global: bool) -> Iterable[bytes]:
    if recipient.original:
        address_type, original = decode_orcpt(recipient.original)
        yield _status_field("Original-Recipient", f"{address_type}; {original}", is_global)
    final = header_address(recipient.address)
    yield _status_field("Final-Recipient", f"{'rfc822' if final.isascii() else 'utf-8'}; {final}", is_global)
    yield f"Action: {recipient.action}\r\n".encode("ascii")
    yield _status_field("Status", recipient.status, is_global)
    if recipient.remote_mta:
        yield _status_field("Remote-MTA", f"dns; {recipient.remote_mta}", is_global)
    if recipient.diagnostic:
        # RFC 3464 2.3.6: type smtp is for what an SMTP server said.
        diagnostic_type = "smtp" if recipient.remote_mta else "x-postroom"
        yield _status_field("Diagnostic-Code", f"{diagnostic_type}; {recipient.diagnostic}", is_global)
    if recipient.last_attempt_ms is not None:
        yield _status_field("Last-Attempt-Date", date_text(recipient.last_attempt_ms), is_global)
    if recipient.will_retry_until_ms is not None:
        yield _status_field("Will-Retry-Until", date_text(recipient.will_retry_until_ms), is_global)


def _status_field(name: str, text: str, is_global: bool) -> bytes:
    # No encoded words here: programs read these fields (RFC 3464 2.1.1).
    written = text if is_global else text.encode("ascii", "replace").decode("ascii")
    return fold_items(name, [_one_line(written)[:900]])


def _returned_part(report: Report) -> Entity:
    failed = any(recipient.action is Action.FAILED for recipient in report.recipients)
    if failed and report.return_full and len(report.original) <= MAX_RETURNED:
        mail = crlf(report.original)
        if b"\0" not in mail and not has_long_line(mail):
            return _message_part(mail)
    return _header_part(report.original)


def _message_part(mail: bytes) -> Entity:
    fields, _ = split_header(mail)
    # RFC 6532 3.7: a mail with UTF-8 in its header is message/global.
    is_global = not b"".join(fields).isascii()
    return _part("message/global" if is_global else "message/rfc822", mail)


def _header_part(mail: bytes) -> Entity:
    fields, _ = split_header(mail[:MAX_RETURNED_HEADER])
    header = b"".join(field for field in map(crlf, fields) if b"\0" not in field and not has_long_line(field))
    try:
        header.decode("utf-8")
    except UnicodeDecodeError:
        header = header.decode("ascii", "replace").replace("\ufffd", "?").encode("ascii")
    if not header.endswith(b"\r\n"):
        header += b"\r\n"
    return _part("text/rfc822-headers" if header.isascii() else "message/global-headers", header)


def _part(content_type: str, content: bytes) -> Entity:
    encoding = "7bit" if content.isascii() else "8bit"
    header = (
        f"Content-Type: {content_type}\r\n".encode("ascii"),
        f"Content-Transfer-Encoding: {encoding}\r\n".encode("ascii"),
    )
    return Entity(header, content, encoding == "8bit")


def _worst(report: Report) -> Action:
    actions = [recipient.action for recipient in report.recipients]
    return next((action for action in Action if action in actions), Action.FAILED)


def _addresses(report: Report) -> Iterable[str]:
    """Return the addresses as the report writes them."""
    yield header_address(report.to)
    for recipient in report.recipients:
        yield header_address(recipient.address)
        if recipient.original:
            # What a client wrote into ORCPT need not be an address (RFC 3461 4.2).
            yield decode_orcpt(recipient.original)[1]


def _one_line(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
