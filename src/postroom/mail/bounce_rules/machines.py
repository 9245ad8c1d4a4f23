"""Texts about machines and the way between them: no room, broken, a program that failed, not reached, too long."""

from postroom.mail.bounce_rules.rule import Rule, says
from postroom.mail.reasons import Reason

RULES = (
    Rule(
        "system-full",
        Reason.SYSTEM_FULL,
        says(
            """
            mail system full | insufficient system resources | insufficient system storage | insufficient disk space
            | insufficient storage | not enough disk space | no space left on device | no disk space
            | out of disk space | disk full | disk is full | disk space | filesystem full | file system full
            | file system is full | queue full | requested mail action aborted: exceeded storage allocation | low disk
            | out of memory | server is full | server full | low storage | system storage
            """
        ),
    ),
    Rule(
        "loop",
        Reason.NETWORK,
        says(
            """
            hop count exceeded | maximum hop count | ma ximum hop count | too many hops | mail loop
            | mail forwarding loop | routing loop | maximum forwarding loop | message looping | looping
            | loop detected | loop count | too many received headers | possible mail loop | mail loops
            | bouncing back and forth | hops exceeded | too many received | mailer loop
            """
        ),
    ),
    Rule(
        "name-service",
        Reason.NETWORK,
        says(
            """
            host name lookup failure | hostname lookup failure | malformed name server reply
            | malformed or unexpected name server reply | host not found, try again
            | temporary failure in name resolution | dns temporary failure | dns lookup failed | dns lookup failure
            | dns lookup timeout | dns query failed | dns timeout | dns server failure | servfail | could not resolve
            | unable to resolve route | could not be found in domain name service | dnssec
            | dns records for the destination computer could not be found | dns error: * dns type
            | name service error * try again | name server timeout | could not find a route | could not find a gateway
            """
        ),
    ),
    Rule(
        "too-long",
        Reason.EXPIRED,
        says(
            """
            message expired | queue.expired | envelope expired | delivery expired | delivery time expired
            | message timed out | message has been in the queue too long | been in the queue too long
            | in queue too long | too long in queue | message timeout | time limit | retry time not reached
            | retry timeout exceeded | retry limit | max retries | maximum retry | retries exceeded | retry attempts
            | retry time | could not be delivered for | could not be sent for | could not deliver for
            | not delivered within | given up after | not be delivered within | been undeliverable | undeliverable for
            | enqueued and undeliverable | unable to deliver this message after | have been failing for a long time
            | has been delayed | still undelivered | it has not been collected | delivery attempts will continue
            | after multiple retries | too many retries | too many delivery attempts | number of delivery attempts
            | exceeded the maximum delivery | exceeded the maximum time | delivery period | expired
            | lifetime exceeded | allowed queue period | queue time | queue lifetime
            | message has not yet been delivered | server will continue trying | will be retried
            """
        ),
    ),
    Rule(
        "not-reached",
        Reason.EXPIRED,
        says(
            """
            connection timed out | connect timed out | connection time out | connection timeout | timed out
            | operation timed out | did not accept our requests to connect | did not respond | didn't respond
            | is not responding | not responding | no response from | unable to connect | could not connect
            | cannot connect | can't connect | failed to connect | being unable to connect successfully
            | host not reachable | server not responding | timeout - closing | timeout while | timeout waiting
            | timeout after | connection attempts failed | could not contact | was unable to contact | tried all mx
            | resources temporarily unavailable | session timeout | socket error | greylist | no answer from host
            """
        ),
    ),
    Rule(
        "network",
        Reason.NETWORK,
        says(
            """
            no route to host | network is unreachable | network unreachable | network error | host is unreachable
            | host unreachable | host is down | connection lost | connection was lost | lost connection
            | connection reset | connection was dropped | connection dropped | connection closed | connection died
            | connection aborted | connection broken | connection failed | connection failure | connection error
            | unable to establish an smtp connection | wasn't able to establish an smtp connection | broken pipe
            | remote host closed | closed connection | unexpectedly closed | connect error | communication failure
            | server busy | conversation with | could not connect and send | i/o error | routing error
            | unable to route | no route | link down | host down | host lookup did not complete | bad connection
            | network is busy | end of socket stream
            """
        ),
    ),
    Rule(
        "program",
        Reason.MAILER_ERROR,
        says(
            """
            procmail: | mailer error | command failed | command died | command time limit | command output | pipe to
            | pipe delivery | error writing message | child status | child process | program failed
            | exited abnormally | return code | exit code | exit status | exited with | failed with exit
            | failed to read response template | maildrop: | vacation: | temporary failure. command | lmtp
            | can't create output | couldn't create | lock failure | error while writing to | unknown mailer error
            | mailer returned | operating system error | not available for sendmail programs | maillock | lock busy
            """
        ),
    ),
    Rule(
        "broken",
        Reason.SYSTEM_ERROR,
        says(
            """
            internal error | temporary lookup failure | address verification in progress | resources exhausted
            | internal server error | internal system error | internal software error | server error | a system error
            | system error: | system error occurred | system config error | system configuration | configuration error
            | misconfigured | mis-configured | server configuration | local configuration | local error
            | local problem | temporary local problem | temporary system problem | temporary problem | mailbox busy
            | system load | too busy | temporary server error | technical error | technical problem | queue file write
            | cannot append | can't create | can't open | cannot open | unable to open | could not open
            | database error | unable to contact ldap | ldap error | sql error | mysql | transaction failed
            | service unavailable | service currently unavailable | service not available
            | service temporarily unavailable | system not accepting | server not available | server unavailable
            | mail server temporarily | mail server not available | temporarily unavailable
            | temporarily not available | currently unavailable | aliasing/forwarding loop | loops back to myself
            | loop was found in the mail exchanger | mx list for * points back | it would create a mail loop
            | error in processing | error while processing | encountered an error | unable to process
            | unable to complete command | cannot process | processing error | unexpected error | unexpected failure
            | unexpected exception | java.lang | out of service | under maintenance | upstream error
            | recipient error. | permission denied | insufficient permission | interrupted system call
            | try again later | mailbox store | storedrv | resolver.fwd | resolver.grp | smtpsend | server refused
            | insufficient resources | requested action aborted | lookup error | lookup failed | points to local host
            | error writing | write error | file i/o | can not read | unable to chdir | temporary domain failure
            | temporary system error | queue unavailable | database temporary | unable to verify
            | not capable of selected features | system incorrectly configured | directory server failure
            | routing server failure | could not be stored
            """
        ),
    ),
)
