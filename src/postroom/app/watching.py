"""Wiring of watched mailboxes: which accounts this process watches, and with what."""

import random

from postroom.accounts.pace import Buckets, Hands
from postroom.accounts.supervisor import Supervisor
from postroom.accounts.tools import Tools
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
