"""What a stress run's nodes find when they start: a workspace, its SuperIMAP key, webhooks and accounts."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from postroom.accounts.changes import AccountChange, ConnectionChange
from postroom.accounts.partners import Partner
from postroom.app.services import Services, open_services
from postroom.app.superimap import make_hooks
from postroom.base.clock import Clock
from postroom.base.errors import PostroomError
from postroom.config import Settings
from postroom.ledger.account_rows import Security
from postroom.ledger.rows import WorkspaceRow
from postroom.store.postgresql_tools import is_empty
from postroom.webhooks.partner_hooks import PartnerHooks

PROVIDER = "PLAIN"
_TOGETHER = 50
"""Accounts that are written at a time: as many as wait are one commit."""


@dataclass(frozen=True, slots=True)
class Login:
    """An account that is to be watched. Its tag is its address."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Installed:
    """What the receiver has to know."""

    key: str = field(repr=False)
    """The SuperIMAP key."""
    secrets: Mapping[str, str] = field(repr=False)
    """Path of the receiver to the secret of its endpoint."""


def refuse_used_database(url: str) -> None:
    """Raise PostroomError where a PostgreSQL database holds anything: the run would write into it."""
    if not is_empty(url):
        raise PostroomError("the database of --database has tables: make an empty one for the run, and drop it after")


async def install(
    settings: Settings, clock: Clock, imap_port: int, logins: Sequence[Login], url_of: Callable[[str], str]
) -> Installed:
    """Make everything in the database of `settings`. `url_of` gives the receiver's address of a path."""
    async with open_services(settings, clock) as services:
        workspace = await services.workspaces.create("stress", "sandbox")
        key = await services.partner_keys.create(workspace)
        # Nothing is given up while the run lasts.
        hooks = make_hooks(services).prepare(workspace.id, {name: url_of(name) for name in PartnerHooks.names})
        await services.partners.put(workspace.id, Partner(retries=0), in_transaction=hooks.write)
        await _accounts(services, workspace, imap_port, logins)
        await services.nodes.leave()
    return Installed(key.secret, hooks.secrets)


async def _accounts(services: Services, workspace: WorkspaceRow, port: int, logins: Sequence[Login]) -> None:
    provider = services.accounts.providers.get(PROVIDER)
    assert provider is not None  # noqa: S101 - it is shipped
    server = {"imap_host": "127.0.0.1", "imap_port": port, "imap_security": Security.PLAIN.value}
    connection = await services.accounts.create_connection(workspace.id, provider, ConnectionChange(server=server))
    left = iter(logins)
    while some := list(islice(left, _TOGETHER)):
        changes = (AccountChange(tag=one.user, email=one.user, password=one.password) for one in some)
        await asyncio.gather(*(services.accounts.create(connection, change) for change in changes))
