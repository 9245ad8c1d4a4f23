"""Wiring of mail that comes in: who may receive it, what takes it in, and what arrived while no server ran."""

from collections.abc import Callable
from ipaddress import ip_address

from postroom.app.services import Services
from postroom.inbound.arrived import FOLDER
from postroom.inbound.authenticate import authenticate
from postroom.inbound.rcpt_copy import RcptCopy
from postroom.inbound.receive import Authenticated, Incoming, Receiver
from postroom.inbound.recipients import OwnHosts, Recipients
from postroom.inbound.take_in import TakeIn
from postroom.mail.authentication_results import field
from postroom.store.sqlite_look import RCPT_COPY


def make_recipients(services: Services) -> Recipients:
    """Return who decides about envelope recipients."""
    names = services.names
    return Recipients(
        OwnHosts(names.hostname, names.return_path_host),
        services.domains,
        services.token_keys,
        services.clock.now_ms,
        give_up_after=services.settings.give_up_days,
        first_workspace=lambda: min(services.workspaces.rows, default=None),
        routes=services.routes.view,
    )


def make_is_relay(services: Services) -> Callable[[str], bool]:
    """Return what tells whether an IP address is that of an MTA in front of us, which speaks for others."""
    relays = services.settings.trusted_relays

    def is_relay(peer: str) -> bool:
        address = ip_address(peer.partition("%")[0])
        return any(address in network for network in relays)

    return is_relay


def make_receiver(services: Services) -> Receiver:
    """Return what takes mail in."""
    hostname = services.names.hostname
    is_relay = make_is_relay(services)

    async def ask(mail: Incoming, raw: bytes) -> Authenticated:
        verdicts = await authenticate(
            services.resolver,
            services.slow,
            mail.peer,
            mail.helo,
            mail.reverse_path,
            raw,
            receiver=hostname,
            # A pipe has no peer; it is the MTA's that started it.
            is_handed_over=not mail.peer or is_relay(mail.peer),
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


def make_take_in(services: Services) -> TakeIn:
    """Return what takes in the mail that arrived while no server ran."""
    return TakeIn(
        services.settings.data / FOLDER,
        make_receiver(services),
        services.database,
        services.uploads,
        services.clock,
        services.slow,
        services.taking_in,
    )


def make_rcpt_copy(services: Services) -> RcptCopy | None:
    """Return what keeps the copy for `postroom receive`; None on SQLite, whose file can be looked into."""
    if services.settings.database.startswith("sqlite:"):
        return None
    return RcptCopy(services.settings.data / RCPT_COPY, services.database, services.clock, services.slow)
