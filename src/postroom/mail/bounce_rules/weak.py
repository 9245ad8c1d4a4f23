"""Short texts that decide only where no other text does."""

from postroom.mail.bounce_rules.rule import Rule, says
from postroom.mail.reasons import Reason

DOUBTS = (
    Rule("spam-word", Reason.SPAM, says("spam | junk")),
    Rule("virus-word", Reason.VIRUS, says("virus")),
    Rule("blocked-word", Reason.BLOCKED, says("blocked | banned | blocking | block")),
)
"""In a line that calls an address dead they make it doubtful."""

RULES = (
    *DOUBTS,
    # Without the status it may be the sender's domain that does not exist.
    Rule(
        "does-not-exist",
        Reason.NO_SUCH_USER,
        says("does not exist | doesn't exist | not exist"),
        statuses=(".1.1", ".2.1"),
    ),
    Rule("return-address", Reason.SENDER_REJECTED, says("return address | return-path | from address | originator")),
    Rule("policy-word", Reason.POLICY, says("policy | prohibited | forbidden | not allowed | not permitted")),
    Rule("access-denied", Reason.SECURITY, says("access denied | denied")),
    Rule("too-many-word", Reason.RATE, says("too many | too much")),
    Rule("time-word", Reason.EXPIRED, says("timeout | timed out")),
    Rule(
        "refused-by-a-remote-server",
        Reason.FILTERED,
        says("each of the following recipients was rejected by a remote mail server"),
    ),
    Rule(
        "greeting", Reason.ACCEPTS_NO_MAIL, says("does not accept mail | accepts no mail"), statuses=(".1.10", ".3.2")
    ),
)
