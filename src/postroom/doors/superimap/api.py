"""SuperIMAP's API as an ASGI application: its paths, its JSON, its status codes and its texts.

A tag may hold any character, a slash too, so a path is taken apart before it
is decoded. A key that nobody knows is 404 here, because that is what
SuperIMAP's clients know.
"""

import math
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from urllib.parse import unquote

import structlog
from litestar.enums import ScopeType
from litestar.types import HTTPScope, Receive, Scope, Send

from postroom.base.errors import TryLater, WrongInput
from postroom.doors.superimap import completeness, connections, partner, users
from postroom.doors.superimap.answers import Answer, Refused, plain
from postroom.doors.superimap.ask import Ask, refusal_of
from postroom.doors.superimap.parameters import MOST_BYTES, Parameters, read_parameters
from postroom.doors.superimap.services import Services
from postroom.ledger.rows import WorkspaceRow
from postroom.net.request_body import NoBody, read_body

_log = structlog.get_logger(__name__)

PREFIX = "/api/v1"
_BODY_SECONDS = 30.0
_MOST_KEY = 200

Handler = Callable[[Ask], Awaitable[Answer]]


class Endpoint(NamedTuple):
    """A method of a path."""

    method: str
    path: str
    """With `:NAME` for what varies."""
    handler: Handler


_CONNECTIONS = f"{PREFIX}/connections"
_CONNECTION = f"{_CONNECTIONS}/:CODE"
_USERS = f"{_CONNECTION}/users"
_USER = f"{_USERS}/:TAG"

ENDPOINTS = (
    Endpoint("GET", f"{PREFIX}/partner", partner.get_partner),
    Endpoint("PUT", f"{PREFIX}/partner", partner.change_partner),
    Endpoint("GET", _CONNECTIONS, connections.list_connections),
    Endpoint("POST", _CONNECTIONS, connections.create_connection),
    Endpoint("GET", _CONNECTION, connections.get_connection),
    Endpoint("PUT", _CONNECTION, connections.change_connection),
    Endpoint("DELETE", _CONNECTION, connections.delete_connection),
    Endpoint("GET", _USERS, users.list_users),
    Endpoint("POST", _USERS, users.create_user),
    Endpoint("GET", _USER, users.get_user),
    Endpoint("PUT", _USER, users.change_user),
    Endpoint("DELETE", _USER, users.archive_user),
    Endpoint("GET", f"{_USER}/events", completeness.list_events),
    Endpoint("GET", f"{_USER}/events/:NUMBER/raw", completeness.get_event_raw),
    Endpoint("POST", f"{_USER}/events/:NUMBER/replay", completeness.replay_event),
    Endpoint("GET", f"{_USER}/audit", completeness.audit_user),
    Endpoint("POST", f"{_USER}/sweep", completeness.sweep_user),
)

_PARTS = [(endpoint, tuple(endpoint.path.split("/")[1:])) for endpoint in ENDPOINTS]


def is_of_superimap(path: str) -> bool:
    """Tell whether a path, decoded or not, is served here."""
    return any(
        path == one or path.startswith((one + "/", one + ".json")) for one in (_CONNECTIONS, f"{PREFIX}/partner")
    )


class SuperImapApi:
    """The application."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            return
        try:
            answer = await self._answer(scope, receive)
        except Exception as error:
            answer = _answer_of(error)
        is_head = scope["method"] == "HEAD"
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.header()})
        await send({"type": "http.response.body", "body": b"" if is_head else answer.body, "more_body": False})

    async def _answer(self, scope: HTTPScope, receive: Receive) -> Answer:
        parts = _parts(scope)
        found = [(endpoint, path) for endpoint, named in _PARTS if (path := _match(named, parts)) is not None]
        if not found:
            raise Refused(404, "There is nothing here: docs/mailboxes.md lists the paths.")
        allowed = sorted({endpoint.method for endpoint, _ in found})
        allow = ("allow", ", ".join((*(("HEAD",) if "GET" in allowed else ()), *allowed, "OPTIONS")))
        method: str = scope["method"]
        if method == "OPTIONS":
            return Answer(204, b"", "", (allow,))
        asked = "GET" if method == "HEAD" else {"PATCH": "PUT"}.get(method, method)
        chosen = next(((endpoint, path) for endpoint, path in found if endpoint.method == asked), None)
        if chosen is None:
            raise Refused(405, f"{method} is not served here.", allow)
        fields = {name.lower(): value for name, value in scope["headers"]}
        media_type = fields.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")
        body = await _read_body(receive, fields.get(b"content-length", b""))
        parameters = read_parameters(scope["query_string"], media_type, body)
        endpoint, path = chosen
        # What the log of requests names.
        scope["path_template"] = endpoint.path
        workspace = scope["user"] = await self._workspace(scope, fields, parameters)
        return await endpoint.handler(Ask(self._services, workspace, path, parameters))

    async def _workspace(self, scope: HTTPScope, fields: dict[bytes, bytes], parameters: Parameters) -> WorkspaceRow:
        """Return the workspace that the request's key opens; a network that brings wrong ones waits between them."""
        scheme, _, token = fields.get(b"authorization", b"").partition(b" ")
        bearer = token if scheme.lower() == b"bearer" else b""
        key = (fields.get(b"x-api-key") or bearer).strip().decode("latin-1") or parameters.text("api_key") or ""
        # Keys that we make are ASCII and short; anything else need not be looked up.
        workspace = None
        if key and key.isascii() and len(key) <= _MOST_KEY:
            guesses, client = self._services.guesses, self._services.client_address(scope)
            if wait := math.ceil(guesses.wait(client, key)):
                text = f"Too many wrong keys came from your address. Repeat the request in {wait} s with the right one."
                raise Refused(429, text, ("retry-after", str(wait)))
            workspace = await self._services.check_key(key)
            (guesses.was_wrong if workspace is None else guesses.was_right)(client, key)
        if workspace is None:
            raise Refused(404, "Partner not found. Check your api_key.")
        return workspace


def _parts(scope: HTTPScope) -> list[str]:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    path = raw.partition(b"?")[0].decode("latin-1").removesuffix("/")
    return path.split("/")[1:]


def _match(named: tuple[str, ...], parts: list[str]) -> tuple[str, ...] | None:
    """Return what varies in a path, decoded, where it is of this form; else None."""
    if len(named) != len(parts):
        return None
    found = []
    for name, part in zip(named, parts, strict=True):
        if name.startswith(":"):
            if not part:
                return None
            found.append(unquote(part, errors="replace"))
        # Rails takes the wished form of the answer from the end of a path.
        elif name not in (part, part.removesuffix(".json")):
            return None
    return tuple(found)


async def _read_body(receive: Receive, announced: bytes) -> bytes:
    too_large = Refused(400, f"The body is too large: it has {MOST_BYTES} bytes at most.", ("connection", "close"))
    if announced.isdigit() and (len(announced) > 10 or int(announced) > MOST_BYTES):
        raise too_large
    body = await read_body(receive, most_bytes=MOST_BYTES, seconds=_BODY_SECONDS)
    if body is NoBody.TOO_LARGE:
        raise too_large
    if body is NoBody.BROKEN_OFF:
        raise Refused(400, "The body did not come whole.")
    if body is NoBody.LATE:
        raise Refused(408, "The body did not come in time.", ("connection", "close"))
    return body


def _answer_of(error: Exception) -> Answer:
    if isinstance(error, Refused):
        return error.answer
    if isinstance(error, WrongInput):
        return refusal_of(error).answer
    if isinstance(error, TryLater):
        _log.warning("request put off", reason=str(error))
        return plain(503, "Not now: the store is busy or cannot be reached. Repeat the request.", ("retry-after", "2"))
    _log.error("request failed", exc_info=error)
    return plain(500, "Postroom failed; its log says why.")
