"""The made-up mails that come back: bounces, delay reports, answers of machines and people, complaints."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from postroom.mail.authentication import DkimVerdict, DmarcVerdict, Result, SpfVerdict, Verdicts


@dataclass(frozen=True, slots=True)
class About:
    """The copy that a mail is about."""

    address: str
    """Whom it was sent to."""
    author: str
    subject: str
    message_id: str
    at_ms: int
    """When the mail that comes back is written."""


def verdicts(domain: str) -> Verdicts:
    """Return what would be found out about a mail of a well-kept domain: nobody is asked."""
    return Verdicts(
        SpfVerdict(Result.PASS, domain),
        (DkimVerdict(Result.PASS, domain, "s1", "rsa-sha256"),),
        DmarcVerdict(Result.PASS, domain, spf_aligned=True, dkim_aligned=True),
    )


def bounce(about: About, reporter: str, status: str, text: str, returned: bytes) -> bytes:
    """Return a report of a failure (RFC 3464)."""
    said = f"<{about.address}>: host {reporter} said: 550 {status} {text}"
    return _report(about, reporter, "failed", status, f"smtp; 550 {status} {text}", said, returned)


def delay(about: About, reporter: str, returned: bytes) -> bytes:
    """Return a report that a mail is late."""
    text = "4.4.1 connect to the mailbox server timed out"
    said = f"Your message to <{about.address}> has not been delivered yet. It is tried for four more days."
    return _report(about, reporter, "delayed", "4.4.1", f"smtp; 451 {text}", said, returned)


def away(about: About) -> bytes:
    """Return an out-of-office answer (RFC 3834)."""
    return _mail(
        about,
        f"Automatic reply: {about.subject}",
        "I am away until Monday. For anything urgent, ask my colleagues.\r\n",
        "Auto-Submitted: auto-replied\r\n",
    )


def answer(about: About, text: str) -> bytes:
    """Return what a person answers, with the mail quoted below."""
    when = datetime.fromtimestamp(about.at_ms / 1000, UTC)
    quoted = f"On {when:%a, %b %d, %Y} at {when:%H:%M}, {about.author} wrote:\r\n> {about.subject}\r\n> Open it\r\n"
    return _mail(about, f"Re: {about.subject}", f"{text}\r\n\r\n{quoted}")


def complaint(about: About, provider: str, returned: bytes) -> bytes:
    """Return a feedback report (RFC 5965)."""
    head = _head(about, f"feedback@{provider}", f"Complaint about mail from {about.author}")
    return (
        f'{head}Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nA reader marked this mail as spam.\r\n"
        "--b\r\nContent-Type: message/feedback-report\r\n\r\n"
        f"Feedback-Type: abuse\r\nUser-Agent: {provider}-feedback/1.0\r\nVersion: 1\r\n"
        f"Original-Rcpt-To: {about.address}\r\n\r\n"
        "--b\r\nContent-Type: text/rfc822-headers\r\n\r\n"
    ).encode() + returned + b"\r\n--b--\r\n"  # fmt: skip


def _report(
    about: About, reporter: str, action: str, status: str, diagnostic: str, said: str, returned: bytes
) -> bytes:
    subject = "Delayed Mail (still being retried)" if action == "delayed" else "Undelivered Mail Returned to Sender"
    head = _head(about, f"MAILER-DAEMON@{reporter}", subject)
    return (
        f'{head}Auto-Submitted: auto-replied\r\nContent-Type: multipart/report; report-type=delivery-status; '
        'boundary="b"\r\n\r\n'
        f"--b\r\nContent-Type: text/plain\r\n\r\nThis is the mail system at host {reporter}.\r\n\r\n{said}\r\n"
        f"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; {reporter}\r\n\r\n"
        f"Final-Recipient: rfc822; {about.address}\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: {diagnostic}\r\n\r\n"
        "--b\r\nContent-Type: text/rfc822-headers\r\n\r\n"
    ).encode() + returned + b"\r\n--b--\r\n"  # fmt: skip


def _mail(about: About, subject: str, text: str, fields: str = "") -> bytes:
    head = _head(about, about.address, subject)
    reference = f"In-Reply-To: {about.message_id}\r\nReferences: {about.message_id}\r\n"
    return f"{head}{reference}{fields}Content-Type: text/plain; charset=utf-8\r\n\r\n{text}".encode()


def _head(about: About, author: str, subject: str) -> str:
    date = format_datetime(datetime.fromtimestamp(about.at_ms / 1000, UTC))
    name = author.partition("@")[0].removesuffix(".demo").replace(".", " ").title()
    shown = f"{name} <{author}>" if "." in author.partition("@")[0] else author
    return (
        f"From: {shown}\r\nTo: {about.author}\r\nSubject: {subject}\r\nDate: {date}\r\n"
        f"Message-ID: <{about.at_ms}.{author}>\r\nMIME-Version: 1.0\r\n"
    )
