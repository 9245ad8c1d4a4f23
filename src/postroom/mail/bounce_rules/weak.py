"""Short texts that decide only where no other text does."""

from postroom.mail.bounce_rules.codes import BY_STATUS
from postroom.mail.bounce_rules.rule import Rule, says
from postroom.mail.reasons import Reason

_WORDS = (
    Rule("spam-word", Reason.SPAM, says("spam | junk")),
    Rule("virus-word", Reason.VIRUS, says("virus")),
    Rule("blocked-word", Reason.BLOCKED, says("blocked | banned | blocking | block")),
)

_OTHERS = (
    Rule(
        "of-the-sender",
        Reason.SENDER_REJECTED,
        says(
            """
            sender address | sender mailbox | sender domain | sender account | sender user | sender name
            | sender's mailbox | sender's account | sender) | unknown sender | for sender | of sender | of the sender
            | sender callback | envelope sender | mail from | from address | from: address | return address
            | return-path | reverse path | reverse-path | originator | your address | your mailbox | your account
            | your domain | your from | your subscription
            """
        ),
    ),
    Rule("of-the-proof", Reason.AUTHENTICATION, says("spf | dkim | dmarc")),
    Rule("of-the-login", Reason.SECURITY, says("smtp auth | authenticate | autenticacion | of this relay")),
    Rule(
        "of-the-form",
        Reason.NOT_COMPLIANT,
        says("in header | in to: | in reply-to | address format"),
    ),
    Rule(
        "of-some-mail",
        Reason.POLICY,
        says(
            """
            mail with | mail without | mail larger | mail over | email from | email with
            | email larger | email over | for external | or you are not
            """
        ),
    ),
    Rule(
        "of-now",
        Reason.SYSTEM_ERROR,
        says(
            """
            temporary | temporarily | try again later | try again in | try later | at this time | timeout
            | maintenance
            """
        ),
    ),
    Rule(
        "of-the-greeting",
        Reason.BLOCKED,
        says("in helo | in ehlo | en helo | helo host | ehlo host | a valid hostname"),
    ),
    Rule(
        "of-our-host",
        Reason.BLOCKED,
        says(
            """
            ip address not | ip address does | ip adres | ip-adres | adres ip | adresse ip | adresa ip | direccion ip
            | indirizzo ip | endereco ip | ip адрес | ip-адрес | адрес ip | client host | sending host
            | relay not known
            """
        ),
    ),
    Rule(
        "of-a-thing",
        Reason.SYSTEM_ERROR,
        says(
            """
            database not | database does | configuration not | configuration does | record not | record does
            | policy not | policy does | list does not exist | key does | key not | command is
            | no such name server | user agent | mailbox error | account error | recipient error | recipient count
            | rcpt order | account settings | our trusted | allow list | in cache | service is no longer
            | service no longer | key * no longer
            """
        ),
    ),
)

_CONDEMNING = (".1.0", *(status for status, reason in BY_STATUS.items() if reason.is_hard))
"""Status codes that call an address dead, or may mean that, where the text says nothing that we know."""

DOUBTS = (*_WORDS, *_OTHERS)
"""In a line that calls an address dead they make it doubtful: we may be refused, or something else be missing."""

RULES = (
    *_WORDS,
    # Without the status it may be the sender's domain that does not exist.
    Rule(
        "does-not-exist",
        Reason.NO_SUCH_USER,
        says("does not exist | doesn't exist | not exist"),
        statuses=(".1.1", ".2.1"),
    ),
    # Cisco's gateways so refuse whom their directory does not know. Which address it is the status leaves open else.
    Rule("address-rejected", Reason.NO_SUCH_USER, says("address rejected"), statuses=(".1.0",)),
    Rule("return-address", Reason.SENDER_REJECTED, says("return address | return-path | from address | originator")),
    Rule("policy-word", Reason.POLICY, says("policy | prohibited | forbidden | not allowed | not permitted")),
    Rule("access-denied", Reason.SECURITY, says("access denied | denied")),
    Rule("too-many-word", Reason.RATE, says("too many | too much")),
    # What the program itself said stands in another line, if anywhere.
    Rule("program-word", Reason.MAILER_ERROR, says("x-unix | local delivery failed")),
    # Hosts choose codes carelessly: words that contradict a status about the address go before it.
    Rule(
        "suspended-word", Reason.SUSPENDED, says("inactive | suspended | disabled | deactivated"), statuses=_CONDEMNING
    ),
    Rule(
        "now-word",
        Reason.SYSTEM_ERROR,
        says(
            """
            temporary | temporarily | temporariamente | temporalmente | temporairement | vorubergehend
            | voruebergehend | temporaneamente | tijdelijk | временно
            """
        ),
        statuses=_CONDEMNING,
    ),
    Rule("busy-word", Reason.SYSTEM_ERROR, says("busy | not ready")),
    Rule("time-word", Reason.EXPIRED, says("timeout")),
    Rule(
        "refused-by-a-remote-server",
        Reason.FILTERED,
        says("each of the following recipients was rejected by a remote mail server"),
    ),
    Rule(
        "greeting", Reason.ACCEPTS_NO_MAIL, says("does not accept mail | accepts no mail"), statuses=(".1.10", ".3.2")
    ),
)
