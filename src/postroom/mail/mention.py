"""Where an address stands in text and in mails, in whatever letter case and encoding; and the text without it.

A mail is searched as it is, with quoted-printable undone (RFC 2045 6.7), with
each run of base64 lines undone (RFC 2045 6.8), with encoded words undone
(RFC 2047), and with percent-encoding undone (RFC 3986 2.1), for links carry
addresses too. The structure of the mail does not matter, so what is nested or
broken is searched as well.
"""

import binascii
import re
from collections.abc import Iterator
from urllib.parse import quote, unquote_to_bytes

from postroom.base.errors import WrongInput
from postroom.mail.address import address_key, domain_of, domain_to_u_labels
from postroom.mail.encoded_words import decode_words

CUT = "(erased)"
"""What stands where an address stood."""

_BASE64_RUN = re.compile(rb"[A-Za-z0-9+/]{16,}={0,2}(?:\r?\n[A-Za-z0-9+/]+={0,2})*")
_LINE_ENDS = re.compile(rb"[\r\n]+")
_ENCODED_WORD = re.compile(rb"=\?[^?\s]{1,40}\?[BbQq]\?[^?]*\?=(?:\r?\n?[ \t]+=\?[^?\s]{1,40}\?[BbQq]\?[^?]*\?=)*")
# Letters of a longer address before, or of a longer domain behind: then it is somebody else's.
_BEFORE, _BEHIND = r"(?<![A-Za-z0-9._+\-])", r"(?![A-Za-z0-9_\-]|\.[A-Za-z0-9])"


class Mention:
    """Finds one address."""

    def __init__(self, address: str) -> None:
        """`address` is a checked one, as `mail.address` compares it or as it was written."""
        key = address_key(address)
        local_part = key.rpartition("@")[0]
        forms = {address, key, f"{local_part}@{_shown_domain(domain_of(key))}"}
        forms |= {quote(form, safe="") for form in forms} | {form.replace("@", "%40") for form in forms}
        self.key = key
        self.forms = tuple(sorted(forms, key=len, reverse=True))
        """What to look for, in any letter case."""
        anyone = "|".join(re.escape(form) for form in self.forms)
        self._text = re.compile(f"{_BEFORE}(?:{anyone}){_BEHIND}", re.IGNORECASE)
        self._bytes = re.compile(
            _BEFORE.encode()
            + b"(?:"
            + b"|".join(re.escape(form.lower().encode()) for form in self.forms)
            + b")"
            + _BEHIND.encode()
        )
        self._first = tuple({form.lower().encode() for form in self.forms})

    def in_text(self, text: str) -> bool:
        """Tell whether a text names it."""
        return self._text.search(text) is not None

    def cut(self, text: str) -> str:
        """Return a text with `CUT` in its place."""
        return self._text.sub(CUT, text)

    def in_mail(self, raw: bytes) -> bool:
        """Tell whether a mail, or any bytes, name it in one of the forms."""
        return any(self._in_bytes(view) for view in _views(raw))

    def _in_bytes(self, raw: bytes) -> bool:
        lower = raw.lower()
        # The plain search is many times faster, and nearly always says no.
        return any(form in lower for form in self._first) and self._bytes.search(lower) is not None


def _views(raw: bytes) -> Iterator[bytes]:
    yield raw
    if b"=" in raw:
        yield binascii.a2b_qp(raw)
    if b"%" in raw:
        yield unquote_to_bytes(raw)
    for word in _ENCODED_WORD.finditer(raw):
        yield decode_words(word[0]).encode()
    for run in _BASE64_RUN.finditer(raw):
        letters = _LINE_ENDS.sub(b"", run[0]).rstrip(b"=")
        # One letter more than whole groups is not of base64; two or three lack their padding.
        whole = letters[: len(letters) - (len(letters) % 4 == 1)]
        content = binascii.a2b_base64(whole + b"=" * (-len(whole) % 4))
        yield content
        if b"=" in content:
            yield binascii.a2b_qp(content)


def _shown_domain(domain: str) -> str:
    try:
        return domain_to_u_labels(domain)
    except WrongInput:
        return domain
