"""Texts about a mailbox that is there, but takes no mail now: full, suspended, filtering."""

from postroom.mail.bounce_rules.rule import Rule, says
from postroom.mail.reasons import Reason

RULES = (
    Rule(
        "full",
        Reason.MAILBOX_FULL,
        says(
            """
            mailbox full | not have enough space | mail box space | mailbox is full | mailbox * is full
            | mailbox * full | mailfolder is full | mailfolder full | inbox full | inbox is full
            | inbox is out of storage | folder is full | account is full | account full | mbox full | box full
            | boxfull | user is over quota | user over quota | over quota | overquota | overquotaperm | overquotatemp
            | over the quota | over its quota | over their quota | over disk quota | over the allowed quota
            | over storage | over limit | quota exceeded | quota exceed | quota full | quota is full | quota limit
            | quota violation | quota has been | quota reached | quota error | quota threshold | exceeds quota
            | exceeded quota | exceeds the quota | exceeds mailbox quota | exceed quota | exceed the quota
            | exceeded * quota | exceeds * quota | disk quota | mail quota | mailbox quota | email quota
            | storage quota | out of quota | out of storage | out of space | storage full | storage is full
            | not enough storage | not enough space | insufficient space | insufficient disk quota
            | no space left for * mailbox | mailbox size | mailbox * exceeded | mailbox * exceeds | mailbox exceed
            | mailbox has exceeded | mailbox space | mailbox storage | mailbox too | mailbox is over | mailbox over
            | maildir over quota | maildir delivery failed: user disk | maildir * quota | maximum mailbox
            | exceeded the storage | exceeded * storage | exceeds * storage | exceeded email quota | exceeded its
            | exceeded their | has exceeded * mailbox | has too many messages on the server | recipient * exceeded
            | recipient over quota | recipient's mailbox exceeded | recipient reached disk quota | recipient storage
            | the number of messages in recipient's mailbox exceeded | too much mail data | full mailbox
            | user has exhausted | user has exceeded | user has too many | user's disk quota | user's mailbox is full
            | account is over | account has exceeded | account exceeded | account over quota | account is exceeding
            | would be over quota | delivery would exceed | message would exceed | no room in mailbox
            | can't accept any more | cannot receive any more | as their mailbox is full
            | message size exceeds * remaining | quotaexceeded | mailbox limit | exceeded allocated storage
            | error writing message: file too large | quota
            """
        ),
    ),
    Rule(
        "suspended",
        Reason.SUSPENDED,
        says(
            """
            account disabled | account is disabled | account * disabled | account * is disabled
            | account has been disabled | account suspended | account is suspended | account has been suspended
            | account * suspended | account temporarily | account is temporarily | account has been temporarily
            | account inactive | account is inactive | account not active | account is not active | account * inactive
            | account expired | account has expired | account is locked | account locked | account has been locked
            | account is blocked | account blocked | account deactivated | account has been deactivated
            | account is deactivated | account unavailable | account is unavailable | account is not available
            | account is currently | account frozen | account on hold | account that you tried to reach is disabled
            | account that you tried to reach is inactive | account that you tried to reach * disabled
            | account that you tried to reach * inactive | mailbox disabled | mailbox is disabled | mailbox * disabled
            | mailbox suspended | mailbox is suspended | mailbox currently suspended | mailbox locked
            | mailbox is locked | mailbox inactive | mailbox is inactive | mailbox not active | mailbox is not active
            | mailbox frozen | mailbox is frozen | mailbox blocked | mailbox is blocked | mailbox has been suspended
            | mailbox has been disabled | mailbox temporarily disabled | mailbox is currently disabled
            | mailbox is unavailable * disabled | mailbox expired | mailbox * inactive | user suspended
            | user is suspended | user has been suspended | user disabled | user is disabled | user account disabled
            | user account is disabled | user account is * disabled | user(s) account is disabled | user is locked
            | user locked | user * locked | user inactive | user is inactive | user not active | user is not active
            | user blocked | user is blocked | user temporarily disabled | user * disabled | user * suspended
            | user * inactive | user deactivated | user has been deactivated | user deny | user expired
            | address disabled | address is disabled | address is inactive | address inactive | address * disabled
            | address has been disabled | address suspended | address is suspended | address is no longer active
            | recipient suspended | recipient is suspended | recipient disabled | recipient is disabled
            | recipient inactive | recipient is inactive | recipient account | recipient has been disabled
            | recipient deactivated | disabled recipient | disabled mailbox | disabled account | disabled user
            | disabled user in | inactive email address | inactive e-mail address | inactive account | inactive user
            | inactive mailbox | inactive recipient | suspended account | address has been deactivated
            | address deactivated | account has been blocked | mailbox has been blocked | user has been blocked
            | is no longer active | no longer in service | expired account
            | not currently being accepted for this mailbox | suspended user | deactivated account
            | deactivated mailbox | dormant | domain is suspended | domain suspended | domain has been suspended
            | domain * suspended | domain is disabled | domain disabled | domain expired | domain inactive
            | domain is not active | domain has been disabled | is a deactivated mailbox
            | this account has been disabled or discontinued | this account is not allowed
            | this account has been temporarily | this user has been suspended | temporarily disabled
            | user * temporarily suspended | mailbox * temporarily suspended | address * temporarily suspended
            | temporary locked | temporarily locked | extended inactivity | due to inactivity | unpaid | payment
            | has been discontinued | we have temporarily suspended | currently disabled | e-mail account is disabled
            | email account is disabled | email disabled | mail disabled | mailbox access denied
            | accountdisabledexception | mailbox has been deactivated
            """
        ),
    ),
    Rule(
        "filtered",
        Reason.FILTERED,
        says(
            """
            recipient preferences | user doesn't accept | user does not accept | rejected by sieve
            | requires verification | requires that you verify | access denied, rejected by recipient
            | not in allowed-senders | mailing list expansion | refused due to recipient | user rules | user reject
            | rejected by user | rejected by your | rejected by * filter | blocked by the recipient
            | blocked by recipient | blocked by user | blocked by the user | recipient has blocked
            | recipient rejected | recipient refused | recipient refuses | recipient does not accept
            | recipient doesn't accept | recipient only accepts | recipient is only accepting
            | recipient has restricted | recipient is not accepting | recipient not accepting | recipient has rejected
            | recipient chose | recipient has chosen | recipient not allowed | recipient not accepted
            | recipient denied | recipient restricted | recipient address rejected: access denied
            | recipient addresses rejected : access denied | recipient address has been blocked
            | recipient is not allowed | recipient not permitted | is not accepting any mail | is not accepting mail
            | not accepting messages | not accepting mail | does not want | doesn't want | refuse to receive
            | refuses to receive | refuses your | only accepting mail from specific | only accepts mail from
            | only accepts messages from | accept mail only from | notauthorized | rst.notauthorized | resolver.rst
            | restricted from receiving | is restricted | has restricted | permission to send
            | does not have permission | don't have permission | do not have permission | you have been blocked by
            | protected by | message filtered | filtered | filter rejected | mail filter | message filter | badrcptto
            | bad rcpt to list | in my badrcptto | bounced address | user not accepting | rejected due to user
            | due to user settings | mailbox is not accepting | mailbox not accepting | moderated | moderation
            | group may not exist, or | group you tried to contact | allowlist | address book | is not accepting new
            | does not accept messages | doesn't accept messages | not accept messages from | challenge
            | this account is protected | denied by recipient | access denied by recipient
            | message rejected by recipient | message rejected by user | rejected by recipient
            | rejected by destination domain | rejected by the destination domain | has unsubscribed
            | address ambiguous | only registered users
            """
        ),
    ),
)
