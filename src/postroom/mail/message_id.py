"""Message-ID values: made from a row id, found in header fields (RFC 5322 3.6.4)."""

import re

from postroom.base.ids import parse_id, show_id
from postroom.mail.address import domain_key
from postroom.mail.encoded_words import text_of

_LONGEST_READ = 65_536
_MESSAGE_ID = re.compile(r"<([^<>\s]{1,996})>")
_STRICT = re.compile(r"<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+|\[[!-Z^-~]*\])>")


def make_message_id(kind: str, row_id: int, domain: str) -> str:
    """Return the Message-ID value with angle brackets for a row: `<msg_…@domain>`.

    `kind` is `msg` where all copies share it and `rcp` for a personal copy. The same arguments give the same value.
    """
    return f"<{show_id(kind, row_id)}@{domain_key(domain)}>"


def row_of_message_id(message_id: str) -> tuple[str, int] | None:
    """Return kind and row id of a value that `make_message_id` could have made, or None.

    Anybody can write such a value: it says where to look, not who wrote it.
    """
    local_part = message_id.strip().removeprefix("<").partition("@")[0]
    for kind in ("msg", "rcp"):
        row_id = parse_id(kind, local_part)
        if row_id is not None:
            return kind, row_id
    return None


def find_message_ids(value: bytes | str) -> list[str]:
    """Return the Message-IDs in the body of a Message-ID, In-Reply-To or References field, with angle brackets."""
    text = text_of(value[:_LONGEST_READ]) if isinstance(value, bytes) else value[:_LONGEST_READ]
    return [f"<{found}>" for found in _MESSAGE_ID.findall(text)]


def is_message_id(value: str) -> bool:
    """Tell whether a value is one by RFC 5322, with its angle brackets and without obsolete forms."""
    return len(value) <= 996 and _STRICT.fullmatch(value) is not None
