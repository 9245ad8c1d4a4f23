"""What SuperIMAP's API is given."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from litestar.types import HTTPScope

from postroom.access.guesses import Guesses
from postroom.accounts.connect import Links
from postroom.accounts.partners import Partners
from postroom.accounts.registry import Accounts
from postroom.base.clock import Clock
from postroom.ledger.rows import WorkspaceRow
from postroom.store.database import Database
from postroom.webhooks.partner_hooks import PartnerHooks

CheckKey = Callable[[str], Awaitable[WorkspaceRow | None]]
"""Returns the workspace that a key opens, or None. Raises TryLater."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that the handlers use."""

    database: Database
    clock: Clock
    check_key: CheckKey
    """Of SuperIMAP keys and of ordinary API keys."""
    accounts: Accounts
    partners: Partners
    hooks: PartnerHooks
    links: Links
    guesses: Guesses
    client_address: Callable[[HTTPScope], str]
