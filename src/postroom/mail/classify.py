"""What a mail that came in is: its kind, whom it reports, which marks of ours it carries. Pure.

Any bytes are a mail here: nothing fails, and time and memory are bounded by
the caps of `mail.received`.
"""

from postroom.mail.address_list import parse_address_list
from postroom.mail.bounce_formats.named import Named
from postroom.mail.bounce_formats.report import DeliveryReport, read_report
from postroom.mail.bounce_rules import Judged, reason_of
from postroom.mail.marks import answers_of, marks_of
from postroom.mail.reasons import Reason
from postroom.mail.received import Received
from postroom.mail.verdict import MailKind, Reported, Verdict

_MOST_ADDRESSES = 100
_LONGEST_LIST = 10_000


def classify(raw: bytes) -> Verdict:
    """Return what the mail is and why."""
    mail = Received(raw)
    report = read_report(mail)
    if report is not None:
        return _of_report(mail, report)
    return _verdict(mail, MailKind.OTHER, "nothing known", "")


def _verdict(
    mail: Received, kind: MailKind, rule: str, evidence: str, recipients: tuple[Reported, ...] = ()
) -> Verdict:
    returned_to = [mailbox.address for mailbox in parse_address_list(mail.returned.raw("to")[:_LONGEST_LIST])]
    return Verdict(
        kind,
        rule,
        evidence[:500],
        recipients,
        marks_of(mail),
        answers_of(mail),
        tuple(returned_to[:_MOST_ADDRESSES]),
    )


def _of_report(mail: Received, report: DeliveryReport) -> Verdict:
    judged: dict[tuple[tuple[str, ...], int | None, str, str], Judged] = {}
    reported = []
    for one in report.named:
        # Of a thousand recipients most failed for one cause.
        key = (one.texts, one.reply_code, one.status, one.host)
        if key not in judged:
            judged[key] = _judge(one, report)
        found = judged[key]
        reported.append(
            Reported(
                one.address,
                found.reason,
                found.is_hard and report.kind is MailKind.BOUNCE,
                one.status,
                one.reply_code,
                found.evidence or " ".join(one.texts)[:500],
                found.rule,
            )
        )
    evidence = reported[0].evidence if reported else " ".join(report.texts)
    return _verdict(mail, report.kind, report.rule, evidence, tuple(reported))


def _judge(one: Named, report: DeliveryReport) -> Judged:
    texts = (*one.texts, *report.texts)
    found = reason_of(texts, reply_code=one.reply_code, status=one.status, host=one.host, command=one.command)
    if report.kind is MailKind.DELAY and found.reason in (Reason.ON_HOLD, Reason.UNDETERMINED):
        return Judged(Reason.EXPIRED, False, found.evidence, "delayed")
    return found
