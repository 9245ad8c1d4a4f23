"""Wiring of SuperIMAP's API."""

from collections.abc import Callable

from litestar.types import HTTPScope

from postroom.access.guesses import Guesses
from postroom.app.services import Services
from postroom.doors.superimap.api import SuperImapApi
from postroom.doors.superimap.services import Services as SuperImapServices
from postroom.ledger.rows import WorkspaceRow
from postroom.webhooks.partner_hooks import PartnerHooks


def make_superimap(services: Services, client_address: Callable[[HTTPScope], str]) -> SuperImapApi:
    """Return SuperIMAP's API of this process."""

    async def check_key(key: str) -> WorkspaceRow | None:
        return await services.partner_keys.check(key) or await services.api_keys.check(key)

    return SuperImapApi(
        SuperImapServices(
            database=services.database,
            clock=services.clock,
            check_key=check_key,
            accounts=services.accounts,
            partners=services.partners,
            hooks=make_hooks(services),
            links=services.links,
            guesses=Guesses(services.clock),
            client_address=client_address,
        )
    )


def make_hooks(services: Services) -> PartnerHooks:
    """Return the webhooks that partners set."""
    return PartnerHooks(
        services.database, services.ids, services.clock, services.sealer, services.settings.allow_private
    )
