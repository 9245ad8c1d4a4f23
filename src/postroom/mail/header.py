"""The header of a mail as raw lines: split, look up, remove, decode, and write new fields (RFC 5322 2.2, RFC 2047).

A header is a list of raw fields. Each is the bytes of one field with its line
end, folded lines included. What is read is as in `mail.parse`, which works on
offsets and wants CRLF; here any line end is understood. Nothing here fails on
any bytes.
"""

import re
from collections.abc import Collection, Iterable, Sequence

from postroom.base.errors import WrongInput

MAX_HEADER = 1 << 20
"""Octets that are read as a header; real ones have 2 to 50 kB."""

_FIELD_NAME = re.compile(rb"([!-9;-~]+)[ \t]*:")
_NEW_NAME = re.compile(r"[!-9;-~]{1,76}", re.ASCII)


def split_header(mail: bytes) -> tuple[list[bytes], int]:
    """Return the header's raw fields and the offset of the body in `mail`.

    The header ends at the empty line, at the first line that is no field (as MTAs take it: the body begins
    there) or after MAX_HEADER octets. An mbox line in front is no part of it.
    """
    start = mail.find(b"\n", 0, MAX_HEADER) + 1 if mail.startswith((b"From ", b">From ")) else 0
    end = mail.find(b"\r\n\r\n", start, start + MAX_HEADER)
    fields = split_fields(mail[start : end + 2 if end >= 0 else start + MAX_HEADER])
    past = 0
    for field in fields:
        if not _FIELD_NAME.match(field):
            break
        past += 1
    body = start + sum(map(len, fields[:past]))
    for line_end in (b"\r\n", b"\n", b"\r"):
        if mail.startswith(line_end, body):
            return fields[:past], body + len(line_end)
    return fields[:past], body


def split_fields(header: bytes) -> list[bytes]:
    """Split a header (without the empty line) into raw fields; joined, they are `header` again.

    Lines that are no field are kept and have the empty name. A bare CR or LF ends a line too: a peer might see
    a field behind it, so we do.
    """
    fields: list[bytes] = []
    folded: list[bytes] = []
    for line in header.splitlines(keepends=True):
        if line[0] in b" \t" and fields:
            folded.append(line)
            continue
        if folded:
            fields[-1] = fields[-1] + b"".join(folded)
            folded = []
        fields.append(line)
    if folded:
        fields[-1] = fields[-1] + b"".join(folded)
    return fields


def field_name(field: bytes) -> bytes:
    """Return a raw field's name in lower case, or nothing where it has none."""
    match = _FIELD_NAME.match(field)
    return match[1].lower() if match else b""


def field_body(field: bytes) -> bytes:
    """Return what stands behind the colon, unfolded and without white space around."""
    return unfold(field.partition(b":")[2]).strip(b" \t")


def unfold(body: bytes) -> bytes:
    """Return a field body without its line ends (RFC 5322 2.2.3); white space stays."""
    return body.replace(b"\r", b"").replace(b"\n", b"")


def find(header: Iterable[bytes], name: bytes) -> bytes | None:
    """Return the unfolded body of the first field `name` (lower case), or None."""
    return next((field_body(field) for field in header if field_name(field) == name), None)


def find_all(header: Iterable[bytes], name: bytes) -> list[bytes]:
    """Return the unfolded bodies of all fields `name` (lower case) in their order."""
    return [field_body(field) for field in header if field_name(field) == name]


def without(header: Iterable[bytes], names: Collection[bytes], *, prefixes: tuple[bytes, ...] = ()) -> list[bytes]:
    """Return the header without the fields `names` and those that begin with one of `prefixes` (all lower case)."""
    kept = []
    for field in header:
        name = field_name(field)
        if name not in names and not name.startswith(prefixes):
            kept.append(field)
    return kept


def replaced(header: Sequence[bytes], name: bytes, field: bytes) -> list[bytes]:
    """Return the header with `field` in the place of the first field `name`, or at the end; others of it go."""
    found = [index for index, old in enumerate(header) if field_name(old) == name]
    kept = [old for index, old in enumerate(header) if index not in found]
    kept.insert(found[0] if found else len(kept), field)
    return kept


def check_field(name: str, body: str, *, of: str = "headers") -> None:
    """Raise WrongInput for `of` unless name and body may become one header field.

    A line end in either would let its author write further fields or the body.
    """
    if not _NEW_NAME.fullmatch(name):
        raise WrongInput(
            of, f"{name[:80]!r} is no name of a header field: use up to 76 printable ASCII characters, no colon"
        )
    wrong = next((letter for letter in body if (letter < " " and letter != "\t") or letter == "\x7f"), None)
    if wrong is not None:
        raise WrongInput(of, f"the header field {name} contains {wrong!r}: take line ends and control characters out")
