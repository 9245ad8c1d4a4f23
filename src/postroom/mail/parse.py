"""The structure of a mail as offsets into its bytes: header fields and MIME parts (RFC 5322 2.2, RFC 2045, RFC 2046).

Nothing is decoded or copied and no function calls itself, so that a mail of
any depth and size costs little. What is broken or beyond a limit becomes one
opaque part, which others leave alone. Nothing here fails on any bytes; line
ends must be CRLF (`with_crlf`).
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from postroom.mail.content_type import NO_PARAMETERS, split_value
from postroom.mail.line_ends import has_bare_line_end

MAX_DEPTH = 16
"""Multiparts within multiparts; real mail has at most 5. Each level is searched once more for its boundary."""
MAX_PARTS = 1_000
MAX_PART_FIELDS = 100
_MAX_LOOKALIKES = 10_000
"""Lines that only begin like the boundary; a mail that is made of them would cost seconds."""
LINE_LIMIT = 998
"""Octets of a line without its CRLF (RFC 5322 2.1.1, RFC 5321 4.5.3.1.6)."""

# Possessive: a field of a million folded lines must not be remembered line by line.
_FIELD = re.compile(rb"([!-9;-~]++)[ \t]*+:[^\r\n]*+(?:\r\n[ \t][^\r\n]*+)*+(?:\r\n|\Z)")
_MBOX_LINE = re.compile(rb">?From [^\r\n]*\r\n")
_ENCODINGS = frozenset({b"7bit", b"8bit", b"binary", b"quoted-printable", b"base64"})
_DELIMITER_END = re.compile(rb"(--)?[ \t]*(?:\r\n|\Z)")
_SLICE = 512 * 1024
"""A search through this much takes up to a millisecond: the interpreter is given up between slices."""


class Field(NamedTuple):
    """A raw header field with its line end, folded lines included."""

    name: bytes
    """In lower case."""
    start: int
    end: int


class Header(NamedTuple):
    """A header and where the body begins."""

    fields: tuple[Field, ...]
    end: int
    """Behind the last field; the empty line stands here, unless `body_start` is the same."""
    body_start: int


class Part(NamedTuple):
    """A MIME entity: a multipart or a leaf."""

    media_type: bytes
    """In lower case, such as `text/html`; empty where the field cannot be read."""
    parameters: Mapping[bytes, bytes]
    """Of the Content-Type; names in lower case, values unquoted."""
    encoding: bytes
    """Content-Transfer-Encoding in lower case; `7bit` where absent (RFC 2045 6.1)."""
    encoding_span: tuple[int, int]
    """Of its Content-Transfer-Encoding field; where there is none, the end of the header, twice."""
    disposition: bytes
    """Of Content-Disposition in lower case, or empty. A part with a file name is `attachment` (RFC 2183 2.8)."""
    header_start: int
    header_end: int
    """Behind its last field."""
    start: int
    end: int
    """The body as [start, end), without the CRLF that belongs to the delimiter (RFC 2046 5.1.1)."""
    parent: int
    """Number of the multipart around it, -1 for the whole mail."""
    is_sealed: bool
    """Inside of multipart/signed or multipart/encrypted: not one byte may change."""
    is_leaf: bool


def with_crlf(raw: bytes) -> bytes:
    """Return the mail with each bare CR and bare LF as CRLF, and a CRLF at its end; `raw` itself where it is so."""
    if not _is_clean(raw):
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    return raw if raw.endswith(b"\r\n") else raw + b"\r\n"


def read_header(raw: bytes, start: int, end: int, *, most: int | None = None) -> Header:
    """Return the header of the entity that begins at `start`.

    It ends at the empty line, at the first line that is no field (as MTAs take
    it: the body begins there) or after `most` fields. An mbox line in front is
    no part of it.
    """
    fields: list[Field] = []
    position = start
    mbox_line = _MBOX_LINE.match(raw, start, end)
    if mbox_line:
        position = mbox_line.end()
    match = _FIELD.match(raw, position, end)
    while match and (most is None or len(fields) < most):
        position = match.end()
        fields.append(Field(match[1].lower(), match.start(), position))
        match = _FIELD.match(raw, position, end)
    body_start = position + 2 if raw.startswith(b"\r\n", position, end) else position
    return Header(tuple(fields), position, body_start)


def walk(raw: bytes, header: Header) -> list[Part]:
    """Return all parts of the mail in the order in which they stand, each multipart before its parts."""
    parts: list[Part] = []
    waiting = [(header, len(raw), -1, False, 0)]
    while waiting:
        entity, end, parent, is_sealed, depth = waiting.pop()
        part = _part(raw, entity, end, parent, is_sealed)
        number = len(parts)
        is_multipart = part.media_type.startswith(b"multipart/") and depth < MAX_DEPTH
        spans = _children(raw, part) if is_multipart else None
        if not spans or number + len(waiting) + len(spans) > MAX_PARTS:
            parts.append(part)
            continue
        parts.append(part._replace(is_leaf=False))
        sealed = is_sealed or part.media_type in (b"multipart/signed", b"multipart/encrypted")
        for child_start, child_end in reversed(spans):
            child = read_header(raw, child_start, child_end, most=MAX_PART_FIELDS)
            waiting.append((child, child_end, number, sealed, depth + 1))
    return parts


def long_line(raw: bytes, start: int, end: int, limit: int = LINE_LIMIT) -> int:
    """Return the offset of the first line in [start, end) that is longer than `limit` octets, or -1."""
    position = start
    while end - position > limit:
        line_end = raw.rfind(b"\n", position, min(position + limit + 2, end))
        if line_end < 0:
            return position
        position = line_end + 1
    return -1


def slices(raw: bytes, start: int, end: int, size: int = _SLICE) -> Iterator[tuple[int, int]]:
    """Cut [start, end) into pieces of about `size`, each but the last ending in a line end."""
    while end - start > size:
        cut = raw.rfind(b"\n", start, start + size) + 1
        if cut <= start:
            cut = raw.find(b"\n", start + size, end) + 1
            if cut == 0:
                break
        yield start, cut
        start = cut
    yield start, end


def _is_clean(raw: bytes) -> bool:
    if len(raw) <= _SLICE:
        return not has_bare_line_end(raw)
    return all(_is_clean_span(raw, start, end) for start, end in slices(raw, 0, len(raw)))


def _is_clean_span(raw: bytes, start: int, end: int) -> bool:
    lines = raw.count(b"\n", start, end)
    if lines != raw.count(b"\r", start, end):
        return False
    width = raw.find(b"\n", start, end) - start + 1
    if lines > 1 and lines * width == end - start:
        # Lines of one length, as in an attachment: three times as fast as to count pairs.
        crs, lfs = raw[start + width - 2 : end : width], raw[start + width - 1 : end : width]
        return crs.count(b"\r") == lfs.count(b"\n") == lines
    return lines == raw.count(b"\r\n", start, end)


def _part(raw: bytes, header: Header, end: int, parent: int, is_sealed: bool) -> Part:
    media_type, parameters = b"text/plain", NO_PARAMETERS
    encoding, encoding_span, disposition = b"7bit", (header.end, header.end), b""
    has_type = False
    for field in header.fields:
        if not field.name.startswith(b"content-"):
            continue
        if field.name == b"content-type" and not has_type:
            has_type = True
            media_type, parameters = split_value(_body(raw, field))
        elif field.name == b"content-transfer-encoding" and encoding_span[0] == header.end:
            encoding_span = (field.start, field.end)
            encoding = _body(raw, field).strip().lower()
            if encoding not in _ENCODINGS:
                encoding = split_value(encoding)[0]
        elif field.name == b"content-disposition" and not disposition:
            disposition, names = split_value(_body(raw, field))
            if b"filename" in names or disposition != b"inline":
                # RFC 2183 2.8: what is not known is treated as an attachment.
                disposition = b"attachment"
    start = min(header.body_start, end)
    header_start = header.fields[0].start if header.fields else header.end
    return Part(
        media_type,
        parameters,
        encoding,
        encoding_span,
        disposition,
        header_start,
        header.end,
        start,
        end,
        parent,
        is_sealed,
        True,
    )


def _body(raw: bytes, field: Field) -> bytes:
    return raw[raw.index(b":", field.start) + 1 : field.end]


def _children(raw: bytes, part: Part) -> list[tuple[int, int]]:
    """Return the spans of the entities in a multipart; none where it is broken."""
    boundary = part.parameters.get(b"boundary", b"").rstrip(b" ")
    # RFC 2045 6.4: a multipart has no encoding of its own. Boundaries are up to 70 letters, some write more.
    if not 0 < len(boundary) <= 200 or part.encoding not in (b"7bit", b"8bit", b"binary"):
        return []
    delimiter = b"\r\n--" + boundary
    spans: list[tuple[int, int]] = []
    begun, lookalikes = -1, 0
    # The empty line in front, or the first delimiter itself, gives the CRLF for a delimiter at the very start.
    found = _find(raw, delimiter, max(part.start - 2, 0), part.end)
    while found >= 0:
        rest = _DELIMITER_END.match(raw, found + len(delimiter), part.end)
        if rest is None:
            lookalikes += 1
            if lookalikes > _MAX_LOOKALIKES:
                return []
            found = _find(raw, delimiter, found + len(delimiter), part.end)
            continue
        if begun >= 0:
            spans.append((begun, max(found, begun)))
        if rest[1] or len(spans) > MAX_PARTS:
            return spans
        begun = rest.end()
        # RFC 2046 5.1.1: the line end of one delimiter may be the beginning of the next.
        found = _find(raw, delimiter, begun - 2, part.end)
    if begun >= 0:
        # The closing delimiter is missing, as readers take it: the last part ends with the mail.
        spans.append((begun, part.end))
    return spans


def _find(raw: bytes, what: bytes, start: int, end: int) -> int:
    """Return what `raw.find` does, in steps: over 50 MB one call keeps the interpreter from all other threads."""
    while end - start > _SLICE:
        step = start + _SLICE
        found = raw.find(what, start, step + len(what) - 1)
        if found >= 0:
            return found
        start = step
    return raw.find(what, start, end)
