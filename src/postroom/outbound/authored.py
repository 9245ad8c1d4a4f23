"""What a mail's own header says of it: authors, subject, Message-ID, and the fields that ours replace. Pure."""

import msgspec

from postroom.base.errors import WrongInput
from postroom.mail.address_list import parse_address_list
from postroom.mail.encoded_words import decode_words
from postroom.mail.header import field_body, find, find_all, unfold
from postroom.outbound.compile import Findings

_encode = msgspec.json.Encoder().encode
_MOST_CHARACTERS = 998
_MOST_FROM = 16_384
"""Octets. A header of 256 kB full of authors would hold all other clients up for half a second."""


def authors_of(header: list[bytes], reverse_path: str, *, is_passed_on: bool = False) -> tuple[str, ...]:
    """Return the addresses of all authors (RFC 5322 3.6.2); the reverse-path where there is no From field.

    Where somebody wrote several From fields, the authors of each count: readers differ in the one they show.
    Raises WrongInput where there is no address; for mail of strangers that `is_passed_on` the reverse-path stands in.
    """
    fields = find_all(header, b"from")
    if sum(map(len, fields)) > _MOST_FROM:
        if not is_passed_on:
            raise WrongInput("From", f"the From field has more than {_MOST_FROM} octets: name fewer authors")
        fields = []
    addresses = [one.address for field in fields for one in parse_address_list(field) if "@" in one.address]
    if not addresses and "@" in reverse_path and (is_passed_on or not fields):
        addresses = [reverse_path]
    if not addresses:
        raise WrongInput("From", "the mail has no From field with an address; add one")
    return tuple(map(_storable, addresses))


def missing_author(mail: bytes, header: list[bytes], reverse_path: str) -> bytes:
    """Return what goes in front of a mail without a From field, with `header` as it was split; else nothing.

    RFC 6409 8 lets a submission server add what is missing, and From is required (RFC 5322 3.6). A null
    reverse-path names nobody, and in front of an mbox line stands nothing.
    """
    if not reverse_path or find(header, b"from") is not None or mail.startswith((b"From ", b">From ")):
        return b""
    gap = b"" if header or mail.startswith(b"\r\n") else b"\r\n"
    return f"From: <{reverse_path}>\r\n".encode() + gap


def subject_of(header: list[bytes]) -> str:
    """Return the decoded subject, at most 998 characters; empty where there is none."""
    field = find(header, b"subject")
    return _storable(decode_words(unfold(field)))[:_MOST_CHARACTERS].strip() if field is not None else ""


def message_id_of(header: list[bytes]) -> str:
    """Return the Message-ID as it stands, with angle brackets; empty where there is none."""
    field = find(header, b"message-id")
    return _field_text(field)[:_MOST_CHARACTERS] if field is not None else ""


def kept_fields(findings: Findings) -> str:
    """Return the author's fields that ours replace as a JSON object by lower-case name; empty where there are none."""
    if not findings.unsubscribe_fields and not findings.reply_to_fields:
        return ""
    kept: dict[str, str] = {}
    for field in (*findings.unsubscribe_fields, *findings.reply_to_fields):
        name = field.partition(b":")[0].decode("ascii", "replace").strip().lower()
        kept[name] = _field_text(field_body(field))
    return _encode(kept).decode()


def _field_text(body: bytes) -> str:
    return _storable(unfold(body).decode("utf-8", "replace")).strip()


def _storable(text: str) -> str:
    # PostgreSQL takes no NUL, and neither engine takes half a surrogate pair.
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
