"""The stored form of a compiled content: offsets into its bytes, and what stands there in each copy.

Versioned: a plan is kept with its content for as long as a recipient may still
be tried, over updates of the program, and the same plan must give the same
bytes. Whoever changes what a field means gives it a new VERSION and keeps
reading the old one.
"""

from enum import IntEnum, IntFlag
from typing import NamedTuple

import msgspec

VERSION = 1


class SlotKind(IntEnum):
    """What a copy shows of its own at a place in the body."""

    CLICK = 0
    """The public address of a link, by its position."""
    PIXEL = 1
    """An `img` with the address of the open pixel."""
    UNSUBSCRIBE = 2
    """The address of the unsubscribe page."""
    UNSUBSCRIBE_HREF = 3
    """The same as an attribute: ` href="…"`."""


class Edit(NamedTuple):
    """One place that differs between copies."""

    start: int
    end: int
    """What is replaced: raw offsets in the mail, in a base64 part offsets into its decoded content."""
    kind: int
    """A SlotKind."""
    position: int
    """Of the link in the mail; 0 for the others."""


class Encoding(IntEnum):
    """How a part's body is written in the raw mail."""

    IDENTITY = 0
    QUOTED_PRINTABLE = 1
    BASE64 = 2
    MULTIPART = 3
    """No leaf: only its Content-Transfer-Encoding field may need another word."""


class PartFlag(IntFlag):
    """What may force another encoding on a part."""

    IS_TEXT = 1
    HAS_8BIT = 2
    HAS_LONG_LINE = 4
    IS_RETURNED = 8
    """A mail that a report of ours returns: in 7 bits it is only its header. The field's span is the whole header."""


class PartPlan(NamedTuple):
    """A part that differs between copies or variants. Parts stand in the order of the mail."""

    start: int
    end: int
    """Raw span of its encoded body."""
    encoding: int
    flags: int
    codec: str
    """How characters of ours are written in its content: `ascii`, `utf-16-le`, …"""
    field_start: int
    field_end: int
    """Raw span of its Content-Transfer-Encoding field; where it has none, both are the end of its header."""
    edits: list[Edit]


class FieldRole(IntEnum):
    """What becomes of a header field of the content."""

    KEPT = 0
    TO = 1
    """Replaced by the recipient's own (personal messages)."""
    MESSAGE_ID = 2
    ENCODING = 3
    """Content-Transfer-Encoding: another word where the body changes."""
    LONG = 4
    """Has a line above 998 octets: folded at white space."""


class FieldPlan(NamedTuple):
    """A header field that goes into the copies. Fields that do not are not in the plan."""

    start: int
    end: int
    role: int


class Plan(NamedTuple):
    """All that is needed to make copies, beside the content's bytes."""

    version: int
    size: int
    """Of the raw content, to notice another one."""
    tracking_url: str
    track: int
    is_bulk: bool
    is_personal: bool
    has_mime_version: bool
    has_date: bool
    has_message_id: bool
    body_start: int
    fields: list[FieldPlan]
    parts: list[PartPlan]
    needs_8bit: bool
    needs_smtputf8: bool


_decoder = msgspec.msgpack.Decoder(Plan)


def pack_plan(plan: Plan) -> bytes:
    """Return the plan as msgpack."""
    return msgspec.msgpack.encode(plan)


def unpack_plan(data: bytes) -> Plan:
    """Return the plan of `pack_plan`. Raises ValueError for anything else or another version."""
    try:
        plan = _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise ValueError("not a compiled content") from error
    if plan.version != VERSION:
        raise ValueError(f"compiled content of version {plan.version}, this program reads {VERSION}")
    return plan
