"""Reports about mail of ours that readers and providers send: complaints, opt-outs, and what only looks like one.

The Abuse Reporting Format (RFC 5965, use RFC 6650, redaction RFC 6590,
authentication failures RFC 6591 and 6692, mailboxes for it RFC 9477), X-ARF,
and what has no format: Microsoft's junk mail reporting, SpamCop, Amazon SES'
notifications, and spam that somebody forwards to a role address. A report that
a mail is no spam, or that its authentication failed, is no complaint; neither
are aggregate reports (RFC 7489 7.2, RFC 8460).
"""

import json
import re
from collections.abc import Iterable, Iterator

from postroom.mail.address_list import parse_address_list
from postroom.mail.bounce_formats.ses_json import read_notification
from postroom.mail.reasons import Reason
from postroom.mail.received import Fields, Received
from postroom.mail.subject import has_prefix, is_answer_subject
from postroom.mail.verdict import MailKind, Reported, Verdict

MAX_RECIPIENTS = 1_000

_COMPLAINTS = frozenset(
    {"abuse", "fraud", "virus", "other", "miscategorized", "complaint", "spam", "phishing", "malware"}
)
_OPT_OUTS = frozenset({"opt-out", "opt-out-list", "optout", "unsubscribe"})
_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]{1,50})[ \t]*:[ \t]*(.*)")
_MOST_LINES = 5_000
_LONGEST_VALUE = 4_000
# RFC 6590 keeps no form for what is struck out; these are those that feedback loops write.
_REDACTED = re.compile(
    r"(?:redacted|removed|hidden|undisclosed|withheld|suppressed|x{3,}|\*+|-+)(?:[-_.]\w+)?", re.IGNORECASE
)
_ADDRESS = re.compile(r"[^\s<>@,;:\"]{1,64}@[^\s<>@,;:\"]{1,255}")
_ROLES = ("abuse", "postmaster", "spam", "complaints", "fbl", "report-spam", "reportspam", "phishing")
_SAYS_SPAM = re.compile(
    r"\b(?:spam|junk ?mail|phishing|abuse|unsolicited|ube|uce|complaint|beschwerde|unerw\w+ werbung|pourriel|"
    r"courriel ind\w+|indésirable|correo no deseado|no solicitado|indesiderat\w+|spammer|ongewenste|niechcian\w+|"
    r"nevyžádan\w+|спам\w*|жалоба)\b|迷惑メール|スパム|垃圾邮件|垃圾郵件|스팸",
    re.IGNORECASE,
)
_AGGREGATE_SUBJECT = re.compile(r"report[ _-]?domain\s*:.*(?:submitter|report-id)", re.IGNORECASE)
_PACKED = frozenset({b"application/gzip", b"application/zip", b"application/x-gzip", b"application/x-zip-compressed"})
_PACKED_FILE = re.compile(r"\.(?:xml(?:\.gz)?|zip)\b", re.IGNORECASE)
_MOST_PARTS = 20
_AGGREGATE_FILE = re.compile(r"[^!\s]+![^!\s]+!\d{9,11}!\d{9,11}", re.ASCII)
_FACTS = {
    "user_agent": ("user-agent",),
    "source_ip": ("source-ip", "source"),
    "reported_domain": ("reported-domain",),
    "reverse_path": ("original-mail-from",),
    "reporting_mta": ("reporting-mta",),
    "arrival_date": ("arrival-date", "received-date", "date"),
    "authentication_results": ("authentication-results",),
}


def read_complaint(mail: Received) -> Verdict | None:
    """Return what a report in some format says, or None where the mail is none.

    Its kind is *complaint*, *unsubscribe* for an opt-out, or *other* for a report that complains about nothing.
    Recipients are those who complain, none where they are struck out.
    """
    for number, part in enumerate(mail.parts):
        if part.is_leaf and part.media_type == b"message/feedback-report":
            return _from_feedback(_Told(mail.text(number)), mail, "feedback report")
    if mail.report_type == "feedback-report":
        return _from_broken(mail)
    if "in-reply-to" in mail.header or has_prefix(mail.header.value("subject")):
        return None  # somebody writes about a report
    return (
        _from_unlabelled(mail)
        or _from_microsoft(mail)
        or _from_spamcop(mail)
        or _from_ses(mail)
        or _from_x_arf(mail)
        or _aggregate(mail)
    )


def read_forwarded_spam(mail: Received) -> Verdict | None:
    """Return a complaint where somebody sends a mail on to a role address, or as spam; None else.

    To be asked last: bounces to a postmaster have the same form. Without a word about spam it is doubtful.
    """
    subject = mail.header.value("subject")
    returned = mail.returned
    if "from" not in returned or is_answer_subject(subject) or "report" in returned.value("content-type"):
        return None
    is_attached = any(part.media_type == b"message/rfc822" for part in mail.parts)
    lines = (line for line in mail.told[:40] if len(line) <= 300 and not line.startswith(">"))
    said = subject if _SAYS_SPAM.search(subject) else next(filter(_SAYS_SPAM.search, lines), "")
    role = next(_role_addresses(mail.header), "")
    if not role and not (said and is_attached):
        return None
    rule = "forwarded to a role" if role else "forwarded as spam"
    return Verdict(MailKind.COMPLAINT, rule, (said or role)[:500], is_doubtful=not said)


class _Told:
    """The fields of a report, names in lower case; a field may stand several times."""

    def __init__(self, text: str) -> None:
        self._values: dict[str, list[str]] = {}
        last = ""
        for line in text.split("\n")[:_MOST_LINES]:
            line = line[:2_000]
            if line[:1] in (" ", "\t") and last:
                if len(self._values[last][-1]) < _LONGEST_VALUE:
                    self._values[last][-1] += " " + line.strip()
            elif match := _FIELD.match(line):
                last = match[1].lower()
                self._values.setdefault(last, []).append(match[2].strip())

    def value(self, *names: str) -> str:
        """Return the first value of the first of these fields that is there."""
        return next((found[0] for name in names if (found := self._values.get(name))), "")

    def values(self, *names: str) -> list[str]:
        """Return all values of these fields."""
        return [value for name in names for value in self._values.get(name, ())]

    def __contains__(self, name: str) -> bool:
        return name in self._values


def _from_feedback(told: _Told, mail: Received, rule: str) -> Verdict:
    word = told.value("feedback-type", "abuse-type", "report-type").split(";")[0].strip().lower()
    facts = [("feedback_type", word)] if word else []
    for name, fields in _FACTS.items():
        if value := told.value(*fields):
            facts.append((name, value.strip("<>")[:500]))
    evidence = f"Feedback-Type: {word}" if word else mail.header.value("subject")
    kind = _kind(word)
    recipients = _addresses(told.values("original-rcpt-to", "removal-recipient", "original-recipient"))
    if not recipients and kind is not MailKind.OTHER:
        recipients = _in_returned(mail)
    return _verdict(kind, f"{rule}: {word}" if word else rule, evidence, recipients, facts)


def _verdict(
    kind: MailKind, rule: str, evidence: str, addresses: Iterable[str], facts: Iterable[tuple[str, str]]
) -> Verdict:
    reported = (Reported(one, Reason.UNDETERMINED, False, "", None, evidence[:500], rule) for one in addresses)
    return Verdict(kind, rule, evidence[:500], tuple(reported), facts=tuple(facts))


def _kind(word: str) -> MailKind:
    if word in _OPT_OUTS:
        return MailKind.UNSUBSCRIBE
    # What has no type or a type of its own complains (RFC 5965 3.1: treat it as `other`); what we know to be
    # no complaint does not: not-spam, auth-failure, dismiss, dmarc, dkim, spf.
    known_as_none = word.startswith(
        ("not-spam", "not_spam", "notspam", "auth", "dismiss", "dmarc", "dkim", "spf", "none")
    )
    return MailKind.COMPLAINT if word in _COMPLAINTS or not known_as_none else MailKind.OTHER


def _in_returned(mail: Received) -> tuple[str, ...]:
    """Return who got the reported mail, as its own header tells."""
    header = mail.returned
    for name in ("x-hmxmroriginalrecipient", "x-original-to", "delivered-to", "envelope-to", "x-envelope-to"):
        if found := _addresses(header.values(name)[:1]):
            return found
    shown = _addresses(mailbox.address for mailbox in parse_address_list(header.raw("to")[:10_000]))
    return shown if len(shown) == 1 else ()  # of several, nobody knows which one complains


def _addresses(texts: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for text in texts:
        # `rfc822;user@example.org` and `<user@example.org>`; `user@` and `redacted@example.org` are struck out.
        match = _ADDRESS.search(text[:1_000].rpartition("rfc822;")[2])
        if match and not _REDACTED.fullmatch(match[0].partition("@")[0]):
            found[match[0]] = None
    return tuple(found)[:MAX_RECIPIENTS]


def _from_broken(mail: Received) -> Verdict:
    """A report that lost its part or the part's type: by its fields in a text, or by its frame alone."""
    return _from_unlabelled(mail) or _from_feedback(_Told(""), mail, "feedback report")


def _from_unlabelled(mail: Received) -> Verdict | None:
    for number in mail.leaves(b"text/plain")[:5]:
        told = _Told(mail.text(number, 20_000))
        if "feedback-type" in told and "user-agent" in told and "version" in told:
            return _from_feedback(told, mail, "feedback report")
    return None


def _from_microsoft(mail: Received) -> Verdict | None:
    """Microsoft's junk mail reporting: the reported mail as attachment, its reader in a field of that."""
    recipients = _addresses(
        mail.returned.values("x-hmxmroriginalrecipient") + mail.header.values("x-hmxmroriginalrecipient")
    )
    author = mail.header.value("from").lower()
    subject = mail.header.value("subject")
    if not recipients and not ("staff@hotmail." in author and "complaint" in subject.lower()):
        return None
    source = subject.rpartition(" from ")[2].strip() if " from " in subject else ""
    facts = [("feedback_type", "abuse"), ("user_agent", "Microsoft Junk Mail Reporting")]
    facts += [("source_ip", source[:45])] if re.fullmatch(r"[0-9a-fA-F.:]{3,45}", source) else []
    return _verdict(MailKind.COMPLAINT, "microsoft junk mail report", subject, recipients, facts)


def _from_spamcop(mail: Received) -> Verdict | None:
    """SpamCop: words only, addresses struck out."""
    header = mail.header
    if "x-spamcop-sourceip" not in header and "@reports.spamcop.net" not in header.value("from").lower():
        return None
    facts = [("feedback_type", "abuse"), ("user_agent", "SpamCop")]
    if source := header.value("x-spamcop-sourceip"):
        facts.append(("source_ip", source[:45]))
    return _verdict(MailKind.COMPLAINT, "spamcop", header.value("subject"), (), facts)


def _from_ses(mail: Received) -> Verdict | None:
    """Amazon SES' notification of a complaint."""
    complaint = read_notification(mail.body).get("complaint")
    if not isinstance(complaint, dict):
        return None
    listed = complaint.get("complainedRecipients")
    entries = listed if isinstance(listed, list) else []
    addresses = _addresses(str(one.get("emailAddress", "")) for one in entries if isinstance(one, dict))
    word = str(complaint.get("complaintFeedbackType") or "").lower()[:60]
    facts = [("feedback_type", word)] if word else []
    if agent := complaint.get("userAgent"):
        facts.append(("user_agent", str(agent)[:500]))
    evidence = f"Complaint: {word}" if word else "Complaint"
    return _verdict(_kind(word), "ses", evidence, addresses, facts)


def _from_x_arf(mail: Received) -> Verdict | None:
    """X-ARF: a second part of fields (YAML) or JSON; reports that are not about mail complain about no mail."""
    if not {"x-arf", "x-xarf"} & set(mail.header):
        return None
    about_mail = ("spam", "ube", "uce", "abuse", "phishing", "fraud", "messaging", "mail")
    for number, part in enumerate(mail.parts):
        if not part.is_leaf or part.media_type not in (b"text/plain", b"application/json", b"text/x-yaml"):
            continue
        text = mail.text(number, 100_000)
        told = _Told(_as_fields(text) if text.lstrip().startswith("{") else text)
        word = told.value("report-type", "reporttype", "type", "category").strip("'\" ").lower()
        if not word:
            continue
        facts = [("feedback_type", word[:60]), ("user_agent", told.value("user-agent", "reporter")[:500] or "X-ARF")]
        if source := told.value("source", "source-ip", "sourceip", "source-identifier").strip("'\" "):
            facts.append(("source_ip", source[:45]))
        kind = MailKind.COMPLAINT if word.startswith(about_mail) else MailKind.OTHER
        recipients = _in_returned(mail) if kind is MailKind.COMPLAINT else ()
        return _verdict(kind, f"x-arf: {word[:60]}", f"Report-Type: {word}", recipients, facts)
    return None


def _as_fields(text: str) -> str:
    """Return the texts in a JSON object, also in objects in it, as fields."""
    try:
        found, _ = json.JSONDecoder(strict=False).raw_decode(text.lstrip())
    except (json.JSONDecodeError, RecursionError):
        return ""
    waiting, lines = [found], list[str]()
    while waiting and len(lines) < 1_000:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += [value for value in one.values() if isinstance(value, dict)]
            lines += [f"{name}: {value}" for name, value in one.items() if isinstance(value, str)]
    return "\n".join(lines)


def _aggregate(mail: Received) -> Verdict | None:
    """Reports of DMARC (aggregate) and TLS: figures, sent daily, about nobody's mail."""
    subject = mail.header.value("subject")
    if mail.report_type == "tlsrpt" or "tls-report-domain" in mail.header:
        return _verdict(MailKind.OTHER, "tls report", subject, (), [("feedback_type", "aggregate")])
    for number, part in enumerate(mail.parts[:_MOST_PARTS]):
        header = mail.part_header(number)
        names = f"{header.value('content-type')} {header.value('content-disposition')}"[:2_000]
        is_packed = part.media_type in _PACKED or _PACKED_FILE.search(names) is not None
        if _AGGREGATE_FILE.search(names) or (is_packed and _AGGREGATE_SUBJECT.search(subject)):
            return _verdict(MailKind.OTHER, "dmarc aggregate report", subject, (), [("feedback_type", "aggregate")])
    return None


def _role_addresses(header: Fields) -> Iterator[str]:
    for name in ("x-original-to", "delivered-to", "envelope-to", "to", "cc"):
        for mailbox in parse_address_list(header.raw(name)[:10_000]):
            if mailbox.address.partition("@")[0].lower() in _ROLES:
                yield mailbox.address
