"""An HTML reply as text in which what its elements mark as quoted begins with `> `, as in plain text.

So `mail.quoted_text` judges both by the same rules. Mail programs mark their
quotations by classes and ids of their own; below Outlook's all is quoted. As
`mail.html_spans`, this module knows turbohtml.
"""

import re
from collections.abc import Mapping

from turbohtml import saxparse

MAX_LETTERS = 1 << 20
MAX_ELEMENTS = 80_000
"""What stands behind them is left out."""

_QUOTES = re.compile(
    r"gmail_attr|yahoo_quoted|protonmail_quote|tutanota_quote|moz-cite-prefix|moz-forward-container|zmail_extra"
    r"|outlookmessageheader|quoted_?reply"
)
_QUOTING_NAMES = frozenset({"quote", "messagereplysection"})
_QUOTES_THE_REST = re.compile(r"(?:x_)*(?:divrplyfwdmsg|appendonsend|mail-editor-reference-message-container)")
_SIGNATURES = re.compile(
    r"gmail_signature(?!_prefix)|moz-signature|protonmail_signature_block|tutanota_signature|\bsignature"
)
_CITES = re.compile(r"quote|cite|isreplycontent|border-left")

_HIDDEN = frozenset({"head", "script", "style", "title", "template", "noscript", "svg", "object", "select", "textarea"})
_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "body", "center", "dd", "div", "dl", "dt", "figure", "footer", "form"}
    | {"h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "li", "main", "nav", "ol", "p", "pre", "section"}
    | {"table", "tbody", "tr", "ul"}
)
_SPACED = frozenset({"p", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "table", "blockquote"})
_RULE = "_" * 8
_SPACES = re.compile(r"[ \t\r\n\f]+")


def marked_text(html: str) -> str:
    """Return the text of an HTML reply in lines that end with LF, `> ` before quoted ones, `-- ` above a signature."""
    writer = _Writer()
    saxparse.sax_parse(html[:MAX_LETTERS], writer)
    return writer.text()


class _Writer(saxparse.SaxHandler):
    """Puts lines together while elements open and close."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._line: list[str] = []
        self._quoting: list[int] = []
        """Depths of the open elements that quote."""
        self._hidden = self._preformatted = 0
        """Depth of the outermost open element of that sort; 0 for none."""
        self._depth = self._elements = 0
        self._rest_is_quoted = False

    def start_element(self, tag: str, attrs: tuple[tuple[str, str | None], ...]) -> None:
        """An element begins."""
        self._depth += 1
        self._elements += 1
        if self._hidden:
            return
        if tag in _HIDDEN or self._elements > MAX_ELEMENTS:
            self._hidden = self._depth
        elif tag == "br":
            self._end_line(even_empty=True)
        elif tag in _BLOCKS:
            self._end_line()
            if tag in _SPACED:
                self._blank_line()
            if tag == "hr":
                self._lines.append(self._marked(_RULE))
            elif tag == "pre" and not self._preformatted:
                self._preformatted = self._depth
        elif tag in ("td", "th") and self._line:
            self._line.append(" ")
        if attrs:
            self._mark(tag, {name: (value or "").lower() for name, value in attrs})

    def end_element(self, tag: str) -> None:
        """An element ends."""
        if not self._hidden and tag in _BLOCKS and tag != "hr":
            self._end_line()
            if tag in _SPACED:
                self._blank_line()
        if self._quoting and self._quoting[-1] == self._depth:
            self._end_line()
            self._quoting.pop()
        if self._hidden == self._depth:
            self._hidden = 0
        if self._preformatted == self._depth:
            self._preformatted = 0
        self._depth -= 1

    def characters(self, data: str) -> None:
        """Text stands here."""
        if self._hidden:
            return
        if not self._preformatted:
            text = _SPACES.sub(" ", data)
            if text != " " or self._line:
                self._line.append(text)
            return
        first, *others = data.split("\n")
        self._line.append(first)
        for line in others:
            self._end_line(even_empty=True)
            self._line.append(line)

    def text(self) -> str:
        """Return what was written."""
        self._end_line()
        return "\n".join(self._lines)

    def _mark(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = f"{attributes.get('class', '')[:300]} {attributes.get('id', '')[:300]}"
        if _QUOTES_THE_REST.search(name):
            self._end_line()
            self._rest_is_quoted = True
        elif (name != " " and _QUOTES.search(name)) or (tag == "div" and attributes.get("name") in _QUOTING_NAMES):
            self._quote()
        elif tag == "blockquote":
            if "cite" in attributes or _CITES.search(
                f"{name} {attributes.get('type', '')[:30]} {attributes.get('style', '')[:1000]}"
            ):
                self._quote()
        elif name != " " and tag in ("div", "pre", "span", "td", "table") and _SIGNATURES.search(name):
            self._end_line()
            self._lines.append(self._marked("-- "))

    def _quote(self) -> None:
        self._end_line()
        self._quoting.append(self._depth)

    def _marked(self, line: str) -> str:
        return f"> {line}" if self._quoting or self._rest_is_quoted else line

    def _end_line(self, *, even_empty: bool = False) -> None:
        line = "".join(self._line).strip(" ") if not self._preformatted else "".join(self._line)
        self._line.clear()
        if line or even_empty:
            self._lines.append(self._marked(line))

    def _blank_line(self) -> None:
        if self._lines and self._lines[-1] not in ("", "> "):
            self._lines.append(self._marked(""))
