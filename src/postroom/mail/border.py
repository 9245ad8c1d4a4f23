"""Who handed a mail to the MTA in front of us, as its Received field says (RFC 5321 4.4; RFC 7208 2.5).

Pure. Only the topmost fields are read, which that MTA wrote: what stands below the first client that is not
on its own machine is a stranger's.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from postroom.mail.encoded_words import text_of
from postroom.mail.header import find_all

_MOST_FIELDS = 10
"""A mail passes some filters on the machine in front of us, not more."""
_LONGEST_FIELD = 4_096
_BY = re.compile(r"(?:^|\s)by\s", re.IGNORECASE)
_WITH_SMTP = re.compile(r"\swith (?:e?smtp|utf8smtp|lmtp|utf8lmtp)s?\b", re.IGNORECASE)
"""RFC 3848; not ESMTPA and its like, for who logs in sends by his own server, not by his domain's."""
_IP = r"(?P<address>[0-9A-Fa-f:.]{2,45})"
_LITERAL = rf"\[(?:IPv6:)?{_IP}\]"
_WORD = r"[^\s()]{1,300}"
# What a client says of itself stands beside its address, and may be another one: so the place decides, and that
# is another one in each program.
_POSTFIX = re.compile(
    # Sendmail and OpenSMTPD too: from HELO (reverse.name [192.0.2.7])
    rf"from (?P<said>{_WORD}) \((?:[A-Za-z0-9._-]{{1,255}} )?{_LITERAL}(?: \(may be forged\))?\)",
    re.IGNORECASE,
)
_EXIM = re.compile(
    # from HELO ([192.0.2.7]), from reverse.name ([192.0.2.7] helo=HELO), from [192.0.2.7] (helo=HELO)
    rf"from (?:(?P<first>{_WORD}) \({_LITERAL}(?::\d+)?(?: helo=(?P<said>{_WORD}))?[ )]"
    rf"|{_LITERAL.replace('address', 'alone')}(?::\d+)? \((?:port=\d+ )?helo=(?P<only>{_WORD})[ )])",
    re.IGNORECASE,
)
_QMAIL = re.compile(
    # from reverse.name (HELO HELO) (ident@192.0.2.7), or without the parts that it does not know
    rf"from {_WORD}(?: \(HELO (?P<said>[^()]{{1,300}})\))? \((?:[^()@]{{0,100}}@)?{_IP}\)$",
    re.IGNORECASE,
)
_IS_EXIM = re.compile(r"\(Exim ", re.IGNORECASE)
_IS_QMAIL = re.compile(rf"from {_WORD} \(HELO ", re.IGNORECASE)
_QMAIL_QUEUE = re.compile(r"\(qmail \d+ invoked (?:from network|by alias)\)")


@dataclass(frozen=True, slots=True)
class BorderClient:
    """Who connected to the MTA in front of us."""

    address: str
    """IP address."""
    helo: str
    """As its field repeats it; may be anything, and empty."""


def border_client(header: Sequence[bytes]) -> BorderClient | None:
    """Return whom the MTA in front of us had a mail from; None where it does not say, or made the mail itself.

    `header` is that of a mail that this MTA handed over: the caller has to know that.
    """
    for raw in find_all(header, b"received")[:_MOST_FIELDS]:
        body = " ".join(text_of(raw[:_LONGEST_FIELD]).split())
        if _QMAIL_QUEUE.match(body):
            continue  # what qmail's programs write of one another
        said = _BY.split(body, maxsplit=1)
        if len(said) < 2 or not _WITH_SMTP.search(f" {said[1]}"):
            return None  # of a program on that machine, or fetched from a mailbox
        client = _client(said[0].rstrip(), said[1])
        if client is None or not ip_address(client.address).is_loopback:
            return client
    return None


def _client(clause: str, by: str) -> BorderClient | None:
    """Return whom the `from` clause of a field names; `by` is what stands behind it."""
    if _IS_EXIM.search(by):
        match = _EXIM.match(clause)
    else:
        match = (None if _IS_QMAIL.match(clause) else _POSTFIX.match(clause)) or _QMAIL.match(clause)
    if match is None:
        return None
    named = match.groupdict()
    try:
        address = ip_address(named["address"] or named.get("alone") or "")
    except ValueError:
        return None
    return BorderClient(str(address), named.get("said") or named.get("only") or named.get("first") or "")
