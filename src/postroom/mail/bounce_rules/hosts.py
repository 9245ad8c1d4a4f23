"""Texts, codes and habits of single providers and filters. They come before the general texts."""

from postroom.mail.bounce_rules.rule import Rule, says
from postroom.mail.reasons import Reason

_AU = ("ezweb.ne.jp", "au.com")
_COX = ("cox.net", "cox.com")
_SPECTRUM = ("spectrum.net", "charter.net", "twc.com", "rr.com")

RULES = (
    # au answers with the address at RCPT, without it once it has filtered the mail.
    Rule("au-unknown", Reason.NO_SUCH_USER, says("@: user unknown"), _AU, is_sure=True),
    Rule("au-filter", Reason.FILTERED, says("user unknown"), _AU),
    # Microsoft's edge answers so for an address that its directory does not have.
    Rule(
        "microsoft-edge-unknown",
        Reason.NO_SUCH_USER,
        says("recipient address rejected: access denied"),
        statuses=("4.1",),
        is_sure=True,
    ),
    Rule("yahoo-unknown", Reason.NO_SUCH_USER, says("delivery error: dd this user doesn't have"), is_sure=True),
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
    # Error codes of Orange and La Poste: the number is the reason.
    Rule("orange-unknown", Reason.NO_SUCH_USER, says("ofr_416 | ofr_415 | ofr_418 | lpn007_416"), is_sure=True),
    Rule("orange-full", Reason.MAILBOX_FULL, says("ofr_417 | lpn007_417 | lpn007_401")),
    Rule("orange-suspended", Reason.SUSPENDED, says("ofr_515 | ofr515 | lpn007_426 | lpn007_425")),
    Rule("orange-spam", Reason.SPAM, says("ofr_506 | ofr506 | lpn007_510 | lpnaaa_510")),
    Rule("orange-rate", Reason.RATE, says("ofr_999 | ofr999 | ofr_109 | ofr_111 | ofr_201 | ofr_203 | lpn105_104")),
    Rule("orange-no-ptr", Reason.NO_PTR, says("lpn006_107 | lpn006_102")),
    Rule(
        "orange-blocked", Reason.BLOCKED, says("ofr_102 | ofr_103 | ofr_104 | ofr_105 | ofr_108 | ofr_110 | lpn001_403")
    ),
    Rule("cox-blocked", Reason.BLOCKED, says("aup#cdrbl | aup#cxsnd | aup#cxcnct | aup#blk"), _COX),
    Rule("spectrum-rate", Reason.RATE, says("aup#in-13 | aup#i-13 | aup#out-13"), _SPECTRUM),
)
