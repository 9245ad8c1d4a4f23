"""Wiring of the pages on which people connect and disconnect their mailboxes."""

from collections.abc import Callable

from litestar.types import ASGIApp, HTTPScope

from postroom.accounts.autodetect import Autodetection
from postroom.accounts.connecting import Connecting
from postroom.accounts.login_try import LoginTries
from postroom.app.services import Services
from postroom.doors.superimap.connect import ConnectDoor
from postroom.net.imap.client import ImapDialler
from postroom.net.tls import ClientContexts


def make_connect_door(
    services: Services, client_address: Callable[[HTTPScope], str], behind: ASGIApp | None
) -> ConnectDoor:
    """Return these pages, with what answers all other paths behind them (None: nothing is there)."""
    settings = services.settings
    dialler = ImapDialler(services.resolver, ClientContexts(), settings.allow_private, services.clock)
    may_be_plain = bool(settings.allow_private)
    logins = LoginTries(dialler, may_be_plain=may_be_plain)
    connecting = Connecting(
        services.database,
        services.clock,
        services.sealer,
        services.accounts,
        services.credentials,
        services.authorization_servers,
        services.links,
        Autodetection(services.resolver, services.http_client, logins),
        logins,
    )
    return ConnectDoor(connecting, services.clock, client_address, behind, may_be_plain=may_be_plain)
