"""What a route says about itself beside its path, for the OpenAPI document."""

from dataclasses import dataclass
from typing import Any

from msgspec import Struct


@dataclass(frozen=True, slots=True)
class Operation:
    """One endpoint. Its description is the docstring of its handler."""

    summary: str
    answers: type[Struct] | None
    """The model of the successful answer; None: no content, or `media_type` says it."""
    media_type: str = ""
    """Of a successful answer that is not JSON."""
    status: int = 200
    """Of the successful answer."""
    body: type[Struct] | None = None
    query: type[Struct] | None = None
    body_limits: bool = False
    """Large bodies are waited for."""
    idempotent: bool = False
    """Takes an Idempotency-Key."""
    conflicts: bool = False
    """May answer 409."""
    public: bool = False
    """Needs no key."""


def described(operation: Operation) -> dict[str, Any]:
    """Return the `opt` of a route."""
    return {"operation": operation, "public": operation.public}


def id_pattern(kind: str) -> str:
    """Return the pattern of public ids of a kind, exactly those that `base.ids.parse_id` takes."""
    return f"^{kind}_[a-p][a-z2-7]{{11}}[acegikmoqsuwy246]$"
