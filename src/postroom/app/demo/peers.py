"""What made-up servers answer to made-up mail, and what fetches pictures and follows links afterwards."""

import random
from typing import NamedTuple

from postroom.ledger.outcomes import Outcome, OutcomeKind
from postroom.mail.smtp_reply import SmtpReply

TLS = "TLSv1.3 TLS_AES_256_GCM_SHA384"

_HOSTS = {
    "google": "gmail-smtp-in.l.google.com [192.0.2.10]:25",
    "microsoft-consumer": "outlook-com.olc.protection.outlook.com [192.0.2.20]:25",
    "yahoo": "mta5.am0.yahoodns.net [192.0.2.30]:25",
    "apple": "mx01.mail.icloud.com [192.0.2.40]:25",
    "gmx": "mx00.gmx.net [192.0.2.50]:25",
    "proton": "mail.protonmail.ch [192.0.2.60]:25",
}
"""Documentation addresses (RFC 5737): nobody is dialled."""


class Agent(NamedTuple):
    """What fetches a picture or follows a link."""

    user_agent: str
    weight: int
    clicks: bool


PEOPLE = (
    Agent("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/143.0.0.0 Safari/537.36", 30, True),
    Agent("Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148", 24, True),
    Agent("Mozilla/5.0 (Macintosh; Intel Mac OS X 15_2) AppleWebKit/605.1.15 Version/19.1 Safari/605.1.15", 16, True),
    Agent("Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0", 8, True),
    Agent("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", 22, False),
)
APPLE_PRIVACY = "Mozilla/5.0"
GATEWAY = "Mozilla/5.0 (compatible; Barracuda Sentinel)"


def agent_of(number: int) -> Agent:
    """Return the program that a person (0 to 99) reads with."""
    for agent in PEOPLE:
        if number < agent.weight:
            return agent
        number -= agent.weight
    return PEOPLE[0]


def next_hop(provider: str, domain: str) -> str:
    """Return the host that answers for a domain."""
    return _HOSTS.get(provider, f"mx1.{domain} [192.0.2.99]:25")


def answer(
    chance: random.Random, *, provider: str, domain: str, fate: str, bulk: bool, tries: int, may_doubt: bool
) -> tuple[OutcomeKind, SmtpReply]:
    """Return how a try ends; `tries` were made before."""
    if fate == "dead":
        return OutcomeKind.FAILED, SmtpReply(550, "5.1.1", _unknown(provider))
    if fate == "full" and tries < 9:
        return OutcomeKind.DEFERRED, SmtpReply(452, "4.2.2", "The recipient's inbox is out of storage space")
    if domain == "example.org" and tries == 0:
        return OutcomeKind.DEFERRED, SmtpReply(450, "4.2.0", "Recipient address rejected: Greylisted for 300 seconds")
    if provider == "yahoo" and bulk and tries < 2 and chance.random() < 0.5:
        text = "[TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints"
        return OutcomeKind.DEFERRED, SmtpReply(421, "4.7.0", text)
    if provider == "google" and bulk and chance.random() < 0.04:
        text = "Our system has detected that this message is likely unsolicited mail"
        return OutcomeKind.FAILED, SmtpReply(550, "5.7.1", text)
    if domain == "example.com" and chance.random() < 0.4 and tries < 3:
        return OutcomeKind.DEFERRED, SmtpReply(451, "4.4.1", "no connection to mx1.example.com: timed out")
    if may_doubt:
        return OutcomeKind.IN_DOUBT, SmtpReply(451, "4.4.2", "the connection was lost after the final dot")
    return OutcomeKind.DELIVERED, SmtpReply(250, "2.0.0", f"OK {chance.randrange(16**10):010x} queued")


def outcome(
    chance: random.Random, kind: OutcomeKind, reply: SmtpReply, *, hop: str, sender: str, address: str, size_bytes: int
) -> Outcome:
    """Return an outcome with the lines that would have been spoken."""
    unreached = reply.enhanced == "4.4.1"
    lines = [f"! {reply.text}"] if unreached else _lines(kind, reply, sender, address, size_bytes)
    return Outcome(
        kind,
        reply,
        "" if unreached else hop,
        "" if unreached else TLS,
        30_000 if unreached else chance.randrange(180, 1900),
        transcript="\n".join(lines),
    )


def _lines(kind: OutcomeKind, reply: SmtpReply, sender: str, address: str, size_bytes: int) -> list[str]:
    lines = [f"> MAIL FROM:<{sender}> SIZE={size_bytes} BODY=8BITMIME"]
    if reply.code == 421:
        return [*lines, f"< {reply}"]
    lines += ["< 250 2.1.0 OK", f"> RCPT TO:<{address}>"]
    if kind is not OutcomeKind.DELIVERED and kind is not OutcomeKind.IN_DOUBT and reply.enhanced != "5.7.1":
        return [*lines, f"< {reply}"]
    lines += ["< 250 2.1.5 OK", "> DATA", "< 354 Go ahead", "> ."]
    return [*lines, f"! {reply.text}" if kind is OutcomeKind.IN_DOUBT else f"< {reply}"]


def _unknown(provider: str) -> str:
    if provider == "google":
        return "The email account that you tried to reach does not exist. Please try double-checking the address"
    return "Recipient address rejected: User unknown in virtual mailbox table"
