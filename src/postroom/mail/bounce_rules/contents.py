"""Texts about the mail itself: spam, virus, size, form, content, policy, and the dialogue that carried it."""

from postroom.mail.bounce_rules.rule import Rule, says
from postroom.mail.reasons import Reason

RULES = (
    Rule(
        "virus",
        Reason.VIRUS,
        says(
            """
            virus detected | virus found | virus infected | virus was detected | virus was found | contains a virus
            | contains virus | contained virus | containing virus | contain a virus | infected message | infected with
            | infected file | infected by | is infected | malware | clamav | viruses | virus in | has virus
            | this message has a virus | message contains suspicious | possibly infected | trojan | worm
            | phishing detected | message was * virus | message had a virus | virus-infected | virus check | antivirus
            | id= * - infected
            """
        ),
    ),
    Rule(
        "spam",
        Reason.SPAM,
        says(
            """
            identified as spam | identified spam | classified as spam | considered spam | considered as spam
            | considered unsolicited | detected as spam | detected spam | spam detected | flagged as spam
            | looks like spam | look like spam | appears to be spam | appears to be unsolicited | is spam | as spam
            | be spam | marked as spam | tagged as spam | scored as spam | scored too high | spam score | spam content
            | spam message | spam mail | spam filter | spam rejected | spam blocked | spam refused
            | spam classification | spam policy | spam probability | spam not accepted | spam check | spam block
            | spam found | spam rule | spam rejection | spam limit | spam threshold | spam level | spam email
            | spam-like | spamlike | spamassassin | spam assassin | spam discarded | anti-spam | antispam | spamd
            | contains spam | contain spam | containing spam | suspected spam | suspected to be spam
            | suspicion of spam | possible spam | possibly spam | probable spam | probably spam | likely spam
            | likely unsolicited | rejected as spam | rejected because * spam | rejected due to spam
            | rejected for spam | refused by spam | like spam | high probability of spam | high spam | blocked as spam
            | blocked by spam | unsolicited bulk | unsolicited mail | unsolicited email | unsolicited e-mail
            | unsolicited message | unwanted mail | bulk email | bulk mail | ube | uce | junk mail | junk email
            | cloudmark | dspam | rspamd | bogofilter | bayes | spamscore | spamcatcher | content spam
            | recommended that you check your mail for spam | message refused * spam | id= * - spam
            """
        ),
    ),
    Rule("too-many-hops", Reason.NETWORK, says("number of 'received:' | number of received | received: headers")),
    Rule(
        "too-large",
        Reason.TOO_LARGE,
        says(
            """
            message too large | exceeded the maximum incoming | exceeds the maximum incoming | message is too large
            | message too big | message too long | message size exceeds | message exceeds | message size * exceed
            | message is larger | message larger than | message length exceeds | message file too big | mail too large
            | mail is too large | mail size | mail too big | mail exceeds | email too large | email is too large
            | size limit | maximum message size | fixed maximum | maximum size | max message size | max mail size
            | exceeds maximum value | exceeded maximum inbound message size | exceeds size | exceeds the maximum size
            | exceeds the size | exceeds * maximum | recipsizelimit | sendersizelimit | rst.sizelimit | too big for
            | data size exceeds | data too large | content too large | body too large | message body * too large
            | header size exceeds | size of * exceeds | too large for this | too much data | attachment * too large
            | attachments too large | file size | exceed the max | message rejected: size | over the size
            | larger than | size exceeded | exceeded the maximum message | message is too long | mail is too long
            | email is too long | attachment is too | mailsize | body is too big | message is too big
            | mail is too big
            """
        ),
    ),
    Rule(
        "form",
        Reason.NOT_COMPLIANT,
        says(
            """
            smtpsend.barelinefeedsareillegal | multiple from addresses | comply with required standards
            | not rfc compliant | rfc compliant | rfc 5322 | rfc 5321 | rfc 2822 | rfc5322 | rfc5321 | rfc2822
            | non-rfc | violates rfc | multiple addresses in from | duplicate header | duplicated message-id
            | duplicate message-id | missing from | missing header | missing date | missing message-id | missing to
            | no from header | no date header | no message-id | bare lf | bare line feed | bare cr | stray newline
            | bare newline | message is not compliant | not compliant with | header field * must
            | multiple from headers | header syntax | more than one from | messages missing a valid | missing a valid
            | syntactically * header | malformed header | line too long | lines too long | line length | from header
            | 8bit header | invalid header | without a message-id | one or more header | invalid message header
            | bare linefeed | required header | illegal bom | headers contain illegal
            """
        ),
    ),
    Rule(
        "content",
        Reason.CONTENT,
        says(
            """
            message was blocked because its content | conversion required | conversion failed | media not supported
            | blocked attachment | unacceptable attachment | dangerous attachment | content presents a potential
            | security issue * content | blocked because its content | because of its content | attachment blocked
            | attachment type | attachment not allowed | attachments are not allowed | attachment rejected
            | banned file | blocked file | file type | file extension | file name | executable | zip file
            | encrypted archive | password protected | dangerous extension | prohibited content
            | prohibited attachment | illegal attachment | unacceptable content | unwanted content | bad content
            | forbidden content
            | inappropriate content | content rejected | content blocked | content filter | content policy
            | content restriction | content scanner | content violat | content not accepted | content denied
            | content * not accepted | message content | media error | header error | mime error
            | improper use of 8-bit data | mailbombing | blocked url | url in this | links in | bad link | url blocked
            | subject line | suspicious content | suspicious url | mail content | conversion not allowed
            | content is not acceptable | charset | character set | html tags | unsupported media
            | message rejected by content | banned content | unsafe content | id= * - banned | rejected content
            | disallowed attach | attachments are disallowed
            """
        ),
    ),
    Rule("protocol", Reason.PROTOCOL, says("smtp protocol violation")),
    Rule(
        "policy",
        Reason.POLICY,
        says(
            """
            policy violation | quarantined | local policy | policy reasons | policy reason | policy restriction
            | policy rejection | policy reject | policy restrictions | for policy | by policy | due to policy
            | against policy | site policy | administrative policy | security policy | security policies | our policy
            | our policies | company policy | server policy | email policy | message policy | mail policy
            | policy prohibits | policies prohibit | violates our | violates the | protocol violation
            | prohibited by administrator | administratively prohibited | administratively denied
            | not allowed by policy | message not accepted for | message refused | you have violated
            | unacceptable mail | forbidden by | because the recipient is not accepting mail with | disallowed by
            | denied by policy | rejected by administrator | rejected by policy | rejected by local
            | rejected by the * rules | rejected by rule | rejected by organization | rejected by header | custom rule
            | transport rule | transport.rules | mail flow rule | rules.rejectmessage | organization's policy
            | acceptable use | terms of service | aup | sender's message was rejected by policy | closed mailing list
            | violation of policy | priority level is too low
            """
        ),
    ),
    Rule(
        "security",
        Reason.SECURITY,
        says(
            """
            authentication required | only authenticated users | smtp authentication | authentication failed
            | authentication failure | authentication is required | authentication unsuccessful
            | authentication credentials | authentication turned on | authentication error | not authenticated
            | unauthenticated sender | unauthenticated senders | requires authentication | must authenticate
            | must be authenticated | please authenticate | must log in | client was not authenticated
            | you must authenticate | you don't authenticate | auth required | not authorized | not authorised
            | unauthorized | delivery not authorized | not subscribed to ses | account not subscribed
            | verification failure | you are not authorized | sender must be authenticated | security error
            | security failure | security reasons | credentials | access token | login failed | signature required
            | crypto | must send * authenticated | failed to delivery | failed to authenticate | fail authentication
            | authentication not | auth error | auth failed | auth failure | without authentication
            | security features | cryptographic | message integrity failure | trust relationship required | rrvs test
            """
        ),
    ),
    Rule(
        "dialogue",
        Reason.PROTOCOL,
        says(
            """
            bad sequence of commands | improper sequence of commands | improper command | out of sequence
            | command unrecognized | command not recognized | unrecognized command | command not implemented
            | command parameter not implemented | unimplemented command | command rejected | syntax error
            | smtp protocol error | invalid command | nested mail command | need mail | need rcpt | need helo
            | polite people say | send helo first | must issue * helo | bad command | command unknown
            | unknown command | command not allowed | bad syntax | parameters | unsupported parameter | syntax of
            | mail command | pipelining not | smtputf8 | non-ascii | synchronization error
            | too many unauthenticated commands | parse error | excessive amounts of data | wrong protocol version
            | bad server response
            """
        ),
    ),
)
