"""Secrets and signatures of Standard Webhooks (standardwebhooks.com, specification 1.0).

A request is signed over its id, its time and its body with HMAC-SHA-256. While
a secret is being replaced, requests carry a signature of each.
"""

import base64
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

_SECRET_BYTES = 32
"""The specification asks for 24 to 64."""
_PREFIX = "whsec_"


def new_secret() -> str:
    """Return a new secret as receivers are given it: `whsec_` and base64 of 32 random bytes."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signed_header(secrets_: Sequence[str], request_id: str, at_seconds: int, body: bytes) -> list[tuple[str, str]]:
    """Return the three header fields of a request.

    `secrets_` are those that receivers may hold now, the newest first;
    `at_seconds` is the time of sending: receivers refuse what is older than five minutes.
    """
    at, text = datetime.fromtimestamp(at_seconds, UTC), body.decode()
    signatures = [Webhook(secret).sign(request_id, at, text) for secret in secrets_]
    return [
        ("webhook-id", request_id),
        ("webhook-timestamp", str(at_seconds)),
        ("webhook-signature", " ".join(signatures)),
    ]
