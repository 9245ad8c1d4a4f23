"""Wiring of watched mailboxes: which accounts this process watches, and with what."""

import random

from postroom.accounts.pace import Buckets, Hands
from postroom.accounts.submit import AccountSmtp
from postroom.accounts.supervisor import Supervisor
from postroom.accounts.tools import Tools
from postroom.accounts.tracers import Tracers, TracerSettings
from postroom.app.services import Services
from postroom.net.imap.client import ImapDialler
from postroom.net.tls import ClientContexts


def make_watching(services: Services) -> Supervisor:
    """Return what watches the accounts of this process's share."""
    settings = services.settings
    dialler = ImapDialler(services.resolver, ClientContexts(), settings.allow_private, services.clock)
    tools = Tools(
        database=services.database,
        clock=services.clock,
        ids=services.ids,
        slow=services.slow,
        dialler=dialler,
        credentials=services.credentials,
        providers=services.providers,
        buckets=Buckets(services.clock, settings.watch_connections_per_second),
        hands=Hands(settings.watch_workers),
        chance=random.random,
        node=lambda: services.nodes.number,
        is_live=lambda node: node in services.nodes.numbers,
        most_bytes=settings.watch_mail_kb * 1024,
    )
    return Supervisor(tools, services.nodes, settings.watch_accounts)


def make_tracers(services: Services) -> Tracers:
    """Return what sends tracers to the accounts that this process watches."""
    settings = services.settings
    return Tracers(
        services.database,
        services.ids,
        services.clock,
        services.credentials,
        services.providers,
        AccountSmtp(services.resolver, ClientContexts(), settings.allow_private, settings.hostname),
        TracerSettings(settings.tracer_seconds, settings.tracers, settings.tracer_lost_seconds),
        settings.hostname,
    )
