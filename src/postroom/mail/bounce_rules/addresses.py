"""Texts that say that the address is dead: no such mailbox, moved, no such domain, no mail taken."""

from postroom.mail.bounce_rules.rule import Rule, says
from postroom.mail.reasons import Reason

RULES = (
    Rule(
        "moved",
        Reason.MOVED,
        says(
            """
            recipient no longer on server | address has been replaced by | mailbox has been replaced by
            | account has been replaced by | @ has been replaced by | address has moved | account has moved
            | recipient has moved | @ has moved | user has moved | mailbox has moved | address has changed to
            | address is no longer in use, please use | user not local; please try | not our user
            | user has changed address | new address is | mailbox owner has changed | domain owner has changed
            """
        ),
    ),
    Rule(
        "null-mx",
        Reason.ACCEPTS_NO_MAIL,
        says(
            """
            null mx | nullmx | an mx or srv record indicated no smtp service | host does not accept mail
            | host/domain does not accept mail | domain does not accept mail | domain * does not accept mail
            | domain * accepts no mail | does not accept mail (nullmx) | domain * doesn't receive email
            | does not accept email | mail receiving disabled | no mx record found for domain
            | mx records of * name no host | couldn't find a mail exchanger or ip address
            | couldn't find any mail exchanger | this host does not receive mail | server does not accept mail for
            | recipient address has null mx | no mail is accepted here
            """
        ),
    ),
    Rule(
        "no-such-domain",
        Reason.NO_SUCH_DOMAIN,
        says(
            """
            host unknown | unknown host | no such host | host not found | host or domain name not found
            | unknown domain | no such domain | domain does not exist | domain doesn't exist | domain not found
            | domain * does not exist | domain is not reachable | domain must exist | recipient domain must exist
            | domain name not found | bad destination system address | bad destination host
            | couldn't find any host named | could not find any host named | cannot find any host named
            | illegal host/domain name | mail domain mentioned in email address is unknown | name or service not known
            | nodename nor servname provided | no address associated with | unrouteable mail domain
            | unrouteable address | unroutable address | all relevant mx records point to non-existent hosts
            | domain * has neither mx hosts nor an address | domain isn't in dns | domain is invalid or dns | nxdomain
            | dns error * domain not found | unable to resolve domain | no mx or a records | non-existent domain
            | nonexistent domain | recipient address rejected: domain not found
            | recipient address rejected: unknown domain | host is unknown
            """
        ),
    ),
    Rule(
        "not-in-the-directory",
        Reason.NO_SUCH_USER,
        says(
            """
            recipient name is not recognized domino directory | not listed in public name
            | not listed in public name & address book | not found in domino directory | no match in domino directory
            | the email account that you tried to reach does not exist
            | email account that you tried to reach * does not exist | address wasn't found at
            | email address wasn't found at the destination | e-mail address you entered couldn't be found
            | resolver.adr.recipnotfound | resolver.adr.recipientnotfound | resolver.adr.exrecipnotfound
            | resolver.adr.badprimary | recipient not found by smtp address lookup
            | remote server returned unknown recipient | invalid final delivery userid | no mailbox here by that name
            | user < + unknown | no valid recipients for this mm | unknown user: @
            """
        ),
        is_sure=True,
    ),
    Rule(
        "no-such-user",
        Reason.NO_SUCH_USER,
        says(
            """
            user unknown | unknown user | user is unknown | unknown or illegal user | unknown or illegal alias
            | unknown local user | unknown local part | unknown local-part | unknown mailbox | unknown account
            | unknown email address | unknown e-mail | unknown rcpt | unknown virtual user | user not found
            | user not exist | user does not exist | user doesn't exist | user doesn't have a | user does not have an
            | user + does not exist | user + doesn't exist | user + not found | user + not known | user + is unknown
            | user not known | user invalid | user has left | user account does not exist | username + does not exist
            | userid does not exist | no such user | unknown recipient | no one with that | no such mail drop
            | handle mail for that user | not found in ldap | unable to find alias | recipients are invalid
            | no longer an employee | incorrectly addressed | does not have a final email delivery point
            | did not exactly match an | no such mailbox | no such recipient | no such person | no such account
            | no such address | no such local user | no such email | no such name | no such local part
            | no such username | no user by that name | no user here | no user exists | no account by that name
            | no account here | no mailbox by that name | no mailbox found | no one by that name
            | no matches to nameserver query | non-existent user | non existent user | nonexistent user
            | non-existent mailbox | nonexistent mailbox | not a known user | not a valid user | not a valid recipient
            | not a registered user | not a local user | not a user here | not known at this | not our customer
            | not known here | does not have an account here | recipient does not have an account | not user of this
            | not a user of this | not a user on this | does not have a mailbox | is not known | is not a known user
            | is not a valid mailbox | is not a valid user | @ is not recognised | @ is not recognized
            | user is not recognized | recipient is not recognized | address is not recognized
            | mailbox is not recognized | isn't a valid user | isn't a valid mailbox | isn't a valid address
            | isn't a valid recipient | isn't a valid email | invalid mailbox | invalid recipient | invalid user
            | invalid address | invalid local part | invalid account | invalid email address | invalid email recipient
            | invalid destination address | bad destination mailbox address | bad recipient | bad address | bad rcpt
            | mailbox does not exist | mailbox doesn't exist | mailbox invalid | mailbox is invalid
            | mailbox not found | mailbox unknown | mailbox unavailable | mailbox not available | mailbox not known
            | mailbox for + does not exist | mailbox for + not found | mailbox + not found | mailbox + does not exist
            | mailbox + unknown | mailbox removed | mailbox has been deleted | mailbox deleted | account not found
            | account does not exist | account doesn't exist | account has been deleted | account deleted
            | account closed | account has been closed | account was closed | account is no longer active
            | account no longer exists | account that you tried to reach does not exist | addressee unknown
            | addressee not found | address does not exist | address doesn't exist | address not found
            | address unknown | address not known | address is unknown | address is invalid | address invalid
            | address no longer exists | address is no longer valid | address is no longer in use
            | address no longer accepts mail | address not present in directory | address not listed
            | address does not match any | address rejected: user unknown | address rejected: undeliverable address
            | address rejected: unverified address | address rejected: invalid user
            | address rejected: invalid-recipient | address rejected: recipient not found
            | address rejected: no such user | undeliverable address | destination address is not
            | destination user not found | email address could not be found | email address not found
            | e-mail address does not exist | recipient address unknown | recipient does not exist
            | recipient doesn't exist | recipient invalid | recipient is unknown | recipient no longer exists
            | recipient not exist | recipient not found | recipient not known | recipient not valid
            | recipient unknown | recipient is not local | recipient is not valid | recipient is not known
            | recipient + does not exist | recipient + not found | recipient + unknown | recipient @ unknown
            | requested user mailbox not found | person not found | person unknown | left the company
            | no longer employed | no longer with the company | no longer works | no longer available
            | no longer valid | no longer exists | no longer in use | does not work here | not in our directory
            | not in directory | not listed in | there is no such | there is no user | there is no one at this address
            | this address no longer | this user does not have | this user doesn't have
            | this email address does not exist | unable to find recipient | unknown to this system
            | unknown address or | user + unknown
            | recipient is not on this system | vdeliver: invalid or unknown virtual user | delivery error: dd
            | chkuser | chkusr | address is marked as invalid | recipient verify failed
            | recipient verification failed | adressee unknown | is not a valid address | mailbox is unavailable
            | mailbox is not available | account + does not exist | account + not found | account + doesn't exist
            | address @ does not exist | address @ not found | address @ doesn't exist | address @ is unknown
            """
        ),
    ),
)
