"""`/metrics` in front of everything else; what is answered behind it is counted and logged.

The numbers name no tenant, no address and no subject; still they tell how much
is sent, so only some networks may read them. Anybody else gets the 404 of a
path that is not there. A request that comes with X-Forwarded-For from a proxy
that is not trusted is anybody else's, also where the proxy is on loopback.

A line of the log names the route, not the path, and no query: paths hold
addresses and secret links. An answer below 400 is logged at `debug`.
"""

import logging
import re
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from postroom.base.ids import show_id
from postroom.doors.http.tracked import Network, client_address
from postroom.ledger.rows import WorkspaceRow

PATH = "/metrics"
_log = structlog.get_logger(__name__)
_PUBLIC_ID = re.compile(r"(?<=/)[a-z]{2,3}_[a-z2-7]{13}(?=/|$)")
_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_API = "/api/v1/"
_SENDING = _API + "messages"


class MetricsDoor:
    """Answers `/metrics`; the application behind it answers the rest and is counted."""

    def __init__(
        self,
        behind: ASGIApp,
        *,
        render: Callable[[], Awaitable[bytes]],
        requests: defaultdict[tuple[str, int], int],
        readers: Sequence[Network],
        trusted_proxies: Sequence[Network],
    ) -> None:
        """`render` returns the page; `requests` counts answers by class of route and status."""
        self._behind = behind
        self._render = render
        self._requests = requests
        self._readers = tuple(readers)
        self._trusted = tuple(trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._behind(scope, receive, send)
            return
        if scope["path"] == PATH and scope["method"] in ("GET", "HEAD") and self._may_read(scope):
            await self._answer(scope, send)
            return
        kind, counts, began = route_class(scope["path"], scope["method"]), self._requests, time.monotonic()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                counts[kind, message["status"]] += 1
                _log_answer(scope, kind, message["status"], time.monotonic() - began)
            await send(message)

        await self._behind(scope, receive, counted)

    async def _answer(self, scope: HTTPScope, send: Send) -> None:
        page = await self._render()
        length = str(len(page)).encode()
        fields = [(b"content-type", _TYPE), (b"content-length", length), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        body = page if scope["method"] == "GET" else b""
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def _may_read(self, scope: HTTPScope) -> bool:
        peer = scope["client"][0] if scope["client"] else ""
        forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        if forwarded:
            address = client_address(peer, forwarded, self._trusted)
            if address == peer:
                return False
        else:
            address = peer
        try:
            found = ip_address(address.removeprefix("::ffff:"))
        except ValueError:
            return False
        return any(found in network for network in self._readers)


def _log_answer(scope: HTTPScope, kind: str, status: int, seconds: float) -> None:
    level = logging.DEBUG if status < 400 else logging.INFO if status < 500 else logging.WARNING
    if not _log.is_enabled_for(level):
        return
    workspace: WorkspaceRow | None = scope.get("user")
    _log.log(
        level,
        "request",
        method=scope["method"],
        # Litestar's name of the route, such as /api/v1/messages/{message_id}; the class where there is none.
        route=scope.get("path_template") or kind,
        ids=_PUBLIC_ID.findall(scope["path"]),
        status=status,
        ms=round(seconds * 1000, 1),
        workspace=show_id("ws", workspace.id) if isinstance(workspace, WorkspaceRow) else None,
    )


def route_class(path: str, method: str) -> str:
    """Return the class that a request is counted under: few, whatever clients ask for."""
    if path.startswith(_API):
        if method == "POST" and path.startswith(_SENDING) and not path.endswith("/cancel"):
            return "send"
        return "read" if method in ("GET", "HEAD", "OPTIONS") else "change"
    return "health" if path.startswith("/health/") else "other"
