"""MIME entities: text, attachment, multipart (RFC 2045, RFC 2046, RFC 2183, RFC 2231)."""

import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote as percent_encode

from postroom.mail.pieces import MAX_LINE, Content, base64_lines, crlf, holds, joined, pieces_of, survey

_PLAIN_FILENAME = re.compile(r"[A-Za-z0-9!#$&'+.^_`{}~ ()@,;-]{0,60}")
_ATTR_CHAR = "!#$&+-.^_`{}~"  # RFC 2231 7, also what percent_encode keeps


@dataclass(frozen=True, slots=True)
class Entity:
    """Header fields and content of a mail's body or of one part in it."""

    header: tuple[bytes, ...]
    """Raw Content fields, each with its CRLF."""
    content: Content
    """Encoded, with CRLF line ends."""
    is_8bit: bool = False
    """`Content-Transfer-Encoding: 8bit`."""


def fits_7bit(content: bytes) -> bool:
    """Tell whether content with CRLF line ends is 7bit data (RFC 2045 2.7): ASCII, no NUL, no long line."""
    return content.isascii() and b"\0" not in content and not has_long_line(content)


def has_long_line(content: bytes) -> bool:
    """Tell whether a line of content with CRLF line ends is above 998 octets."""
    return len(content) > MAX_LINE and any(len(line) > MAX_LINE for line in content.split(b"\r\n"))


def text_entity(subtype: str, text: str) -> Entity:
    """Return `text` as text/`subtype`: 7bit where it is, else quoted-printable or base64 in UTF-8, the shorter one."""
    content = crlf(text.encode("utf-8", "replace"))
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    charset = "us-ascii" if content.isascii() else "utf-8"
    content_type = f"Content-Type: text/{subtype}; charset={charset}\r\n".encode("ascii")
    if fits_7bit(content):
        return Entity((content_type, _transfer_encoding("7bit")), content)
    name, encoded = shortest_encoding(content)
    return Entity((content_type, _transfer_encoding(name)), encoded)


def shortest_encoding(content: bytes) -> tuple[str, bytes]:
    """Return text with CRLF line ends in quoted-printable or base64, and the name of the shorter encoding."""
    # With CRLF in the input b2a_qp leaves a CR before its soft breaks now and then; LF alone is exact.
    quoted = binascii.b2a_qp(content.replace(b"\r\n", b"\n"), istext=True).replace(b"\n", b"\r\n")
    base64_length = -(-len(content) // 57) * 2 + -(-len(content) // 3) * 4
    if base64_length < len(quoted):
        return "base64", base64_lines(content)
    return "quoted-printable", quoted


def attachment_entity(content_type: str, content: Content, filename: str, content_id: str) -> Entity:
    """Return a file as an attachment, or as an inline part where it has a `content_id` (without angle brackets).

    The arguments are checked: no line ends, no control characters. A message/* file goes as it is, since it may
    not be encoded (RFC 2046 5.2.1, RFC 6532 3.7 for message/global); with a line that is too long it becomes
    application/octet-stream.
    """
    encoding, encoded = "base64", content
    if content_type.lower().startswith("message/"):
        mail = crlf(content)
        found = survey(mail)
        if found.has_long_line or found.has_nul:
            content_type = "application/octet-stream"
        else:
            encoding, encoded = ("7bit" if found.is_ascii else "8bit"), mail
    header = [f"Content-Type: {content_type}\r\n".encode("ascii"), _transfer_encoding(encoding)]
    disposition = "inline" if content_id else "attachment"
    header.append(f"Content-Disposition: {disposition}{_filename_parameter(filename)}\r\n".encode("ascii"))
    if content_id:
        header.append(f"Content-ID: <{content_id}>\r\n".encode("ascii"))
    return Entity(tuple(header), encoded if encoding != "base64" else base64_lines(content), encoding == "8bit")


def multipart(subtype: str, parts: Sequence[Entity], parameters: str = "") -> Entity:
    """Return `parts` as multipart/`subtype`; the boundary is a hash of what is inside and occurs nowhere in it."""
    rendered = [joined((*part.header, b"\r\n", part.content)) for part in parts]
    boundary = _boundary(rendered)
    delimiter = b"\r\n--" + boundary
    lines: list[Content] = [delimiter[2:] + b"\r\n"]
    for part in rendered:
        lines += (part, delimiter + b"\r\n")
    lines[-1] = delimiter + b"--\r\n"
    is_8bit = any(part.is_8bit for part in parts)
    more = f"; {parameters}" if parameters else ""
    content_type = f'Content-Type: multipart/{subtype}{more};\r\n boundary="'.encode("ascii") + boundary + b'"\r\n'
    return Entity((content_type, _transfer_encoding("8bit" if is_8bit else "7bit")), joined(lines), is_8bit)


def _boundary(rendered: list[Content]) -> bytes:
    digest = hashlib.sha256()
    for part in rendered:
        digest.update(len(part).to_bytes(8, "big"))
        for piece in pieces_of(part):
            digest.update(piece)
    while True:
        # `=_` cannot occur in base64 or quoted-printable (RFC 2045 6.7); in 7bit text it is looked for.
        boundary = b"=_" + digest.hexdigest()[:32].encode("ascii")
        if not any(holds(part, boundary) for part in rendered):
            return boundary
        digest.update(b"again")


def _transfer_encoding(name: str) -> bytes:
    return f"Content-Transfer-Encoding: {name}\r\n".encode("ascii")


def _filename_parameter(filename: str) -> str:
    if not filename:
        return ""
    if _PLAIN_FILENAME.fullmatch(filename):
        return f';\r\n filename="{filename}"'
    encoded = percent_encode(filename, safe=_ATTR_CHAR, errors="replace")
    if len(encoded) <= 55:
        return f";\r\n filename*=UTF-8''{encoded}"
    # RFC 2231 3 and 4.1: numbered pieces; no percent sequence is cut, since some readers decode them one by one.
    pieces = re.findall(r"(?:%[0-9A-F]{2}|[^%]){1,18}", encoded)
    pieces[0] = "UTF-8''" + pieces[0]
    return "".join(f";\r\n filename*{number}*={piece}" for number, piece in enumerate(pieces))
