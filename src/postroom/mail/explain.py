"""What a reply of a peer means, in a sentence that a person understands. Pure.

The words explain; nothing is decided by them: whether a recipient is tried
again follows from the reply's class alone (RFC 5321 4.2.1), and no address is
suppressed because of a sentence. Replies of large providers say more in their
text than in their enhanced status code, so text is asked first, then the
status (RFC 3463), then the reply code.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

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

_TEXTS: tuple[tuple[Cause, re.Pattern[str]], ...] = tuple(
    (cause, re.compile(pattern, re.IGNORECASE))
    for cause, pattern in (
        (Cause.GREYLISTED, r"gr[ea]y-?\s?list|postgrey|sqlgrey"),
        # Before the rest: Gmail answers 4.2.2 with words about storage, Microsoft 5.4.1 for unknown people.
        (
            Cause.MAILBOX_FULL,
            r"(?:mailbox|inbox|account|user|quota|storage)\b.{0,60}\b(?:is full|full\b|over ?quota|exceed)"
            r"|over ?quota|quota (?:has been )?exceeded|insufficient (?:system )?storage|out of storage",
        ),
        (
            Cause.RATE,
            r"too many (?:messages|mails|e-?mails|connections|concurrent|sessions|recipients)|rate[- ]limit|throttl"
            r"|slow down|unusual rate|at a rate|sending limit|(?:message|connection) rate|exceeded the (?:rate|limit)"
            r"|temporarily deferred due to|\[TSS?\d\d\]|\[TS\d\d\]",
        ),
        (
            Cause.MAILBOX_DISABLED,
            r"(?:account|mailbox|user|recipient|address).{0,50}(?:disabled|inactive|suspended|deactivated|expired)"
            r"|(?:disabled|inactive|suspended|deactivated) (?:account|mailbox|user|recipient)",
        ),
        (
            Cause.NO_SUCH_USER,
            r"(?:no such|unknown|invalid|nonexistent|non-existent) (?:local )?(?:user|recipient|mailbox|address|person)"
            r"|(?:user|recipient|mailbox|address|account)(?: address)?.{0,60}?"
            r"(?:unknown|not found|does ?n[o']t exist|does not exist|not exist|invalid|no longer|unavailable|not known)"
            r"|recipient address rejected: access denied|does not have an? .{0,40}account|no mailbox here"
            r"|not a valid (?:user|mailbox|recipient)|user doesn't have",
        ),
        (Cause.NO_SUCH_DOMAIN, r"domain .{0,80}(?:not found|does not exist|neither mx|accepts no mail)|null ?mx"),
        (
            Cause.AUTHENTICATION,
            r"\bspf\b|\bdkim\b|\bdmarc\b|unauthenticated|not authenticated|sender (?:id|policy)|authentication checks",
        ),
        (
            Cause.BLOCKLIST,
            r"spamhaus|spamcop|barracudacentral|block-? ?list|black-? ?list|deny-? ?list|dnsbl|\brbls?\b|\b[sxp]bl\b"
            r"|reputation|(?:ip|address|host|client|server) .{0,60}(?:is |been |was )?(?:blocked|listed|banned)"
            r"|blocked using|listed (?:at|by|in|on)",
        ),
        (Cause.LOGIN, r"relay(?:ing)? (?:access )?(?:denied|not (?:allowed|permitted))|unable to relay|does not relay"),
        (Cause.CONTENT, r"virus|malware|infected|attachment|phish"),
        (Cause.TOO_LARGE, r"(?:message|mail|content|size).{0,40}(?:too (?:big|large)|exceeds)|the copy has \d+ bytes"),
        (Cause.SPAM, r"spam|unsolicited|junk|bulk mail|suspicious|message content rejected|content reject"),
        (Cause.LOOP, r"too many hops|mail loop|loops? back|hop count"),
        (Cause.TLS, r"starttls|\btls\b|certificate"),
    )
)

_STATUSES: tuple[tuple[Cause, re.Pattern[str]], ...] = tuple(
    (cause, re.compile(pattern))
    for cause, pattern in (
        (Cause.NO_SUCH_USER, r"[45]\.1\.[136]"),
        (Cause.NO_SUCH_DOMAIN, r"[45]\.1\.(?:2|10)"),
        (Cause.MAILBOX_DISABLED, r"[45]\.2\.1"),
        (Cause.MAILBOX_FULL, r"[45]\.2\.2"),
        (Cause.TOO_LARGE, r"[45]\.(?:2\.3|3\.4)"),
        (Cause.NETWORK, r"[45]\.4\.[12]"),
        (Cause.DNS, r"[45]\.(?:4\.[34]|1\.8)"),
        (Cause.RATE, r"[45]\.(?:4\.5|5\.3|7\.28)"),
        (Cause.LOOP, r"[45]\.4\.6"),
        (Cause.OURS, r"4\.3\.0"),
        (Cause.BUSY, r"4\.(?:3|2)\.\d+"),
        (Cause.CONTENT, r"[45]\.6\.\d+"),
        (Cause.LOGIN, r"[45]\.7\.8|5\.7\.(?:0|9)"),
        (Cause.TLS, r"[45]\.7\.(?:4|5|10|11)"),
        (Cause.AUTHENTICATION, r"[45]\.7\.2[0-9]"),
        (Cause.POLICY, r"[45]\.7\.\d+"),
    )
)

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
    for cause, pattern in _TEXTS:
        if pattern.search(reply.text[:2000]):
            return cause
    for cause, pattern in _STATUSES:
        if pattern.fullmatch(reply.enhanced):
            return cause
    return _by_code(reply.code)


def _by_code(code: int) -> Cause:
    match code:
        case 421 | 450 | 451 | 452:
            return Cause.BUSY
        case 530 | 535:
            return Cause.LOGIN
        case 552:
            return Cause.TOO_LARGE
        case 550 | 553 | 554 | 571:
            return Cause.POLICY
        case _:
            return Cause.UNKNOWN


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:] if sentence.startswith(("The ", "There ", "No ")) else sentence
