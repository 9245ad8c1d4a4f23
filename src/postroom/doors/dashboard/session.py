"""Who asks for a page, and the two walls around every change.

A browser has one cookie that counts: that of its session, or before logging in
that of a visitor. Both are random. The token in every form is an HMAC keyed
with the cookie (so it is bound to the session and needs no storage), and a
message that a page shows once travels sealed in a cookie of its own.

1. A POST needs the token of its cookie.
2. A browser says where a request comes from (Sec-Fetch-Site, Origin): another
   site's is refused, whatever it carries.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from litestar import Response
from litestar.datastructures import Cookie
from litestar.types import HTTPScope, Scope

from postroom.access.audit import Actor
from postroom.base.errors import TryLater
from postroom.doors.dashboard.forms import read_form
from postroom.doors.dashboard.services import PageRequest, Services
from postroom.ledger.operator_rows import OperatorRow, OperatorSessionRow

TOKEN_FIELD = "csrf"  # noqa: S105 - the name of a form's field
PUBLIC = {"public": True}
"""`opt` of a handler that needs no login."""
_VISIT = "postroom.visit"
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_COOKIE_BYTES = 32


@dataclass(frozen=True, slots=True)
class Visit:
    """Who asks."""

    operator: OperatorRow | None
    """None: nobody has logged in."""
    session: OperatorSessionRow | None
    cookie: str
    """The session's or visitor's cookie, which form tokens and messages are bound to."""
    is_new: bool
    """The visitor's cookie was made for this request and goes out with its answer."""
    address: str
    expired: str = ""
    """The cookie of a session that is over."""
    trouble: TryLater | None = None
    """Why nobody can say who asks."""

    @property
    def token(self) -> str:
        """What a form of this browser carries."""
        return form_token(self.cookie)


@dataclass(frozen=True, slots=True)
class CookieNames:
    """The cookies' names; with https they carry the prefix that other hosts of the domain cannot set."""

    session: str
    visitor: str
    message: str
    workspace: str
    ticket: str
    secure: bool

    @classmethod
    def of(cls, public_url: str) -> "CookieNames":
        """Return the names for an installation at this address."""
        secure = public_url.startswith("https:")
        prefix = "__Host-" if secure else ""
        return cls(
            session=prefix + "postroom",
            visitor=prefix + "postroom_visitor",
            message=prefix + "postroom_message",
            workspace=prefix + "postroom_workspace",
            ticket=prefix + "postroom_login",
            secure=secure,
        )

    def cookie(self, name: str, value: str, max_age: int | None = None) -> Cookie:
        """Return a cookie; `max_age` in seconds, None until the browser closes, 0 takes it away."""
        return Cookie(key=name, value=value, max_age=max_age, httponly=True, samesite="lax", secure=self.secure)


class Refused(Exception):
    """The request did not come from one of our pages in this browser."""


def form_token(cookie: str) -> str:
    """Return the token that forms of a browser with this cookie carry."""
    return hmac.new(cookie.encode(), b"postroom form", hashlib.sha256).hexdigest()


async def begin_visit(scope: HTTPScope, services: Services, names: CookieNames) -> Visit:
    """Find out who asks, and note it in the scope."""
    cookies = cookies_of(scope)
    cookie = cookies.get(names.session, "")
    found, trouble = None, None
    if cookie:
        try:
            found = await services.sessions.check(cookie)
        except TryLater as error:
            trouble = error
    is_new, expired = False, ""
    if found is None and trouble is None:
        expired, cookie = cookie, cookies.get(names.visitor, "")
        is_new = len(cookie) < _COOKIE_BYTES
        if is_new:
            cookie = secrets.token_urlsafe(_COOKIE_BYTES)
    operator, session = (found.operator, found.session) if found else (None, None)
    visit = Visit(operator, session, cookie, is_new, services.client_address(scope), expired, trouble)
    scope[_VISIT] = visit  # type: ignore[literal-required]
    return visit


def visit_of(request: PageRequest) -> Visit:
    """Return who asks."""
    visit: Visit = request.scope[_VISIT]  # type: ignore[literal-required]
    return visit


def operator_of(request: PageRequest) -> OperatorRow:
    """Return the operator who asks; every handler but those of PUBLIC has one."""
    operator = visit_of(request).operator
    if operator is None:
        raise Refused
    return operator


def actor_of(request: PageRequest) -> Actor:
    """Return the operator who asks, for the audit log."""
    operator = operator_of(request)
    return Actor(operator.id, operator.name, visit_of(request).address)


async def enforce(request: PageRequest) -> Response[bytes] | None:
    """Before every handler: let through who may; send others to log in. Raises Refused and TryLater."""
    visit = visit_of(request)
    if visit.trouble is not None:
        raise visit.trouble
    if request.method not in _SAFE_METHODS:
        if not _same_site(request.scope):
            raise Refused
        if visit.operator is None and request.headers.get("content-type", "").lower().startswith("multipart/"):
            # Such a form may bring a large file, and only who has logged in may leave one here: it is not read.
            return to_login(request)
        form = await read_form(request)
        presented = (form.get(TOKEN_FIELD) or request.headers.get("x-csrf-token", "")).encode()
        if visit.expired and hmac.compare_digest(presented, form_token(visit.expired).encode()):
            # Our own form, but the session ended while it was filled in.
            return to_login(request)
        if not hmac.compare_digest(presented, visit.token.encode()):
            raise Refused
    if visit.operator is None and not request.route_handler.opt.get("public"):
        return to_login(request)
    request.state["operator"] = visit.operator
    return None


def to_login(request: PageRequest) -> Response[bytes]:
    """Send a browser to log in and then to where it wanted to go."""
    if request.headers.get("hx-request"):
        # A piece of a page: the whole page has to go there.
        current = urlsplit(request.headers.get("hx-current-url", ""))
        wanted = current.path + (f"?{current.query}" if current.query else "")
        return Response(b"", status_code=204, headers={"HX-Redirect": _login_address(wanted)})
    # What a POST would have done has to be done again by hand.
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    location = _login_address(wanted if request.method in _SAFE_METHODS else "")
    return Response(b"", status_code=303, headers={"Location": location}, media_type="text/html")


def safe_next(wanted: str) -> str:
    """Return where to go after logging in: a path of this dashboard, else its beginning."""
    # `//host` and `/\host` are other sites to a browser, and it drops tabs and line ends while it reads.
    if not wanted.startswith("/") or wanted[1:2] in ("/", "\\") or not wanted.isprintable() or len(wanted) > 2000:
        return "/"
    return wanted


def cookies_of(scope: Scope) -> dict[str, str]:
    """Return the cookies of a request (RFC 6265 4.2.1); of a name that stands twice the first counts."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name == b"cookie":
            for piece in value.decode("latin-1").split(";"):
                key, _, text = piece.strip().partition("=")
                found.setdefault(key, text)
    return found


def _login_address(wanted: str) -> str:
    wanted = safe_next(wanted)
    return "/login" if wanted == "/" else f"/login?next={quote(wanted, safe='/')}"


def _same_site(scope: Scope) -> bool:
    """Tell whether a browser says that a request comes from our own page, or says nothing."""
    fields = {name: value.decode("latin-1") for name, value in scope["headers"]}
    site = fields.get(b"sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = fields.get(b"origin")
    if origin is None:
        return True
    return urlsplit(origin).netloc.lower() == fields.get(b"host", "").lower()
