"""Receipts of readers: a mail was displayed, deleted or processed (MDN, RFC 8098).

Those of mail systems are DSNs and read elsewhere, but for SES' notifications of a delivery.
"""

import re

from postroom.mail.bounce_formats.ses_json import read_notification
from postroom.mail.reasons import Reason
from postroom.mail.received import Received
from postroom.mail.verdict import MailKind, Reported, Verdict

_FIELD = re.compile(r"([A-Za-z][A-Za-z-]{1,40})[ \t]*:[ \t]*(.*)")
_MOST_LINES = 500
_MOST_SES = 1_000
_SUBJECT = re.compile(
    r"(?:not )?read(?: receipt)?: |return receipt(?: \(displayed\))?\b|disposition notification|(?:un)?gelesen: "
    r"|lu ?: |non lu ?: |leído: |lido: |letto: |(?:niet )?gelezen: |przeczytano: |прочитано: |прочтено: |läst: "
    r"|læst: |lest: "
    r"|luettu: |přečteno: |olvasva: |citit: |okundu: |已读|已讀|開封済み|開封通知|읽음",
    re.IGNORECASE,
)


def read_receipt(mail: Received) -> Verdict | None:
    """Return *receipt* with who displayed or deleted the mail, or None. `facts` tell the disposition."""
    for number, part in enumerate(mail.parts):
        if part.is_leaf and part.media_type == b"message/disposition-notification":
            return _from_fields(mail.text(number, 100_000), mail)
    delivery = read_notification(mail.body).get("delivery")
    if isinstance(delivery, dict):
        return _from_ses(delivery)
    subject = mail.header.value("subject")
    if mail.report_type == "disposition-notification":
        return Verdict(MailKind.RECEIPT, "receipt", subject[:500])
    if (
        _SUBJECT.match(subject.strip())
        and ("in-reply-to" in mail.header or "references" in mail.header)
        and _is_bare(mail)
    ):
        return Verdict(MailKind.RECEIPT, "subject of a receipt", subject[:500])
    return None


def _from_fields(text: str, mail: Received) -> Verdict:
    found: dict[str, str] = {}
    for line in text.split("\n")[:_MOST_LINES]:
        if match := _FIELD.match(line[:2_000]):
            found.setdefault(match[1].lower(), match[2].strip())
    # RFC 8098 3.2.6: mode; type/modifier. The type may be missing, or be one of RFC 2298.
    disposition = found.get("disposition", "").rpartition(";")[2].strip().lower()
    evidence = f"Disposition: {disposition}" if disposition else mail.header.value("subject")
    rule = f"receipt: {disposition.partition('/')[0][:40]}" if disposition else "receipt"
    told = found.get("original-recipient") or found.get("final-recipient") or ""
    address = told.partition(";")[2].strip() or told
    reported = (Reported(address.strip("<>")[:320], Reason.UNDETERMINED, False, "", None, evidence[:500], rule),)
    facts = [("disposition", disposition[:100])] if disposition else []
    answered = found.get("original-message-id", "")
    return Verdict(
        MailKind.RECEIPT,
        rule,
        evidence[:500],
        reported if "@" in address else (),
        answers=(answered[:998],) if answered.startswith("<") else (),
        facts=tuple(facts),
    )


def _from_ses(delivery: dict[str, object]) -> Verdict:
    listed = delivery.get("recipients")
    response = str(delivery.get("smtpResponse", ""))[:500]
    reported = tuple(
        Reported(one, Reason.UNDETERMINED, False, "", None, response, "ses delivery")
        for one in (listed[:_MOST_SES] if isinstance(listed, list) else [])
        if isinstance(one, str) and "@" in one and len(one) <= 320
    )
    return Verdict(MailKind.RECEIPT, "ses delivery", response, reported)


def _is_bare(mail: Received) -> bool:
    """Tell whether there is little text, as a program writes it."""
    return sum(map(len, mail.told[:40])) < 1_000 and not any(line.startswith(">") for line in mail.told[:40])
