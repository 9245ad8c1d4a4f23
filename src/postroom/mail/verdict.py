"""What `mail.classify` says about a mail that came in: its kind, whom it reports, which marks of ours it carries."""

from dataclasses import dataclass

from postroom.base.meaning import WordWithMeaning
from postroom.base.tokens import TokenKind
from postroom.mail.reasons import Reason


class MailKind(WordWithMeaning):
    """What a mail is. Exactly one; the word is that of the API."""

    BOUNCE = "bounce", "A report that mail was not delivered."
    DELAY = "delay", "A report that mail is late and is still being tried."
    COMPLAINT = "complaint", "A reader or provider complains about mail of ours."
    AUTO_REPLY = "auto_reply", "A machine answers for somebody: out of office, ticket number."
    CHALLENGE = "challenge", "A filter asks the author to prove to be a person."
    RECEIPT = "receipt", "A notice that mail was delivered or shown."
    LIST = "list", "Traffic of a mailing list."
    UNSUBSCRIBE = "unsubscribe", "A reader asks to get no more mail."
    REPLY = "reply", "A person answers mail of ours."
    OTHER = "other", "Anything else: mail that somebody wrote."


@dataclass(frozen=True, slots=True)
class Reported:
    """One recipient that a bounce, a delay report, a complaint or a receipt names."""

    address: str
    """As the report writes it, without angle brackets; the original recipient where both are told."""
    reason: Reason
    is_hard: bool
    """The address is dead for good. Follows from the reason, but for cases that its text tells apart."""
    status: str
    """Enhanced status code as told, or empty."""
    reply_code: int | None
    evidence: str
    """The line that decided, at most 500 characters."""
    rule: str
    """Name of the rule that decided."""
    final: str = ""
    """The address that failed in the end, as a report's Final-Recipient tells it: of an alias, a mailbox behind it."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A token of ours that the mail carries, not yet checked."""

    kind: TokenKind
    text: str
    """The token as it stands in an address or URL."""
    where: str
    """What carried it: `Return-Path`, `X-Postroom-Id`, `CFBL-Feedback-ID`, `link`, …"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a mail is and why."""

    kind: MailKind
    rule: str
    """Name of the rule that decided the kind."""
    evidence: str
    """The line or field that decided, at most 500 characters."""
    recipients: tuple[Reported, ...] = ()
    marks: tuple[Mark, ...] = ()
    """Ours, most trustworthy first; of a report, those of the returned message."""
    answers: tuple[str, ...] = ()
    """Message-IDs with angle brackets that it answers or returns: the nearest first."""
    returned_to: tuple[str, ...] = ()
    """Addresses in To of the returned message."""
    is_doubtful: bool = False
    """A person should look at it before anything follows: a reply that may ask for no more mail, or mean another."""
    facts: tuple[tuple[str, str], ...] = ()
    """What a feedback report or receipt tells beside its recipients, as told: `feedback_type`, `user_agent`,
    `source_ip`, `reported_domain`, `reverse_path`, `disposition`."""
