"""A mail that came in, as all who judge it see it: header, parts, texts, and the message that it returns.

Read once and lazily: nothing is decoded that nobody asks for. Any line ends are
understood and a leading mbox line is no part of the mail. The parts of an
attached message are not walked: what a report says inside of a report belongs
to another delivery. Nothing here fails on any bytes, and all texts are capped.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cached_property

from postroom.mail.encoded_words import decode_words, text_of
from postroom.mail.html_text import text_of_html
from postroom.mail.parse import Header, Part, read_header, walk, with_crlf
from postroom.mail.reading import decode_text, decoded

MAX_FIELDS = 2_000
MAX_TEXT = 1 << 20
"""Octets of one text that are read; a person writes less, and so does a machine that names a thousand recipients."""
MAX_STATUS = 16 << 20
"""Octets of a machine-readable report that are read: enough for 20,000 recipients."""
MAX_RETURNED = 256 << 10
"""Octets of a returned message that are read."""

_RETURNED_TYPES = frozenset(
    {
        b"message/rfc822",
        b"message/global",
        b"text/rfc822-headers",
        b"text/rfc822-header",
        b"message/rfc822-headers",
        b"message/global-headers",
    }
)
_TEXT_TYPES = frozenset({b"text/plain", b"text/html", b"text", b""})
_FIELD_LINE = re.compile(r"([ \t>|]*)([A-Za-z][A-Za-z0-9-]{1,60}):")
# What stands in the header of nearly every message, and in no report's own words.
_TRACE = frozenset({"received", "return-path", "mime-version", "delivered-to", "dkim-signature"})
_SUMMARY = frozenset({"from", "to", "subject", "date", "message-id", "sent"})
_HEADER_HINT = re.compile(rf"^[ \t>|]*(?:{'|'.join((*sorted(_TRACE), 'to'))}):", re.MULTILINE | re.IGNORECASE)
_LONGEST_LINE = 2_000


class Fields:
    """A header: bodies by name, unfolded at once, decoded when asked for. Names are in lower case."""

    def __init__(self, fields: Iterable[tuple[str, bytes]]) -> None:
        self._bodies: dict[str, list[bytes]] = {}
        self._shown: dict[str, str] = {}
        for name, body in fields:
            self._bodies.setdefault(name, []).append(body)

    def __contains__(self, name: str) -> bool:
        return name in self._bodies

    def __iter__(self) -> Iterator[str]:
        """Yield the names, each once, in the order of their first fields."""
        return iter(self._bodies)

    def __bool__(self) -> bool:
        return bool(self._bodies)

    def value(self, name: str) -> str:
        """Return the decoded body of the first field `name`, or nothing."""
        shown = self._shown.get(name)
        if shown is None:
            found = self._bodies.get(name)
            # Many ask for the same few fields.
            shown = self._shown[name] = decode_words(found[0]).strip() if found else ""
        return shown

    def values(self, name: str) -> list[str]:
        """Return the decoded bodies of all fields `name`."""
        return [decode_words(body).strip() for body in self._bodies.get(name, ())]

    def raw(self, name: str) -> bytes:
        """Return the unfolded body of the first field `name` as it stands, or nothing."""
        found = self._bodies.get(name)
        return found[0] if found else b""


class Received:
    """A mail that came in. `raw` may have any line ends."""

    def __init__(self, raw: bytes) -> None:
        self.raw = with_crlf(raw.lstrip(b"\r\n"))
        """With CRLF line ends."""
        self._header = read_header(self.raw, 0, len(self.raw), most=MAX_FIELDS)
        self.parts = walk(self.raw, self._header)
        """All MIME parts in their order, each multipart before its parts; the first is the whole mail."""

    @cached_property
    def header(self) -> Fields:
        """The mail's own header."""
        return _fields(self.raw, self._header)

    @property
    def media_type(self) -> str:
        """Of the whole mail, in lower case."""
        return text_of(self.parts[0].media_type)

    @property
    def report_type(self) -> str:
        """Of the outermost multipart/report, in lower case (RFC 6522 3); empty where it is none."""
        report = self._report
        if report is None:
            return ""
        return text_of(report.parameters.get(b"report-type", b"")).strip().lower()

    def part_header(self, number: int) -> Fields:
        """Return the header of a part."""
        part = self.parts[number]
        return _fields(self.raw, read_header(self.raw, part.header_start, part.header_end, most=MAX_FIELDS))

    def text(self, number: int, most: int = MAX_TEXT) -> str:
        """Return the text of a leaf as characters in lines that end with LF; HTML as the text that it shows."""
        part = self.parts[number]
        is_html = part.media_type == b"text/html"
        content = decoded(self.raw, part._replace(end=min(part.end, part.start + most)))
        text = decode_text(content, part.parameters.get(b"charset", b""), is_html=is_html)[0]
        text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "\ufffd")
        return text_of_html(text) if is_html else text

    def leaves(self, media_type: bytes) -> list[int]:
        """Return the numbers of the leaves of a type (lower case)."""
        return [number for number, part in enumerate(self.parts) if part.is_leaf and part.media_type == media_type]

    @cached_property
    def body(self) -> str:
        """What the mail says in words: its plain texts, else its HTML; of a report only the first part."""
        numbers = self._words()
        plain = [self.text(number) for number in numbers if self.parts[number].media_type != b"text/html"]
        if any(text.strip() for text in plain):
            return "\n".join(plain)
        return "\n".join(self.text(number) for number in numbers if self.parts[number].media_type == b"text/html")

    @cached_property
    def lines(self) -> list[str]:
        """The body's lines, cut where they are endless."""
        return [line[:_LONGEST_LINE].rstrip() for line in self.body.split("\n")]

    @cached_property
    def told(self) -> list[str]:
        """The lines of the body in front of a message that it returns in itself."""
        return self.lines[: self._returned_in_body[1]]

    @cached_property
    def returned_raw(self) -> bytes:
        """The returned message with CRLF, as far as it is there and read; empty where the mail returns none."""
        for number, part in enumerate(self.parts):
            if number and part.is_leaf and part.media_type in _RETURNED_TYPES:
                content = decoded(self.raw, part._replace(end=min(part.end, part.start + MAX_RETURNED)))
                if content.strip():
                    return with_crlf(content.lstrip(b"\r\n"))
        start, _, prefix = self._returned_in_body
        found = [line.removeprefix(prefix) for line in self.lines[start : start + 5_000]]
        return "\r\n".join(found).encode("utf-8", "replace")[:MAX_RETURNED]

    @cached_property
    def returned(self) -> Fields:
        """The header of the returned message; empty where the mail returns none."""
        return _fields(self.returned_raw, read_header(self.returned_raw, 0, len(self.returned_raw), most=MAX_FIELDS))

    @cached_property
    def _report(self) -> Part | None:
        # A gateway may have wrapped the report into a multipart/mixed of its own.
        return next((part for part in self.parts if part.media_type == b"multipart/report"), None)

    def _words(self) -> list[int]:
        """Return the numbers of the texts for people."""
        first, last = 0, len(self.parts)
        if self._report is not None:
            report = self.parts.index(self._report)
            children = [number for number, part in enumerate(self.parts) if part.parent == report]
            if children:
                first, last = children[0], children[1] if len(children) > 1 else last
        found = []
        for number in range(first, last):
            part = self.parts[number]
            # A multipart whose boundary is not to be found is read as the text that it is.
            if part.is_leaf and (part.media_type in _TEXT_TYPES or part.media_type.startswith(b"multipart/")):
                found.append(number)
        return found

    @cached_property
    def _returned_in_body(self) -> tuple[int, int, str]:
        """Where a returned header stands in the body, where the report's own words end, and what leads its lines.

        A header as mail servers return it ends the words; a summary of From, To and Subject does not.
        """
        lines, start = self.lines, 0
        summary = (len(lines), len(lines), "")
        if _HEADER_HINT.search(self.body) is None:
            return summary
        while start < len(lines):
            match = _FIELD_LINE.match(lines[start])
            if match is None:
                start += 1
                continue
            names, end = self._header_names(start, match[1])
            if names & _TRACE and len(names) >= 3:
                return start, start, match[1]
            if len(names & _SUMMARY) >= 3 and "to" in names and summary[0] == len(lines):
                summary = (start, len(lines), match[1])
            start = max(end, start + 1)
        return summary

    def _header_names(self, start: int, prefix: str) -> tuple[set[str], int]:
        """Return the names in a run of header lines, and the line behind it."""
        names, end = set[str](), start
        while end < len(self.lines) and self.lines[end].startswith(prefix):
            rest = self.lines[end][len(prefix) :]
            field = _FIELD_LINE.match(rest)
            if field is not None and not field[1]:
                names.add(field[2].lower())
            elif not rest[:1].isspace():
                break
            end += 1
        return names, end


def _fields(raw: bytes, header: Header) -> Fields:
    return Fields(
        (text_of(field.name), _unfolded(raw[field.start : field.end].partition(b":")[2])) for field in header.fields
    )


def _unfolded(body: bytes) -> bytes:
    return body.replace(b"\r\n", b"").strip(b" \t")
