"""Where the links of an HTML text are, and where a pixel can stand (WHATWG HTML 13.2).

With `mail.html_reply` this is what knows turbohtml. It works on a view (`mail.charset`): text
in which CR is LF, so that the parser's offsets are offsets into the view.
Elements that the parser cloned have no place in the text and are skipped.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

import turbohtml

MAX_LENGTH = 2 << 20
"""Letters of HTML that are looked at (40 ms of parsing); longer texts are left alone."""
MARK = "data-postroom"
"""The attribute by which an author says what becomes of a link: `notrack`, `unsubscribe`."""

_SPACE = "[\\t\\n\\f ]"
_VALUE = re.compile(rf"[hH][rR][eE][fF]{_SPACE}*=(?:{_SPACE}*)([\"']?)")
_CONDITIONAL = re.compile(r"<!--\[if\b[^<>]*\]>", re.IGNORECASE)
_PROBE = "<img src=postroom>"
_CLOSERS = re.compile(r"</(?:html|table|div|p|td|center)\s*>", re.IGNORECASE)


class LinkSpan(NamedTuple):
    """The href of one `a` or `area`."""

    start: int
    end: int
    """The value as [start, end) in the view, without quotes; where it is empty, the whole attribute, or an
    insertion point where there is none."""
    value: str
    """What the parser read: character references decoded, the view's letters else."""
    mark: str
    """Value of `data-postroom` in lower case, or empty."""


@dataclass(frozen=True, slots=True)
class HtmlSpans:
    """What was found in a text, in its order."""

    links: list[LinkSpan]
    pixel_point: int
    """Before the last `</body>`, or at the end; -1 where no place is safe or none was asked for."""


def find_html(view: str, *, with_pixel_point: bool) -> HtmlSpans:
    """Find the links that have a value or a mark. Any text is allowed."""
    if len(view) > MAX_LENGTH:
        return HtmlSpans([], -1)
    document = turbohtml.parse(view, source_locations=True)
    links = _links(document, view, 0)
    if "<!--[" in view:
        links += _conditional_links(document, view)
        links.sort()
    return HtmlSpans(links, _pixel_point(document, view) if with_pixel_point else -1)


def attribute_value(text: str) -> str:
    """Return what an attribute written as `text` means: character references decoded as browsers do."""
    if "&" not in text:
        return text
    quoted = text.replace('"', "&quot;")
    element = turbohtml.parse(f'<a href="{quoted}">').find("a")
    value = element.attrs.get("href") if element else None
    return value if isinstance(value, str) else text


def _links(document: turbohtml.Document, view: str, shift: int) -> list[LinkSpan]:
    links = []
    for element in document.find_all(["a", "area"]):
        attributes = element.attrs
        value = attributes.get("href")
        mark = attributes.get(MARK)
        if (not value and mark is None) or (location := element.source_location) is None:
            continue
        word = mark.strip().lower() if isinstance(mark, str) else ""
        span = location.attrs.get("href")
        if span is not None and isinstance(value, str) and value:
            start, end = span.start_offset + shift, span.end_offset + shift
            if view[start + 4 : start + 6] == '="':  # nearly always
                links.append(LinkSpan(start + 6, end - 1, value, word))
            elif match := _VALUE.match(view, start, end):
                links.append(LinkSpan(match.end(), end - len(match[1]), value, word))
        elif word:
            at = location.attrs[MARK].end_offset
            start, end = (at, at) if span is None else (span.start_offset, span.end_offset)
            links.append(LinkSpan(start + shift, end + shift, "", word))
    links.sort()
    return links


def _conditional_links(document: turbohtml.Document, view: str) -> list[LinkSpan]:
    """Find links in conditional comments, which Outlook reads as HTML (`<!--[if mso]> … <![endif]-->`)."""
    links: list[LinkSpan] = []
    position = 0
    for node in document.xpath_iter("//comment()"):
        if not isinstance(node, turbohtml.Comment) or "href" not in node.data.lower():
            continue
        # The parser tells no place of a comment; the same text stands in the view in the same order.
        start = view.find(f"<!--{node.data}", position)
        if start < 0:
            break
        position = start + 4 + len(node.data)
        opening = _CONDITIONAL.match(view, start, position)
        if opening is not None:
            inner = turbohtml.parse(view[opening.end() : position], source_locations=True)
            links += _links(inner, view, opening.end())
    return links


def _pixel_point(document: turbohtml.Document, view: str) -> int:
    body = document.find("body")
    location = body.source_location if body else None
    if location is not None and location.end_tag is not None:
        point = location.end_tag.start_offset
        if view[point : point + 6].lower() == "</body":
            return point
    end = len(view.rstrip("\n\t\f "))
    if end == 0:
        return -1
    if _is_open(view, end):
        return end
    # The text ends in an open comment, tag or script: look for the last element that was closed before.
    closers = [match.end() for match in _CLOSERS.finditer(view, max(0, end - 100_000), end)]
    return next((point for point in closers[:-4:-1] if _is_open(view, point)), -1)


def _is_open(view: str, point: int) -> bool:
    """Tell whether a tag at `point` is read as a tag."""
    probed = turbohtml.parse(view[:point] + _PROBE + view[point:], source_locations=True)
    for image in probed.find_all("img"):
        location = image.source_location
        if location is not None and location.start_tag is not None and location.start_tag.start_offset == point:
            return True
    return False
