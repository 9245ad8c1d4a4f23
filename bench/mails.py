"""Mails for the load: every one with a body and URLs of its own, made by one join.

A mail is multipart/alternative with a plain part and an HTML part in
quoted-printable, as an application's library writes it. Eight digits, the
mail's number, stand at many places: header, paragraphs, and every URL.
"""

from dataclasses import dataclass

_MARK = b"@@@@@@@@"
_BOUNDARY = b"=_bench_boundary_7f3a"
AUTHOR = "news@bench.test"
AUTHOR_DOMAIN = "bench.test"


@dataclass(frozen=True, slots=True)
class Template:
    """A mail with gaps for its number."""

    parts: tuple[bytes, ...]
    links: int

    def mail(self, number: int) -> bytes:
        """Return mail `number` with CRLF line ends; no line begins with a dot."""
        return (b"%08d" % number).join(self.parts)

    def targets(self, number: int) -> list[str]:
        """Return the URLs of mail `number` as their author wrote them, in order."""
        return [_target(position).replace(_MARK.decode(), f"{number:08d}") for position in range(self.links)]


def template(size_bytes: int, links: int = 8) -> Template:
    """Return a template whose mails have exactly `size_bytes`."""
    head = _HEAD + b"".join(_link(position) for position in range(links))
    room = size_bytes - len(head) - len(_TAIL)
    if room < 0:
        raise ValueError(f"{links} links do not fit into {size_bytes} bytes")
    count = room // len(_PARAGRAPH)
    middle = _PARAGRAPH * count
    rest = room - len(middle)
    padding = (
        b"<!--" + b"x" * (rest - 9) + b"-->\r\n" if rest >= 9 else b" " * max(0, rest - 2) + b"\r\n"[: min(rest, 2)]
    )
    whole = head + middle + _wrapped(padding) + _TAIL
    # Wrapping adds a line end for each 70 letters: taken off the padding again.
    over = len(whole) - size_bytes
    whole = whole.replace(b"x" * over, b"", 1) if over > 0 else whole
    return Template(tuple(whole.split(_MARK)), links)


def _target(position: int) -> str:
    return f"https://shop.bench.test/offers/@@@@@@@@/{position:02d}?utm_source=newsletter&id=@@@@@@@@&n={position:02d}"


def _link(position: int) -> bytes:
    return (
        b'<p>Offer %02d: <a href=3D"https://shop.bench.test/offers/@@@@@@@@/%02d?utm_so=\r\n'
        b'urce=3Dnewsletter&amp;id=3D@@@@@@@@&amp;n=3D%02d">offer %02d</a> =C3=A9</p>\r\n'
    ) % (position, position, position, position)


def _wrapped(padding: bytes) -> bytes:
    return b"".join(
        padding[start : start + 70] + (b"\r\n" if start + 70 < len(padding) else b"")
        for start in range(0, len(padding), 70)
    )


_HEAD = (
    b"From: Bench Shop <news@bench.test>\r\n"
    b"To: Reader @@@@@@@@ <user@@@@@@@@@sink.test>\r\n"
    b"Subject: Your order @@@@@@@@ is on its way\r\n"
    b"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
    b"Message-ID: <order.@@@@@@@@@bench.test>\r\n"
    b"MIME-Version: 1.0\r\n"
    b'Content-Type: multipart/alternative; boundary="' + _BOUNDARY + b'"\r\n'
    b"\r\n"
    b"--" + _BOUNDARY + b"\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n"
    b"\r\n"
    b"Hello, your order @@@@@@@@ is on its way. Caf=C3=A9.\r\n"
    b"\r\n"
    b"--" + _BOUNDARY + b"\r\n"
    b"Content-Type: text/html; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n"
    b"\r\n"
    b'<!DOCTYPE html><html><head><meta charset=3D"utf-8"></head>\r\n'
    b"<body><h1>Your order @@@@@@@@</h1>\r\n"
)
_PARAGRAPH = (
    b'<p style=3D"margin:0">Item of order @@@@@@@@, packed with care by our people in =\r\n'
    b"the warehouse =E2=80=93 thank you for your trust.</p>\r\n"
)
_TAIL = b"</body></html>\r\n--" + _BOUNDARY + b"--\r\n"
