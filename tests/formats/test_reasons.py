"""Why mail was not delivered, judged by text, SMTP command, reply code and enhanced status code."""
# ruff: noqa: E501 - a reply is one line

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.mail.bounce_rules import UNDETERMINED, reason_of, reason_of_reply
from postroom.mail.bounce_rules.judge import LISTS
from postroom.mail.bounce_rules.rule import fold
from postroom.mail.reasons import Reason
from postroom.mail.smtp_reply import SmtpReply

REPLIES = r"""
RCPT - no_such_user! 550-5.1.1 The email account that you tried to reach does not exist. Please try 550-5.1.1 double-checking the recipient's email address for typos
RCPT - mailbox_full 552-5.2.2 The email account that you tried to reach is over quota. Please direct the recipient to https://support.google.com/mail/?p=OverQuotaTemp
RCPT - suspended 550 5.2.1 The email account that you tried to reach is disabled. Learn more at https://support.google.com/mail/?p=DisabledUser
DATA - rate 421-4.7.28 Our system has detected an unusual rate of unsolicited mail originating from your IP address. To protect our users from spam, mail sent from your IP address has been temporarily rate limited
DATA - spam 550-5.7.1 Our system has detected that this message is likely unsolicited mail. To reduce the amount of spam sent to Gmail, this message has been blocked.
DATA - authentication 550-5.7.26 This mail has been blocked because the sender is unauthenticated. Gmail requires all senders to authenticate with either SPF or DKIM.
DATA - no_ptr 550-5.7.25 The IP address sending this message does not have a PTR record setup, or the corresponding forward DNS entry does not point to the sending IP.
DATA - reputation 550-5.7.1 Our system has detected that this message is likely suspicious due to the very low reputation of the sending domain.
RCPT - mailbox_full 452-4.2.2 The recipient's inbox is out of storage space.
DATA - policy 550 5.7.1 The user or domain that you are sending to (or from) has a policy that prohibited the mail that you sent.
DATA - blocked 550-5.7.1 The IP you're using to send mail is not authorized to send email directly to our servers. Please use the SMTP relay at your service provider instead.
RCPT - no_such_user! 550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302).
RCPT outlook.example no_such_user! 550 5.4.1 Recipient address rejected: Access denied. AS(201806281) [BN8NAM12FT001.eop-nam12.prod.protection.outlook.com]
MAIL - blocked 550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3140).
RCPT - blocked 550 5.7.511 Access denied, banned sender[192.0.2.1]. To request removal from this list please forward this message to delist@microsoft.com.
DATA - authentication 550 5.7.509 Access denied, sending domain EXAMPLE.COM does not pass DMARC verification and has a DMARC policy of reject.
DATA - authentication 550 5.7.23 The message was rejected because of Sender Policy Framework violation -> 550 5.7.1 SPF fail
DATA - blocked 550 5.1.8 Access denied, bad outbound sender AS(42004)
RCPT - blocked 550 5.7.708 Service unavailable. Access denied, traffic not accepted from this IP.
RCPT - relaying_denied 550 5.7.64 TenantAttribution; Relay Access Denied
- - mailbox_full 550 5.2.2 STOREDRV.Deliver; mailbox full. The following information should help identify the cause
- - mailbox_full 554 5.2.2 mailbox full;STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded
- - security 550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required; Delivery restriction check failed
- - filtered 550 5.7.1 RESOLVER.RST.NotAuthorized; not authorized
- - network 554 5.4.14 Hop count exceeded - possible mail loop ATTR34
RCPT - network 451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77719)
MAIL - reputation 421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints
MAIL - blocked 553 5.7.2 [TSS09] All messages from 192.0.2.1 will be permanently deferred; Retrying will NOT succeed.
DATA yahoo.example policy 554 5.7.9 Message not accepted for policy reasons. See https://postmaster.yahooinc.com/error-codes
DATA yahoo.example no_such_user! 554 delivery error: dd This user doesn't have a yahoo.com account (a@yahoo.com) [0]
RCPT - no_such_user! 552 1 Requested mail action aborted, mailbox not found
DATA - policy 550 5.7.1 [CS01] Message rejected due to local policy. Please visit https://support.apple.com/en-us/HT204137
RCPT - mailbox_full 552 5.2.2 <a@icloud.com>: user is over quota
RCPT - suspended 550 5.1.1 <a@icloud.com>: inactive email address
DATA - blocked 550 5.7.1 Your email was rejected due to having a domain present in the Spamhaus DBL -- see https://www.spamhaus.org/dbl/
CONN - blocked 554 imta01.westchester.pa.mail.comcast.net comcast 192.0.2.1 Comcast block for spam. Please see http://postmaster.comcast.net/smtp-error-codes.php#BL000000
RCPT - no_such_user! 550 5.1.1 Not our Customer
MAIL - rate 421 4.1.0 192.0.2.1 Throttled - try again later. Please see http://postmaster.comcast.net/smtp-error-codes.php#RL000001
CONN cox.example no_ptr 554 cox 192.0.2.1 rejected - no rDNS - Refer to Error Codes section for more information. AUP#CXDNS
RCPT gmx.example no_such_user! 550 Requested action not taken: mailbox unavailable For explanation visit https://postmaster.gmx.net
CONN gmx.example blocked 554-gmx.net (mxgmx104) Nemesis ESMTP Service not available 554-No SMTP service 554-IP address is block listed.
DATA - policy 550-Requested action not taken: mailbox unavailable 550-Reject due to policy restrictions.
RCPT - mailbox_full 552-Requested mail action aborted: exceeded storage allocation 552-Quota exceeded. The recipient mailbox is full.
DATA - spam 550 spam message rejected. Please visit http://help.mail.ru/notspam-support/id?c=abc or report details to abuse@corp.mail.ru
RCPT - no_such_user! 550 Message was not accepted -- invalid mailbox. Local mailbox a@mail.ru is unavailable: user not found
RCPT - suspended 550 Message was not accepted -- invalid mailbox. Local mailbox a@mail.ru is unavailable: account is disabled
RCPT yandex.example no_such_user! 550 5.7.1 No such user!
DATA - spam 554 5.7.1 [1] Message rejected under suspicion of SPAM; https://ya.cc/1IrBc
RCPT qq.example no_such_user! 550 Mailbox not found. http://service.mail.qq.com/cgi-bin/help?subtype=1&&id=20022&&no=1000728
DATA qq.example spam 550 Mail content denied. http://service.mail.qq.com/cgi-bin/help?subtype=1&&id=20022&&no=1000726
DATA qq.example rate 550 Domain frequency limited [x IP: 192.0.2.1]. http://service.mail.qq.com/
RCPT - no_such_user! 550 User not found: a@163.com
DATA - spam 554 DT:SPM 163 smtp10,DsCowADn, please see http://mail.163.com/help/help_spam_16.htm
RCPT mimecast.example no_such_user! 550 Invalid Recipient - https://community.mimecast.com/docs/DOC-1369#550 [abc.uk100]
DATA mimecast.example policy 550 Rejected by header based Anti-Spoofing policy: a@b.c - https://community.mimecast.com/docs/DOC-1369#550
RCPT - blocked 554 Service unavailable; Client host [192.0.2.1] blocked using Barracuda Reputation; http://www.barracudanetworks.com/reputation/?r=1&ip=192.0.2.1
RCPT - blocked 550 5.7.1 Service unavailable, Client host [192.0.2.1] blocked using Spamhaus. To request removal from this list see https://www.spamhaus.org/query/ip/192.0.2.1
RCPT - blocked 554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org
DATA - blocked 550-5.7.1 permanent failure for one or more recipients (a@b.c:blocked)
RCPT - no_ptr 450 4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.1]
RCPT - rate 450 4.2.0 <a@b.c>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/b.c.html
RCPT - rate 451 4.7.1 Greylisting in action, please come back later
RCPT - no_such_domain! 550 5.1.2 <a@b.c>: Recipient address rejected: Domain not found
RCPT - no_such_domain 450 4.1.2 <a@b.c>: Recipient address rejected: Domain not found
RCPT - blocked 504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname
RCPT - sender_rejected 554 5.7.1 <a@b.c>: Sender address rejected: Access denied
RCPT - sender_rejected 450 4.1.8 <x@y.z>: Sender address rejected: Domain not found
RCPT - sender_rejected 550 5.1.0 <x@y.z>: Sender address rejected: User unknown in relay recipient table
RCPT - sender_rejected 550-Verification failed for <x@y.z> 550-No Such User Here 550 Sender verify failed
RCPT - no_such_user! 550 5.1.1 <a@b.c>: Recipient address rejected: undeliverable address: host mx said: 550 5.1.1 User unknown
RCPT - filtered 554 5.7.1 <a@b.c>: Recipient address rejected: Access denied
RCPT - relaying_denied 550 5.7.1 <a@b.c>... Relaying denied
RCPT - relaying_denied 550 relay not permitted
RCPT - relaying_denied 550 5.7.1 Unable to relay
RCPT - relaying_denied 553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)
RCPT - no_such_user! 550 5.1.1 sorry, no mailbox here by that name (#5.1.1 - chkuser)
RCPT - no_such_user! 511 sorry, no mailbox here by that name (#5.1.1 - chkuser)
MAIL - too_large 552 5.3.4 Message size exceeds fixed limit
DATA - too_large 552 5.3.4 Error: message file too big
MAIL - system_full 452 4.3.1 Insufficient system storage
RCPT - rate 452 4.5.3 Error: too many recipients
DATA - not_compliant 554 5.6.0 Message contains invalid header: 8BIT_HEADER
DATA - virus 550 5.7.1 This message contains a virus (Eicar-Test-Signature)
DATA - content 552-5.7.0 This message was blocked because its content presents a potential 552-5.7.0 security issue.
DATA - content 550 5.7.1 Message rejected due to content restrictions
MAIL - starttls 530 5.7.0 Must issue a STARTTLS command first
MAIL - security 530 5.7.0 Authentication required
RCPT - blocked 550 5.7.1 Mail from 192.0.2.1 has been blocked for spam by example
MAIL - authentication 550 SPF check failed
DATA - authentication 550 5.7.1 DMARC failure
DATA - expired 421 4.4.2 mx.example Error: timeout exceeded
RCPT - system_error 451 4.3.0 Temporary server error. Please try again later PRX4
MAIL - system_error 451 4.3.2 System not accepting network messages
- - accepts_no_mail! 556 5.1.10 the domain example.net accepts no mail (null MX)
- - no_such_domain! 550 5.1.2 the domain nowhere.example has neither MX hosts nor an address
- - no_such_domain! 550 5.1.2 the domain nowhere.example does not exist
- - network 550 5.4.4 the hosts of x.example have only addresses that this installation does not dial
- - network 550 5.4.4 the MX hosts of x.example have no address
- - network 550 5.4.6 the best MX host of x.example has our own address
- - protocol 550 5.6.7 the mail needs SMTPUTF8 and the next hop does not offer it
RCPT - on_hold 550
RCPT - on_hold 550 5.0.0
RCPT - no_such_user! 550 5.1.1
DATA - system_error 554 Transaction failed
RCPT - security 550 5.7.1 Access denied
CONN - blocked 550 Access denied
RCPT - on_hold 550 Rejected
DATA - spam 571 5.7.1 message classified as spam (Nachricht als Spam eingestuft)
RCPT - mailbox_full 422 4.2.2 Quota limit exceeded (Speicherplatz des Kontos ueberschritten)
RCPT - no_such_user! 550 5.1.1 Empfänger unbekannt
RCPT - no_such_user! 550 5.1.1 Adresse d au moins un destinataire invalide. Invalid recipient. OFR_416 [416]
DATA - spam 550 5.2.0 Mail rejete. Mail rejected. OFR_506 [506]
CONN - blocked 421 4.2.0 Service refuse. Veuillez essayer plus tard. Service refused, please try later. OFR_102 [102]
RCPT - mailbox_full 550 5.5.0 Boite du destinataire pleine. Recipient overquota. OFR_417 [417]
RCPT - no_such_user! 550 5.1.1 Usuario desconocido
RCPT - mailbox_full 550 5.2.2 Buzón lleno
RCPT - no_such_user! 550 5.1.1 Nie ma takiego konta (no such user)
RCPT - no_such_user! 550 5.1.1 Пользователь не найден
RCPT - no_such_user! 550 5.1.1 用户不存在
RCPT - mailbox_full 552 5.2.2 邮箱已满
RCPT - no_such_user! 550 5.1.1 Utente sconosciuto
RCPT - suspended 550 5.2.1 This mailbox is inactive
RCPT - suspended 550 5.2.1 Mailbox disabled, not accepting messages
RCPT - blocked 550 5.7.1 Recipient not authorized, your IP has been found on a block list
RCPT - blocked 550 5.7.606 Access denied, banned sending IP [192.0.2.1]
RCPT - rate 550 5.1.1 The user you are trying to contact is receiving mail too quickly
RCPT - rate 550 5.1.1 Recipient address rejected: rate limit exceeded
RCPT - mailbox_full 550 5.1.1 <a@b.c>: mailbox full
RCPT - blocked 550 Blocked: your sending reputation is poor, user unknown
RCPT - moved! 550 5.1.6 recipient no longer on server: a@b.c
RCPT - moved! 551 5.1.6 User has moved; please try <c@d.e>
RCPT - no_such_domain! 550 Host unknown
MAIL - sender_rejected 550 5.7.27 Sender address has null MX
DATA - spam 554 5.7.1 The message from (<x@y.z>) with the subject of (hi) matches a profile the Internet community may consider spam (Cyren). Please revise your message before resending.
RCPT - no_such_user! 550 #5.1.0 Address rejected.
RCPT - no_such_user! 550 5.1.1 unknown or illegal alias: a@me.com
RCPT - no_such_user! 550 No Such User Here"
RCPT - sender_rejected 550 Administrative prohibition
CONN - blocked 554 Blocked - see https://ipcheck.proofpoint.com/?ip=192.0.2.1
DATA - policy 550 5.7.0 Local Policy Violation
RCPT - protocol 550 5.7.1 Command rejected
- - policy 550 5.7.1 TRANSPORT.RULES.RejectMessage; the message was rejected by organization policy
RCPT - system_error 450 4.3.2 Service currently unavailable
RCPT - no_such_user! 550 Recipient address rejected: Invalid user
RCPT - suspended 550 mailbox is inactive
RCPT - suspended 550 Account has been suspended
RCPT - no_such_user! 550 5.1.1 This account no longer exists
DATA - spam 550 5.7.1 Email rejected per SPAM policy
DATA - policy 554 5.7.1 Email rejected due to security policies - MCSpamSignature.x.x
MAIL - sender_rejected 550 cannot find a valid MX for sender domain
RCPT - mailbox_full 550 permanent failure: recipient is over quota
"""
"""Command, name of the host, reason (`!`: hard) and the reply; as providers, filters and servers answer."""


@pytest.mark.parametrize("line", REPLIES.strip().splitlines())
def test_what_a_server_answers_has_its_reason(line: str) -> None:
    command, host, told, reply = line.split(" ", 3)
    judged = reason_of([reply], reply_code=None, status="", host=host.strip("-"), command=command.strip("-"))
    assert judged.reason.value + "!" * judged.is_hard == told, judged.rule


def test_silence_is_undetermined_and_penalises_nobody() -> None:
    assert reason_of([], reply_code=None, status="") == UNDETERMINED
    assert reason_of(["", " \n"], reply_code=None, status="") == UNDETERMINED
    assert (UNDETERMINED.reason, UNDETERMINED.is_hard) == (Reason.UNDETERMINED, False)


def test_a_text_that_nobody_knows_is_on_hold_and_penalises_nobody() -> None:
    judged = reason_of(["599 the moon is too bright"], reply_code=None, status="")
    assert (judged.reason, judged.is_hard, judged.evidence) == (Reason.ON_HOLD, False, "599 the moon is too bright")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("550 User unknown (in reply to RCPT TO command)", Reason.NO_SUCH_USER),
        ("550 User unknown (in reply to end of DATA command)", Reason.FILTERED),
        ("550 User unknown (in reply to MAIL FROM command)", Reason.SENDER_REJECTED),
        ("550 User unknown", Reason.FILTERED),
        ("550 5.7.1 User unknown", Reason.FILTERED),
        ("450 4.2.0 mailbox unavailable (in reply to RCPT TO command)", Reason.FILTERED),
        ("450 4.1.1 User unknown", Reason.NO_SUCH_USER),
        ("550 5.1.1 User unknown", Reason.NO_SUCH_USER),
        ("User unknown", Reason.NO_SUCH_USER),
        (">>> RCPT To:<a@example.org>\n<<< 550 User unknown", Reason.NO_SUCH_USER),
        (">>> DATA\n<<< 550 User unknown", Reason.FILTERED),
        ("550 User unknown, mail from you is spam (in reply to RCPT TO command)", Reason.SPAM),
    ],
)
def test_an_unknown_user_is_believed_where_a_server_speaks_of_its_addresses(said: str, reason: Reason) -> None:
    judged = reason_of([said], reply_code=None, status="")
    assert (judged.reason, judged.is_hard) == (reason, reason is Reason.NO_SUCH_USER)


def test_the_evidence_is_the_line_that_decided() -> None:
    told = "Your mail could not be delivered.\n  550 5.1.1 <a@example.org>: User\n  unknown in our table\nBye."
    judged = reason_of(["Undelivered mail", told], reply_code=None, status="5.0.0")
    assert judged.evidence == "550 5.1.1 <a@example.org>: User unknown in our table"
    assert judged.rule == "no-such-user"


def test_a_relays_own_code_is_not_that_of_the_reply_in_it() -> None:
    judged = reason_of(
        ["5.1.0 - Unknown address error 550-'5.2.2 <a@example.org>... Full'"], reply_code=None, status="5.1.0"
    )
    assert (judged.reason, judged.is_hard) == (Reason.MAILBOX_FULL, False)


@pytest.mark.parametrize("status", ["4.4.4", "5.4.4"])
def test_a_domain_is_dead_only_where_that_is_told_for_good(status: str) -> None:
    judged = reason_of(["Host or domain name not found"], reply_code=None, status=status)
    assert (judged.reason, judged.is_hard) == (Reason.NO_SUCH_DOMAIN, status[0] == "5")


@pytest.mark.parametrize(
    ("reply", "is_hard"),
    [
        (SmtpReply(550, "5.1.1", "no such user"), True),
        (SmtpReply(550, "5.1.1", ""), True),
        (SmtpReply(450, "4.1.1", "no such user"), False),
        (SmtpReply(550, "", ""), False),
        (SmtpReply(550, "", "rejected"), False),
        (SmtpReply(550, "5.7.1", "no such user"), False),
        (SmtpReply(554, "5.7.1", "your address is on our block list"), False),
        (SmtpReply(552, "5.2.2", "mailbox full"), False),
        (SmtpReply(550, "5.1.1", "too many recipients this hour"), False),
        (
            SmtpReply(550, "", "Verification failed for <me@example.com>\nNo such user here\nSender verify failed"),
            False,
        ),
        (SmtpReply(550, "", "No such user here\nSender verify failed"), False),
        (SmtpReply(550, "5.1.8", "Your domain does not exist"), False),
        (SmtpReply(550, "5.1.1", "line one\nhas been found to be spam"), False),
    ],
)
def test_only_an_answer_that_condemns_the_address_is_hard(reply: SmtpReply, is_hard: bool) -> None:
    assert reason_of_reply(reply, command="RCPT").is_hard is is_hard


def test_every_phrase_of_every_list_leads_to_its_own_rule_or_one_before_it() -> None:
    for rules in LISTS:
        order = list(rules)
        for rule in order:
            for phrase in rule.phrases:
                status = f"5{rule.statuses[0]}" if rule.statuses else ""
                found = rules.find(
                    fold(phrase.replace(" * ", " ").replace(" + ", " x ")), "".join(rule.hosts[:1]), status
                )
                assert found is not None, phrase
                assert order.index(found) <= order.index(rule)


@settings(max_examples=200)
@given(st.lists(st.text(max_size=300), max_size=5), st.none() | st.integers(), st.text(max_size=8), st.text(max_size=9))
def test_no_text_breaks_the_judge(texts: list[str], code: int | None, status: str, command: str) -> None:
    judged = reason_of(texts, reply_code=code, status=status, command=command)
    assert len(judged.evidence) <= 500


@pytest.mark.parametrize(
    "piece",
    [
        "user ",
        "5.1.1 ",
        "a@",
        "user unknown",
        "\u0301",
        "\u5bb9",
        "550-",
        "<",
        "https://x#",
        "account * ",
        ">>> rcpt\n<<< 550 x\n",
    ],
)
def test_a_line_of_a_megabyte_costs_no_more_than_one_of_some_pages(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    begun = time.process_time()
    reason_of([text] * 50, reply_code=None, status="")
    assert time.process_time() - begun < 1.0
