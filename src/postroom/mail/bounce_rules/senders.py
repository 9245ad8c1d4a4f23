"""Texts about us who send: blocked, bad reputation, not authenticated, no reverse name, refused sender, too fast."""

from postroom.mail.bounce_rules.rule import Rule, says
from postroom.mail.reasons import Reason

RULES = (
    Rule(
        "authentication",
        Reason.AUTHENTICATION,
        says(
            """
            bad spf records | spf * check failed | dkim signature missing | spf check failed | spf check: fail
            | spf: fail | spf fail | spf failed | spf * did not pass | fails spf | failed spf | failing spf
            | spf validation failed | spf validation error | spf violation | spf error | spf hard fail | spf hardfail
            | spf rejected | rejected by spf | rejected due to spf | rejected for spf | spf reject | spf unauthorized
            | spf forgery | spf record * not allow | spf record has hard fail | spf permerror
            | spf (sender policy framework) domain authentication fail | sender policy framework
            | spf record * fails to pass | due to spf | per it's spf record | spf mismatch | spf lookup
            | does not designate | is not permitted to send mail from | is not allowed to send mail from
            | not allowed to send from * spf | not authorized to use | not authorized to send mail from
            | not authorised to send mail from | is not authorized to send on behalf | is not a permitted sender
            | not permitted by spf | domain's spf | openspf.org | openspf.net | spf.pobox.com | see http://spf
            | dkim signature * invalid | dkim validation | dkim check failed | dkim failed | dkim verification failed
            | dkim: fail | dkim unauthenticated | no dkim | dkim * did not pass | missing dkim | bad dkim
            | does not pass dkim | dkim signature verification | dmarc policy | dmarc check failed | dmarc fail
            | dmarc failure | dmarc rejection | dmarc reject | dmarc validation | dmarc verification
            | dmarc evaluation | dmarc failed | fails dmarc | failed dmarc | failing dmarc | per dmarc | due to dmarc
            | dmarc unauthenticated | dmarc violation | rejected by dmarc | against dmarc | violates dmarc
            | domain owner discourages use of this host | rejected due to * dmarc | blocked by dmarc
            | p=dmarcrejection | unauthenticated email from | unauthenticated email is not accepted
            | unauthenticated mail | multiple authentication checks failed | authentication checks failed
            | does not have authentication information | fails to pass authentication checks
            | failed authentication checks | did not pass authentication | because the sender is unauthenticated
            | sender is unauthenticated | sender is not authenticated
            | 5322.from address doesn't meet the authentication requirements | authentication results
            | sender id (pra) | sender id * fail | arc validation failure | required authentication level
            | email authentication | message failed authentication | failed email authentication
            | sender unauthenticated | unauthenticatedemail | authentication-results | spf sender invalid
            | dkim sender invalid | dmarc sender invalid | blocked by spf | spf does not pass | dkim does not pass
            | dmarc does not pass | isn't aligned | is not aligned | not aligned with | authentication checks did not
            | prohibited by spf | no passing dkim | no acceptable dkim | not a valid dkim
            """
        ),
    ),
    Rule(
        "no-reverse-name",
        Reason.NO_PTR,
        says(
            """
            ptr record | no ptr | missing ptr | invalid ptr | ptr lookup | ptr resource record | ptr check | valid ptr
            | reverse dns | reverse-dns | rdns | r-dns | reverse name | reverse lookup | reverse mapping
            | reverse hostname | no reverse | without reverse | missing reverse | lack reverse | reverse resolution
            | ip name lookup failed | cannot find your hostname | cannot find your reverse hostname
            | can not find your hostname | client host rejected: cannot find your | could not find your hostname
            | cannot resolve your ip | cannot resolve your address | cannot resolve ptr | unresolvable relay host name
            | unresolvable host name | hostname lookup failed | your hostname does not match
            | helo name does not match | helo does not match | ip address does not resolve
            | does not resolve to a host name | fcrdns | forward confirmed | forward-confirmed | mismatches client ip
            | unverifyable sending ips | unverifiable sending ip | address to name lookup | get host name by ip
            | no fqdn for your ip | no dns entry for your | dns entry for your ip | remote host * no name
            | does not have a valid reverse | ip address has no hostname
            """
        ),
    ),
    Rule(
        "reputation",
        Reason.REPUTATION,
        says(
            """
            due to ip reputation | poor reputation | bad reputation | low reputation | very low reputation
            | reputation of the sending | reputation of the ip | reputation is too | reputation score
            | sending ip reputation | reputation too low | ip reputation | domain reputation | sender reputation
            | reputation filter | senderbase | sender score | senderscore
            | email sent from * has been found on industry url blacklists
            | has exceeded the maximum number of * complaints | temporarily deferred due to unexpected volume
            | temporarily deferred due to user complaints | deferred due to user complaints
            | excessive user complaints | due to user complaints | high complaint rate | complaint rate
            | unusual rate of unsolicited mail | unusually high * complaints
            | suspicious due to the very low reputation | gtgt reputation | trust score
            | likely unsolicited mail * reputation | because of your reputation | reputation-based
            | current reputation
            """
        ),
    ),
    # Before the pace: providers slow down what lacks one of these, and say which.
    Rule("without-tls", Reason.STARTTLS, says("not sent over a tls | not sent over tls | sent without tls")),
    Rule(
        "greylisted",
        Reason.RATE,
        says("greylisted | graylisted | greylisting | graylisting | grey-listed | grey list | gray list | postgrey"),
    ),
    Rule(
        "too-fast",
        Reason.RATE,
        says(
            """
            rate limit | rate-limit | ratelimit | rate limited | rate control | rate of * is too
            | receiving mail at a rate | receiving mail too quickly | too many connections | too many concurrent
            | too many simultaneous | too many messages | too many mails | too many emails | too many e-mails
            | too many recipients | too many errors | too many sessions | too many requests | too many rcpt
            | too many invalid | too many bad recipients | too many unknown | too many failed
            | too many mail | too much mail from | too many smtp sessions | too many transactions
            | sent to too many recipients | sending too | sent too many | exceeded the maximum number of
            | exceeded your | exceeds the maximum number of recipients | exceeded * per hour | exceeded * hourly
            | exceeded * daily | exceeded * messages | exceeded * limit of * messages | message limit exceeded
            | recipient limit exceeded | rate exceeded | sessions exceeded | sending limit | sending quota
            | mail quota exceeded for sender | message rate | connection rate | connection limit
            | connections from your | concurrent connections | connection frequency limited | ip frequency limited
            | frequency limited | frequency limit | mail frequency | thread limit | relay limit | send limit
            | exceeded permitted | exceeds permitted | message per connection
            | threshold exceeded | exceeded the threshold | received too much | too much email | short period of time
            | too many same | we have limits for how many messages | max connections | maximum connections
            | maximum number of connections | number of messages * exceeded | daily limit | hourly limit | daily quota
            | maximum email limit | too frequent | gl01 | userid unknowns | too many bounces | throttled
            | throttling | throttle | slow down | unusual sending | unusual rate | temporarily rate
            | recipients this hour | recipients per | messages per | mail count over | over the limit | traffic limit
            | excessive email | excessive messages | excessive connections | volume * exceed | unexpected volume
            | please try again slowly | try again more slowly | smtp connection refused * too | number of invalid
            | number of unknown | number of non-existent | hourly bounces | mail flood | congestion
            | quota exceeded (size of | quota exceeded (number of | quota exceeded (accumulated
            """
        ),
    ),
    Rule(
        "on-a-list",
        Reason.BLOCKED,
        says(
            """
            spamhaus | spamcop | sorbs | barracudacentral | b.barracuda | uceprotect | abuseat | cbl.abuseat
            | mailspike | dnsbl | rbl | sbl | xbl | pbl | dbl | surbl | uribl | invaluement | ivmsip | psbl | njabl
            | dsbl | ordb | rblplus | spamrl | proofpoint dynamic reputation | ipcheck.proofpoint | ers-rbl
            | mail-abuse | maps rbl | trend micro rbl | is listed in | is listed on | is listed at | is listed by
            | currently listed | listed in a | listed on a | in our block list | blocklist | block list | block-list
            | blacklist | black list | black-list | blacklisted | denylist | deny list | real-time block
            | realtime block | found on one or more | is on a block | delisting | delist | to request removal
            | removal from this list | unblock
            """
        ),
    ),
    # A refused connection is a policy's where a mail server says so, and the network's where the connecting host does.
    Rule(
        "connect-refused",
        Reason.NETWORK,
        says("connect to * connection refused | connect: connection refused | socket error code | due to socketerror"),
    ),
    Rule(
        "host-blocked",
        Reason.BLOCKED,
        says(
            """
            client host rejected | client host blocked | your host | your ip | your server | your mail server
            | your network | your isp | sender ip | sending ip | ip address * blocked | ip address blocked
            | ip blocked | ip * blocked | ip address * rejected | ip * denied | ip * banned | ip is blocked
            | ip address has been blocked | ip addresses * blocked | ip range | banned sending | banned ip
            | banned host | banned for | blocked for abuse | blocked by * policy list | blocked using | blocked ip
            | blocked from | host has been blocked | ip has been blocked | server has been blocked | have been blocked
            | have blocked | server is blocked | temporarily blocked | temporarily blacklisted | permanently blocked
            | mail from * blocked | hosts with dynamic ip | dynamic ip | dynamic address | dynamic host
            | dynamic/residential | dynamic pool | dial-up | dialup | dialups | dul | residential ip | generic reverse
            | generic host | open relay | open proxy | no access from mail server | not accepting connections from
            | refused connection | refuse connection | connection refused by | connection refused
            | connection rejected | connections from this | connections not accepted | connection not authorized
            | connection not allowed | connection denied | connection blocked | connection dropped
            | connect from * rejected | dropping connection | we do not accept mail from | do not accept mail from
            | refuses mail from | refusing mail from | not accept mail from hosts | does not accept mail from
            | please use the smtp server of your isp | use your isp | use your provider's | access denied. ip
            | access denied, banned | access denied by ip | access from ip | administratively blocked | host rejected
            | host is blocked | host network not allowed | network blocked | bad host | helo/ehlo | bad ip profile
            | not allowed to connect | not allowed access from | bad helo | bad dns | invalid helo
            | helo command rejected | helo rejected | ehlo rejected | intrusion prevention | active by policy
            | firewall | geoblock | domain is blocked | blocked country | black hole | too many spams from your ip
            | remote ip | ip is forbidden | ip forbidden | ip is rejected | ip rejected | ip is not allowed
            | error - blocked | ip address is not | unauthorized ip | not on whitelist | whitelist | spam source
            | spam sender | spammer | spamming | known spam | prohibited ip | rejecting connection | dictionary attack
            | has been reported as sending
            """
        ),
    ),
    Rule(
        "sender-refused",
        Reason.SENDER_REJECTED,
        says(
            """
            sender rejected | sender verify callout | mailing list is closed | senderfilterconfig
            | access to submit messages to this | sender address has null mx | sender * null mx
            | domain name required for sender | sender address rejected | sender address has been | sender address was
            | sender address is | sender address * rejected | sender address verification | sender verify failed
            | sender verification failed | sender verification error | sender domain | sender + does not exist
            | sender does not exist | sender not exist | sender blocked | sender denied | sender refused
            | sender not allowed | sender not permitted | sender not pre-approved | sender is in my | sender is on
            | sender email address rejected | sender unknown | sender invalid | sender is not | invalid sender
            | unknown sender | bad sender | unroutable sender | unrouteable sender | blocked sender | denied sender
            | domain of sender address | domain of the sender | sender's domain | sender's address | senders domain
            | from address rejected | from: domain is invalid | from domain | from address is | invalid from
            | mail from domain | mailfrom domain | mail from not owned | mail from address | return path
            | returned mail not accepted | null sender | empty sender | empty envelope sender | empty return-path
            | bounce address tag validation | batv | no third-party dsns | unsigned dsn | backscatter
            | address rejected by sender | administrative prohibition | envelope sender | badmailfrom
            | bounces not accepted | bounce messages are not | rejecting bounce | does not accept bounces
            | purported responsible address | this server does not accept mail from | server does not accept mail from
            | you are sending to/from an address that has been blacklisted | your email address has been blacklisted
            | your address has been | your domain | your email address is | by non-member | non-member | not a member
            | only members | members only | members can post | subscribers only | closed list | not allowed to post
            | not authorized to post | posting is restricted | not authorized to submit | emetteur invalide
            | email address is on senderfilter | denied [bouncedeny] | message sender | rule imposed mailbox access
            | is not a registered gateway user | verified sender | domain not verified | from this sender
            | callback setup failed | mail from invalid | send as this sender | permissions to send as
            | permission to send as | only moderators | bounces are never sent | multi-recipient bounce
            """
        ),
    ),
    Rule(
        "no-relay",
        Reason.RELAYING_DENIED,
        says(
            """
            relay access denied | relaying denied | relay denied | relaying not allowed | relay not permitted
            | no relaying | relaying not permitted | relaying prohibited | relaying is not allowed
            | relaying disallowed | relaying refused | relay not allowed | relay prohibited | relay rejected
            | relay * denied | relaying mail | not permitted to relay | not allowed to relay | unable to relay
            | cannot relay | can't relay | do not relay | does not relay | don't relay | we do not relay
            | won't relay | rejected relay | insecure mail relay | relay is not | relay attempt | not relayed
            | isn't in my list of allowed rcpthosts | not in my list of allowed rcpthosts | rcpthosts
            | that domain isn't allowed | as a relay, but i have not been configured | not a gateway | not gateway
            | is not local | email address is not verified | is not a local domain | not one of our domains
            | we don't handle mail for | this system is not configured to relay | domain not hosted
            | domain not local | domain isn't hosted | recipient domain not allowed | recipient domain not accepted
            | recipient domain is not | no local mailbox | denies relay | deny relay | refuses relay | relay refused
            | i cannot deliver mail for | relay disabled | relaying disabled | relaying is prohibited
            | relay is prohibited | relay operation
            """
        ),
    ),
    Rule(
        "starttls",
        Reason.STARTTLS,
        says(
            """
            does not support tls | not secured with tls | starttls is demanded | tls support | must issue a starttls
            | starttls is required | starttls required | starttls * failed | starttls error | starttls may not
            | tls required but | tls is required | tls not available | tls currently unavailable | tls not supported
            | tls handshake | tls negotiation | tls session | ssl handshake | encryption required
            | requires encryption | failed to start tls | required tls | tls connection | tls encryption
            | failed to deliver securely | use of tls | mta-sts | dane | certificate | cannot start tls | sts policy
            | tlsa | tls required | must issue starttls | starttls first | requiretls | must support tls
            | starttls-not-supported | starttls not supported | encryption needed
            """
        ),
    ),
)
