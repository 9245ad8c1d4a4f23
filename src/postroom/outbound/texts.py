"""Finding what differs between copies in the text parts of a mail.

Touched are leaves of text/html and text/plain that are shown as text: nothing
inside of signed or encrypted multiparts, no attachment, no forwarded message,
no OpenPGP text (RFC 1847, RFC 8551, RFC 9580).
"""

from postroom.mail.charset import CharsetKind, charset, view
from postroom.mail.html_spans import MAX_LENGTH
from postroom.mail.parse import Part
from postroom.mail.transfer_encoding import QuotedPrintable, read_base64, read_quoted_printable
from postroom.outbound.links import Found, edit_html, edit_text
from postroom.outbound.pixel import best_html
from postroom.outbound.plan import Edit, Encoding, PartFlag, PartPlan
from postroom.outbound.submission import Track

ENCODINGS = {
    b"7bit": Encoding.IDENTITY,
    b"8bit": Encoding.IDENTITY,
    b"binary": Encoding.IDENTITY,
    b"quoted-printable": Encoding.QUOTED_PRINTABLE,
    b"base64": Encoding.BASE64,
}
"""Those of RFC 2045 6.1; parts in others stay as they are."""

_MAX_ENCODED = 4 * MAX_LENGTH
"""Octets of an encoded text part that is decoded."""
_PGP = b"-----BEGIN PGP"


def find_edits(raw: bytes, parts: list[Part], track: Track) -> "Texts":
    """Return what is to be changed in the text parts of a mail (`mail.parse.walk`)."""
    texts = Texts(raw, parts, track)
    texts.edit_all()
    return texts


class Texts:
    """The text parts of one mail and what is found in them."""

    def __init__(self, raw: bytes, parts: list[Part], track: Track) -> None:
        self._raw = raw
        self._parts = parts
        self._wants_pixel = Track.OPENS in track
        self._wants_clicks = {b"text/html": Track.CLICKS in track, b"text/plain": Track.TEXT_CLICKS in track}
        self.found = Found()
        """Link targets by position."""
        self.plans: dict[int, PartPlan] = {}
        """By the part's number."""
        self.left_alone: list[str] = []
        """Media type and reason of texts that go untracked."""

    def edit_all(self) -> None:
        """Fill `plans`, `found` and `left_alone`."""
        texts = [number for number, part in enumerate(self._parts) if _is_open_text(part)]
        html = [number for number in texts if self._parts[number].media_type == b"text/html"]
        with_pixel = best_html(self._parts, html) if self._wants_pixel else -1
        for number in texts:
            part = self._parts[number]
            plan = self._edit(part, wants_pixel=number == with_pixel)
            if isinstance(plan, PartPlan):
                self.plans[number] = plan
            elif plan:
                self.left_alone.append(f"{part.media_type.decode('ascii', 'replace')}: {plan}")

    def _edit(self, part: Part, *, wants_pixel: bool) -> PartPlan | str:
        """Return the part's plan, why it is left alone, or nothing where it holds nothing of interest."""
        is_html = part.media_type == b"text/html"
        wants_clicks = self._wants_clicks[part.media_type]
        encoding = ENCODINGS.get(part.encoding)
        if encoding is None or part.end - part.start > _MAX_ENCODED:
            return "too large" if encoding is not None else "unknown Content-Transfer-Encoding"
        body = self._raw[part.start : part.end]
        decoded = read_quoted_printable(body) if encoding is Encoding.QUOTED_PRINTABLE else None
        content = decoded.content if decoded else read_base64(body) if encoding is Encoding.BASE64 else body
        if content is None:
            return "broken base64"
        label = part.parameters.get(b"charset", b"")
        its_charset = charset(label)
        is_wide = its_charset.kind is CharsetKind.WIDE
        if not wants_clicks and not wants_pixel and not is_wide and b"unsubscribe" not in content.lower():
            return ""
        if len(content) > MAX_LENGTH:
            return "too large"
        if _PGP in content:
            return "OpenPGP"
        seen = view(content, its_charset) if not is_wide or encoding is Encoding.BASE64 else None
        if seen is None:
            return f"charset {label.decode('ascii', 'replace')}"
        if is_html:
            edits = edit_html(seen, content, its_charset, self.found, clicks=wants_clicks, pixel=wants_pixel)
        else:
            joins = part.parameters.get(b"delsp", b"").lower() == b"yes"
            edits = edit_text(seen, self.found, clicks=wants_clicks, joins_lines=joins)
        if not edits:
            return ""
        if encoding is Encoding.IDENTITY:
            edits = [Edit(part.start + start, part.start + end, kind, place) for start, end, kind, place in edits]
        elif decoded:
            edits = _raw_edits(decoded, edits, part.start)
        return PartPlan(part.start, part.end, encoding, PartFlag.IS_TEXT, seen.codec, *part.encoding_span, edits)


def _is_open_text(part: Part) -> bool:
    return (
        part.is_leaf
        and not part.is_sealed
        and part.media_type in (b"text/html", b"text/plain")
        and part.disposition != b"attachment"
    )


def _raw_edits(decoded: QuotedPrintable, edits: list[Edit], shift: int) -> list[Edit]:
    spans = decoded.raw_spans([(start, end) for start, end, _, _ in edits])
    return [
        Edit(shift + start, shift + end, kind, position)
        for (start, end), (_, _, kind, position) in zip(spans, edits, strict=True)
    ]
