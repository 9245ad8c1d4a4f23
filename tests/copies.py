"""Copies of a mail and an independent reading of them: what the tests of compile and render share.

The oracle reads with the standard library's `email` and with selectolax; it
knows nothing of offsets, segments and plans.
"""

import base64
import binascii
import email
import email.message
import re
from collections.abc import Iterator
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser

from postroom.base.tokens import TokenKeys, TokenKind
from postroom.outbound.compile import Compiled, CompileOptions, Findings, compile_content
from postroom.outbound.links import target_of
from postroom.outbound.render import Copy, MessageValues, RecipientValues, render
from postroom.outbound.segments import Variant
from postroom.outbound.submission import Track

URL = "https://go.example.com"
KEYS = TokenKeys({7: b"k" * 32})
MESSAGE = MessageValues(7, "rp.example.com", (b"Received: by mx.example.com with ESMTP id msg_1\r\n",), "tag:bulk:w:d")
RECIPIENTS = [RecipientValues(1_000_000_007 + number) for number in range(5)]
EVERYTHING = Track.OPENS | Track.CLICKS | Track.TEXT_CLICKS

LINK = b'<a href="http://example.com/?a=1&amp;b=2">x</a>'
HTML = b"<html><body>\r\n<p>Hello</p>\r\n" + LINK + b"\r\n</body></html>\r\n"
"""An HTML text with one link."""

OUR_URL = re.compile(rb"https://go\.example\.com/([cu])/([A-Za-z0-9_-]{27,28})")
PIXEL = re.compile(
    rb'<img src="https://go\.example\.com/o/([A-Za-z0-9_-]{27})\.png" width="1" height="1" alt="" border="0">'
)


def compiled(raw: bytes, track: Track = EVERYTHING, **options: bool) -> tuple[Compiled, Findings]:
    """Compile with the tests' tracking URL."""
    return compile_content(raw, CompileOptions(URL, track, **options))


def copy_of(
    content: Compiled, recipient: RecipientValues = RECIPIENTS[0], variant: Variant = Variant.EIGHT_BIT
) -> Copy:
    """Render with the tests' keys."""
    return render(content, MESSAGE, recipient, KEYS, variant)


def mail(body: bytes, *fields: bytes, subject: bytes = b"s") -> bytes:
    """Return a mail of an author with the given further raw fields (without CRLF)."""
    head = [b"From: a@example.com", b"To: b@example.net", b"Subject: " + subject, b"MIME-Version: 1.0", *fields]
    return b"\r\n".join([*head, b"", b""]) + body


def multipart(kind: bytes, *parts: bytes, boundary: bytes = b"=_b") -> bytes:
    """Return a multipart mail of raw entities."""
    body = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"
    return mail(body, b"Content-Type: multipart/" + kind + b'; boundary="' + boundary + b'"')


def part(content: bytes, media_type: bytes = b"text/html", *fields: bytes) -> bytes:
    """Return an entity with its header."""
    return b"\r\n".join([b"Content-Type: " + media_type, *fields, b"", content])


def soft(content: bytes) -> bytes:
    """Return quoted-printable text."""
    return binascii.b2a_qp(content).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def lines_of(content: bytes) -> bytes:
    """Return base64 lines."""
    return base64.encodebytes(content).replace(b"\n", b"\r\n")


def html_mail(html: bytes, charset: bytes = b"utf-8", encoding: bytes = b"8bit") -> bytes:
    """Return a mail of one HTML part; `html` is already encoded."""
    return mail(html, b"Content-Type: text/html; charset=" + charset, b"Content-Transfer-Encoding: " + encoding)


def newsletters(corpora: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the corpus' newsletters as a client sends them: CRLF, no mbox line."""
    for path in sorted((corpora / "newsletters").glob("*.eml")):
        raw = path.read_bytes()
        if raw.startswith(b"From "):
            raw = raw.partition(b"\n")[2]
        yield path.name, re.sub(rb"\r\n|\r|\n", b"\r\n", raw)


def templates(corpora: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the corpus' HTML templates, CRLF."""
    for path in sorted((corpora / "templates").rglob("*.html")):
        yield path.name, re.sub(rb"\r\n|\r|\n", b"\r\n", path.read_bytes())


def leaves(raw: bytes) -> list[email.message.Message]:
    """Return the leaves of a mail as the standard library sees them."""
    return [part for part in email.message_from_bytes(raw).walk() if not part.is_multipart()]


def decoded(part: email.message.Message) -> bytes:
    """Return a leaf's content without its transfer encoding."""
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload


def tokens_in(text: bytes, recipient: RecipientValues) -> list[int]:
    """Return the positions of all click tokens in a decoded text; each must be the recipient's."""
    positions = []
    for letter, text_token in OUR_URL.findall(text):
        kind = TokenKind.CLICK if letter == b"c" else TokenKind.UNSUBSCRIBE
        token = KEYS.check_url_text(kind, text_token.decode())
        assert token is not None
        assert token.recipient_id == recipient.recipient_id
        if letter == b"c":
            positions.append(token.position)
    return positions


def assert_only_spans_differ(original: bytes, changed: bytes, targets: tuple[str, ...], codec: str = "utf-8") -> None:
    """Assert that `changed` is `original` but for our URLs in the place of links of these targets, and a pixel."""
    without_pixel = PIXEL.sub(b"", changed)
    position = behind = 0
    matches = list(OUR_URL.finditer(without_pixel))
    for number, match in enumerate(matches):
        constant = without_pixel[behind : match.start()]
        assert original.startswith(constant, position), (constant[-60:], original[position : position + 60])
        position += len(constant)
        behind = match.end()
        end = matches[number + 1].start() if number + 1 < len(matches) else len(without_pixel)
        position = _end_of_value(original, position, without_pixel[behind:end], match, targets, codec)
    assert original[position:] == without_pixel[behind:]


def _end_of_value(
    original: bytes, start: int, following: bytes, match: re.Match[bytes], targets: tuple[str, ...], codec: str
) -> int:
    if match[1] == b"u":
        placeholder = re.compile(rb"(?:https?://)?(?:\{\{|%7B%7B) ?unsubscribe_url ?(?:\}\}|%7D%7D)").match(
            original, start
        )
        assert placeholder
        return placeholder.end()
    token = KEYS.check_url_text(TokenKind.CLICK, match[2].decode())
    assert token is not None
    end = original.find(following, start)
    while end >= 0:
        value = original[start:end].decode(codec, "replace")
        if targets[token.position] in (href_meaning(value), value):
            return end
        end = original.find(following, end + 1)
    raise AssertionError(f"no value of {targets[token.position]!r} at {original[start : start + 80]!r}")


def href_meaning(value: str) -> str | None:
    """Return the URL that a browser follows for an attribute value, by selectolax."""
    node = LexborHTMLParser('<a href="' + value.replace('"', "&quot;") + '">').css_first("a")
    href = node.attributes.get("href") if node else None
    return target_of(href) if href else None


def hrefs(html: str) -> set[str]:
    """Return the http and https targets of all `a` and `area` of a text, by selectolax."""
    found = (node.attributes.get("href") for node in LexborHTMLParser(html).css("a[href], area[href]"))
    return {target for href in found if href and (target := target_of(href))}
