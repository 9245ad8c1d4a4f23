"""Which parts cannot go as they are: lines above 998 octets, and octets above 127 for a hop without 8BITMIME.

Parts are only marked here; `outbound.materialise` writes them in another
encoding. What must not change (sealed and forwarded parts, unknown encodings)
is never marked, so that the copy shows in the end whether it can leave.
RFC 5321 4.5.3.1.6, RFC 6152 3, RFC 2045 6.2.

A message/rfc822 may not be encoded (RFC 2046 5.2.1). A report of our own that
returns one with octets above 127 goes in 7 bits with its header alone, as
where the author had not asked for more (RFC 3461 4.3, RFC 6522 4). The types
for mail with UTF-8 in its header may be encoded (RFC 6532 3.7, RFC 6533 6).
"""

from collections.abc import Mapping, Sequence

from postroom.base.tokens import url_text_length
from postroom.mail.parse import Part, long_line, slices
from postroom.outbound.pixel import tag_around
from postroom.outbound.plan import Encoding, FieldPlan, PartFlag, PartPlan, SlotKind
from postroom.outbound.texts import ENCODINGS

_ENCODED_MESSAGES = frozenset({
    b"message/global", b"message/global-headers", b"message/global-delivery-status",
    b"message/global-disposition-notification",
})  # fmt: skip


def flag_long_edits(raw: bytes, plans: Mapping[int, PartPlan], tracking_url: str) -> dict[int, PartPlan]:
    """Mark the parts in which our own URLs make a line too long."""
    return {
        number: plan._replace(flags=plan.flags | PartFlag.HAS_LONG_LINE)
        if plan.encoding == Encoding.IDENTITY and _grows_too_long(raw, plan, tracking_url)
        else plan
        for number, plan in plans.items()
    }


def flag_conversions(
    raw: bytes, parts: Sequence[Part], plans: Mapping[int, PartPlan], *, is_report: bool
) -> dict[int, PartPlan]:
    """Mark, and add where they are not there, the parts that some variant needs in another encoding.

    `is_report`: the mail is a report of our own.
    """
    flagged = dict(plans)
    for number, part in enumerate(parts):
        encoding = ENCODINGS.get(part.encoding)
        if part.is_sealed or encoding is None:
            continue
        flags = PartFlag(0)
        if not part.is_leaf:
            if part.encoding != b"7bit" and not is_ascii_span(raw, part.start, part.end):
                flags = PartFlag.HAS_8BIT
            encoding = Encoding.MULTIPART
        elif is_report and part.media_type == b"message/rfc822":
            if not is_ascii_span(raw, part.start, part.end):
                flagged[number] = _returned_plan(part)
        elif part.media_type in _ENCODED_MESSAGES or not part.media_type.startswith((b"message/", b"multipart/")):
            if long_line(raw, part.start, part.end) >= 0:
                flags |= PartFlag.HAS_LONG_LINE
            if encoding is not Encoding.BASE64 and not is_ascii_span(raw, part.start, part.end):
                flags |= PartFlag.HAS_8BIT
        if flags:
            plan = flagged.get(number) or _plan(part, encoding)
            flagged[number] = plan._replace(flags=plan.flags | flags)
    return flagged


def has_utf8_fields(raw: bytes, fields: Sequence[FieldPlan], parts: Sequence[Part]) -> bool:
    """Tell whether a header field of the mail or of a part holds octets above 127 (RFC 6532)."""
    spans = [(start, end) for start, end, _ in fields]
    spans += [(part.header_start, part.header_end) for part in parts if part.parent >= 0]
    return not all(raw[start:end].isascii() for start, end in spans)


def is_ascii_span(raw: bytes, start: int, end: int) -> bool:
    """Tell whether [start, end) holds no octet above 127."""
    return all(raw[first:last].isascii() for first, last in slices(raw, start, end))


def _plan(part: Part, encoding: Encoding) -> PartPlan:
    is_text = part.media_type.startswith(b"text/") or part.media_type in _ENCODED_MESSAGES
    flags = PartFlag.IS_TEXT if is_text else PartFlag(0)
    return PartPlan(part.start, part.end, encoding, flags, "ascii", *part.encoding_span, [])


def _returned_plan(part: Part) -> PartPlan:
    return PartPlan(
        part.start, part.end, Encoding.IDENTITY, PartFlag.IS_RETURNED, "ascii", part.header_start, part.header_end, []
    )


def _grows_too_long(raw: bytes, plan: PartPlan, tracking_url: str) -> bool:
    pixel = len("".join(tag_around(tracking_url)))
    written = bytearray()
    position = plan.start
    for start, end, kind, place in plan.edits:
        around = pixel if kind == SlotKind.PIXEL else len(tracking_url) + len(' href="/u/"')
        written += raw[position:start] + b"x" * (around + url_text_length(place))
        position = end
    written += raw[position : plan.end]
    return long_line(bytes(written), 0, len(written)) >= 0
