"""The dashboard: its pages put together into one ASGI application (Litestar), with walls in front.

Every page of every handler passes `session.enforce`: a page that is added here
is behind the login unless its `opt` says PUBLIC, and its POSTs need the token.
"""

from typing import Any

import structlog
from litestar import Litestar, Request, Response
from litestar.datastructures import State
from litestar.enums import HttpMethod, ScopeType
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from postroom.base.errors import TryLater
from postroom.doors.dashboard import (
    account,
    account_forms,
    account_story,
    accounts,
    activity,
    bounces,
    complaints,
    domains,
    inbound,
    inbound_list,
    keeping,
    keys,
    login,
    nodes,
    overview,
    partner,
    queue,
    routes,
    sandbox,
    settings,
    start,
    story,
    suppressions,
    tracers,
    webhooks,
    workspaces,
)
from postroom.doors.dashboard.assets import PREFIX as STATIC
from postroom.doors.dashboard.page import PageError, Pages, render
from postroom.doors.dashboard.services import Services
from postroom.doors.dashboard.session import CookieNames, Refused, begin_visit, enforce, to_login, visit_of

_log = structlog.get_logger(__name__)

HANDLERS = (
    *start.HANDLERS,
    *login.HANDLERS,
    *account.HANDLERS,
    *settings.HANDLERS,
    *keeping.HANDLERS,
    *workspaces.HANDLERS,
    *keys.HANDLERS,
    *overview.HANDLERS,
    *activity.HANDLERS,
    *story.HANDLERS,
    *domains.HANDLERS,
    *webhooks.HANDLERS,
    *sandbox.HANDLERS,
    *suppressions.HANDLERS,
    *queue.HANDLERS,
    *inbound_list.HANDLERS,
    *inbound.HANDLERS,
    *bounces.HANDLERS,
    *complaints.HANDLERS,
    *routes.HANDLERS,
    *accounts.HANDLERS,
    *account_forms.HANDLERS,
    *account_story.HANDLERS,
    *tracers.HANDLERS,
    *partner.HANDLERS,
    *nodes.HANDLERS,
)
"""The handlers of all pages; each page's module has its own tuple."""

_LARGEST_FORM_BYTES = 10 << 20

CSP = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_FIELDS = (
    (b"content-security-policy", CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-robots-tag", b"noindex"),
)
_ROBOTS = b"User-agent: *\nDisallow: /\n"


class Dashboard:
    """The pages as an ASGI application."""

    def __init__(self, services: Services) -> None:
        names = CookieNames.of(services.facts.public_url)
        self._services = services
        self._pages = Pages(names)
        self.app = Litestar(
            route_handlers=HANDLERS,
            before_request=enforce,
            exception_handlers={Exception: answer_error},
            openapi_config=None,
            logging_config=None,
            request_max_body_size=_LARGEST_FORM_BYTES,
            state=State({"services": services, "pages": self._pages}),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        if scope["path"].startswith(STATIC):
            await self._pages.assets.answer(scope, self._with_fields(send))
        elif scope["path"] == "/robots.txt":
            await _answer_text(self._with_fields(send), _ROBOTS)
        else:
            await self._page(scope, receive, send)

    async def _page(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        names = self._pages.names
        if scope["method"] == "HEAD":
            # RFC 9110 9.3.2: the fields of GET, without its content.
            scope, send = {**scope, "method": HttpMethod.GET}, _without_content(send)
        visit = await begin_visit(scope, self._services, names)
        cookie = names.cookie(names.visitor, visit.cookie).to_encoded_header()[1] if visit.is_new else None
        await self.app(scope, receive, self._with_fields(send, cookie))

    def _with_fields(self, send: Send, cookie: bytes | None = None) -> Send:
        """Return a `send` that adds the security header fields, unless a page has its own."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message["headers"])
                there = {name.lower() for name, _ in given}
                given += [one for one in _FIELDS if one[0] not in there]
                if cookie is not None:
                    given.append((b"set-cookie", cookie))
                message["headers"] = given
            await send(message)

        return sent


def create_dashboard(services: Services) -> ASGIApp:
    """Return the dashboard for every path that is no other door's."""
    return Dashboard(services)


def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Answer any exception of a handler with a page."""
    if isinstance(error, HTTPException) and error.status_code in (404, 405) and visit_of(request).operator is None:
        # Who has not logged in does not learn which pages there are.
        return to_login(request)
    shown = _error_page(request, error)
    response = render(request, "error.html", status=shown.status, title=shown.title, text=str(shown))
    if shown.status == 503:
        response.headers["Retry-After"] = "5"
    return response


def _error_page(request: Request[Any, Any, Any], error: Exception) -> PageError:
    if isinstance(error, PageError):
        return error
    if isinstance(error, Refused):
        return PageError(
            403,
            "This form is no longer valid",
            "It was made before you logged in or out, or another site sent it. Go back, load the page again, and "
            "repeat what you did. Nothing was changed.",
        )
    if isinstance(error, TryLater):
        _log.warning("a page could not be made now", path=request.url.path, reason=str(error))
        return PageError(
            503,
            "The database cannot be reached",
            "Nothing was changed. Postroom tries again by itself; load this page again in a moment.",
        )
    if isinstance(error, HTTPException) and error.status_code < 500:
        known = {
            404: PageError(404, "There is nothing here", "The address may be mistyped, or what it named is gone."),
            405: PageError(405, "This page is not made for that", "Go back and use the page's own buttons."),
            413: PageError(413, "That is too large", f"A form has at most {_LARGEST_FORM_BYTES >> 20} MB."),
        }
        unreadable = PageError(400, "This request cannot be read", "Go back, load the page again, and repeat it.")
        return known.get(error.status_code, unreadable)
    _log.error("a page failed", path=request.url.path, exc_info=error)
    return PageError(
        500, "Something went wrong here", "It is our fault, not yours. The server's log has the details for operators."
    )


def _without_content(send: Send) -> Send:
    """Return a `send` that leaves the content of a response out."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {"type": "http.response.body", "body": b"", "more_body": message["more_body"]}
        await send(message)

    return sent


async def _answer_text(send: Send, body: bytes) -> None:
    fields = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body, "more_body": False})
