"""A mail as people read it: its texts as characters, its attached files, and what its header says (RFC 2045, RFC 2183).

For showing only: what is broken is shown as far as it can be read, and nothing
that is read here goes out again. Nothing here fails on any bytes, and no
function calls itself, so a mail of any depth costs little.
"""

import binascii
import codecs
import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from urllib.parse import unquote, unquote_to_bytes

from postroom.mail.charset import charset
from postroom.mail.content_type import split_value
from postroom.mail.encoded_words import decode_words, text_of
from postroom.mail.header import field_body, field_name
from postroom.mail.parse import Field, Part, read_header, slices, walk
from postroom.mail.transfer_encoding import read_base64, read_quoted_printable

MOST_FIELDS = 500
"""Header fields that are shown."""

_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_META_WITHIN = 2048
_NO_LETTERS = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
"""Octets that stand for nothing in base64."""
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")
# RFC 2231 4: charset, language, percent-encoded octets.
_EXTENDED = re.compile(rb"([A-Za-z0-9!#$&+^_`{}~.-]{1,40})'[^']{0,40}'(.*)", re.DOTALL)
_NO_FILE_LETTERS = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|\u202a-\u202e\u2066-\u2069]+')
_LONGEST_NAME = 120
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_MOST_TEXTS = 20
"""Texts of a type that are shown one after the other; further ones are files."""
_REFERENCE = re.compile(r"cid:([^\s\"'<>)]{1,300})", re.IGNORECASE)
"""RFC 2392 2."""
_REFERENCES_WITHIN = 4 << 20
"""Letters of the HTML in which they are looked for: 50 ms."""
_READ_ONLY = {"utf-7": "utf-7", "hz-gb-2312": "hz", "hz": "hz"}


@dataclass(frozen=True, slots=True)
class Text:
    """A text of a mail as characters."""

    text: str
    """Line ends are LF."""
    charset: str
    """As its label says, or what it was taken for."""
    encoding: str
    """Content-Transfer-Encoding."""


@dataclass(frozen=True, slots=True)
class File:
    """An attached file, or an image that a text shows."""

    number: int
    """Of its part, for `part_bytes`."""
    name: str
    """Safe as a file name, never empty."""
    media_type: str
    size_bytes: int
    """Decoded."""
    content_id: str
    """Without angle brackets; empty where it has none."""
    is_attachment: bool
    """No text shows it: it has no Content-ID, or its disposition says so and the HTML does not name it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A mail to be shown."""

    fields: tuple[tuple[str, str], ...]
    """Names as written, values unfolded and decoded."""
    raw_fields: tuple[bytes, ...]
    html: Text | None
    """Where files stand between several, one behind the other, as mail programs show them; `plain` too."""
    plain: Text | None
    files: tuple[File, ...]
    body_start: int

    def value(self, name: str) -> str:
        """Return the decoded value of the first field `name` (lower case), or nothing."""
        return next((value for field, value in self.fields if field.lower() == name), "")

    def all_raw(self, name: bytes) -> list[bytes]:
        """Return the unfolded bodies of all fields `name` (lower case), as they stand."""
        return [field_body(field) for field in self.raw_fields if field_name(field) == name]


def read_mail(raw: bytes) -> Reading:
    """Read a mail with CRLF line ends."""
    header = read_header(raw, 0, len(raw))
    parts = walk(raw, header)
    html_parts, plain_parts = shown_texts(parts, b"text/html"), shown_texts(parts, b"text/plain")
    html, plain = _text(raw, parts, html_parts), _text(raw, parts, plain_parts)
    raw_fields = tuple(_bytes_of(raw, field) for field in header.fields[:MOST_FIELDS])
    shown = {*html_parts, *plain_parts}
    references = _REFERENCE.findall(html.text, 0, _REFERENCES_WITHIN) if html is not None else ()
    named = set(map(content_id_of, references))
    return Reading(
        tuple((text_of(raw_field.partition(b":")[0].strip()), decode_words(field_body(raw_field)))
              for raw_field in raw_fields),
        raw_fields,
        html,
        plain,
        tuple(_file(raw, parts, number, named) for number, part in enumerate(parts)
              if part.is_leaf and number not in shown),
        header.body_start,
    )  # fmt: skip


def shown_texts(parts: Sequence[Part], media_type: bytes) -> list[int]:
    """Return the numbers of the texts of a type that a mail program shows: several where files stand between them."""
    found: list[int] = []
    alternatives = set[int]()
    for number, part in enumerate(parts):
        if not part.is_leaf or part.media_type != media_type or part.disposition == b"attachment":
            continue
        if (found and b"name" in part.parameters) or part.parent in alternatives or len(found) == _MOST_TEXTS:
            continue
        found.append(number)
        if part.parent >= 0 and parts[part.parent].media_type == b"multipart/alternative":
            alternatives.add(part.parent)  # RFC 2046 5.1.4: the next one says the same
    return found


def part_bytes(raw: bytes, number: int) -> tuple[File, bytes] | None:
    """Return a file of a mail with its decoded bytes, or None where it has no such part."""
    parts = walk(raw, read_header(raw, 0, len(raw)))
    if not 0 <= number < len(parts) or not parts[number].is_leaf:
        return None
    return _file(raw, parts, number, frozenset()), decoded(raw, parts[number])


def decode_text(content: bytes, label: bytes, *, is_html: bool = False) -> tuple[str, str]:
    """Return a transfer-decoded text as characters, and the charset that it was read in.

    Without a label, or with one that nobody knows: by its byte order mark, by
    the HTML's own `meta`, as UTF-8 where it is that, else as windows-1252.
    A label that the text does not fit counts as none where the text is UTF-8.
    """
    codec = _codec(label)
    if not codec:
        codec = next((name for mark, name in _MARKS if content.startswith(mark)), "")
    if not codec and is_html and (told := _META_CHARSET.search(content, 0, _META_WITHIN)):
        # A text in which `charset=` can be read is no UTF-16, whatever it says (WHATWG HTML 13.2.3.2).
        codec = found if (found := _codec(told[1])) and not found.startswith(("utf_16", "utf_32")) else ""
    if codec:
        try:
            return content.decode(codec).removeprefix("\ufeff"), text_of(label) or codec
        except UnicodeDecodeError:
            # Gateways make UTF-8 of a text and leave its label; what is no UTF-8 is a broken text of its label.
            if not _is_utf8(content):
                return content.decode(codec, "replace").removeprefix("\ufeff"), text_of(label) or codec
        except (LookupError, ValueError):
            pass
    try:
        return content.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace"), "windows-1252"


def decoded(raw: bytes, part: Part) -> bytes:
    """Return what a leaf holds, its transfer encoding taken off; base64 that is broken as far as it can be read."""
    body = raw[part.start : part.end]
    if part.encoding == b"quoted-printable":
        return read_quoted_printable(body).content
    if part.encoding == b"base64":
        exact = read_base64(body)
        return exact if exact is not None else _read_broken_base64(body)
    return body


def decoded_size(raw: bytes, part: Part) -> int:
    """Return how many octets `decoded` gives of a leaf, without holding them."""
    if part.encoding == b"base64":
        letters = sum(
            len(raw[start:end].translate(None, _NO_LETTERS)) for start, end in slices(raw, part.start, part.end)
        )
        return letters * 3 // 4
    if part.encoding == b"quoted-printable":
        lines = slices(raw, part.start, part.end)
        return sum(len(read_quoted_printable(raw[start:end]).content) for start, end in lines)
    return part.end - part.start


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _codec(label: bytes) -> str:
    name = label.strip().decode("ascii", "replace").lower()
    if name in _READ_ONLY:
        return _READ_ONLY[name]
    if name in ("", "us-ascii", "ascii", "unknown-8bit"):
        return ""
    found = charset(label).codec
    if not found and name.startswith("cp"):
        try:
            found = codecs.lookup(name).name
        except LookupError:
            return ""
    return found


def _text(raw: bytes, parts: Sequence[Part], numbers: Sequence[int]) -> Text | None:
    """Return some parts as one text, None for none; charset and encoding are those of the first."""
    if not numbers:
        return None
    first = parts[numbers[0]]
    is_html = first.media_type == b"text/html"
    texts, charsets = zip(
        *(
            decode_text(decoded(raw, part), part.parameters.get(b"charset", b""), is_html=is_html)
            for part in (parts[number] for number in numbers)
        ),
        strict=True,
    )
    text = "\n".join(texts)
    # PostgreSQL is not asked here, but NUL is nothing that a page can show.
    return Text(
        text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "\ufffd"), charsets[0], text_of(first.encoding)
    )


def _read_broken_base64(body: bytes) -> bytes:
    """Decode what can be read of a base64 that was cut off or has other letters in it."""
    text = _NOT_BASE64.sub(b"", body)
    text = text[: len(text) - (len(text) % 4 == 1)]
    return binascii.a2b_base64(text + b"=" * (-len(text) % 4))


def _file(raw: bytes, parts: Sequence[Part], number: int, named: Set[str]) -> File:
    """Return a file; `named` are the Content-IDs that the HTML shows."""
    part = parts[number]
    header = read_header(raw, part.header_start, part.header_end)
    disposition = _first(raw, header.fields, b"content-disposition")
    media_type = text_of(part.media_type)
    size_bytes = decoded_size(raw, part)
    content_id = decode_words(_first(raw, header.fields, b"content-id")).strip().strip("<>")
    word, parameters = split_value(disposition)
    name = _file_name(parameters.get(b"filename") or part.parameters.get(b"name", b""))
    return File(
        number,
        name or f"part-{number}{_suffix(media_type)}",
        media_type,
        size_bytes,
        content_id,
        not content_id or (word == b"attachment" and content_id not in named),
    )


def _first(raw: bytes, fields: Sequence[Field], name: bytes) -> bytes:
    return next((field_body(_bytes_of(raw, field)) for field in fields if field.name == name), b"")


def _bytes_of(raw: bytes, field: Field) -> bytes:
    return raw[field.start : field.end]


def _file_name(value: bytes) -> str:
    extended = _EXTENDED.fullmatch(value)
    if extended and _codec(extended[1]):
        name = unquote_to_bytes(extended[2]).decode(_codec(extended[1]), "replace")
    elif extended and b"%" in extended[2]:
        name = decode_text(unquote_to_bytes(extended[2]), b"")[0]
    else:
        name = decode_words(value)
    # No path, and no letters that turn the direction of the rest: `gpj.exe` behind one reads `exe.jpg`.
    name = _NO_FILE_LETTERS.sub("_", name).strip(" ._")
    if len(name) > _LONGEST_NAME:
        stem, dot, suffix = name.rpartition(".")
        name = f"{stem[: _LONGEST_NAME - 11]}.{suffix}" if dot and len(suffix) <= 10 else name[:_LONGEST_NAME]
    return name


def _suffix(media_type: str) -> str:
    known = {"message/rfc822": ".eml", "text/html": ".html", "text/plain": ".txt", "text/calendar": ".ics"}
    if media_type in known:
        return known[media_type]
    kind, _, rest = media_type.partition("/")
    return f".{rest}" if kind == "image" and rest.isalnum() else ".bin"


def content_id_of(reference: str) -> str:
    """Return the Content-ID that what stands behind `cid:` names (RFC 2392 2)."""
    return unquote(reference).strip("<>")
