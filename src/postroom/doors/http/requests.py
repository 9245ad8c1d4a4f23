"""Reading a request and writing an answer: key, body, query, JSON."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import msgspec
from litestar import Response
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from msgspec import Struct

from postroom.base.errors import WrongInput
from postroom.doors.http.body import Body
from postroom.doors.http.fields import Errors, read_object
from postroom.doors.http.problems import FieldError, Problem, wrong_fields
from postroom.doors.http.services import ApiRequest, Services, services_of
from postroom.mail.control_fields import check_idempotency_key

MODEL = TypeVar("MODEL", bound=Struct)

PUBLIC: Final = {"public": True}
"""`opt` of a route that needs no key."""

_encode = msgspec.json.Encoder().encode


async def authenticate(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Guard: put the workspace of the request's key into its scope. Raises Problem 401."""
    if handler.opt.get("public"):
        return
    key = _key(connection)
    services: Services = connection.app.state["services"]
    workspace = await services.api_keys.check(key) if key else None
    if workspace is None:
        told = (
            "This API key is not known." if key else "Send the key as `Authorization: Bearer KEY` or `x-api-key: KEY`."
        )
        raise Problem(401, "no-key", told, headers={"WWW-Authenticate": 'Bearer realm="postroom"'})
    connection.scope["user"] = workspace


def _key(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    scheme, _, value = connection.headers.get("authorization", "").partition(" ")
    key = value.strip() if scheme.lower() == "bearer" else connection.headers.get("x-api-key", "").strip()
    # Keys that we make are ASCII and short; anything else need not be looked up.
    return key if key.isascii() and len(key) <= 200 else ""


@asynccontextmanager
async def body_of(request: ApiRequest) -> AsyncIterator[Body]:
    """Read the body; it is gone at the end. Raises Problem 400, 413, 415, 503."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(415, "media-type", "Send the body as application/json.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "media-type", "Send the body without Content-Encoding.")
    path = request.scope["path"]
    async with services_of(request).bodies.read(request.stream(), _announced_length(request), path) as body:
        yield body


async def read_json(request: ApiRequest, model: type[MODEL]) -> MODEL:
    """Return a small JSON body as a `model`. Raises Problem, naming every wrong field."""
    errors = Errors()
    async with body_of(request) as body:
        read = read_object(await body.json(), model, errors)
    errors.end()
    return read


def idempotency_key(request: ApiRequest) -> str | None:
    """Return the Idempotency-Key header's value, or None. Raises Problem 422."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    try:
        return check_idempotency_key(key, of="Idempotency-Key")
    except WrongInput as error:
        raise wrong_fields([FieldError(error.field, error.code, str(error))]) from error


def answer(body: Struct, status: int = 200) -> Response[bytes]:
    """Return a JSON answer."""
    return answer_bytes(_encode(body), status)


def answer_bytes(body: bytes, status: int, *, replayed: bool = False) -> Response[bytes]:
    """Return an answer whose JSON is written already."""
    headers = {"Idempotent-Replay": "true"} if replayed else {}
    return Response(body, status_code=status, media_type="application/json", headers=headers)


def encode(body: Struct) -> bytes:
    """Return a struct as JSON."""
    return _encode(body)


def cut_page(rows: Sequence[Any], limit: int) -> tuple[Sequence[Any], bool]:
    """Return at most `limit` of the `limit + 1` rows that were read, and whether there are more."""
    return rows[:limit], len(rows) > limit


def _announced_length(request: ApiRequest) -> int | None:
    text = request.headers.get("content-length")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Problem(400, "request", "Content-Length is no number.")
    return int(text)
