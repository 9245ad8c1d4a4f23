"""What a pixel or a link is answered, where nothing has to be waited for.

The server asks here as soon as a header is whole (`PublicDoor.at_once`), and so
does the ASGI application for requests that come to it another way.
"""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import NamedTuple

from postroom.base.clock import Clock
from postroom.base.ids import IdSource
from postroom.base.tokens import Token, TokenKeys, TokenKind
from postroom.doors.http import public_pages as pages
from postroom.doors.http.server import Asked
from postroom.tracking.clicks import location
from postroom.tracking.hit import Hit, HitKind
from postroom.tracking.hosts import INSTALLATION, Hosts
from postroom.tracking.links import Links
from postroom.tracking.machines import EVIDENCE_FIELDS

Network = IPv4Network | IPv6Network
Fields = list[tuple[bytes, bytes]]

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a"  # signature
    "0000000d49484452 00000001 00000001 08 06 00 00 00 1f15c489"  # IHDR: one by one, 8 bits, RGBA
    "0000000b49444154 78da6360000200000500 01 e9fadcd8"  # IDAT: filter 0 and four zero bytes
    "0000000049454e44 ae426082"  # IEND
)
"""The smallest PNG with one pixel that is wholly transparent (68 bytes)."""

MOST_USER_AGENT = 512
_MOST_FIELD = 128

NO_STORE = (b"cache-control", b"no-store, no-cache, must-revalidate, private, max-age=0")
_PIXEL_FIELDS: Fields = [
    (b"content-type", b"image/png"),
    (b"content-length", str(len(PIXEL)).encode()),
    NO_STORE,
    (b"pragma", b"no-cache"),
    (b"expires", b"0"),
    (b"x-content-type-options", b"nosniff"),
    # Web mail shows our image in its own pages (Cross-Origin-Embedder-Policy asks for this).
    (b"cross-origin-resource-policy", b"cross-origin"),
]
_LINK_FIELDS: Fields = [
    (b"content-length", b"0"),
    NO_STORE,
    (b"referrer-policy", b"no-referrer"),
    (b"x-robots-tag", b"noindex"),
]
_PAGE_FIELDS: Fields = [
    (b"content-type", b"text/html; charset=utf-8"),
    NO_STORE,
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-robots-tag", b"noindex"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
]
_STATUS_LINES = {
    200: b"HTTP/1.1 200 OK",
    307: b"HTTP/1.1 307 Temporary Redirect",
    404: b"HTTP/1.1 404 Not Found",
    405: b"HTTP/1.1 405 Method Not Allowed",
    503: b"HTTP/1.1 503 Service Unavailable",
}


class Answer(NamedTuple):
    """A response that is known as a whole, and the hit that has to be in the spool before it leaves."""

    status: int
    fields: Fields
    body: bytes
    hit: Hit | None = None

    def head(self) -> bytes:
        """Return the response up to where the server adds its own header fields (RFC 9112 4)."""
        fields = b"".join([name + b": " + value + b"\r\n" for name, value in self.fields])
        return _STATUS_LINES[self.status] + b"\r\n" + fields


_PIXEL_HEAD = Answer(200, _PIXEL_FIELDS, PIXEL).head()


class Opened(Answer):
    """The answer to every pixel."""

    __slots__ = ()

    def head(self) -> bytes:
        """Return what is the same for all of them."""
        return _PIXEL_HEAD


class Tracked:
    """Answers pixels and links."""

    def __init__(
        self,
        *,
        keys: TokenKeys,
        hosts: Hosts,
        links: Links,
        ids: IdSource,
        clock: Clock,
        trusted_proxies: Sequence[Network],
    ) -> None:
        self.keys = keys
        """Replaced when a key is added."""
        self._hosts = hosts
        self._links = links
        self._ids = ids
        self._clock = clock
        self._trusted = tuple(trusted_proxies)

    def opened(self, asked: Asked) -> Answer:
        """Return the pixel; it carries a hit where the token is good and the host ours."""
        method = asked.method
        if method != "GET" and method != "HEAD":
            return refused_method(b"GET, HEAD")
        token = self.keys.check_url_text(TokenKind.OPEN, asked.path[3:].removesuffix(".png"))
        hit = None if token is None else self._hit(asked, HitKind.OPEN, token, "")[1]
        return Opened(200, _PIXEL_FIELDS, PIXEL if method == "GET" else b"", hit)

    def clicked(self, asked: Asked) -> Answer | Token:
        """Return the answer to a link; a token where its target has to be looked up first: then `followed`."""
        if asked.method != "GET" and asked.method != "HEAD":
            return refused_method(b"GET, HEAD")
        token = self.keys.check_url_text(TokenKind.CLICK, asked.path[3:])
        if token is None:
            return unknown(asked)
        found = self._links.cached(token.recipient_id, token.position)
        return token if found is None else self.followed(asked, token, found)

    def followed(self, asked: Asked, token: Token, found: tuple[int, str] | None) -> Answer:
        """Return the answer to a link whose workspace and target were `found` (None: there is no such link)."""
        value = None if found is None else location(found[1])
        if found is None or value is None:
            return unknown(asked)
        workspace_id, hit = self._hit(asked, HitKind.CLICK, token, found[1])
        if hit is None or workspace_id not in (INSTALLATION, found[0]):
            return unknown(asked)
        return Answer(307, [*_LINK_FIELDS, (b"location", value)], b"", hit)

    def _hit(self, asked: Asked, kind: HitKind, token: Token, target: str) -> tuple[int, Hit | None]:
        """Return whose host was asked and the hit as evidence has it, None where the host is nobody's."""
        host = user_agent = forwarded = b""
        kept: dict[str, str] = {}
        for name, value in asked.fields:
            if name == b"host":
                host = value
            elif name == b"user-agent":
                user_agent = value
            elif name == b"x-forwarded-for":
                forwarded = forwarded + b"," + value if forwarded else value
            elif name in EVIDENCE_FIELDS:
                kept[name.decode("ascii")] = text_of(value, _MOST_FIELD)
        workspace_id = self._hosts.workspace_of(host)
        if workspace_id is None:
            return INSTALLATION, None
        address = asked.client
        if self._trusted and forwarded:
            address = client_address(address, forwarded, self._trusted)
        return workspace_id, Hit(
            self._ids.next(),
            kind,
            token.recipient_id,
            token.position,
            self._clock.now_ms(),
            workspace_id,
            asked.method,
            address,
            text_of(user_agent, MOST_USER_AGENT),
            kept,
            target,
        )


def unknown(asked: Asked) -> Answer:
    """Return the page for an address that is not ours."""
    return paged(404, pages.unknown_page(), is_head=asked.method == "HEAD")


def paged(status: int, page: bytes, *, is_head: bool, further: Sequence[tuple[bytes, bytes]] = ()) -> Answer:
    """Return a page as an answer."""
    fields = [*_PAGE_FIELDS, (b"content-length", str(len(page)).encode()), *further]
    return Answer(status, fields, b"" if is_head else page)


def refused_method(allowed: bytes) -> Answer:
    """Return the refusal of a method (RFC 9110 15.5.6)."""
    return Answer(405, [(b"allow", allowed), (b"content-length", b"0")], b"")


def client_address(peer: str, forwarded: bytes, trusted: Sequence[Network]) -> str:
    """Return the address of the client behind our own proxies.

    X-Forwarded-For is read from its end, over the addresses of `trusted`
    proxies; anybody may have written what stands further left.
    """
    found = peer
    for piece in reversed(forwarded.decode("latin-1").split(",")):
        try:
            if not any(ip_address(found) in network for network in trusted):
                break
            found = str(ip_address(piece.strip()))
        except ValueError:
            break
    return found


def text_of(value: bytes, most: int) -> str:
    """Return a header field's value as evidence keeps it, cut at `most` octets."""
    # PostgreSQL stores no NUL.
    return value[:most].decode("latin-1").replace("\x00", "")
