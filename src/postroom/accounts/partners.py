"""What a workspace sets for its accounts: where people come back to, and how often its webhooks are tried."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import msgspec

from postroom.base.clock import Clock
from postroom.base.errors import WrongInput
from postroom.ledger.account_rows import PartnerRow
from postroom.store import accounts
from postroom.store.database import Database, Tx
from postroom.store.together import InTransaction, nothing_else

RETRIES = 6
"""SuperIMAP's own number of tries."""
_MOST_RETRIES = 20
"""Six more than SuperIMAP's pauses would need for a day; 0 is for longer."""
_MOST_ORIGINS = 50
_MOST_URL = 2_000

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[str]).decode


@dataclass(frozen=True, slots=True)
class Partner:
    """What a workspace set."""

    success_url: str = ""
    """Where people come back to where a link names nothing; empty: a page of ours."""
    failure_url: str = ""
    redirects: tuple[str, ...] = ()
    """Origins that links may send people back to, such as `https://app.example.com`."""
    retries: int = RETRIES
    """Most tries of a webhook in SuperIMAP's form; 0: for three days."""


class Partners:
    """The settings of all workspaces."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def get(self, workspace_id: int) -> Partner:
        """Return what a workspace set."""
        row = await self._database.read(lambda conn: accounts.partner_of(conn, workspace_id))
        return Partner() if row is None else partner_of(row)

    async def put(
        self, workspace_id: int, partner: Partner, *, in_transaction: InTransaction = nothing_else
    ) -> Partner:
        """Write what a workspace sets, checked and tidied; return it. Raises WrongInput."""
        checked = _checked(partner)
        row = PartnerRow(
            workspace_id,
            checked.success_url,
            checked.failure_url,
            _encode(checked.redirects).decode(),
            checked.retries,
            self._clock.now_ms(),
        )

        def write(tx: Tx) -> None:
            accounts.put_partner(tx, row)
            in_transaction(tx)

        await self._database.write(write)
        return checked


def partner_of(row: PartnerRow) -> Partner:
    """Return what a row says."""
    return Partner(row.success_url, row.failure_url, tuple(_decode(row.redirects)), row.retries)


def origin_of(url: str) -> str | None:
    """Return the origin of an address (RFC 6454 4), or None where people cannot be sent there."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or "\\" in url:
        return None
    # Browsers take these out of an address: what is left may be another one.
    if any(ord(letter) <= 32 or ord(letter) == 127 for letter in url):
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" if port in (None, usual) else f"{parts.scheme}://{host}:{port}"


def may_send_to(partner: Partner, url: str) -> bool:
    """Tell whether a link may send a person back to an address."""
    origin = origin_of(url)
    own = {origin_of(one) for one in (partner.success_url, partner.failure_url) if one}
    return origin is not None and (origin in partner.redirects or origin in own)


def _checked(partner: Partner) -> Partner:
    for name in ("success_url", "failure_url"):
        url = getattr(partner, name)
        if url and (len(url) > _MOST_URL or origin_of(url) is None):
            raise WrongInput(name, f"{name} is an http or https address, such as https://app.example.com/connected")
    if not 0 <= partner.retries <= _MOST_RETRIES:
        raise WrongInput("retries", f"retries is a whole number from 0 (three days) to {_MOST_RETRIES}")
    return replace(partner, redirects=_origins(partner.redirects))


def _origins(written: Sequence[str]) -> tuple[str, ...]:
    origins: list[str] = []
    for text in written:
        origin = origin_of(text.strip())
        if origin is None or urlsplit(text.strip()).path not in ("", "/"):
            raise WrongInput(
                "redirects", f"redirects holds origins, such as https://app.example.com; {text[:100]!r} is none"
            )
        origins.append(origin)
    if len(origins) > _MOST_ORIGINS:
        raise WrongInput("redirects", f"redirects holds at most {_MOST_ORIGINS} origins")
    return tuple(dict.fromkeys(origins))
