"""Where a click leads, and what follows from it.

A redirect goes only to what the author wrote and we stored. The author's URL
stands in Location byte for byte wherever a header field may carry it
(RFC 9110 10.2.2, RFC 3986). What it may not carry is written as a browser
would when it follows the same link in the mail (WHATWG URL 4.4): white space
around the URL and tabs and line ends inside go, other octets outside printable
ASCII become percent-encoded UTF-8 (RFC 3987 3.1), and a host name that is not
ASCII becomes A-labels (RFC 5891), which every client can resolve.
"""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

import idna

from postroom.events.record import Fetched, record_clicked
from postroom.store.database import Tx
from postroom.store.hits import HitFacts, mark_first
from postroom.tracking.firsts import firsts_of, marks_of
from postroom.tracking.hit import Labelled
from postroom.tracking.network import network_of

_PLAIN = re.compile(r"[Hh][Tt][Tt][Pp][Ss]?://[!-~]+")
_HTTP = re.compile(r"([Hh][Tt][Tt][Pp][Ss]?:[/\\]{2}(?:[^/?#\\]*@)?)([^/?#\\:@]*)(.*)", re.DOTALL)
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_AROUND = "".join(map(chr, range(0x21)))
_INSIDE = str.maketrans("", "", "\t\r\n")


def location(target: str) -> bytes | None:
    """Return the Location field's value for a stored target, or None for one that is no http or https URL.

    The value holds printable ASCII only, so no stored target can end the field.
    """
    if _PLAIN.fullmatch(target):
        return target.encode("ascii")
    match = _HTTP.fullmatch(target.strip(_AROUND).translate(_INSIDE))
    if match is None:
        return None
    before, host, after = match.groups()
    return (_quoted(before) + _host(host) + _quoted(after)).encode("ascii")


def record_clicks(tx: Tx, clicks: Sequence[Labelled], facts: Mapping[int, HitFacts]) -> None:
    """Store clicks that are not stored yet, in order of time, and what follows from them."""
    marks = marks_of(
        clicks, lambda recipient_id: (facts[recipient_id].clicked_ms, facts[recipient_id].human_clicked_ms)
    )
    mark_first(tx, "clicked", firsts_of(clicks, marks))
    fetched = []
    for hit, mark in zip(clicks, marks, strict=True):
        row = hit.row
        tx.add(row)
        detail = {
            "label": row.label,
            "first": mark.is_first,
            "position": row.position,
            "target": hit.target,
            "user_agent": row.user_agent,
        }
        if network := network_of(row.address):
            detail["network"] = network
        fetched.append(Fetched(hit.facts, hit.event_id, row.at_ms, mark.is_first, mark.is_first_human, detail))
    record_clicked(tx, fetched)


def _host(host: str) -> str:
    if host.isascii():
        return _quoted(host)
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return _quoted(host)


def _quoted(text: str) -> str:
    return quote(text, safe=_PRINTABLE, encoding="utf-8", errors="replace")
