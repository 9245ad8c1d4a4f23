"""Wiring of mail that comes in: who may receive it, and what takes it in."""

from postroom.app.services import Services
from postroom.inbound.authenticate import authenticate
from postroom.inbound.receive import Authenticated, Incoming, Receiver
from postroom.inbound.recipients import OwnHosts, Recipients
from postroom.mail.authentication_results import field


def make_recipients(services: Services) -> Recipients:
    """Return who decides about envelope recipients."""
    names = services.names
    return Recipients(
        OwnHosts(names.hostname, names.return_path_host),
        services.domains,
        services.token_keys,
        services.clock,
        give_up_after=services.settings.give_up_days,
        first_workspace=lambda: min(services.workspaces.rows, default=None),
        routes=services.routes.view,
    )


def make_receiver(services: Services) -> Receiver:
    """Return what takes mail in."""
    hostname = services.names.hostname

    async def ask(mail: Incoming, raw: bytes) -> Authenticated:
        verdicts = await authenticate(
            services.resolver,
            services.slow,
            mail.peer,
            mail.helo,
            mail.reverse_path,
            raw,
            receiver=hostname,
            clock=services.clock,
        )
        return Authenticated(verdicts.to_json(), field(verdicts, hostname))

    return Receiver(
        services.database,
        services.ids,
        services.clock,
        services.slow,
        services.uploads,
        hostname,
        ask,
        services.metrics.received,
        services.large_inbound,
    )
