"""Trace fields of mail that comes in: what we write on top of it, and what of its own we keep.

RFC 5321 4.4 (Return-Path, Received), RFC 3848 and RFC 6531 4.3 (the session's protocol in
Received), RFC 8601 5 (who may claim to be us in Authentication-Results).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from postroom.base.errors import WrongInput
from postroom.mail.address import domain_to_a_labels
from postroom.mail.authentication_results import claims_to_be
from postroom.mail.date import date_text
from postroom.mail.header import field_name
from postroom.mail.hops import SOFTWARE

_RESULTS = b"authentication-results"
_UNSAFE = re.compile(r"[\x00-\x20\x7f<>]")


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a mail came to us, as Received tells it."""

    hostname: str
    """Ours."""
    protocol: str
    """`SMTP`, `ESMTP`, `ESMTPS`, `UTF8SMTP`, `UTF8SMTPS`, or `LOCAL` for standard input."""
    helo: str
    peer: str
    """IP address of the client; empty where there is none."""
    tls: str
    """Version and cipher; empty without TLS."""
    at_ms: int


def protocol_name(*, extended: bool, tls: bool, smtputf8: bool) -> str:
    """Return the word of Received's `with` clause for an SMTP session (RFC 3848, RFC 6531 4.3)."""
    if not extended:
        return "SMTP"
    return ("UTF8SMTP" if smtputf8 else "ESMTP") + ("S" if tls else "")


def return_path_field(reverse_path: str) -> bytes:
    """Return the Return-Path field (RFC 5321 4.4)."""
    return f"Return-Path: <{_UNSAFE.sub('?', reverse_path)}>\r\n".encode("utf-8", "replace")


def received_field(arrival: Arrival, shown_id: str, recipient: str | None) -> bytes:
    """Return our Received field. `recipient` is the only envelope recipient; None hides several from one another."""
    lines = []
    if arrival.peer:
        literal = _literal(arrival.peer)
        lines.append(f"from {_domain(arrival.helo) or literal} ({literal})")
    tls = f" ({_UNSAFE.sub('-', arrival.tls).replace('(', '').replace(')', '')})" if arrival.tls else ""
    lines.append(f"by {arrival.hostname} {SOFTWARE} with {arrival.protocol}{tls} id {shown_id}")
    if recipient is not None:
        lines.append(f"for <{_UNSAFE.sub('?', recipient)}>")
    return ("Received: " + "\r\n ".join(lines) + f"; {date_text(arrival.at_ms)}\r\n").encode("utf-8", "replace")


def as_received(header: Sequence[bytes], authserv_id: str) -> list[bytes]:
    """Return the header that is stored under our trace fields.

    Without Return-Path, which only the last server writes (RFC 5321 4.4), and without results that
    somebody else wrote in our name (RFC 8601 5).
    """
    return [
        field
        for field in header
        if (name := field_name(field)) != b"return-path" and not (name == _RESULTS and claims_to_be(field, authserv_id))
    ]


def _literal(peer: str) -> str:
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return "[0.0.0.0]"
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return f"[IPv6:{address}]"
        address = address.ipv4_mapped
    return f"[{address}]"


def _domain(helo: str) -> str:
    """Return the client's name where it is a domain or an address literal, else nothing: it may be anything."""
    if re.fullmatch(r"\[[0-9A-Fa-f:.]{2,50}\]|\[IPv6:[0-9A-Fa-f:.]{2,50}\]", helo, re.IGNORECASE):
        return helo
    try:
        return helo if helo.isascii() and domain_to_a_labels(helo) else ""
    except WrongInput:
        return ""
