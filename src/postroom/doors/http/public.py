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

from collections.abc import Callable, Sequence
from functools import partial

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from postroom.base.clock import Clock
from postroom.base.errors import TryLater
from postroom.base.ids import IdSource
from postroom.base.tokens import Token, TokenKeys, TokenKind
from postroom.doors.http import public_pages as pages
from postroom.doors.http.public_forms import MOST_BYTES, form_fields
from postroom.doors.http.server import Asked
from postroom.doors.http.tracked import (
    MOST_USER_AGENT,
    Answer,
    Network,
    Tracked,
    paged,
    refused_method,
    text_of,
    unknown,
)
from postroom.events import unsubscribing
from postroom.net.request_body import NoBody, read_body
from postroom.store.database import Database
from postroom.tracking.hosts import INSTALLATION, Hosts
from postroom.tracking.links import Links, Target
from postroom.tracking.spool import Spool

RETRY_SECONDS = 3
"""Long enough for a database to restart, short enough for somebody who waits for a page."""
_BODY_SECONDS = 10.0


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
        self._tracked = Tracked(
            keys=keys, hosts=hosts, links=links, ids=ids, clock=clock, trusted_proxies=trusted_proxies
        )
        self._hosts = hosts
        self._spool = spool
        self._links = links
        self._database = database
        self._ids = ids
        self._clock = clock
        self._behind = behind

    def take_keys(self, keys: TokenKeys) -> None:
        """Answer for the token keys that there are now."""
        self._tracked.keys = keys

    def at_once(self, asked: Asked, answer: Callable[[bytes, bytes], None]) -> bool:
        """Answer a pixel or a link without a task of its own; else return False.

        `answer` is called with status line and header fields, and the body, once the hit is in the spool.
        """
        prefix = asked.path[:3]
        if prefix == "/o/":
            found: Answer | Token = self._tracked.opened(asked)
        elif prefix == "/c/":
            found = self._tracked.clicked(asked)
        else:
            return False
        if isinstance(found, Token):
            token = found

            def told(target: Target | TryLater | None) -> None:
                if isinstance(target, TryLater):
                    self._leave(_later(asked), answer)
                else:
                    self._leave(self._tracked.followed(asked, token, target), answer)

            self._links.ask(token.recipient_id, token.position, told)
        else:
            self._leave(found, answer)
        return True

    def _leave(self, found: Answer, answer: Callable[[bytes, bytes], None]) -> None:
        if found.hit is None:
            answer(found.head(), found.body)
        else:
            self._spool.put_then(found.hit, partial(answer, found.head(), found.body))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            prefix = scope["path"][:3]
            if prefix == "/o/":
                return await self._answer(send, self._tracked.opened(_asked(scope)))
            if prefix == "/c/":
                return await self._answer(send, await self._click(_asked(scope)))
            if prefix == "/u/":
                return await self._answer(send, await self._unsubscribe(_asked(scope), receive))
        if self._behind is not None:
            return await self._behind(scope, receive, send)
        return await _answer_nowhere(scope, send)

    async def _answer(self, send: Send, answer: Answer) -> None:
        if answer.hit is not None:
            await self._spool.put(answer.hit)
        await _send(send, answer)

    async def _click(self, asked: Asked) -> Answer:
        token = self._tracked.clicked(asked)
        if not isinstance(token, Token):
            return token
        try:
            found = await self._links.find(token.recipient_id, token.position)
        except TryLater:
            return _later(asked)
        return self._tracked.followed(asked, token, found)

    async def _unsubscribe(self, asked: Asked, receive: Receive) -> Answer:
        if asked.method not in ("GET", "HEAD", "POST"):
            return refused_method(b"GET, HEAD, POST")
        token = self._tracked.keys.check_url_text(TokenKind.UNSUBSCRIBE, asked.path[3:])
        workspace_id = self._hosts.workspace_of(_field(asked, b"host"))
        if token is None or workspace_id is None:
            return unknown(asked)
        try:
            shown = await self._read_subscription(token)
            if shown is None or workspace_id not in (INSTALLATION, shown.workspace_id):
                return unknown(asked)
            if asked.method == "POST":
                status, page = await self._act(asked, token, receive)
            else:
                status, page = 200, (pages.unsubscribed_page if shown.unsubscribed else pages.confirm_page)(shown)
        except TryLater:
            return _later(asked)
        return paged(status, page, is_head=asked.method == "HEAD")

    async def _read_subscription(self, token: Token) -> unsubscribing.Subscription | None:
        now_ms = self._clock.now_ms()
        return await self._database.read(lambda conn: unsubscribing.subscription(conn, token.recipient_id, now_ms))

    async def _act(self, asked: Asked, token: Token, receive: Receive) -> tuple[int, bytes]:
        """Do what a POST asks for; return status and page."""
        body = await read_body(receive, most_bytes=MOST_BYTES, seconds=_BODY_SECONDS)
        if isinstance(body, NoBody):
            return 413, pages.not_understood_page()
        fields = form_fields(_field(asked, b"content-type"), body)
        now_ms, new_id = self._clock.now_ms(), self._ids.next()
        if fields.get("action") == "undo":
            shown = await self._database.write(lambda tx: unsubscribing.undo(tx, token.recipient_id, now_ms, new_id))
            if shown is None:
                return 404, pages.unknown_page()
            return 200, pages.unsubscribed_page(shown) if shown.unsubscribed else pages.subscribed_page(shown)
        # RFC 8058 3.1: the key/value pair stands in the mail's List-Unsubscribe-Post field and comes back as it is.
        if fields.get("List-Unsubscribe", "").strip().lower() == "one-click":
            by = unsubscribing.By.ONE_CLICK
        elif fields.get("action") == "unsubscribe":
            by = unsubscribing.By.PAGE
        else:
            return 400, pages.not_understood_page()
        evidence = {"user_agent": text_of(_field(asked, b"user-agent"), MOST_USER_AGENT)}
        shown = await self._database.write(
            lambda tx: unsubscribing.unsubscribe(tx, token.recipient_id, by, evidence, now_ms, new_id)
        )
        return (404, pages.unknown_page()) if shown is None else (200, pages.unsubscribed_page(shown))


def _asked(scope: HTTPScope) -> Asked:
    client = scope["client"]
    return Asked(scope["method"], scope["path"], list(scope["headers"]), client[0] if client else "")


def _later(asked: Asked) -> Answer:
    """Return the page that tries again by itself, unless something was to be done."""
    page = pages.later_page(RETRY_SECONDS, reload=asked.method != "POST")
    retry_after = (b"retry-after", str(RETRY_SECONDS).encode())
    return paged(503, page, is_head=asked.method == "HEAD", further=[retry_after])


def _field(asked: Asked, wanted: bytes) -> bytes:
    for name, value in asked.fields:
        if name == wanted:
            return value
    return b""


async def _send(send: Send, answer: Answer) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.fields})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


async def _answer_nowhere(scope: Scope, send: Send) -> None:
    """Answer for an application that is not there."""
    if scope["type"] == ScopeType.HTTP:
        await _send(send, unknown(_asked(scope)))
    elif scope["type"] == ScopeType.WEBSOCKET:
        await send({"type": "websocket.close", "code": 1000, "reason": ""})
