"""Errors of the API as problem details (RFC 9457): one form for all of them.

`errors` names every wrong field with what to do about it. The text is for the
client; what only operators may know goes to the log.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from msgspec import Struct

from postroom.base.errors import TryLater, WrongInput
from postroom.mail.smtp_reply import SmtpReply
from postroom.outbound.once import KeyReused, StillRunning
from postroom.outbound.submission import Refused

MEDIA_TYPE = "application/problem+json"

_log = structlog.get_logger(__name__)

TITLES = {
    400: "The request cannot be read",
    401: "An API key is needed",
    403: "This key may not do that",
    404: "There is no such thing",
    405: "This method is not served here",
    409: "Another request is in the way",
    413: "The request is too large",
    415: "Only application/json is read here",
    422: "Some fields are wrong",
    500: "Postroom failed",
    503: "Not now",
}


class FieldError(Struct, frozen=True):
    """One wrong field: `field` is its path (`to[1].address`), `message` says what to do."""

    field: str
    code: str
    message: str


class ProblemDetails(Struct, frozen=True, omit_defaults=True):
    """The body of every answer that is no success."""

    type: str
    """A name of the kind of error that stays the same: `urn:postroom:problem:…`."""
    title: str
    status: int
    detail: str
    errors: tuple[FieldError, ...] = ()


class Problem(Exception):
    """Ends a request with an answer of this status."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.details = ProblemDetails(
            f"urn:postroom:problem:{kind}", TITLES.get(status, "The request failed"), status, detail, tuple(errors)
        )
        self.headers = dict(headers or {})

    def to_response(self) -> Response[bytes]:
        """Return the answer."""
        return Response(
            msgspec.json.encode(self.details),
            status_code=self.details.status,
            media_type=MEDIA_TYPE,
            headers=self.headers,
        )


def not_found(what: str) -> Problem:
    """Return the answer to an id that does not exist, or not in this workspace: the two look alike."""
    return Problem(404, "not-found", f"There is no such {what} in this workspace.")


def wrong_fields(errors: Sequence[FieldError]) -> Problem:
    """Return the answer that names every wrong field."""
    count = len(errors)
    detail = "One field is wrong." if count == 1 else f"{count} fields are wrong."
    return Problem(422, "wrong-fields", detail, errors)


def busy(detail: str = "The store is busy or cannot be reached; nothing was kept. Repeat the request.") -> Problem:
    """Return the answer for what can be done later; nothing has happened."""
    return Problem(503, "try-later", detail, headers={"Retry-After": "2"})


def problem_of(error: Exception) -> Problem:
    """Return the answer that an exception means. What nobody foresaw is 500 and goes to the log."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, KeyReused):
        return Problem(
            422, "idempotency-key-reused", str(error), [FieldError("Idempotency-Key", error.code, str(error))]
        )
    if isinstance(error, WrongInput):
        return wrong_fields([FieldError(error.field, error.code, str(error))])
    if isinstance(error, Refused):
        return _of_refusal(error.reply)
    if isinstance(error, StillRunning):
        return _still_running()
    if isinstance(error, TryLater):
        _log.warning("request put off", reason=str(error))
        return busy()
    if isinstance(error, HTTPException):
        return _of_framework(error)
    _log.error("request failed", exc_info=error)
    return Problem(500, "internal", "The request failed for a reason that is ours; it has been logged.")


def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer any exception of a handler with problem details."""
    return problem_of(error).to_response()


def _still_running() -> Problem:
    return Problem(
        409,
        "still-running",
        "The first request with this Idempotency-Key is still running. Repeat this one to get its answer.",
        headers={"Retry-After": "1"},
    )


def _of_refusal(reply: SmtpReply) -> Problem:
    if reply.is_transient:
        return busy(reply.text)
    code = f"smtp_{reply.status}"
    return Problem(422, "refused", reply.text, [FieldError("from", code, reply.text)])


def _of_framework(error: HTTPException) -> Problem:
    status = error.status_code if error.status_code in TITLES else 400
    kinds = {404: "not-found", 405: "method", 413: "too-large", 500: "internal"}
    details = {404: "There is nothing at this address.", 405: "Use a method that the Allow header names."}
    return Problem(status, kinds.get(status, "request"), details.get(status, error.detail), headers=error.headers or {})
