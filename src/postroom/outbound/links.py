"""Which URLs of a text become links of ours, and what their targets are."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from postroom.mail.charset import Charset, CharsetKind, View
from postroom.mail.html_spans import LinkSpan, attribute_value, find_html
from postroom.mail.text_spans import find_urls
from postroom.outbound.plan import Edit, SlotKind
from postroom.outbound.unsubscribe import PLACEHOLDER, find_placeholders, is_placeholder

MAX_LINKS = 10_000
"""Of one mail; further ones stay as they are."""
MAX_TARGET = 32_768
"""Letters; longer ones stay as they are, since few servers and proxies pass such a Location."""

_HTTP = re.compile(r"https?://[^\s/?#\\]", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TRIMMED = "".join(map(chr, range(0x21)))
_NO_LINE_ENDS = str.maketrans("", "", "\t\r\n")

_decoder = msgspec.msgpack.Decoder(list[str])


@dataclass(slots=True)
class Found:
    """What the texts of a mail hold so far; positions go on from part to part."""

    targets: list[str] = field(default_factory=list)

    def next_position(self, target: str) -> int:
        """Give a link the next position."""
        self.targets.append(target)
        return len(self.targets) - 1


def pack_targets(targets: Sequence[str]) -> bytes:
    """Return the link table as msgpack, by position."""
    return msgspec.msgpack.encode(targets)


def unpack_targets(data: bytes) -> tuple[str, ...]:
    """Return the link table of `pack_targets`. Raises ValueError for anything else."""
    try:
        return tuple(_decoder.decode(data))
    except msgspec.DecodeError as error:
        raise ValueError("not a link table") from error


def edit_html(view: View, content: bytes, charset: Charset, found: Found, *, clicks: bool, pixel: bool) -> list[Edit]:
    """Return the places of an HTML text that differ between copies, as byte offsets into `content`."""
    text = view.text
    html = find_html(text, with_pixel_point=pixel)
    edits: list[tuple[int, int, SlotKind, str]] = []
    for link in html.links:
        kind, target = _what_becomes_of(link, content, charset, clicks)
        if kind is not None:
            edits.append((link.start, link.end, kind, target))
    edits += [(start, end, SlotKind.UNSUBSCRIBE, "") for start, end in find_placeholders(text)]
    if html.pixel_point >= 0:
        edits.append((html.pixel_point, html.pixel_point, SlotKind.PIXEL, ""))
    return _numbered(edits, view, found)


def edit_text(view: View, found: Found, *, clicks: bool, joins_lines: bool) -> list[Edit]:
    """Return the places of a plain text that differ between copies, as byte offsets into its content."""
    text = view.text
    edits = [(start, end, SlotKind.UNSUBSCRIBE, "") for start, end in find_placeholders(text)]
    if clicks and "://" in text:
        for start, end in find_urls(text, joins_lines=joins_lines):
            if not find_placeholders(text[start:end]):
                edits.append((start, end, SlotKind.CLICK, text[start:end]))
    return _numbered(edits, view, found)


def target_of(value: str) -> str | None:
    """Return the URL that a browser follows for an href of this value; None unless it is http or https.

    White space around and line ends within are no part of a URL (WHATWG URL 4.4
    steps 1 to 3); all else is as the author wrote it.
    """
    target = value
    if not value.isprintable() or value[0] == " " or value[-1] == " ":
        target = value.strip(_TRIMMED).translate(_NO_LINE_ENDS)
        if _CONTROL.search(target):
            return None
    return target if len(target) <= MAX_TARGET and _HTTP.match(target) else None


def _what_becomes_of(link: LinkSpan, content: bytes, charset: Charset, clicks: bool) -> tuple[SlotKind | None, str]:
    if link.mark == "unsubscribe":
        return (SlotKind.UNSUBSCRIBE if link.value else SlotKind.UNSUBSCRIBE_HREF), ""
    if PLACEHOLDER in link.value:
        if is_placeholder(link.value):
            return SlotKind.UNSUBSCRIBE, ""
        if find_placeholders(link.value):
            return None, ""
    if not clicks or link.mark == "notrack" or "://" not in link.value:
        return None, ""
    value = _value(link, content, charset)
    target = target_of(value) if value is not None else None
    return (None, "") if target is None else (SlotKind.CLICK, target)


def _value(link: LinkSpan, content: bytes, charset: Charset) -> str | None:
    """Return the link's value in Unicode; None where its bytes are not of the charset (or NUL)."""
    if charset.kind is CharsetKind.WIDE:
        return link.value
    if "\ufffd" in link.value:
        return None
    raw = content[link.start : link.end]
    if raw.isascii() and charset.kind is CharsetKind.ASCII_BASED:
        return link.value
    if charset.kind is CharsetKind.ISO_2022 and b"\x1b" not in raw and b"\x0e" not in raw:
        return link.value
    try:
        return attribute_value(raw.decode(charset.codec or "ascii"))
    except UnicodeDecodeError:
        return None


def _numbered(edits: list[tuple[int, int, SlotKind, str]], view: View, found: Found) -> list[Edit]:
    """Put edits in their order, without overlaps, and give the links their positions."""
    numbered: list[Edit] = []
    behind = 0
    for start, end, kind, target in sorted(edits):
        if start < behind or (kind is SlotKind.CLICK and len(found.targets) >= MAX_LINKS):
            continue
        behind = end
        position = found.next_position(target) if kind is SlotKind.CLICK else 0
        numbered.append(Edit(view.offset(start), view.offset(end), kind, position))
    return numbered
