"""What a mail that came in is: its kind, whom it reports, which marks of ours it carries. Pure.

Any bytes are a mail here: nothing fails, and time and memory are bounded by
the caps of `mail.received`.
"""

from postroom.mail.bounce_formats.delivery_status import read_status
from postroom.mail.bounce_formats.named import Named
from postroom.mail.reasons import Reason
from postroom.mail.received import Received
from postroom.mail.verdict import MailKind, Reported, Verdict

_NO_BOUNCE = {"delayed": MailKind.DELAY, "delivered": MailKind.RECEIPT, "relayed": MailKind.RECEIPT}


def classify(raw: bytes) -> Verdict:
    """Return what the mail is and why."""
    mail = Received(raw)
    named = read_status(mail)
    failed = [one for one in named if one.action not in _NO_BOUNCE]
    if failed:
        return _report(MailKind.BOUNCE, failed)
    if named:
        return _report(_NO_BOUNCE[named[0].action], named)
    return Verdict(MailKind.OTHER, "nothing known", "")


def _report(kind: MailKind, named: list[Named]) -> Verdict:
    reported = tuple(_judged(one) for one in named)
    return Verdict(kind, named[0].family, reported[0].evidence, reported)


def _judged(one: Named) -> Reported:
    evidence = " ".join(one.texts)[:500]
    reason = Reason.NO_SUCH_USER if one.status in ("5.1.1", "5.1.3") else Reason.ON_HOLD
    return Reported(one.address, reason, reason.is_hard, one.status, one.reply_code, evidence, one.family)
