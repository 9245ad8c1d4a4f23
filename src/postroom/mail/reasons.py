"""Why mail was not delivered: one list of causes for replies, bounces, the ledger, the API and pages.

Each reason has the enhanced status code that fits it best (RFC 3463, with the
additions of RFC 7372 and RFC 7505) and its name in sisimai's list, so that a
reader who knows either finds his way. Whether a reason says that the address
is dead is part of it: only those suppress.
"""

from enum import StrEnum


class Reason(StrEnum):
    """The cause of a failure. The value is the word of the API."""

    meaning: str
    """One sentence, for the docs and for pages."""
    is_hard: bool
    """The address is dead for good: no other try will reach it."""
    status: str
    """The enhanced status code that says this best."""
    sisimai: str
    """The reason's name in sisimai 5."""

    def __new__(cls, word: str, meaning: str, is_hard: bool, status: str, sisimai: str) -> "Reason":
        """Make a reason that is its word."""
        reason = str.__new__(cls, word)
        reason._value_ = word
        reason.meaning = meaning
        reason.is_hard = is_hard
        reason.status = status
        reason.sisimai = sisimai
        return reason

    NO_SUCH_USER = "no_such_user", "There is no such mailbox.", True, "5.1.1", "userunknown"
    NO_SUCH_DOMAIN = "no_such_domain", "The domain does not exist.", True, "5.1.2", "hostunknown"
    MOVED = "moved", "The mailbox has moved and mail is not passed on.", True, "5.1.6", "hasmoved"
    ACCEPTS_NO_MAIL = "accepts_no_mail", "The domain or host takes no mail at all.", True, "5.1.10", "notaccept"

    FILTERED = "filtered", "The recipient's filter or settings turned it away.", False, "5.2.0", "filtered"
    SUSPENDED = "suspended", "The mailbox is disabled or suspended.", False, "5.2.1", "suspend"
    MAILBOX_FULL = "mailbox_full", "The mailbox is full.", False, "5.2.2", "mailboxfull"
    TOO_LARGE = "too_large", "The mail is larger than the mailbox or host takes.", False, "5.3.4", "emailtoolarge"
    SYSTEM_FULL = "system_full", "The receiving host has no room left.", False, "4.3.1", "systemfull"
    SYSTEM_ERROR = "system_error", "The receiving host is broken or wrongly set up.", False, "5.3.5", "systemerror"
    MAILER_ERROR = "mailer_error", "A program behind the mailbox failed.", False, "5.3.0", "mailererror"
    NETWORK = "network", "The host could not be reached, or the mail went in a circle.", False, "4.4.1", "networkerror"
    EXPIRED = "expired", "It was tried for too long.", False, "4.4.7", "expired"
    STARTTLS = "starttls", "TLS was demanded and could not be had.", False, "4.7.10", "failedstarttls"

    BLOCKED = "blocked", "The sending host or address is blocked.", False, "5.7.1", "blocked"
    REPUTATION = "reputation", "The sending host or domain has a bad reputation.", False, "5.7.1", "badreputation"
    AUTHENTICATION = "authentication", "SPF, DKIM or DMARC did not pass.", False, "5.7.26", "authfailure"
    NO_PTR = "no_ptr", "The sending address has no proper reverse DNS name.", False, "5.7.25", "requireptr"
    SENDER_REJECTED = "sender_rejected", "The sender's address or domain was refused.", False, "5.7.1", "rejected"
    RELAYING_DENIED = "relaying_denied", "The host does not relay for that domain.", False, "5.7.1", "norelaying"
    RATE = "rate", "Too many mails or connections in too short a time.", False, "4.7.28", "ratelimited"
    POLICY = "policy", "A rule of the receiving side forbids it.", False, "5.7.1", "policyviolation"
    SECURITY = "security", "A security check of the receiving side failed.", False, "5.7.0", "securityerror"
    SPAM = "spam", "The content was taken for spam.", False, "5.7.1", "spamdetected"
    VIRUS = "virus", "The content was taken for a virus.", False, "5.7.1", "virusdetected"
    CONTENT = "content", "The content was refused.", False, "5.6.0", "contenterror"
    NOT_COMPLIANT = "not_compliant", "The mail breaks a rule of its format.", False, "5.6.0", "notcompliantrfc"
    PROTOCOL = "protocol", "The SMTP dialogue broke a rule.", False, "5.5.0", "syntaxerror"

    ON_HOLD = "on_hold", "It failed and the texts name no cause that we know.", False, "5.0.0", "onhold"
    UNDETERMINED = "undetermined", "Nothing says why.", False, "5.0.0", "undefined"
