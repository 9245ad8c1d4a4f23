"""From a plan to segments: each part in the encoding that its variant needs, each edit as constants and a slot.

Encodings: RFC 2045 6.7 and 6.8; when one has to change: RFC 6152 3, RFC 5321 4.5.3.1.6.
"""

from collections.abc import Callable

from postroom.base.tokens import TokenKind
from postroom.mail.parse import LINE_LIMIT, long_line
from postroom.mail.transfer_encoding import (
    MAX_LINE,
    base64_line_length,
    break_lines,
    end_softly,
    read_base64,
    read_quoted_printable,
    write_base64,
    write_quoted_printable,
)
from postroom.outbound.pixel import tag_around
from postroom.outbound.plan import Edit, Encoding, FieldRole, PartFlag, PartPlan, Plan, SlotKind
from postroom.outbound.segments import Base64Slot, Segments, SegmentsBuilder, TokenSlot, Variant

_Around = dict[int, tuple[str, str]]

_WHITE = b" \t\r\n"
_TOKEN_KINDS = {
    SlotKind.CLICK: TokenKind.CLICK,
    SlotKind.PIXEL: TokenKind.OPEN,
    SlotKind.UNSUBSCRIBE: TokenKind.UNSUBSCRIBE,
    SlotKind.UNSUBSCRIBE_HREF: TokenKind.UNSUBSCRIBE,
}
_ENCODING_FIELDS = {
    Encoding.QUOTED_PRINTABLE: b"Content-Transfer-Encoding: quoted-printable\r\n",
    Encoding.BASE64: b"Content-Transfer-Encoding: base64\r\n",
    Encoding.MULTIPART: b"Content-Transfer-Encoding: 7bit\r\n",
}


def materialise(raw: bytes, plan: Plan, variant: Variant) -> Segments:
    """Make the segments of a variant. The same arguments give the same bytes."""
    builder = SegmentsBuilder(raw)
    around = _around(plan.tracking_url)
    position = plan.body_start
    top_field = b""
    for part in plan.parts:
        if part.flags & PartFlag.IS_RETURNED:
            if variant is Variant.SEVEN_BIT:
                builder.raw_span(position, part.field_start)
                builder.text(_returned_header(raw[part.start : part.end]))
                position = part.end
            continue
        changes = _must_change(part, variant)
        if changes and part.encoding in (Encoding.IDENTITY, Encoding.MULTIPART):
            field = _ENCODING_FIELDS[_other_encoding(part)]
            if part.field_start < plan.body_start:
                top_field = field
            else:
                builder.raw_span(position, part.field_start)
                builder.text(field)
                position = part.field_end
        if part.encoding != Encoding.MULTIPART:
            builder.raw_span(position, part.start)
            _add_part(builder, part, around, changes=changes)
            position = part.end
    builder.raw_span(position, len(raw))
    header, to_index, message_id_index = _header(raw, plan, top_field)
    return builder.finish(header, to_index, message_id_index)


def _returned_header(mail: bytes) -> bytes:
    """Return the part that returns a mail's header (RFC 6522 4), with its own header."""
    header = mail[: mail.find(b"\r\n\r\n") + 2] or mail
    encoding = b"7bit" if header.isascii() else b"quoted-printable"
    written = header if header.isascii() else write_quoted_printable(header)
    return b"Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + written


def _around(tracking_url: str) -> _Around:
    """Return what stands before and behind the token of each kind of slot."""
    return {
        SlotKind.CLICK: (f"{tracking_url}/c/", ""),
        SlotKind.PIXEL: tag_around(tracking_url),
        SlotKind.UNSUBSCRIBE: (f"{tracking_url}/u/", ""),
        SlotKind.UNSUBSCRIBE_HREF: (f' href="{tracking_url}/u/', '"'),
    }


def _must_change(part: PartPlan, variant: Variant) -> bool:
    return bool(
        part.flags & PartFlag.HAS_LONG_LINE or (variant is Variant.SEVEN_BIT and part.flags & PartFlag.HAS_8BIT)
    )


def _other_encoding(part: PartPlan) -> Encoding:
    """Return the encoding of a part that has to change; those of quoted-printable and base64 are written anew."""
    if part.encoding != Encoding.IDENTITY:
        return Encoding(part.encoding)
    return Encoding.QUOTED_PRINTABLE if part.flags & PartFlag.IS_TEXT else Encoding.BASE64


def _add_part(builder: SegmentsBuilder, part: PartPlan, around: _Around, *, changes: bool) -> None:
    encoding = _other_encoding(part) if changes else part.encoding
    if part.encoding == Encoding.BASE64:
        _add_base64(builder, part, around)
    elif encoding == Encoding.BASE64:
        builder.text(write_base64(builder.raw[part.start : part.end]))
    elif encoding == Encoding.IDENTITY:
        _add_identity(builder, part, around)
    elif not changes:
        _add_quoted_printable(builder, part, around, _as_it_is)
    elif part.encoding == Encoding.IDENTITY:
        _add_quoted_printable(builder, part, around, write_quoted_printable)
    else:
        _add_quoted_printable(builder, part, around, _written_anew)


def _as_it_is(raw: bytes) -> bytes:
    return raw


def _written_anew(raw: bytes) -> bytes:
    return write_quoted_printable(read_quoted_printable(raw).content)


def _slot(edit: Edit, codec: str) -> TokenSlot:
    return TokenSlot(_TOKEN_KINDS[SlotKind(edit.kind)], edit.position, codec)


def _add_identity(builder: SegmentsBuilder, part: PartPlan, around: _Around) -> None:
    position = part.start
    for edit in part.edits:
        before, behind = around[edit.kind]
        builder.raw_span(position, edit.start)
        builder.text(before.encode("ascii"))
        builder.slot(_slot(edit, "ascii"))
        builder.text(behind.encode("ascii"))
        position = edit.end
    builder.raw_span(position, part.end)


def _add_quoted_printable(
    builder: SegmentsBuilder, part: PartPlan, around: _Around, written: Callable[[bytes], bytes]
) -> None:
    """Add a part whose edits stand between soft line breaks; `written` encodes the constants."""
    position = part.start
    for edit in part.edits:
        before, behind = around[edit.kind]
        slot = _slot(edit, "ascii")
        constant = written(builder.raw[position : edit.start])
        if constant.endswith(b"="):
            # A stray `=` before a soft break: readers disagree about `==`.
            constant += b"3D"
        builder.text(end_softly(constant))
        builder.text(_room_for(slot, write_quoted_printable(before.encode("ascii"))))
        builder.slot(slot)
        if behind:
            builder.text(b"=\r\n" + write_quoted_printable(behind.encode("ascii")))
        position = edit.end
        if not builder.raw.startswith(b"\r\n", position, part.end):
            builder.text(b"=\r\n")
    builder.text(written(builder.raw[position : part.end]))


def _room_for(slot: TokenSlot, line: bytes) -> bytes:
    """Return the line, broken where the token and its soft break would take it above 76."""
    column = len(line) - line.rfind(b"\n") - 1
    return line if column + slot.length() < MAX_LINE else end_softly(line)


def _add_base64(builder: SegmentsBuilder, part: PartPlan, around: _Around) -> None:
    raw = builder.raw[part.start : part.end]
    tail = raw[len(raw.rstrip(_WHITE)) :]
    content = read_base64(raw)
    if content is None or not part.edits:
        builder.text(break_lines(raw.translate(None, _WHITE)) + tail)
        return
    line_length = base64_line_length(raw)
    width = line_length // 4 * 3
    written = bytearray()
    slots: list[tuple[int, TokenSlot]] = []
    position = 0
    for edit in part.edits:
        before, behind = around[edit.kind]
        slot = _slot(edit, part.codec)
        written += content[position : edit.start] + before.encode(part.codec)
        slots.append((len(written), slot))
        written += bytes(slot.length()) + behind.encode(part.codec)
        position = edit.end
    written += content[position:]
    position = 0
    for start, end, touching in _touched_lines(slots, width):
        end = min(end, len(written))
        if start > position:
            builder.text(write_base64(bytes(written[position:start]), line_length) + b"\r\n")
        builder.slot(Base64Slot(_parts(bytes(written), start, end, touching), line_length))
        if end < len(written):
            builder.text(b"\r\n")
        position = end
    builder.text(write_base64(bytes(written[position:]), line_length) + tail)


def _touched_lines(
    slots: list[tuple[int, TokenSlot]], width: int
) -> list[tuple[int, int, list[tuple[int, TokenSlot]]]]:
    """Return the runs of whole lines, as decoded spans, that tokens stand in, with their tokens."""
    runs: list[tuple[int, int, list[tuple[int, TokenSlot]]]] = []
    for offset, slot in slots:
        start = offset // width * width
        end = -(-(offset + slot.length()) // width) * width
        if runs and start < runs[-1][1]:
            first, last, touching = runs.pop()
            start, end, touching = first, max(last, end), [*touching, (offset, slot)]
        else:
            touching = [(offset, slot)]
        runs.append((start, end, touching))
    return runs


def _parts(
    written: bytes, start: int, end: int, touching: list[tuple[int, TokenSlot]]
) -> tuple[bytes | TokenSlot, ...]:
    parts: list[bytes | TokenSlot] = []
    for offset, slot in touching:
        parts += [written[start:offset], slot]
        start = offset + slot.length()
    return (*parts, written[start:end])


def _header(raw: bytes, plan: Plan, top_field: bytes) -> tuple[tuple[bytes, ...], int, int]:
    """Return the author's fields with the places of To and Message-ID of a recipient's own."""
    fields: list[bytes] = []
    places = {FieldRole.TO: -1, FieldRole.MESSAGE_ID: -1}
    for start, end, role in plan.fields:
        if role in (FieldRole.TO, FieldRole.MESSAGE_ID):
            if places[FieldRole(role)] < 0:
                places[FieldRole(role)] = len(fields)
                fields.append(b"")
        elif role == FieldRole.ENCODING and top_field:
            fields.append(top_field)
            top_field = b""
        else:
            field = raw[start:end]
            fields.append(_fold(field) if role == FieldRole.LONG else field)
    if top_field:
        fields += [top_field] if plan.has_mime_version else [b"MIME-Version: 1.0\r\n", top_field]
    if plan.is_personal:
        for role, place in places.items():
            if place < 0:
                places[role] = len(fields)
                fields.append(b"")
    return tuple(fields), places[FieldRole.TO], places[FieldRole.MESSAGE_ID]


def _fold(field: bytes) -> bytes:
    """Fold a field at white space so that no line is above 998 octets (RFC 5322 2.2.3), where that is possible."""
    lines = []
    position = 0
    while long_line(field, position, len(field)) == position:
        cut = max(field.rfind(white, position + 1, position + LINE_LIMIT) for white in (b" ", b"\t"))
        if cut < 0 or not field[position:cut].strip():
            break
        lines.append(field[position:cut])
        position = cut
    return b"\r\n".join([*lines, field[position:]])
