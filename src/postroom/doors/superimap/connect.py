"""The addresses by which people connect and disconnect their mailboxes, as a bare ASGI application.

- `/users/connect/TOKEN` sends the browser to the provider (OAuth 2.0), or shows a form for address
  and password, which is posted to the same address.
- `/users/connect/callback` is where providers send browsers back to.
- `/users/disconnect/TOKEN` shows a page with a button; only its POST disconnects.

What stands behind TOKEN names where to go afterwards: `?success=…&failure=…`, or `&success=…` as
SuperIMAP's own links had it. Only addresses of origins that the workspace listed are followed.
"""

import math
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from postroom.access.guesses import Guesses
from postroom.access.pace import Pace
from postroom.accounts.connect import CALLBACK_PATH, CONNECT_PATH, DISCONNECT_PATH
from postroom.accounts.connecting import CannotConnect, Connectable, Connecting, Dance, Failure, UnknownDance, Ways
from postroom.accounts.partners import may_send_to, origin_of
from postroom.accounts.providers import Kind
from postroom.base.clock import Clock
from postroom.base.errors import PostroomError, TryLater, WrongInput
from postroom.base.tokens import TokenKind
from postroom.doors.superimap import connect_pages as pages
from postroom.doors.superimap.connect_form import PasswordForm, is_address
from postroom.net.request_body import NoBody, read_body

_log = structlog.get_logger(__name__)

_COOKIE = "postroom_connect"
_MOST_BYTES = 16 << 10
_MOST_FIELDS = 20
_BODY_SECONDS = 10.0
_MOST_QUERY = 8_000
_MOST_LOGINS = 20
"""Logins that are tried at a time, of everybody: each may hold a connection to a stranger for half a minute."""
_FIELDS = (
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-robots-tag", b"noindex"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


class Answer(NamedTuple):
    """A response."""

    status: int
    body: bytes = b""
    fields: tuple[tuple[bytes, bytes], ...] = ()
    form_goes_to: tuple[str, ...] = ()
    """Origins that the answer to this page's form may send the browser to (Content Security Policy 3, form-action)."""


@dataclass(frozen=True, slots=True)
class _Visit:
    """A request for a link that is good."""

    asked: Connectable
    ways: Ways
    path: str
    """With its query: where the page's form is posted to."""
    client: str


class ConnectDoor:
    """Answers these addresses; everything else goes to the application behind it."""

    def __init__(
        self,
        connecting: Connecting,
        clock: Clock,
        client_address: Callable[[HTTPScope], str],
        behind: ASGIApp | None,
        *,
        may_be_plain: bool = False,
    ) -> None:
        """`behind` None: anything else is answered 404.

        `may_be_plain`: people may name a server without TLS, inside networks that the operator opened.
        """
        self._connecting = connecting
        self._links = connecting.links
        self._clock = clock
        self._client_address = client_address
        self._behind = behind
        self._may_be_plain = may_be_plain
        self._pace = Pace()
        self._guesses = Guesses(clock)
        self._trying: set[int] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_ours = scope["type"] == ScopeType.HTTP and scope["path"].startswith((CONNECT_PATH, DISCONNECT_PATH))
        if not is_ours and self._behind is not None:
            await self._behind(scope, receive, send)
            return
        if scope["type"] != ScopeType.HTTP:
            await send({"type": "websocket.close", "code": 1000, "reason": ""})
            return
        if not is_ours:
            await self._send(send, Answer(404, pages.nowhere_page()))
            return
        try:
            answer = await self._answer(scope, receive)
        except TryLater as error:
            _log.warning("a mailbox could not be connected now", reason=str(error))
            answer = Answer(503, pages.later_page(), ((b"retry-after", b"5"),))
        except PostroomError as error:
            _log.error("a mailbox could not be connected", reason=str(error))
            answer = Answer(500, pages.later_page())
        await self._send(send, answer)

    async def _answer(self, scope: HTTPScope, receive: Receive) -> Answer:
        method, path, query = scope["method"], *_path_and_query(scope)
        if path == CALLBACK_PATH:
            return await self._callback(scope, query) if method == "GET" else _refused(b"GET")
        if method not in ("GET", "POST"):
            return _refused(b"GET, POST")
        prefix, kind = (
            (CONNECT_PATH, TokenKind.CONNECT)
            if path.startswith(CONNECT_PATH)
            else (DISCONNECT_PATH, TokenKind.DISCONNECT)
        )
        client = self._client_address(scope)
        asked = await self._asked(kind, path.removeprefix(prefix), client)
        if isinstance(asked, Answer):
            return asked
        ways = Ways(query.get("success", ""), query.get("failure", ""))
        for url in (ways.success, ways.failure):
            if url and not may_send_to(asked.partner, url):
                return Answer(400, pages.not_listed_page(origin_of(url) or "an address that is none"))
        visit = _Visit(asked, ways, path, client)
        fields = await _form(scope, receive) if method == "POST" else {}
        if fields is None:
            return Answer(400, pages.not_understood_page())
        if kind is TokenKind.DISCONNECT:
            return await self._disconnect(visit, is_post=method == "POST")
        if asked.account.is_archived:
            return _sent_back(visit.asked, ways, Failure.GONE) or Answer(410, pages.archived_page())
        if asked.provider.kind is Kind.OAUTH2:
            return await self._authorize(scope, visit, fields if method == "POST" else None)
        if method == "POST":
            return await self._log_in(visit, PasswordForm(visit.asked, fields, may_be_plain=self._may_be_plain))
        return self._form_page(
            visit, PasswordForm(visit.asked, {}, may_be_plain=self._may_be_plain).shown(_asking(visit))
        )

    async def _asked(self, kind: TokenKind, token: str, client: str) -> Connectable | Answer:
        """Return what a link is for; a network that brings links of its own making has to wait between them."""
        wait = self._guesses.wait(client, token)
        if wait > 0:
            return _wait(wait)
        account_id = self._links.account_of(kind, token)
        if account_id is None:
            # One that has ended is no guess.
            if not self._links.was_made_here(kind, token):
                self._guesses.was_wrong(client, token)
            return Answer(404, pages.unknown_page())
        self._guesses.was_right(client, token)
        return await self._connecting.find(account_id) or Answer(404, pages.unknown_page())

    # OAuth 2.0

    async def _authorize(self, scope: HTTPScope, visit: _Visit, fields: dict[str, str] | None) -> Answer:
        address = fields.get("address", "").strip() if fields else ""
        if visit.asked.needs_address and not is_address(address):
            problem = "Please write your whole email address, such as ada@example.com." if fields is not None else ""
            page = pages.address_page(_asking(visit), visit.asked.provider, address, problem)
            # The provider sends people on to wherever it lets them log in.
            return Answer(422 if problem else 200, page, form_goes_to=("https:", "http:"))
        browser = _cookie(scope, self._cookie_name())
        fresh = browser or secrets.token_urlsafe(32)
        try:
            where = await self._connecting.begin(visit.asked, visit.ways, fresh, address)
        except CannotConnect as error:
            return _failed(visit.asked, visit.ways, error.failure)
        return Answer(303, b"", (_location(where), self._set_cookie(fresh)))

    async def _callback(self, scope: HTTPScope, query: dict[str, str]) -> Answer:
        try:
            dance = await self._connecting.finish(
                query.get("state", ""),
                _cookie(scope, self._cookie_name()),
                code=query.get("code", ""),
                error=query.get("error", ""),
                issuer=query.get("iss", ""),
            )
        except UnknownDance:
            return Answer(400, pages.unknown_dance_page())
        except CannotConnect as error:
            if error.dance is None:
                return Answer(400, pages.failed_page(error.failure))
            again = self._again(error.dance)
            return _failed(error.dance.connectable, error.dance.ways, error.failure, again)
        found = await self._connecting.find(dance.connectable.account.id)
        return _succeeded(found or dance.connectable, dance.ways)

    def _again(self, dance: Dance) -> str:
        """Return a link to begin once more, with a token of its own."""
        ways = {name: url for name, url in (("success", dance.ways.success), ("failure", dance.ways.failure)) if url}
        link = self._links.connect_url(dance.connectable.account.id)
        return link + ("?" + urlencode(ways) if ways else "")

    # Passwords

    async def _log_in(self, visit: _Visit, form: PasswordForm) -> Answer:
        account_id = visit.asked.account.id
        now = self._clock.monotonic()
        keys = (visit.client, f"account {account_id}", f"address {form.address.casefold()}")
        wait = max(self._pace.wait(key, now) for key in keys)
        if account_id in self._trying or len(self._trying) >= _MOST_LOGINS:
            wait = max(wait, 5.0)
        if wait > 0:
            return _wait(wait)
        try:
            typed = form.typed()
        except WrongInput as error:
            return self._form_page(visit, form.shown(_asking(visit), error))
        self._trying.add(account_id)
        try:
            found = await self._connecting.connect_with_password(visit.asked, typed)
        except WrongInput as error:
            return self._form_page(visit, form.shown(_asking(visit), error))
        finally:
            self._trying.discard(account_id)
        shown = form.after(_asking(visit), found)
        if shown is None:
            for key in keys:
                self._pace.succeeded(key)
            after = await self._connecting.find(account_id)
            return _succeeded(after or visit.asked, visit.ways)
        if not found.to_confirm:
            for key in keys:
                self._pace.failed(key, now)
        return self._form_page(visit, shown)

    def _form_page(self, visit: _Visit, shown: pages.Form) -> Answer:
        return Answer(422 if shown.problem else 200, pages.password_page(shown), form_goes_to=_origins(visit))

    # Disconnecting

    async def _disconnect(self, visit: _Visit, *, is_post: bool) -> Answer:
        account = visit.asked.account
        if not is_post and account.connected_ms is not None:
            page = pages.disconnect_page(_asking(visit), account.email or account.username)
            return Answer(200, page, form_goes_to=_origins(visit))
        try:
            await self._connecting.disconnect(visit.asked) if is_post else None
        except WrongInput:
            return Answer(404, pages.unknown_page())
        where = visit.ways.success or visit.asked.partner.success_url
        return Answer(303, b"", (_location(where),)) if where else Answer(200, pages.disconnected_page())

    # Answers

    def _set_cookie(self, value: str) -> tuple[bytes, bytes]:
        # Lax: a provider sends the browser back by a link from elsewhere.
        name, secure = self._cookie_name(), "; Secure" if self._links.is_https else ""
        return b"set-cookie", f"{name}={value}; Path=/; Max-Age=1800; HttpOnly; SameSite=Lax{secure}".encode()

    def _cookie_name(self) -> str:
        # RFC 6265bis 4.1.3.2: no other host of our domain can set one of this name.
        return f"__Host-{_COOKIE}" if self._links.is_https else _COOKIE

    async def _send(self, send: Send, answer: Answer) -> None:
        goes_to = " ".join(("'self'", *answer.form_goes_to))
        policy = (
            f"default-src 'none'; style-src 'unsafe-inline'; form-action {goes_to}; base-uri 'none'; "
            "frame-ancestors 'none'"
        )
        fields = [
            *_FIELDS,
            (b"content-security-policy", policy.encode()),
            (b"content-length", str(len(answer.body)).encode()),
            *answer.fields,
        ]
        if answer.body:
            fields.append((b"content-type", b"text/html; charset=utf-8"))
        await send({"type": "http.response.start", "status": answer.status, "headers": fields})
        await send({"type": "http.response.body", "body": answer.body, "more_body": False})


def _asking(visit: _Visit) -> str:
    """Return who wants to be connected, as its people know it."""
    url = visit.ways.success or visit.asked.partner.success_url
    return urlsplit(url).hostname or visit.asked.workspace or "An application"


def _origins(visit: _Visit) -> tuple[str, ...]:
    partner = visit.asked.partner
    urls = (visit.ways.success or partner.success_url, visit.ways.failure or partner.failure_url)
    return tuple(dict.fromkeys(origin for url in urls if (origin := origin_of(url)) is not None))


def _succeeded(asked: Connectable, ways: Ways) -> Answer:
    where = ways.success or asked.partner.success_url
    if where:
        return Answer(303, b"", (_location(where),))
    return Answer(200, pages.connected_page(asked.account.email or asked.account.username))


def _failed(asked: Connectable, ways: Ways, failure: Failure, again: str = "") -> Answer:
    return _sent_back(asked, ways, failure) or Answer(400, pages.failed_page(failure, again))


def _sent_back(asked: Connectable, ways: Ways, failure: Failure) -> Answer | None:
    """Return the way to where failures are heard, or None where nobody named it."""
    where = ways.failure or asked.partner.failure_url
    if not where:
        return None
    rest, hash_, fragment = where.partition("#")
    joint = "&" if "?" in rest else "?"
    return Answer(303, b"", (_location(f"{rest}{joint}error={failure.value}{hash_}{fragment}"),))


def _location(url: str) -> tuple[bytes, bytes]:
    # A letter outside ASCII would be no header field; all that means something in an address stays.
    return b"location", quote(url, safe="%/:=&?~#+!$,;'@()*[]").encode("ascii")


def _wait(seconds: float) -> Answer:
    whole = math.ceil(seconds)
    return Answer(429, pages.wait_page(whole), ((b"retry-after", str(whole).encode()),))


def _refused(allowed: bytes) -> Answer:
    return Answer(405, b"", ((b"allow", allowed),))


def _path_and_query(scope: HTTPScope) -> tuple[str, dict[str, str]]:
    """Return the path before the first `?` or `&`, and the parameters behind it."""
    raw = scope.get("raw_path") or scope["path"].encode()
    text = raw.decode("ascii", "replace").partition("?")[0]
    query = scope["query_string"].decode("ascii", "replace")
    path, ampersand, more = text.partition("&")
    if ampersand:
        # What stands behind a `?` is then a part of the last parameter, or one of ours.
        query = f"{more}&{query}" if query else more
    if len(query) > _MOST_QUERY:
        return path, {}
    try:
        return path, dict(reversed(parse_qsl(query, max_num_fields=_MOST_FIELDS)))
    except ValueError:
        return path, {}


def _cookie(scope: HTTPScope, wanted: str) -> str:
    """Return what this browser was given, or an empty text."""
    for name, value in scope["headers"]:
        if name == b"cookie":
            cookies: SimpleCookie = SimpleCookie()
            try:
                cookies.load(value.decode("latin-1"))
            except CookieError:
                continue
            if wanted in cookies and 40 <= len(cookies[wanted].value) <= 64:
                return cookies[wanted].value
    return ""


async def _form(scope: HTTPScope, receive: Receive) -> dict[str, str] | None:
    """Return the fields of a posted form, or None for what is none, is too long or breaks off."""
    kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    body = await read_body(receive, most_bytes=_MOST_BYTES, seconds=_BODY_SECONDS)
    if isinstance(body, NoBody):
        return None
    if body and kind.partition(b";")[0].strip().lower() != b"application/x-www-form-urlencoded":
        return None
    try:
        pairs: Sequence[tuple[str, str]] = parse_qsl(
            body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        return None
    return dict(pairs)
