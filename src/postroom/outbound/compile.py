"""Compiling a content: everything that is the same for all of its copies is found out once.

`compile_content` runs when a message is accepted; its plan is stored with the
content. `render` then joins each copy from the segments. Only the URLs of
links, unsubscribe placeholders and one place for the pixel differ between
copies (PRODUCT C1); signed, encrypted, attached and forwarded parts, and text
that cannot be read with certainty, stay as they are.
"""

import functools
import re
from dataclasses import dataclass

import msgspec

from postroom.mail.control_fields import PREFIX, PRIVATE_FIELDS
from postroom.mail.header import split_fields, without
from postroom.mail.parse import LINE_LIMIT, Header, long_line, read_header, walk, with_crlf
from postroom.mail.smtp_reply import SmtpReply
from postroom.outbound.conversions import flag_conversions, flag_long_edits, has_utf8_fields, is_ascii_span
from postroom.outbound.materialise import materialise
from postroom.outbound.plan import VERSION, FieldPlan, FieldRole, PartFlag, Plan, pack_plan, unpack_plan
from postroom.outbound.segments import Segments, Variant, fits_lines, is_seven_bit
from postroom.outbound.submission import Track
from postroom.outbound.texts import find_edits
from postroom.outbound.unsubscribe import DROPPED_FIELDS, REPLACED_FIELDS

REFUSED = SmtpReply(
    554, "5.6.3", "a line is longer than 998 octets in a part that must not be changed (RFC 5321 4.5.3.1.6)"
)
SEVEN_BIT_REFUSED = SmtpReply(
    554, "5.6.3", "the next hop takes no 8-bit mail, and a part of this one must not be changed (RFC 6152 3)"
)


_TRACKING_URL = re.compile(r"https?://[A-Za-z0-9._~:/\[\]-]*[A-Za-z0-9\]]")


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """What the copies of a content depend on beside its bytes; part of the content's key."""

    tracking_url: str
    """Beginning of the public addresses, such as `https://go.example.com`: A-labels, no slash at the end."""
    track: Track
    is_bulk: bool = False
    """The author's List-Unsubscribe, Feedback-ID and CFBL fields are taken out, copies get ours."""
    is_personal: bool = False
    """To and Message-ID are the recipient's own."""
    is_report: bool = False
    """A report of our own about another mail: what it returns may be left out where a hop takes no 8-bit mail."""

    def __post_init__(self) -> None:
        """Refuse an address that could end its attribute or line."""
        if not _TRACKING_URL.fullmatch(self.tracking_url):
            raise ValueError(f"{self.tracking_url!r} is no beginning of public addresses")

    def to_bytes(self) -> bytes:
        """Return the options as bytes for the content's key: equal options, equal bytes."""
        facts = (VERSION, self.tracking_url, self.track.value, self.is_bulk, self.is_personal)
        # Keys of what is stored stay as they are: only a report's says more.
        return msgspec.msgpack.encode((*facts, True) if self.is_report else facts)


@dataclass(frozen=True, slots=True)
class Findings:
    """What `accept` wants to know of a content at once; not kept in the plan."""

    links: tuple[str, ...]
    """The targets by position, byte-equal to what the author wrote."""
    refused: SmtpReply | None
    """Why no copy may leave at all, or None."""
    unsubscribe_fields: tuple[bytes, ...]
    """The author's own List-Unsubscribe and -Post as raw fields, where ours replace them."""
    reply_to_fields: tuple[bytes, ...]
    """The author's own Reply-To as raw fields, where ours replaces it."""
    left_alone: tuple[str, ...]
    """Texts that could not be read and go untracked: media type and charset or encoding."""


class Compiled:
    """A content with its plan. Segments are made when first needed and kept; threads may share it."""

    def __init__(self, raw: bytes, plan: Plan) -> None:
        self.raw = raw
        """The content; CRLF lines, and one at the end."""
        self.plan = plan
        self._segments: dict[Variant, Segments] = {}

    def segments(self, variant: Variant) -> Segments:
        """Return the pieces of a variant's copies."""
        if not self.plan.needs_8bit:
            variant = Variant.EIGHT_BIT
        segments = self._segments.get(variant)
        if segments is None:
            segments = self._segments[variant] = materialise(self.raw, self.plan, variant)
        return segments

    @property
    def needs_8bit(self) -> bool:
        """Whether the body has octets above 127: a hop without 8BITMIME gets the 7-bit variant."""
        return self.plan.needs_8bit

    @property
    def needs_smtputf8(self) -> bool:
        """Whether header fields hold raw UTF-8 (RFC 6532): a hop without SMTPUTF8 cannot take it (5.6.7)."""
        return self.plan.needs_smtputf8

    @property
    def has_date(self) -> bool:
        """Whether the content has a Date field of its own."""
        return self.plan.has_date

    @property
    def has_message_id(self) -> bool:
        """Whether the content has a Message-ID field of its own."""
        return self.plan.has_message_id

    @functools.cached_property
    def seven_bit_refused(self) -> SmtpReply | None:
        """Why there is no 7-bit variant (a signed or forwarded part has octets above 127), or None."""
        if not self.needs_8bit or is_seven_bit(self.segments(Variant.SEVEN_BIT)):
            return None
        return SEVEN_BIT_REFUSED

    @property
    def header(self) -> list[bytes]:
        """The author's raw header fields that go into the copies."""
        return [self.raw[start:end] for start, end, _ in self.plan.fields]

    def to_plan(self) -> bytes:
        """Return what `from_plan` needs beside the content."""
        return pack_plan(self.plan)


def compile_content(raw: bytes, options: CompileOptions) -> tuple[Compiled, Findings]:
    """Compile a whole mail. Any bytes are allowed.

    Keep `compiled.raw` with the plan, not `raw`: bare CR and LF have become CRLF.
    """
    raw, header = _read(raw)
    fields, replaced, reply_to = _fields(raw, header, options)
    parts = walk(raw, header)
    texts = find_edits(raw, parts, options.track)
    is_ascii = raw.isascii()
    plans = flag_long_edits(raw, texts.plans, options.tracking_url)
    has_long_line = long_line(raw, 0, len(raw)) >= 0
    if has_long_line or not is_ascii:
        plans = flag_conversions(raw, parts, plans, is_report=options.is_report)
    names = {field.name for field in header.fields}
    plan = Plan(
        VERSION,
        len(raw),
        options.tracking_url,
        options.track.value,
        options.is_bulk,
        options.is_personal,
        b"mime-version" in names,
        b"date" in names,
        b"message-id" in names,
        header.body_start,
        fields,
        [plans[number] for number in sorted(plans)],
        not is_ascii and not is_ascii_span(raw, header.body_start, len(raw)),
        not is_ascii and has_utf8_fields(raw, fields, parts),
    )
    compiled = Compiled(raw, plan)
    findings = Findings(
        tuple(texts.found.targets),
        _refusal(compiled, has_long_line=has_long_line),
        replaced,
        reply_to,
        tuple(texts.left_alone),
    )
    return compiled, findings


def from_plan(raw: bytes, plan: bytes) -> Compiled:
    """Return the compiled content of `Compiled.raw` and `Compiled.to_plan()`.

    Raises ValueError when the plan is of another content or another version.
    """
    unpacked = unpack_plan(plan)
    if unpacked.size != len(raw):
        raise ValueError(f"the plan is of a content of {unpacked.size} octets, not {len(raw)}")
    return Compiled(raw, unpacked)


def _read(raw: bytes) -> tuple[bytes, Header]:
    raw = with_crlf(raw)
    header = read_header(raw, 0, len(raw))
    if header.end == header.body_start < len(raw):
        # A line that is no field ends the header; Bcc behind it must not leave with the body.
        empty_line = raw.find(b"\r\n\r\n", header.end)
        rest = empty_line + 2 if empty_line >= 0 else len(raw)
        lines = split_fields(raw[header.end : rest])
        kept = without(lines, PRIVATE_FIELDS, prefixes=(PREFIX,))
        if len(kept) < len(lines):
            raw = b"".join([raw[: header.end], *kept, raw[rest:]])
    return raw, header


def _fields(
    raw: bytes, header: Header, options: CompileOptions
) -> tuple[list[FieldPlan], tuple[bytes, ...], tuple[bytes, ...]]:
    """Return the fields that stay, the author's List-Unsubscribe fields and the author's Reply-To."""
    kept: list[FieldPlan] = []
    replaced: list[bytes] = []
    reply_to: list[bytes] = []
    roles = {b"content-transfer-encoding": FieldRole.ENCODING}
    if options.is_personal:
        roles |= {b"to": FieldRole.TO, b"message-id": FieldRole.MESSAGE_ID}
    dropped = set(PRIVATE_FIELDS)
    if options.is_bulk:
        dropped |= DROPPED_FIELDS | REPLACED_FIELDS
    if Track.REPLIES in options.track:
        dropped.add(b"reply-to")
    for name, start, end in header.fields:
        if name in dropped:
            if name in REPLACED_FIELDS:
                replaced.append(raw[start:end])
            elif name == b"reply-to":
                reply_to.append(raw[start:end])
        elif not name.startswith(PREFIX):
            role = roles.get(name, FieldRole.KEPT)
            if end - start > LINE_LIMIT and role is FieldRole.KEPT and long_line(raw, start, end) >= 0:
                role = FieldRole.LONG
            kept.append(FieldPlan(start, end, role))
    return kept, tuple(replaced), tuple(reply_to)


def _refusal(compiled: Compiled, *, has_long_line: bool) -> SmtpReply | None:
    """Say why no copy may leave; only mails with long lines are looked at."""
    if not has_long_line and not any(part.flags & PartFlag.HAS_LONG_LINE for part in compiled.plan.parts):
        return None
    return None if fits_lines(compiled.segments(Variant.EIGHT_BIT)) else REFUSED
