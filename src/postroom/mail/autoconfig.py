"""The file in which a domain tells mail programs its servers: `config-v1.1.xml`, as Thunderbird reads it.

Pure: bytes in, values out. Strangers write these files, so nothing of XML that
expands is taken, and what is not understood is passed over.
"""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from enum import StrEnum

MOST_BYTES = 64 << 10
_MOST_SERVERS = 10
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
_DECLARATION = re.compile(rb"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)


class Socket(StrEnum):
    """How the file says that a connection is protected."""

    SSL = "SSL"
    STARTTLS = "STARTTLS"


@dataclass(frozen=True, slots=True)
class Told:
    """One server that a domain tells of."""

    host: str
    port: int
    socket: Socket
    username: str
    """With the placeholders filled in: what logs in."""
    is_oauth_only: bool
    """It names no way to log in with a password."""


@dataclass(frozen=True, slots=True)
class Autoconfig:
    """What a domain tells, in its own order of preference."""

    imap: tuple[Told, ...] = ()
    smtp: tuple[Told, ...] = ()


def read_autoconfig(content: bytes, address: str) -> Autoconfig:
    """Return the protected IMAP and SMTP servers that a file tells for an address. Any bytes are allowed."""
    if len(content) > MOST_BYTES or _DECLARATION.search(content) or b"\0" in content:
        # Without declarations there is nothing that expands. UTF-16 has NUL octets, and could hide one.
        return Autoconfig()
    try:
        root = ElementTree.fromstring(content)  # noqa: S314 - nothing in it can expand
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError):
        return Autoconfig()
    found = [
        [told for server in root.iter(tag) if (told := _told(server, kind, address)) is not None]
        for tag, kind in (("incomingServer", "imap"), ("outgoingServer", "smtp"))
    ]
    return Autoconfig(tuple(found[0][:_MOST_SERVERS]), tuple(found[1][:_MOST_SERVERS]))


def _told(server: ElementTree.Element, kind: str, address: str) -> Told | None:
    if server.get("type", "").lower() != kind:
        return None
    host = _filled(_text(server, "hostname"), address).rstrip(".").lower()
    port, socket = _text(server, "port"), _text(server, "socketType")
    if not _HOST.fullmatch(host) or not port.isdecimal() or len(port) > 5 or not 0 < int(port) < 65536:
        return None
    if socket not in (Socket.SSL, Socket.STARTTLS):
        # `plain`: a password would be read on the way.
        return None
    ways = [(one.text or "").strip() for one in server.iter("authentication")]
    is_oauth_only = bool(ways) and not any(way.startswith(("password", "plain", "secure")) for way in ways)
    return Told(host, int(port), Socket(socket), _filled(_text(server, "username"), address), is_oauth_only)


def _text(server: ElementTree.Element, name: str) -> str:
    return (server.findtext(name) or "").strip()


def _filled(text: str, address: str) -> str:
    local_part, _, domain = address.rpartition("@")
    for placeholder, value in (
        ("%EMAILADDRESS%", address),
        ("%EMAILLOCALPART%", local_part),
        ("%EMAILDOMAIN%", domain),
    ):
        text = text.replace(placeholder, value)
    return text
