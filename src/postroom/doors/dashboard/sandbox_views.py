"""What the sandbox inbox shows of a copy: links and where they lead, facts of the header, its source. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from postroom.base.tokens import TokenKeys, TokenKind
from postroom.mail.html_spans import find_html
from postroom.mail.reading import Reading
from postroom.mail.text_spans import find_urls

MOST_LINKS = 300
"""Links that are listed."""
MOST_SOURCE_BYTES = 256 << 10
"""Of the source on the page; the whole is a download."""
MOST_TEXT = 512 << 10
"""Letters of the plain text on the page."""

_OURS = re.compile(r"https?://[^/?#\s]+/([cou])/([A-Za-z0-9_-]{20,60})(?:\.png)?")
_KINDS = {"c": TokenKind.CLICK, "o": TokenKind.OPEN, "u": TokenKind.UNSUBSCRIBE}
_TAG = re.compile(r"(?:^|;)\s*([a-z]{1,3})\s*=\s*([^;]*)")


@dataclass(frozen=True, slots=True)
class LinkLine:
    """A link of the mail."""

    address: str
    """As it stands in the copy, to be opened; empty where it is none that a page may offer."""
    target: str
    """Where it leads, for reading."""
    kind: str
    """`click` (ours, recorded), `unsubscribe`, `untracked`, `other` (mailto: and the like)."""


@dataclass(frozen=True, slots=True)
class Links:
    """All links of a copy."""

    lines: tuple[LinkLine, ...]
    total: int
    tracked: int
    has_pixel: bool


@dataclass(frozen=True, slots=True)
class Signature:
    """A DKIM-Signature field."""

    domain: str
    selector: str
    algorithm: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a plain text: words, or a link."""

    text: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """The bytes of a copy as text."""

    header: str
    body: str
    is_cut: bool


def links_of(reading: Reading, recipient_id: int, keys: TokenKeys, targets: Sequence[str]) -> Links:
    """Return the links of both texts. `targets` is the content's link table; without it our links show themselves."""
    addresses: list[str] = []
    pixel = False
    if reading.html is not None:
        addresses += [link.value for link in find_html(reading.html.text, with_pixel_point=False).links if link.value]
        pixel = any(
            match[1] == "o" and _is_of(keys, match, recipient_id) for match in _OURS.finditer(reading.html.text)
        )
    if reading.plain is not None:
        text = reading.plain.text
        addresses += [text[start:end] for start, end in find_urls(text)]
    lines = [_line(address, recipient_id, keys, targets) for address in addresses]
    tracked = sum(line.kind == "click" for line in lines)
    return Links(tuple(lines[:MOST_LINKS]), len(lines), tracked, pixel)


def signatures_of(reading: Reading) -> tuple[Signature, ...]:
    """Return what the DKIM-Signature fields say (RFC 6376 3.5)."""
    found = []
    for raw in reading.all_raw(b"dkim-signature"):
        tags = {name: "".join(value.split()) for name, value in _TAG.findall(raw.decode("utf-8", "replace"))}
        found.append(Signature(tags.get("d", ""), tags.get("s", ""), tags.get("a", "")))
    return tuple(found)


def pieces_of(text: str) -> tuple[tuple[Piece, ...], bool]:
    """Return a plain text with its links apart, and whether it was cut."""
    shown = text[:MOST_TEXT]
    pieces: list[Piece] = []
    at = 0
    for start, end in find_urls(shown):
        if start > at:
            pieces.append(Piece(shown[at:start]))
        pieces.append(Piece(shown[start:end], _safe(shown[start:end])))
        at = end
    if at < len(shown):
        pieces.append(Piece(shown[at:]))
    return tuple(pieces), len(shown) < len(text)


def source_of(raw: bytes, body_start: int) -> Source:
    """Return header and body as text: UTF-8 where it is that, other bytes as Latin-1 letters."""
    cut = raw[:MOST_SOURCE_BYTES]
    header, body = cut[:body_start], cut[body_start:]
    return Source(_as_text(header).rstrip("\n"), _as_text(body), len(cut) < len(raw))


def _line(address: str, recipient_id: int, keys: TokenKeys, targets: Sequence[str]) -> LinkLine:
    match = _OURS.fullmatch(address)
    if match is not None and match[1] != "o":
        token = keys.check_url_text(_KINDS[match[1]], match[2])
        if token is not None and token.recipient_id == recipient_id:
            if match[1] == "u":
                return LinkLine(_safe(address), "our page to unsubscribe", "unsubscribe")
            known = token.position < len(targets)
            return LinkLine(_safe(address), targets[token.position] if known else address, "click")
    safe = _safe(address)
    return LinkLine(safe, address, "untracked" if safe else "other")


def _is_of(keys: TokenKeys, match: re.Match[str], recipient_id: int) -> bool:
    token = keys.check_url_text(_KINDS[match[1]], match[2])
    return token is not None and token.recipient_id == recipient_id


def _safe(address: str) -> str:
    """Return an http or https address, else nothing: a page must not offer `javascript:`."""
    address = address.strip()
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return address if parts.scheme.lower() in ("http", "https") and parts.netloc else ""


def _as_text(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "\ufffd")
