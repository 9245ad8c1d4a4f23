"""The text that an HTML part shows, for reading only: tags are taken off, blocks and breaks become lines.

Small on purpose: bounces and answers of machines hold simple HTML, and nothing
that is read here is shown. One pass with linear expressions; any text is allowed.
"""

import html
import re

_HIDDEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<(style|script|title|head)\b[^<>]*>.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL
)
_LINE = re.compile(
    r"</?(?:br|p|div|tr|table|li|ul|ol|h[1-6]|pre|blockquote|hr|dt|dd|center)\b[^<>]*>|</body>", re.IGNORECASE
)
_CELL = re.compile(r"</t[dh]\b[^<>]*>", re.IGNORECASE)
# `<user@example.org>` without its entities is an address, not a tag.
# No letter of it can be taken in two ways, or a tag that never ends would take time by the square of its length.
_TAG = re.compile(r"<(?:/|!|\?)?[A-Za-z][^<>@\"'=:]*(?:[\"'=:][^<>]*)?>")
# Of so many digits Python makes no number at all; none of them means a character.
_ENDLESS_REFERENCE = re.compile(r"&#[0-9]{1000,};?")
_PRE = re.compile(r"<pre\b", re.IGNORECASE)
_BLANKS = re.compile(r"[ \t\xa0]+")
_MANY_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")


def text_of_html(source: str) -> str:
    """Return the text in lines that end with LF."""
    source = _HIDDEN.sub(" ", source)
    if not _PRE.search(source):
        source = source.replace("\n", " ")
    source = _CELL.sub(" ", _LINE.sub("\n", source))
    text = html.unescape(_ENDLESS_REFERENCE.sub("\ufffd", _TAG.sub("", source))).replace("\r", "")
    return _MANY_LINES.sub("\n\n", _BLANKS.sub(" ", text))
