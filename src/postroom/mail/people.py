"""What a mail is that reports no delivery: a receipt, an answer of a machine, traffic of a list, a person's words."""

from postroom.mail.arf import read_forwarded_spam
from postroom.mail.asks_to_stop import asks_to_stop
from postroom.mail.auto_reply import what_answers
from postroom.mail.list_traffic import read_list_traffic
from postroom.mail.quoted_text import read_reply
from postroom.mail.receipt import read_receipt
from postroom.mail.received import Received
from postroom.mail.subject import has_prefix, is_answer_subject
from postroom.mail.verdict import MailKind, Verdict

_LONGEST_FRESH = 8_000
"""Letters."""


def judge_words(mail: Received) -> Verdict:
    """Return what a mail is; whoever asks has asked for complaints in a format and for bounces before."""
    answers = _sign_of_answer(mail)
    # What answers nothing and is long is a newsletter: its words prove nothing, and reading them costs.
    is_read = bool(answers) or len(mail.body) <= _LONGEST_FRESH
    written = read_reply(mail).written if is_read else ""
    return (
        read_receipt(mail)
        or what_answers(mail, written)
        or read_list_traffic(mail)
        or read_forwarded_spam(mail)
        or (_wish(mail, written, answers) if is_read else None)
        or (Verdict(MailKind.REPLY, "answer", answers[:500]) if answers else None)
        or Verdict(MailKind.OTHER, "nothing known", mail.header.value("subject")[:500])
    )


def _wish(mail: Received, written: str, answers: str) -> Verdict | None:
    """Return *complaint* or *unsubscribe* where a person asks for no more mail.

    What answers nothing must be clear to count, and is doubtful even then: it may be anything that says so.
    """
    subject = mail.header.value("subject")
    # Behind "Re:" stands what we wrote.
    wish = asks_to_stop(written or ("" if has_prefix(subject) else subject))
    if wish is None or (wish.is_doubtful and not answers):
        return None
    kind = MailKind.COMPLAINT if wish.is_complaint else MailKind.UNSUBSCRIBE
    rule = "complains in words" if wish.is_complaint else "asks for no more mail"
    return Verdict(kind, rule, wish.sentence, is_doubtful=wish.is_doubtful or not answers)


def _sign_of_answer(mail: Received) -> str:
    for name in ("in-reply-to", "references"):
        if name in mail.header:
            return f"{name}: {mail.header.value(name)}"
    subject = mail.header.value("subject")
    return subject if is_answer_subject(subject) else ""
