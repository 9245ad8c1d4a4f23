"""The row of an endpoint: made, its secrets sealed and opened, its kinds read and written."""

from collections.abc import Sequence

import msgspec

from postroom.base.secrets import Sealer
from postroom.ledger.webhook_rows import EndpointForm, EndpointState, WebhookEndpointRow
from postroom.net.webhook_signature import new_secret

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[str]).decode


def new_endpoint(
    sealer: Sealer,
    endpoint_id: int,
    workspace_id: int,
    now_ms: int,
    *,
    url: str,
    description: str,
    kinds: str,
    stream: str = "",
    batch: int = 1,
    form: EndpointForm = EndpointForm.STANDARD,
) -> tuple[WebhookEndpointRow, str]:
    """Return a new endpoint with its secret; `kinds` is what `kinds_text` made."""
    secret = new_secret()
    row = WebhookEndpointRow(
        id=endpoint_id,
        workspace_id=workspace_id,
        url=url,
        description=description,
        kinds=kinds,
        stream=stream,
        batch=batch,
        state=EndpointState.ACTIVE.value,
        why="",
        state_ms=now_ms,
        secret=_seal(sealer, endpoint_id, "secret", secret),
        old_secret=None,
        old_secret_until_ms=None,
        created_ms=now_ms,
        form=form.value,
    )
    return row, secret


def with_new_secret(
    sealer: Sealer, row: WebhookEndpointRow, old_until_ms: int | None
) -> tuple[WebhookEndpointRow, str]:
    """Return the endpoint with another secret, and that. Until `old_until_ms` the one before signs too; None: no more.

    Raises CannotOpen.
    """
    secret = new_secret()
    old = (
        None
        if old_until_ms is None
        else _seal(sealer, row.id, "old_secret", _open(sealer, row.id, "secret", row.secret))
    )
    sealed = _seal(sealer, row.id, "secret", secret)
    return row._replace(secret=sealed, old_secret=old, old_secret_until_ms=old_until_ms), secret


def open_secrets(sealer: Sealer, row: WebhookEndpointRow, now_ms: int) -> list[str]:
    """Return the secrets that receivers may hold now, the newest first. Raises CannotOpen."""
    found = [_open(sealer, row.id, "secret", row.secret)]
    if row.old_secret is not None and (row.old_secret_until_ms or 0) > now_ms:
        found.append(_open(sealer, row.id, "old_secret", row.old_secret))
    return found


def kinds_text(kinds: Sequence[str]) -> str:
    """Return the column `kinds`."""
    return _encode(list(kinds)).decode()


def kinds_of(row: WebhookEndpointRow) -> list[str]:
    """Return the kinds that an endpoint is told; none: all of them."""
    return _decode(row.kinds)


def _seal(sealer: Sealer, endpoint_id: int, column: str, secret: str) -> bytes:
    return sealer.seal(secret.encode(), _sealed_for(endpoint_id, column))


def _open(sealer: Sealer, endpoint_id: int, column: str, sealed: bytes) -> str:
    return sealer.open(sealed, _sealed_for(endpoint_id, column)).decode()


def _sealed_for(endpoint_id: int, column: str) -> str:
    return f"webhook_endpoint/{endpoint_id}/{column}"
