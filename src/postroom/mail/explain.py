"""What a reply of a peer means, in a sentence that a person understands. Pure.

The words explain; nothing is decided by them: whether a recipient is tried
again follows from the reply's class alone (RFC 5321 4.2.1), and no address is
suppressed because of a sentence. The cause follows from the reason that
`mail.bounce_rules` finds, so a page says what the counters say.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from postroom.mail.bounce_rules import reason_of_reply
from postroom.mail.reasons import Reason
from postroom.mail.smtp_reply import SmtpReply


class Cause(StrEnum):
    """Why a peer answered as it did."""

    ACCEPTED = "accepted"
    GREYLISTED = "greylisted"
    RATE = "rate"
    MAILBOX_FULL = "mailbox_full"
    NO_SUCH_USER = "no_such_user"
    MAILBOX_DISABLED = "mailbox_disabled"
    NO_SUCH_DOMAIN = "no_such_domain"
    BLOCKLIST = "blocklist"
    AUTHENTICATION = "authentication"
    SPAM = "spam"
    CONTENT = "content"
    TOO_LARGE = "too_large"
    LOGIN = "login"
    LOOP = "loop"
    TLS = "tls"
    DNS = "dns"
    NETWORK = "network"
    BUSY = "busy"
    POLICY = "policy"
    EXPIRED = "expired"
    OURS = "ours"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Explanation:
    """A reply in words."""

    cause: Cause
    sentence: str
    """One sentence without full stop; it begins with a capital letter, or with the name of the peer."""
    remedy: str = ""
    """What the sender can do about it, one sentence with full stop; empty where waiting is all."""


_SENTENCES: dict[Cause, tuple[str, str]] = {
    Cause.ACCEPTED: ("{peer} accepted it", ""),
    Cause.GREYLISTED: ("{peer} greylists: it wants to see the mail a second time before it takes it", ""),
    Cause.RATE: (
        "{peer} asked us to slow down",
        "Send less at a time to this provider; a new address or domain is let in gradually.",
    ),
    Cause.MAILBOX_FULL: ("The mailbox is full", ""),
    Cause.NO_SUCH_USER: (
        "There is no such mailbox at {peer_inside}",
        "Check the address for a slip of the pen; sending to it again harms your reputation.",
    ),
    Cause.MAILBOX_DISABLED: ("The mailbox is switched off", "Take the address off your lists."),
    Cause.NO_SUCH_DOMAIN: (
        "The domain takes no mail, or does not exist",
        "Check the part behind the @ for a slip of the pen.",
    ),
    Cause.BLOCKLIST: (
        "{peer} refuses the address that we send from: it is on a block list or has a bad reputation",
        "Look the sending address up at the list that the reply names, and ask for its removal.",
    ),
    Cause.AUTHENTICATION: (
        "{peer} could not see that the mail is yours: SPF, DKIM or DMARC did not pass",
        "Check the records of the domain on its page.",
    ),
    Cause.SPAM: ("{peer} takes the mail for spam", "Look at the content, its links, and who asked for this mail."),
    Cause.CONTENT: ("{peer} does not take this content", "Look at the attachments and the form of the mail."),
    Cause.TOO_LARGE: ("The mail is too large for {peer_inside}", "Send a link instead of the attachment."),
    Cause.LOGIN: (
        "{peer} does not relay for us",
        "Check the user and password of the smarthost, and whether it lets this sender through.",
    ),
    Cause.LOOP: ("The mail runs in circles", "Check where the domain's MX records and forwardings lead."),
    Cause.TLS: ("No encrypted connection with {peer_inside} came about", ""),
    Cause.DNS: ("The way to the domain could not be found in DNS", ""),
    Cause.NETWORK: ("No connection with {peer_inside} came about, or it broke off", ""),
    Cause.BUSY: ("{peer} cannot take mail at the moment", ""),
    Cause.POLICY: ("{peer} refuses it by a rule of its own", "The reply often names a page that tells more."),
    Cause.OURS: ("The try ended on our side", ""),
    Cause.UNKNOWN: ("{peer} gave no reason that we know", ""),
}

_CAUSES: dict[Reason, Cause] = {
    Reason.NO_SUCH_USER: Cause.NO_SUCH_USER,
    Reason.NO_SUCH_DOMAIN: Cause.NO_SUCH_DOMAIN,
    Reason.MOVED: Cause.NO_SUCH_USER,
    Reason.ACCEPTS_NO_MAIL: Cause.NO_SUCH_DOMAIN,
    Reason.FILTERED: Cause.POLICY,
    Reason.SUSPENDED: Cause.MAILBOX_DISABLED,
    Reason.MAILBOX_FULL: Cause.MAILBOX_FULL,
    Reason.TOO_LARGE: Cause.TOO_LARGE,
    Reason.SYSTEM_FULL: Cause.BUSY,
    Reason.SYSTEM_ERROR: Cause.BUSY,
    Reason.MAILER_ERROR: Cause.BUSY,
    Reason.NETWORK: Cause.NETWORK,
    Reason.EXPIRED: Cause.NETWORK,
    Reason.STARTTLS: Cause.TLS,
    Reason.BLOCKED: Cause.BLOCKLIST,
    Reason.REPUTATION: Cause.BLOCKLIST,
    Reason.AUTHENTICATION: Cause.AUTHENTICATION,
    Reason.NO_PTR: Cause.BLOCKLIST,
    Reason.SENDER_REJECTED: Cause.POLICY,
    Reason.RELAYING_DENIED: Cause.LOGIN,
    Reason.RATE: Cause.RATE,
    Reason.POLICY: Cause.POLICY,
    Reason.SECURITY: Cause.POLICY,
    Reason.SPAM: Cause.SPAM,
    Reason.VIRUS: Cause.CONTENT,
    Reason.CONTENT: Cause.CONTENT,
    Reason.NOT_COMPLIANT: Cause.CONTENT,
}
"""What a reason is to a person who reads of one try. Those that are missing follow from the reply code."""

_BY_RULE = {"greylisted": Cause.GREYLISTED, "loop": Cause.LOOP, "name-service": Cause.DNS}
_BY_STATUS = {
    "4.3.0": Cause.OURS, "4.4.3": Cause.DNS, "4.4.4": Cause.DNS, "5.4.4": Cause.DNS, "5.4.6": Cause.LOOP,
    "5.7.0": Cause.LOGIN, "5.7.8": Cause.LOGIN,
}  # fmt: skip
"""Where we, or a smarthost, mean something narrower than the reason."""

_GIVEN_UP = re.compile(r"given up after ([\d.]+) days?; the last answer was: (.+)", re.DOTALL)
_SHOWN = re.compile(r"([2-5]\d\d)(?: ([245]\.\d{1,3}\.\d{1,3}))?(?: (.*))?", re.DOTALL)


def explain(reply: SmtpReply, peer: str = "", *, ours: bool = False) -> Explanation:
    """Return what a reply means. `peer` is the name to use for who answered, such as `Google`.

    `ours`: no peer was reached, so the reply is one that we wrote ourselves.
    """
    given_up = _GIVEN_UP.match(reply.text)
    if given_up is not None:
        last = explain(reply_of(given_up[2]), peer)
        days = given_up[1]
        sentence = f"We gave up after {days} day{'' if days == '1' else 's'}; the last answer: {_lower(last.sentence)}"
        return Explanation(Cause.EXPIRED, sentence, last.remedy)
    cause = _cause(reply)
    if cause is Cause.OURS and not ours:
        # 4.3.0 is also what many servers say when something is wrong with them (RFC 3463 3.4).
        cause = Cause.BUSY
    sentence, remedy = _SENTENCES[cause]
    return Explanation(
        cause,
        sentence.format(peer=peer or "The receiving server", peer_inside=peer or "the receiving server"),
        remedy if not reply.is_success else "",
    )


def reply_of(shown: str) -> SmtpReply:
    """Return the reply that `str(reply)` showed; text that shows none becomes the text of a 450."""
    match = _SHOWN.fullmatch(shown)
    if match is None:
        return SmtpReply(450, "", shown)
    return SmtpReply(int(match[1]), match[2] or "", match[3] or "")


def _cause(reply: SmtpReply) -> Cause:
    if reply.is_success:
        return Cause.ACCEPTED
    judged = reason_of_reply(reply, command="RCPT")
    cause = _BY_RULE.get(judged.rule) or _CAUSES.get(judged.reason)
    if cause in (None, Cause.NETWORK, Cause.POLICY, Cause.BUSY, Cause.NO_SUCH_DOMAIN):
        cause = _BY_STATUS.get(reply.enhanced) or cause
    return cause or _by_code(reply.code)


def _by_code(code: int) -> Cause:
    match code:
        case 421 | 450 | 451 | 452:
            return Cause.BUSY
        case 550 | 553 | 554 | 571:
            return Cause.POLICY
        case _:
            return Cause.UNKNOWN


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:] if sentence.startswith(("The ", "There ", "No ")) else sentence
