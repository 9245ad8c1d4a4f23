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
from collections.abc import Sequence
from urllib.parse import quote

import idna

from postroom.events.record import record_clicked
from postroom.store.database import Tx
from postroom.store.hits import HitFacts, mark_first
from postroom.tracking.hit import Labelled
from postroom.tracking.machines import Label

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


def record_clicks(tx: Tx, clicks: Sequence[Labelled], facts: dict[int, HitFacts]) -> None:
    """Store clicks that are not stored yet, in order of time, and what follows from them."""
    anybody: dict[int, int] = {}
    humans: dict[int, int] = {}
    for row, _, _, _ in clicks:
        recipient_id = row.recipient_id
        if facts[recipient_id].clicked_ms is None:
            anybody.setdefault(recipient_id, row.at_ms)
        if row.label == Label.HUMAN.value and facts[recipient_id].human_clicked_ms is None:
            humans.setdefault(recipient_id, row.at_ms)
    first = mark_first(tx, "clicked_ms", list(anybody.items()))
    first_human = mark_first(tx, "human_clicked_ms", list(humans.items()))
    for row, told, event_id, target in clicks:
        recipient_id = row.recipient_id
        is_first = recipient_id in first
        is_first_human = row.label == Label.HUMAN.value and recipient_id in first_human
        tx.add(row)
        record_clicked(
            tx,
            told,
            event_id,
            row.at_ms,
            row.label,
            row.position,
            target,
            first=is_first,
            first_human=is_first_human,
        )
        if is_first:
            first.discard(recipient_id)
        if is_first_human:
            first_human.discard(recipient_id)


def _host(host: str) -> str:
    if host.isascii():
        return _quoted(host)
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return _quoted(host)


def _quoted(text: str) -> str:
    return quote(text, safe=_PRINTABLE, encoding="utf-8", errors="replace")
