"""The facts that events tell. Each value is the word of the API and of webhooks."""

from postroom.base.meaning import WordWithMeaning


class EventKind(WordWithMeaning):
    """What happened. An event is written in the transaction of the state that it tells."""

    ACCEPTED = "accepted", "A message was stored; one event a message, its recipients follow from it."
    SUPPRESSED = "suppressed", "A recipient was not tried because its address is suppressed."
    HELD = "held", "An operator or a policy holds a recipient back."
    RELEASED = "released", "A held recipient may go."
    CANCELLED = "cancelled", "A recipient was taken back before it was sent."
    RETRIED = "retried", "Somebody asked for a try at once, or for another try of one in doubt."
    DEFERRED = "deferred", "A try ended in a persistent transient failure."
    DELIVERED = "delivered", "The next hop accepted the copy."
    FAILED = "failed", "A permanent failure, or given up."
    IN_DOUBT = "in_doubt", "The process died between the end of DATA and the reply."
    OPENED = "opened", "The pixel of a copy was fetched."
    CLICKED = "clicked", "A link of a copy was followed."
    BOUNCED = "bounced", "A bounce came back after the next hop had accepted the copy."
    DELAY_REPORTED = "delay_reported", "A report came back: the copy is late and still being tried."
    COMPLAINED = "complained", "The recipient or its provider called the mail spam."
    REPLIED = "replied", "Somebody answered the mail."
    AUTO_REPLIED = "auto_replied", "A machine answered for the recipient: out of office, a ticket number."
    RECEIPT_REPORTED = "receipt_reported", "A notice came back: the mail was delivered or shown."
    RECEIVED = "received", "Mail came in for a route, or for postmaster or abuse."
    UNSUBSCRIBED = "unsubscribed", "The recipient unsubscribed, by page, one-click, mail or the API."
    SUPPRESSION_ADDED = "suppression_added", "An address was put on the suppression list."
    SUPPRESSION_REMOVED = "suppression_removed", "An address was taken off the suppression list."
    MAIL_ARRIVED = "mail_arrived", "A mail arrived in a watched mailbox."
    MAILBOX_RESET = "mailbox_reset", "A watched mailbox has new UIDs: watching begins anew, and no mail is told twice."
    ACCOUNT_CONNECTED = "account_connected", "Somebody connected an account."
    ACCOUNT_DISCONNECTED = "account_disconnected", "Somebody disconnected an account."
    ACCOUNT_AUTH_FAILED = "account_auth_failed", "An account's server does not take its credentials any more."
    TRACER_LOST = "tracer_lost", "A tracer did not arrive in time."


NUMBERED = frozenset(
    {
        EventKind.MAIL_ARRIVED,
        EventKind.MAILBOX_RESET,
        EventKind.ACCOUNT_CONNECTED,
        EventKind.ACCOUNT_DISCONNECTED,
        EventKind.ACCOUNT_AUTH_FAILED,
    }
)
"""Events of an account that have a number in it, without a gap."""
