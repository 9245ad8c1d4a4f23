"""The addresses that stand in mails: `/o/TOKEN.png`, `/c/TOKEN` and `/u/TOKEN`.

A bare ASGI callable, mounted in front of the API: pixels come in the tens of
thousands, so their path has no framework, no database and no log line.

- **/o/** answers a PNG of one pixel to everybody: for bad tokens, on wrong hosts, with
  the database down. Only a good token on a host that is ours is recorded.
- **/c/** redirects (307) to the stored target and to nothing else. A bad token
  gets a page with 404; a target that cannot be looked up now gets 503 with
  Retry-After and a page that tries again.
- **/u/** shows a page and acts on POST only: from the page's button, or the
  one-click POST of a mail program (RFC 8058), which gets its answer without
  cookie and without redirect and may be repeated.

GET and HEAD change nothing, but on /o/ and /c/ they record a hit, and the
answer leaves only after the hit is in the spool (`tracking.spool`).
"""

import asyncio
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from postroom.base.clock import Clock
from postroom.base.errors import TryLater
from postroom.base.ids import IdSource
from postroom.base.tokens import Token, TokenKeys, TokenKind
from postroom.doors.http import public_pages as pages
from postroom.doors.http.public_forms import MOST_BYTES, form_fields
from postroom.doors.http.server import WHOLE, SendWhole
from postroom.store.database import Database
from postroom.tracking import unsubscribe
from postroom.tracking.clicks import location
from postroom.tracking.hit import Hit, HitKind
from postroom.tracking.hosts import INSTALLATION, Hosts
from postroom.tracking.links import Links
from postroom.tracking.machines import EVIDENCE_FIELDS
from postroom.tracking.spool import Spool

Network = IPv4Network | IPv6Network
Fields = list[tuple[bytes, bytes]]

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a"  # signature
    "0000000d49484452 00000001 00000001 08 06 00 00 00 1f15c489"  # IHDR: one by one, 8 bits, RGBA
    "0000000b49444154 78da6360000200000500 01 e9fadcd8"  # IDAT: filter 0 and four zero bytes
    "0000000049454e44 ae426082"  # IEND
)
"""The smallest PNG with one pixel that is wholly transparent (68 bytes)."""

RETRY_SECONDS = 3
"""Long enough for a database to restart, short enough for somebody who waits for a page."""
_BODY_SECONDS = 10.0
_MOST_USER_AGENT = 512
_MOST_FIELD = 128

_NO_STORE = (b"cache-control", b"no-store, no-cache, must-revalidate, private, max-age=0")
_PIXEL_FIELDS: Fields = [
    (b"content-type", b"image/png"),
    (b"content-length", str(len(PIXEL)).encode()),
    _NO_STORE,
    (b"pragma", b"no-cache"),
    (b"expires", b"0"),
    (b"x-content-type-options", b"nosniff"),
    # Web mail shows our image in its own pages (Cross-Origin-Embedder-Policy asks for this).
    (b"cross-origin-resource-policy", b"cross-origin"),
]
_PAGE_FIELDS: Fields = [
    (b"content-type", b"text/html; charset=utf-8"),
    _NO_STORE,
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-robots-tag", b"noindex"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
]
_LINK_FIELDS: Fields = [
    (b"content-length", b"0"),
    _NO_STORE,
    (b"referrer-policy", b"no-referrer"),
    (b"x-robots-tag", b"noindex"),
]


def _head(status_line: bytes, fields: Fields) -> bytes:
    """Return a response up to where the server adds its own header fields (RFC 9112 4)."""
    return status_line + b"\r\n" + b"".join(name + b": " + value + b"\r\n" for name, value in fields)


_PIXEL_HEAD = _head(b"HTTP/1.1 200 OK", _PIXEL_FIELDS)
_LINK_HEAD = _head(b"HTTP/1.1 307 Temporary Redirect", _LINK_FIELDS)


class PublicDoor:
    """The tracking addresses as an ASGI application; everything else goes to the application behind it."""

    def __init__(
        self,
        *,
        keys: TokenKeys,
        hosts: Hosts,
        spool: Spool,
        links: Links,
        database: Database,
        ids: IdSource,
        clock: Clock,
        trusted_proxies: Sequence[Network] = (),
        behind: ASGIApp | None = None,
    ) -> None:
        """`behind` None: anything else is answered 404. X-Forwarded-For is read only from `trusted_proxies`."""
        self.keys = keys
        """Replaced when a key is added."""
        self._hosts = hosts
        self._spool = spool
        self._links = links
        self._database = database
        self._ids = ids
        self._clock = clock
        self._trusted = tuple(trusted_proxies)
        self._behind = behind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            path = scope["path"]
            prefix = path[:3]
            if prefix == "/o/":
                return await self._pixel(scope, path[3:], send)
            if prefix == "/c/":
                return await self._click(scope, path[3:], send)
            if prefix == "/u/":
                return await self._unsubscribe(scope, path[3:], receive, send)
        if self._behind is not None:
            return await self._behind(scope, receive, send)
        return await _answer_nowhere(scope, send)

    async def _pixel(self, scope: HTTPScope, name: str, send: Send) -> None:
        method = scope["method"]
        if method != "GET" and method != "HEAD":
            return await _refuse_method(send, b"GET, HEAD")
        token = self.keys.check_url_text(TokenKind.OPEN, name.removesuffix(".png"))
        if token is not None:
            workspace_id, hit = self._hit(scope, HitKind.OPEN, token, "")
            if workspace_id is not None:
                await self._spool.put(hit)
        await _send(scope, send, _PIXEL_HEAD, 200, _PIXEL_FIELDS, PIXEL if method == "GET" else b"")
        return None

    async def _click(self, scope: HTTPScope, text: str, send: Send) -> None:
        method = scope["method"]
        if method != "GET" and method != "HEAD":
            return await _refuse_method(send, b"GET, HEAD")
        token = self.keys.check_url_text(TokenKind.CLICK, text)
        if token is None:
            return await _send_page(scope, send, 404, pages.unknown_page())
        found = self._links.cached(token.recipient_id, token.position)
        if found is None:
            try:
                found = await self._links.find(token.recipient_id, token.position)
            except TryLater:
                page = pages.later_page(RETRY_SECONDS, reload=True)
                return await _send_page(scope, send, 503, page)
        value = None if found is None else location(found[1])
        if found is None or value is None:
            return await _send_page(scope, send, 404, pages.unknown_page())
        workspace_id, hit = self._hit(scope, HitKind.CLICK, token, found[1])
        if workspace_id is None or workspace_id not in (INSTALLATION, found[0]):
            return await _send_page(scope, send, 404, pages.unknown_page())
        await self._spool.put(hit)
        head = _LINK_HEAD + b"location: " + value + b"\r\n"
        await _send(scope, send, head, 307, [*_LINK_FIELDS, (b"location", value)], b"")
        return None

    async def _unsubscribe(self, scope: HTTPScope, text: str, receive: Receive, send: Send) -> None:
        method = scope["method"]
        if method not in ("GET", "HEAD", "POST"):
            return await _refuse_method(send, b"GET, HEAD, POST")
        token = self.keys.check_url_text(TokenKind.UNSUBSCRIBE, text)
        workspace_id = self._hosts.workspace_of(_field(scope, b"host"))
        if token is None or workspace_id is None:
            return await _send_page(scope, send, 404, pages.unknown_page())
        try:
            shown = await self._read_subscription(token)
            if shown is None or workspace_id not in (INSTALLATION, shown.workspace_id):
                return await _send_page(scope, send, 404, pages.unknown_page())
            if method == "POST":
                status, page = await self._act(scope, token, receive)
            else:
                status, page = 200, (pages.unsubscribed_page if shown.unsubscribed else pages.confirm_page)(shown)
        except TryLater:
            status, page = 503, pages.later_page(RETRY_SECONDS, reload=method != "POST")
        return await _send_page(scope, send, status, page)

    async def _read_subscription(self, token: Token) -> unsubscribe.Subscription | None:
        now_ms = self._clock.now_ms()
        return await self._database.read(lambda conn: unsubscribe.subscription(conn, token.recipient_id, now_ms))

    async def _act(self, scope: HTTPScope, token: Token, receive: Receive) -> tuple[int, bytes]:
        """Do what a POST asks for; return status and page."""
        body = await _body(receive)
        if body is None:
            return 413, pages.not_understood_page()
        fields = form_fields(_field(scope, b"content-type"), body)
        now_ms, new_id = self._clock.now_ms(), self._ids.next()
        if fields.get("action") == "undo":
            shown = await self._database.write(lambda tx: unsubscribe.undo(tx, token.recipient_id, now_ms, new_id))
            if shown is None:
                return 404, pages.unknown_page()
            return 200, pages.unsubscribed_page(shown) if shown.unsubscribed else pages.subscribed_page(shown)
        # RFC 8058 3.1: the key/value pair stands in the mail's List-Unsubscribe-Post field and comes back as it is.
        if fields.get("List-Unsubscribe", "").strip().lower() == "one-click":
            by = unsubscribe.By.ONE_CLICK
        elif fields.get("action") == "unsubscribe":
            by = unsubscribe.By.PAGE
        else:
            return 400, pages.not_understood_page()
        evidence = {"user_agent": _text(_field(scope, b"user-agent"), _MOST_USER_AGENT)}
        shown = await self._database.write(
            lambda tx: unsubscribe.unsubscribe(tx, token.recipient_id, by, evidence, now_ms, new_id)
        )
        return (404, pages.unknown_page()) if shown is None else (200, pages.unsubscribed_page(shown))

    def _hit(self, scope: HTTPScope, kind: HitKind, token: Token, target: str) -> tuple[int | None, Hit]:
        """Return whose host was asked (None: nobody's) and the hit as evidence has it."""
        host = user_agent = forwarded = b""
        kept: dict[str, str] = {}
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
            elif name == b"user-agent":
                user_agent = value
            elif name == b"x-forwarded-for":
                forwarded = forwarded + b"," + value if forwarded else value
            elif name in EVIDENCE_FIELDS:
                kept[name.decode("ascii")] = _text(value, _MOST_FIELD)
        client = scope["client"]
        address = client[0] if client else ""
        if self._trusted and forwarded:
            address = client_address(address, forwarded, self._trusted)
        workspace_id = self._hosts.workspace_of(host)
        return workspace_id, Hit(
            self._ids.next(),
            kind,
            token.recipient_id,
            token.position,
            self._clock.now_ms(),
            workspace_id or INSTALLATION,
            scope["method"],
            address,
            _text(user_agent, _MOST_USER_AGENT),
            kept,
            target,
        )


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


def _text(value: bytes, most: int) -> str:
    # PostgreSQL stores no NUL.
    return value[:most].decode("latin-1").replace("\x00", "")


def _field(scope: HTTPScope, wanted: bytes) -> bytes:
    for name, value in scope["headers"]:
        if name == wanted:
            return value
    return b""


async def _body(receive: Receive) -> bytes | None:
    """Return the body of a request, or None when it is too long, too slow or broken off."""
    body = b""
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return None
                body += message["body"]
                if len(body) > MOST_BYTES:
                    return None
                if not message["more_body"]:
                    return body
    except TimeoutError:
        return None


async def _send(scope: HTTPScope, send: Send, head: bytes, status: int, fields: Fields, body: bytes) -> None:
    """Send a response: `head` and `body` in one write where the server can, else status, fields and body."""
    extensions = scope.get("extensions")
    whole: SendWhole | None = extensions.get(WHOLE) if extensions else None  # type: ignore[assignment]
    if whole is None or not whole(head, body):
        await _send_messages(send, status, fields, body)


async def _send_messages(send: Send, status: int, fields: Fields, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _send_page(scope: HTTPScope, send: Send, status: int, page: bytes) -> None:
    fields = [*_PAGE_FIELDS, (b"content-length", str(len(page)).encode())]
    if status == 503:
        fields.append((b"retry-after", str(RETRY_SECONDS).encode()))
    await _send_messages(send, status, fields, b"" if scope["method"] == "HEAD" else page)


async def _refuse_method(send: Send, allowed: bytes) -> None:
    await _send_messages(send, 405, [(b"allow", allowed), (b"content-length", b"0")], b"")


async def _answer_nowhere(scope: Scope, send: Send) -> None:
    """Answer for an application that is not there."""
    if scope["type"] == ScopeType.HTTP:
        await _send_page(scope, send, 404, pages.unknown_page())
    elif scope["type"] == ScopeType.WEBSOCKET:
        await send({"type": "websocket.close", "code": 1000, "reason": ""})
