"""Texts, codes and habits of single providers and filters. They come before the general texts.

Sources: the postmaster pages of the providers, and replies seen.
"""

from postroom.mail.bounce_rules.rule import Rule, says
from postroom.mail.reasons import Reason

_AU = (".ezweb.ne.jp", "@ezweb.ne.jp", ".au.com", "@au.com")
_GMX = ("gmx.", "web.de", "mail.com", "kundenserver.de", "1and1", "ionos", "nemesis", "einsundeins")
_MIMECAST = ("mimecast",)
_MICROSOFT = ("outlook.com", "hotmail", "microsoft", "office.com", "live.com", "msn.com", "prod.outlook")
_QQ = ("qq.com", "tencent", "foxmail")
_SPECTRUM = ("spectrum", "charter.net", "twc.com", ".rr.com", "@rr.com", "brighthouse")
_YAHOO = ("yahoo", "aol.", "verizon", "rocketmail", "ymail", "att.net", "sbcglobal", "frontier")

_ASIA = (
    # au answers with the address at RCPT, without it once it has filtered the mail.
    Rule("au-unknown", Reason.NO_SUCH_USER, says("@: user unknown"), _AU, is_sure=True),
    Rule("au-filter", Reason.FILTERED, says("user unknown"), _AU),
    Rule("biglobe-full", Reason.MAILBOX_FULL, says("the number of messages in recipient's mailbox exceeded")),
    Rule("docomo-full", Reason.MAILBOX_FULL, says("too much mail data")),
    Rule("qq-unknown", Reason.NO_SUCH_USER, says("mailbox not found"), _QQ, is_sure=True),
    Rule("qq-suspended", Reason.SUSPENDED, says("mailbox unavailable or access denied"), _QQ),
    Rule(
        "qq-rate",
        Reason.RATE,
        says(
            """
            ip frequency limited | sender frequency limited | domain frequency limited | recipient frequency limited
            | connection frequency limited | mail frequency limited
            """
        ),
    ),
    Rule("qq-content", Reason.SPAM, says("mail content denied | suspected bounce attacks | suspected spam"), _QQ),
    Rule("netease-spam", Reason.SPAM, says("dt:spm | dt:sum | dt:sur")),
    Rule("netease-listed", Reason.BLOCKED, says("dt:rbl | hl:itc | hl:mep | wm:bli | wm:blu")),
    Rule("netease-reputation", Reason.REPUTATION, says("hl:rep")),
    Rule("netease-authentication", Reason.AUTHENTICATION, says("mi:spf | mi:dmr")),
    Rule("netease-sender", Reason.SENDER_REJECTED, says("mi:spb | mi:nhd | mi:csd")),
    Rule(
        "netease-rate",
        Reason.RATE,
        says(
            """
            hl:icc | hl:ifc | mi:dmc | mi:stc | mi:sfq | mi:qfl | mi:ccl | mi:cel | rp:drc | rp:ccl | rp:cel
            | rp:rcl | rp:trc | rp:qrc
            """
        ),
    ),
    Rule("netease-suspended", Reason.SUSPENDED, says("user hangup | user suspended")),
)

_FRANCE = (
    # Orange and La Poste name the cause by the last three digits.
    Rule(
        "orange-unknown",
        Reason.NO_SUCH_USER,
        says("ofr_415 | ofr_416 | ofr_418 | ofr005_416 | ofr006_416 | lpn007_416 | lpn007_415"),
        is_sure=True,
    ),
    Rule("orange-full", Reason.MAILBOX_FULL, says("ofr_417 | ofr_427 | ofr006_417 | lpn007_417 | lpn007_401")),
    Rule("orange-suspended", Reason.SUSPENDED, says("ofr_515 | ofr_425 | ofr_426 | lpn007_426 | lpn007_425")),
    Rule("orange-spam", Reason.SPAM, says("ofr_506 | ofr006_506 | lpn007_510 | lpn007_509 | lpn007_520")),
    Rule("orange-authentication", Reason.AUTHENTICATION, says("lpn007_517 | lpn007_518 | ofr_517 | ofr005_517")),
    Rule("orange-sender", Reason.SENDER_REJECTED, says("lpn007_405 | ofr_402 | ofr_405 | ofr007_405")),
    Rule("orange-no-ptr", Reason.NO_PTR, says("lpn006_107 | lpn006_102 | ofr006_102 | ofr_501 | ofr005_501")),
    Rule(
        "orange-blocked",
        Reason.BLOCKED,
        says(
            """
            ofr_102 | ofr_103 | ofr_105 | ofr_108 | ofr_110 | ofr004_105 | ofr_510 | ofr_511 | ofr_513 | lpn001_403
            | lpn027_503 | ofr_403 | ofr001_403
            """
        ),
    ),
    Rule(
        "orange-rate",
        Reason.RATE,
        says(
            """
            ofr_999 | ofr_104 | ofr_106 | ofr_109 | ofr_111 | ofr_201 | ofr_202 | ofr_203 | ofr004_104 | ofr004_203
            | lpn105_104 | lpn003_104 | lpn004_104
            """
        ),
    ),
)

_AMERICA = (
    # Microsoft's edge answers so for an address that its directory does not have.
    Rule(
        "microsoft-edge-unknown",
        Reason.NO_SUCH_USER,
        says("recipient address rejected: access denied"),
        statuses=(".4.1",),
        is_sure=True,
    ),
    Rule("microsoft-reputation", Reason.REPUTATION, says("rate limited due to ip reputation")),
    Rule(
        "microsoft-blocked",
        Reason.BLOCKED,
        says(
            """
            part of their network is on our block list | banned sending ip | banned sender
            | bad outbound sender * as( | traffic not accepted from this ip | client host * blocked using
            | spam abuse detected
            """
        ),
    ),
    Rule("microsoft-suspended", Reason.SUSPENDED, says("account inactive | recipient account disabled"), _MICROSOFT),
    Rule("microsoft-relay", Reason.RELAYING_DENIED, says("tenantattribution | attr36 | attr35")),
    Rule(
        "microsoft-tenant",
        Reason.RATE,
        says("tenant has exceeded threshold | exceeded its daily | submission quota"),
    ),
    Rule(
        "exchange-restricted",
        Reason.FILTERED,
        says(
            """
            resolver.rst.notauthorized | resolver.rst.authenticationrequired | resolver.rst.moderation
            | resolver.rst.restricted
            """
        ),
    ),
    Rule("exchange-unknown", Reason.NO_SUCH_USER, says("storedrv.submit; invalid recipient"), is_sure=True),
    Rule(
        "exchange-too-large",
        Reason.TOO_LARGE,
        says("resolver.rst.recipsizelimit | resolver.rst.sendersizelimit"),
    ),
    Rule("exchange-rule", Reason.POLICY, says("transport.rules.rejectmessage | rules.rejectmessage")),
    Rule("exchange-full", Reason.MAILBOX_FULL, says("storedrv * quotaexceeded | quotaexceededexception")),
    Rule(
        "yahoo-unknown",
        Reason.NO_SUCH_USER,
        says(
            """
            delivery error: dd this user doesn't have | delivery error: dd not a valid recipient
            | delivery error: dd requested mail action aborted, mailbox not found
            """
        ),
        is_sure=True,
    ),
    Rule("yahoo-unknown", Reason.NO_SUCH_USER, says("this user doesn't have a"), _YAHOO, is_sure=True),
    Rule("yahoo-suspended", Reason.SUSPENDED, says("this account has been disabled or discontinued")),
    Rule(
        "yahoo-blocked",
        Reason.BLOCKED,
        says("will be permanently deferred | connections will not be accepted from"),
    ),
    Rule(
        "yahoo-reputation",
        Reason.REPUTATION,
        says("tss04 | tss05 | tss06 | tss07 | ts01 | ts02 | ts03 | ts04"),
        _YAHOO,
    ),
    Rule(
        "google-unknown",
        Reason.NO_SUCH_USER,
        says("nosuchuser | address couldn't be found. check for typos"),
        is_sure=True,
    ),
    Rule("google-full", Reason.MAILBOX_FULL, says("overquotaperm | overquotatemp | storage quota exceeded")),
    Rule("google-suspended", Reason.SUSPENDED, says("disableduser | inactiveuser")),
    Rule(
        "google-rate",
        Reason.RATE,
        says("receivingrate | receivingrateperm | unusual rate of unsolicited mail"),
    ),
    Rule(
        "google-blocked",
        Reason.BLOCKED,
        says("not authorized to send email directly to our servers | not in whitelist for rcpt domain"),
    ),
    Rule("google-group-spam", Reason.SPAM, says("rejected due to spam classification")),
    Rule(
        "google-group",
        Reason.SENDER_REJECTED,
        says(
            """
            https://groups.google.com/support | sending this from a different address or alias | customfromdenied
            """
        ),
    ),
    Rule("google-null-mx", Reason.ACCEPTS_NO_MAIL, says("returned null mx")),
    Rule("google-policy", Reason.POLICY, says("has a policy that prohibited the mail")),
    Rule("yandex-unknown", Reason.NO_SUCH_USER, says("no such user!"), ("yandex", "ya.ru"), is_sure=True),
    Rule("facebook-unknown", Reason.NO_SUCH_USER, says("rcp-p1"), is_sure=True),
    Rule("facebook-filter", Reason.FILTERED, says("rcp-p2 | rcp-p3")),
    Rule("facebook-rate", Reason.RATE, says("rcp-t1 | con-t1 | con-t3 | msg-t1")),
    Rule("facebook-policy", Reason.POLICY, says("pol-p1 | pol-p2 | pol-p3 | pol-p4 | pol-p5 | pol-p6 | pol-p7")),
    Rule(
        "cox-blocked",
        Reason.BLOCKED,
        says("aup#cxbl | aup#cdrbl | aup#ipbl | ipbl0001 | ipbl0010 | ipbl0100 | ipbl1000"),
    ),
    Rule("cox-rate", Reason.RATE, says("aup#cxmxrt | aup#cxthrt | aup#cxcnct | aup#cxrt")),
    Rule("cox-no-ptr", Reason.NO_PTR, says("aup#cxdns")),
    Rule("cox-sender", Reason.SENDER_REJECTED, says("aup#cxsndr")),
    Rule("spectrum-rate", Reason.RATE, says("aup#in-13 | aup#i-13 | aup#out-13 | aup#13"), _SPECTRUM),
    Rule("spectrum-blocked", Reason.BLOCKED, says("aup#in-10 | aup#i-10 | aup#in-11 | aup#in-12"), _SPECTRUM),
    Rule("spectrum-spam", Reason.SPAM, says("aup#in-15 | aup#in-16 | aup#15"), _SPECTRUM),
    Rule("comcast-blocked", Reason.BLOCKED, says("comcast block for spam | comcast blocked")),
    Rule(
        "godaddy-rate",
        Reason.RATE,
        says("ib601 | ib602 | ib603 | ib604 | ib605 | ib606 | ib607 | ib608 | ib007"),
    ),
    Rule("godaddy-sender", Reason.SENDER_REJECTED, says("ib503 | ib504 | ib505 | ib506 | ib507")),
    Rule("godaddy-authentication", Reason.AUTHENTICATION, says("ib508 | ib509 | ib510 | ib511")),
    Rule(
        "godaddy-blocked",
        Reason.BLOCKED,
        says("ib001 | ib002 | ib003 | ib103 | ib104 | ib109 | ib110"),
    ),
    Rule("godaddy-spam", Reason.SPAM, says("ib212 | ib501 | ib502 | ib701 | ib702 | ib703 | ib704 | ib706")),
)

_FILTERS = (
    # Exim gives the words about a sender that it could not verify, and then says so.
    Rule("exim-sender", Reason.SENDER_REJECTED, says("verification failed for | sender verify failed")),
    # Gateways that repeat what they heard, and when they heard it nobody knows.
    Rule("gateway-unknown", Reason.FILTERED, says("user unknown] | this user doesn't have a")),
    Rule("mimecast-unknown", Reason.NO_SUCH_USER, says("recipient email address is possibly incorrect"), is_sure=True),
    Rule("mimecast-unknown", Reason.NO_SUCH_USER, says("invalid recipient"), _MIMECAST, is_sure=True),
    Rule(
        "mimecast-policy",
        Reason.POLICY,
        says("host network not allowed | host network, not allowed | anti-spoofing"),
    ),
    Rule("mimecast-reputation", Reason.REPUTATION, says("ip reputation - | poor reputation sender"), _MIMECAST),
    Rule("mimecast-blocked", Reason.BLOCKED, says("envelope blocked | administrative prohibition"), _MIMECAST),
    Rule("barracuda-spam", Reason.SPAM, says("message content rejected, ube")),
    Rule("messagelabs-login", Reason.SECURITY, says("turn on smtp authentication")),
    Rule("messagelabs-relay", Reason.RELAYING_DENIED, says("you are trying to use me")),
    Rule(
        "domino-unknown",
        Reason.NO_SUCH_USER,
        says(
            """
            not listed in domino directory | not listed in public name | not found in domino directory
            | no match in domino directory | recipient name is not recognized
            """
        ),
        is_sure=True,
    ),
    Rule("gmx-no-ptr", Reason.NO_PTR, says("bad dns ptr"), _GMX),
    Rule("gmx-blocked", Reason.BLOCKED, says("no smtp service | ip address is block listed"), _GMX),
    Rule("t-online-blocked", Reason.BLOCKED, says("a problem occurred. ask your postmaster")),
    Rule(
        "aol-blocked",
        Reason.BLOCKED,
        says(
            """
            dyn:t1 | rtr:bl | rtr:rd | rtr:bb | hvu:b1 | hvu:b2 | con:b1 | rly:b1 | rly:b2 | rly:b3 | rly:bd
            | rly:cs | rly:ch
            """
        ),
    ),
    Rule(
        "mailbox-limit",
        Reason.MAILBOX_FULL,
        says("or the recipient's mailbox is full | mailbox size limit | mailbox limit exceeded | mailbox quota"),
    ),
    Rule(
        "blocked-by-recipient",
        Reason.FILTERED,
        says("you have been blocked by the recipient | blocked by recipient"),
    ),
    Rule("queue-expired", Reason.EXPIRED, says("message expired, connection | queue.expired")),
    Rule("sender-listed", Reason.SENDER_REJECTED, says("sending to/from an address that has been blacklisted")),
    Rule("cpanel-no-domain", Reason.NO_SUCH_DOMAIN, says("the account or domain may not exist, they may be")),
    # DragonFly's agent so tells of a name that is not there; of one that could not be asked for it says nothing yet.
    Rule("dragonfly-no-domain", Reason.NO_SUCH_DOMAIN, says("dns lookup failure: host + not found")),
    # Postfix so tells of a greeting that was no welcome.
    Rule("postfix-greeting", Reason.BLOCKED, says("refused to talk to me")),
    # PowerMTA so tells of a domain that has neither MX hosts nor an address.
    Rule("powermta-no-domain", Reason.NO_SUCH_DOMAIN, says("unable to route: no mail hosts for domain")),
    Rule("sendmail-protocol", Reason.SYSTEM_ERROR, says("remote protocol error")),
    # What our own side says, so that no phrase further down takes it for a word about the address.
    Rule(
        "no-address",
        Reason.NETWORK,
        says("the mx hosts of * have no address | that this installation does not dial"),
    ),
)

RULES = (*_ASIA, *_FRANCE, *_AMERICA, *_FILTERS)
