"""A mail's HTML as its frame gets it: like the mail, and unable to do anything; and its files as downloads.

Three walls stand around it, each enough alone: the frame's `sandbox` gives it
an origin of nobody (no scripts, no forms, no navigation of the page around
it, no cookies), the same stands in the answer's own Content-Security-Policy,
so also when it is opened by itself, and that policy allows images and style
and nothing else. So the HTML is not cleaned: it looks as its recipient sees it.

Two things change: links open in a tab of their own, and `cid:` images come
from the mail's parts. The bytes that are kept stay as they are.
"""

import base64
import re
from collections.abc import Callable, Sequence

from litestar import Response

from postroom.mail.reading import File, content_id_of, part_bytes
from postroom.net.download import disposition

SANDBOX = "allow-popups allow-popups-to-escape-sandbox"
"""What the frame may: a link opens a tab, and that tab is a page like any other."""

CSP = (
    "default-src 'none'; img-src http: https: data:; style-src 'unsafe-inline'; font-src data:; base-uri 'none'; "
    f"form-action 'none'; frame-ancestors 'self'; sandbox {SANDBOX}"
)
CLOSED_CSP = CSP.replace("img-src http: https: data:", "img-src data:")
"""Of a mail that a stranger wrote: a picture from elsewhere would tell him that somebody looks."""
PART_CSP = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""Of a part, should it be opened by itself: an SVG is a document with scripts."""

IMAGES = frozenset(
    {"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp", "image/svg+xml", "image/x-icon"}
)
"""What a mail may show from its own parts, with the type as it says."""

# Also where it is no tag (in a comment, in a value): our attributes have no quotes, so they end nothing there.
_MOST_OWN_BYTES = 8 << 20
"""Of pictures that a mail brings: they stand in its HTML."""
_LINK = re.compile(r"<(a|area)(?=[\s/>])", re.IGNORECASE)
# A parser takes the first of two attributes of one name: ours. The blank behind: `<a/href=…>` is a tag too.
_OURS = r"<\1 target=_blank rel=noopener "
_CID = re.compile(r"\bcid:([^\s\"'<>()\\]{1,300})", re.IGNORECASE)
_DARK_STYLE = re.compile(r"prefers-color-scheme\s*:\s*dark", re.IGNORECASE)


def frame_html(text: str, part_address: Callable[[str], str | None]) -> bytes:
    """Return the HTML for the frame, in UTF-8.

    `part_address` answers a Content-ID with the address of that part, None where there is none.
    """

    def image(match: re.Match[str]) -> str:
        return part_address(content_id_of(match[1])) or match[0]

    return _CID.sub(image, _LINK.sub(_OURS, text)).encode("utf-8", "replace")


def own_pictures(raw: bytes, files: Sequence[File]) -> Callable[[str], str | None]:
    """Return what answers a Content-ID with that picture of the mail itself, as a `data:` address."""
    room = [_MOST_OWN_BYTES]

    def address(content_id: str) -> str | None:
        file = next((one for one in files if one.content_id == content_id and one.media_type in IMAGES), None)
        if file is None or file.size_bytes > room[0]:
            return None
        found = part_bytes(raw, file.number)
        room[0] -= file.size_bytes
        return f"data:{file.media_type};base64,{base64.b64encode(found[1]).decode()}" if found is not None else None

    return address


def answer(body: bytes, media_type: str, csp: str) -> Response[bytes]:
    """Answer a piece of a mail, kept by nobody and under its own policy."""
    fields = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": csp,
        "Referrer-Policy": "no-referrer",
        "X-DNS-Prefetch-Control": "off",
    }
    return Response(body, media_type=media_type, headers=fields)


def download(content: bytes, name: str) -> Response[bytes]:
    """Answer a file of a mail as a download that no browser opens by itself."""
    response = answer(content, "application/octet-stream", PART_CSP)
    response.headers["Content-Disposition"] = disposition(name)
    return response


def has_dark_style(text: str) -> bool:
    """Tell whether a mail brings a style for dark screens of its own."""
    return _DARK_STYLE.search(text) is not None
