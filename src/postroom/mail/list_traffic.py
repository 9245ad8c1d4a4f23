"""Traffic of mailing lists: posts, newsletters, and what list managers write to members (RFC 2369, RFC 2919)."""

import re

from postroom.mail.address_list import parse_address_list
from postroom.mail.received import Received
from postroom.mail.verdict import MailKind, Verdict

_FIELDS = (
    "list-id", "list-post", "mailing-list", "x-mailing-list", "x-list-id", "x-beenthere", "x-mailman-version",
    "x-listserver", "x-listserv", "x-sympa-to", "x-ml-name", "list-unsubscribe", "list-help",
    "list-subscribe", "list-archive", "x-google-group-id", "x-listmember", "x-list-administrivia", "x-campaign-id",
)  # fmt: skip
_OWNER = re.compile(
    r"owner-.+|.+-(?:owner|bounces?|request|confirm)(?:[+=].*)?|(?:listserv|majordomo|sympa|mailman|ezmlm).*"
    r"|listmaster.*|.+-return-\d+-.+|.+-(?:subscribe|unsubscribe|help|sc|uc)(?:\..+)?",
    re.IGNORECASE,
)
_NOTICES = (
    (
        "subscription to confirm",
        re.compile(
            r"confirm [0-9a-f]{8,64}\b|confirm (?:your )?(?:sub|unsub)scri(?:ption|be)"
            r"|(?:please )?confirm (?:your )?(?:sub|unsub)\w+ (?:to|from)|your (?:un)?subscription (?:request|to)"
            r"|command confirmation request|confirmation de votre abonnement|auth [0-9a-f]{8} (?:sub|sig)"
            r"|bestätigung.{0,20}(?:abonnement|anmeldung)",
            re.IGNORECASE,
        ),
    ),
    (
        "post that waits",
        re.compile(
            r"awaits moderator approval|moderation (?:pending|needed|required|request)"
            r"|waiting for (?:moderation|approval)"
            r"|posts? to .{1,80} (?:requires|awaiting|awaits) approval|your message to .{1,80} (?:awaits|is being held)"
            r"|message (?:has been )?held for approval|wartet auf (?:freigabe|moderation)|en attente de mod[ée]ration",
            re.IGNORECASE,
        ),
    ),
    (
        "membership",
        re.compile(
            r"welcome to the .{1,120} (?:mailing list|group)|you (?:have been|are now) (?:un)?subscribed (?:to|from)"
            r"|mailing list memberships reminder|(?:your|the) results? of your (?:email )?commands?|goodbye from ",
            re.IGNORECASE,
        ),
    ),
)


def read_list_traffic(mail: Received) -> Verdict | None:
    """Return *list* with what shows it, or None."""
    subject = mail.header.value("subject")[:998]
    sign = list_sign(mail)
    for rule, pattern in _NOTICES:
        if sign and pattern.search(subject):
            return Verdict(MailKind.LIST, rule, subject[:500])
    return Verdict(MailKind.LIST, "list", sign[:500]) if sign else None


def list_sign(mail: Received) -> str:
    """Return what in the header shows that a list sent the mail, or nothing."""
    header = mail.header
    for name in _FIELDS:
        if name in header:
            return f"{name}: {header.value(name)}"
    if header.value("precedence").lower() == "list":
        return "precedence: list"
    for name in ("sender", "from"):
        for mailbox in parse_address_list(header.raw(name)[:2_000])[:1]:
            if _OWNER.fullmatch(mailbox.address.partition("@")[0][:64]):
                return f"{name}: {mailbox.address}"
    return ""
