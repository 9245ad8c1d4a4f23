"""What a mail's own header says of it: author, subject, Message-ID, and the fields that ours replace. Pure."""

import msgspec

from postroom.base.errors import WrongInput
from postroom.mail.address_list import parse_address_list
from postroom.mail.encoded_words import decode_words
from postroom.mail.header import field_body, find, unfold
from postroom.outbound.compile import Findings

_encode = msgspec.json.Encoder().encode
_MOST_CHARACTERS = 998


def author_of(header: list[bytes], reverse_path: str) -> str:
    """Return the address of the first author (RFC 5322 3.6.2), else the reverse-path.

    Raises WrongInput where neither has an address.
    """
    field = find(header, b"from")
    mailboxes = parse_address_list(field) if field is not None else []
    address = next((one.address for one in mailboxes if "@" in one.address), reverse_path)
    if "@" not in address:
        raise WrongInput("From", "the mail has no From field with an address; add one")
    return _storable(address)


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
