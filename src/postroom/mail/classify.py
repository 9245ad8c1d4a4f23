"""What a mail that came in is: its kind, whom it reports, which marks of ours it carries. Pure.

Any bytes are a mail here: nothing fails, and time and memory are bounded by
the caps of `mail.received`.
"""

import re
from dataclasses import replace

from postroom.mail.address_list import parse_address_list
from postroom.mail.arf import read_complaint
from postroom.mail.bounce_formats.named import Named
from postroom.mail.bounce_formats.refusal import REFUSAL
from postroom.mail.bounce_formats.report import DeliveryReport, read_report
from postroom.mail.bounce_rules import Judged, reason_of
from postroom.mail.marks import answers_of, marks_of
from postroom.mail.people import judge_words
from postroom.mail.reasons import Reason
from postroom.mail.received import Received
from postroom.mail.verdict import MailKind, Reported, Verdict

_STATUS = re.compile(r"(?<![\w.])[45]\.\d{1,3}\.\d{1,3}(?![\w.])")
_REPLY_CODE = re.compile(r"(?<![\w.\[-])[45][0-5]\d(?=[ :,-]|$)", re.MULTILINE)
_MOST_ADDRESSES = 100
_LONGEST_LIST = 10_000
_MOST_JUDGED_BY_ALL = 20
"""Recipients of a report beside whose own texts those of the whole report are asked."""


def classify(raw: bytes) -> Verdict:
    """Return what the mail is and why."""
    mail = Received(raw)
    verdict = read_complaint(mail)
    if verdict is None:
        report = read_report(mail)
        verdict = judge_words(mail) if report is None else _of_report(report)
    returned_to = [mailbox.address for mailbox in parse_address_list(mail.returned.raw("to")[:_LONGEST_LIST])]
    return replace(
        verdict,
        marks=marks_of(mail),
        answers=tuple(dict.fromkeys((*verdict.answers, *answers_of(mail)))),
        returned_to=tuple(returned_to[:_MOST_ADDRESSES]),
    )


def _of_report(report: DeliveryReport) -> Verdict:
    judged: dict[tuple[object, ...], tuple[str, Judged]] = {}
    reported = []
    for one in report.named:
        # Of a thousand recipients most failed for one cause, in words that differ by the address only.
        texts = (text.replace(one.address, "@") for text in one.texts)
        key = (*texts, one.reply_code, one.status, one.host, one.command)
        if key not in judged:
            judged[key] = one.address, _judge(one, report)
        first, found = judged[key]
        evidence = found.evidence.replace(first, one.address) or " ".join(one.texts)
        status, code = _codes(one, evidence)
        judged_as = (found.reason, found.is_hard, status, code, evidence[:500], found.rule)
        reported.append(Reported(one.address, *judged_as, one.final))
    evidence = reported[0].evidence if reported else " ".join(report.texts)
    return Verdict(report.kind, report.rule, evidence[:500], tuple(reported))


def _codes(one: Named, evidence: str) -> tuple[str, int | None]:
    """Return the codes that fields tell, else those in the words about the recipient, which may tell none."""
    texts = (evidence, *one.texts)
    status = next((match[0] for text in texts if (match := _STATUS.search(text))), "")
    code = next((int(match[0]) for text in texts if (match := _REPLY_CODE.search(text))), None)
    return one.status or status, one.reply_code or code


def _judge(one: Named, report: DeliveryReport) -> Judged:
    if report.kind is MailKind.RECEIPT:
        return Judged(Reason.UNDETERMINED, False, "", one.action)
    # What is said of all says little of one of many.
    texts = (*one.texts, *report.texts) if len(report.named) <= _MOST_JUDGED_BY_ALL or not one.texts else one.texts
    found = reason_of(texts, reply_code=one.reply_code, status=one.status, host=one.host, command=one.command)
    if one.family == REFUSAL:
        # Dovecot tells so of full mailboxes, too; all else are the words of a person.
        reason = found.reason if found.reason is Reason.MAILBOX_FULL else Reason.FILTERED
        return Judged(reason, False, found.evidence, REFUSAL)
    if report.kind is MailKind.BOUNCE:
        return found
    if found.reason in (Reason.ON_HOLD, Reason.UNDETERMINED):
        return Judged(Reason.EXPIRED, False, found.evidence, "delayed")
    # What is late has not failed.
    return replace(found, is_hard=False)
